"""Measure scoring: python benchmarks/generation_scoring.py [--json FILE] [--device cuda] [--clock cpu]

Microseconds a token of the exact softmax, in float32 and in bfloat16, beside its products alone, the floor; of whole
losses of a text, the layers included; and of dynamic evaluation, which reads one row. The network has the shape of the
preset `small` at 300 dimensions, random weights, and the unigrams of a corpus in its bias; a speed does not depend on
what the words mean. Variants take turns and the fastest turn of each counts. The
products are made in the parts that fit the cache of a CPU, on a GPU too.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from embedpipe.generation.dynamic import DynamicEvaluation, dynamic_losses
from embedpipe.generation.evaluation import token_losses
from embedpipe.nn.softmax import exact_losses
from embedpipe.runtime import resolve_device
from generation_writing import make_generator
from timed import add_device, add_timing, described, start_timing
from written import add_files, write_files

ROWS, TIME = 32, 32
COLUMNS = 2_048
DYNAMIC = 256


def products(table: Tensor, hidden: Tensor) -> None:
    """Compare `hidden` with all words, a part of them at a time, and keep nothing."""
    into = torch.empty(len(hidden), COLUMNS, dtype=table.dtype, device=table.device)
    for start in range(0, len(table), COLUMNS):
        part = table[start : start + COLUMNS]
        torch.mm(hidden, part.T, out=into if len(part) == COLUMNS else into.new_empty(len(hidden), len(part)))


def measure(n_words: int, *, turns: int, device: torch.device, clock: Callable[[], float]) -> list[dict[str, object]]:
    """Return one row for each variant: what, microseconds a token, and how far its losses are from those in float64."""
    model = make_generator(n_words, device=device).model.requires_grad_(False)
    ids = np.random.default_rng(1).integers(4, n_words, (ROWS, TIME + 1)).astype(np.uint32)
    one_row, following = ids.reshape(1, -1)[:, : DYNAMIC + 1], DynamicEvaluation(1e-3, 1e-3, rule="sgd")
    read = torch.from_numpy(ids.astype(np.int64)).to(device)
    table, bias, targets = model.output_table, model.bias, read[:, 1:].flatten()
    hidden = model(read[:, :-1])[0].flatten(0, 1)
    half, coarse = table.to(torch.bfloat16), hidden.to(torch.bfloat16)
    exact = F.cross_entropy(F.linear(hidden.double(), table.double(), bias.double()), targets, reduction="none")
    calls: dict[str, tuple[int, Callable[[], object]]] = {
        "products, float32": (ROWS * TIME, lambda: products(table, hidden)),
        "softmax, float32": (ROWS * TIME, lambda: exact_losses(table, bias, hidden, targets)),
        "products, bfloat16": (ROWS * TIME, lambda: products(half, coarse)),
        "softmax, bfloat16": (ROWS * TIME, lambda: exact_losses(table, bias, hidden, targets, half=half)),
        f"losses of {ROWS} rows of {TIME} tokens": (ROWS * TIME, lambda: token_losses(model, ids)),
        f"dynamic evaluation, {DYNAMIC} tokens": (DYNAMIC, lambda: dynamic_losses(model, one_row, following)),
    }
    fastest = dict.fromkeys(calls, float("inf"))
    for turn in range(turns + 1):
        for name, (_, call) in calls.items():
            began = clock()
            call()
            if turn:
                fastest[name] = min(fastest[name], clock() - began)
    found: list[dict[str, object]] = []
    for name, (n_tokens, call) in calls.items():
        row: dict[str, object] = {"what": name, "microseconds": round(1e6 * fastest[name] / n_tokens, 1)}
        if name.startswith("softmax") and isinstance(losses := call(), Tensor):
            off = (losses.double() - exact).abs()
            row |= {"off_mean": float(off.mean()), "off_most": float(off.max())}
        found.append(row)
    return found


def to_markdown(rows: list[dict[str, object]], about: str) -> str:
    """Return the rows as a Markdown table."""
    lines = [about, "", "| what | µs a token | nats off, mean and most |", "| --- | ---: | ---: |"]
    for row in rows:
        off = f"{row['off_mean']:.2g}, {row['off_most']:.2g}" if "off_mean" in row else ""
        lines.append(f"| {row['what']} | {row['microseconds']:,} | {off} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print Markdown, write files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", type=int, default=37_000)
    add_device(parser)
    add_timing(parser, turns=5)
    add_files(parser)
    options = parser.parse_args()
    device = resolve_device(options.device)
    clock = start_timing(options, device)
    rows = measure(options.vocabulary, turns=options.turns, device=device, clock=clock)
    about = (
        f"{described(device)}, {options.clock} time; preset small at 300 dimensions, vocabulary of "
        f"{options.vocabulary:,}; fastest of {options.turns} turns."
    )
    text = to_markdown(rows, about)
    print(text, end="")
    write_files({"about": about, "rows": rows}, text, options.json, options.markdown)


if __name__ == "__main__":
    main()
