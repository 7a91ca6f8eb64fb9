"""All that probing a bundle finds, as it stands in ``probes.json``."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from embedpipe.errors import BundleError
from embedpipe.plain import plain
from embedpipe.probes.projection import PointMap
from embedpipe.probes.rows import Row
from embedpipe.probes.vocabulary_facts import VocabularyFacts

__all__ = ["Association", "Findings", "Leak", "LearningCurve", "read_findings", "write_findings"]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The accuracy of one system on one task by the number of labelled texts that its classifier saw.

    `labels`, `accuracy`, `low` and `high` (95 %) are of the same length; `per_label` says that `labels` counts texts of
    each label (few-shot), not all. `n` texts are tested; `note` says what the figures are means of, and what the
    intervals are of.
    """

    task: str
    system: str
    labels: tuple[int, ...]
    accuracy: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    per_label: bool = False
    n: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Association:
    """How much nearer one set of words is to one set of attributes than another set is (WEAT; Caliskan et al., 2017).

    `effect` is in standard deviations, between -2 and 2 for sets of equal size, with its 95 % interval; `p_value` is
    one-sided, by permutation of the targets, and `p_holm` corrected for the tests beside it (Holm, 1979); `left_out`
    are the words without a vector; `note` says why there is no figure; `system` is what has the vectors.
    """

    name: str
    targets: tuple[str, str]
    attributes: tuple[str, str]
    effect: float
    low: float
    high: float
    p_value: float
    n_words: int
    left_out: tuple[str, ...] = ()
    note: str = ""
    p_holm: float = math.nan
    system: str = "words"


@dataclass(frozen=True, slots=True)
class Leak:
    """How many of the `n` questions of a task stand in what something was trained on, exactly or nearly.

    `place` is ``training text`` (of the bundle), ``labelled data`` (that its encoder learnt from) or ``training part``
    (of the task itself); `near` does not count those of `exact`; `unasked` of the questions hold too few known words to
    tell; `note` says how it was looked for, or why it was not.
    """

    task: str
    place: str
    exact: int
    near: int
    n: int
    examples: tuple[str, ...] = ()
    unasked: int = 0
    note: str = ""


@dataclass(frozen=True)
class Findings:
    """What the probes found.

    Parameters
    ----------
    rows : figures beside baselines.
    curves : accuracy by number of labels.
    associations : bias tests.
    geometry : by space, facts about its shape by name (explained in `spaces.geometry.MEANING`): ``words`` and
        ``sentences``, and beside them what begins with their names (``words, as trained``, ``words, random vectors``).
    leaks : overlap between what was trained on and what is tested, for each task that was looked at.
    vocabulary : how the words of the training text are distributed; None where their counts are unknown.
    maps : words and sentences in the plane.
    """

    rows: Sequence[Row] = ()
    curves: Sequence[LearningCurve] = ()
    associations: Sequence[Association] = ()
    geometry: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    leaks: Sequence[Leak] = ()
    vocabulary: VocabularyFacts | None = None
    maps: Sequence[PointMap] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the findings for JSON: what is not a finite number is None."""
        return {
            "rows": [row.as_dict() for row in self.rows],
            "curves": [plain(asdict(curve)) for curve in self.curves],
            "associations": [plain(asdict(association)) for association in self.associations],
            "geometry": plain(self.geometry),
            "leaks": [plain(asdict(leak)) for leak in self.leaks],
            "vocabulary": None if self.vocabulary is None else plain(asdict(self.vocabulary)),
            "maps": [plain(asdict(one)) for one in self.maps],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> "Findings":
        """Return the findings that `as_dict` gave; a bare list holds rows, as bundles had it before."""
        if not isinstance(content, Mapping):
            return cls(rows=[Row.from_dict(row) for row in content])
        return cls(
            rows=[Row.from_dict(row) for row in content.get("rows", ())],
            curves=[LearningCurve(**_read(curve)) for curve in content.get("curves", ())],
            associations=[Association(**_read(one)) for one in content.get("associations", ())],
            geometry={
                table: {name: _number(value) for name, value in facts.items()}
                for table, facts in content.get("geometry", {}).items()
            },
            leaks=[Leak(**_read(leak)) for leak in content.get("leaks", ())],
            vocabulary=VocabularyFacts(**_read(facts)) if (facts := content.get("vocabulary")) else None,
            maps=[PointMap(**_read(one)) for one in content.get("maps", ())],
        )


def write_findings(path: Path, findings: Findings) -> None:
    """Write the findings as JSON, each map on a line of its own: it is long, and no one reads it."""
    content = findings.as_dict()
    maps = [json.dumps(one, ensure_ascii=False, separators=(",", ":"), allow_nan=False) for one in content.pop("maps")]
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False).removesuffix("\n}")
    path.write_text(text + ',\n "maps": [' + ",".join(f"\n  {one}" for one in maps) + "\n ]\n}\n", encoding="utf-8")


def read_findings(path: Path) -> Findings:
    """Return the findings in a file.

    Raises
    ------
    BundleError
        If the file is not what `write_findings` wrote.
    """
    try:
        return Findings.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: not what the probes of a bundle wrote: {error}; probe the bundle again") from error


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _read(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _or_nan(value) for key, value in content.items()}


def _or_nan(value: Any) -> Any:
    """Return a value of JSON with lists as tuples and None as NaN."""
    if isinstance(value, list):
        return tuple(map(_or_nan, value))
    return math.nan if value is None else value
