"""Decide what happens to each document after the first pass: dropped as a copy, or in which split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.text.chunks import ChunkFiles
from embedpipe.text.deduplicate import exact_duplicates, mix, near_duplicates
from embedpipe.text.split import DROPPED, MIN_UNITS, SPLITS, keep_share, split_documents, units_of

if TYPE_CHECKING:
    from embedpipe.config import TextConfig

__all__ = ["Plan", "measure", "plan_splits"]


@dataclass
class Plan:
    """The split of each document and the size of each split.

    Parameters
    ----------
    splits : uint8 of shape (n_documents,): 0 train, 1 validation, 2 test, 255 dropped.
    starts : where the documents of each chunk begin in `splits`, and where the last end.
    documents, sentences, tokens : how many in each split.
    report : the counts of what was dropped.
    """

    splits: NDArray[np.uint8]
    starts: list[int]
    documents: list[int] = field(default_factory=lambda: [0] * len(SPLITS))
    sentences: list[int] = field(default_factory=lambda: [0] * len(SPLITS))
    tokens: list[int] = field(default_factory=lambda: [0] * len(SPLITS))
    report: dict[str, Any] = field(default_factory=dict)

    def of_chunk(self, number: int) -> NDArray[np.uint8]:
        """Return the splits of the documents in one chunk."""
        return self.splits[self.starts[number] : self.starts[number + 1]]


def plan_splits(chunks: Sequence[ChunkFiles], config: "TextConfig", seed: int, continued: Sequence[int] = ()) -> Plan:
    """Drop copies, split by document, and leave in each chunk the array ``counts`` of its training tokens.

    `continued` holds the numbers of the documents that go on with the one before them, as parts of one whole.

    Raises
    ------
    NotEnoughDataError
        If there is no text at all.
    """
    sizes = _gather(chunks, "documents")
    hashes = _gather(chunks, "hashes")
    filled = sizes > 0
    if not filled.any():
        raise NotEnoughDataError("there is not one word in the text; nothing can be trained on it")
    begins = np.ones(len(sizes), dtype=np.bool_)
    begins[list(continued)] = False
    wholes = np.cumsum(begins, dtype=np.int64)
    kept = filled.copy()
    if config.deduplicate != "none":
        kept &= ~exact_duplicates(_gather(chunks, "digests"), wholes)
    n_exact = int((filled & ~kept).sum())
    n_near = 0
    if config.deduplicate == "near":

        def signatures() -> Iterator[NDArray[np.uint32]]:
            return (chunk.array("signatures") for chunk in chunks)

        near = near_duplicates(signatures, kept, config.near_threshold, wholes)
        n_near = int(near.sum())
        kept &= ~near
    report: dict[str, Any] = {
        "empty_documents": int((~filled).sum()),
        "exact_duplicates": n_exact,
        "near_duplicates": n_near,
        "units": "documents",
    }
    if kept.sum() < MIN_UNITS:
        report["units"] = f"runs of sentences, because there are only {int(kept.sum())} documents"
        sizes, hashes, kept = _cut_into_runs(chunks, hashes, kept, int(sizes[kept].sum()))
    splits = np.full(len(kept), DROPPED, dtype=np.uint8)
    most = config.max_held_out / max(1, sum(int(chunk.array("lengths").sum(dtype=np.int64)) for chunk in chunks))
    splits[kept] = split_documents(
        hashes[kept],
        validation_share=min(config.validation_share, most),
        test_share=min(config.test_share, most),
        seed=seed,
    )
    if config.share < 1:
        n_training = int((splits == 0).sum())
        splits[kept] = keep_share(splits[kept], hashes[kept], config.share, seed)
        report["left_out_documents"] = n_training - int((splits == 0).sum())
    lengths_of_chunks = [len(chunk.array("documents")) for chunk in chunks]
    plan = Plan(splits, np.cumsum([0, *lengths_of_chunks]).tolist(), report=report)
    measure(plan, chunks)
    return plan


def measure(plan: Plan, chunks: Sequence[ChunkFiles]) -> None:
    """Set the sizes of the splits, and leave in each chunk the array ``counts`` of its training tokens."""
    plan.documents, plan.sentences, plan.tokens = ([0] * len(SPLITS) for _ in range(3))
    for number, chunk in enumerate(chunks):
        _measure_chunk(plan, number, chunk)


def _measure_chunk(plan: Plan, number: int, chunk: ChunkFiles) -> None:
    of_document = plan.of_chunk(number)
    lengths = chunk.array("lengths")
    of_sentence = np.repeat(of_document, chunk.array("documents"))
    for split in range(len(SPLITS)):
        plan.documents[split] += int((of_document == split).sum())
        plan.sentences[split] += int((of_sentence == split).sum())
        plan.tokens[split] += int(lengths[of_sentence == split].sum(dtype=np.int64))
    ids = chunk.array("ids")[np.repeat(of_sentence == 0, lengths)]
    n_types = int(chunk.array("buckets")[-1])
    chunk.replace("counts", np.bincount(ids, minlength=n_types).astype(np.uint64))


def _cut_into_runs(
    chunks: Sequence[ChunkFiles], hashes: NDArray[np.uint64], kept: NDArray[np.bool_], n_sentences: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.bool_]]:
    """Replace few large documents by runs of sentences; return the sizes, hashes and kept flags of the runs."""
    run = max(1, n_sentences // (2 * MIN_UNITS))
    start = 0
    sizes, sources = [], []
    for chunk in chunks:
        documents: NDArray[np.uint32] = chunk.array("documents")
        run_sizes, run_sources = units_of(documents, run)
        chunk.replace("documents", run_sizes)
        sizes.append(run_sizes)
        sources.append(run_sources + start)
        start += len(documents)
    source: NDArray[np.int64] = np.concatenate(sources)
    runs: NDArray[np.uint64] = mix(hashes[source] ^ np.arange(len(source), dtype=np.uint64))
    return np.concatenate(sizes), runs, kept[source]


def _gather(chunks: Sequence[ChunkFiles], name: str) -> NDArray[Any]:
    return np.concatenate([chunk.array(name) for chunk in chunks]) if chunks else np.zeros(0, dtype=np.uint64)
