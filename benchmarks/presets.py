"""What the presets of the words stage were chosen by: ``python benchmarks/presets.py SOURCE --tasks FILE...``.

Each candidate is trained once; several lists of steps are tried on each training and on pairs of trainings put side by
side. Trains on the training split alone. The tasks are development sets: a figure that is chosen as the best of many
is optimistic, so that presets are judged by other sets.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from embedpipe.config import PipelineConfig, WordsConfig
from embedpipe.probes.words.analogies import analogy_rows
from embedpipe.probes.words.word_similarity import word_similarity_rows
from embedpipe.tasks.files import read_task
from embedpipe.tasks.shapes import Analogies, WordSimilarity
from embedpipe.text.prepare import prepare
from embedpipe.text.prepared import PreparedText
from embedpipe.words.steps import post_process
from embedpipe.words.table import WordVectors
from embedpipe.words.train import TrainedWords, train_words
from written import add_files, write_files

SKIPGRAM = {"architecture": "skipgram", "window": 5, "negatives": 5}
CBOW = {"architecture": "cbow", "window": 8, "negatives": 20, "subsample": 1e-4, "learning_rate": 0.05}
CANDIDATES: dict[str, dict[str, Any]] = {
    "skip-gram, gensim's rates": {**SKIPGRAM, "subsample": 1e-3, "learning_rate": 0.025},
    "skip-gram": {**SKIPGRAM, "subsample": 1e-4, "learning_rate": 0.05},
    "skip-gram, window 10": {**SKIPGRAM, "window": 10, "negatives": 8, "subsample": 1e-4, "learning_rate": 0.05},
    "CBOW": CBOW,
    "CBOW, 10 negatives": {**CBOW, "negatives": 10},
    "CBOW, subsample 1e-3": {**CBOW, "subsample": 1e-3},
    "CBOW, subsample 1e-5": {**CBOW, "subsample": 1e-5},
    "CBOW, window 5": {**CBOW, "window": 5},
}
STEPS: dict[str, list[str]] = {
    "raw": [],
    "centre": ["centre"],
    "all-but-the-top:2": ["all-but-the-top:2"],
    "whiten:0.5": ["whiten:0.5"],
    "w + c, centre": ["add-contexts", "centre"],
    "w + c, whiten:0.25": ["add-contexts", "whiten:0.25"],
    "w | c, whiten:0.35": ["join-contexts", "whiten:0.35", "unit", "join"],
}
PAIRS = [("CBOW", "skip-gram"), ("CBOW", "skip-gram, window 10")]
JOINED = {
    "w + c, whiten:0.25, joined": ["add-contexts", "whiten:0.25", "unit", "join"],
    "w | c, whiten:0.35, joined": ["join-contexts", "whiten:0.35", "unit", "join"],
    "w | c, whiten:0.5, joined": ["join-contexts", "whiten:0.5", "unit", "join"],
    "w | c, whiten:0.35, joined, reduce:300": ["join-contexts", "whiten:0.35", "unit", "join", "reduce:300"],
    "w | c, whiten:0.35, joined, reduce:200": ["join-contexts", "whiten:0.35", "unit", "join", "reduce:200"],
}


def scores(text: PreparedText, trained: list[TrainedWords], steps: list[str], tasks: list[Path]) -> dict[str, float]:
    """Return the score of each task after `steps`."""
    tables = [(one.vectors, one.contexts) for one in trained]
    vectors = post_process(tables, text.vocabulary.probabilities, steps).vectors
    words = WordVectors(text.vocabulary, vectors)
    found = {}
    for path in tasks:
        task = read_task(path)
        if isinstance(task, WordSimilarity):
            rows = word_similarity_rows(task, words, bootstrap=100, seed=1)
        elif isinstance(task, Analogies):
            rows = analogy_rows(task, words, restrict=30_000, seed=1)
        else:
            raise SystemExit(f"{path}: is no task of words")
        found[path.stem] = round(rows[0].value, 4)
    return found


def main() -> None:
    """Train the candidates, try the steps, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--tasks", type=Path, nargs="+", required=True)
    parser.add_argument("--candidates", nargs="+", choices=list(CANDIDATES), default=list(CANDIDATES))
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=15, help="of CBOW; skip-gram has two thirds")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    add_files(parser)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        config = PipelineConfig.of("small", {}).text
        text = prepare([options.source], config, Path(folder) / "text", seed=options.seed)
        trained: dict[str, TrainedWords] = {}
        for name in options.candidates:
            settings = CANDIDATES[name]
            epochs = options.epochs if settings["architecture"] == "cbow" else max(1, options.epochs * 2 // 3)
            words = WordsConfig.model_validate({**settings, "dim": options.dim, "epochs": epochs})
            start = time.perf_counter()
            trained[name] = train_words(
                text.train_text,
                text.vocabulary,
                text.n_train_lines,
                words,
                held_out=text.validation,
                seed=options.seed,
                workers=options.cores,
            )
            seconds = time.perf_counter() - start
            for label, steps in STEPS.items():
                row = {"training": f"{name}, {epochs} epochs", "steps": label, "seconds": round(seconds, 1)}
                rows.append({**row, **scores(text, [trained[name]], steps, options.tasks)})
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        for pair in PAIRS:
            if set(pair) <= set(trained):
                for label, steps in JOINED.items():
                    row = {"training": " beside ".join(pair), "steps": label, "seconds": None}
                    rows.append({**row, **scores(text, [trained[name] for name in pair], steps, options.tasks)})
                    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        tokens = text.report["train"]["tokens"]
    about = (
        f"Written by `benchmarks/presets.py`: {tokens:,} training tokens, {options.dim} dimensions, seed "
        f"{options.seed}, {options.cores} threads, gensim {version('gensim')}, Python {platform.python_version()}. "
        "Similarity: Spearman; analogies: 3CosAdd over the 30,000 most frequent words. `w` are word vectors, `c` "
        "context vectors, `|` puts them side by side."
    )
    name = Path(options.source).name
    tasks = [path.stem for path in options.tasks]
    lines = [f"# Settings for words on {name}", "", about, ""]
    lines += ["| training | s | steps | " + " | ".join(tasks) + " |", "| --- | ---: | --- |" + " ---: |" * len(tasks)]
    for row in rows:
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f}"
        figures = " | ".join(f"{row[task]:.3f}" for task in tasks)
        lines.append(f"| {row['training']} | {seconds} | {row['steps']} | {figures} |")
    markdown = "\n".join(lines) + "\n"
    write_files({"source": name, "about": about, "rows": rows}, markdown, options.json, options.markdown)
    print(markdown)


if __name__ == "__main__":
    main()
