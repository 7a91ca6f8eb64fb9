"""``embedpipe interpolate``: the sentences on the way from one to another."""

from pathlib import Path

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render, say
from embedpipe.cli.unknown import say_unknown_in

__all__ = ["command"]


@click.command("interpolate")
@bundle_argument
@click.argument("a")
@click.argument("b")
@click.option(
    "--steps", type=click.IntRange(2, 100_000), default=7, show_default=True, help="Sentences, both ends included."
)
@click.option(
    "--linear",
    is_flag=True,
    help="Go along the straight line, which passes nearer to the origin, in place of the arc between the two.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 100),
    default=0.0,
    show_default=True,
    help="Of the words given z; 0 takes the most probable.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@format_option
def command(
    bundle: Path, a: str, b: str, steps: int, linear: bool, temperature: float, seed: int, format_: str
) -> None:
    """Write the sentences that lie between A and B in the z of the generative model of BUNDLE.

    The first and the last are A and B as the model writes them again from their z.

    \b
    embedpipe interpolate wiki.bundle "the war began in 1914 ." "she plays the piano ." --steps 5
    """
    from embedpipe.loading import load

    latent = load(bundle).latent

    from embedpipe.generation.decoding.settings import Decoding
    from embedpipe.generation.vae.latent import WayKind

    path: WayKind = "linear" if linear else "spherical"
    choice = Decoding(temperature=temperature, no_repeat_ngram=2)
    written = latent.interpolate(a, b, steps, path, choice, seed=seed)
    say_unknown_in(latent.codec, [a, b], "words", "; each is read as <unk>")
    say(f"{steps} points on a {path} way; the first and the last are the two texts as they are written again")
    if format_ == "table":
        for text in written:
            click.echo(text)
        return
    render(
        [{"share": round(i / (steps - 1), 4), "text": text, "path": path} for i, text in enumerate(written)], format_
    )
