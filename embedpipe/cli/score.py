"""The verb `score`."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from itertools import chain, groupby
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from embedpipe.cli.options import bundle_argument, encoding_option, format_option, named_path
from embedpipe.cli.output import render, say
from embedpipe.cli.progress import progress
from embedpipe.errors import InputError
from embedpipe.loading import load
from embedpipe.runtime import StageStarted, Step
from embedpipe.sentences.stream import read_lines

if TYPE_CHECKING:
    from embedpipe.generation.score import Score, ScoredLine, TextScorer
    from embedpipe.runtime import Listener

__all__ = ["command"]

_SHOWN = 48
_ROWS_AT_ONCE = 2_048
_STDIN = "-"


@click.command("score")
@bundle_argument
@click.argument("files", metavar="[FILE...]", nargs=-1, type=named_path)
@click.option(
    "--by",
    type=click.Choice(["line", "document", "all"]),
    default="line",
    show_default=True,
    help="What is scored on its own: each line, each file, or all files as one text.",
)
@click.option("--tokens", "listed", is_flag=True, help="List every token with its probability and rank.")
@click.option("--cache", is_flag=True, help="Mix in a continuous cache: what was read lately is more probable.")
@click.option("--dynamic", is_flag=True, help="Dynamic evaluation: the weights follow the text while it is scored.")
@click.option(
    "--baseline/--no-baseline",
    default=True,
    show_default=True,
    help="Beside the generator a Kneser-Ney 5-gram model, counted on the training text in BUNDLE.work.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16"]),
    default="fp32",
    show_default=True,
    help="Of the output layer: bf16 is faster where the processor has it, and nearly the same.",
)
@encoding_option
@format_option
def command(
    bundle: Path,
    files: tuple[Path, ...],
    by: str,
    listed: bool,
    cache: bool,
    dynamic: bool,
    baseline: bool,
    precision: Literal["fp32", "bf16"],
    encoding: str | None,
    format_: str,
) -> None:
    """Say how probable the text in FILE is; - or no FILE is stdin. Files may be compressed.

    Text is read as the training text was: normalised, split into sentences, tokenised, each sentence closed by
    <eos>, which is predicted too. log_probability is in nats. perplexity is for each token, word_perplexity for each
    word between white space; bits_per_character counts line ends. An unknown word is scored as <unk>, so compare only
    within one vocabulary, and beside the share of unknown ones.

    With --by line each line stands alone; a line without a token has 0 tokens and no perplexity. With --by document
    and all, each line is read after those before it, in constant memory. --cache and --dynamic use settings found on
    the validation text in BUNDLE.work, which keeps them.

    \b
    embedpipe score wiki.bundle sentences.txt
    embedpipe score wiki.bundle book.txt --by document --cache
    echo "The cat sat on the mat." | embedpipe score wiki.bundle --tokens
    """
    if cache and dynamic:
        raise click.UsageError("--cache and --dynamic both follow the text; use one of them")
    if listed and precision != "fp32":
        raise click.UsageError("--tokens ranks every word, which takes all digits; leave --precision out")
    names = files or (Path(_STDIN),)
    if sum(str(name) == _STDIN for name in names) > 1:
        raise click.UsageError("standard input can be read once; name - once")
    read = partial(_read, encoding=encoding or "utf-8")
    opened = load(bundle)
    for name in names:
        if str(name) != _STDIN:
            any(text.strip() for text in read(name))  # what cannot be read is said before anything is counted or tuned

    from embedpipe.pipeline.scoring import open_scorer

    scorer = open_scorer(opened, cache=cache, dynamic=dynamic, baseline=baseline, precision=precision, say=say)
    total = _Total()
    with progress() as listener:
        lines = _scored_lines(scorer, names, read, by, listed=listed, listener=listener)
        rows = _token_rows(total.over(lines)) if listed else _rows(total.over(lines), by)
        _write(rows, format_, total, several=len(names) > 1 and by != "all", listed=listed)
    if scorer.left_out:
        say(f"dynamic evaluation left out {scorer.left_out:,} steps that were not finite; the rate is too high")
    unknown = total.score
    if unknown.n_unknown:
        say(
            f"{unknown.n_unknown:,} of {unknown.n_tokens:,} tokens ({unknown.unknown_share:.1%}) are unknown words, "
            "scored as <unk>; to spell them would be less probable"
        )


class _Place(NamedTuple):
    """Where a line stands: the name of the file, the number of the line from 1, and which of the given files it is."""

    file: str
    number: int
    nth_file: int


_Lines = Iterator[tuple[_Place, "ScoredLine"]]


class _Total:
    """The sum of the scores of all lines that have gone by."""

    def __init__(self) -> None:
        from embedpipe.generation.score import Score

        self.score = Score(0.0, 0, 0)
        self.n_lines = 0

    def over(self, lines: _Lines) -> _Lines:
        """Yield the lines as they are."""
        for place, scored in lines:
            self.score = self.score + scored.score if self.n_lines else scored.score
            self.n_lines += 1
            yield place, scored


def _scored_lines(
    scorer: "TextScorer",
    names: Sequence[Path],
    read: Callable[[Path], Iterator[str]],
    by: str,
    *,
    listed: bool,
    listener: "Listener",
) -> _Lines:
    """Yield the lines of the files with their places; a file without a token is an error."""
    places: deque[_Place] = deque()

    def texts(nth: int, name: Path) -> Iterator[str]:
        shown = "<stdin>" if str(name) == _STDIN else str(name)
        for number, text in enumerate(read(name), start=1):
            places.append(_Place(shown, number, nth))
            yield text

    started, files = False, [texts(nth, name) for nth, name in enumerate(names)]
    for number, scored in enumerate(_in_order(scorer, files, by, listed=listed), start=1):
        if number % _ROWS_AT_ONCE == 0:
            if not started:
                listener(StageStarted("score", unit="lines"))
                started = True
            listener(Step("score", number))
        yield places.popleft(), scored


def _in_order(scorer: "TextScorer", files: Sequence[Iterator[str]], by: str, *, listed: bool) -> "Iterator[ScoredLine]":
    if by == "all":
        yield from scorer.along(chain.from_iterable(files), listed=listed)
        return
    for file in files:
        yield from (scorer.lines if by == "line" else scorer.along)(file, listed=listed)


def _read(name: Path, *, encoding: str) -> Iterator[str]:
    """Yield the lines of a file or of stdin.

    Raises
    ------
    InputError
        If it cannot be read, is not text, or holds none.
    """
    shown, blank = "<stdin>" if str(name) == _STDIN else name, True
    for number, text in enumerate(read_lines(name, encoding), start=1):
        if "\0" in text:
            raise InputError("holds a NUL byte: this is not plain text; name a text file", shown, number)
        blank = blank and not text.strip()
        yield text
    if blank:
        raise InputError("holds no text; there is nothing to score", shown)


def _rows(lines: _Lines, by: str) -> Iterator[dict[str, object]]:
    if by == "line":
        for place, scored in lines:
            yield {"file": place.file, "line": place.number, **_figures(scored.score), "text": scored.text}
        return
    for (file, _), of_file in groupby(lines, key=lambda found: found[0][::2] if by == "document" else ("all", 0)):
        score = reduce(add, (scored.score for _, scored in of_file))
        yield {"file": file, "words": score.units.n_words, "characters": score.units.n_characters, **_figures(score)}


def _token_rows(lines: _Lines) -> Iterator[dict[str, object]]:
    for place, scored in lines:
        for token in scored.tokens:
            yield {
                "file": place.file,
                "line": place.number,
                "token": token.token,
                "log_probability": token.log_probability,
                "probability": math.exp(token.log_probability),
                "rank": token.rank,
                "known": token.known,
            }


def _figures(score: "Score") -> dict[str, object]:
    figures: dict[str, object] = {
        "tokens": score.n_tokens,
        "unknown_share": score.unknown_share,
        "log_probability": score.log_probability,
        "perplexity": score.perplexity,
        "word_perplexity": score.word_perplexity,
        "bits_per_character": score.bits_per_character,
    }
    return figures if score.baseline is None else figures | {"kneser_ney_perplexity": score.baseline_perplexity}


def _write(rows: Iterator[dict[str, object]], format_: str, total: _Total, *, several: bool, listed: bool) -> None:
    """Write the rows; JSON lines as they come, a table with a last row for all of them."""
    if format_ == "jsonl":
        for row in rows:
            render([row], format_)
    else:
        found = list(rows)
        columns = list(found[0]) if found else []
        if format_ == "table":
            columns = [name for name in columns if name != "file" or several or "line" not in columns]
            found = [_shown(row) for row in found]
            if len(found) > 1:
                found.append({columns[0]: "total", **_figures(total.score)})
        render(found, format_, columns)
    if format_ != "table" or listed:
        score = total.score
        perplexity = "no perplexity" if score.perplexity is None else f"perplexity {score.perplexity:,.3f}"
        say(f"total: {score.n_tokens:,} tokens, log-probability {score.log_probability:,.3f}, {perplexity}")


def _shown(row: dict[str, object]) -> dict[str, object]:
    """Return a row as a table shows it: long text cut off, and whether a token is known in words."""
    shown = dict(row)
    if "text" in row:
        text = str(row["text"])
        shown["text"] = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    if "known" in row:
        shown["known"] = "" if row["known"] else "<unk>"
        shown["probability"] = f"{row['probability']:.6f}"
    return shown
