"""`embedpipe sample` and `embedpipe interpolate` on a model whose z is one word each."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from embedpipe.bundle.manifest import Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.generation.language_model import Shape
from embedpipe.generation.vae.network import SentenceVAE, VAEShape
from embedpipe.generation.vae.part import save_vae
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import EOS, Vocabulary

WORDS = {"salt": 9, "sea": 8, "wind": 7, "sand": 6}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """The mean of q(z | x) is 6 for a text that begins with 'salt' and 'wind', -6 for the others.

    A z above 0 is written as 'sea', one below as 'sand'.
    """
    folder, target = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("out") / "sea.bundle"
    vocabulary = Vocabulary.from_counts(WORDS)
    vocabulary.save(folder / "vocabulary.json")
    (folder / "tokenizer_spec.json").write_text(json.dumps(RegexTokenizer().spec()))
    model = SentenceVAE(VAEShape(Shape(len(vocabulary), 4, 4, 1), 1, "rnn", hidden=4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        index = vocabulary.index
        for word, place in ((("salt"), 0), ("wind", 0), ("sea", 1), ("sand", 2)):
            model.decoder.table[index[word], place] = 1.0
        model.decoder.bias[EOS] = 2.0
        model.to_output.weight[1, 0], model.to_output.weight[2, 0] = 5.0, -5.0
        # The reader passes on whether the word vector is that of 'salt' or 'wind'; the summary is their mean.
        model.reader.net.weight_ih_l0[0, 0] = 10.0
        model.summary.weight[0, 0] = 1.0
        model.posterior.weight[0, 0], model.posterior.bias[0] = 15.0, -6.0
        model.posterior.bias[1] = -8.0
    save_vae(folder / "vae", folder / "vae_decoder", model)
    record = StageRecord("0" * 64, "planted", 0.0)

    def manifest(files) -> Manifest:
        stages = {"text": record, "latent": record}
        return Manifest("test", "test", "tiny", 1, True, "planted", [], {}, stages, {}, files)

    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    save_bundle(target, files, manifest)
    return target


def first_words(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()]


def test_samples_are_drawn_from_the_prior(bundle: Path, embedpipe_cli) -> None:
    outcome = embedpipe_cli("sample", bundle, "-n", 200, "--seed", 5, "--max-tokens", 1, "--temperature", 0)
    assert outcome.exit_code == 0
    words = first_words(outcome.out)
    assert len(words) == 200
    z = np.random.default_rng(5).standard_normal((200, 1))[:, 0]
    assert [word == "sea" for word, at in zip(words, z, strict=True) if abs(at) > 0.5] == [
        at > 0 for at in z if abs(at) > 0.5
    ]


def test_samples_like_a_text_and_without_spread(bundle: Path, embedpipe_cli) -> None:
    for text, word in (("salt wind", "sea"), ("sea", "sand")):
        outcome = embedpipe_cli("sample", bundle, "-n", 4, "--like", text, "--max-tokens", 1, "--temperature", 0)
        assert first_words(outcome.out) == [word] * 4


@pytest.mark.parametrize("format_", ["json", "jsonl", "csv"])
def test_rows_hold_the_seed_that_repeats_them(bundle: Path, embedpipe_cli, format_: str) -> None:
    call = ("sample", bundle, "-n", 5, "--temperature", 2, "--max-tokens", 4)
    rows = parse(embedpipe_cli(*call, "--format", format_).out, format_)
    assert len(rows) == 5
    again = embedpipe_cli(*call, "--seed", rows[0]["seed"])
    assert again.out.splitlines() == [row["text"] for row in rows]


def parse(text: str, format_: str) -> list[dict]:
    if format_ == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    return json.loads(text) if format_ == "json" else [json.loads(line) for line in text.splitlines()]


def test_a_text_is_written_again_and_moved(bundle: Path, embedpipe_cli, tmp_path: Path) -> None:
    call = ("sample", bundle, "--reconstruct", "salt", "--max-tokens", 1, "--format", "json")
    (row,) = json.loads(embedpipe_cli(*call).out)
    assert row == {"text": "salt", "written_again": "sea"}
    labelled = tmp_path / "dry.tsv"
    labelled.write_text("label\ttext\ndry\tsea\ndry\tsand\nwet\tsalt\nwet\twind\n")
    outcome = embedpipe_cli(*call, "--attribute", labelled, "--toward", "dry")
    assert json.loads(outcome.out) == [{"text": "salt", "written_again": "sea", "moved": "sand"}]
    assert "learnt from 4 texts" in outcome.err
    assert "means little" not in outcome.err
    far = embedpipe_cli(*call, "--attribute", labelled, "--toward", "dry", "--strength", 10)
    assert "z lies up to 120 from the middle, where the model was trained on about 1:" in far.err


def test_the_way_from_one_text_to_another(bundle: Path, embedpipe_cli) -> None:
    outcome = embedpipe_cli("interpolate", bundle, "salt", "sea", "--steps", 4, "--linear", "--format", "json")
    rows = json.loads(outcome.out)
    assert [row["text"].split()[0] for row in rows] == ["sea", "sea", "sand", "sand"]
    assert [row["share"] for row in rows] == [0.0, 0.3333, 0.6667, 1.0]
    assert "4 points on a linear way" in outcome.err
    table = embedpipe_cli("interpolate", bundle, "salt", "sea", "--steps", 2).out.splitlines()
    assert table == [row["text"] for row in (rows[0], rows[-1])]


@pytest.mark.parametrize(
    "call",
    [
        ("sample", "--reconstruct", "salt qqq", "--reconstruct", "the sea"),
        ("interpolate", "salt qqq", "the sea", "--steps", 2),
    ],
)
def test_unknown_words_are_counted_on_stderr(bundle: Path, embedpipe_cli, call: tuple) -> None:
    outcome = embedpipe_cli(call[0], bundle, *call[1:])
    assert outcome.exit_code == 0
    assert outcome.err.splitlines()[0] == "2 of 4 words are not in the vocabulary; each is read as <unk>"


def test_unknown_words_of_what_is_drawn_near_are_counted(bundle: Path, embedpipe_cli) -> None:
    said = "1 of 2 words are not in the vocabulary; each is read as <unk>\n"
    for like, err in (("salt qqq", said), ("salt", "")):
        assert embedpipe_cli("sample", bundle, "-n", 1, "--like", like).err == err


def test_what_cannot_be_done_is_said(bundle: Path, embedpipe_cli, tmp_path: Path) -> None:
    one = tmp_path / "one.tsv"
    one.write_text("label\ttext\ndry\tsea\nwet\tsalt\n")
    refused = [
        (("sample", bundle, "--like", ""), "text 1 of 1 is empty"),
        (("sample", bundle, "--reconstruct", "qqq"), "none of its 1 words is in the vocabulary"),
        (("sample", bundle, "--like", "sea", "--reconstruct", "sea"), "--reconstruct and --like"),
        (("sample", bundle, "--attribute", one), "go together"),
        (("sample", bundle, "--attribute", one, "--toward", "dry"), "1 text with the attribute: too few"),
        (("sample", bundle, "--attribute", one, "--toward", "damp"), "no label 'damp'"),
        (("interpolate", bundle, "sea", "salt", "--steps", 1), "--steps"),
        (("interpolate", bundle, "sea", "salt", "--steps", 200_000_000), "--steps"),
        (("sample", bundle, "--reconstruct", "sea", "-n", 7), "--reconstruct and -n contradict each other"),
        (("sample", bundle, "--reconstruct", "sea", "--spread", 3), "--reconstruct and --spread"),
        (("sample", bundle, "--reconstruct", "sea", "--top-p", 0.5), "at temperature 0 none is"),
        (("sample", bundle, "--temperature", 1e-5, "--top-p", 0.5), "at temperature 1e-05 none is"),
        (("sample", bundle, "--beam", 3, "--top-p", 0.5), "--beam and --top-p"),
        (("sample", bundle, "--beam", 3, "--temperature", 1), "--beam and --temperature"),
        (("sample", bundle, "--strength", 3), "give --attribute and --toward"),
        (("sample", bundle, "--attribute", one, "--toward", "dry", "--strength", "nan"), "--strength"),
        (("sample", bundle, "--attribute", one, "--toward", "dry", "--strength", 1e30), "--strength"),
        (("interpolate", bundle, "sea", ""), "text 2 of 2 is empty"),
        (("sample", bundle, "--reconstruct", "sea " * 2_000), "2,000 tokens"),
    ]
    for call, said in refused:
        outcome = embedpipe_cli(*call)
        assert outcome.exit_code == 2, call
        assert said in outcome.err, call
