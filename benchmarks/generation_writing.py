"""Measure writing: python benchmarks/generation_writing.py [--json FILE] [--markdown FILE] [--device cuda] [--turns N]

Tokens for each second of a whole call (prompts read, words drawn, texts joined), beside the bare loop that a user would
write (nn.LSTM, softmax, torch.multinomial, no filter), and the milliseconds until the first word of a stream. The
network has the shape of the preset `small` at 300 dimensions, random weights, and the unigrams of a corpus in its bias;
a speed does not depend on what the words mean. Variants take turns and the fastest turn of each counts, so that other
programs on the machine disturb less.
"""

import argparse
import re
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from embedpipe.config import PipelineConfig
from embedpipe.generation.decoding.settings import Beam, Decoding, Limits
from embedpipe.generation.generator import TextGenerator
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.runtime import resolve_device
from embedpipe.text.codec import TextCodec
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import Vocabulary
from timed import CPU, add_device, add_timing, described, start_timing
from written import add_files, write_files

TOKENS = 40


def make_generator(n_words: int, *, dim: int = 300, seed: int = 1, device: torch.device = CPU) -> TextGenerator:
    """Return a generator of the default size with random weights that writes about as often as a corpus does."""
    settings = PipelineConfig.of("small", {}).generation
    counts = 1e7 / np.arange(1, n_words + 1)
    words = {f"w{i}": int(count) + 1 for i, count in enumerate(counts)}
    vocabulary = Vocabulary.from_counts(words)
    torch.manual_seed(seed)
    model = LanguageModel(Shape(len(vocabulary), dim, settings.hidden, settings.layers))
    share = np.maximum(vocabulary.counts.astype(np.float64), 1.0)
    model.initialise(model.table.detach() * 4, share / share.sum())
    return TextGenerator(TextCodec(RegexTokenizer(), vocabulary), model.to(device))


@torch.inference_mode()
def bare_loop(generator: TextGenerator, rows: int) -> int:
    """Write `rows` texts as a first version would; return how many tokens that are."""
    model = generator.model
    chosen, states = torch.full((rows,), 3, device=model.device), [None] * len(model.reader.layers)
    for _ in range(TOKENS):
        x = nn.functional.embedding(chosen[:, None], model.table)
        for i, lstm in enumerate(model.reader.layers):
            x, states[i] = lstm(x, states[i])
        weights = torch.softmax(nn.functional.linear(x[:, 0], model.table, model.bias) / 0.8, dim=1)
        chosen = torch.multinomial(weights, 1)[:, 0]
    return rows * TOKENS


def sampled(generator: TextGenerator, rows: int, decoding: Decoding) -> int:
    """Write `rows` texts of `TOKENS` words; return how many tokens that are."""
    limits = Limits(TOKENS, min_tokens=TOKENS)
    return sum(generator.continuations("w1 w2 w3", decoding, limits, n=rows, seed=1).n_tokens)


def variants(generator: TextGenerator, rows: int) -> dict[str, Callable[[], int]]:
    """Return what is measured by name: calls that return how many tokens were written."""
    limits = Limits(TOKENS, min_tokens=TOKENS)
    exact = generator.in_precision("fp32")
    prompts = [f"w{i} w{i % 7}" for i in range(rows)]

    def many() -> int:
        return sum(found.n_tokens[0] for found in generator.generate_many(prompts, Decoding(), limits, seed=1))

    def streamed(which: TextGenerator) -> int:
        return len(list(which.stream("w1 w2 w3", Decoding(), limits, seed=1))) - 1

    return {
        f"bare loop, no filter, {rows} texts": lambda: bare_loop(generator, rows),
        f"top-p 0.95 (default), {rows} texts": lambda: sampled(generator, rows, Decoding()),
        f"no filter, {rows} texts": lambda: sampled(generator, rows, Decoding(top_p=1.0)),
        f"top-k 50, {rows} texts": lambda: sampled(generator, rows, Decoding(top_k=50, top_p=1.0)),
        f"min-p 0.05, {rows} texts": lambda: sampled(generator, rows, Decoding(min_p=0.05)),
        f"typical 0.9, {rows} texts": lambda: sampled(generator, rows, Decoding(typical_p=0.9)),
        f"default, no 3-gram twice, {rows} texts": lambda: sampled(generator, rows, Decoding(no_repeat_ngram=3)),
        f"greedy, {rows} texts": lambda: sampled(generator, rows, Decoding(0.0)),
        f"default, {rows} prompts": many,
        "bare loop, no filter, 16 texts": lambda: bare_loop(generator, 16),
        "default, 16 texts": lambda: sampled(generator, 16, Decoding()),
        "bare loop, no filter, 1 text": lambda: bare_loop(generator, 1),
        "default, 1 text": lambda: sampled(generator, 1, Decoding()),
        f"default in fp32, {rows} texts": lambda: sampled(exact, rows, Decoding()),
        "stream": lambda: streamed(generator),
        "stream in fp32": lambda: streamed(exact),
        "beam 4": lambda: generator.beam("w1 w2 w3", Beam(4, 1.0), limits).n_tokens[0],
    }


def first_word(generator: TextGenerator, clock: Callable[[], float]) -> float:
    """Return the seconds from the call to the first word of a stream behind a prompt of ten words."""
    began = clock()
    pieces = generator.stream("w1 w2 w3 w4 w5 w6 w7 w8 w9 w10", Decoding(), Limits(TOKENS, min_tokens=3), seed=1)
    next(pieces)
    next(pieces)
    return clock() - began


def measure(
    n_words: int, *, rows: int, turns: int, device: torch.device, clock: Callable[[], float]
) -> list[dict[str, object]]:
    """Return one row for each variant: what, tokens for each second, and how often that of the bare loop."""
    generator = make_generator(n_words, device=device)
    calls = variants(generator, rows)
    fastest = dict.fromkeys(calls, 0.0)
    first = float("inf")
    for turn in range(turns + 1):
        for name, call in calls.items():
            began = clock()
            n_tokens = call()
            speed = n_tokens / (clock() - began)
            if turn:
                fastest[name] = max(fastest[name], speed)
        first = min(first, first_word(generator, clock))
    bare = {n: fastest[f"bare loop, no filter, {n} text{'s' * (n > 1)}"] for n in (1, 16, rows)}
    found: list[dict[str, object]] = [
        {"what": name, "tokens_per_second": round(speed), "of_bare_loop": round(speed / bare[_side_by_side(name)], 2)}
        for name, speed in fastest.items()
    ]
    return [*found, {"what": "first word of a stream", "milliseconds": round(1_000 * first, 1)}]


def _side_by_side(name: str) -> int:
    """Return how many texts a variant writes at once, by its name; a stream and a beam write one."""
    found = re.search(r"(\d+) (?:texts?|prompts)$", name)
    return int(found[1]) if found else 1


def to_markdown(rows: list[dict[str, object]], about: str) -> str:
    """Return the rows as a Markdown table."""
    lines = [about, "", "| what | tokens/s | of the bare loop |", "| --- | ---: | ---: |"]
    for row in rows:
        if "milliseconds" in row:
            lines.append(f"| {row['what']} | {row['milliseconds']} ms | |")
        else:
            lines.append(f"| {row['what']} | {row['tokens_per_second']:,} | {row['of_bare_loop']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print Markdown, write files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", type=int, default=37_000)
    parser.add_argument("--rows", type=int, default=256)
    add_device(parser)
    add_timing(parser, turns=5)
    add_files(parser)
    options = parser.parse_args()
    device = resolve_device(options.device)
    clock = start_timing(options, device)
    rows = measure(options.vocabulary, rows=options.rows, turns=options.turns, device=device, clock=clock)
    about = (
        f"{described(device)}, {options.clock} time; preset small at 300 dimensions, vocabulary of "
        f"{options.vocabulary:,}, {TOKENS} words a text; output layer in precision auto where nothing is said; "
        f"fastest of {options.turns} turns."
    )
    text = to_markdown(rows, about)
    print(text, end="")
    write_files({"about": about, "rows": rows}, text, options.json, options.markdown)


if __name__ == "__main__":
    main()
