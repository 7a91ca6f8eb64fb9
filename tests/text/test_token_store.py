from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.errors import BundleError
from embedpipe.text.store_writer import StoreWriter
from embedpipe.text.token_store import TokenStore

# Documents of sentences of ids.
corpora = st.lists(st.lists(st.lists(st.integers(4, 50), min_size=1, max_size=4), max_size=3), max_size=4)


def write(path: Path, documents: list[list[list[int]]], pieces: int = 1) -> TokenStore:
    sentences = [s for d in documents for s in d]
    with StoreWriter(
        path,
        n_tokens=sum(map(len, sentences)),
        n_sentences=len(sentences),
        n_documents=len(documents),
    ) as writer:
        step = -(-len(documents) // pieces) or 1
        for i in range(0, len(documents), step):
            part = documents[i : i + step]
            flat = [s for d in part for s in d]
            writer.append(
                np.array([t for s in flat for t in s], dtype=np.uint32),
                np.array([len(s) for s in flat], dtype=np.uint32),
                np.array([len(d) for d in part], dtype=np.uint32),
                np.array([s[0] % 2 == 0 for s in flat], dtype=np.bool_),
            )
    return TokenStore(path)


@given(corpora, st.integers(1, 3))
def test_what_is_written_is_read_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[list[int]]], pieces: int
) -> None:
    store = write(tmp_path_factory.mktemp("s") / "store", documents, pieces)
    sentences = [s for d in documents for s in d]
    assert [s.tolist() for s in store] == sentences
    assert (store.n_documents, store.n_sentences) == (len(documents), len(sentences))
    assert store.n_tokens == sum(map(len, sentences))
    assert store.lengths.tolist() == [len(s) for s in sentences]
    assert store.document_of_sentence.tolist() == [i for i, d in enumerate(documents) for _ in d]
    begins = [j == 0 or s[0] % 2 == 0 for d in documents for j, s in enumerate(d)]
    assert store.paragraph_offsets.tolist() == [*np.flatnonzero(begins), len(sentences)]


def test_the_stream_closes_each_sentence(tmp_path: Path) -> None:
    store = write(tmp_path / "store", [[[7, 8], [9]], [[4]]])
    assert store.tokens.tolist() == [7, 8, 3, 9, 3, 4, 3]
    assert store.tokens.dtype == np.uint32
    assert isinstance(store.tokens, np.memmap)
    assert store.sentence_offsets.tolist() == [0, 3, 5, 7]
    assert store.document_offsets.tolist() == [0, 2, 3]


def test_damage_is_named(tmp_path: Path) -> None:
    store = write(tmp_path / "store", [[[7, 8]]])
    (tmp_path / "store" / "tokens.npy").write_bytes(b"short")
    with pytest.raises(BundleError, match=r"tokens\.npy.*prepare the text again"):
        _ = store.tokens
    np.save(tmp_path / "store" / "sentences.npy", np.zeros(2, dtype=np.int32))
    with pytest.raises(BundleError, match=r"sentences\.npy.*int32"):
        _ = store.n_sentences
    (tmp_path / "store" / "documents.npy").unlink()
    with pytest.raises(BundleError, match=r"documents\.npy"):
        _ = store.n_documents
