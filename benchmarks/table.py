"""Queries on a large table, beside gensim: ``python benchmarks/table.py [--words N] [--json F] [--markdown F]``.

A random table goes through the project's own writer and importer into a bundle, and into gensim's KeyedVectors with
its array memory-mapped. Each opening is a new process, which reports how long opening took and how much memory it
then held; the files are in the page cache.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from written import add_files, write_files

_START = """
import json, sys, time
import numpy as np

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1e3

def clock(call):
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3

path, rng = sys.argv[1], np.random.default_rng(3)
"""
_ASK = """
imported = resident()
start = time.perf_counter()
words = opened()
out = {"open_ms": (time.perf_counter() - start) * 1e3, "imports_mb": imported, "open_mb": resident()}
names = [f"w{i}" for i in rng.integers(0, n_words(words), 41)]
out["first_query_ms"] = clock(lambda: ask(words, names[0]))
out["query_ms"] = float(np.median([clock(lambda: ask(words, name)) for name in names[1:]]))
batch = rng.normal(size=(256, dim(words))).astype(np.float32)
if many:
    many(words, batch[:32])
    out["batched_per_s"] = len(batch) / clock(lambda: many(words, batch)) * 1e3
print(json.dumps(out))
"""
_CONTENDERS = {
    "embedpipe": """
import embedpipe
import embedpipe.words.part
opened = lambda: embedpipe.load(path + "/table.bundle").words
n_words, dim = lambda words: len(words) - 4, lambda words: words.dim
ask = lambda words, name: words.similar(name)
many = lambda words, batch: words.most_similar_ids(batch, 10)
""",
    "gensim": """
from gensim.models import KeyedVectors
opened = lambda: KeyedVectors.load(path + "/table.kv", mmap="r")
n_words, dim = len, lambda words: words.vector_size
ask = lambda words, name: words.most_similar(name)
many = None
""",
}


def make(folder: Path, n: int, dim: int) -> dict[str, float]:
    """Write the table for both, and return how long text takes to write and read, in seconds and MB/s."""
    from gensim.models import KeyedVectors

    from embedpipe.loading import load
    from embedpipe.pipeline.imported import import_vectors
    from embedpipe.words.formats import write_vectors
    from embedpipe.words.read_vectors import read_vectors

    vectors = np.random.default_rng(1).normal(size=(n, dim)).astype(np.float32)
    keyed = KeyedVectors(dim)
    keyed.add_vectors([f"w{i}" for i in range(n)], vectors)
    keyed.save_word2vec_format(folder / "table.bin", binary=True)
    keyed.save(str(folder / "table.kv"), sep_limit=0)
    del keyed, vectors
    import_vectors(folder / "table.bin", folder / "table.bundle")
    start = time.perf_counter()
    write_vectors(folder / "table.txt", load(folder / "table.bundle").words)
    written = time.perf_counter() - start
    start = time.perf_counter()
    read_vectors(folder / "table.txt")
    read = time.perf_counter() - start
    start = time.perf_counter()
    KeyedVectors.load_word2vec_format(str(folder / "table.txt"))
    by_gensim = time.perf_counter() - start
    size = (folder / "table.txt").stat().st_size / 1e6
    return {
        "text_mb": round(size, 1),
        "write_text_s": round(written, 1),
        "read_text_s": round(read, 1),
        "read_text_mb_per_s": round(size / read, 1),
        "gensim_read_text_s": round(by_gensim, 1),
    }


def measure(folder: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Return the medians over `repeats` processes of each contender, in turn, after one that is not counted."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in _CONTENDERS}
    for repeat in range(repeats + 1):
        for name, setup in _CONTENDERS.items():
            code = [sys.executable, "-c", _START + setup + _ASK, str(folder)]
            done = subprocess.run(code, capture_output=True, text=True, check=True)
            if repeat:
                found[name].append(json.loads(done.stdout))
    return {
        name: {key: round(statistics.median(row[key] for row in rows), 1) for key in rows[0]}
        for name, rows in found.items()
    }


def to_markdown(rows: dict[str, dict[str, float]], text: dict[str, float], about: str) -> str:
    """Return the figures as a Markdown table under what was measured."""
    labels = {
        "open_ms": "open, ms",
        "imports_mb": "resident after imports, MB",
        "open_mb": "resident after opening, MB",
        "first_query_ms": "first query, ms",
        "query_ms": "later query (exact top 10), ms",
        "batched_per_s": "queries a second in one batch of 256",
    }
    lines = ["# Queries on a large table", "", f"Written by `benchmarks/table.py`. {about}", ""]
    lines += [f"| | {' | '.join(rows)} |", f"| --- |{' ---: |' * len(rows)}"]
    for key, label in labels.items():
        lines.append(f"| {label} | {' | '.join(str(row.get(key, '-')) for row in rows.values())} |")
    lines += [
        "",
        f"The same table as word2vec text ({text['text_mb']:,} MB) is written in {text['write_text_s']} s and read in "
        f"{text['read_text_s']} s ({text['read_text_mb_per_s']} MB/s); gensim reads it in "
        f"{text['gensim_read_text_s']} s.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="Where the table is written.  [default: a temporary folder]")
    add_files(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        text = make(Path(name), options.words, options.dim)
        load_before = os.getloadavg()[0]
        rows = measure(Path(name), options.repeats)
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    about = (
        f"{options.words:,} words of {options.dim} random numbers, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}, "
        f"load average {load_before:.1f} beside other work, Python {platform.python_version()}, "
        f"NumPy {version('numpy')}, gensim {version('gensim')}, {platform.system()} {platform.machine()}; medians of "
        f"{options.repeats} processes, taken in turn."
    )
    markdown = to_markdown(rows, text, about)
    print(markdown, end="")
    write_files({"about": about, "rows": rows, "text": text}, markdown, options.json, options.markdown)


if __name__ == "__main__":
    main()
