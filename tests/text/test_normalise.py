from unicodedata import is_normalized

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.text.normalise import DOCUMENT_MARK, SENTENCE_MARK, fold, normalise, normalise_marked

any_text = st.text(st.characters(exclude_categories=[]), max_size=40)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("cafe\u0301", "café"),
        ("\u1100\u1161", "가"),
        ("\u212b", "Å"),
        ("a\r\nb\rc\u2028d\x85e\fg", "a\nb\nc\nd\ne\ng"),
        ("co\u00adoperate", "cooperate"),
        ("e\u00ad\u0301", "é"),
        ("\ufeffstart", "start"),
        ("nul\x00 bell\x07", "nul  bell "),
        ("half \ud800 pair", "half \ufffd pair"),
        ("don’t ‘quote’ rock ’n’ roll", "don't ‘quote’ rock ’n’ roll"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("tab\tstays", "tab\tstays"),
        ("plain ascii", "plain ascii"),
        ("", ""),
    ],
)
def test_each_kind_of_difference_goes(raw: str, expected: str) -> None:
    assert normalise(raw) == expected


@given(any_text)
def test_result_is_nfc_and_stable_and_holds_no_marks(text: str) -> None:
    once = normalise(text)
    assert is_normalized("NFC", once)
    assert normalise(once) == once
    assert SENTENCE_MARK not in once
    assert DOCUMENT_MARK not in once


@given(st.lists(any_text, min_size=1, max_size=5))
def test_documents_normalised_together_equal_documents_normalised_apart(texts: list[str]) -> None:
    apart = [normalise(text) for text in texts]
    clean = [text.replace(SENTENCE_MARK, " ").replace(DOCUMENT_MARK, " ") for text in texts]
    assert normalise_marked(DOCUMENT_MARK.join(clean)).split(DOCUMENT_MARK) == apart


def test_folding() -> None:
    assert fold("ÀB", "lower") == "àb"
    assert fold("ÀB", "keep") == "ÀB"
