"""What a sentence encoder loses in bf16 and int8: ``python benchmarks/precision.py BUNDLE DEV.tsv TRAIN.tsv``.

Each file holds scored pairs (header ``score text_a text_b``). Figures are Spearman's correlation of the cosine, with
95 % intervals of the difference to float32 over the same bootstrap resamples of the pairs. The vectors themselves are
compared too: with those of float32, and with those of the same text alone or among a few others, which are to be the
same.
"""

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import embedpipe
from embedpipe.probes.resampling import bootstrap_correlations, correlation, percentile_interval
from embedpipe.probes.words.word_lookup import pair_cosines
from embedpipe.tasks.files import read_task
from embedpipe.tasks.shapes import SentenceSimilarity

PRECISIONS = ("fp32", "bf16", "int8")


def read_pairs(path: Path) -> SentenceSimilarity:
    """Return the scored pairs of a file."""
    task = read_task(path)
    if not isinstance(task, SentenceSimilarity):
        raise SystemExit(f"{path}: not scored pairs of texts")
    return task


def measured(encoders: dict[str, Any], path: Path, alone: int, repeats: int, seed: int) -> list[dict[str, Any]]:
    """Return a row for each precision."""
    task = read_pairs(path)
    texts, pairs = [*task.texts_a, *task.texts_b], np.arange(2 * len(task.scores)).reshape(2, -1).T
    vectors = {name: encoder.encode(texts) for name, encoder in encoders.items()}
    cosines = {name: pair_cosines(found, pairs) for name, found in vectors.items()}
    replicates = bootstrap_correlations("spearman", list(cosines.values()), task.scores, repeats=repeats, seed=seed)
    chosen = np.random.default_rng(seed).choice(len(texts), min(alone, len(texts)), replace=False)
    rows = []
    for i, name in enumerate(PRECISIONS):
        low, high = percentile_interval(replicates[i] - replicates[0])
        found = vectors[name]
        by_itself = np.concatenate([encoders[name].encode([texts[k]]) for k in chosen])
        rows.append(
            {
                "task": path.name,
                "pairs": len(task.scores),
                "precision": name,
                "spearman": correlation("spearman", cosines[name], task.scores),
                "less": correlation("spearman", cosines[name], task.scores)
                - correlation("spearman", cosines["fp32"], task.scores),
                "low": low,
                "high": high,
                "cosine_to_fp32": float(_row_cosines(found, vectors["fp32"]).min()),
                "largest_to_fp32": _largest(found, vectors["fp32"]),
                "largest_to_alone": _largest(found[chosen], by_itself),
                "largest_to_few": _largest(found[chosen], encoders[name].encode([texts[k] for k in chosen])),
            }
        )
    return rows


def _largest(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).max())


def _row_cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    known = one.any(axis=1)
    cosines: NDArray[np.float32] = np.einsum("nd,nd->n", one[known], other[known])
    return cosines


def to_markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = ["# What bf16 and int8 cost an encoder", "", f"Written by `benchmarks/precision.py`. {report['about']}", ""]
    lines += ["| | precision | Spearman | less float32, with 95 % interval | cosine to float32, lowest |"]
    lines += ["| --- | --- | ---: | ---: | ---: |"]
    for row in report["rows"]:
        difference = f"{row['less']:+.5f} [{row['low']:+.5f}, {row['high']:+.5f}]" if row["precision"] != "fp32" else ""
        lines.append(
            f"| {row['task']}, {row['pairs']:,} pairs | {row['precision']} | {row['spearman']:.4f} | {difference} | "
            f"{row['cosine_to_fp32']:.5f} |"
        )
    lines += ["", "Largest difference of a component of a vector:", ""]
    lines += ["| | precision | to float32 | to the text alone | to the text among a few |"]
    lines += ["| --- | --- | ---: | ---: | ---: |"]
    for row in report["rows"]:
        differences = (row[f"largest_to_{what}"] for what in ("fp32", "alone", "few"))
        lines.append(f"| {row['task']} | {row['precision']} | " + " | ".join(f"{x:.1e}" for x in differences) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Encode all texts at each precision, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pairs", type=Path, nargs="+", help="files of scored pairs")
    parser.add_argument("--alone", type=int, default=300, help="texts that are encoded by themselves too")
    parser.add_argument("--bootstrap", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    missing = [path for path in (options.bundle, *options.pairs) if not path.exists()]
    if missing:
        raise SystemExit(f"{missing[0]}: not there; nothing measured")
    encoder = embedpipe.load(options.bundle).encoder
    encoders = {name: encoder.at(name) for name in PRECISIONS}
    rows = [
        row
        for path in options.pairs
        for row in measured(encoders, path, options.alone, options.bootstrap, options.seed)
    ]
    shape = encoder.network.shape
    about = (
        f"A {shape.architecture} of hidden {shape.hidden}, vectors of {shape.dim}, {shape.n_tokens:,} words; "
        f"{options.bootstrap:,} resamples, {options.alone} texts by themselves. Seed {options.seed}, "
        f"{torch.get_num_threads()} threads on {os.cpu_count()} cores, torch {version('torch')}, "
        f"{torch.backends.cpu.get_cpu_capability()}, Python {platform.python_version()}, {platform.machine()}."
    )
    report = {"about": about, "rows": rows}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    markdown = to_markdown(report)
    if options.markdown:
        options.markdown.write_text(markdown, encoding="utf-8")
    print(markdown, end="")


if __name__ == "__main__":
    main()
