"""The report of a bundle written once more, from what stands in the bundle: nothing is measured or trained."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from embedpipe.bundle.recorded import recorded_config
from embedpipe.errors import OutputError
from embedpipe.pipeline.assemble import again_command, bundle_content
from embedpipe.pipeline.train_command import train_commands
from embedpipe.probes.findings import Findings, read_findings
from embedpipe.probes.report import write_report

if TYPE_CHECKING:
    from embedpipe.loading import Bundle
    from embedpipe.probes.report import ReportContent

__all__ = ["report_again", "report_content"]


def report_again(bundle: "Bundle", path: Path) -> None:
    """Write the report of a bundle to a file: after plotly was installed, or in the form of a newer version.

    Parameters
    ----------
    bundle : a saved bundle.
    path : the file, outside the bundle, whose own files are those that its manifest lists.

    Raises
    ------
    OutputError
        If the file lies in the bundle, or cannot be written.
    """
    if path.resolve().is_relative_to(bundle.path.resolve()):
        raise OutputError(f"{path}: lies in the bundle, whose files stay as they are; choose another -o")
    content = report_content(bundle)
    try:
        write_report(path, content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def report_content(bundle: "Bundle") -> "ReportContent":
    """Return what the report of a saved bundle says."""
    manifest = bundle.manifest
    findings = (
        read_findings(bundle.parts.file("probes.json", "probes")) if "probes.json" in bundle.parts else Findings()
    )
    config = recorded_config(bundle.parts.file("config.toml", "text"))
    title, records = bundle.path.resolve().name, manifest.stages
    command = again_command(manifest.sources, title, records, download="--download" in shlex.split(manifest.command))
    return bundle_content(bundle, config, title, records, findings, train_commands(title, records, command))
