"""What the encoder learns from: a file given to the wrong option is told which one takes it."""

from pathlib import Path

import pytest

from embedpipe.config import SentencesConfig
from embedpipe.errors import InputError
from embedpipe.tasks.labelled import read_labelled_tasks

ROWS = {
    "text_a text_b": "pairs",
    "text_a text_b negative": "pairs",
    "source target": "pairs",
    "text text text": "pairs",
    "label text_a text_b": "inference",
    "score text_a text_b": "scores",
    "score text_a text_b source": "scores",
}
"""The header and the setting that takes it."""
SAID = {
    "pairs": ("these are pairs: give them to --pairs (sentences.pairs)", "'text_a text_b'"),
    "inference": ("these are labelled pairs: give them to --nli (sentences.inference)", "'label text_a text_b'"),
    "scores": ("these are scored pairs: give them to --scores (sentences.scores)", "'score text_a text_b'"),
}
OPTIONS = {"pairs": "--pairs", "inference": "--nli", "scores": "--scores"}


def write(path: Path, header: str) -> str:
    cells = [[f"{number}" if column in ("label", "score") else "a b" for column in header.split()] for number in (1, 2)]
    path.write_text("".join("\t".join(row) + "\n" for row in [header.split(), *cells]))
    return str(path)


def read(setting: str, path: str) -> list:
    return read_labelled_tasks(SentencesConfig(**{setting: (path,)}))


def refused(setting: str, path: str) -> str:
    with pytest.raises(InputError) as error:
        read(setting, path)
    return str(error.value)


@pytest.mark.parametrize("header", ROWS)
@pytest.mark.parametrize("setting", SAID)
def test_a_file_of_another_kind_is_sent_to_the_option_that_takes_it(tmp_path: Path, setting: str, header: str) -> None:
    path = write(tmp_path / "x.tsv", header)
    if ROWS[header] == setting:
        assert len(read(setting, path)) == 1
        return
    message = refused(setting, path)
    right, _ = SAID[ROWS[header]]
    assert message.startswith(f"{path}:1: {right}; {OPTIONS[setting]} (sentences.{setting}) takes {SAID[setting][1]}")
    assert "word_a" not in message


@pytest.mark.parametrize("setting", ["inference", "scores"])
def test_an_unknown_header_is_answered_with_those_that_the_option_takes(tmp_path: Path, setting: str) -> None:
    kind, (option, expected) = setting, (OPTIONS[setting], SAID[setting][1])
    for header in ("one two", "label text", "word_a word_b score"):
        message = refused(setting, write(tmp_path / "x.tsv", header))
        assert message.startswith(f"{tmp_path / 'x.tsv'}:1: unknown header '{header}'")
        assert f" {option} (sentences.{kind}) takes {expected}" in message
        assert "category" not in message
    (tmp_path / "e.tsv").write_text("")
    assert refused(setting, str(tmp_path / "e.tsv")).endswith(
        f"e.tsv: the file is empty; {option} (sentences.{kind}) takes {message.partition(' takes ')[2]}"
    )
    (tmp_path / "c.tsv").write_text(expected.strip("'").replace(" ", ",") + "\n1,a,b\n2,a,b\n")
    assert "c.tsv:1: the columns of the header" in refused(setting, str(tmp_path / "c.tsv"))
    near = write(tmp_path / "n.tsv", expected.strip("'").replace("text_b", "text_c"))
    assert f"did you mean {expected}?" in refused(setting, near)
    (tmp_path / "u.tsv").write_bytes("läbel\n".encode("latin-1"))
    assert "is not UTF-8" in refused(setting, str(tmp_path / "u.tsv"))
    assert "no such file" in refused(setting, str(tmp_path / "gone.tsv"))


def test_files_whose_lines_belong_together_are_looked_at_one_by_one(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"nli.{name}.tsv", "label text_a text_b")
    assert "nli.a.tsv:1: these are labelled pairs: give them to --nli" in refused("pairs", str(tmp_path / "nli.*.tsv"))
