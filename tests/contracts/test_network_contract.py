"""What every network keeps to, whatever reads, pools and is added: one unit row a sentence, blind to its company."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.config import SentencesConfig
from embedpipe.nn.batches import pad
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.part import load_encoder, save_encoder
from embedpipe.sentences.start import start_network
from embedpipe.words.bag import Bag

N_TOKENS, DIM = 40, 6
READERS = product(
    ["bilstm", "lstm", "gru", "rnn", "transformer"], ["mean", "sif", "max", "last", "attention"], [True, False], [0, 9]
)
KINDS = [
    *((*kind, 0.0, 0.0) for kind in READERS),
    ("bag", "mean", True, 0, 0.0, 0.0),
    ("bag", "mean", True, 3, 0.0, 0.0),
    *(("bilstm", pooling, True, dim, 0.2, 0.0) for pooling in ("mean", "sif") for dim in (0, 5)),
    *(("bilstm", "mean", True, dim, 0.2, 0.1) for dim in (0, 25, 19)),
]
RNG = np.random.default_rng(0)
SEQUENCES = [RNG.integers(4, N_TOKENS, n).astype(np.uint32) for n in (1, 17, 3, 5)]
SILENT = [np.array(ids, dtype=np.uint32) for ids in ([], [1], [1, 1])]


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(map(str, kind)))
def network(request) -> SentenceNetwork:
    architecture, pooling, residual, dim, beside, moments = request.param
    rng = np.random.default_rng(1)
    vectors, weights = rng.normal(size=(N_TOKENS, DIM)), rng.uniform(0.1, 0.9, N_TOKENS)
    vectors[:4], weights[:4] = 0, 0
    bag = Bag((vectors / DIM**0.5).astype(np.float32), weights.astype(np.float32))
    config = SentencesConfig(
        architecture=architecture,
        pooling=pooling,
        residual=residual,
        beside=beside,
        moments=moments,
        dim=dim,
        hidden=4,
        heads=2,
        layers=2,
        dropout=0.5,
        embed_p=0.5,
    )
    made = start_network(bag, config, seed=1)
    if made.reader is not None:
        torch.manual_seed(2)
        with torch.no_grad():
            made.projection.weight.normal_()
            made.projection.bias.normal_()
    return made


def encode(network: SentenceNetwork, sequences: list[np.ndarray], padding: int = 0) -> torch.Tensor:
    batch = pad(sequences, torch.device("cpu"))
    ids = torch.nn.functional.pad(batch.ids, (0, padding), value=5)
    with torch.inference_mode():
        return network(ids, batch.lengths)


def test_the_contract(network: SentenceNetwork, tmp_path: Path) -> None:
    together = encode(network, [*SEQUENCES, *SILENT])
    assert together.dtype == torch.float32
    assert together.shape == (7, network.shape.dim)
    torch.testing.assert_close(together.norm(dim=1), torch.tensor([1.0, 1, 1, 1, 0, 0, 0]))

    for sequence, row in zip(SEQUENCES, together, strict=False):
        torch.testing.assert_close(encode(network, [sequence])[0], row, atol=1e-6, rtol=0)
    longer = encode(network, [*SEQUENCES, *SILENT], padding=8)
    torch.testing.assert_close(longer, together, atol=1e-6, rtol=0)

    save_encoder(tmp_path, network)
    loaded = load_encoder(tmp_path, N_TOKENS)
    assert loaded.shape == network.shape
    # torch computes a plain RNN by another kernel, 3e-8 apart, where its weights want gradients; loaded ones do not.
    network.requires_grad_(False)
    assert torch.equal(encode(loaded, [*SEQUENCES, *SILENT]), encode(network, [*SEQUENCES, *SILENT]))


def test_gradients_reach_every_parameter(network: SentenceNetwork) -> None:
    batch = pad(SEQUENCES, torch.device("cpu"))
    network.eval()(batch.ids, batch.lengths).pow(3).sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.to_dense().any(), name
    averages = network.shape.residual or network.shape.architecture == "bag" or network.shape.pooling == "sif"
    assert network.log_weight.weight.requires_grad == averages
    network.train()
    torch.manual_seed(3)
    first, second = (network(batch.ids, batch.lengths) for _ in range(2))
    assert not torch.equal(first, second), "dropout makes two readings differ"
