"""The second pass over a corpus: count the vocabulary on the training split, then write ids and text of every split."""

import json
from collections.abc import Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedpipe.errors import NotEnoughDataError
from embedpipe.text.chunks import ChunkFiles
from embedpipe.text.continued import continue_vocabulary
from embedpipe.text.counting import auto_min_count, count_vocabulary
from embedpipe.text.merge_phrases import merge_phrases
from embedpipe.text.plan import Plan
from embedpipe.text.sentences import SentenceSplitter
from embedpipe.text.split import SPLITS
from embedpipe.text.split_text import append_lines, write_train_text
from embedpipe.text.store_writer import StoreWriter
from embedpipe.text.token_store import TokenStore
from embedpipe.text.tokenizer import Tokenizer
from embedpipe.text.tokenizer_phrases import PhraseTokenizer
from embedpipe.text.vocabulary import SPECIALS, UNK, Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import TextConfig

__all__ = ["write_prepared"]

MIN_SENTENCES = 50
_ALL = 2**31


def write_prepared(
    chunks: Sequence[ChunkFiles],
    plan: Plan,
    config: "TextConfig",
    tokenizer: Tokenizer,
    splitter: SentenceSplitter,
    folder: Path,
    seed: int,
    earlier: Vocabulary | None = None,
) -> dict[str, Any]:
    """Count the vocabulary, on top of an `earlier` one where there is one, and write everything that stays.

    Returns what the report says about it.
    """
    sentences = plan.sentences
    if sentences[0] < MIN_SENTENCES:
        copies = plan.report["exact_duplicates"] + plan.report["near_duplicates"]
        raise NotEnoughDataError(
            f"at least {MIN_SENTENCES} sentences are needed for training, found {sentences[0]} "
            f"({sum(sentences)} in all, some are kept for validation and testing; {copies} documents were copies of "
            "others): give more text"
        )
    min_count = auto_min_count(plan.tokens[0]) if config.min_count == "auto" else config.min_count
    found: dict[str, dict[str, int]] = {}
    if config.phrases != "none" and earlier is None:
        phrases, found["phrases"] = merge_phrases(chunks, plan, config, min_count)
        tokenizer = PhraseTokenizer(tokenizer, phrases)
    if earlier is None:
        vocabulary, n_types = count_vocabulary(chunks, min_count=min_count, max_size=config.max_size)
    else:
        counted, n_types = count_vocabulary(chunks, min_count=1, max_size=_ALL)
        vocabulary = continue_vocabulary(
            earlier, counted, grow=config.grow_vocabulary, min_count=min_count, max_size=config.max_size
        )
        found["continued"] = {"earlier_words": len(earlier) - len(SPECIALS), "words": len(vocabulary) - len(SPECIALS)}
    if n_types < 2:
        raise NotEnoughDataError("all the text is one word repeated; at least two distinct words are needed")
    if len(vocabulary) < len(SPECIALS) + 2:
        raise NotEnoughDataError(
            f"{len(vocabulary) - len(SPECIALS)} of {n_types} distinct words occur {min_count} times or more; at least "
            "two are needed: give more text or set text.min_count=1"
        )
    vocabulary.save(folder / "vocabulary.json")
    spec = {**tokenizer.spec(), "sentences": splitter.spec()}
    (folder / "tokenizer_spec.json").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    unknown = _write_stores(chunks, plan, vocabulary, folder)
    n_lines = write_train_text(folder / "train.txt", TokenStore(folder / "train"), vocabulary, seed)
    report: dict[str, Any] = {
        "types": n_types,
        "vocabulary": len(vocabulary),
        "min_count": min_count,
        "train_lines": n_lines,
        **found,
    }
    for i, name in enumerate(SPLITS):
        report[name] = {
            "documents": plan.documents[i],
            "sentences": sentences[i],
            "tokens": plan.tokens[i],
            "unknown_rate": round(unknown[i] / max(1, plan.tokens[i]), 5),
        }
    return report


def _write_stores(chunks: Sequence[ChunkFiles], plan: Plan, vocabulary: Vocabulary, folder: Path) -> list[int]:
    writers = [
        StoreWriter(
            folder / name,
            n_tokens=plan.tokens[i],
            n_sentences=plan.sentences[i],
            n_documents=plan.documents[i],
        )
        for i, name in enumerate(SPLITS)
    ]
    unknown = [0, 0, 0]
    with writers[0], writers[1], writers[2]:
        for number, chunk in enumerate(chunks):
            types = chunk.types()
            final = np.fromiter(map(vocabulary.index.get, types, repeat(UNK)), dtype=np.uint32, count=len(types))
            # A token that spells a special has its id in the index but not its meaning.
            final[final < len(SPECIALS)] = UNK
            local = chunk.array("ids")
            ids = final[local]
            documents, lengths, begins = (chunk.array(name) for name in ("documents", "lengths", "begins"))
            of_document = plan.of_chunk(number)
            of_sentence = np.repeat(of_document, documents)
            of_token = np.repeat(of_sentence, lengths)
            for i, writer in enumerate(writers):
                here = of_token == i
                chosen = ids[here]
                unknown[i] += int((chosen == UNK).sum())
                inside = of_sentence == i
                writer.append(chosen, lengths[inside], documents[of_document == i], begins[inside])
                if i > 0:
                    append_lines(folder / f"{SPLITS[i]}.txt", types, local[here], lengths[inside])
    return unknown
