"""The catalogue of public tasks: every card is valid, and a wrong one is named."""

import re
from pathlib import Path

import pytest

from embedpipe.errors import InputError
from embedpipe.tasks.catalogue import KINDS, load_task_cards, read_task_card, task_card
from embedpipe.tasks.files import HEADERS

ROOT = Path(__file__).parents[2]
GOOD = 'name = "x"\ntitle = "X"\nkind = "word similarity"\nlanguage = "en"\npaper = "Y (2000)"\n'
PART = '[[parts]]\naddress = "https://example.org/x.tsv"\ncolumns = { word_a = 0, word_b = 1, score = 2 }\n'
PROMISED = (
    "mr cr mpqa subj sst2 sst5 trec mrpc sick-e sick-r sts12 sts13 sts14 sts15 sts16 sts-benchmark wordsim353 "
    "simlex999 men rw rg65 mc30 mturk287 mturk771 simverb3500 google-analogies bats bless ap battig 8-8-8"
)


def test_each_card_stands_in_the_file_of_its_name() -> None:
    cards = load_task_cards()
    assert list(cards) == sorted(path.stem for path in (ROOT / "public_tasks").glob("*.toml"))
    assert set(PROMISED.split()) <= set(cards)
    assert {card.kind for card in cards.values()} == set(KINDS)
    assert all(re.search(r"\(\d{4}\)", card.paper) for card in cards.values())


def test_cards_hold_facts_and_addresses_that_are_a_publishers() -> None:
    for card in load_task_cards().values():
        assert card.parts or card.where, card.name
        assert card.can_download or card.where, f"{card.name} says nowhere how to come by it"
        splits = [part.to for part in card.parts]
        assert "" not in splits or set(splits) == {""}, f"{card.name} mixes parts with and without a name"


def test_the_headers_of_the_kinds_are_those_of_task_files() -> None:
    for kind in ("word similarity", "sentence similarity", "classification", "inference"):
        assert KINDS[kind] in HEADERS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = ", r"x\.toml: is not TOML"),
        (GOOD + 'license = "MIT"', "unknown key 'license'; did you mean 'licence'"),
        (GOOD + 'rows = "many"', "'rows' is str, expected int"),
        ('name = "x"', "lacks title, kind, language, paper"),
        (GOOD.replace("word similarity", "words"), "unknown kind 'words'"),
        (GOOD, "has neither parts nor 'where'"),
        (GOOD + PART + 'code = "x"', "part 1: unknown key 'code'"),
        (GOOD + PART + 'to = "validation"', "'to' is 'validation'"),
        (GOOD + PART + 'separator = ";"', "unknown separator ';'"),
        (GOOD + PART.replace("https", "file"), "does not begin with https:// or http://"),
        (GOOD + PART.replace("x.tsv", ""), "has neither an address that ends in the name of a file"),
        (GOOD + PART + 'file = "../x"', "has neither an address that ends in the name of a file"),
        (GOOD + PART + 'checksum = "0123"', "the checksum '0123' is none"),
        (
            GOOD + PART.replace(", score = 2", ""),
            "has the columns word_a, word_b; a task of its kind has word_a, word_b,",
        ),
    ],
)
def test_a_wrong_card_is_named(content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_task_card(content, "x.toml")


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean 'simlex999'\?"):
        task_card("simlex99")
