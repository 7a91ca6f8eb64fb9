"""What a bundle was trained on, to look for the questions of tasks in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedpipe.bundle.folder import sha256_of
from embedpipe.bundle.recorded import recorded_config
from embedpipe.loading import Bundle
from embedpipe.pipeline.conflict import WENT_ON
from embedpipe.pipeline.plan import fingerprint
from embedpipe.probes.leaks.labelled_texts import LabelledTexts, labelled_texts
from embedpipe.probes.leaks.leakage import TaskLeakage, find_leakage
from embedpipe.probes.leaks.training_text import TrainingText
from embedpipe.tasks.shapes import Task
from embedpipe.text.prepared import PreparedText

__all__ = ["LeakageGuard", "labelled_of", "leakage_guard"]


@dataclass(frozen=True, eq=False)
class LeakageGuard:
    """Looks for the questions of tasks in what a bundle was trained on.

    Parameters
    ----------
    training : its text; None where that is not at hand.
    labelled : the labelled data that its encoder learnt from; None for none.
    threshold : similarity from which two texts are near-duplicates.
    seed : that the tasks are measured with.
    fingerprint : of all of these.
    """

    training: TrainingText | None
    labelled: LabelledTexts | None
    threshold: float
    seed: int
    fingerprint: str

    def find(self, tasks: Sequence[Task]) -> list[TaskLeakage]:
        """Return what leaked of each of the tasks, in their order."""
        return find_leakage(tasks, self.training, self.labelled, threshold=self.threshold, seed=self.seed)


def leakage_guard(bundle: Bundle, text: PreparedText | None, threshold: float, seed: int) -> LeakageGuard:
    """Return the guard of a bundle.

    Parameters
    ----------
    bundle : what is probed.
    text : the prepared text that it was made from; None where that is not at hand.
    threshold : similarity from which two texts are near-duplicates.
    seed : that the tasks are measured with.
    """
    labelled = labelled_of(bundle)
    prints = [
        None if text is None else sha256_of(text.path / "train" / "tokens.npy"),
        None if labelled is None else [labelled.texts, labelled.missing],
        threshold,
        seed,
    ]
    training = None if text is None else TrainingText.of(text)
    return LeakageGuard(training, labelled, threshold, seed, fingerprint(*prints))


def labelled_of(bundle: Bundle) -> LabelledTexts | None:
    """Return what the encoder of a bundle learnt from beside the text, in its run and after it."""
    record = bundle.manifest.stages.get("sentences")
    config = recorded_config(bundle.parts.file("config.toml", "text")).sentences
    return labelled_texts(config, record.result.get(WENT_ON, ()) if record else ())
