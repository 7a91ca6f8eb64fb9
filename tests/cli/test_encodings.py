"""Text in another encoding: what is said of it, and that every verb that reads text can be told."""

import importlib

import click
import pytest

from embedpipe.cli import cli
from embedpipe.errors import InputError

CHINESE = "春天的早晨很安静。\n"


@pytest.mark.parametrize(
    ("verb", "module"),
    [("run", "run"), ("curve", "curve"), ("ladder", "ladder"), ("tune words", "tune")],
)
def test_the_encoding_of_sources_reaches_the_settings(embedpipe_cli, tmp_path, monkeypatch, verb, module) -> None:
    asked = {}

    def fake(sources, output, **given):
        asked.update(given["settings"])
        raise InputError("enough")

    place = "embedpipe.pipeline" if verb == "run" else f"embedpipe.pipeline.{module}"
    monkeypatch.setattr(importlib.import_module(place), module, fake)
    call = [*verb.split(), "x.txt", "-o", tmp_path / "x", "--encoding", "latin-1", "--encoding-errors", "replace"]
    assert "enough" in embedpipe_cli(*call).err
    assert asked == {"text": {"encoding": "latin-1", "encoding_errors": "replace"}}


def test_the_option_has_one_help_for_all_verbs() -> None:
    def options(command: click.Command, name: str) -> list[click.Parameter]:
        children = list(command.commands.values()) if isinstance(command, click.Group) else []
        return [p for one in (command, *children) for p in one.params if f"--{name}" in p.opts]

    context = click.Context(cli)
    verbs = {verb: cli.get_command(context, verb) for verb in cli.list_commands(context)}
    for name, least in (("encoding", 8), ("encoding-errors", 5)):
        found = [option for verb in verbs.values() for option in options(verb, name)]
        assert len(found) >= least
        assert len({option.help for option in found}) == 1


@pytest.mark.parametrize("verb", [["run", "-o", "b", "--stages", "text"], ["corpora", "stats"]])
def test_bytes_that_are_not_utf_8_are_shown_as_what_they_may_be(embedpipe_cli, tmp_path, monkeypatch, verb) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"fine\n" + (CHINESE * 30).encode("gb18030"))
    outcome = embedpipe_cli(*verb, "a.txt")
    assert outcome.exit_code == 1
    assert "a.txt:2: invalid utf-8 at byte 6" in outcome.err
    assert "the line reads as gb18030 ('春天的早晨很安静。')" in outcome.err
    assert embedpipe_cli("corpora", "stats", "a.txt", "--encoding", "gb18030").exit_code == 0


def test_lines_in_another_encoding_have_the_vectors_of_these_lines(embedpipe_cli, toy_bundle, tmp_path) -> None:
    vectors = []
    for encoding in ("utf-8", "utf-16"):
        path = tmp_path / encoding
        path.write_bytes("the king and the queen\nun café\n".encode(encoding))
        outcome = embedpipe_cli("encode", toy_bundle.path, path, "--with", "words", "--encoding", encoding)
        assert outcome.exit_code == 0
        vectors.append(outcome.out)
    assert vectors[0] == vectors[1]
