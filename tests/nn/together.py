"""Two processes that train together, and one that trains alone: called with the folder that they write to."""

import json
import os
import sys
import traceback
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.nn.batches import Padded
from embedpipe.nn.distributed import (
    announce,
    average_gradients,
    gather_rows,
    heard,
    is_first,
    mean_over_processes,
    n_processes,
    share_of_rows,
    value_of_first,
)
from embedpipe.nn.optimizers import make_optimizers
from embedpipe.sentences.objectives.contrast import contrastive_loss, contrastive_scores, same_sentence

N_TOKENS, PAIRS, STEPS = 60, 11, 5


class Network(nn.Module):
    """A small sentence network: a sparse table, an LSTM beside the average, unit rows."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(N_TOKENS, 8, sparse=True)
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.projection = nn.Linear(6, 8)
        self.unused = nn.Parameter(torch.ones(3))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        mask = (torch.arange(ids.shape[1]) < lengths[:, None])[:, :, None]
        words = self.embedding(ids) * mask
        read, _ = self.lstm(words)
        return F.normalize(words.sum(dim=1) + self.projection((read * mask).sum(dim=1)), dim=1)


def batches() -> list[Padded]:
    """Batches of which each is of another width, and every second one of other rows."""
    generator = torch.Generator().manual_seed(3)
    made = []
    for step in range(STEPS):
        lengths = torch.randint(1, 5 + step, (2 * PAIRS - 1 + step % 2,), generator=generator)
        rows = 2 * (len(lengths) // 2)
        ids = torch.randint(4, N_TOKENS, (rows, int(lengths.max())), generator=generator)
        inside = torch.arange(ids.shape[1]) < lengths[:rows, None]
        made.append(Padded(ids * inside, lengths[:rows]))
    return made


def train() -> tuple[list[float], Network]:
    """Return the losses and the trained network; alone or as one of several."""
    network, losses = Network(), []
    optimizers = make_optimizers(network, 0.01, 0.1)
    for batch in batches():
        part = share_of_rows(batch)
        vectors = gather_rows(network(part.ids, part.lengths), len(batch.lengths))
        first, second = vectors.chunk(2)
        loss = contrastive_loss(*contrastive_scores(first, second, same_sentence(batch.ids, batch.lengths), 0.1))
        loss.backward()
        average_gradients(network.parameters())
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(float(mean_over_processes(loss)))
    return losses, network


def check_the_rest(number: int, n: int) -> None:
    assert (n_processes(), is_first()) == (n, number == 0)
    assert value_of_first(float(number + 5)) == 5.0
    message = {"stage": "sentences", "text": "naïve 猫"}
    if is_first():
        announce(message)
    else:
        assert heard() == message
    uneven = nn.Parameter(torch.zeros(2))
    if is_first():
        uneven.grad = torch.tensor([4.0, 2.0])
    average_gradients([uneven])
    assert uneven.grad is not None
    assert uneven.grad.tolist() == [4.0 / n, 2.0 / n]
    assert torch.isnan(mean_over_processes(torch.tensor(float("nan") if number else 1.0)))
    three = Padded(torch.arange(3)[:, None], torch.ones(3, dtype=torch.int64))
    assert gather_rows(share_of_rows(three).ids, 3).tolist() == [[0], [1], [2]], "shares of different sizes"


def train_as(number: int, n: int, folder: Path) -> None:
    """Train as one of `n` processes and write what came of it."""
    if n > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=number, world_size=n)
    losses, network = train()
    if n > 1:
        check_the_rest(number, n)
        dist.destroy_process_group()
    weights = {name: tensor.tolist() for name, tensor in network.state_dict().items()}
    (folder / f"{number}-of-{n}.json").write_text(json.dumps({"losses": losses, "weights": weights}))


def main() -> None:
    """Fork, so that torch is imported once for all: nothing has run yet that a child could not take over."""
    folder, children = Path(sys.argv[1]), []
    for number in (0, 1):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                train_as(number, 2, folder)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    train_as(0, 1, folder)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


if __name__ == "__main__":
    main()
