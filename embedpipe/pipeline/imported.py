"""A bundle of words alone, from vectors that another program trained."""

import json
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from embedpipe.bundle.folder import sha256_of
from embedpipe.bundle.manifest import FileEntry, Manifest, StageRecord
from embedpipe.bundle.save import remove_leftovers, save_bundle
from embedpipe.config import PipelineConfig
from embedpipe.errors import OutputError
from embedpipe.loading import Bundle, load
from embedpipe.pipeline.plan import existing_bundle, fingerprint
from embedpipe.pipeline.provenance import versions_of
from embedpipe.runtime import n_cores
from embedpipe.settings import to_toml
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.adopt import Adopted, adopt, case_of
from embedpipe.words.bag import fit_bag
from embedpipe.words.calibration import calibrate
from embedpipe.words.foreign import ForeignVectors
from embedpipe.words.part import FACTS_FILE, WORDS_FILE, WordFacts, save_words
from embedpipe.words.published_subwords import clear_untrained
from embedpipe.words.read_vectors import read_vectors
from embedpipe.words.table import WordVectors

__all__ = ["Imported", "import_vectors", "save_foreign"]


@dataclass(frozen=True, slots=True)
class Imported:
    """The opened bundle, and what is to be said of it, one line each."""

    bundle: Bundle
    notes: list[str]


def import_vectors(path: str | Path, output: str | Path, *, force: bool = False, command: str = "") -> Imported:
    """Make a bundle of words from a file of word vectors, in any format that `read_vectors` reads.

    Parameters
    ----------
    path : the file.
    output : folder of the bundle.
    force : replace a bundle that stands there.
    command : how the import was called, recorded in the bundle.

    Raises
    ------
    InputError
        If the file cannot be read; the message names line or entry.
    OutputError
        If something stands at `output`, or it cannot be written.
    ConfigError
        If the vectors are narrower or wider than a bundle's words can be.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "glove.txt"
    ...     _ = file.write_text("cat 1 0.5\\ndog 1 0\\ncar 0 -1\\n")
    ...     imported = import_vectors(file, Path(folder) / "glove.bundle")
    ...     print([near.word for near in imported.bundle.words.similar("cat")])
    ['dog', 'car']
    """
    file, target = Path(path), Path(output).resolve()
    _check_free(target, force=force)
    return save_foreign(
        read_vectors(file), target, source=str(path), print_=sha256_of(file), force=force, command=command
    )


def save_foreign(
    foreign: ForeignVectors,
    output: str | Path,
    *,
    source: str,
    print_: str = "",
    force: bool = False,
    command: str = "",
) -> Imported:
    """Make a bundle of words from vectors in memory: those of `read_vectors` or `from_keyed_vectors`.

    Parameters
    ----------
    foreign : the vectors.
    output : folder of the bundle.
    source : what to call where they come from.
    print_ : identifies their content.
    force, command : as for `import_vectors`, which also says what is raised.
    """
    start, target = time.perf_counter(), Path(output).resolve()
    _check_free(target, force=force)
    adopted = adopt(foreign, source)
    case = case_of(adopted.vocabulary)
    words = {"dim": foreign.dim, "epochs": 0, "vectors": source, "steps": [], "keep_training": False}
    words["unseen"] = "spelling"  # to fit n-grams to tables of hundreds of thousands of words takes minutes
    ngrams = None if foreign.ngrams is None else clear_untrained(foreign.ngrams, adopted.vocabulary)
    config = PipelineConfig.of("tiny", {"text": {"tokenizer": "regex", "case": case}, "words": words})
    remove_leftovers(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that a table of gigabytes does not fill the memory that /tmp may be.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.embedpipe-", dir=target.parent) as name:
        folder = Path(name)
        adopted.vocabulary.save(folder / "vocabulary.json")
        (folder / "tokenizer_spec.json").write_text(json.dumps(RegexTokenizer(case).spec()), encoding="utf-8")
        (folder / "config.toml").write_text(to_toml(config), encoding="utf-8")
        bag = fit_bag(adopted.vectors, adopted.probabilities, config.words.sif_a)
        facts = WordFacts(
            trainer="imported",
            ngrams=() if ngrams is None else (ngrams.shortest, ngrams.longest),
            confidence=calibrate(WordVectors(adopted.vocabulary, adopted.vectors), ngrams).to_json(),
        )
        save_words(folder, adopted.vectors, bag, facts, subwords=ngrams)
        names = ("vocabulary.json", "tokenizer_spec.json", "config.toml", WORDS_FILE, FACTS_FILE)
        files = {file: folder / file for file in names}
        notes = _notes(foreign, adopted, case)
        records = _records(foreign, adopted, fingerprint("import", print_ or source), time.perf_counter() - start)

        def manifest(entries: dict[str, FileEntry]) -> Manifest:
            return Manifest(
                created_by=f"embedpipe {version('embedpipe')}",
                command=command,
                preset=config.preset,
                seed=config.seed,
                reproducible=True,
                reproducible_reason="nothing was trained: the same file gives the same bytes",
                sources=[source],
                corpus={"vectors": foreign.format, "notes": notes},
                stages=records,
                scores={},
                files=entries,
            )

        save_bundle(target, files, manifest)
    return Imported(load(target), notes)


def _check_free(target: Path, *, force: bool) -> None:
    if existing_bundle(target, force=force) is not None and not force:
        raise OutputError(f"{target}: a bundle stands there already; --force replaces it, or choose another -o")


def _notes(foreign: ForeignVectors, adopted: Adopted, case: str) -> list[str]:
    n = len(adopted.vocabulary) - len(SPECIALS)
    notes = [f"read as {foreign.format}: {n:,} words, {foreign.dim} dimensions"]
    if foreign.counts is None:
        notes.append(
            "counts are unknown (shown as 0): the order of the file is taken for falling frequency, and sentence "
            "weights follow Zipf's law by rank"
        )
    if foreign.ngrams is not None:
        rows, size = len(foreign.ngrams.vectors), foreign.ngrams.vectors.nbytes / 1e6
        notes.append(
            f"with {rows:,} rows of character n-grams ({size:,.0f} MB), from which other words get vectors; a .vec "
            "file holds none"
        )
    if adopted.left_out:
        notes.append(f"left out, their names mean something else here: {' '.join(adopted.left_out)}")
    notes.append(f"text is split by the regex tokenizer, case {'kept' if case == 'keep' else 'folded to lower'}")
    return notes


def _records(foreign: ForeignVectors, adopted: Adopted, print_: str, seconds: float) -> dict[str, StageRecord]:
    versions = {name: text for name, text in versions_of("words").items() if name != "gensim"}
    n = len(adopted.vocabulary) - len(SPECIALS)
    counted = "counts from the file" if foreign.counts is not None else "counts unknown"

    def record(summary: str, result: dict[str, object]) -> StageRecord:
        return StageRecord(
            print_, summary, round(seconds, 3), result, reproducible=True, threads=n_cores(), versions=versions
        )

    return {
        "text": record(f"{n:,} words of a {foreign.format} file, {counted}", {"vocabulary": n}),
        "words": record(f"{foreign.dim} dimensions, as imported", {"words": n, "dim": foreign.dim}),
    }
