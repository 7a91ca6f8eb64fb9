"""Text without spaces and tokens that are pieces of words: the tasks hold there too."""

import pytest

from embedpipe.config import TextConfig
from embedpipe.probes.linguistic.make import ProbedCorpus, corpus_task
from embedpipe.probes.linguistic.pool import HeldOutSplit
from embedpipe.probes.rows import Row
from embedpipe.tasks.builtin import BIGRAM_SHIFT, CORPUS_TASKS, ODD_WORD, WORD_CONTENT
from embedpipe.text.prepare import prepare_texts
from embedpipe.text.toy import toy_corpus


def corpus_of(language, tokenizer, out):
    config = TextConfig(tokenizer=tokenizer, bpe_size=400, validation_share=0.2, test_share=0.2)
    text = prepare_texts((document.text for document in toy_corpus(language, n_documents=200)), config, out, seed=1)
    splits = [HeldOutSplit(text.test, text.test_text), HeldOutSplit(text.validation, text.validation_text)]
    return ProbedCorpus(splits, text.train, text.codec, 300, 20, 30, seed=1)


@pytest.mark.slow
@pytest.mark.extra
@pytest.mark.parametrize(("language", "tokenizer"), [("zh", "jieba"), ("zh", "bpe"), ("en", "bpe")])
def test_every_task_is_made_and_what_was_damaged_is_read_as_it_was_written(language, tokenizer, tmp_path):
    pytest.importorskip({"jieba": "jieba", "bpe": "tokenizers"}[tokenizer])
    corpus = corpus_of(language, tokenizer, tmp_path / "text")
    tasks = {name: corpus_task(name, corpus) for name in CORPUS_TASKS}
    # The toy languages say most things in one of a few ways: words that stand alone among others are rare.
    assert {name for name, task in tasks.items() if isinstance(task, Row)} <= {WORD_CONTENT}
    written = {corpus.pool.text(i) for i in range(len(corpus.pool))}
    bags = {tuple(sorted(tokens)) for tokens in corpus.pool.tokens}
    for name, damaged in ((BIGRAM_SHIFT, "swapped"), (ODD_WORD, "odd word")):
        for label, text in zip(tasks[name].labels, tasks[name].texts, strict=True):
            assert text in written or label == damaged
            if label == "swapped":
                assert tuple(sorted(corpus.codec.tokenize(text))) in bags
