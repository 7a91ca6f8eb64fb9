"""Failures that nobody planned: one line, an exit code and no traceback; a reader that stops reading is none."""

import errno
import os
import shutil
import sys

import pytest

from embedpipe.cli import cli


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RuntimeError("worker\n died"),
            "Error: unexpected RuntimeError: worker died; this is a fault of embedpipe, "
            "run again with --debug for the traceback\n",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.npy"),
            "Error: out.npy: No space left on device: free some space and run the same command again\n",
        ),
        (
            MemoryError(),
            "Error: out of memory: use a smaller preset, a smaller text.max_size or fewer dimensions\n",
        ),
    ],
)
def test_any_failure_is_one_line(monkeypatch, embedpipe_cli, error: Exception, message: str) -> None:
    def fail(standalone_mode: bool) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    outcome = embedpipe_cli("info", "b")
    assert (outcome.exit_code, outcome.out, outcome.err) == (1, "", message)
    monkeypatch.setattr(sys, "argv", ["embedpipe", "--debug", "info", "b"])
    from embedpipe.cli import main

    with pytest.raises(type(error)):
        main()


def test_an_edited_configuration_is_named(toy_bundle, tmp_path, embedpipe_cli) -> None:
    bundle = tmp_path / "b"
    shutil.copytree(toy_bundle.path, bundle)
    config = bundle / "config.toml"
    assert "bootstrap = 200\n" in config.read_text()
    config.write_text(config.read_text().replace("bootstrap = 200\n", "bootstrap = -20\n"))
    outcome = embedpipe_cli("probe", bundle, "lee")
    assert outcome.exit_code == 1
    assert "config.toml: the configuration was edited or damaged: setting 'probes.bootstrap'" in outcome.err
