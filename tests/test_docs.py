"""The pages on the encoder and the generative model name every setting, with the default that it has."""

import re
from pathlib import Path

import pytest

from embedpipe.config import LatentConfig, SentencesConfig

DOCS = Path(__file__).parents[1] / "docs"


def shown(default: object) -> str:
    """Return how the tables write a default."""
    if default == ():
        return "none"
    return {True: "true", False: "false"}[default] if isinstance(default, bool) else str(default)


def rows(page: str) -> list[tuple[str, str]]:
    text = (DOCS / page).read_text(encoding="utf-8").split("## Settings")[1].split("\n## ")[0]
    return re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|", text, re.MULTILINE)


@pytest.mark.parametrize(("page", "config"), [("sentences.md", SentencesConfig), ("latent.md", LatentConfig)])
def test_every_setting_stands_there_once_with_its_default(page: str, config: type) -> None:
    defaults, found = config().model_dump(), rows(page)
    named = [(key, cell) for keys, cell in found for key in re.findall(r"\w+", keys)]
    assert sorted(key for key, _ in named) == sorted(defaults)
    for keys, cell in found:
        names = re.findall(r"\w+", keys)
        cells = [one.strip("` ") for one in cell.split(",")]
        for name, written in zip(names, cells if len(cells) > 1 else cells * len(names), strict=True):
            default = defaults[name]
            same = float(written) == default if re.match(r"\d", written) else written == shown(default)
            assert same, f"{name} is {default!r}, docs say {written}"
