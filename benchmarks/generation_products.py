"""Measure the output layer of writing: python benchmarks/generation_products.py [BUNDLE --text FILE] [--json FILE]

Milliseconds of the product of some rows of states with the table of all words, as the library makes it and as
`embedpipe.nn.few_rows` does; of the passes over the logits of 256 rows, all at once and 16 rows at a time; and with the
generator of a bundle how far the probabilities of `HalfOutput` are from those in float32, on the lines of a text.

All of it is about the CPU, whose own kernels these products are, and has no --device: `few_rows` leaves a GPU to the
library.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from embedpipe.generation.decoding.half import HalfOutput
from embedpipe.loading import load
from embedpipe.nn.few_rows import scores_of
from timed import add_timing, described, start_timing
from written import add_files, write_files

DIM, ROWS, PART = 300, 256, 16
POSITIONS = 256


def measure(n_words: int, *, turns: int, clock: Callable[[], float]) -> list[dict[str, object]]:
    """Return the median milliseconds of each call, over `turns` of them."""
    table, bias = torch.randn(n_words, DIM), torch.randn(n_words)
    many, half = torch.randn(ROWS, DIM), table.to(torch.bfloat16)
    product, whole = F.linear(many.to(torch.bfloat16), half), torch.empty(PART, n_words)
    calls: dict[str, Callable[[], object]] = {}
    for n in (1, 2, 3, 4, 6, 8):
        few = torch.randn(n, DIM)
        calls[f"{n} rows, as the library does"] = lambda few=few: F.linear(few, table, bias)
        calls[f"{n} rows, turned"] = lambda few=few: scores_of(few, table, bias)
    calls |= {
        "the table read once": table.sum,
        f"{ROWS} rows, float32": lambda: F.linear(many, table, bias),
        f"{ROWS} rows, bfloat16": lambda: F.linear(many.to(torch.bfloat16), half),
        f"{ROWS} rows of logits, bias added to all at once": lambda: product + bias,
        f"{ROWS} rows of logits, to float32 {PART} at a time": lambda: [whole.copy_(p) for p in product.split(PART)],
    }
    return [{"what": name, "milliseconds": round(_median(call, turns, clock), 2)} for name, call in calls.items()]


def _median(call: Callable[[], object], turns: int, clock: Callable[[], float]) -> float:
    seconds = []
    for _ in range(turns + 1):
        began = clock()
        call()
        seconds.append(clock() - began)
    return 1e3 * statistics.median(seconds[1:])


def half_beside_whole(bundle: Path, text: Path) -> dict[str, object]:
    """Return how far the probabilities in bfloat16 are from those in float32, after the first words of long lines."""
    opened = load(bundle)
    model = opened.generator.model
    lines = [line for line in text.read_text(encoding="utf-8").splitlines() if len(line) > 200]
    hidden: list[Tensor] = []
    for line in lines:
        ids = torch.from_numpy(opened.codec.encode(line).astype(np.int64))[None]
        hidden.append(model(ids)[0][0])
        if sum(map(len, hidden)) >= POSITIONS:
            break
    states = torch.cat(hidden)[:POSITIONS]
    exact = torch.log_softmax(model.logits(states).double(), dim=1)
    off = torch.log_softmax(HalfOutput(model)(states).double(), dim=1) - exact
    shares = exact.exp()
    return {
        "positions": len(states),
        "divergence": float((shares * -off).sum(dim=1).mean()),
        "off_mean": float((shares * off.abs()).sum(dim=1).mean()),
        "off_most": float(off.abs()[shares > 1e-6].max()),
    }


@torch.inference_mode()
def main() -> None:
    """Measure, print Markdown, write files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--text", type=Path, help="what the generator of the bundle reads")
    parser.add_argument("--vocabulary", type=int, default=37_000)
    add_timing(parser, turns=15)
    add_files(parser)
    options = parser.parse_args()
    if (options.bundle is None) != (options.text is None):
        parser.error("BUNDLE and --text go together")
    rows = measure(options.vocabulary, turns=options.turns, clock=start_timing(options))
    about = (
        f"{described()} (it measures the CPU's own kernels), {options.clock} time; a table of "
        f"{options.vocabulary:,} x {DIM}; median of {options.turns} calls."
    )
    lines = [about, "", "| what | ms |", "| --- | ---: |"]
    lines += [f"| {row['what']} | {row['milliseconds']} |" for row in rows]
    content: dict[str, object] = {"about": about, "rows": rows}
    if options.bundle is not None:
        content["half"] = half = half_beside_whole(options.bundle, options.text)
        lines += [
            "",
            f"`{options.bundle.name}`, {half['positions']} positions of `{options.text.name}`: in bfloat16 the "
            f"distributions are {half['divergence']:.2g} nats (Kullback-Leibler) from those in float32, the logarithm "
            f"of a probability {half['off_mean']:.2g} in the mean, and {half['off_most']:.2g} at most where it is "
            "above 1e-6.",
        ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    write_files(content, text, options.json, options.markdown)


if __name__ == "__main__":
    main()
