"""fastText's binary models, beside gensim's reader; the bytes are also built by hand."""

import gzip
import re
import struct

import numpy as np
import pytest
from gensim.models import FastText
from gensim.models.fasttext import ft_ngram_hashes, load_facebook_vectors, save_facebook_model

from embedpipe.errors import InputError
from embedpipe.words.ngrams import ngram_buckets
from embedpipe.words.read_vectors import find_format, read_vectors

SENTENCES = [["cat", "naïve", "中文", "a"], ["cat", "𝒳x", "don't", "cat"]] * 3


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    model = FastText(SENTENCES, vector_size=6, min_count=1, bucket=50, min_n=2, max_n=4, epochs=1, workers=1, seed=1)
    save_facebook_model(model, str(path))
    return path


def test_vectors_are_those_of_gensim_and_counts_come_along(model_file, tmp_path) -> None:
    keyed = load_facebook_vectors(str(model_file))
    (tmp_path / "packed").write_bytes(gzip.compress(model_file.read_bytes()))
    for path in (model_file, tmp_path / "packed"):
        found = read_vectors(path)
        assert find_format(path) == ("fasttext-bin", 6)
        assert found.format == "fasttext-bin"
        assert found.tokens == keyed.index_to_key
        np.testing.assert_allclose(found.vectors, [keyed.get_vector(word) for word in found.tokens], atol=1e-7)
        assert dict(zip(found.tokens, found.counts.tolist(), strict=True))["cat"] == 9


@pytest.mark.parametrize(("shortest", "longest"), [(3, 6), (1, 2), (2, 2), (5, 20), (0, 3), (3, 2), (1, 0)])
def test_ngrams_are_hashed_as_gensim_does(shortest, longest) -> None:
    words = ["cat", "naïve", "中文", "a", "", "𝒳x", "x" * 30]
    buckets, lengths = ngram_buckets([f"<{word}>".encode() for word in words], shortest, longest, 1_000)
    assert len(buckets) == lengths.sum()
    for word, numbers in zip(words, np.split(buckets, lengths.cumsum()[:-1]), strict=True):
        assert sorted(numbers.tolist()) == sorted(ft_ngram_hashes(word, shortest, longest, 1_000))
    assert ngram_buckets([], shortest, longest, 1_000)[0].size == 0


ROWS = [[1.0, 2.0], [3.0, 4.0]]


def supervised(
    *, version=12, quantised=False, longest=0, size=3, rows=ROWS, words=(b"</s>", b"dog"), pruned=-1
) -> bytes:
    settings = struct.pack("<12id", 2, 5, 5, 1, 5, 1, 3, 3, 0, 0, longest, 100, 1e-4)
    entries = b"".join(word + b"\0" + struct.pack("<qb", 7, 0) for word in words)
    entries += b"__label__x\0" + struct.pack("<qb", 5, 1)
    head = struct.pack("<2i", 793712314, version) + settings + struct.pack("<3i2q", size, len(words), 1, 9, pruned)
    matrix = struct.pack("<2q", len(rows), 2) + np.array(rows, dtype="<f4").tobytes()
    return head + entries + (b"\1" if quantised else b"\0") + matrix + b"\0the output matrix"


def test_a_supervised_model_has_words_and_no_labels(tmp_path) -> None:
    (tmp_path / "m").write_bytes(supervised())
    found = read_vectors(tmp_path / "m")
    assert (found.tokens, found.vectors.tolist(), found.counts.tolist()) == (["</s>", "dog"], ROWS, [7, 7])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (supervised(quantised=True), "is a quantised fastText model"),
        (supervised(pruned=4), "is a pruned fastText model"),
        (supervised(version=11), "of version 11, expected 12"),
        (supervised(longest=-3), "damaged settings"),
        (supervised(size=9), "damaged dictionary: 9 entries, 2 words, 1 labels"),
        (supervised(rows=[*ROWS, [5, 6]]), "shape (3, 2), the settings ask for (2, 2)"),
        (supervised(rows=[ROWS[0], [np.nan, 1]]), "word 2 of 2: token 'dog': a number is not finite"),
        (supervised(words=(b"dog", b"dog")), "word 2 of 2: token 'dog' stands twice, first in word 1 of 2"),
        (supervised(words=(b"dog", b"\xff")), "word 2 of 2: token b'\\xff' is not UTF-8"),
        (supervised()[:-40], "input matrix: the file is cut short"),
        (supervised()[:112], "entry 2 of 3: the file is cut short"),
        (supervised()[:30], "settings: the file is cut short"),
    ],
)
def test_damaged_models_say_what_is_wrong(tmp_path, content, message) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_vectors(path)
    assert str(caught.value).startswith(f"{path}: ")
