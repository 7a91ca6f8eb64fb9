"""Kneser-Ney beside NLTK's: python benchmarks/ngrams.py BUNDLE [BUNDLE …] [--out docs/experiments]

For each bundle with its working folder (BUNDLE.work): the perplexity of n-gram models of its training text on 50,000
tokens of its test split, with the processor seconds and the memory that they took, each in a process of its own. Of
the first bundle, NLTK's KneserNeyInterpolated on the first 20,000, 40,000 and 80,000 tokens as well, with the seconds
it takes for one token, and how far its probabilities are from ours with the same discount. Whether contexts reach over
the ends of sentences is compared on the validation split. Writes ngrams.json and ngrams.md.
"""

import argparse
import platform
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from written import write_files

SCORED, ASKED = 50_000, 40
ORDERS = {"5, three discounts each": (5, None), "4": (4, None), "3": (3, None), "2": (2, None), "1": (1, None)}
FIXED = {"5, one discount of 0.75": (5, 0.75), "5, one discount of 0.1 (NLTK's default)": (5, 0.1)}


def store(bundle: Path, split: str) -> Any:
    """Return the token store of a split of the prepared text."""
    from embedpipe.text.token_store import TokenStore

    return TokenStore(bundle.with_name(bundle.name + ".work") / "text" / split)


def size_of(bundle: Path) -> int:
    """Return how many tokens the vocabulary has."""
    from embedpipe.text.vocabulary import Vocabulary

    return len(Vocabulary.load(bundle.with_name(bundle.name + ".work") / "text" / "vocabulary.json"))


def stretches(tokens: np.ndarray, rows: int = 32) -> np.ndarray:
    """Return `SCORED` tokens in stretches spread over a stream, as the evaluation of the generator takes them."""
    length = (len(tokens) - 1) // rows
    taken = min(length, SCORED // rows)
    return np.stack([tokens[row * length : row * length + taken + 1] for row in range(rows)])


def ours(bundle: Path, split: str, order: int, discount: float | None, across: bool) -> dict[str, float]:
    """Return perplexity, processor seconds and memory of one of our models."""
    from embedpipe.generation.ngrams.kneser_ney import KneserNey

    train, sample, n_tokens = store(bundle, "train").tokens, stretches(store(bundle, split).tokens), size_of(bundle)
    before, start = peak(), time.process_time()
    model = KneserNey.fit(train, n_tokens, order=order, discount=discount, across=across)
    fitted = time.process_time() - start
    losses = model.losses(sample)
    return {
        "tokens": len(train),
        "perplexity": float(np.exp(losses.mean())),
        "fit_s": fitted,
        "score_s": time.process_time() - start - fitted,
        "mb": peak(),
        "mb_before": before,
    }


def nltk(bundle: Path, n: int) -> dict[str, float]:
    """Return what NLTK takes for a model of the first `n` tokens, and how far it is from ours."""
    from nltk.lm import KneserNeyInterpolated
    from nltk.util import everygrams

    from embedpipe.generation.ngrams.kneser_ney import KneserNey

    train, n_tokens = np.asarray(store(bundle, "train").tokens[:n]), size_of(bundle)
    row = np.asarray(store(bundle, "test").tokens[: 10 * ASKED])
    row = row[np.isin(row, train)][: ASKED + 5]
    before, start = peak(), time.process_time()
    model = KneserNeyInterpolated(5, discount=0.1)
    words, asked = list(map(str, train.tolist())), list(map(str, row.tolist()))
    model.fit([list(everygrams(words, max_len=5))], words)
    fitted, start = time.process_time() - start, time.process_time()
    theirs = [model.unmasked_score(asked[t], tuple(asked[t - 4 : t])) for t in range(4, len(row))]
    scored, mb = (time.process_time() - start) / len(theirs), peak()
    own = KneserNey.fit(train, n_tokens, discount=0.1, floor=False)
    found = np.exp(-own.losses(row[None])[0, 3:])
    return {
        "tokens": n,
        "fit_s": fitted,
        "s_per_token": scored,
        "mb": mb,
        "mb_before": before,
        "largest_difference": float(np.abs(found - theirs).max()),
    }


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(function: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(function, *arguments).result()
    print(function.__name__, *arguments[1:], {name: round(value, 4) for name, value in found.items()}, flush=True)
    return found


_NLTK = (
    "NLTK walks through all contexts of the training text for every score, so the time of one grows with the text. At "
    "{tokens:,} tokens that makes about {seconds:.1f} s for a token, {hours:.0f} hours for {scored:,} of them, and "
    "about {gigabytes:.0f} GB."
)
_NOTES = (
    "With the same discount and `floor=False` the probabilities are NLTK's, but for n-grams that occur at the very "
    "beginning of the text alone: NLTK's do not sum to 1 after them, or it divides by zero.",
    "NLTK gives a word that was never seen the probability 0, and so any text that holds one an infinite perplexity. "
    "Here the single words are discounted too, and what is taken is spread evenly over the vocabulary.",
    "NLTK's default discount of 0.1 is far too small for counts of real text. The figure that stands beside the "
    "generator has three discounts for each order, estimated from the counts of counts of the training text alone "
    "(Chen and Goodman, 1999).",
    "Contexts reach over the ends of sentences, as the state of the neural model does; which is better was asked of "
    "the validation split. A row of the sample begins without a context in both.",
    "Perplexities count `<unk>` and `<eos>` as tokens, as everywhere in embedpipe.",
)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument("--out", type=Path, default=Path("docs/experiments"))
    arguments = parser.parse_args()
    theirs = [apart(nltk, arguments.bundles[0], n) for n in (20_000, 40_000, 80_000)]
    found: dict[str, Any] = {"nltk": theirs, "ours": {}, "across": {}}
    for bundle in arguments.bundles:
        models = {**ORDERS, **FIXED}
        found["ours"][bundle.name] = {
            name: apart(ours, bundle, "test", order, discount, True) for name, (order, discount) in models.items()
        }
        found["across"][bundle.name] = [apart(ours, bundle, "validation", 5, None, across) for across in (True, False)]
    versions = f"numpy {np.__version__}, Python {platform.python_version()}, {platform.machine()}"
    found["about"] = f"One process at a time, processor seconds; {versions}."
    write(arguments.out, found)


def write(out: Path, found: dict[str, Any]) -> None:
    """Write the figures and the page."""
    lines = ["# Kneser-Ney beside NLTK's", "", f"Written by `benchmarks/ngrams.py`. {found['about']}", ""]
    lines += ["## NLTK's KneserNeyInterpolated, order 5, discount 0.1", ""]
    rows = [
        [
            f"{one['tokens']:,}",
            f"{one['fit_s']:.1f}",
            f"{1000 * one['s_per_token']:.0f}",
            f"{one['s_per_token'] * SCORED / 3600:.1f}",
            f"{one['mb'] - one['mb_before']:.0f}",
            f"{one['largest_difference']:.0e}",
        ]
        for one in found["nltk"]
    ]
    head = [
        "tokens",
        "fit, s",
        "score, ms a token",
        f"hours for {SCORED:,}",
        "memory, MB",
        "largest difference from ours",
    ]
    lines += table(head, rows)
    last, full = found["nltk"][-1], next(iter(next(iter(found["ours"].values())).values()))["tokens"]
    times = full / last["tokens"]
    lines += [
        "",
        _NLTK.format(
            tokens=full,
            seconds=last["s_per_token"] * times,
            hours=last["s_per_token"] * times * SCORED / 3600,
            scored=SCORED,
            gigabytes=(last["mb"] - last["mb_before"]) * times / 1000,
        ),
        "",
    ]
    lines += ["The same in both, and what is not:", "", *(f"* {line}" for line in _NOTES)]
    for name, models in found["ours"].items():
        first = next(iter(models.values()))
        lines += ["", f"## Ours on `{name}`: {first['tokens']:,} tokens, {SCORED:,} scored", ""]
        rows = [
            [
                model,
                f"{one['perplexity']:.1f}",
                f"{one['fit_s']:.1f}",
                f"{one['score_s']:.1f}",
                f"{one['mb']:.0f} ({one['mb'] - one['mb_before']:.0f})",
            ]
            for model, one in models.items()
        ]
        lines += table(["order", "perplexity", "fit, s", "score, s", "memory, MB (of it for this)"], rows)
        across, within = found["across"][name]
        lines += [
            "",
            f"Contexts over the ends of sentences: {across['perplexity']:.2f} on the validation split; ending there: "
            f"{within['perplexity']:.2f}.",
        ]
    write_files(found, "\n".join(lines) + "\n", out / "ngrams.json", out / "ngrams.md")


if __name__ == "__main__":
    main()
