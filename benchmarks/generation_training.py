"""Measure the training of language models: python benchmarks/generation_training.py [--json FILE] [--device cuda]

Tokens for each second of training, with all that `embedpipe run` does for a step (dropouts, weight drop, penalties,
clipping, the guard against what is not finite), beside a bare loop of the same shape (nn.LSTM, a softmax over the
whole vocabulary, Adam) and beside what PyTorch's example word_language_model does, with as many parameters. The text
is random with Zipf's frequencies; a speed does not depend on its meaning. Variants take turns, and the median of the
turns counts; ratios are of the medians. embedpipe computes in the precision that it takes by
itself on the device, the other two in float32. With --clock cpu the time is that of the processor, for machines that do
other work beside.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from embedpipe.config import GenerationConfig
from embedpipe.generation.begin import begin_training, windows_of
from embedpipe.generation.stream import Window
from embedpipe.nn.fit import fit
from embedpipe.runtime import resolve_device
from timed import CPU, add_device, add_timing, described, start_timing
from written import add_files, write_files

PLAIN = {"input_p": 0.0, "hidden_p": 0.0, "output_p": 0.0}
AWD = {
    "input_p": 0.3,
    "hidden_p": 0.2,
    "output_p": 0.3,
    "embed_p": 0.1,
    "weight_p": 0.3,
    "ar": 2.0,
    "tar": 1.0,
    "variable_bptt": True,
}
"""Everything that costs time (Merity et al., 2018)."""
Turn = Callable[[int], int]
"""Trains for some steps and returns how many tokens were read."""


def zipf(n_tokens: int) -> np.ndarray:
    """Return counts like those of a corpus, most frequent first."""
    return 1e7 / np.arange(1, n_tokens + 1)


def stream(n_tokens: int, length: int, seed: int = 0) -> np.ndarray:
    """Return ids drawn by those frequencies."""
    cumulative = np.cumsum(zipf(n_tokens))
    drawn = np.random.default_rng(seed).random(length) * cumulative[-1]
    return np.searchsorted(cumulative, drawn).astype(np.uint32)


def ours(tokens: np.ndarray, n_tokens: int, dim: int, config: GenerationConfig, device: torch.device) -> Turn:
    """Return how embedpipe trains."""
    vectors = np.random.default_rng(1).standard_normal((n_tokens, dim)).astype(np.float32)
    model, optimizers, objective = begin_training(vectors, zipf(n_tokens), config, seed=1, device=device)
    source = windows_of(tokens, config, config.batch, device=device, seed=1)

    def batches(_: int) -> Iterator[Window]:
        return source

    def turn(steps: int) -> int:
        before = objective.n_tokens
        fit(
            model,
            batches,
            objective,
            optimizers=optimizers,
            steps=steps,
            schedule="constant",
            warmup=0.0,
            clip=config.clip,
            ema=config.ema,
            device=device,
            precision=config.precision,
            stage="speed",
        )
        return objective.n_tokens - before

    return turn


class Bare(nn.Module):
    """Word vectors, LSTM layers and a softmax, with tied weights where the widths allow it."""

    def __init__(self, n_tokens: int, widths: list[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.table = nn.Embedding(n_tokens, widths[0])
        self.layers = nn.ModuleList(nn.LSTM(a, b, batch_first=True) for a, b in pairwise(widths))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(widths[-1], n_tokens)
        if widths[-1] == widths[0]:
            self.output.weight = self.table.weight

    def forward(self, ids: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """Return the scores, shape (batch * time, n_tokens), and the states."""
        x, after = self.dropout(self.table(ids)), []
        for i, lstm in enumerate(self.layers):
            x, state = lstm(x, states[i] if states else None)
            x = self.dropout(x)
            after.append(tuple(part.detach() for part in state))
        return self.output(x.flatten(0, 1)), after


def bare(tokens: np.ndarray, n_tokens: int, widths: list[int], batch: int, bptt: int, device: torch.device) -> Turn:
    """Return a loop that does nothing but train: full softmax, Adam."""
    model = Bare(n_tokens, widths).to(device).train()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    rows = torch.from_numpy(tokens[: len(tokens) // batch * batch].astype(np.int64)).view(batch, -1).to(device)
    place, states = 0, list[Any]()

    def turn(steps: int) -> int:
        nonlocal place, states
        for _ in range(steps):
            place = 0 if place + bptt >= rows.shape[1] else place
            adam.zero_grad()
            scores, states = model(rows[:, place : place + bptt], states)
            nn.functional.cross_entropy(scores, rows[:, place + 1 : place + bptt + 1].flatten()).backward()
            adam.step()
            place += bptt
        return steps * batch * bptt

    return turn


def example(tokens: np.ndarray, n_tokens: int, dim: int, device: torch.device) -> Turn:
    """Return the loop of PyTorch's example word_language_model with its default sizes but for the width.

    Two LSTM layers as wide as the vectors, tied, dropout 0.2, 20 rows of 35 tokens, log_softmax and NLLLoss, gradients
    clipped to 0.25, and plain updates ``p -= 20 * gradient``.
    """
    batch, bptt = 20, 35
    table = nn.Embedding(n_tokens, dim)
    lstm = nn.LSTM(dim, dim, 2, dropout=0.2)
    drop, decoder, criterion = nn.Dropout(0.2), nn.Linear(dim, n_tokens), nn.NLLLoss()
    nn.init.uniform_(table.weight, -0.1, 0.1)
    decoder.weight = table.weight
    model = nn.ModuleList([table, lstm, drop, decoder]).to(device).train()
    ids = (
        torch.from_numpy(tokens[: len(tokens) // batch * batch].astype(np.int64))
        .view(batch, -1)
        .T.contiguous()
        .to(device)
    )
    place, hidden = 0, None

    def turn(steps: int) -> int:
        nonlocal place, hidden
        for _ in range(steps):
            place = 0 if place + bptt >= len(ids) else place
            model.zero_grad()
            outputs, hidden = lstm(drop(table(ids[place : place + bptt])), hidden)
            hidden = tuple(part.detach() for part in hidden)
            scores = torch.log_softmax(decoder(drop(outputs)).view(-1, n_tokens), dim=1)
            criterion(scores, ids[place + 1 : place + bptt + 1].view(-1)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(parameter.grad, alpha=-20 * 1e-3)  # a rate at which random text stays finite
            place += bptt
        return steps * batch * bptt

    return turn


def n_parameters(n_tokens: int, widths: list[int]) -> int:
    """Return the parameters of tied vectors, LSTMs and a bias."""
    lstms = sum(4 * b * (a + b + 2) for a, b in pairwise(widths))
    return n_tokens * (widths[0] + 1) + lstms


def measure(
    n_tokens: int = 33_278,
    dim: int = 200,
    hidden: int = 256,
    *,
    batch: int = 32,
    bptt: int = 32,
    turns: int = 7,
    steps: int = 4,
    device: torch.device = CPU,
    clock: Callable[[], float] = time.perf_counter,
) -> list[dict[str, object]]:
    """Return for each variant the tokens for each second and the ratio to the bare loop of the same shape.

    Parameters
    ----------
    n_tokens, dim, hidden : of two tied layers.
    turns, steps : each variant takes `turns` turns of `steps` steps, after one that is not counted.
    clock : seconds; it waits for the device.
    """
    torch.manual_seed(1)
    tokens = stream(n_tokens, 400_000)
    sizes = {"hidden": hidden, "layers": 2, "batch": batch, "bptt": bptt}
    widths = [dim, hidden, dim]
    total = n_parameters(n_tokens, widths)
    equal = min(range(8, 1_024), key=lambda width: abs(n_parameters(n_tokens, [width] * 3) - total))
    softmax = "full" if n_tokens <= 8_000 else "sampled"
    variants = {
        "bare loop": bare(tokens, n_tokens, widths, batch, bptt, device),
        f"embedpipe, {softmax} softmax": ours(tokens, n_tokens, dim, GenerationConfig(**sizes, **PLAIN), device),
        f"embedpipe, {softmax} softmax, AWD": ours(tokens, n_tokens, dim, GenerationConfig(**sizes, **AWD), device),
        f"embedpipe, {softmax} softmax, AWD, averaged": ours(
            tokens, n_tokens, dim, GenerationConfig(**sizes, **AWD, ema=0.999), device
        ),
        "embedpipe, adaptive softmax, AWD": ours(
            tokens, n_tokens, dim, GenerationConfig(**sizes, **AWD, softmax="adaptive"), device
        ),
        "embedpipe, full softmax, AWD": ours(
            tokens, n_tokens, dim, GenerationConfig(**sizes, **AWD, softmax="full"), device
        ),
        f"PyTorch's word_language_model, width {equal}": example(tokens, n_tokens, equal, device),
    }
    found: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(turns + 1):
        for name, turn in variants.items():
            began = clock()
            read = turn(steps)
            if number:
                found[name].append(read / (clock() - began))
    medians = {name: float(np.median(speeds)) for name, speeds in found.items()}
    return [
        {"variant": name, "tokens_per_second": round(speed), "ratio": round(speed / medians["bare loop"], 2)}
        for name, speed in medians.items()
    ]


def to_markdown(rows: list[dict[str, object]], about: str) -> str:
    """Return the rows as a Markdown table."""
    lines = [about, "", "| training | tokens/s | of the bare loop |", "| --- | ---: | ---: |"]
    lines += [f"| {row['variant']} | {row['tokens_per_second']:,} | {row['ratio']} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print Markdown, write files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", type=int, default=33_278)
    add_device(parser)
    add_timing(parser, turns=7)
    add_files(parser)
    options = parser.parse_args()
    device = resolve_device(options.device)
    clock = start_timing(options, device)
    rows = measure(options.vocabulary, turns=options.turns, device=device, clock=clock)
    about = (
        f"{described(device)}, {options.clock} time; two tied layers, 200-256-200, 32 rows of 32 tokens, "
        f"{options.vocabulary:,} words; median of {options.turns} turns."
    )
    text = to_markdown(rows, about)
    print(text, end="")
    write_files({"about": about, "rows": rows}, text, options.json, options.markdown)


if __name__ == "__main__":
    main()
