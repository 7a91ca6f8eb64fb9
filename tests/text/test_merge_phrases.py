"""Phrases of a corpus: gensim finds the same ones, and a corpus is put in them as a query is."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from gensim.models.phrases import Phrases as GensimPhrases
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.config import TextConfig
from embedpipe.errors import ConfigError
from embedpipe.text.chunks import ChunkFiles, process_chunk
from embedpipe.text.deduplicate import Signer
from embedpipe.text.merge_phrases import merge_phrases
from embedpipe.text.phrases import may_be_part, may_begin
from embedpipe.text.plan import Plan, measure
from embedpipe.text.prepare import prepare_texts
from embedpipe.text.sentences import train_splitter
from embedpipe.text.tokenizer import RegexTokenizer

FLOOR = 2
SPLITTER = train_splitter("")
CORPORA = st.lists(st.lists(st.sampled_from(["a", "b", "c", "1", ",", "'s"]), min_size=1, max_size=9), min_size=2)


def chunked(folder: Path, sentences: list[list[str]]) -> tuple[list[ChunkFiles], Plan]:
    """Two chunks in which every sentence is a document; two of three are for training."""
    half = len(sentences) // 2
    chunks = [ChunkFiles(folder, number) for number in range(2)]
    for chunk, part in zip(chunks, (sentences[:half], sentences[half:]), strict=True):
        texts = [" ".join(sentence) for sentence in part]
        chunk.save(process_chunk(texts, SPLITTER, RegexTokenizer(), Signer([]), 1_000))
    splits = (np.arange(len(sentences)) % 3 == 2).astype(np.uint8)
    plan = Plan(splits, [0, half, len(sentences)])
    measure(plan, chunks)
    return chunks, plan


def sentences_of(chunks: list[ChunkFiles]) -> list[list[str]]:
    found = []
    for chunk in chunks:
        types = chunk.types()
        tokens = [types[i] for i in chunk.array("ids")]
        ends = np.cumsum(chunk.array("lengths"), dtype=np.int64).tolist()
        found += [tokens[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    return found


@settings(max_examples=30, deadline=None)
@given(CORPORA, st.sampled_from([-0.9, -0.2, 0.1, 0.4]), st.sampled_from(["pairs", "longer"]), st.integers(1, 60))
def test_phrases_are_gensims_and_every_split_is_merged_as_a_query_is(
    sentences: list[list[str]], threshold: float, mode: str, pairs_at_once: int
) -> None:
    config = TextConfig(phrases=mode, phrases_threshold=threshold, phrases_min_count=FLOOR)  # type: ignore[arg-type]
    with TemporaryDirectory() as folder:
        chunks, plan = chunked(Path(folder), sentences)
        phrases, report = merge_phrases(chunks, plan, config, 1, pairs_at_once)
        merged = sentences_of(chunks)
        counts: Counter[str] = Counter()
        for chunk in chunks:
            counts.update(dict(zip(chunk.types(), chunk.array("counts").tolist(), strict=True)))

    training = [sentence for i, sentence in enumerate(sentences) if i % 3 != 2]
    gensim = GensimPhrases(training, min_count=FLOOR, threshold=threshold, scoring="npmi")
    pairs = {tuple(phrase.split("_")) for phrase in gensim.export_phrases()}
    assert phrases.passes[0] == {(a, b) for a, b in pairs if may_begin(a) and may_be_part(b)}
    assert merged == [phrases.merge(sentence) for sentence in sentences]
    assert counts == Counter(token for i, s in enumerate(merged) if i % 3 != 2 for token in s)
    assert all(counts[phrase] >= FLOOR for phrase in phrases.spellings)
    assert plan.tokens == [sum(len(s) for i, s in enumerate(merged) if (i % 3 == 2) == held) for held in (0, 1)] + [0]
    n_merged = sum(map(len, sentences)) - sum(map(len, merged))
    assert report == {"found": len(phrases.spellings), "merged": n_merged}


def planted(n: int) -> list[str]:
    """Documents in which ``new york`` and ``new york city`` stand together, and all other words by chance."""
    rng = np.random.default_rng(4)
    words = [f"{a}{b}{c}" for a in "bdfg" for b in "aeio" for c in "nrtl"]

    def some() -> str:
        return " ".join(rng.choice(words, 5))

    return [f"{some()} new york {some()}. {some()} New York City, {some()}. The {some()} york." for _ in range(n)]


@pytest.fixture(scope="module", params=["pairs", "longer"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    config = TextConfig(phrases=request.param, phrases_threshold=0.6, min_count=1)
    return prepare_texts(planted(100), config, tmp_path_factory.mktemp("phrases") / "out", seed=3, workers=1)


def test_planted_phrases_are_tokens_everywhere(prepared) -> None:
    longer = "new_york_city" in prepared.vocabulary
    expected = {"new_york", "new_york_city"} if longer else {"new_york"}
    assert {token for token in prepared.vocabulary.tokens if "_" in token} == expected
    assert prepared.report["phrases"] == {"found": len(expected), "merged": 300 if longer else 200}
    counts = dict(zip(prepared.vocabulary.tokens, prepared.vocabulary.counts.tolist(), strict=True))
    assert counts["new_york"] == (90 if longer else 180)
    assert counts["york"] == 90
    assert prepared.train_text.read_text().split().count("new_york") == counts["new_york"]
    name = "new_york_city" if longer else "new_york city"
    for split in ("validation", "test"):
        lines = getattr(prepared, f"{split}_text").read_text().splitlines()
        closed = [len(line.split(" ")) + 1 for line in lines]
        assert closed == np.diff(getattr(prepared, split).sentence_offsets).tolist()
        assert sum(f" {name} , " in line for line in lines) == 5
        assert [prepared.codec.tokenize(prepared.codec.tokenizer.detokenize(line.split(" "))) for line in lines] == [
            line.split(" ") for line in lines
        ]


def test_without_phrases_nothing_says_so(tmp_path: Path) -> None:
    prepared = prepare_texts(planted(100), TextConfig(min_count=1), tmp_path / "out", seed=3, workers=1)
    assert "phrases" not in prepared.report
    assert prepared.codec.tokenizer.spec() == {"format": 1, "kind": "regex", "case": "lower"}


def test_pieces_that_auto_chose_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"auto chose bpe.*script written without spaces.*set text\.phrases=none"):
        prepare_texts(["ประเทศไทย" * 50] * 30, TextConfig(phrases="pairs"), tmp_path / "out", seed=1)
