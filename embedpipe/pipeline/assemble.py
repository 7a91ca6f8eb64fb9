"""The last step of a run: the parts, the configuration, the report and the card become one bundle."""

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from embedpipe.bundle.manifest import FileEntry, Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.config import to_toml
from embedpipe.pipeline.work import STAGE_FILES
from embedpipe.probes.card import write_card
from embedpipe.probes.report import ReportContent, write_report
from embedpipe.probes.rows import Row
from embedpipe.runtime import n_cores, resolve_device

if TYPE_CHECKING:
    from embedpipe.pipeline.stages import Job

__all__ = ["assemble"]

_LIBRARIES = ("numpy", "gensim", "torch", "scikit-learn", "nltk", "jieba", "tokenizers")
_N_SAMPLES = 6


def assemble(job: "Job", target: Path, records: Mapping[str, StageRecord], command: str) -> None:
    """Write the bundle from the stages that stand finished in the working folder."""
    files = {name: job.work.file(name, stage) for stage in records for name in STAGE_FILES[stage]}
    with job.work.writing("bundle") as extra:
        content = _content(job, target.name, records, command)
        (extra / "config.toml").write_text(to_toml(job.config), encoding="utf-8")
        write_report(extra / "report.html", content)
        write_card(extra / "README.md", content)
        files.update({path.name: path for path in extra.iterdir()})
        save_bundle(target, files, lambda entries: _manifest(job, records, command, entries))


def _manifest(job: "Job", records: Mapping[str, StageRecord], command: str, files: dict[str, FileEntry]) -> Manifest:
    config = job.config
    neural = {"sentences", "generation"} & set(records)
    threads = n_cores()
    if config.reproducible:
        reason = (
            f"one Word2Vec worker, deterministic kernels, {threads} processor threads, seed {config.seed}: the same "
            "text, settings, library versions, thread count and kind of processor give the same bytes"
        )
    else:
        reason = f"Word2Vec was trained by {threads} workers in parallel, whose order is not fixed; use --reproducible"
    probes = records.get("probes")
    return Manifest(
        created_by=f"embedpipe {version('embedpipe')}",
        command=command,
        preset=config.preset,
        seed=config.seed,
        device=str(resolve_device(job.device)) if neural else "cpu",
        reproducible=config.reproducible,
        reproducible_reason=reason,
        sources=list(job.sources),
        corpus=records["text"].result,
        stages=dict(records),
        versions=_versions(),
        scores=dict(probes.result["scores"]) if probes else {},
        files=files,
    )


def _versions() -> dict[str, str]:
    versions = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "threads": str(n_cores()),
    }
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions


def _content(job: "Job", title: str, records: Mapping[str, StageRecord], command: str) -> ReportContent:
    parts = job.parts
    neighbours = {}
    if "words" in records:
        words = parts.vocabulary.tokens[4:]
        content_words = [word for word in words[100:] if len(word) > 3 and word.isalpha()] or words
        step = max(1, min(len(content_words), 2_000) // 12)
        neighbours = {
            word: [(near.word, near.similarity) for near in parts.words.similar([word], k=8)]
            for word in content_words[: 12 * step : step]
        }
    samples = []
    if "generation" in records:
        samples = parts.generator.generate("", n=_N_SAMPLES, max_tokens=40, seed=job.config.seed)
    return ReportContent(
        title=title,
        corpus=records["text"].result,
        rows=_rows(job) if "probes" in records else [],
        neighbours=neighbours,
        samples=samples,
        config_toml=to_toml(job.config),
        command=command,
        versions=_versions(),
    )


def _rows(job: "Job") -> list[Row]:
    content = json.loads(job.work.file("probes.json", "probes").read_text(encoding="utf-8"))
    return [Row.from_dict(row) for row in content]
