"""A suite is measured in parallel to the figures that its tasks have alone, survives what goes wrong, and is kept."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import embedpipe
from embedpipe.loading import Bundle
from embedpipe.pipeline import suite_pool as module
from embedpipe.pipeline.imported import import_vectors
from embedpipe.pipeline.suite import probe_suite
from embedpipe.pipeline.suite_worker import Request, _from_line, as_line
from embedpipe.probes.cache import ProbeCache
from embedpipe.probes.comparison import Parts
from embedpipe.probes.findings import Leak
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rows import Row
from embedpipe.probes.run import run_probes
from embedpipe.probes.subject import subject_of
from embedpipe.runtime import Evaluated, Event, StageFinished, Step, Warned
from embedpipe.tasks.files import read_task
from embedpipe.tasks.shapes import Task
from embedpipe.tasks.suite import Suite, read_suite

SETTINGS = MeasureSettings(bootstrap=100, seed=3)
WORDS = [f"w{i}" for i in range(40)]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of word vectors alone: its workers start in a second, without torch."""
    folder = tmp_path_factory.mktemp("words")
    rows = np.random.default_rng(0).standard_normal((len(WORDS), 8)).round(3)
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(WORDS, rows, strict=True)]
    (folder / "w.vec").write_text(f"{len(WORDS)} 8\n" + "\n".join(lines) + "\n")
    return import_vectors(folder / "w.vec", folder / "w.bundle").bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    rng = np.random.default_rng(1)
    for name, n in (("few", 12), ("many", 60), ("some", 30)):
        pairs = [f"{a}\t{b}\t{rng.random():.3f}" for a, b in rng.choice(WORDS, (n, 2))]
        (folder / f"{name}.tsv").write_text("word_a\tword_b\tscore\n" + "\n".join(pairs) + "\n")
    return folder


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The processes that a suite starts; none may be left."""
    started: list[subprocess.Popen[bytes]] = []
    start = module.start_child

    def record(entry: str) -> "subprocess.Popen[bytes]":
        started.append(start(entry))
        return started[-1]

    monkeypatch.setattr(module, "start_child", record)
    yield started
    assert all(process.returncode is not None for process in started)


def figures(rows: list) -> list[str]:
    return [str(row.as_dict()) for row in rows]


def test_processes_give_the_figures_that_the_tasks_have_alone(
    words: Bundle, folder: Path, children: list, tmp_path: Path
) -> None:
    tasks = [read_task(folder / f"{name}.tsv") for name in ("few", "many", "some")]
    alone = run_probes(subject_of(words, SETTINGS.seed), tasks, SETTINGS)
    cache = ProbeCache(tmp_path)
    events: list[Event] = []
    suite = read_suite([folder])
    outcome = probe_suite(words, suite, SETTINGS, workers=2, cache=cache, listener=events.append)
    assert figures(outcome.findings.rows) == figures(alone)
    assert len(children) == 2
    assert (outcome.n_cached, outcome.failed) == (0, {})
    assert set(outcome.seconds) == {"few", "many", "some"}
    assert [event.done for event in events if isinstance(event, Step)][-1] == 100
    assert {event.name for event in events if isinstance(event, Evaluated)} == {"many spearman", "some spearman"}
    assert isinstance(events[-1], StageFinished)

    again = probe_suite(words, suite, SETTINGS, workers=2, cache=cache)
    assert figures(again.findings.rows) == figures(alone)
    assert (again.n_cached, again.seconds, len(children)) == (3, {}, 2)
    other = probe_suite(words, suite, MeasureSettings(bootstrap=100, seed=4), workers=1, cache=cache)
    assert other.n_cached == 0


def test_the_longest_task_begins(words: Bundle, folder: Path) -> None:
    outcome = probe_suite(words, read_suite([folder]), SETTINGS, workers=1)
    assert list(outcome.seconds) == ["many", "some", "few"]


@pytest.mark.slow
def test_an_interrupted_suite_keeps_what_is_finished(
    words: Bundle, folder: Path, children: list, tmp_path: Path
) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, Step) and event.done > 0:
            raise KeyboardInterrupt

    cache, suite = ProbeCache(tmp_path), read_suite([folder])
    with pytest.raises(KeyboardInterrupt):
        probe_suite(words, suite, SETTINGS, workers=2, cache=cache, listener=interrupt)
    assert len(children) == 2
    assert probe_suite(words, suite, SETTINGS, workers=1, cache=cache).n_cached == 1


def test_a_task_that_fails_is_a_row_and_the_others_are_measured(words: Bundle, folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    suite, cache = read_suite([tmp_path]), ProbeCache(tmp_path / "cache")
    (tmp_path / "many.tsv").write_text("word_a\tword_b\tscore\nw1\tw2\t3\n")
    outcome = probe_suite(words, suite, SETTINGS, workers=1, cache=cache)
    assert list(outcome.failed) == ["many"]
    (row,) = [row for row in outcome.findings.rows if row.task == "many"]
    assert "it failed: " in row.note
    assert "was changed while" in row.note
    assert {row.task for row in outcome.findings.rows if np.isfinite(row.value)} == {"few", "some"}
    assert probe_suite(words, suite, SETTINGS, workers=1, cache=cache).n_cached == 2


def test_a_process_that_dies_is_said(
    words: Bundle, folder: Path, children: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ENTRY", "os:abort")
    outcome = probe_suite(words, read_suite([folder]), SETTINGS, workers=2)
    assert set(outcome.failed) == {"few", "many", "some"}
    assert outcome.failed["few"].startswith("its worker process ended (killed by signal 6); if memory ran out")
    assert len(children) == 3


def test_a_cache_that_cannot_be_written_is_said_once(
    words: Bundle, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    events: list[Event] = []
    cache = ProbeCache(tmp_path / "file")
    outcome = probe_suite(words, read_suite([folder]), SETTINGS, workers=1, cache=cache, listener=events.append)
    assert len(outcome.findings.rows) == 6
    assert len([event for event in events if isinstance(event, Warned)]) == 1


@dataclass(frozen=True)
class HalfLeaked:
    """Says that every other question leaked."""

    fingerprint: str = "half"

    def find(self, tasks: Sequence[Task]) -> list["HalfLeaked.Found"]:
        return [self.Found(task.name, np.arange(len(task.scores)) % 2 == 0) for task in tasks]

    @dataclass(frozen=True)
    class Found:
        name: str
        clean: np.ndarray

        @property
        def leaks(self) -> list[Leak]:
            return [Leak(self.name, "training text", int((~self.clean).sum()), 0, len(self.clean))]

        @property
        def parts(self) -> Parts:
            return {"unleaked": self.clean}

        @property
        def trained_parts(self) -> Parts:
            return {"unleaked": self.clean[::-1]}

        def completed(self, rows: Sequence[Row]) -> list[Row]:
            return list(rows)


def test_what_leaked_is_found_once_and_each_figure_stands_without_it(
    toy_bundle: embedpipe.Bundle, tmp_path: Path
) -> None:
    pairs = [
        f"{i % 7}\tthe king and {word}\tthe queen and {word}s" for i, word in enumerate("abcdefghijklmnopqrstuvwx")
    ]
    (tmp_path / "near.tsv").write_text("score\ttext_a\ttext_b\n" + "\n".join(pairs) + "\n")
    (tmp_path / "clean.tsv").write_text("score\ttext_a\ttext_b\n" + "\n".join(pairs[::2]) + "\n")
    suite, cache = read_suite([tmp_path]), ProbeCache(tmp_path / "cache")
    plain = probe_suite(toy_bundle, suite, SETTINGS, workers=1, min_coverage=0, cache=cache).findings
    guarded = probe_suite(toy_bundle, suite, SETTINGS, workers=1, min_coverage=0, cache=cache, guard=HalfLeaked())
    assert (len(plain.leaks), guarded.n_cached) == (0, 0)
    assert [(leak.task, leak.exact) for leak in guarded.findings.leaks] == [("clean", 6), ("near", 12)]
    value = {(row.task, row.metric): row.value for row in [*plain.rows, *guarded.findings.rows]}
    assert value["near", "spearman (unleaked)"] == value["clean", "spearman"] != value["near", "spearman"]
    again = probe_suite(toy_bundle, suite, SETTINGS, workers=1, min_coverage=0, cache=cache, guard=HalfLeaked())
    assert again.n_cached == 2
    assert len(again.findings.leaks) == 2


def test_parts_go_to_a_worker_and_back(words: Bundle, folder: Path) -> None:
    (task, *_) = read_suite([folder]).tasks
    inside = np.arange(13) % 3 == 0
    sent = _from_line(as_line(Request(task, {"a": inside, "b": ~inside}, {"c": inside})))
    assert sent.task == task
    assert sent.parts.keys() == {"a", "b"}
    assert (sent.parts["a"] == inside).all()
    assert (sent.parts["b"] == ~inside).all()
    assert (sent.trained_parts["c"] == inside).all()


def test_texts_in_another_language_are_left_out_and_said(toy_bundle: embedpipe.Bundle, tmp_path: Path) -> None:
    (tmp_path / "zh.tsv").write_text("score\ttext_a\ttext_b\n1\t一只猫\t一只狗\n2\t我们\t你们\n3\t好\t不好\n")
    (tmp_path / "en.tsv").write_text(
        "score\ttext_a\ttext_b\n1\tthe king\tthe queen\n2\tthe king\tof the man\n3\tthe man\tthe woman\n"
    )
    suite = read_suite([tmp_path])
    found = probe_suite(toy_bundle, suite, SETTINGS, workers=1).findings.rows
    rows = {row.task: row for row in found if row.metric == "spearman"}
    assert np.isfinite(rows["en"].value)
    assert rows["zh"].note.startswith("skipped: 0% of the tokens of its texts are in the vocabulary")
    only = Suite([task for task in suite.tasks if task.name == "zh"])
    measured = probe_suite(toy_bundle, only, SETTINGS, workers=1, min_coverage=0)
    assert "6 of 6 texts hold no known word" in measured.findings.rows[0].note
