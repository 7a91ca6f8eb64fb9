"""Word vectors beside what a user would train instead: ``python benchmarks/words.py CORPUS --tasks FILE... --cores 2``.

Every system trains on the same lines (the training split as `embedpipe run` writes it), alone on the machine and in a
process of its own, and is asked the same questions about the same words. Seconds are wall time from the lines on disk
to vectors in memory (embedpipe: to the finished part on disk, post-processing included); preparing the text is the
same for all and stated once. For `--pairs` gensim by hand and the words stage train an epoch each in turn, in one
process. fastText is the package of that name: ``pip install fasttext``.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from embedpipe.config import PipelineConfig
from embedpipe.presets import preset_for
from embedpipe.probes.words.analogies import analogy_rows
from embedpipe.probes.words.word_similarity import word_similarity_rows
from embedpipe.runtime import Step
from embedpipe.tasks.files import read_task
from embedpipe.tasks.shapes import Analogies, WordSimilarity
from embedpipe.text.prepare import prepare
from embedpipe.text.prepared import PreparedText
from embedpipe.words.table import WordVectors
from written import add_files, write_files

_ATTEMPTS = 5
"""The package often stops with "Encountered NaN"; what that took is in its seconds."""
Trainer = Callable[[PreparedText, int, int], np.ndarray]


def by_token(text: PreparedText, vector_of: Callable[[str], np.ndarray], dim: int) -> np.ndarray:
    """Return a table over the vocabulary of the text."""
    vectors = np.zeros((len(text.vocabulary), dim), dtype=np.float32)
    for i, token in enumerate(text.vocabulary.tokens[4:], 4):
        vectors[i] = vector_of(token)
    return vectors


def gensim_word2vec(**settings: Any) -> Trainer:
    def train(text: PreparedText, cores: int, seed: int) -> np.ndarray:
        from gensim.models import Word2Vec

        min_count = int(text.report["min_count"])
        model = Word2Vec(corpus_file=str(text.train_text), workers=cores, seed=seed, min_count=min_count, **settings)
        return by_token(text, model.wv.__getitem__, model.vector_size)

    return train


def fasttext(dim: int) -> Trainer:
    def train(text: PreparedText, cores: int, seed: int) -> np.ndarray:  # noqa: ARG001 - it takes no seed
        import fasttext

        min_count = int(text.report["min_count"])
        given = {"model": "skipgram", "dim": dim, "thread": cores, "minCount": min_count, "verbose": 0}
        for _ in range(_ATTEMPTS):
            try:
                model = fasttext.train_unsupervised(str(text.train_text), **given)
                return by_token(text, model.get_word_vector, dim)
            except RuntimeError as error:
                print(f"fastText: {error}", file=sys.stderr)
        raise SystemExit(f"fastText failed {_ATTEMPTS} times")

    return train


def embedpipe_words(settings: dict[str, Any] | None = None) -> Trainer:
    """Return the words stage with the preset for the size of the text, `settings` laid over it."""

    def train(text: PreparedText, cores: int, seed: int) -> np.ndarray:
        from embedpipe.words.build import build_words
        from embedpipe.words.part import load_words

        tokens = int(text.report["train"]["tokens"])
        config = PipelineConfig.of(preset_for(tokens), {"words": settings or {}}).words
        with tempfile.TemporaryDirectory() as folder:
            build_words(text, config, Path(folder), seed=seed, workers=cores)
            return np.array(load_words(Path(folder), text.vocabulary).words.vectors)

    return train


_LIKE_GENSIM = {
    "architecture": "skipgram",
    "dim": 200,
    "window": 5,
    "negatives": 5,
    "epochs": 5,
    "subsample": 1e-3,
    "learning_rate": 0.025,
    "beside": "none",
    "steps": [],
    "unseen": "spelling",
}
SYSTEMS: dict[str, Trainer] = {
    "gensim, defaults (CBOW d100, 5 epochs)": gensim_word2vec(),
    "gensim, skip-gram d200, 5 epochs": gensim_word2vec(sg=1, vector_size=200),
    "gensim, skip-gram d200, 10 epochs": gensim_word2vec(sg=1, vector_size=200, epochs=10),
    "fastText, defaults (skip-gram d100, 5 epochs)": fasttext(100),
    "fastText, skip-gram d200, 5 epochs": fasttext(200),
    "embedpipe, as gensim skip-gram d200": embedpipe_words(_LIKE_GENSIM),
    "embedpipe, preset auto": embedpipe_words(),
}


def paired(text: PreparedText, cores: int, seed: int) -> list[dict[str, float]]:
    """Return what gensim by hand and the words stage take for one training, an epoch of each in turn.

    Seconds and seconds of processors; the vocabulary is counted by gensim, and all else that the stage does is counted
    in: held-out loss, post-processing and writing. In turn, as a machine changes its speed by the minute.
    """
    from gensim.models import Word2Vec

    from embedpipe.words.build import build_words

    clocks = {"seconds": time.perf_counter, "processor_seconds": time.process_time}
    theirs = dict.fromkeys(clocks, 0.0)

    @contextmanager
    def counted() -> Iterator[None]:
        begun = {kind: clock() for kind, clock in clocks.items()}
        yield
        for kind, clock in clocks.items():
            theirs[kind] += clock() - begun[kind]

    config = PipelineConfig.of("small", {"words": _LIKE_GENSIM}).words
    with counted():
        by_hand = Word2Vec(vector_size=200, sg=1, workers=cores, seed=seed, min_count=int(text.report["min_count"]))
        by_hand.build_vocab(corpus_file=str(text.train_text))
    rates = np.linspace(by_hand.alpha, by_hand.min_alpha, config.epochs + 1)

    def listen(event: object) -> None:
        if isinstance(event, Step) and event.done:
            with counted():
                by_hand.train(
                    corpus_file=str(text.train_text),
                    total_examples=by_hand.corpus_count,
                    total_words=by_hand.corpus_total_words,
                    epochs=1,
                    start_alpha=rates[event.done - 1],
                    end_alpha=rates[event.done],
                )

    before = dict(theirs)
    with tempfile.TemporaryDirectory() as folder:
        begun = {kind: clock() for kind, clock in clocks.items()}
        build_words(text, config, Path(folder), seed=seed, workers=cores, listener=listen)
        ours = {kind: clock() - begun[kind] - theirs[kind] + before[kind] for kind, clock in clocks.items()}
    return [theirs, ours]


def scores(vectors: np.ndarray, text: PreparedText, tasks: list[Path], seed: int) -> dict[str, Any]:
    """Return each task's score with its interval, coverage and note."""
    words = WordVectors(text.vocabulary, vectors)
    found = {}
    for path in tasks:
        task = read_task(path)
        if isinstance(task, WordSimilarity):
            rows = word_similarity_rows(task, words, bootstrap=1_000, seed=seed)
        elif isinstance(task, Analogies):
            rows = analogy_rows(task, words, restrict=30_000, seed=seed)
        else:
            raise SystemExit(f"{path}: is no task of words")
        found[path.stem] = rows[0].as_dict()
    return found


def one(system: str, folder: Path, tasks: list[Path], cores: int, seed: int) -> dict[str, Any]:
    """Train and measure one system in this process."""
    text = PreparedText(folder)
    start = time.perf_counter()
    vectors = SYSTEMS[system](text, cores, seed)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "system": system,
        "seconds": round(seconds, 1),
        "peak_mb": round(peak),
        "dim": vectors.shape[1],
        "scores": scores(vectors, text, tasks, seed),
    }


def measured(system: str, folder: Path, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Run `one` in a new process."""
    command = [sys.executable, __file__, str(options.corpus), "--one", system, "--prepared", str(folder)]
    command += ["--cores", str(options.cores), "--seed", str(seed), "--tasks", *map(str, options.tasks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{system}: {done.stderr[-2_000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def to_markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    tasks = list(report["rows"][0]["scores"])
    lines = [f"# Word vectors on {report['corpus']}", "", f"Written by `benchmarks/words.py`. {report['about']}", ""]
    lines += [
        "| system | seconds | peak MB | " + " | ".join(tasks) + " |",
        "| --- | ---: | ---: |" + " --- |" * len(tasks),
    ]
    for row in report["rows"]:
        cells = []
        for task in tasks:
            score = row["scores"][task]
            low, high = score.get("low"), score.get("high")
            interval = "" if low is None else f" [{low:.3f}, {high:.3f}]"
            cells.append(f"{score['value']:.3f}{interval}")
        lines.append(f"| {row['system']} | {row['seconds']:.0f} | {row['peak_mb']:,} | {' | '.join(cells)} |")
    if report["pairs"]:
        wall, spent = (_ratios(report["pairs"], kind) for kind in ("seconds", "processor_seconds"))
        lines += [
            "",
            f"{len(report['pairs'])} pairs of trainings, an epoch of each in turn: the words stage with gensim's "
            f"settings takes {wall} of the time that gensim called by hand takes, and {spent} of its processor time "
            "(medians of ratios), held-out loss, post-processing and writing included.",
        ]
    return "\n".join(lines) + "\n"


def _ratios(pairs: list[list[dict[str, float]]], kind: str) -> str:
    ratios = [ours[kind] / theirs[kind] for theirs, ours in pairs]
    return f"{statistics.median(ratios):.3f} ({', '.join(f'{ratio:.3f}' for ratio in ratios)})"


def main() -> None:
    """Prepare once, measure each system, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--tasks", type=Path, nargs="+", required=True)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--pairs", type=int, default=0, help="repeats of the paired timing")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prepared", type=Path, help="a folder of prepared text to use")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    add_files(parser)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.prepared, options.tasks, options.cores, options.seed)))
        return
    if not options.corpus.exists():
        raise SystemExit(f"{options.corpus}: not there; nothing measured")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.prepared or Path(temporary) / "text"
        start = time.perf_counter()
        text = PreparedText(folder)
        if not options.prepared:
            text = prepare([str(options.corpus)], PipelineConfig.of("small", {}).text, folder, seed=options.seed)
        prepared_in = time.perf_counter() - start
        rows, pairs = [], []
        for system in options.systems:
            rows.append(measured(system, folder, options, options.seed))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        for number in range(options.pairs):
            pairs.append(paired(text, options.cores, options.seed + number))
            print(json.dumps(pairs[-1]), file=sys.stderr, flush=True)
        tokens, n_words = text.report["train"]["tokens"], len(text.vocabulary) - 4
    versions = []
    for library in ("gensim", "fasttext", "fasttext-wheel", "numpy"):
        with suppress(PackageNotFoundError):
            versions.append(f"{library} {version(library)}")
    about = (
        f"{tokens:,} training tokens, {n_words:,} words, text prepared in {prepared_in:.0f} s; seed "
        f"{options.seed}, {options.cores} threads, Python {platform.python_version()}, {', '.join(versions)}, "
        f"{platform.system()} {platform.machine()}. Similarity: Spearman over the pairs in the vocabulary, 95 % "
        "bootstrap intervals; analogies: 3CosAdd over the 30,000 most frequent words, questions outside them left out."
    )
    report = {"corpus": options.corpus.name, "about": about, "rows": rows, "pairs": pairs}
    markdown = to_markdown(report)
    write_files(report, markdown, options.json, options.markdown)
    print(markdown)


if __name__ == "__main__":
    main()
