"""``embedpipe generate``: continue a prompt, or write from nothing."""

import secrets
from pathlib import Path

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render, say

__all__ = ["command"]


@click.command("generate")
@bundle_argument
@click.argument("prompt", default="")
@click.option("-n", "n", type=click.IntRange(1, 100_000), default=3, show_default=True, help="How many texts.")
@click.option(
    "--max-tokens",
    type=click.IntRange(1, 100_000),
    default=40,
    show_default=True,
    help="New tokens after which a text ends, if no sentence has ended before.",
)
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
    help="Draw from the K most probable words only; 0: from all.",
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.95,
    show_default=True,
    help="Draw from the most probable words that together reach this probability only.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Same seed, same texts.  [default: a new one]")
@format_option
def command(
    bundle: Path,
    prompt: str,
    n: int,
    max_tokens: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int | None,
    format_: str,
) -> None:
    """Continue PROMPT to the end of a sentence, or write a sentence from nothing.

    A PROMPT of - is read from stdin. In the other formats each row also holds the seed that repeats it.

    \b
    embedpipe generate wiki.bundle "the war began" --seed 7
    """
    from embedpipe.errors import InputError
    from embedpipe.loading import load
    from embedpipe.text.read_bytes import stdin_bytes

    if prompt == "-":
        try:
            prompt = stdin_bytes().read().decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise InputError(f"not UTF-8 at byte {error.start + 1:,}; convert the prompt first", "<stdin>") from error
    seed = secrets.randbits(32) if seed is None else seed
    generator = load(bundle).generator

    from embedpipe.generation.decoding import Decoding

    result = generator.continuations(prompt, Decoding(temperature, top_k, top_p), n=n, max_tokens=max_tokens, seed=seed)
    if result.n_unread:
        say(f"only the last {result.n_prompt_tokens - result.n_unread:,} tokens of the prompt were read")
    if result.n_unknown:
        say(f"{result.n_unknown:,} of {result.n_prompt_tokens:,} prompt tokens are not in the vocabulary")
    if format_ == "table":
        for text in result.texts:
            click.echo(text)
        return
    render(
        [
            {"prompt": prompt, "text": text, "tokens": tokens, "seed": seed}
            for text, tokens in zip(result.texts, result.n_tokens, strict=True)
        ],
        format_,
    )
