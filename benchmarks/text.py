"""Measure text preparation: python benchmarks/text.py TEXT_FILE [--out FOLDER] [--repeat 3]

Compares the first pass with `re`, NLTK and gensim on one core, then prepares a quarter of the file and all of it with
one process and with every core. Speeds are megabytes of UTF-8 for each CPU second, children included, so that other
programs on the machine disturb less. The whole stage has two figures: all of it, and what each further megabyte costs
(the difference of the two files), without the fixed cost of imports and of the training of Punkt. Writes text.json and
text.md to the folder.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from embedpipe.runtime import n_cores
from embedpipe.text.chunks import process_chunk
from embedpipe.text.deduplicate import Signer, minhash_permutations
from embedpipe.text.normalise import fold, normalise
from embedpipe.text.numbering import number_tokens
from embedpipe.text.sentences import train_splitter
from embedpipe.text.tokenizer import RegexTokenizer
from written import write_files

_LIBRARIES = ("numpy", "nltk", "gensim", "datasketch")
_PREPARE = """
import json, resource, sys, time
from pathlib import Path
from embedpipe.config import TextConfig
from embedpipe.text.prepare import prepare
began = time.monotonic()
report = prepare([sys.argv[1]], TextConfig(), Path(sys.argv[2]), seed=1, workers=int(sys.argv[3])).report
mine = resource.getrusage(resource.RUSAGE_SELF)
theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"seconds": round(time.monotonic() - began, 2), "megabytes": round(report["bytes"] / 1e6, 1),
    "cpu_seconds": round(mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime, 2),
    "peak_mb": mine.ru_maxrss // 1024, "worker_peak_mb": theirs.ru_maxrss // 1024}))
"""


def speed(work: Callable[[], object], megabytes: float, repeat: int) -> float:
    """Return megabytes for each CPU second, the median of `repeat`."""
    seconds = []
    for _ in range(repeat):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return round(megabytes / statistics.median(seconds), 1)


def one_core(text: str, repeat: int) -> dict[str, float]:
    """Return the speed of each way to tokenise `text`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gensim.utils import tokenize
        from nltk.tokenize import NLTKWordTokenizer
        from nltk.tokenize.punkt import PunktSentenceTokenizer
    megabytes = len(text.encode()) / 1e6
    documents = re.split(r"\n\n+", text)
    splitter, tokenizer = train_splitter(normalise(text[:500_000])), RegexTokenizer()
    plain, signed = Signer([]), Signer(minhash_permutations())
    folded = fold(normalise(text), "lower")
    marked = splitter.mark(normalise(text))
    part = text[:200_000]
    part_mb = len(part.encode()) / 1e6
    return {
        r"plain re.findall(r'\w+')": speed(lambda: re.findall(r"\w+", text.lower()), megabytes, repeat),
        "normalise": speed(lambda: normalise(text), megabytes, repeat),
        "sentences": speed(lambda: splitter.mark(text), megabytes, repeat),
        "tokenise: all tokens": speed(lambda: tokenizer.split(folded), megabytes, repeat),
        "tokenise and number: each distinct word once": speed(
            lambda: number_tokens(marked, tokenizer), megabytes, repeat
        ),
        "first pass: normalise, sentences, tokenise, number": speed(
            lambda: process_chunk(documents, splitter, tokenizer, plain, 1000), megabytes, repeat
        ),
        "first pass with MinHash signatures too": speed(
            lambda: process_chunk(documents, splitter, tokenizer, signed, 1000), megabytes, repeat
        ),
        "gensim.utils.tokenize": speed(lambda: list(tokenize(part, lower=True)), part_mb, 1),
        "NLTK Punkt sentences": speed(lambda: PunktSentenceTokenizer().tokenize(part), part_mb, 1),
        "NLTK word tokenizer": speed(lambda: NLTKWordTokenizer().tokenize(part), part_mb, 1),
    }


def whole(source: Path, workers: int) -> dict[str, float]:
    """Return time and memory of a complete `prepare` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _PREPARE, str(source), str(Path(folder) / "out"), str(workers)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def per_cpu_second(runs: list[dict[str, float | str]]) -> dict[str, float]:
    """Return the speeds of the whole stage by one process, medians of the repeats."""
    sizes, seconds = (
        [
            statistics.median(float(r[key]) for r in runs if (r["corpus"], r["workers"]) == (name, 1))
            for name in ("1x", "4x")
        ]
        for key in ("megabytes", "cpu_seconds")
    )
    return {
        "whole stage, imports and Punkt included": round(sizes[1] / seconds[1], 1),
        "whole stage, each further megabyte": round((sizes[1] - sizes[0]) / (seconds[1] - seconds[0]), 1),
    }


def machine() -> dict[str, str | int | float]:
    """Return what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
    return {
        "processor": model,
        "cores": n_cores(),
        "threads of numerical libraries": 1,
        "load when it began": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{library: version(library) for library in _LIBRARIES},
        "seed": 1,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    where = machine()
    text = arguments.text.read_text(encoding="utf-8")
    speeds = one_core(text[:4_000_000], arguments.repeat)
    runs: list[dict[str, float | str]] = []
    with tempfile.TemporaryDirectory() as folder:
        quarter = Path(folder) / "quarter.txt"
        quarter.write_text(text[: len(text) // 4], encoding="utf-8")
        del text
        for workers in [1] * arguments.repeat + [n_cores()]:
            for source, name in ((quarter, "1x"), (arguments.text, "4x")):
                runs.append({"corpus": name, "workers": workers, **whole(source, workers)})
    speeds |= per_cpu_second(runs)
    lines = ["# Speed and memory of text preparation", "", "Written by `benchmarks/text.py`.", ""]
    lines += [", ".join(f"{name}: {value}" for name, value in where.items()) + ".", ""]
    lines += ["| on one core | MB for each CPU second |", "| --- | ---: |"]
    lines += [f"| {name} | {value} |" for name, value in speeds.items()]
    columns = list(runs[0])
    lines += ["", "| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(str(run[column]) for column in columns) + " |" for run in runs]
    report = "\n".join(lines) + "\n"
    content = {"machine": where, "one_core": speeds, "prepare": runs}
    write_files(content, report, arguments.out / "text.json", arguments.out / "text.md")
    print(report)


if __name__ == "__main__":
    main()
