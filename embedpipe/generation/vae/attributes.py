"""The direction of an attribute, from texts that are labelled with it."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import ConfigError
from embedpipe.generation.vae.latent import SentenceLatent

if TYPE_CHECKING:
    from embedpipe.tasks.shapes import Task

__all__ = ["direction"]


def direction(latent: SentenceLatent, task: "Task", toward: str) -> tuple[NDArray[np.float32], int]:
    """Return the attribute vector from all other labels of a task toward one, and how many texts it is made of.

    Parameters
    ----------
    latent : of the bundle.
    task : labelled texts, the `Classification` that a file of ``label text`` rows gives.
    toward : the label to move to.

    Raises
    ------
    ConfigError
        If the task is another one, has no such label, or too few texts on a side.
    """
    from embedpipe.tasks.shapes import Classification

    if not isinstance(task, Classification):
        raise ConfigError(f"'{task.name}' holds no labelled texts; an attribute is learnt from rows of 'label text'")
    counts = Counter(task.labels)
    if toward not in counts:
        found = ", ".join(f"{label} ({n:,})" for label, n in counts.most_common(8))
        raise ConfigError(f"'{task.name}' has no label {toward!r}; it has {found}")
    sides: dict[bool, list[str]] = {True: [], False: []}
    for label, text in zip(task.labels, task.texts, strict=True):
        sides[label == toward].append(text)
    return latent.attribute_vector(sides[True], sides[False]), len(task.texts)
