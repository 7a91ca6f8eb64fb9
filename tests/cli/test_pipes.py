"""A reader that closes the pipe is no error, a full device is one, and neither leaves a traceback."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CLI = [sys.executable, "-m", "embedpipe"]


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"], autouse=True)
def unbuffered(request, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


def cut_short(*arguments: object) -> tuple[int, str]:
    """Call the command line with a stdout whose reader has gone; return exit code and stderr."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*CLI, *map(str, arguments)], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    return done.returncode, done.stderr


def test_few_rows_and_a_closed_pipe(toy_bundle) -> None:
    assert cut_short("similar", toy_bundle.path, "king") == (0, "")
    assert cut_short("--help") == (0, "")


def test_many_rows_and_a_closed_pipe(toy_bundle, tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("the king lives\n" * 5_000)
    assert cut_short("encode", toy_bundle.path, tmp_path / "many.txt", "--with", "words") == (0, "encode ...\n")


def test_lines_that_click_writes_and_a_closed_pipe(toy_bundle) -> None:
    assert cut_short("info", toy_bundle.path, "--format", "json") == (0, "")


def test_an_error_before_a_closed_pipe_stays_an_error(toy_bundle) -> None:
    code, err = cut_short("similar", toy_bundle.path, "zzzzzz")
    assert code == 1
    assert err.startswith("Error: 'zzzzzz' is not in the vocabulary")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_stdout_that_is_full_is_one_line_and_one(toy_bundle) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*CLI, "similar", str(toy_bundle.path), "king"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert re.fullmatch("Error: .*(cannot be written|write failed): No space left on device.*\n", done.stderr)


def test_an_interrupt_says_how_to_go_on_only_where_something_is_kept(embedpipe_cli, monkeypatch) -> None:
    def interrupt(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("embedpipe.cli.similar.load", interrupt)
    outcome = embedpipe_cli("similar", "x.bundle", "king")
    assert (outcome.exit_code, outcome.err.strip()) == (130, "Error: interrupted")
    monkeypatch.setattr("embedpipe.pipeline.run", interrupt)
    outcome = embedpipe_cli("run", "builtin:toy-en", "-o", "x.bundle")
    assert (outcome.exit_code, outcome.err.strip()) == (
        130,
        "Error: interrupted; the same command goes on from what is finished",
    )


def test_an_interrupt_after_the_work_is_ignored() -> None:
    script = (
        "import atexit, os, signal, sys\n"
        "from embedpipe.cli import main\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['embedpipe', '--version']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("embedpipe, version ")
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_an_interrupt_that_a_library_turns_into_another_error_is_an_interrupt(embedpipe_cli, monkeypatch) -> None:
    def loading(path: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt as error:
            raise ImportError("a half-imported library") from error

    monkeypatch.setattr("embedpipe.cli.similar.load", loading)
    outcome = embedpipe_cli("similar", "some.bundle", "king")
    assert (outcome.exit_code, outcome.err) == (130, "Error: interrupted\n")
