"""What a language model gains by word vectors at its start, at equal seconds of training.

python benchmarks/generation.py start BUNDLE [--seconds 60] [--seeds 3] [--limit 100000] [--settings JSON]
    [--device cuda] [--out docs/experiments] [--name generation_start]

Both starts train on the bundle's own prepared text with the same settings, seeds and seconds; evaluations do not count.
Of every seed the perplexity on the test split and the timeline on the validation split are written. Beside them stands
Kneser-Ney, counted on the same training text.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embedpipe.config import GenerationConfig
from embedpipe.generation.evaluation import held_out, token_losses
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.generation.paired import Paired, compare_losses
from embedpipe.generation.train import train_language_model
from embedpipe.generation.units import perplexity_of
from embedpipe.loading import load, text_beside
from embedpipe.runtime import resolve_device
from timed import add_device, described
from written import write_files

STARTS = {"vectors": "the word vectors", "random": "random vectors"}
COUNTED = "Kneser-Ney 5-gram"


def measure(
    bundle_path: Path, *, seconds: float, seeds: int, limit: int, settings: dict[str, Any], device: torch.device
) -> tuple[list[dict[str, Any]], Paired]:
    """Return a row for each start and one for counts, and how the starts compare by the mean losses of their seeds."""
    bundle = load(bundle_path)
    text = text_beside(bundle)
    if text is None:
        raise SystemExit(f"{bundle_path}.work holds no prepared text: make the bundle with `embedpipe run` again")
    sample = held_out(text.test.tokens, limit=limit, rows=16).tokens
    runs: dict[str, list[Any]] = {start: [] for start in STARTS}
    # Seed by seed, so that what else the machine does meets both starts.
    for seed in range(1, seeds + 1):
        for start, own in runs.items():
            trained = train_language_model(
                bundle.bag.vectors,
                text.vocabulary,
                text.train,
                text.validation,
                text.test,
                GenerationConfig(**{**settings, "start": start}),
                seed=seed,
                device=device,
                seconds=seconds,
                baselines=False,
            )
            own.append((trained, token_losses(trained.model, sample)))
    losses = {start: np.mean([one for _, one in own], axis=0) for start, own in runs.items()}
    rows = [
        {
            "start": start,
            "perplexity": perplexity_of(float(losses[start].mean())),
            "of_each_seed": [perplexity_of(float(one.mean())) for _, one in own],
            "tokens_read": float(np.mean([trained.n_tokens_seen for trained, _ in own])),
            "timelines": [[list(point) for point in trained.timeline] for trained, _ in own],
        }
        for start, own in runs.items()
    ]
    counted = KneserNey.fit(text.train.tokens, len(text.vocabulary), order=5).losses(sample)
    rows.append({"start": COUNTED, "perplexity": perplexity_of(float(counted.mean()))})
    return rows, compare_losses(losses["vectors"], losses["random"])


def to_markdown(rows: list[dict[str, Any]], against: Paired) -> str:
    """Return the table, the comparison and the first seed's timelines."""
    lines = ["| start | perplexity | of each seed | tokens read |", "| --- | ---: | --- | ---: |"]
    for row in rows:
        if row["start"] not in STARTS:
            lines.append(f"| {row['start']} | {row['perplexity']:.1f} | | |")
            continue
        each = ", ".join(f"{value:.1f}" for value in row["of_each_seed"])
        lines.append(f"| {STARTS[row['start']]} | {row['perplexity']:.1f} | {each} | {row['tokens_read']:,.0f} |")
    lines += [
        "",
        f"From the word vectors the perplexity is {100 * against.ratio:.1f} % of that from random ones "
        f"(p {against.p_value:.4f}: the mean losses of the seeds, and the chance of the text alone).",
        "",
        "Perplexity of the validation split after seconds of training, first seed:",
        "",
    ]
    for row in (row for row in rows if row["start"] in STARTS):
        points = ", ".join(f"{at:.1f} s {value:,.1f}" for at, value in row["timelines"][0])
        lines.append(f"* {STARTS[row['start']]}: {points}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=100_000, help="predicted tokens of the test split")
    parser.add_argument("--settings", type=json.loads, default={}, help="[generation] settings as JSON")
    add_device(parser)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--name", default="generation_start")
    args = parser.parse_args()
    device = resolve_device(args.device)
    rows, against = measure(
        args.bundle, seconds=args.seconds, seeds=args.seeds, limit=args.limit, settings=args.settings, device=device
    )
    about = f"`{args.bundle.name}`, {args.seconds:g} s of training each, {args.seeds} seeds; {described(device)}."
    text = f"# What word vectors are worth at the start\n\nWritten by `benchmarks/generation.py start`. {about}\n\n"
    text += to_markdown(rows, against)
    print(text)
    content = {"about": about, "rows": rows, "p_value": against.p_value}
    write_files(content, text, args.out / f"{args.name}.json", args.out / f"{args.name}.md")


if __name__ == "__main__":
    main()
