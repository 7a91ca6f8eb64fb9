import gzip
import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from embedpipe.config import TextConfig
from embedpipe.errors import InputError, NotEnoughDataError, OutputError
from embedpipe.runtime import StageStarted, Step
from embedpipe.text import counting, prepare, read_bytes, split_text
from embedpipe.text.prepare import prepare_texts
from embedpipe.text.prepared import PreparedText
from embedpipe.text.vocabulary import UNK

NOUNS = ["cat", "dog", "bird", "fish", "horse", "mouse", "lion", "bear", "wolf", "fox", "cow", "pig"]
VERBS = ["sees", "hears", "likes", "knows", "finds", "follows", "meets", "calls", "helps", "leaves"]


def made_documents(n: int, seed: int = 1, sentences: int = 8) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join(
            f"The {rng.choice(NOUNS)} number {rng.randrange(50)} {rng.choice(VERBS)} a {rng.choice(NOUNS)}."
            for _ in range(sentences)
        )
        for _ in range(n)
    ]


def contents(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "report.json"
    }


def token_lists(prepared: PreparedText, split: str) -> list[list[str]]:
    tokens = prepared.vocabulary.tokens
    return [[tokens[i] for i in sentence] for sentence in getattr(prepared, split)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedText:
    texts = made_documents(100)
    texts += [texts[3], texts[5] + " ", "  \n "]
    texts.append(texts[7].replace("number", "nummer", 1))
    return prepare_texts(texts, TextConfig(min_count=1), tmp_path_factory.mktemp("p") / "out", seed=3, workers=1)


def test_report_counts_what_was_planted(prepared: PreparedText) -> None:
    report = prepared.report
    assert report["documents"] == 104
    assert (report["exact_duplicates"], report["near_duplicates"], report["empty_documents"]) == (2, 1, 1)
    sizes = [report[name]["documents"] for name in ("train", "validation", "test")]
    assert sizes == [90, 5, 5]
    assert report["tokenizer"] == "regex"
    assert report["units"] == "documents"
    assert sum(report[name]["sentences"] for name in ("train", "validation", "test")) == 800
    assert report["train"]["unknown_rate"] == 0


def test_every_sentence_arrives_whole_in_one_split(prepared: PreparedText) -> None:
    expected = Counter(
        " ".join(s.lower().split()) + " ." for text in made_documents(100) for s in text.rstrip(".").split(". ")
    )
    vocabulary = set(prepared.vocabulary.tokens)
    found = Counter()
    for split in ("train", "validation", "test"):
        store = getattr(prepared, split)
        assert set(np.bincount(store.document_of_sentence).tolist()) == {8}
        found.update(" ".join(sentence) for sentence in token_lists(prepared, split))
    unknown = {word for sentence in expected for word in sentence.split()} - vocabulary
    known = {s: n for s, n in expected.items() if not unknown & set(s.split())}
    assert {s: found[s] for s in known} == known


def test_vocabulary_is_counted_on_training_text_alone(prepared: PreparedText) -> None:
    counted = Counter(token for sentence in token_lists(prepared, "train") for token in sentence)
    vocabulary = prepared.vocabulary
    assert dict(zip(vocabulary.tokens[4:], vocabulary.counts[4:].tolist(), strict=True)) == dict(counted)


def lines_of_documents(prepared: PreparedText) -> list[list[str]]:
    tokens, store = prepared.vocabulary.tokens, prepared.train
    documents: list[list[str]] = [[] for _ in range(store.n_documents)]
    for document, sentence in zip(store.document_of_sentence.tolist(), store, strict=True):
        documents[document].append(" ".join(tokens[i] for i in sentence if i != UNK))
    return documents


def test_train_text_holds_the_documents_of_the_training_split_whole_and_in_a_seeded_order(tmp_path: Path) -> None:
    texts = made_documents(100)
    one = prepare_texts(texts, TextConfig(min_count=3), tmp_path / "one", seed=3, workers=1)
    written = one.train_text.read_text(encoding="utf-8").split("\n")[:-1]
    documents = [" ".join(lines) for lines in lines_of_documents(one)]
    assert len(written) == one.n_train_lines
    assert sorted(written) == sorted(documents)
    assert written != documents
    places = [documents.index(document) for document in written]
    assert abs(np.corrcoef(places, np.arange(len(places)))[0, 1]) < 0.35
    again = prepare_texts(texts, TextConfig(min_count=3), tmp_path / "again", seed=3, workers=1)
    assert again.train_text.read_bytes() == one.train_text.read_bytes()


def test_train_text_mixes_groups_of_documents(prepared: PreparedText, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(split_text, "_GROUP_TOKENS", 500)
    split_text.write_train_text(tmp_path / "t", prepared.train, prepared.vocabulary, seed=1)
    lines = (tmp_path / "t").read_text(encoding="utf-8").split("\n")[:-1]
    assert sorted(lines) == sorted(" ".join(document) for document in lines_of_documents(prepared))


def test_train_text_has_passages_of_whole_sentences_of_one_document(
    prepared: PreparedText, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(split_text, "_PASSAGE_TOKENS", 10)
    n_lines = split_text.write_train_text(tmp_path / "t", prepared.train, prepared.vocabulary, seed=1)
    lines = (tmp_path / "t").read_text(encoding="utf-8").split("\n")[:-1]
    expected = []
    for document in lines_of_documents(prepared):
        passages: dict[int, list[str]] = {}
        begin = 0
        for sentence in document:
            passages.setdefault(begin // 10, []).append(sentence)
            begin += len(sentence.split()) + 1
        expected += [" ".join(sentences) for sentences in passages.values()]
    assert sorted(lines) == sorted(expected)
    assert n_lines == len(expected)


def test_a_document_that_was_drawn_twice_is_written_twice(prepared: PreparedText, tmp_path: Path) -> None:
    drawn = np.array([1, 1, 4])
    split_text.write_train_text(tmp_path / "t", prepared.train, prepared.vocabulary, seed=1, documents=drawn)
    lines = (tmp_path / "t").read_text(encoding="utf-8").split("\n")[:-1]
    documents = [" ".join(document) for document in lines_of_documents(prepared)]
    assert sorted(lines) == sorted(documents[number] for number in drawn)


def test_held_out_text_is_the_held_out_stores_with_all_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "CHUNK_CHARACTERS", 4_000)
    texts = [f"{text} Here stands odd{i}word alone." for i, text in enumerate(made_documents(80))]
    out = prepare_texts(texts, TextConfig(min_count=2), tmp_path / "out", seed=3, workers=1)
    for name in ("validation", "test"):
        lines = getattr(out, f"{name}_text").read_text(encoding="utf-8").split("\n")[:-1]
        store = getattr(out, name)
        assert len(lines) == store.n_sentences
        for line, ids in zip(lines, store, strict=True):
            assert out.vocabulary.ids(line.split(" ")).tolist() == ids.tolist()
        assert sum("odd" in line for line in lines) == store.n_documents, "no training text holds these words"
        wanted = [0, 3, store.n_sentences - 1]
        assert [" ".join(s) for s in split_text.read_sentences(tmp_path / "out" / f"{name}.txt", wanted)] == [
            lines[i] for i in wanted
        ]


def test_paragraphs_are_the_lines_of_the_text(tmp_path: Path) -> None:
    line = "The first is here! The second is there!"
    texts = [f"Title {word}\n{line} Third {word}!\n\n{line}\n" for word in map(str, range(40))]
    texts += [" ".join(["long"] * 25) + f" {number}\nEnd" for number in range(40)]
    config = TextConfig(deduplicate="none", max_sentence=10)
    for n in (1, 2):
        out = prepare_texts(texts, config, tmp_path / str(n), seed=1, workers=n)
        for store in (out.train, out.validation, out.test):
            sizes = np.diff(store.paragraph_offsets)
            of_document = np.split(sizes, np.searchsorted(store.paragraph_offsets, store.document_offsets[1:-1]))
            assert {tuple(found.tolist()) for found in of_document} == {(1, 3, 2), (3, 1)}


def test_codec_gives_the_ids_that_preparing_gave(prepared: PreparedText) -> None:
    text = made_documents(100)[0].split(". ")[0] + "."
    ids = prepared.codec.encode(text).tolist()
    stored = [s.tolist() for name in ("train", "validation", "test") for s in getattr(prepared, name)]
    assert ids in stored


def test_rare_tokens_become_unknown_and_leave_the_training_text(tmp_path: Path) -> None:
    texts = made_documents(60)
    texts[0] = "Zyzzyva here. " + texts[0]
    out = prepare_texts(texts, TextConfig(min_count=2, test_share=0.02, validation_share=0.02), tmp_path / "o", seed=1)
    assert "zyzzyva" not in out.vocabulary
    stored = [" ".join(document) for document in lines_of_documents(out)]
    assert sorted(out.train_text.read_text().split("\n")[:-1]) == sorted(stored)
    unknown = sum(int((s == 1).sum()) for s in out.train)
    assert unknown == int(out.vocabulary.counts[1]) > 0


def test_result_does_not_depend_on_workers_chunks_or_hash_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "CHUNK_CHARACTERS", 20_000)
    monkeypatch.setattr(counting, "TYPES_AT_ONCE", 7)
    texts = [*made_documents(120), "Ünïcode \ud800 text. 😀 \x02\x03 marks. " * 5]
    one = prepare_texts(texts, TextConfig(), tmp_path / "one", seed=1, workers=1)
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    two = prepare_texts(texts, TextConfig(), tmp_path / "two", seed=1, workers=2)
    assert contents(one.path) == contents(two.path)
    monkeypatch.setattr(prepare, "CHUNK_CHARACTERS", 10**9)
    three = prepare_texts(texts, TextConfig(), tmp_path / "three", seed=1, workers=2)
    assert contents(one.path) == contents(three.path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "three", "two"]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_chunk_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(prepare, "CHUNK_CHARACTERS", 2_000)
    texts = made_documents(60)
    report = prepare_texts(texts, TextConfig(min_count=1), tmp_path / "o", seed=1, workers=workers).report
    assert report["documents"] == 60
    assert report["bytes"] == report["characters"] == sum(map(len, texts)) > 7 * 2_000
    assert sum(report[name]["sentences"] for name in ("train", "validation", "test")) == 480


def test_counting_in_groups_equals_counting_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = made_documents(80)
    expected = Counter()
    for types_at_once in (1, 10, 10**6):
        monkeypatch.setattr(counting, "TYPES_AT_ONCE", types_at_once)
        out = prepare_texts(texts, TextConfig(max_size=12), tmp_path / str(types_at_once), seed=1)
        found = Counter(dict(zip(out.vocabulary.tokens, out.vocabulary.counts.tolist(), strict=True)))
        assert len(out.vocabulary) == 16
        expected = expected or found
        assert found == expected


def test_a_large_corpus_holds_out_a_smaller_share(tmp_path: Path) -> None:
    config = TextConfig(min_count=2, max_held_out=1_000)
    report = prepare_texts(made_documents(400), config, tmp_path / "out", seed=1, workers=1).report
    tokens = sum(report[split]["tokens"] for split in ("train", "validation", "test"))
    for split in ("validation", "test"):
        assert 700 < report[split]["tokens"] < 1_250 < 0.05 * tokens


def test_few_documents_are_cut_into_runs(tmp_path: Path) -> None:
    text = "\n".join(made_documents(30))
    out = prepare_texts([text], TextConfig(), tmp_path / "o", seed=1)
    assert "only 1 documents" in out.report["units"]
    assert out.report["train"]["documents"] >= 18
    assert out.report["validation"]["documents"] >= 1
    assert out.report["test"]["documents"] >= 1
    assert sum(out.report[name]["sentences"] for name in ("train", "validation", "test")) == 240


def test_a_long_repetitive_document_keeps_all_of_itself(tmp_path: Path) -> None:
    line = "a worker of the third shift has started and waits for the next job in its queue of ten places .\n"
    (tmp_path / "log.txt").write_text(line * 32_000 + "\n" + line * 11_000)
    config = TextConfig(documents="blank")
    report = prepare.prepare([str(tmp_path / "log.txt")], config, tmp_path / "out", seed=1, workers=1).report
    assert report["documents"] == 6
    assert (report["exact_duplicates"], report["near_duplicates"]) == (1, 1), "the second document is a copy"


def test_long_sentences_are_cut_and_counted(tmp_path: Path) -> None:
    long = " ".join(["word", "other"] * 40)
    out = prepare_texts([*made_documents(40), long], TextConfig(max_sentence=30), tmp_path / "o", seed=1)
    assert out.report["cut_sentences"] == 1
    assert max(int(getattr(out, s).lengths.max()) for s in ("train", "validation", "test")) <= 30
    total = sum(out.report[name]["tokens"] for name in ("train", "validation", "test"))
    assert total == 80 + 40 * 8 * 8


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["One sentence. Two sentences."], "at least 50 sentences.*found"),
        (["word\n" * 400], "one word repeated"),
        ([" \n", ""], "not one word"),
        ([], "not one word"),
    ],
)
def test_too_little_text_says_what_is_needed(tmp_path: Path, texts: list[str], message: str) -> None:
    with pytest.raises(NotEnoughDataError, match=message):
        prepare_texts(texts, TextConfig(deduplicate="none"), tmp_path / "o", seed=1)
    assert list(tmp_path.iterdir()) == []


def test_output_is_replaced_only_where_it_is_ours(tmp_path: Path) -> None:
    out = tmp_path / "o"
    texts = made_documents(40)
    first = contents(prepare_texts(texts, TextConfig(), out, seed=1).path)
    assert contents(prepare_texts(texts, TextConfig(), out, seed=2).path) != first
    assert contents(prepare_texts(texts, TextConfig(), out, seed=1).path) == first
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious").write_text("x")
    with pytest.raises(OutputError, match="not a prepared text"):
        prepare_texts(texts, TextConfig(), other, seed=1)
    assert (other / "precious").read_text() == "x"


def test_sources_are_read_and_progress_is_told(tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("\n\n".join(made_documents(40)), encoding="utf-8")
    events: list[object] = []
    out = prepare.prepare([str(source)], TextConfig(), tmp_path / "o", seed=1, listener=events.append)
    assert out.report["documents"] == 40
    assert isinstance(events[0], StageStarted)
    assert isinstance(events[-1], Step)
    with pytest.raises(InputError):
        prepare.prepare([str(tmp_path / "missing.txt")], TextConfig(), tmp_path / "p", seed=1)


def test_progress_goes_through_a_compressed_file_to_its_end(tmp_path: Path, monkeypatch) -> None:
    source = tmp_path / "a.txt.gz"
    source.write_bytes(gzip.compress("\n\n".join(made_documents(3_000)).encode()))
    monkeypatch.setattr(prepare, "MEGABYTE", 1_000)
    monkeypatch.setattr(prepare, "CHUNK_CHARACTERS", 100_000)
    monkeypatch.setattr(prepare, "SAMPLE_CHARACTERS", 50_000)
    monkeypatch.setattr(read_bytes, "_BLOCK", 10_000)
    monkeypatch.setattr(read_bytes, "_FILE_BUFFER", 1_000)
    for workers_asked in (1, 2):
        events: list[StageStarted | Step] = []
        out = tmp_path / "o"
        config = TextConfig(documents="blank")
        prepare.prepare([str(source)], config, out, seed=1, workers=workers_asked, listener=events.append)
        steps = [event.done for event in events if isinstance(event, Step)]
        assert events[0] == StageStarted("text", source.stat().st_size // 1_000, "MB")
        assert steps == sorted(steps)
        assert 0 < steps[0] < steps[-1] == events[0].total
    events = []
    prepare.prepare(["builtin:lee"], TextConfig(), out, seed=1, listener=events.append)
    assert events[0].total == events[-1].done > 300


def test_chinese_is_segmented_by_jieba(tmp_path: Path) -> None:
    rng = random.Random(1)
    who, what = ["我们", "他们", "老师", "学生", "朋友"], ["北京", "上海", "苹果", "音乐", "电影", "历史"]
    texts = ["".join(f"{rng.choice(who)}喜欢{rng.choice(what)}。" for _ in range(10)) for _ in range(40)]
    out = prepare_texts(texts, TextConfig(), tmp_path / "o", seed=1)
    assert out.report["tokenizer"] == "jieba"
    assert {"喜欢", "北京", "老师"} <= set(out.vocabulary.tokens)
    assert all(len(s) in (3, 4) for s in out.train)


def test_validation_and_test_documents_do_not_shape_the_tokenizer(tmp_path: Path, monkeypatch) -> None:
    learnt: list[str] = []
    make = prepare._make_tokenizer
    monkeypatch.setattr(prepare, "_make_tokenizer", lambda config, texts: learnt.extend(texts) or make(config, texts))
    texts = [f"Q{i}q. {text}" for i, text in enumerate(made_documents(300))]
    for seed in range(5):
        learnt.clear()
        out = prepare_texts(texts, TextConfig(min_count=1), tmp_path / "o", seed=seed, workers=1)
        vocabulary = out.vocabulary
        trained = {text for i, text in enumerate(texts) if f"q{i}q" in vocabulary}
        assert len(trained) == out.report["train"]["documents"] == 270
        assert set(learnt) <= trained
        assert len(learnt) > 210


def test_preparing_imports_no_heavy_library_in_workers() -> None:
    code = (
        "import sys, embedpipe.text.workers; "
        "bad = {'torch', 'gensim', 'sklearn', 'scipy', 'nltk', 'pydantic', 'datasketch'} & set(sys.modules); "
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})
