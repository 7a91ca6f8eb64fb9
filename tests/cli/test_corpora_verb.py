"""``embedpipe corpora``: rows on stdout, everything else on stderr."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from embedpipe.cli.corpora import command
from embedpipe.errors import InputError
from embedpipe.text.catalogue import load_cards


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_list_shows_every_card_in_every_format() -> None:
    names = list(load_cards())
    assert [row["name"] for row in json.loads(invoke("list", "--format", "json").stdout)] == names
    assert [json.loads(line)["name"] for line in invoke("list", "--format", "jsonl").stdout.splitlines()] == names
    rows = list(csv.DictReader(io.StringIO(invoke("list", "--format", "csv").stdout)))
    assert {row["name"]: row["download"] for row in rows}["lee"] == "no"
    assert [line.split()[0] for line in invoke("list").stdout.splitlines()] == ["name", *names]


def test_show_gives_one_card() -> None:
    assert json.loads(invoke("show", "lee", "--format", "json").stdout)[0]["documents"] == 300
    assert "builtin:lee" in invoke("show", "lee").stdout
    with pytest.raises(InputError, match="did you mean 'lee'"):
        invoke("show", "leee")


def test_stats_counts_what_a_source_holds(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n\nthreé\n")
    (tmp_path / ".hidden").write_text("x")
    row = json.loads(invoke("stats", str(tmp_path), "--format", "json").stdout)[0]
    assert (row["documents"], row["lines"], row["characters"], row["bytes"]) == (2, 3, 12, 13)
    assert row["skipped"] == "1 hidden files"
    assert row["bytes_per_second"] > 0
    by_line = json.loads(invoke("stats", str(tmp_path), "--documents", "line", "--format", "json").stdout)[0]
    assert by_line["documents"] == 3


def test_stats_takes_a_name_of_the_catalogue() -> None:
    assert json.loads(invoke("stats", "lee", "--format", "json").stdout)[0]["documents"] == 300


def test_fetch_checks_and_needs_leave_to_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke("fetch", "lee")
    assert result.stdout == ""
    assert result.stderr == "lee (builtin:lee): installed, checksum as on the card\n"
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match="--download"):
        invoke("fetch", "text8")
