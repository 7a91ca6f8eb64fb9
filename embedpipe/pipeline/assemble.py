"""The last step of a run: the parts, the configuration, the report and the card become one bundle."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from embedpipe.bundle.manifest import FileEntry, Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.config import STAGES
from embedpipe.errors import OutputError
from embedpipe.pipeline.provenance import merged_versions, reproducibility
from embedpipe.pipeline.train_command import train_commands
from embedpipe.probes.card import write_card
from embedpipe.probes.findings import Findings, read_findings
from embedpipe.probes.report import ReportContent, write_report
from embedpipe.probes.report.content import StageRun
from embedpipe.probes.vocabulary_facts import vocabulary_facts
from embedpipe.settings import to_toml
from embedpipe.text.read_named import SCHEMES
from embedpipe.text.vocabulary import SPECIALS

if TYPE_CHECKING:
    from embedpipe.config import PipelineConfig
    from embedpipe.loading import Bundle
    from embedpipe.pipeline.stages import Job
    from embedpipe.words.table import Neighbour

__all__ = ["again_command", "assemble", "bundle_content", "write_pages"]

_N_SAMPLES = 6
_TRAINED = ("words", "sentences", "generation", "latent")


def assemble(job: "Job", target: Path, records: Mapping[str, StageRecord], command: str) -> None:
    """Write the bundle from the stages that stand finished in the working folder.

    Raises
    ------
    OutputError
        If a file is no longer the one that its stage wrote; what stood at `target` is left as it was.
    """
    files = {name: job.work.file(name, stage) for stage in records for name in job.work.entries([stage])}
    with job.work.writing("bundle") as extra:
        findings = read_findings(job.work.file("probes.json", "probes")) if "probes" in records else Findings()
        call = again_command(job.sources, target.name, records, download=job.download)
        (extra / "config.toml").write_text(to_toml(job.config), encoding="utf-8")
        calls = train_commands(target.name, records, call)
        write_pages(extra, bundle_content(job.parts, job.config, target.name, records, findings, calls))
        files.update({path.name: path for path in extra.iterdir()})
        save_bundle(target, files, lambda entries: _manifest(job, records, command, entries))


def _manifest(job: "Job", records: Mapping[str, StageRecord], command: str, files: dict[str, FileEntry]) -> Manifest:
    for name, entry in job.work.entries(records).items():
        if files[name] != entry:
            raise OutputError(
                f"{job.work.path}: {name} changed after its stage wrote it; run the same command again, which makes "
                "that stage anew"
            )
    config = job.config
    reproducible, reason = reproducibility(records, config.seed)
    probes = records.get("probes")
    return Manifest(
        created_by=f"embedpipe {version('embedpipe')}",
        command=command,
        preset=config.preset,
        seed=config.seed,
        reproducible=reproducible,
        reproducible_reason=reason,
        sources=list(job.sources),
        corpus=records["text"].result,
        stages=dict(records),
        scores=dict(probes.result["scores"]) if probes else {},
        files=files,
    )


def write_pages(folder: Path, content: ReportContent) -> None:
    """Write the report and the card."""
    write_report(folder / "report.html", content)
    write_card(folder / "README.md", content)


def bundle_content(
    parts: "Bundle",
    config: "PipelineConfig",
    title: str,
    records: Mapping[str, StageRecord],
    findings: Findings,
    command: str,
) -> ReportContent:
    """Return what the report and the card say of a bundle.

    Parameters
    ----------
    parts : the parts, saved or not.
    config : what they were made with.
    title : name of the bundle.
    records : of its stages.
    findings : what the probes found.
    command : what makes such a bundle.
    """
    neighbours: dict[str, list[Neighbour]] = {}
    if "words" in records:
        # Words that nothing was known of where nothing was trained have no vector.
        words = [parts.vocabulary.tokens[i] for i in np.flatnonzero(parts.words.inverse_norms) if i >= len(SPECIALS)]
        content_words = [word for word in words[100:] if len(word) > 3 and word.isalpha()] or words
        step = max(1, min(len(content_words), 2_000) // 12)
        neighbours = {word: parts.words.similar([word], k=8) for word in content_words[: 12 * step : step]}
    samples = []
    if "generation" in records:
        samples = parts.generator.generate("", n=_N_SAMPLES, max_tokens=40, seed=config.seed)
    if findings.vocabulary is None:
        findings = replace(findings, vocabulary=vocabulary_facts(parts.vocabulary))
    _, reason = reproducibility(records, config.seed)
    return ReportContent(
        title=title,
        corpus=records["text"].result,
        training={
            stage: {"summary": records[stage].summary, "result": records[stage].result}
            for stage in _TRAINED
            if stage in records
        },
        findings=findings,
        neighbours={word: [(near.word, near.similarity) for near in found] for word, found in neighbours.items()},
        unstable=_unstable(parts, neighbours),
        samples=samples,
        config_toml=to_toml(config),
        command=command,
        versions=merged_versions(records),
        runs={
            stage: StageRun(record.seconds, record.device, record.threads, record.reproducible)
            for stage, record in records.items()
        },
        reproducible=reason,
    )


def _unstable(parts: "Bundle", neighbours: "Mapping[str, Sequence[Neighbour]]") -> set[str]:
    """Return which words of a list, asked for or found, have other neighbours in another run."""
    from embedpipe.words.table import UNSTABLE

    asked = [parts.words.neighbour(parts.words.id(word), 1.0) for word in neighbours]
    shown = [*asked, *(near for found in neighbours.values() for near in found)]
    return {one.word for one in shown if one.stability is not None and one.stability < UNSTABLE}


def again_command(sources: Sequence[str], title: str, stages: Iterable[str], *, download: bool) -> str:
    """Return the command that makes such a bundle from the configuration in it, without folders of this machine.

    >>> again_command(["/home/me/a b.txt"], "my.bundle", ["text", "words"], download=False)
    "embedpipe run 'a b.txt' -o my.bundle --config config.toml --stages text,words"
    """
    named = [_name_of(source) for source in sources]
    made = ",".join(stage for stage in stages if stage in STAGES)
    options = ["-o", title, "--config", "config.toml", "--stages", made]
    return shlex.join(["embedpipe", "run", *named, *options, *(["--download"] if download else [])])


def _name_of(source: str) -> str:
    scheme, colon, _ = source.partition(":")
    return source if colon and scheme in SCHEMES else PurePath(source).name or source
