"""``embedpipe generate``: continue a prompt, or write from nothing."""

import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.given import Verb, given_flags, refuse
from embedpipe.cli.options import bundle_argument, encoding_option, format_option, named_path
from embedpipe.cli.output import render, say
from embedpipe.cli.unknown import say_unknown, say_unknown_in
from embedpipe.errors import InputError

if TYPE_CHECKING:
    from embedpipe.generation.decoding.prompts import Prompt
    from embedpipe.generation.decoding.settings import Decoding
    from embedpipe.generation.generator import Continuations, Precision

__all__ = ["command"]

_SECTIONS = {
    "How the next word is drawn": ("temperature", "top_k", "top_p", "typical_p", "min_p", "seed"),
    "Searching in place of drawing": ("beam", "length_penalty"),
    "What a text may hold": (
        "max_tokens",
        "min_tokens",
        "sentences",
        "stop",
        "begin_with",
        "ban",
        "repetition_penalty",
        "no_repeat_ngram",
    ),
    "Prompts and output": ("n", "prompts", "encoding", "stream", "cache", "precision", "format_"),
}
_NUL = "holds a NUL byte: this is not plain text; give text as the prompt"
_DRAWN = ("top_k", "top_p", "typical_p", "min_p", "seed")


class _InSections(Verb):
    """Its help shows the options by what they are for."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {option.name: option.get_help_record(ctx) for option in options}
        named = {name for names in _SECTIONS.values() for name in names}
        sections = {**_SECTIONS, "Other": tuple(name for name in records if name not in named)}
        for title, names in sections.items():
            lines = [record for name in names if (record := records[name]) is not None]
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)


@click.command("generate", cls=_InSections)
@bundle_argument
@click.argument("prompt", default="")
@click.option(
    "-n",
    "n",
    type=click.IntRange(1, 100_000),
    help="How many texts for each prompt.  [default: 3; 1 where nothing is drawn]",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1, 100_000),
    default=40,
    show_default=True,
    help="New words after which a text ends, if it has not ended before.",
)
@click.option(
    "--min-tokens", type=click.IntRange(1), default=1, show_default=True, help="No sentence ends before so many."
)
@click.option("--sentences", type=click.IntRange(1), default=1, show_default=True, help="How many are written.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, 100),
    default=0.8,
    show_default=True,
    help="0 always takes the most probable word; above 1 is wilder than the training text.",
)
@click.option(
    "--top-k",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Draw from the K most probable words only; 0, or more than there are: from all.",
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    help="Draw from the most probable words that together reach this probability only.  [default: 0.95; 1 with "
    "--typical-p or --min-p]",
)
@click.option(
    "--typical-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Draw from the words nearest to the expected information that together reach this probability only.",
)
@click.option(
    "--min-p",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Draw from words at least so many times as probable as the most probable one only.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Same seed, same texts.  [default: a new one]")
@click.option(
    "--beam",
    type=click.IntRange(1, 1_000),
    metavar="WIDTH",
    help="Search for the most probable text, with so many followed at a time; nothing is drawn.",
)
@click.option(
    "--length-penalty",
    type=click.FloatRange(0, 10),
    help="Of --beam: 0 ranks by probability and favours short texts, 1 about by the mean of a word.  [default: 0.6]",
)
@click.option(
    "--repetition-penalty",
    type=click.FloatRange(0.01, 100),
    default=1.0,
    show_default=True,
    help="Above 1, words that stand there already become less probable.",
)
@click.option(
    "--no-repeat-ngram",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    show_default=True,
    help="Never write the same N words in a row twice; 0: may be.",
)
@click.option(
    "--stop",
    multiple=True,
    metavar="TEXT",
    help="End before this text, even before --min-tokens; its tokens count as written. May be given several times.",
)
@click.option(
    "--begin-with", default="", metavar="TEXT", help="Begin what is written with this; its last word may be unfinished."
)
@click.option("--ban", multiple=True, metavar="WORDS", help="Never write these words. May be given several times.")
@click.option(
    "--prompts",
    type=named_path,
    metavar="FILE",
    help="Continue each line of a file, or of stdin (-), side by side.",
)
@encoding_option
@click.option("--stream", is_flag=True, help="Print one text word by word as it is written.")
@click.option(
    "--cache",
    is_flag=True,
    help="Mix in a continuous cache: what stands in the prompt, or was written, is more probable.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="Of the output layer: bf16 is about twice as fast where the processor has it, and a seed gives other texts "
    "than in fp32; auto draws in bf16 there, and searches in fp32.",
)
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    bundle: Path,
    prompt: str,
    n: int | None,
    max_tokens: int,
    min_tokens: int,
    sentences: int,
    temperature: float,
    top_k: int,
    top_p: float | None,
    typical_p: float,
    min_p: float,
    seed: int | None,
    beam: int | None,
    length_penalty: float | None,
    repetition_penalty: float,
    no_repeat_ngram: int,
    stop: tuple[str, ...],
    begin_with: str,
    ban: tuple[str, ...],
    prompts: Path | None,
    encoding: str | None,
    stream: bool,
    cache: bool,
    precision: "Precision",
    format_: str,
) -> None:
    """Continue PROMPT to the end of a sentence, or write a sentence from nothing.

    A PROMPT of - is read from stdin. In the other formats each row also holds the natural logarithm of its probability,
    why it ended, and the seed that repeats it. --cache uses settings found on the validation text in BUNDLE.work, as
    embedpipe score does, and remembers each text alone.

    \b
    embedpipe generate wiki.bundle "the war began" --seed 7
    embedpipe generate wiki.bundle "the war began" --beam 4 --no-repeat-ngram 3
    embedpipe generate wiki.bundle --begin-with "the phys" --stream
    """
    from embedpipe.generation.decoding.settings import Beam, Decoding, Limits

    decoding = Decoding(temperature, top_k, top_p, typical_p, min_p, repetition_penalty, no_repeat_ngram)
    _refuse_contradictions(ctx, decoding)
    n = n or (1 if stream or beam or decoding.is_greedy else 3)
    limits = Limits(max_tokens, min_tokens, sentences, stop, begin_with, ban)
    search = None
    if beam is not None:
        penalty = Beam().length_penalty if length_penalty is None else length_penalty
        search = Beam(beam, penalty, repetition_penalty, no_repeat_ngram)
    asked = _asked(prompt, prompts, encoding or "utf-8")

    from embedpipe.loading import load

    opened = load(bundle)
    generator = opened.generator
    if cache:
        from embedpipe.generation.generator import TextGenerator
        from embedpipe.pipeline.scoring import open_memory

        memory = open_memory(opened, say=say)
        generator = TextGenerator(generator.codec, generator.model, new_memory=memory)
    if precision != generator.precision:
        generator = generator.in_precision(precision)
    seed = secrets.randbits(32) if seed is None else seed
    _say_unread([generator.read(one) for one in asked])
    say_unknown_in(generator.codec, ban, "banned words", "; they, and runs of words that hold one, are never written")
    if stream:
        _stream(generator.stream(asked[0], decoding, limits, seed=seed))
    elif search is not None:
        _show(asked, ([generator.beam(one, search, limits, n=n)] for one in asked), format_, None)
    else:
        scored = format_ != "table"
        parts = generator.generate_in_parts(asked, decoding, limits, n=n, seed=seed, scored=scored)
        _show(asked, parts, format_, seed)


def _refuse_contradictions(ctx: click.Context, decoding: "Decoding") -> None:
    """Raise a usage error where one option leaves another without meaning."""
    refuse(ctx, "beam", ("temperature", *_DRAWN), "a search draws nothing; leave one of them out")
    refuse(ctx, "stream", ("beam",), "a search knows its text only at its end")
    refuse(ctx, "stream", ("prompts", "format_"), "one text is printed as it is written")
    refuse(ctx, "prompts", ("prompt",), "prompts are read from the file")
    params = ctx.params
    n = params["n"] or 1
    at = f"{decoding.temperature:g}"
    if decoding.takes_best:
        refuse(ctx, "temperature", _DRAWN, f"at {at} the most probable word is taken and nothing drawn; leave one out")
    if "length_penalty" in given_flags(ctx) and params["beam"] is None:
        raise click.UsageError("--length-penalty ranks what a search finds: give --beam too")
    if params["stream"] and n > 1:
        raise click.UsageError("--stream prints one text: leave -n out")
    if params["beam"] and n > params["beam"]:
        raise click.UsageError(f"-n {n} texts need a --beam at least as wide, not {params['beam']}")
    if decoding.is_greedy and params["beam"] is None and n > 1:
        option = f"--temperature {at}" if decoding.takes_best else "--top-k 1"
        raise click.UsageError(f"with {option} all {n} texts would be the same: leave -n out, or search with --beam")


def _stream(pieces: Iterable[str]) -> None:
    try:
        for piece in pieces:
            click.echo(piece, nl=False)
            sys.stdout.flush()
    finally:
        click.echo()


def _say_unread(prompts: "Sequence[Prompt]") -> None:
    """Write to stderr what of the prompts is not read or is not known."""
    unread, unknown, tokens = (
        sum(getattr(prompt, name) for prompt in prompts) for name in ("n_unread", "n_unknown", "n_tokens")
    )
    if unread:
        read = tokens - unread
        say(
            f"only the last {read:,} tokens of the prompt were read"
            if len(prompts) == 1
            else f"{unread:,} tokens at the beginning of long prompts were not read"
        )
    dark = sum(prompt.n_unknown == prompt.n_tokens > 0 for prompt in prompts)
    of = "the prompt" if len(prompts) == 1 else f"{dark:,} of {len(prompts):,} prompts"
    say_unknown(unknown, tokens, "prompt tokens", f"; nothing of {of} is known" if dark else "")


def _show(prompts: Sequence[str], parts: "Iterable[Sequence[Continuations]]", format_: str, seed: int | None) -> None:
    """Write texts to stdout, each part as soon as it is there; only a JSON list is written when it is whole."""
    rows: list[dict[str, object]] = []
    written, waiting = 0, iter(prompts)
    for part in parts:
        for result in part:
            rows += _rows(next(waiting), result, seed)
        if format_ != "json":
            _write(rows, format_, header=not written)
            written, rows = written + len(rows), []
    if format_ == "json":
        _write(rows, format_, header=True)


def _rows(prompt: str, result: "Continuations", seed: int | None) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for i, text in enumerate(result.texts):
        row: dict[str, object] = {"prompt": prompt, "text": text, "tokens": result.n_tokens[i]}
        if result.log_probabilities:
            row["log_probability"] = result.log_probabilities[i]
        row["ended"] = result.ended[i]
        rows.append(row | ({"seed": seed} if seed is not None else {"score": result.scores[i]}))
    return rows


def _write(rows: Sequence[dict[str, object]], format_: str, *, header: bool) -> None:
    if format_ == "table":
        for row in rows:
            click.echo(row["text"])
    else:
        render(rows, format_, header=header)
        sys.stdout.flush()


def _asked(prompt: str, file: Path | None, encoding: str) -> list[str]:
    """Return the prompt, read from stdin where it is ``-``, or those of a file, one a line, which may be empty."""
    if file is None:
        return [prompt if prompt != "-" else "\n".join(_read(Path("-"), encoding)).strip()]
    lines = [line.strip() for line in _read(file, encoding)]
    if lines in ([], [""]):
        raise InputError("holds no prompt; give one on each line", _shown(file))
    return lines


def _read(file: Path, encoding: str) -> Iterator[str]:
    from embedpipe.sentences.stream import read_lines

    for number, line in enumerate(read_lines(file, encoding), start=1):
        if "\0" in line:
            raise InputError(_NUL, _shown(file), number)
        yield line


def _shown(file: Path) -> str:
    return "<stdin>" if str(file) == "-" else str(file)
