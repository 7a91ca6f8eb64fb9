"""A bundle with some of its files replaced: what has not changed is taken over byte for byte."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from embedpipe.bundle.folder import BundleFolder, unlisted_files
from embedpipe.bundle.manifest import FileEntry, Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.config import RECORDED, PipelineConfig
from embedpipe.errors import BundleError, OutputError
from embedpipe.loading import Bundle
from embedpipe.pipeline.assemble import bundle_content, write_pages
from embedpipe.pipeline.plan import existing_bundle
from embedpipe.pipeline.provenance import reproducibility
from embedpipe.probes.findings import Findings, write_findings
from embedpipe.probes.rows import headline
from embedpipe.runtime import check_alone
from embedpipe.settings import to_toml

__all__ = ["Changed", "check_target", "save_changed", "source_and_target"]


def source_and_target(bundle: str | Path, output: str | Path | None, *, force: bool) -> tuple[BundleFolder, Path]:
    """Return the bundle that a training changes and the folder that the changed one is written to.

    Raises
    ------
    ConfigError
        In several processes.
    OutputError
        If the output has an empty name, or the bundle cannot be written there without a loss.
    """
    check_alone("a bundle is trained")
    source = BundleFolder(Path(bundle).resolve())
    target = source.path if output is None else Path(output).resolve()
    if output is not None and not os.fspath(output):
        raise OutputError("the name of the output is empty; name a folder to write, such as my.bundle")
    check_target(source, target, force=force)
    return source, target


def check_target(source: BundleFolder, target: Path, *, force: bool) -> None:
    """Raise `OutputError` where a changed `source` cannot be written to `target` without a loss."""
    if target != source.path:
        if existing_bundle(target, force=force) is not None and not force:
            raise OutputError(f"{target}: a bundle stands there already; --force replaces it, or choose another -o")
        return
    existing_bundle(target, force=False)
    foreign = unlisted_files(source.path, source.manifest)
    if foreign and not force:
        raise OutputError(
            f"{source.path}: holds {', '.join(foreign)}, not of the bundle, which replacing it would remove; move it "
            "away, choose an -o, or use --force"
        )


@dataclass(frozen=True)
class Changed:
    """The `Parts` of a bundle of which some files lie elsewhere.

    Parameters
    ----------
    bundle : the bundle as it was.
    new : a folder with new files under the names that they have in a bundle.
    names : which files these are.
    """

    bundle: BundleFolder
    new: Path
    names: Collection[str]

    def file(self, name: str, part: str) -> Path:
        """Return the path of a file that the stage `part` wrote."""
        return self.new / name if name in self.names else self.bundle.file(name, part)

    def folder(self, name: str, part: str) -> Path:
        """Return the path of a folder that the stage `part` wrote."""
        if any(file.startswith(f"{name}/") for file in self.names):
            return self.new / name
        return self.bundle.folder(name, part)

    def __contains__(self, name: str) -> bool:
        return name in self.names or name in self.bundle


def save_changed(
    source: BundleFolder,
    new: Path,
    target: Path,
    config: PipelineConfig,
    records: Mapping[str, StageRecord],
    findings: Findings,
    command: str,
) -> None:
    """Write a bundle of the files in `new` and of those of `source` that have no namesake there.

    Configuration, report, card and the findings of the probes are written into `new` first.

    Parameters
    ----------
    source : the bundle that was changed; `target` may be the same folder.
    config, records : of the new bundle.
    findings : what the probes found, where `records` holds them.
    command : what changed the bundle, for report and card.

    Raises
    ------
    BundleError
        If a file that is taken over is not the one that the manifest of `source` lists; `target` is left as it was.
    """
    ordered = {stage: records[stage] for stage in RECORDED if stage in records}
    changed = {path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file()}
    parts = Bundle(Changed(source, new, changed))
    (new / "config.toml").write_text(to_toml(config), encoding="utf-8")
    write_pages(new, bundle_content(parts, config, target.name, ordered, findings, command))
    if "probes" in ordered:
        write_findings(new / "probes.json", findings)
    written = {path.relative_to(new).as_posix(): path for path in new.rglob("*") if path.is_file()}
    kept = {name: source.path / name for name in source.manifest.files if name not in written}

    def manifest(entries: dict[str, FileEntry]) -> Manifest:
        for name in kept:
            if entries[name] != source.manifest.files[name]:
                raise BundleError(f"{source.path / name}: was changed after the bundle was made; make the bundle again")
        reproducible, reason = reproducibility(ordered, config.seed)
        return Manifest(
            created_by=f"embedpipe {version('embedpipe')}",
            command=source.manifest.command,
            preset=config.preset,
            seed=config.seed,
            reproducible=reproducible,
            reproducible_reason=reason,
            sources=source.manifest.sources,
            corpus=source.manifest.corpus,
            stages=ordered,
            scores=headline(findings.rows),
            files=entries,
        )

    save_bundle(target, {**kept, **written}, manifest)
