"""Raw text to everything that the later stages read: ids, vocabulary, tokenizer, splits, and a report of the counts."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedpipe.errors import ConfigError, EmbedpipeError, NotEnoughDataError, OutputError
from embedpipe.runtime import Listener, StageStarted, Step, Warned, n_cores, silent
from embedpipe.text.chunks import ChunkFiles
from embedpipe.text.continued import Base
from embedpipe.text.deduplicate import minhash_permutations
from embedpipe.text.normalise import normalise
from embedpipe.text.plan import plan_splits
from embedpipe.text.prepared import PreparedText
from embedpipe.text.readers import ReadOptions, read_documents, size_of_source
from embedpipe.text.sentences import SentenceSplitter, train_splitter
from embedpipe.text.split import MIN_UNITS, hash_texts, may_be_held_out
from embedpipe.text.tokenizer import Tokenizer, choose_tokenizer, load_tokenizer
from embedpipe.text.workers import process_in_order
from embedpipe.text.write_prepared import write_prepared

if TYPE_CHECKING:
    from embedpipe.config import TextConfig

__all__ = ["prepare", "prepare_texts"]

CHUNK_CHARACTERS = 4_000_000
SAMPLE_CHARACTERS = 4_000_000
PUNKT_CHARACTERS = 300_000
MEGABYTE = 1_000_000


def prepare(
    sources: Sequence[str],
    config: "TextConfig",
    out: Path,
    *,
    seed: int,
    download: bool = False,
    exclude: tuple[Path, ...] = (),
    base: Base | None = None,
    workers: int | None = None,
    listener: Listener = silent,
) -> PreparedText:
    """Read `sources` and write the prepared text to the folder `out`.

    Only documents for training shape the tokenizer, the sentence splitter and the vocabulary. The exception are
    corpora of fewer than 20 documents, which are split by runs of sentences: byte-pair merges and abbreviations are
    learnt from all of these (the report says so under ``units``).

    Parameters
    ----------
    sources : what `read_documents` takes.
    config : the settings.
    out : created, or replaced whole at the end where it holds a prepared text.
    seed : decides, with the content of the documents, which split each goes to.
    download : whether a source may be fetched from the network.
    exclude : what `ReadOptions` calls so.
    base : the rules of an earlier text to prepare this one by; None to find them in this text.
    workers : processes that work on the text; None for as many as there are cores. The result does not depend on it.
    listener : hears `StageStarted` and `Step` in megabytes: of the files as they lie on disk, compressed or not, or of
        text where a source is no file.

    Raises
    ------
    InputError
        If a source cannot be read.
    NotEnoughDataError
        If fewer than 50 sentences remain for training, or only one distinct word.
    OutputError
        If `out` holds something else or cannot be written.
    MissingExtraError
        If the tokenizer needs a package that is not installed.
    """
    out = Path(out)
    options = ReadOptions(
        encoding=config.encoding,
        encoding_errors=config.encoding_errors,
        documents=config.documents,
        download=download,
        exclude=exclude,
    )
    continued: list[int] = []

    def texts() -> Iterator[str]:
        documents = chain.from_iterable(read_documents(source, options) for source in sources)
        for number, document in enumerate(documents):
            if document.part:
                continued.append(number)
            yield document.text

    sizes = [size_of_source(source, options) for source in sources]
    known = [size for size in sizes if size is not None]
    all_known = len(known) == len(sizes)
    listener(StageStarted("text", sum(known) // MEGABYTE if all_known else None, "MB"))
    try:
        prepared = prepare_texts(
            texts(),
            config,
            out,
            seed=seed,
            base=base,
            workers=workers,
            listener=listener,
            continued=continued,
            passed_over=options.skipped,
            bytes_read=options.read.total if all_known else None,
        )
    except NotEnoughDataError as error:
        more = f" and {len(sources) - 1:,} more" if len(sources) > 1 else ""
        raise NotEnoughDataError(f"{sources[0]}{more}: {error}") from error
    for note in dict.fromkeys(options.notes):
        listener(Warned("text", note))
    return prepared


def prepare_texts(
    texts: Iterable[str],
    config: "TextConfig",
    out: Path,
    *,
    seed: int,
    base: Base | None = None,
    workers: int | None = None,
    listener: Listener = silent,
    continued: Sequence[int] = (),
    passed_over: Mapping[str, int] | None = None,
    bytes_read: Callable[[], int] | None = None,
) -> PreparedText:
    """Do what `prepare` does for documents that are given as strings; read once, from first to last.

    `continued` (which documents go on with the one before them) and `passed_over` (what the report says was) are
    filled while `texts` is read. `bytes_read` says how much of the files has been read; progress counts this, or the
    text itself when it is None.
    """
    started = time.monotonic()
    out = Path(out)
    _check_out(out)
    partial = out.parent / f".{out.name}.partial"
    # What a run that was killed has left.
    shutil.rmtree(partial, ignore_errors=True)
    try:
        chunk_folder = partial / "chunks"
        chunk_folder.mkdir(parents=True)
        iterator = iter(texts)
        sample = _take(iterator, SAMPLE_CHARACTERS)
        learnt_from = _without_held_out(sample, config, seed)
        if base is None:
            tokenizer, reason = _make_tokenizer(config, learnt_from)
            splitter = train_splitter(normalise("\n".join(learnt_from)[:PUNKT_CHARACTERS]))
        else:
            tokenizer, splitter, reason = base.tokenizer, base.splitter, "that of the text that is continued"
        settings = {
            "tokenizer": tokenizer.spec(),
            "sentences": splitter.spec(),
            "permutations": minhash_permutations() if config.deduplicate == "near" else [],
            "max_sentence": config.max_sentence,
            "folder": str(chunk_folder),
        }
        read = _first_pass(chain(sample, iterator), settings, workers or n_cores(), listener, bytes_read)
        del sample, learnt_from
        chunks = [ChunkFiles(chunk_folder, number) for number in range(read.pop("chunks"))]
        plan = plan_splits(chunks, config, seed, continued)
        report = {
            **read,
            "passed_over": dict(passed_over or {}),
            **plan.report,
            **_describe(tokenizer, reason, splitter),
        }
        report |= write_prepared(
            chunks, plan, config, tokenizer, splitter, partial, seed, None if base is None else base.vocabulary
        )
        shutil.rmtree(chunk_folder)
        report["seconds"] = round(time.monotonic() - started, 2)
        report["megabytes_per_second"] = round(report["bytes"] / 1e6 / max(report["seconds"], 0.01), 2)
        (partial / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
        _replace(partial, out)
    except OSError as error:
        if isinstance(error, EmbedpipeError):
            raise
        raise OutputError(f"{error.filename or out}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return PreparedText(out)


def _first_pass(
    texts: Iterable[str],
    settings: dict[str, Any],
    workers: int,
    listener: Listener,
    bytes_read: Callable[[], int] | None,
) -> dict[str, int]:
    places: list[int] = []

    def groups() -> Iterator[list[str]]:
        for group in _grouped(texts):
            places.append(bytes_read() if bytes_read else 0)
            yield group

    iterator = groups()
    first = list(islice(iterator, 2))
    # One chunk does not pay for starting processes.
    totals = dict.fromkeys(("documents", "characters", "bytes", "cut", "chunks"), 0)
    results = process_in_order(chain(first, iterator), settings, workers if len(first) > 1 else 1)
    with closing(results):  # type: ignore[type-var]
        for result in results:
            # Reading runs ahead of the workers: what counts is how far it was when it gave this chunk.
            done = places[totals["chunks"]] if bytes_read else totals["bytes"] + result["bytes"]
            totals["chunks"] += 1
            for name in ("documents", "characters", "bytes", "cut"):
                totals[name] += result[name]
            listener(Step("text", done // MEGABYTE))
    return {"cut_sentences" if name == "cut" else name: total for name, total in totals.items()}


def _without_held_out(sample: Sequence[str], config: "TextConfig", seed: int) -> Sequence[str]:
    """Return the documents that tokenizer and sentence splitter may learn from: none that a test may be made of.

    Fewer than 20 documents are cut into runs of sentences before they are split, so there all of them are needed.
    """
    if len(sample) < MIN_UNITS and sum(map(len, sample)) < SAMPLE_CHARACTERS:
        return sample
    held_out = may_be_held_out(hash_texts(sample), config.validation_share + config.test_share, seed)
    return [text for text, out in zip(sample, held_out.tolist(), strict=True) if not out] or sample


def _make_tokenizer(config: "TextConfig", sample: Sequence[str]) -> tuple[Tokenizer, str]:
    kind, reason = config.tokenizer, "asked for"
    if kind == "auto":
        kind, reason = choose_tokenizer("\n".join(sample)[:100_000])  # type: ignore[assignment]
    if kind == "bpe":
        if config.phrases != "none":
            raise ConfigError(
                f"text.phrases={config.phrases} needs words, but the tokenizer auto chose bpe, whose tokens are pieces "
                f"of words ({reason}): set text.phrases=none or text.tokenizer=regex"
            )
        from embedpipe.text.tokenizer_bpe import train_bpe

        return train_bpe(sample, config.bpe_size, config.case), reason
    return load_tokenizer({"format": 1, "kind": kind, "case": config.case}), reason


def _describe(tokenizer: Tokenizer, reason: str, splitter: SentenceSplitter) -> dict[str, Any]:
    return {
        "tokenizer": tokenizer.spec()["kind"],
        "tokenizer_reason": reason,
        "abbreviations": len(splitter.abbreviations),
    }


def _grouped(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield documents in groups of about `CHUNK_CHARACTERS`; the groups depend on the documents alone."""
    group: list[str] = []
    size = 0
    for text in texts:
        group.append(text)
        size += len(text)
        if size >= CHUNK_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _take(texts: Iterator[str], characters: int) -> list[str]:
    taken, size = [], 0
    for text in texts:
        taken.append(text)
        size += len(text)
        if size >= characters:
            break
    return taken


def _check_out(out: Path) -> None:
    if out.exists() and not _is_prepared(out):
        raise OutputError(f"{out}: exists and is not a prepared text; choose another folder or remove it")


def _is_prepared(path: Path) -> bool:
    return path.is_dir() and ((path / "report.json").is_file() or next(path.iterdir(), None) is None)


def _replace(partial: Path, out: Path) -> None:
    """Put the finished folder `partial` in the place of `out`."""
    if out.exists():
        old = out.parent / f".{out.name}.old-{os.getpid()}"
        out.rename(old)
        partial.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.rename(out)
