"""Measure the language model: python benchmarks/generation.py [--json FILE] [--markdown FILE] [--steps 8] [--threads N]

Tokens for each second of training, beside the bare loop (nn.LSTM, a full softmax, dense Adam) of the same shape and
beside the LSTMs alone, and of writing (`generation_writing.py`). The text is random with Zipf's frequencies; a speed
does not depend on its meaning. Variants take turns and the fastest turn of each counts, so that other programs on the
machine disturb less.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import generation_writing
import numpy as np
import torch
from torch import nn

from embedpipe.config import PipelineConfig
from embedpipe.generation.language_model import Dropouts, LanguageModel, Shape
from embedpipe.nn.optimizers import make_optimizers
from embedpipe.nn.softmax import SampledSoftmax

CPU = torch.device("cpu")


def zipf(n_tokens: int) -> np.ndarray:
    """Return counts like those of a corpus, most frequent first."""
    return 1e7 / np.arange(1, n_tokens + 1)


def training_steps(n_tokens: int) -> tuple[dict[str, Callable[[torch.Tensor], None]], int, int]:
    """Return one training step of each variant, and the batch and time of the `small` preset."""
    config = PipelineConfig.of("small", {})
    settings, dim = config.generation, config.words.dim
    counts = zipf(n_tokens)
    dropouts = Dropouts(settings.input_p, settings.hidden_p, settings.output_p, settings.embed_p)
    ours = LanguageModel(Shape(n_tokens, dim, settings.hidden, settings.layers), dropouts, sparse=True).train()
    softmax = SampledSoftmax(counts, settings.samples, CPU)
    optimizers = make_optimizers(ours, 1e-3, 0.01, sparse=[ours.table])

    def embedpipe_step(ids: torch.Tensor) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        softmax(ours.table, ours.bias, ours(ids)[0], ids).backward()
        for optimizer in optimizers:
            optimizer.step()

    bare = LanguageModel(Shape(n_tokens, dim, settings.hidden, settings.layers)).train()
    adam = torch.optim.Adam(bare.parameters(), lr=1e-3, fused=True)

    def bare_step(ids: torch.Tensor) -> None:
        adam.zero_grad()
        nn.functional.cross_entropy(bare.logits(bare(ids)[0].flatten(0, 1)), ids.flatten()).backward()
        adam.step()

    x = torch.randn(settings.batch, settings.bptt, dim)

    def lstm_step(ids: torch.Tensor) -> None:  # noqa: ARG001
        y = x.requires_grad_(True)
        for lstm in bare.reader.layers:
            y, _ = lstm(y)
        y.sum().backward()

    steps = {
        f"embedpipe ({softmax.n_head + softmax.n_draws:,} candidates, sparse Adam)": embedpipe_step,
        "bare loop (full softmax, dense Adam)": bare_step,
        "its LSTMs alone, forward and backward": lstm_step,
    }
    return steps, settings.batch, settings.bptt


def training(n_tokens: int, turns: int) -> list[dict[str, object]]:
    """Return tokens for each second of the fastest training step of each variant."""
    steps, batch, time_steps = training_steps(n_tokens)
    cumulative = torch.from_numpy(np.cumsum(zipf(n_tokens)))
    best = dict.fromkeys(steps, float("inf"))
    for turn in range(turns + 1):
        uniform = torch.rand(batch, time_steps, dtype=torch.float64) * cumulative[-1]
        ids = torch.searchsorted(cumulative, uniform).clamp(max=n_tokens - 1)
        for name, step in steps.items():
            began = time.perf_counter()
            step(ids)
            if turn:
                best[name] = min(best[name], time.perf_counter() - began)
    return [{"what": f"train: {name}", "tokens_per_second": round(batch * time_steps / s)} for name, s in best.items()]


def to_markdown(rows: list[dict[str, object]], about: str) -> str:
    """Return the rows as a Markdown table."""
    lines = [about, "", "| what | tokens/s |", "| --- | ---: |"]
    lines += [f"| {row['what']} | {row['tokens_per_second']:,} |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print Markdown, write files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", type=int, default=38_000)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    rows = training(options.vocabulary, options.steps)
    rows += [
        {"what": f"write: {row['what']}", "tokens_per_second": row["tokens_per_second"]}
        for row in generation_writing.measure(options.vocabulary)
        if "tokens_per_second" in row
    ]
    about = (
        f"torch {torch.__version__}, {platform.machine()}, {options.threads} threads; preset small, vocabulary of "
        f"{options.vocabulary:,}; fastest of {options.steps} steps."
    )
    text = to_markdown(rows, about)
    print(text, end="")
    if options.json:
        options.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
