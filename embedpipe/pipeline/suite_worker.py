"""One task of a suite measured, in this process or in a child."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from embedpipe.children import answer_requests
from embedpipe.errors import EmbedpipeError
from embedpipe.loading import load
from embedpipe.probes.baselines import Subject, token_coverage
from embedpipe.probes.comparison import Parts
from embedpipe.probes.findings import Findings
from embedpipe.probes.measure import MeasureSettings, measure
from embedpipe.probes.rivals import named_rivals, with_rivals
from embedpipe.probes.rows import skipped
from embedpipe.probes.subject import subject_of
from embedpipe.tasks.shapes import Classification, DocumentSimilarity, Inference, SentenceSimilarity, Task
from embedpipe.tasks.suite import SuiteTask, read_suite_task

__all__ = ["Reply", "Request", "SuiteJob", "as_line", "main", "serve", "suite_worker"]

_SAMPLE = 500
"""Texts from which it is told whether a task is in the language of the bundle."""

SuiteJob = Mapping[str, Any]
"""Plain JSON: ``bundle`` (a path), ``settings`` (of `MeasureSettings`), ``min_coverage``, ``against`` (rivals)."""
Reply = dict[str, Any]
"""``findings`` (of `Findings.as_dict`) or ``error``, in words."""


@dataclass(frozen=True, slots=True)
class Request:
    """One task to measure, and the questions of it that get rows of their own (bool of shape (n_questions,)).

    `trained_parts` are those of similarity by a trained regressor.
    """

    task: SuiteTask
    parts: Parts = field(default_factory=dict)
    trained_parts: Parts = field(default_factory=dict)


def suite_worker(job: SuiteJob) -> Callable[[Request], Reply]:
    """Return the function that measures one task of a suite; the bundle is opened once.

    Whatever goes wrong with one task is its reply, for the others are still to be measured.
    """
    settings = MeasureSettings(**job["settings"])
    subject = subject_of(load(job["bundle"]), settings.seed)
    rivals = named_rivals(job["against"], load, Path(job["bundle"]))

    def work(request: Request) -> Reply:
        try:
            return {"findings": _findings(subject, rivals, request, settings, job["min_coverage"]).as_dict()}
        except EmbedpipeError as error:
            return {"error": str(error)}
        except MemoryError:
            return {"error": "out of memory; use fewer workers"}
        except Exception as error:
            return {"error": f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"}

    return work


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until they end: first the job, then one task after the other; the loop of a child process."""
    work = suite_worker(json.loads(requests.readline()))
    while line := requests.readline():
        replies.write(json.dumps(work(_from_line(line))).encode() + b"\n")
        replies.flush()


def as_line(request: Request) -> bytes:
    """Return a request as one line that `serve` reads."""
    content = {
        "task": {**asdict(request.task), "files": [str(path) for path in request.task.files]},
        "parts": _packed(request.parts),
        "trained_parts": _packed(request.trained_parts),
    }
    return json.dumps(content).encode() + b"\n"


def _from_line(line: bytes) -> Request:
    content = json.loads(line)
    task = SuiteTask(**{**content["task"], "files": tuple(map(Path, content["task"]["files"]))})
    return Request(task, _unpacked(content["parts"]), _unpacked(content["trained_parts"]))


def _packed(parts: Parts) -> dict[str, tuple[int, str]]:
    return {name: (len(inside), np.packbits(inside).tobytes().hex()) for name, inside in parts.items()}


def _unpacked(content: Mapping[str, tuple[int, str]]) -> Parts:
    return {
        name: np.unpackbits(np.frombuffer(bytes.fromhex(packed), np.uint8), count=n).astype(np.bool_)
        for name, (n, packed) in content.items()
    }


def main() -> None:
    """Run a child process."""
    answer_requests(serve)


def _findings(
    subject: Subject,
    rivals: Mapping[str, object],
    request: Request,
    settings: MeasureSettings,
    min_coverage: float,
) -> Findings:
    data = read_suite_task(request.task)
    texts = _some_texts(data)
    coverage = token_coverage(subject.codec, texts)
    if coverage < min_coverage:
        reason = (
            f"{coverage:.0%} of the tokens of its texts are in the vocabulary, less than {min_coverage:.0%}: another "
            "language or subject than the bundle's; --min-coverage 0 measures it all the same"
        )
        metric = "spearman" if isinstance(data, SentenceSimilarity | DocumentSimilarity) else "accuracy"
        return Findings(rows=[skipped(data.name, metric, reason)])
    beside = with_rivals(subject, rivals, [data])
    return Findings(rows=measure(beside, data, settings, request.parts, request.trained_parts))


def _some_texts(task: Task) -> list[str]:
    """Return texts from all over a task, at most 500; none where it asks about words."""
    if isinstance(task, SentenceSimilarity | Inference):
        texts = [*task.texts_a, *task.texts_b]
    elif isinstance(task, Classification | DocumentSimilarity):
        texts = list(task.texts)
    else:
        return []
    return texts[:: max(1, len(texts) // _SAMPLE)][:_SAMPLE]
