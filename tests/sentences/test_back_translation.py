"""Back-translation with a translator that is known."""

from pathlib import Path

import pytest

from embedpipe.errors import InputError
from embedpipe.sentences.back_translation import back_translate, write_pairs
from embedpipe.tasks.pairs import read_pairs


def test_pairs_are_what_comes_back_changed_and_can_be_read_again(tmp_path: Path) -> None:
    words = {"big": "groß", "large": "groß", "dog": "Hund", "gone": ""}
    home = {"groß": "large", "Hund": "dog", "": ""}

    def by_word(table: dict[str, str]):
        return lambda texts: [" ".join(table[word] for word in text.split()) for text in texts]

    made = back_translate(["big\tdog", "Dog".lower(), "gone", " large  dog"], by_word(words), by_word(home))
    assert (made.pairs, made.n_unchanged, made.n_lost) == ([("big dog", "large dog")], 2, 1)
    write_pairs(tmp_path / "made.tsv", made.pairs)
    assert read_pairs(str(tmp_path / "made.tsv")).groups == made.pairs


def test_a_translator_that_loses_texts_is_named() -> None:
    with pytest.raises(InputError, match="the translator back gave 0 texts for 2"):
        back_translate(["a", "b"], list, lambda texts: texts[2:])
