"""A bundle measured, and two bundles compared, in one call."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from embedpipe.bundle.recorded import recorded_config
from embedpipe.config import ProbesConfig
from embedpipe.errors import InputError
from embedpipe.loading import Bundle, load
from embedpipe.pipeline.compared_tasks import COMPARED, compared_tasks
from embedpipe.pipeline.guard import labelled_of
from embedpipe.pipeline.probed_text import prepared_text, probed_text
from embedpipe.probes.difference import Difference, differences
from embedpipe.probes.findings import Findings
from embedpipe.probes.leaks.training_text import TrainingText
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rivals import named_rivals
from embedpipe.probes.run import probe_bundle
from embedpipe.runtime import Listener, silent
from embedpipe.tasks.builtin import BUILTIN_TASKS, CORPUS_TASKS
from embedpipe.tasks.shapes import Task
from embedpipe.text.prepared import PreparedText

__all__ = ["diff", "probe", "probe_settings"]

Named = str | Path | Task
"""A task: built in or made of a corpus, by name; in a file, by path; or as an object."""


def probe(
    bundle: Bundle | str | Path,
    tasks: Sequence[Named] = (),
    *,
    against: Mapping[str, object] | Sequence[str | Path] = (),
    corpus: str | Path | PreparedText | None = None,
    leakage: bool = True,
    seed: int | None = None,
    listener: Listener = silent,
) -> Findings:
    """Measure a bundle on tasks, each figure beside baselines and with a 95 % interval.

    Parameters
    ----------
    bundle : opened, or its folder.
    tasks : names (``"wordsim353"``, ``"topic"``, ``"geometry"``), task files, or tasks as objects; without any, all
        that are built in and all that a corpus makes of itself.
    against : systems that stand beside the bundle: by name, a bundle, word vectors, a float matrix with a row for each
        token, or anything that turns a list of texts into a matrix; or what ``--against`` takes, which names itself.
    corpus : what the tasks of a corpus are made of: a folder of prepared text, a source, or an opened text; by default
        the text that the bundle was made from, where it lies beside it.
    leakage : whether the questions are looked for in what the bundle was trained on.
    seed : of resampling, folds and random baselines; by default that of the bundle.
    listener : is called with progress events.

    Returns
    -------
    Findings
        ``rows`` (one for each figure and baseline), ``associations``, ``geometry``, ``leaks``; ``as_dict()`` for JSON.

    Raises
    ------
    InputError
        For a task that is no name and no task file, for one that needs a text where there is none, or for a rival that
        cannot be used.
    BundleError
        If the folder is no bundle.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from embedpipe.pipeline.imported import import_vectors
    >>> from embedpipe.tasks.shapes import WordSimilarity
    >>> pairs = WordSimilarity("pairs", [("sea", "ship"), ("law", "court"), ("sea", "law")], np.array([9, 8, 1.0]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "vectors.txt"
    ...     _ = file.write_text("sea 1 0\\nship 2 0\\nlaw 0 1\\ncourt 1 2\\n")
    ...     bundle = import_vectors(file, Path(folder) / "small.bundle").bundle
    ...     found = probe(bundle, [pairs])
    >>> [(row.task, row.metric, row.value, row.n, row.baseline) for row in found.rows]
    [('pairs', 'spearman', 1.0, 3, 'spelling'), ('pairs', 'spearman', 1.0, 3, 'random vectors')]
    """
    opened = bundle if isinstance(bundle, Bundle) else load(bundle)
    seed = opened.manifest.seed if seed is None else seed
    rivals = against if isinstance(against, Mapping) else named_rivals(list(map(str, against)), load, opened.path)
    given = [task for task in tasks if not isinstance(task, str | Path)]
    names = [str(task) for task in tasks if isinstance(task, str | Path)]
    asked = names if tasks else [*BUILTIN_TASKS, *CORPUS_TASKS]
    text_of = (
        nullcontext(corpus)
        if isinstance(corpus, PreparedText)
        else probed_text(opened, corpus, asked, listener=listener)
    )
    with text_of as text:
        needy = [name for name in names if name in CORPUS_TASKS]
        if needy and text is None:
            raise InputError(f"the prepared text is not beside the bundle; the task '{needy[0]}' needs it, or a corpus")
        own = prepared_text(opened) if leakage else None
        return probe_bundle(
            opened,
            text,
            probe_settings(opened, asked).model_copy(update={"leakage": leakage}),
            seed=seed,
            training=None if own is None else TrainingText.of(own),
            labelled=labelled_of(opened) if leakage else None,
            against=rivals,
            given=given,
            listener=listener,
        )


def diff(
    a: Bundle | str | Path,
    b: Bundle | str | Path,
    tasks: Sequence[Named] = (),
    *,
    seed: int = 1,
    listener: Listener = silent,
) -> list[Difference]:
    """Return what separates two bundles on the same questions: which is better, where, and how sure that is.

    Parameters
    ----------
    a, b : opened, or their folders; their vocabularies and widths may differ.
    tasks : names, task files and folders of them, or tasks as objects; without any, `compared_tasks.COMPARED`. Those
        that a corpus makes of itself are of the text that both held out.
    seed : of resampling and folds.
    listener : is called with progress events.

    Returns
    -------
    One difference for each figure and part of each task: its paired 95 % interval, the effect, p, p after Holm's
    correction, and the verdict (``"A better"``, ``"B better"``, ``"no difference found"``, ``"not compared"``).

    Raises
    ------
    InputError
        For a task that is no name and no task file.
    BundleError
        If a folder is no bundle.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from embedpipe.pipeline.imported import import_vectors
    >>> from embedpipe.tasks.shapes import WordSimilarity
    >>> pairs = WordSimilarity("pairs", [("sea", "ship"), ("law", "court"), ("sea", "law")], np.array([9, 8, 1.0]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "vectors.txt"
    ...     _ = file.write_text("sea 1 0\\nship 2 0\\nlaw 0 1\\ncourt 1 2\\n")
    ...     bundle = import_vectors(file, Path(folder) / "small.bundle").bundle
    ...     (found,) = diff(bundle, bundle, [pairs])
    >>> found.difference, found.n
    (0.0, 3)
    """
    first, second = (one if isinstance(one, Bundle) else load(one) for one in (a, b))
    names = [str(task) for task in tasks if isinstance(task, str | Path)] if tasks else COMPARED
    named, _ = compared_tasks(names, first, second, seed=seed)
    asked = [*named, *(task for task in tasks if not isinstance(task, str | Path))]
    return differences(first, second, asked, MeasureSettings(seed=seed), listener=listener)


def probe_settings(bundle: Bundle, tasks: Sequence[str]) -> ProbesConfig:
    """Return the settings of the bundle's own probes, for other tasks; what only the report shows is left out."""
    probes = recorded_config(bundle.parts.file("config.toml", "text")).probes
    return probes.model_copy(update={"tasks": tuple(tasks), "curves": False, "map_words": 0, "map_sentences": 0})
