"""What a sentence encoder loses in bf16 and int8: ``python benchmarks/precision.py BUNDLE DEV.tsv TRAIN.tsv``.

Each file holds scored pairs (header ``score text_a text_b``). Figures are Spearman's correlation of the cosine, with
95 % intervals of the difference to float32 over the same bootstrap resamples of the pairs. The vectors themselves are
compared too: with those of float32, and with those of the same text alone or among a few others, which are to be the
same. Two encoders are measured: the one of the bundle, of whose vectors an average in float32 may be the larger part,
and an LSTM alone over the same words, trained for ``--steps`` on the text in ``BUNDLE.work`` (untrained for 0).

Random encoders over 80 words, of many widths and kinds, show whether the company matters anywhere.
"""

import argparse
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import embedpipe
from embedpipe.config import PipelineConfig, SentencesConfig
from embedpipe.loading import Bundle, text_beside
from embedpipe.nn.frozen import FrozenPrecision
from embedpipe.probes.resampling import bootstrap_correlations, correlation, percentile_interval
from embedpipe.probes.words.word_lookup import pair_cosines
from embedpipe.sentences.encoder import SentenceEncoder
from embedpipe.sentences.network import Architecture
from embedpipe.sentences.start import random_network
from embedpipe.sentences.train import train_encoder
from embedpipe.tasks.files import read_task
from embedpipe.tasks.shapes import SentenceSimilarity
from embedpipe.words.bag import Bag
from written import add_files, write_files

PRECISIONS: tuple[FrozenPrecision, ...] = ("fp32", "bf16", "int8")
WIDTHS = (20, 32, 48, 50, 64, 96, 100)
READERS: dict[Architecture, tuple[FrozenPrecision, ...]] = {
    "bilstm": PRECISIONS,
    "lstm": PRECISIONS,
    "gru": ("fp32", "bf16"),
    "rnn": ("fp32", "bf16"),
}
_N_WORDS, _LONGEST = 80, 25


def lstm_alone(bundle: Bundle, steps: int, seed: int) -> tuple[str, SentenceEncoder]:
    """Return an encoder whose vectors are what an LSTM reads and nothing else, and what it is called."""
    changes = {"residual": False, "beside": 0.0, "dim": 0, "nested_dims": (), "steps": steps}
    config = PipelineConfig.of("small", {}).sentences.model_copy(update=changes)
    text = text_beside(bundle) if steps else None
    if steps and text is None:
        raise SystemExit(
            f"{bundle.path}: no prepared text beside it to train an LSTM on; --steps 0 leaves it untrained"
        )
    if text is None:
        return "LSTM alone, untrained", SentenceEncoder(bundle.codec, random_network(bundle.bag, config, seed=seed))
    device = torch.device("cpu")
    trained = train_encoder(bundle.bag, text.train, None, None, config, seed=seed, device=device)
    return f"LSTM alone, {steps} steps", SentenceEncoder(bundle.codec, trained.network)


def company(bundle: Bundle, n: int, seed: int) -> list[dict[str, Any]]:
    """Return the largest difference of a component, over all `WIDTHS`, for each kind of random encoder."""
    rng = np.random.default_rng(seed)
    bag = Bag(rng.normal(size=(_N_WORDS, 8)).astype(np.float32), np.ones(_N_WORDS, np.float32))
    ids = [rng.integers(4, _N_WORDS, length).astype(np.uint32) for length in rng.integers(1, _LONGEST, n)]
    rows = []
    for reader, layers, precision in [(r, k, p) for r, known in READERS.items() for k in (1, 2) for p in known]:
        to_alone = to_few = to_fp32 = 0.0
        for hidden in WIDTHS:
            config = SentencesConfig(architecture=reader, layers=layers, hidden=hidden)
            exact = SentenceEncoder(bundle.codec, random_network(bag, config, seed=seed))
            encoder = exact.at(precision)
            together = encoder.encode_ids(ids)
            alone = np.concatenate([encoder.encode_ids([one]) for one in ids])
            to_alone = max(to_alone, _largest(alone, together))
            to_few = max(to_few, _largest(encoder.encode_ids(ids[: n // 4][::-1])[::-1], together[: n // 4]))
            to_fp32 = max(to_fp32, _largest(exact.encode_ids(ids), together))
        found = {"largest_to_fp32": to_fp32, "largest_to_alone": to_alone, "largest_to_few": to_few}
        rows.append({"reader": reader, "layers": layers, "precision": precision, **found})
    return rows


def read_pairs(path: Path) -> SentenceSimilarity:
    """Return the scored pairs of a file."""
    task = read_task(path)
    if not isinstance(task, SentenceSimilarity):
        raise SystemExit(f"{path}: not scored pairs of texts")
    return task


def measured(name: str, encoder: SentenceEncoder, path: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each precision of the encoder called `name`."""
    alone, repeats, seed = options.alone, options.bootstrap, options.seed
    encoders = {precision: encoder.at(precision) for precision in PRECISIONS}
    task = read_pairs(path)
    texts, pairs = [*task.texts_a, *task.texts_b], np.arange(2 * len(task.scores)).reshape(2, -1).T
    vectors = {precision: encoder.encode(texts) for precision, encoder in encoders.items()}
    cosines = {precision: pair_cosines(found, pairs) for precision, found in vectors.items()}
    replicates = bootstrap_correlations("spearman", list(cosines.values()), task.scores, repeats=repeats, seed=seed)
    chosen = np.random.default_rng(seed).choice(len(texts), min(alone, len(texts)), replace=False)
    rows = []
    for i, precision in enumerate(PRECISIONS):
        low, high = percentile_interval(replicates[i] - replicates[0])
        found = vectors[precision]
        by_itself = np.concatenate([encoders[precision].encode([texts[k]]) for k in chosen])
        rows.append(
            {
                "encoder": name,
                "task": path.name,
                "pairs": len(task.scores),
                "precision": precision,
                "spearman": correlation("spearman", cosines[precision], task.scores),
                "less": correlation("spearman", cosines[precision], task.scores)
                - correlation("spearman", cosines["fp32"], task.scores),
                "low": low,
                "high": high,
                "cosine_to_fp32": float(_row_cosines(found, vectors["fp32"]).min()),
                "largest_to_fp32": _largest(found, vectors["fp32"]),
                "largest_to_alone": _largest(found[chosen], by_itself),
                "largest_to_few": _largest(found[chosen], encoders[precision].encode([texts[k] for k in chosen])),
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
    lines += [
        "| encoder, pairs | precision | Spearman | less float32, with 95 % interval | cosine to float32, lowest |"
    ]
    lines += ["| --- | --- | ---: | ---: | ---: |"]
    for row in report["rows"]:
        difference = f"{row['less']:+.5f} [{row['low']:+.5f}, {row['high']:+.5f}]" if row["precision"] != "fp32" else ""
        figures = f"{row['spearman']:.4f} | {difference} | {row['cosine_to_fp32']:.5f}"
        lines.append(f"| {row['encoder']}, {row['task']}, {row['pairs']:,} pairs | {row['precision']} | {figures} |")
    lines += ["", "Largest difference of a component of a vector:", ""]
    lines += ["| encoder, pairs | precision | to float32 | to the text alone | to the text among a few |"]
    lines += ["| --- | --- | ---: | ---: | ---: |"]
    lines += [f"| {row['encoder']}, {row['task']} | {_differences(row)}" for row in report["rows"]]
    if report["random"]:
        lines += ["", f"The same, of random encoders of hidden {', '.join(map(str, WIDTHS))}, the largest of all:", ""]
        lines += ["| reader | precision | to float32 | to the text alone | to the text among a few |"]
        lines += ["| --- | --- | ---: | ---: | ---: |"]
        lines += [f"| {row['reader']}, layers: {row['layers']} | {_differences(row)}" for row in report["random"]]
    return "\n".join(lines) + "\n"


def _differences(row: dict[str, Any]) -> str:
    differences = (f"{row[f'largest_to_{what}']:.1e}" for what in ("fp32", "alone", "few"))
    return f"{row['precision']} | {' | '.join(differences)} |"


def main() -> None:
    """Encode all texts at each precision, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pairs", type=Path, nargs="+", help="files of scored pairs")
    parser.add_argument("--alone", type=int, default=300, help="texts that are encoded by themselves too")
    parser.add_argument("--bootstrap", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=120, help="of the LSTM alone, which stays untrained for 0")
    parser.add_argument("--random", type=int, default=300, help="texts that random encoders read; 0 leaves them out")
    add_files(parser)
    options = parser.parse_args()
    missing = [path for path in (options.bundle, *options.pairs) if not path.exists()]
    if missing:
        raise SystemExit(f"{missing[0]}: not there; nothing measured")
    bundle = embedpipe.load(options.bundle)
    encoder = bundle.encoder
    encoders = [("bundle's", encoder), lstm_alone(bundle, options.steps, options.seed)]
    rows = [row for path in options.pairs for name, one in encoders for row in measured(name, one, path, options)]
    shape = encoder.network.shape
    about = (
        f"A {shape.architecture} of hidden {shape.hidden}, vectors of {shape.dim}, {shape.n_tokens:,} words, and an "
        f"LSTM alone of the width of the preset; {options.random} texts read by random encoders; "
        f"{options.bootstrap:,} resamples, {options.alone} texts by themselves. Seed {options.seed}, "
        f"{torch.get_num_threads()} threads on {os.cpu_count()} cores, torch {version('torch')}, "
        f"{torch.backends.cpu.get_cpu_capability()}, Python {platform.python_version()}, {platform.machine()}."
    )
    random = company(bundle, options.random, options.seed) if options.random else []
    report = {"about": about, "rows": rows, "random": random}
    markdown = to_markdown(report)
    write_files(report, markdown, options.json, options.markdown)
    print(markdown, end="")


if __name__ == "__main__":
    main()
