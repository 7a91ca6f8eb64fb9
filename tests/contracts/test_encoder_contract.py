"""What every encoder keeps to: one float32 row per text, whatever comes with it."""

import numpy as np
import pytest

SENTENCES = [
    "the king and the queen live in the palace .",
    "",
    "zzzqx qqqzz",
    "the doctor sees a patient",
    "the king and the queen live in the palace . " * 12,
    "the",
]


@pytest.fixture(params=["encoder", "bag_encoder", "vectorizer", "untrained", "random"])
def encode(request, toy_bundle):
    if request.param == "vectorizer":
        from embedpipe.integrations.sklearn import SentenceVectorizer

        return SentenceVectorizer(str(toy_bundle.path)).fit([]).transform
    if request.param in ("untrained", "random"):
        from embedpipe.config import SentencesConfig
        from embedpipe.sentences.encoder import SentenceEncoder
        from embedpipe.sentences.start import random_network, start_network

        make = {"untrained": start_network, "random": random_network}[request.param]
        return SentenceEncoder(toy_bundle.codec, make(toy_bundle.bag, SentencesConfig(), seed=1)).encode
    return getattr(toy_bundle, request.param).encode


def test_shape_dtype_and_order(encode) -> None:
    vectors = encode(SENTENCES)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert vectors.shape[0] == len(SENTENCES)
    np.testing.assert_allclose(encode(SENTENCES[::-1])[::-1], vectors, atol=1e-6)


def test_text_without_a_known_token_is_a_zero_row(encode) -> None:
    vectors = encode(SENTENCES)
    norms = np.linalg.norm(vectors, axis=1)
    np.testing.assert_array_equal(norms[[1, 2]], 0)
    np.testing.assert_allclose(norms[[0, 3, 4]], 1, atol=1e-5)
    assert np.isfinite(vectors).all()


def test_alone_equals_in_company(encode) -> None:
    together = encode(SENTENCES)
    for text, row in zip(SENTENCES, together, strict=True):
        np.testing.assert_allclose(encode([text])[0], row, atol=1e-6)


def test_nothing_gives_no_rows(encode) -> None:
    assert encode([]).shape == (0, encode(["the"]).shape[1])
    assert encode([]).dtype == np.float32


def test_a_bare_string_is_refused(encode) -> None:
    with pytest.raises(TypeError, match="wrap it in a list"):
        encode("the king")


@pytest.mark.parametrize("item", [None, 1, b"the king"])
def test_what_is_no_text_is_refused_by_its_place(encode, item) -> None:
    with pytest.raises(TypeError, match=f"expected texts, but item 1 is {type(item).__name__}: {item!r}"):
        encode(["the king", item])
