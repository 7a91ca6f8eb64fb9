"""The page of a part names every setting of it, with the default that it has."""

import re
from pathlib import Path

import pytest

from embedpipe.config import GenerationConfig, LatentConfig, SentencesConfig, WordsConfig
from embedpipe.config.strict import Strict

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {
    "words.md": WordsConfig(),
    "sentences.md": SentencesConfig(),
    "generation.md": GenerationConfig(),
    "latent.md": LatentConfig(),
}


def shown(default: object) -> str:
    """Return how the tables write a default."""
    if default in ((), None, ""):
        return "none"
    if isinstance(default, tuple):
        return ", ".join(default)
    return {True: "true", False: "false"}[default] if isinstance(default, bool) else str(default)


@pytest.mark.parametrize(("page", "config"), PAGES.items(), ids=list(PAGES))
def test_every_setting_stands_there_once_with_its_default(page: str, config: Strict) -> None:
    section = (DOCS / page).read_text(encoding="utf-8").split("## Settings")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|", section, re.MULTILINE)
    defaults = config.model_dump()
    named = [key for keys, _ in rows for key in re.findall(r"\w+", keys)]
    assert sorted(named) == sorted(defaults)
    for keys, cell in rows:
        names = re.findall(r"\w+", keys)
        cells = [one.strip("` ") for one in cell.split(",")]
        for name, written in zip(names, cells if len(cells) > 1 else cells * len(names), strict=True):
            default = defaults[name]
            same = float(written) == default if re.match(r"\d", written) else written == shown(default)
            assert same, f"{name} is {default!r}, docs say {written}"
