"""The verb `probe` where there is no score to give: association tests and the shape of the spaces."""

import json
import shutil


def test_associations_and_geometry_are_rows_in_every_format(toy_bundle, tmp_path, embedpipe_cli):
    own = tmp_path / "courts.tsv"
    sets = {
        "target_a: male": "king boy father uncle husband",
        "target_b: female": "queen girl mother aunt wife",
        "attribute_a: he": "he his",
        "attribute_b: she": "she her",
    }
    own.write_text("set\tword\n" + "".join(f"{name}\t{word}\n" for name, of in sets.items() for word in of.split()))
    outcome = embedpipe_cli("probe", toy_bundle.path, own, "weat", "geometry", "--format", "json")
    assert outcome.exit_code == 0, outcome.err
    rows = json.loads(outcome.out)
    (row,) = [row for row in rows if row["task"] == "courts"]
    assert (row["metric"], row["n"], row["baseline"]) == ("effect (male, female / he, she)", 14, "chance")
    assert 1 < row["low"] < row["value"] < row["high"] <= 2
    assert row["p_value"] <= 0.05
    (missing,) = [row for row in rows if row["task"].endswith("association tests")]
    assert missing["note"].startswith("skipped: WEAT 1, WEAT 2")
    metrics = {row["metric"]: row for row in rows if row["task"] == "geometry"}
    for space in ("words", "sentences"):
        cosine = metrics[f"mean cosine ({space})"]
        assert -1 <= cosine["low"] <= cosine["value"] <= cosine["high"] <= 1
        assert 0 <= metrics[f"IsoScore ({space})"]["value"] <= 1
    beside = {row["baseline"] for row in rows if row["metric"] == "hubness (words)"}
    assert {"as trained", "random vectors"} <= beside
    table = embedpipe_cli("probe", toy_bundle.path, own, "geometry")
    assert "effect (male, female / he, she)" in table.out
    assert "random vectors" in table.out
    assert (
        "courts effect (male, female / he, she): an effect above 0 would mean: male go with he, female with she; "
        "one-sided p 0.00"
    ) in table.err


def test_without_the_text_the_sentences_are_said_to_be_missing(toy_bundle, tmp_path, embedpipe_cli):
    alone = tmp_path / "alone.bundle"
    shutil.copytree(toy_bundle.path, alone)
    outcome = embedpipe_cli("probe", alone, "geometry")
    assert outcome.exit_code == 0, outcome.err
    assert "skipped: the prepared text is not at hand" in outcome.out
    assert "mean cosine (words)" in outcome.out
    assert "(sentences)" not in outcome.out
