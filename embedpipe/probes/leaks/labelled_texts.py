"""The texts of labelled data that a sentence encoder learnt from, to be looked for among those that it is tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedpipe.errors import InputError
from embedpipe.tasks.files import read_task
from embedpipe.tasks.pairs import read_pairs
from embedpipe.tasks.shapes import Inference, SentenceSimilarity

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig

__all__ = ["LabelledTexts", "labelled_texts"]


@dataclass(frozen=True)
class LabelledTexts:
    """Texts that an encoder learnt from.

    Parameters
    ----------
    texts : of all files that could be read.
    missing : the files that could not, by name.
    """

    texts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def labelled_texts(config: "SentencesConfig", trainings: Sequence[Mapping[str, Any]] = ()) -> LabelledTexts | None:
    """Return the texts of the files of labelled data that an encoder learnt from; None where no file is named.

    Parameters
    ----------
    config : the settings of its training; `pairs`, `inference` and `scores` name the files.
    trainings : what the bundle records of trainings that went on; they name files by the same keys.
    """
    pairs = [*config.pairs, *(name for training in trainings for name in training.get("pairs", ()))]
    others = [*config.inference, *config.scores]
    others += [name for training in trainings for kind in ("inference", "scores") for name in training.get(kind, ())]
    texts: list[str] = []
    missing: list[str] = []
    for pattern in dict.fromkeys(pairs):
        try:
            found = read_pairs(pattern)
        except InputError:
            missing.append(pattern)
        else:
            texts += [text for group in found.groups for text in group] + list(found.negatives or ())
    for path in dict.fromkeys(others):
        try:
            task = read_task(path)
        except InputError:
            missing.append(path)
        else:
            if isinstance(task, Inference | SentenceSimilarity):
                texts += [*task.texts_a, *task.texts_b]
    return LabelledTexts(tuple(texts), tuple(missing)) if texts or missing else None
