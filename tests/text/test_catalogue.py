"""The catalogue: every card is valid, the built-in ones are true, and the package installs what a checkout holds."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from embedpipe.errors import InputError
from embedpipe.text import cards
from embedpipe.text.catalogue import corpus_card, fetch_corpus, load_cards, read_card
from embedpipe.text.read_named import SCHEMES, builtin_file
from embedpipe.text.readers import ReadOptions, read_documents

ROOT = Path(__file__).parents[2]
GOOD = 'name = "x"\ntitle = "X"\nsource = "builtin:x"\nlanguage = "en"\nreader = "plain text"\n'


def test_each_card_stands_in_the_file_of_its_name_and_names_a_known_kind_of_source() -> None:
    cards = load_cards()
    assert list(cards) == sorted(path.stem for path in (ROOT / "corpora").glob("*.toml"))
    assert {"wikipedia", "lee", "toy-en", "toy-zh"} <= set(cards)
    assert {card.source.partition(":")[0] for card in cards.values()} == set(SCHEMES)
    assert all(card.needs_download is not card.source.startswith("builtin:") for card in cards.values())


@pytest.mark.parametrize("name", ["lee", "toy-en", "toy-zh"])
def test_the_cards_of_built_in_corpora_say_what_is_there(name: str) -> None:
    card = corpus_card(name)
    documents = list(read_documents(card.source, ReadOptions()))
    assert len(documents) == card.documents
    if card.tokens is not None:
        assert sum(len(re.findall(r"\w+", document.text)) for document in documents) == card.tokens


@pytest.mark.parametrize("name", ["wikipedia", "lee"])
def test_the_files_of_built_in_corpora_are_those_of_the_cards(name: str) -> None:
    card = corpus_card(name)
    assert builtin_file(name).stat().st_size == card.bytes
    assert fetch_corpus(card, ReadOptions()) == "installed, checksum as on the card"


def test_a_corpus_without_a_file_is_fetched_by_reading_it() -> None:
    assert fetch_corpus(corpus_card("toy-en"), ReadOptions()) == "installed, can be read"


def test_a_wrong_checksum_is_an_error() -> None:
    with pytest.raises(InputError, match=r"lee_background\.cor: has SHA-256 5d78.*the card says 00"):
        fetch_corpus(replace(corpus_card("lee"), checksum="00"), ReadOptions())


def test_nothing_is_fetched_without_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path))
    for name in ("text8", "wikitext-2"):
        with pytest.raises(InputError, match="--download"):
            fetch_corpus(corpus_card(name), ReadOptions())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = ", r"x\.toml: is not TOML"),
        (GOOD + 'license = "MIT"', r"x\.toml: unknown key 'license'; did you mean 'licence'\?"),
        (GOOD + 'documents = "many"', "'documents' is str, expected int"),
        (GOOD + "note = 3", "'note' is int, expected str"),
        ('name = "x"', "lacks title, source, language, reader"),
    ],
)
def test_a_wrong_card_is_named(content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_card(content, "x.toml")


def test_an_unknown_corpus_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean 'wikipedia'\?"):
        corpus_card("wikipdia")


def test_cards_are_found_where_a_wheel_puts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpora_cards").mkdir()
    (tmp_path / "corpora_cards" / "x.toml").write_text(GOOD)
    monkeypatch.setattr(cards, "files", lambda package: tmp_path)
    assert list(load_cards()) == ["x"]


def test_the_wheel_holds_every_package_and_the_cards() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "embedpipe").rglob("__init__.py")}
    of_cards = {"embedpipe.corpora_cards": "corpora", "embedpipe.task_cards": "public_tasks"}
    assert set(settings["packages"]) == found | set(of_cards)
    assert settings["package-dir"] == of_cards
    assert all(settings["package-data"][package] == ["*.toml"] for package in of_cards)
