"""A program for `test_killed_training.py`: forks `embedpipe run` from one process, and kills it amid a training.

It is given a corpus and an empty folder, and prints as JSON how each run ended, where it went on, and the hashes of
what the whole and the killed runs made.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import embedpipe.cli.run
import embedpipe.generation.train
import embedpipe.nn.fit
from embedpipe.cli import main as embedpipe_main
from embedpipe.runtime import Event, Step

SETTINGS = [
    "text.deduplicate='none'",
    "words.dim=8",
    "words.epochs=1",
    "words.beside='none'",
    "words.steps=['whiten:0.5']",
    "sentences.hidden=6",
    "sentences.steps=16",
    "sentences.batch=8",
    "sentences.dropout=0.2",
    "sentences.ema=0.5",
    "sentences.held_out=16",
    "generation.hidden=6",
    "generation.steps=14",
    "generation.batch=2",
    "generation.bptt=6",
    "generation.softmax='sampled'",
    "generation.samples=20",
]
MADE = ("encoder/model.safetensors", "generator/model.safetensors")


def run(corpus: str, target: Path, stages: str, notes: Path, kill: tuple[str, int] | None, options: list[str]) -> None:
    """Run the command line; die in the step of the stage that `kill` names, write where trainings went on."""
    went_on: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Step) and event.note.startswith(("goes on", "begins anew")):
            went_on.append(f"{event.stage} {event.note}")
            notes.write_text(json.dumps(went_on))
        if isinstance(event, Step) and (event.stage, event.done) == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def progress():
        yield listen

    embedpipe.cli.run.progress = progress
    embedpipe.nn.fit._SECONDS_BETWEEN_EVENTS = 0.0
    chosen = [part for setting in SETTINGS for part in ("--set", setting)]
    command = ["embedpipe", "run", corpus, "-o", str(target), "--preset", "tiny", "--stages", stages]
    sys.argv = [*command, *chosen, *options]
    embedpipe_main()


def forked(
    corpus: str, target: Path, stages: str, kill: tuple[str, int] | None = None, options: list[str] | None = None
) -> list[object]:
    """Run in a process of its own; return the signal or exit code that ended it, and where trainings went on."""
    notes = target.parent / "notes.json"
    notes.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(corpus, target, stages, notes, kill, options or [])
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
    return [ended, json.loads(notes.read_text()) if notes.exists() else []]


def main() -> None:
    corpus, folder = sys.argv[1], Path(sys.argv[2])
    neural = "sentences,generation"
    (folder / "first").mkdir()
    report = {"words": forked(corpus, folder / "first" / "b", "words")}
    for name in ("whole", "killed"):
        shutil.copytree(folder / "first", folder / name)
    whole, killed = folder / "whole" / "b", folder / "killed" / "b"
    logs = ["--tensorboard", str(folder / "logs")] if find_spec("tensorboard") else []
    report["whole"] = forked(corpus, whole, neural, options=logs)
    report["killed in sentences"] = forked(corpus, killed, neural, ("sentences", 7))
    report["killed again"] = forked(corpus, killed, neural, ("sentences", 11))
    report["killed in generation"] = forked(corpus, killed, neural, ("generation", 8))
    shutil.copytree(folder / "killed", folder / "anew")
    report["at last"] = forked(corpus, killed, neural)
    report["anew"] = forked(corpus, folder / "anew" / "b", neural, options=["--no-resume"])
    for target in (whole, killed, folder / "anew" / "b"):
        report[f"hashes {target.parent.name}"] = [hashlib.sha256((target / f).read_bytes()).hexdigest() for f in MADE]
        report[f"work {target.parent.name}"] = sorted(path.name for path in target.with_name("b.work").iterdir())
    print(json.dumps(report))


if __name__ == "__main__":
    main()
