"""Measure the main job: python benchmarks/main_job.py SOURCE... [--preset small] [--out FOLDER] [--name main_job]

Runs `embedpipe run` on the sources in a process of its own, then one query of each kind on the bundle. Reports the
seconds of each stage, the peak memory of the process and of its largest child, and what the probes say. Writes
NAME.json and NAME.md to the folder.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from embedpipe.bundle.manifest import StageRecord
from embedpipe.pipeline.provenance import merged_versions
from written import write_files

_CHILD = """
import json, resource, sys
from embedpipe.cli import main
try:
    main()
finally:
    mine, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"run_mb": mine.ru_maxrss // 1024, "worker_mb": theirs.ru_maxrss // 1024}))
"""


def run(sources: list[str], preset: str, bundle: Path) -> dict[str, float]:
    """Return the seconds and the peak memory in megabytes of one run."""
    command = [sys.executable, "-c", _CHILD, "run", *sources, "-o", str(bundle), "--preset", preset]
    began = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"seconds": round(time.monotonic() - began, 1), **json.loads(done.stdout)}


def queries(bundle: Path) -> dict[str, float]:
    """Return the seconds of one query of each kind, each in a process of its own; a failing one raises."""
    lines = bundle.parent / "lines.txt"
    lines.write_text("the army attacked the city\ntroops captured the town\n", encoding="utf-8")
    asked = {
        "similar": ["similar", str(bundle), "war", "--format", "json"],
        "analogy": ["analogy", str(bundle), "he", "his", "she", "--format", "csv"],
        "encode, sentences": ["encode", str(bundle), str(lines), "-o", str(bundle.parent / "sentences.npy")],
        "encode, words": ["encode", str(bundle), str(lines), "--with", "words", "--format", "jsonl"],
        "generate": ["generate", str(bundle), "the history of", "--seed", "1", "--format", "jsonl"],
        "probe simlex999": ["probe", str(bundle), "simlex999", "--format", "json"],
        "info": ["info", str(bundle)],
        "verify": ["verify", str(bundle), "--format", "csv"],
    }
    seconds = {}
    for name, arguments in asked.items():
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "embedpipe", *arguments], check=True, capture_output=True)
        seconds[name] = round(time.monotonic() - began, 2)
    return seconds


def to_markdown(result: dict[str, object], manifest: dict[str, object], asked: dict[str, float]) -> str:
    """Return the measurements as Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in _versions(manifest).items())
    lines = [
        "# The main job",
        "",
        f"Written by `benchmarks/main_job.py`. {platform.machine()}, {os.cpu_count()} cores; {versions}.",
        "",
        f"`{result['sources']}`, preset {manifest['preset']}, seed {manifest['seed']}: {result['seconds']} seconds in "
        f"all; peak memory {result['run_mb']:,} MB, of a worker process {result['worker_mb']:,} MB; the bundle "
        f"takes {result['bundle_mb']:,} MB.",
        "",
        "| stage | seconds | result |",
        "| --- | ---: | --- |",
    ]
    stages: dict[str, dict[str, object]] = manifest["stages"]  # type: ignore[assignment]
    lines += [f"| {name} | {stage['seconds']:.0f} | {stage['summary']} |" for name, stage in stages.items()]
    lines += ["", "| one query, from a cold start | seconds |", "| --- | ---: |"]
    lines += [f"| {name} | {seconds} |" for name, seconds in asked.items()]
    return "\n".join(lines) + "\n"


def _versions(manifest: dict[str, object]) -> dict[str, str]:
    stages: dict[str, dict[str, Any]] = manifest["stages"]  # type: ignore[assignment]
    return merged_versions({name: StageRecord(**stage) for name, stage in stages.items()})


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--preset", default="small", choices=["tiny", "small", "medium", "base"])
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    parser.add_argument("--name", default="main_job")
    parser.add_argument("--keep", type=Path, help="Where to leave the bundle; otherwise it is removed.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = arguments.keep or Path(folder) / "measured.bundle"
        result: dict[str, object] = {"sources": " ".join(Path(s).name for s in arguments.sources)}
        result |= run(arguments.sources, arguments.preset, bundle)
        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        result["bundle_mb"] = round(sum(file["size"] for file in manifest["files"].values()) / 1e6, 1)
        asked = queries(bundle)
        probes = json.loads((bundle / "probes.json").read_text(encoding="utf-8"))["rows"]
    content = {**result, "stages": manifest["stages"], "queries": asked, "probes": probes}
    text = to_markdown(result, manifest, asked)
    write_files(content, text, arguments.out / f"{arguments.name}.json", arguments.out / f"{arguments.name}.md")
    print(text)


if __name__ == "__main__":
    main()
