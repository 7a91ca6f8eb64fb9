"""Measure the language model: python benchmarks/generation.py [--json FILE] [--markdown FILE] [--steps 8] [--threads N]

Tokens for each second of writing; generation_training.py measures training. The fastest step of each size counts, so
that other programs on the machine disturb less.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import torch

from embedpipe.config import PipelineConfig
from embedpipe.generation.decoding import Decoding, ban_, sample
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.text.vocabulary import BOS, EOS, PAD, UNK


def zipf(n_tokens: int) -> np.ndarray:
    """Return counts like those of a corpus, most frequent first."""
    return 1e7 / np.arange(1, n_tokens + 1)


@torch.inference_mode()
def writing(n_tokens: int, turns: int) -> list[dict[str, object]]:
    """Return tokens for each second of the fastest decoding step for batches of several sizes."""
    config = PipelineConfig.of("small", {})
    model = LanguageModel(Shape(n_tokens, config.words.dim, config.generation.hidden, config.generation.layers)).eval()
    model.initialise(model.table * 4, zipf(n_tokens) / zipf(n_tokens).sum())
    rows: list[dict[str, object]] = []
    for n in (1, 3, 16, 64):
        _, state = model(torch.tensor([[EOS]]))
        state, chosen, best = state.repeat(n), torch.full((n,), EOS), float("inf")
        for _ in range(turns * 4):
            began = time.perf_counter()
            hidden, state = model(chosen[:, None], state)
            chosen = sample(ban_(model.logits(hidden[:, -1]), (PAD, UNK, BOS, EOS)), Decoding())
            best = min(best, time.perf_counter() - began)
        rows.append({"what": f"write: {n} texts side by side", "tokens_per_second": round(n / best)})
    return rows


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
    rows = writing(options.vocabulary, options.steps)
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
