"""The probes of a bundle measured once more, after one of its parts was trained further."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from embedpipe.probes.findings import Findings
from embedpipe.probes.leaks.labelled_texts import LabelledTexts
from embedpipe.probes.leaks.training_text import TrainingText
from embedpipe.probes.rows import skipped
from embedpipe.probes.run import HeldOut, probe_bundle
from embedpipe.runtime import Listener, silent
from embedpipe.tasks.builtin import BUILTIN_TASKS, MADE_TASKS

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig
    from embedpipe.loading import Bundle

__all__ = ["probe_again"]


def probe_again(
    bundle: "Bundle",
    text: HeldOut | None,
    config: "ProbesConfig",
    *,
    seed: int,
    training: TrainingText | None = None,
    labelled: LabelledTexts | None = None,
    listener: Listener = silent,
) -> Findings:
    """Return what is found on the tasks that `config` names, as `probe_bundle` does.

    A task whose file is gone, or that needs the text where there is none, is a row without a figure that says so: what
    was measured before the training is never passed on as if it were measured now.
    """
    known = (*BUILTIN_TASKS, *MADE_TASKS)
    gone = [task for task in config.tasks if task not in known and not Path(task).is_file()]
    left = config.model_copy(update={"tasks": tuple(task for task in config.tasks if task not in gone)})
    findings = probe_bundle(bundle, text, left, seed=seed, training=training, labelled=labelled, listener=listener)
    missing = [skipped(Path(task).name, "score", f"{task} is no longer there") for task in gone]
    return replace(findings, rows=[*findings.rows, *missing])
