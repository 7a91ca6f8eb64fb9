"""A program for `test_kill.py`: forks runs from one process, whose own run has imported everything, and kills them.

It is given a corpus and an empty folder, and prints what it found after each kill as JSON.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import embedpipe
from embedpipe.bundle import save
from embedpipe.bundle.folder import verify_bundle
from embedpipe.bundle.manifest import read_manifest
from embedpipe.errors import OutputError
from embedpipe.runtime import Event, StageFinished, StageStarted, Step, silent

SETTINGS = {
    "text": {"deduplicate": "none"},
    "words": {"dim": 4, "epochs": 2},
    "generation": {"hidden": 4, "layers": 1, "steps": 2, "batch": 2, "bptt": 4},
}
exchange = save._exchange


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def forked(work: Callable[..., None], *args: object) -> int:
    """Call `work` in a process of its own and return how it ended: the signal that killed it, or 0."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(*args)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def run(
    corpus: str, target: Path, seed: int, listener: Callable[[Event], None] = silent, *, force: bool = True
) -> None:
    embedpipe.run(
        [corpus],
        target,
        preset="tiny",
        settings=SETTINGS,
        seed=seed,
        stages=["generation"],
        force=force,
        listener=listener,
    )


def killed_run(corpus: str, target: Path, point: str) -> None:
    def swap(one: Path, other: Path) -> bool:
        if other == target and point == "before the swap":
            die()
        if other == target and point == "between two renames":
            other.rename(other.with_name(f".{other.name}.embedpipe-old"))
            die()
        done = exchange(one, other)
        if other == target:
            die()
        return done

    def listen(event: Event) -> None:
        if isinstance(event, Step if point == "words" else StageStarted) and event.stage == point:
            die()

    save._exchange = swap
    run(corpus, target, 2, listen)


def finishing_run(corpus: str, target: Path, found: Path) -> None:
    made = []
    try:
        run(corpus, target, 2, force=False)
    except OutputError:
        made.append("refused without --force")
    run(corpus, target, 2, lambda event: made.append(event.stage) if isinstance(event, StageFinished) else None)
    found.write_text(json.dumps(made))


def state(target: Path) -> list[object]:
    """Return the seed of the bundle that stands there, and the problems of its files."""
    if not target.exists():
        return [None, []]
    return [read_manifest(target).seed, [check.problem for check in verify_bundle(target) if check.problem]]


def main() -> None:
    corpus, folder = sys.argv[1], Path(sys.argv[2])
    first = folder / "first"
    run(corpus, first / "b", 1)
    report = {}
    for point in sys.argv[3:]:
        target = folder / point / "b"
        shutil.copytree(first, target.parent)
        ended = forked(killed_run, corpus, target, point)
        after_kill = state(target)
        forked(finishing_run, corpus, target, folder / "made.json")
        report[point] = {
            "ended": ended,
            "after_kill": after_kill,
            "made": json.loads((folder / "made.json").read_text()),
            "at_last": state(target),
            "left": sorted(path.name for path in target.parent.iterdir()),
            "work": sorted(path.name for path in (target.parent / "b.work").iterdir()),
        }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
