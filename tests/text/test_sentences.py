import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from embedpipe.errors import BundleError
from embedpipe.text.normalise import normalise
from embedpipe.text.sentences import SentenceSplitter, train_splitter


def lee() -> str:
    import importlib.util

    spec = importlib.util.find_spec("gensim")
    assert spec is not None
    assert spec.origin is not None
    return normalise((Path(spec.origin).parent / "test/test_data/lee_background.cor").read_text(encoding="utf-8"))


def ends(line: str, sentences: list[str]) -> set[int]:
    found, position = set(), 0
    for sentence in sentences:
        position = line.index(sentence, position) + len(sentence)
        found.add(position)
    return found


def test_agrees_with_nltk_on_real_text() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTrainer
    text = lee()
    trainer = PunktTrainer()
    trainer.train(text, finalize=False)
    trainer.finalize_training()
    theirs = PunktSentenceTokenizer(trainer.get_params())
    ours = train_splitter(text)
    total = different = 0
    for line in text.split("\n"):
        a, b = ends(line, theirs.tokenize(line)), ends(line, ours.split(line))
        total += len(a)
        different += len(a ^ b)
    assert total > 2_500
    assert different <= 0.005 * total
    assert len(ours.abbreviations) > 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Who came. He left.", ["Dr. Who came.", "He left."]),
        ("It cost 3.50 pounds. Cheap!", ["It cost 3.50 pounds.", "Cheap!"]),
        ("J. S. Bach wrote it. We heard it.", ["J. S. Bach wrote it.", "We heard it."]),
        ('"Stop!" he said. "No."', ['"Stop!" he said.', '"No."']),
        ("(He ran.) She did not.", ["(He ran.)", "She did not."]),
        ("See the note.[12] It is short.", ["See the note.[12]", "It is short."]),
        ("what?! yes... no", ["what?! yes... no"]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("line one\nline two", ["line one", "line two"]),
        ("他说：“走吧。”我们走了！真的？是。", ["他说：“走吧。”", "我们走了！", "真的？", "是。"]),
        ("यह एक है। वह दो है।", ["यह एक है।", "वह दो है।"]),
        ("no end", ["no end"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_hand_made_cases(text: str, expected: list[str]) -> None:
    splitter = SentenceSplitter(abbreviations=["dr"])
    assert splitter.split(text) == expected


def test_learnt_collocations_starters_and_case_decide() -> None:
    text = "He lives in the U.S. The house is old."
    assert SentenceSplitter(abbreviations=["u.s"]).split(text) == [text]
    assert len(SentenceSplitter(abbreviations=["u.s"], starters=["the"]).split(text)) == 2
    assert len(SentenceSplitter(abbreviations=["u.s"], lower_case={"the": True}).split(text)) == 2
    assert len(SentenceSplitter(abbreviations=["u.s"], lower_case={"the": False}).split(text)) == 1
    assert len(SentenceSplitter().split("Go to no. Nine now.")) == 2
    assert len(SentenceSplitter(collocations=[["no", "nine"]]).split("Go to no. Nine now.")) == 1


def test_parameters_go_through_json_and_decide_the_same() -> None:
    text = lee()[:60_000]
    splitter = train_splitter(text)
    again = SentenceSplitter.from_spec(json.loads(json.dumps(splitter.spec())))
    assert again.spec() == splitter.spec()
    assert again.split(text) == splitter.split(text)
    with pytest.raises(BundleError, match="unknown sentence splitter 'x'"):
        SentenceSplitter.from_spec({"kind": "x"})
    with pytest.raises(BundleError, match="incomplete"):
        SentenceSplitter.from_spec({"kind": "punkt"})


def test_splitting_and_chinese_training_import_no_nltk() -> None:
    code = (
        "import sys; from embedpipe.text.sentences import train_splitter as t; "
        "t('我们走了。他们也走了。').split('他。她。'); assert 'nltk' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})
