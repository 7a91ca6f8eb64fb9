"""The verb `probe` on files of categories, outliers, relations and sources, on the toy bundle."""

import json

import pytest

FILES = {
    "kinds.tsv": "word\tcategory\n"
    + "".join(f"{word}\troyal\n" for word in ("king", "queen", "father", "zzz"))
    + "".join(f"{word}\tplace\n" for word in ("paris", "france", "rome", "italy")),
    "odd.tsv": "set\tword\toutlier\n"
    + "".join(f"a\t{word}\tno\n" for word in ("king", "queen", "father"))
    + "a\tparis\tyes\na\trome\tyes\na\tzzz\tyes\n",
    "kin.tsv": "word_a\trelation\tword_b\n"
    + "".join(f"{word}\troyal\tqueen\n{word}\trandom\tparis\n" for word in ("king", "father", "mother")),
}


@pytest.fixture
def files(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return [tmp_path / name for name in FILES]


def test_each_header_finds_its_probe(toy_bundle, files, embedpipe_cli):
    outcome = embedpipe_cli("probe", toy_bundle.path, *files, "--format", "json")
    assert outcome.exit_code == 0, outcome.err
    rows = json.loads(outcome.out)
    found = {(row["task"], row["metric"]): (row["n"], round(row["coverage"], 3)) for row in rows}
    assert found == {
        ("kinds", "purity"): (7, 0.875),
        ("kinds", "purity (all)"): (8, 0.875),
        ("odd", "accuracy"): (2, 0.667),
        ("odd", "accuracy (all)"): (3, 0.667),
        ("odd", "opp"): (2, 0.667),
        ("odd", "opp (all)"): (3, 0.667),
        ("kin", "map"): (3, 1.0),
        ("kin", "map (royal)"): (3, 1.0),
    }
    assert {row["baseline"] for row in rows if row["task"] == "odd"} == {"spelling", "random vectors", "chance"}


def test_a_row_that_is_wrong_is_an_error_with_its_place(toy_bundle, tmp_path, embedpipe_cli):
    path = tmp_path / "odd.tsv"
    path.write_text("set\tword\toutlier\na\tking\tperhaps\n")
    outcome = embedpipe_cli("probe", toy_bundle.path, path)
    assert outcome.exit_code == 1
    assert f"{path}:2: the column outlier holds 'perhaps'; write yes or no" in outcome.err
