"""A program for `test_killed_sentences.py`: `embedpipe train sentences`, killed where it is told to be.

As a program of its own it trains once and dies in one step. With ``every`` it forks a training for each step, and one
for each file that a checkpoint or the new bundle is made of, kills it there, lets the same command end, and prints as
JSON how each ended, where it went on, and the hashes of what was made.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import embedpipe.cli.train
import embedpipe.nn.fit
from embedpipe.bundle import save
from embedpipe.cli import main as embedpipe_main
from embedpipe.nn import checkpoint
from embedpipe.runtime import Event, Step

SETTINGS = ["hidden=6", "beside=0", "steps=8", "batch=8", "dropout=0.2", "word_p=0.1", "ema=0.5", "learning_rate=0.01"]
STEPS = 8
_NEVER = -1
MADE = ("encoder/model.safetensors", "encoder/config.json", "config.toml", "README.md")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def train(bundle: Path, pairs: str, notes: Path, step: int) -> None:
    """Call the command line; die in `step`, write where it went on."""

    def listen(event: Event) -> None:
        if isinstance(event, Step) and event.note.startswith(("goes on", "begins anew")):
            notes.write_text(event.note)
        if isinstance(event, Step) and event.done == step:
            die()

    @contextmanager
    def progress():
        yield listen

    embedpipe.cli.train.progress = progress
    embedpipe.nn.fit._SECONDS_BETWEEN_EVENTS = 0.0
    chosen = [part for setting in SETTINGS for part in ("--set", f"sentences.{setting}")]
    sys.argv = ["embedpipe", "train", "sentences", str(bundle), "--pairs", pairs, *chosen]
    embedpipe_main()


def dying_after(calls: int, function: Callable[..., object]) -> Callable[..., object]:
    """Return the function, which takes the process along when it is called so often."""
    left = [calls]

    def called(*args: object, **options: object) -> object:
        done = function(*args, **options)
        left[0] -= 1
        if not left[0]:
            die()
        return done

    return called


def forked(bundle: Path, pairs: str, point: tuple[str, int] = ("", 0)) -> list[object]:
    """Train in a process of its own; return the signal or exit code that ended it, and where it went on."""
    notes = bundle.with_name("notes")
    notes.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code, (where, number) = 1, point
        try:
            if where == "file of a checkpoint":
                checkpoint.flush = dying_after(number, checkpoint.flush)
            if where == "swap":
                save._exchange = dying_after(number, save._exchange)
            train(bundle, pairs, notes, number if where == "step" else _NEVER)
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
    went_on = notes.read_text() if notes.exists() else ""
    notes.unlink(missing_ok=True)
    return [ended, went_on]


def hashes(bundle: Path) -> list[str]:
    return [hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in MADE]


def every(first: Path, pairs: str, folder: Path) -> None:
    # Imported once, and not in each of forty processes.
    for module in ("accelerate", "embedpipe.pipeline.train_sentences", "embedpipe.sentences.train", "sklearn"):
        import_module(module)
    # A checkpoint is two or three files and the folder: the last, where it is new the best, and the record.
    points = [("step", n) for n in range(1, STEPS + 1)] + [("file of a checkpoint", n) for n in range(1, 12)]
    report = {}
    for name, point in [("whole", None), *((f"{where} {n}", (where, n)) for where, n in [*points, ("swap", 1)])]:
        bundle = folder / name.replace(" ", "-") / "b"
        shutil.copytree(first, bundle)
        killed = [forked(bundle, pairs, point)] if point else []
        report[name] = {
            "ended": [*killed, forked(bundle, pairs)],
            "made": hashes(bundle),
            "left": sorted(path.name for path in bundle.parent.iterdir()),
        }
    print(json.dumps(report))


if __name__ == "__main__":
    if sys.argv[1] == "every":
        every(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
    else:
        train(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
