"""Reading in parts against reading at once: gradients, and how much is held for them."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from embedpipe.config import SentencesConfig
from embedpipe.nn.batches import Padded
from embedpipe.sentences.embed import embed
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.objectives.contrast import contrastive_loss, contrastive_scores
from embedpipe.sentences.start import start_network
from embedpipe.words.bag import Bag


def network_of(dropout: float = 0.0) -> SentenceNetwork:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(50, 8, generator=generator)).numpy()
    weights = torch.ones(50).numpy()
    vectors[:4], weights[:4] = 0, 0
    return start_network(Bag(vectors, weights), SentencesConfig(hidden=6, dropout=dropout), seed=1).train()


def batch_of(rows: int) -> Padded:
    generator = torch.Generator().manual_seed(2)
    lengths = torch.randint(1, 7, (rows,), generator=generator)
    ids = torch.randint(4, 50, (rows, 6), generator=generator)
    return Padded(ids * (torch.arange(6) < lengths[:, None]), lengths)


def loss_of(network: SentenceNetwork, rows: int, micro_batch: int) -> torch.Tensor:
    first, second = embed(network, batch_of(rows), micro_batch).chunk(2)
    return contrastive_loss(*contrastive_scores(first, second, torch.eye(rows, dtype=torch.bool), 0.1))


def gradients(network: SentenceNetwork) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.to_dense() for name, parameter in network.named_parameters()}


@pytest.mark.parametrize("micro_batch", [1, 5, 16])
def test_gradients_in_parts_are_those_of_the_whole_batch(micro_batch: int) -> None:
    whole, parts = network_of(), network_of()
    expected, found = loss_of(whole, 16, 0), loss_of(parts, 16, micro_batch)
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)
    expected.backward()
    found.backward()
    for name, gradient in gradients(whole).items():
        torch.testing.assert_close(gradients(parts)[name], gradient, atol=1e-6, rtol=1e-5, msg=name)


def test_dropout_draws_the_same_masks_when_a_part_is_read_again() -> None:
    """The gradient is that of the loss which was returned: it agrees with a difference of two such losses."""
    network = network_of(dropout=0.4)
    torch.manual_seed(5)
    loss_of(network, 12, 4).backward()
    weight, slope = network.projection.weight, network.projection.weight.grad.clone()
    direction = slope / slope.norm()
    values = []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            weight.add_(step * direction)
            torch.manual_seed(5)
            values.append(loss_of(network, 12, 4).item())
            weight.sub_(step * direction)
    assert (values[0] - values[1]) / 2e-2 == pytest.approx(slope.norm().item(), rel=0.02)


def test_what_is_held_for_gradients_grows_with_the_part_and_not_with_the_batch() -> None:
    def held(rows: int, micro_batch: int) -> int:
        """Return the most numbers that the network saved in one go, between two releases."""
        total = 0

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal total
            total += tensor.numel() if tensor.requires_grad or tensor.grad_fn is not None else 0
            return tensor

        network = network_of()
        with saved_tensors_hooks(pack, lambda tensor: tensor):
            embed(network, batch_of(rows), micro_batch)
        return total

    assert held(64, 0) > 3 * held(16, 0)
    # What stays between the parts is the vectors themselves: 8 numbers a row.
    assert held(64, 8) <= held(16, 8) + 48 * 8 * 2
    assert held(64, 8) < held(64, 0) / 5
