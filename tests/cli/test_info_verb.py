"""The verb `info`: the short form for people, the whole manifest for programs."""

import csv
import io
import json
from dataclasses import replace

import pytest

from embedpipe.cli.info import _facts


def test_the_table_is_one_line_for_each_fact(toy_bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli("info", toy_bundle.path)
    assert outcome.exit_code == 0
    header, *lines = outcome.out.splitlines()
    assert header.split() == ["what", "is"]
    facts = dict(line.split("  ", 1) for line in lines)
    facts = {what: value.strip() for what, value in facts.items()}
    manifest = toy_bundle.manifest
    assert facts["made by"] == f"{manifest.created_by}, preset tiny, seed 7, on cpu"
    assert facts["sources"] == "builtin:toy-en"
    assert facts["size"].endswith(f" MB in {len(manifest.files)} files")
    assert facts["reproducible"].startswith("no: not made with --reproducible: words")
    assert {name: facts[name] for name in manifest.stages} == {n: r.summary for n, r in manifest.stages.items()}
    losses = manifest.stages["words"].result["held_out_losses"][0]
    assert facts["words: trainer"] == "word2vec"
    assert facts["words: held-out loss by epoch"].startswith(f"{losses[0]:.3f}, {losses[1]:.3f}, ")
    scores = {name.removeprefix("score "): float(value) for name, value in facts.items() if name.startswith("score ")}
    assert scores == pytest.approx(manifest.scores, abs=5.1e-4)


def test_a_score_on_a_set_that_settings_were_chosen_on_says_so(toy_bundle) -> None:
    manifest, name = toy_bundle.manifest, next(iter(toy_bundle.manifest.scores))
    task = name.rpartition(" ")[0]
    assert not any("chosen" in value for value in _facts(manifest).values())
    probes = manifest.stages["probes"]
    chosen = replace(probes, result={**probes.result, "chosen_on": [task]})
    facts = _facts(replace(manifest, stages={**manifest.stages, "probes": chosen}))
    marked = {fact for fact, value in facts.items() if value.endswith(" (settings were chosen on this set)")}
    assert marked == {f"score {one}" for one in manifest.scores if one.startswith(f"{task} ")}
    assert f"score {name}" in marked


def test_json_is_the_manifest(toy_bundle, embedpipe_cli) -> None:
    outcome = embedpipe_cli("info", toy_bundle.path, "--format", "json")
    assert outcome.out == toy_bundle.path.joinpath("manifest.json").read_text()


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_the_other_formats_are_the_manifest_too_one_value_a_line(toy_bundle, embedpipe_cli, format_: str) -> None:
    out = embedpipe_cli("info", toy_bundle.path, "--format", format_).out
    rows = (
        [json.loads(line) for line in out.splitlines()] if format_ == "jsonl" else [*csv.DictReader(io.StringIO(out))]
    )
    values = {row["what"]: row["is"] for row in rows}
    manifest = toy_bundle.manifest
    assert len(values) == len(rows)
    assert values["sources.0"] == "builtin:toy-en"
    assert str(values["format_version"]) == "2"
    assert str(values["stages.words.result.dim"]) == str(toy_bundle.words.dim)
    assert values["stages.text.summary"] == manifest.stages["text"].summary
    assert float(values["stages.generation.result.perplexity"]) == manifest.stages["generation"].result["perplexity"]
    assert {name for name in values if name.startswith("scores.")} == {f"scores.{name}" for name in manifest.scores}
