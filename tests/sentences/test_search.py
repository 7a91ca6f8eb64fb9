"""What a search for the batch makes: one decoder, which reads the batches of every size."""

from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.config import SentencesConfig
from embedpipe.sentences import search
from embedpipe.sentences.objectives.denoising import Decoder
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS
from embedpipe.words.bag import Bag

CPU = torch.device("cpu")
CONFIG = SentencesConfig(neighbours=0, denoising=1, hidden=4, batch=4)


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    np.save(tmp_path / "tokens.npy", np.array([4, 5, 6, EOS] * 20, dtype=np.uint32))
    np.save(tmp_path / "sentences.npy", np.arange(0, 81, 4).astype(np.uint64))
    np.save(tmp_path / "documents.npy", np.array([0, 20], dtype=np.uint64))
    return TokenStore(tmp_path)


def test_one_decoder_is_made_for_batches_of_all_sizes(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Decoder] = []

    def make(_: TokenStore, dim: int, device: torch.device) -> Decoder:
        made.append(Decoder(torch.nn.Linear(dim, 1, device=device)))
        return made[-1]

    def tried(make_model, batches, *_: object, n_rows, **__: object) -> list[int]:
        assert make_model().heads[0] is made[0].network
        return [n_rows(next(batches(size))) for size in (4, 8, 16)]

    monkeypatch.setattr(search, "find_batch", tried)
    bag = Bag(np.eye(7, dtype=np.float32), np.ones(7, np.float32))
    assert search.search_batch(bag, store, CONFIG, decoder=make, seed=1, device=CPU) == [4, 8, 16]
    assert len(made) == 1
