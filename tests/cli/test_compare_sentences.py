"""`embedpipe compare` on sentences: what it says agrees with the encoders, the text and plain arithmetic."""

import json
import shutil

import numpy as np
import pytest

from embedpipe.text.prepared import PreparedText
from embedpipe.words.bag import BagEncoder, plain_average

A, B = "The king and the queen saw zyx.", "My uncle met his aunt."


@pytest.fixture(scope="module")
def words_alone(toy_bundle, tmp_path_factory):
    """A copy of the toy bundle that lists no encoder, without its text."""
    copy = shutil.copytree(toy_bundle.path, tmp_path_factory.mktemp("alone") / "b")
    manifest = json.loads((copy / "manifest.json").read_text())
    for name in ("encoder/config.json", "encoder/model.safetensors"):
        del manifest["files"][name]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


@pytest.fixture(scope="module")
def encoders(toy_bundle):
    return {
        "encoder": toy_bundle.encoder,
        "SIF average": toy_bundle.bag_encoder,
        "plain average": BagEncoder(toy_bundle.codec, plain_average(toy_bundle.words.vectors)),
    }


def test_cosines_and_their_places_are_those_of_the_encoders(toy_bundle, toy_work, encoders, embedpipe_cli) -> None:
    outcome = embedpipe_cli("compare", toy_bundle.path, A, B, "--format", "json")
    assert (outcome.exit_code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    assert found["random_pairs"] == 1_000
    assert [row["encoder"] for row in found["similarities"]] == list(encoders)
    sentences = [ids for ids in PreparedText(toy_work / "text").test if (ids > 3).any()]
    for row in found["similarities"]:
        encoder = encoders[row["encoder"]]
        a, b = encoder.encode([A, B])
        assert row["similarity"] == pytest.approx(float(a @ b), abs=1e-5)
        # All pairs there are: a sample of 1,000 lies within four standard errors of the share among them.
        vectors = encoder.encode_ids(sentences)
        cosines = (vectors @ vectors.T)[~np.eye(len(sentences), dtype=bool)]
        share = (cosines < row["similarity"]).mean()
        assert row["percentile"] / 100 == pytest.approx(share, abs=4 * (share * (1 - share) / 1_000) ** 0.5 + 0.001)
        assert row["random_median"] == pytest.approx(float(np.median(cosines)), abs=0.05)


def test_words_are_aligned_and_their_shares_add_up(toy_bundle, embedpipe_cli) -> None:
    found = json.loads(embedpipe_cli("compare", toy_bundle.path, A, B, "--format", "json").out)
    a, b = found["sentences"]
    assert (a["text"], a["tokens"]) == (A, ["the", "king", "and", "the", "queen", "saw", "zyx", "."])
    assert "zyx" in a["unknown"]
    known = [word["word"] for word in a["words"]]
    assert sorted([*known, *a["unknown"]]) == sorted(set(a["tokens"]))
    words, weights = toy_bundle.words, toy_bundle.bag.weights
    for row in a["words"]:
        cosines = {other["word"]: words.similarity(row["word"], other["word"]) for other in b["words"]}
        assert row["partner"] == max(cosines, key=cosines.get)
        assert row["similarity"] == pytest.approx(cosines[row["partner"]], abs=1e-5)
        assert row["weight"] == pytest.approx(float(weights[words.id(row["word"])]), abs=1e-5)
    sif = found["similarities"][1]["similarity"]
    for sentence in (a, b):
        shares = [word["contribution"] for word in sentence["words"]]
        assert sum(shares) == pytest.approx(sif, abs=1e-5)
        assert shares == sorted(shares, reverse=True)
    assert {word["word"] for word in a["words"][:2]} == {"king", "queen"}


def test_rows_and_table_hold_the_same(toy_bundle, embedpipe_cli) -> None:
    call = ("compare", toy_bundle.path, A, B)
    content = json.loads(embedpipe_cli(*call, "--format", "json").out)
    rows = [json.loads(line) for line in embedpipe_cli(*call, "--format", "jsonl").out.splitlines()]
    values = {row["what"]: row["is"] for row in rows}
    assert values["similarities.1.similarity"] == content["similarities"][1]["similarity"]
    assert values["sentences.0.words.2.partner"] == content["sentences"][0]["words"][2]["partner"]
    unknown = [value for what, value in values.items() if what.startswith("sentences.0.unknown.")]
    assert unknown == content["sentences"][0]["unknown"]
    assert embedpipe_cli(*call, "--format", "csv").out.splitlines()[:2] == ["what,is", "similarities.0.encoder,encoder"]
    table = embedpipe_cli(*call, "-k", 1).out
    assert table.startswith(f"a  {' '.join(content['sentences'][0]['tokens'])}\nb  ")
    for sentence in content["sentences"]:
        first, second = (word["word"] for word in sentence["words"][:2])
        assert f"\n{first} " in table
        assert f"\n{second} " not in table


def test_without_encoder_and_text_it_says_so(words_alone, embedpipe_cli) -> None:
    outcome = embedpipe_cli("compare", words_alone, "king", "The queen", "--format", "json")
    assert outcome.exit_code == 0
    assert "no trained encoder" in outcome.err
    assert "the prepared text is not beside the bundle" in outcome.err
    found = json.loads(outcome.out)
    assert [(row["encoder"], row["percentile"]) for row in found["similarities"]] == [
        ("SIF average", None),
        ("plain average", None),
    ]
    assert "random pairs" not in embedpipe_cli("compare", words_alone, "king", "The queen").out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["king", "Zyx zyx"], 1, "'Zyx zyx': none of its words is in the vocabulary"),
        (["the king", "queen", "--window", "3"], 2, "--window goes with two words, and these are sentences"),
        (["the king", "queen", "--text", "x.txt"], 2, "--text goes with two words"),
    ],
)
def test_bad_questions(words_alone, embedpipe_cli, arguments, code, message) -> None:
    outcome = embedpipe_cli("compare", words_alone, *arguments)
    assert (outcome.exit_code, outcome.out) == (code, "")
    assert message in outcome.err
