"""How long it takes to probe a bundle on folders of tasks: ``python benchmarks/probes.py BUNDLE DIR... [--json FILE]``.

Each folder is measured as ``embedpipe probe --suite all`` does, on all cores, with an empty cache; then once more from
the cache. The seconds of a task are those that one worker spent on it, its share of opening the bundle included.
"""

import argparse
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import embedpipe
from embedpipe.pipeline.suite import probe_suite
from embedpipe.probes.cache import ProbeCache
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rows import Row
from embedpipe.runtime import n_cores
from embedpipe.tasks.suite import read_suite
from written import add_files, write_files


def measure(bundle: embedpipe.Bundle, folders: list[Path], workers: int) -> dict[str, Any]:
    """Return the seconds of each task, of all of them, and of all of them from the cache."""
    settings = MeasureSettings(seed=bundle.manifest.seed)
    with tempfile.TemporaryDirectory() as folder:
        cache = ProbeCache(Path(folder))
        start, processor = time.perf_counter(), processor_seconds()
        suite = read_suite(folders)
        read = time.perf_counter() - start
        outcome = probe_suite(bundle, suite, settings, workers=workers, cache=cache)
        total, processor = time.perf_counter() - start, processor_seconds() - processor
        start = time.perf_counter()
        probe_suite(bundle, read_suite(folders), settings, workers=workers, cache=cache)
        cached = time.perf_counter() - start
    return {
        "tasks": [
            {
                "task": task.name,
                "questions": task.n_questions,
                "seconds": round(outcome.seconds[task.name], 1),
                "result": figure([row for row in outcome.findings.rows if row.task == task.name]),
            }
            for task in suite.tasks
        ],
        "no_tasks": len(suite.refused),
        "failed": outcome.failed,
        "reading_s": round(read, 1),
        "total_s": round(total, 1),
        "processor_s": round(processor, 1),
        "from_cache_s": round(cached, 2),
    }


def processor_seconds() -> float:
    """Return the processor time of this process and its finished children: other programs do not count in it."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def figure(rows: list[Row]) -> str:
    """Return the first figure of a task in words, or why there is none."""
    first = rows[0]
    if first.note.startswith("skipped"):
        return first.note.split(";")[0]
    best = max((row for row in rows if row.metric == first.metric), key=lambda row: row.baseline_value)
    return f"{first.metric} {first.value:.3f}, best baseline {best.baseline} {best.baseline_value:.3f}"


def to_markdown(found: dict[str, Any]) -> str:
    """Return what was measured as a Markdown table."""
    lines = ["# Probing whole folders", "", f"Written by `benchmarks/probes.py`. {found['about']}", ""]
    lines += ["| task | questions | seconds of one worker | result |", "| --- | ---: | ---: | --- |"]
    lines += [f"| {t['task']} | {t['questions']:,} | {t['seconds']} | {t['result']} |" for t in found["tasks"]]
    lines += [
        "",
        f"All {len(found['tasks'])} tasks: **{found['total_s']} s** on {found['workers']} workers "
        f"({found['reading_s']} s of it reading the files), {found['processor_s']} s of processor time; "
        f"from the cache {found['from_cache_s']} s.",
    ]
    if found["failed"]:
        lines += ["", f"Failed: {', '.join(found['failed'])}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--workers", type=int, default=n_cores())
    add_files(parser)
    options = parser.parse_args()
    if absent := [str(path) for path in (options.bundle, *options.folders) if not path.is_dir()]:
        print(f"skipped: {', '.join(absent)} is not here")
        return
    bundle = embedpipe.load(options.bundle)
    n_words, dim = bundle.words.vectors.shape
    sources = " ".join(Path(source).name for source in bundle.manifest.sources)
    found = measure(bundle, options.folders, options.workers)
    found["workers"] = options.workers
    found["about"] = (
        f"A bundle of `{sources}`, {n_words:,} words, {dim} dimensions. {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{library} {version(library)}" for library in ("numpy", "scipy", "scikit-learn", "torch"))
        + f", seed {bundle.manifest.seed}; the load of the machine was {os.getloadavg()[0]:.1f} at the end."
    )
    print(to_markdown(found), end="")
    write_files(found, to_markdown(found), options.json, options.markdown)


if __name__ == "__main__":
    main()
