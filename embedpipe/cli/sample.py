"""``embedpipe sample``: sentences from the generative model of a bundle."""

import math
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.given import Verb, given_flags, refuse
from embedpipe.cli.options import bundle_argument, format_option, named_path
from embedpipe.cli.output import render, say
from embedpipe.cli.unknown import say_unknown_in

if TYPE_CHECKING:
    from embedpipe.generation.decoding.settings import Decoding

__all__ = ["command"]

_FAR = 6.0
"""Points of the prior lie so much beyond the root of their dimension with a probability below 2e-8."""


@click.command("sample", cls=Verb)
@bundle_argument
@click.option("-n", "n", type=click.IntRange(1, 100_000), default=5, show_default=True, help="How many sentences.")
@click.option("--like", metavar="TEXT", help="Draw z near this text and not from everywhere.")
@click.option(
    "--spread",
    type=click.FloatRange(0, 10),
    default=1.0,
    show_default=True,
    help="Factor on how far z is drawn from its mean; 0 is the mean.",
)
@click.option("--reconstruct", "texts", metavar="TEXT", multiple=True, help="Write TEXT again from its z; repeatable.")
@click.option("--attribute", metavar="FILE", type=named_path, help="Rows of 'label text', to learn an attribute from.")
@click.option("--toward", metavar="LABEL", help="The label of FILE that z is moved to, away from the others.")
@click.option(
    "--strength",
    type=click.FloatRange(-100, 100),
    default=1.0,
    show_default=True,
    help="How far, in units of the difference.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 100),
    help="Of the words given z; 0 takes the most probable.  [default: 0.5, with --reconstruct 0]",
)
@click.option("--beam", type=click.IntRange(1, 1000), help="Search for the most probable sentence, so many at a time.")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), default=0.95, show_default=True)
@click.option(
    "--no-repeat-ngram",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Write no run of so many words twice; 0 allows all.",
)
@click.option("--max-tokens", type=click.IntRange(1, 100_000), default=60, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Same seed, same sentences.  [default: a new one]")
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    bundle: Path,
    n: int,
    like: str | None,
    spread: float,
    texts: tuple[str, ...],
    attribute: Path | None,
    toward: str | None,
    strength: float,
    temperature: float | None,
    beam: int | None,
    top_p: float,
    no_repeat_ngram: int,
    max_tokens: int,
    seed: int | None,
    format_: str,
) -> None:
    """Write sentences with the generative model that embedpipe train latent has put into BUNDLE.

    Each sentence has a z of its own, drawn from the prior or near a text. A text may be written again from its z, and
    z be moved toward an attribute that is learnt from labelled texts.

    \b
    embedpipe sample wiki.bundle -n 5 --seed 7
    embedpipe sample wiki.bundle --like "the war began in 1914 ."
    embedpipe sample wiki.bundle --reconstruct "it was a film ." --attribute tense.tsv --toward past
    """
    from embedpipe.generation.decoding.settings import Beam, Decoding, Limits
    from embedpipe.loading import load

    temperature = (0.0 if texts else 0.5) if temperature is None else temperature
    drawn = Decoding(temperature, top_p=top_p, no_repeat_ngram=no_repeat_ngram)
    _refuse_contradictions(ctx, drawn)
    seed = secrets.randbits(32) if seed is None else seed
    latent = load(bundle).latent

    import numpy as np

    from embedpipe.generation.vae.attributes import direction
    from embedpipe.tasks.files import read_task

    choice: Decoding | Beam = drawn if beam is None else Beam(beam, no_repeat_ngram=no_repeat_ngram)
    limits = Limits(max_tokens=max_tokens)
    shift = np.zeros(latent.dim, dtype=np.float32)
    if attribute is not None and toward is not None:
        vector, n_texts = direction(latent, read_task(attribute), toward)
        say(
            f"moved toward '{toward}' by {strength:g} times a difference of length {np.linalg.norm(vector):.2f}, "
            f"learnt from {n_texts:,} texts"
        )
        shift = np.float32(strength) * vector
    points = latent.encode(texts) if texts else latent.draw(n, like=like, spread=spread, seed=seed)
    say_unknown_in(latent.codec, texts or [like or ""], "words", "; each is read as <unk>")
    farthest = float(np.linalg.norm(points + shift, axis=1).max())
    if farthest > math.sqrt(latent.dim) + _FAR:
        say(
            f"z lies up to {farthest:,.0f} from the middle, where the model was trained on about "
            f"{math.sqrt(latent.dim):.0f}: what is written there means little"
        )
    written = latent.decode(points + shift, choice, limits, seed=seed)
    if not texts:
        if format_ == "table":
            for text in written:
                click.echo(text)
        else:
            render([{"text": text, "like": like, "seed": seed} for text in written], format_)
        return
    rows: list[dict[str, object]] = [{"text": text} for text in texts]
    if attribute is not None:
        again = latent.decode(points, choice, limits, seed=seed)
        for row, text in zip(rows, again, strict=True):
            row["written_again"] = text
    for row, text in zip(rows, written, strict=True):
        row["written_again" if attribute is None else "moved"] = text
    render(rows, format_)


def _refuse_contradictions(ctx: click.Context, drawn: "Decoding") -> None:
    """Raise a usage error where one option leaves another without meaning."""
    refuse(ctx, "texts", ("n", "like", "spread"), "a text is written again from its own z, and none is drawn")
    refuse(ctx, "beam", ("temperature", "top_p"), "a search draws no words; leave one of them out")
    given = given_flags(ctx)
    if ("attribute" in given) != ("toward" in given):
        raise click.UsageError("--attribute FILE and --toward LABEL go together")
    if "strength" in given and "attribute" not in given:
        raise click.UsageError("--strength says how far z is moved toward an attribute: give --attribute and --toward")
    if not math.isfinite(ctx.params["strength"]):
        raise click.UsageError("--strength is a number from -100 to 100")
    if "top_p" in given and drawn.takes_best:
        raise click.UsageError(
            f"--top-p cuts what words are drawn from, and at temperature {drawn.temperature:g} none is: give "
            "--temperature"
        )
