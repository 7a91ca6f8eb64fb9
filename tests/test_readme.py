"""The README: its Python runs, and its commands and those of docs/ exist with the options they show."""

import re
import shlex
from pathlib import Path

import click
import pytest

import embedpipe
from embedpipe.cli import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK = {
    "words": {"epochs": 2, "beside_epochs": 1, "dim": 24},
    "sentences": {"steps": 4, "hidden": 8},
    "generation": {"steps": 4, "hidden": 16},
    "probes": {"bootstrap": 100, "tasks": ["wordsim353"], "map_words": 0, "map_sentences": 0},
}


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    docs = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    shown = [block for text in (README, *docs) for language in ("console", "sh") for block in blocks(language, text)]
    lines = "\n".join(shown).replace("\\\n", " ").splitlines()
    called = (line.removeprefix("$ ").split("#")[0] for line in lines if re.match(r"(\$ )?embedpipe ", line))
    return [line.split("|")[0].strip() for line in called]


def test_it_opens_with_the_two_commands() -> None:
    assert README.index("make demo") < README.index("make test") < README.index("```python")
    assert README.index("make demo") < 1_200


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is printed, but trained for a few steps only."""
    monkeypatch.chdir(tmp_path)
    trained = embedpipe.run

    def quick(sources: list[str], output: str) -> embedpipe.Bundle:
        return trained(sources, output, settings=QUICK)

    monkeypatch.setattr(embedpipe, "run", quick)
    first, *others = blocks("python")
    names: dict[str, object] = {}
    for block in (first, *others):
        exec(compile(block, "README.md", "exec"), names)
    bundle = names["bundle"]
    assert isinstance(bundle, embedpipe.Bundle)
    assert len(first.strip().splitlines()) <= 7, "five lines, an import and a blank one"
    assert (tmp_path / "lee.bundle" / "manifest.json").is_file()


@pytest.mark.parametrize("line", commands())
def test_its_commands_parse(line: str) -> None:
    _, verb, *rest = shlex.split(line)
    command = cli.get_command(click.Context(cli), verb)
    if isinstance(command, click.Group):
        name, *rest = rest
        command = command.get_command(click.Context(command), name)
    assert command is not None, f"there is no verb '{verb}'"
    command.make_parser(click.Context(command)).parse_args(rest)


def test_every_verb_is_mentioned() -> None:
    for verb in cli.list_commands(click.Context(cli)):
        assert f"embedpipe {verb}" in README
