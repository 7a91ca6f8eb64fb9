"""How long a query takes from a cold start: ``python benchmarks/query.py BUNDLE [--json FILE] [--markdown FILE]``.

Each figure is the wall time of a whole new process, interpreter and imports included, with the files of the bundle in
the page cache after one unmeasured run.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from written import add_files, write_files


def measure(arguments: list[str], repeats: int) -> dict[str, object]:
    """Return the times of `repeats` processes in milliseconds, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        times.append((time.perf_counter() - start) * 1_000)
    times = times[1:]
    return {
        "median_ms": round(statistics.median(times), 1),
        "fastest_ms": round(min(times), 1),
        "slowest_ms": round(max(times), 1),
        "repeats": repeats,
    }


def commands(bundle: Path) -> dict[str, list[str]]:
    """Return what is measured: a bare interpreter and NumPy for comparison, then the command line."""
    tokens = json.loads((bundle / "vocabulary.json").read_text(encoding="utf-8"))["tokens"]
    a, b, c = (tokens[min(rank, len(tokens) - 1)] for rank in (104, 204, 304))
    module = ["-m", "embedpipe"]
    return {
        "python -c pass": ["-c", "pass"],
        "python -c 'import numpy'": ["-c", "import numpy"],
        "embedpipe --help": [*module, "--help"],
        "embedpipe similar": [*module, "similar", str(bundle), a],
        "embedpipe analogy": [*module, "analogy", str(bundle), a, b, c],
        "embedpipe info": [*module, "info", str(bundle)],
    }


def described(bundle: Path) -> str:
    """Return the sources of a bundle, by the names of their files, and its size."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    sources = " ".join(Path(source).name for source in manifest["sources"])
    size = sum(file["size"] for file in manifest["files"].values()) / 1e6
    words = manifest["files"]["words.safetensors"]["size"] / 1e6
    return f"A bundle of `{sources}`, {size:.1f} MB (words.safetensors {words:.1f} MB)."


def to_markdown(rows: list[dict[str, object]], about: str) -> str:
    """Return the rows as a Markdown table under what was measured."""
    lines = ["# Queries from a cold start", "", f"Written by `benchmarks/query.py`. {about}", ""]
    lines += ["| command | median ms | fastest | slowest |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| `{row['command']}` | {row['median_ms']} | {row['fastest_ms']} | {row['slowest_ms']} |" for row in rows
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--repeats", type=int, default=11)
    add_files(parser)
    options = parser.parse_args()
    rows: list[dict[str, object]] = [
        {"command": name, **measure(arguments, options.repeats)} for name, arguments in commands(options.bundle).items()
    ]
    about = (
        f"{described(options.bundle)} Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores; median of {options.repeats} processes."
    )
    text = to_markdown(rows, about)
    print(text, end="")
    write_files({"about": about, "rows": rows}, text, options.json, options.markdown)


if __name__ == "__main__":
    main()
