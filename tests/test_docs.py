"""docs/sentences.md names every setting of the encoder, with the default that it has."""

import re
from pathlib import Path

from embedpipe.config import SentencesConfig

TEXT = (Path(__file__).parents[1] / "docs" / "sentences.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|", TEXT.split("## Settings")[1].split("\n## ")[0], re.MULTILINE
)


def shown(default: object) -> str:
    """Return how the tables write a default."""
    if default == ():
        return "none"
    return {True: "true", False: "false"}[default] if isinstance(default, bool) else str(default)


def test_every_setting_stands_there_once_with_its_default() -> None:
    defaults = SentencesConfig().model_dump()
    named = [(key, cell) for keys, cell in ROWS for key in re.findall(r"\w+", keys)]
    assert sorted(key for key, _ in named) == sorted(defaults)
    for keys, cell in ROWS:
        names = re.findall(r"\w+", keys)
        cells = [one.strip("` ") for one in cell.split(",")]
        for name, written in zip(names, cells if len(cells) > 1 else cells * len(names), strict=True):
            default = defaults[name]
            same = float(written) == default if re.match(r"\d", written) else written == shown(default)
            assert same, f"{name} is {default!r}, docs say {written}"
