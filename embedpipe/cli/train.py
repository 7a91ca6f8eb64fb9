"""The verb ``train``: going on with the training of a part of a bundle."""

import shlex
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from embedpipe.cli.options import bundle_argument, named_path
from embedpipe.cli.output import say
from embedpipe.cli.plots import plots_option, plotted
from embedpipe.cli.progress import progress

if TYPE_CHECKING:
    from embedpipe.runtime import DeviceName

__all__ = ["command"]

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group("train")
def command() -> None:
    """Go on training a part of a bundle, in place: BUNDLE itself is changed, unless -o names another.

    \b
    embedpipe train sentences wiki.bundle --pairs paraphrases.tsv
    embedpipe train latent wiki.bundle
    """


def _training_options(section: str) -> Callable[[Function], Function]:
    """Return a decorator that adds the options of all trainings, their settings in `section` of the configuration."""
    options = [
        click.option(
            "-o",
            "--output",
            metavar="NEW",
            type=named_path,
            help="Write another bundle, and leave BUNDLE as it is. Without it BUNDLE itself is changed.",
        ),
        click.option(
            "--set", "assignments", metavar=f"{section}.KEY=VALUE", multiple=True, help="One setting; repeatable."
        ),
        click.option("--steps", type=click.IntRange(min=0), help=f"Short for --set {section}.steps=N."),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
        click.option(
            "--resume/--no-resume",
            default=True,
            show_default=True,
            help="Go on with an interrupted training from its checkpoint, or discard it and begin anew.",
        ),
        plots_option,
        click.option("--force", is_flag=True, help="Replace a bundle at NEW, or files in BUNDLE that are not of it."),
    ]
    return lambda function: reduce(lambda made, option: option(made), reversed(options), function)


@command.command("sentences")
@bundle_argument
@click.option(
    "--pairs",
    metavar="FILE",
    multiple=True,
    help="Texts that mean the same: 'text_a text_b [negative]', columns 'text text ...', or a quoted pattern of files "
    "whose lines belong together. Repeatable, as the next two are.",
)
@click.option("--nli", "--inference", "inference", metavar="FILE", multiple=True, help="'label text_a text_b'.")
@click.option("--scores", metavar="FILE", multiple=True, help="'score text_a text_b': how alike people find them.")
@_training_options("sentences")
def sentences(
    bundle: Path,
    pairs: tuple[str, ...],
    inference: tuple[str, ...],
    scores: tuple[str, ...],
    output: Path | None,
    assignments: tuple[str, ...],
    steps: int | None,
    device: "DeviceName",
    resume: bool,
    plots: Path | None,
    force: bool,
) -> None:
    """Go on training the sentence encoder of BUNDLE on labelled data.

    Files are tab-separated under a header that says what they hold. Where the text of the bundle lies in BUNDLE.work,
    its label-free objectives go on too (weights sentences.neighbours, twins, crops, language_model, denoising), and
    what the probes measured is measured again. Settings are those that the bundle was made with unless they are set.

    Without -o, BUNDLE is changed in place: it stays as it was until all is done, and then has the new encoder; its
    words and generator stay as they are. After an interrupt the same command goes on from the last checkpoint.

    \b
    embedpipe train sentences wiki.bundle --pairs paraphrases.tsv --nli entailment.tsv -o better.bundle
    embedpipe train sentences wiki.bundle --scores judged.tsv --steps 300 --set sentences.neighbours=0
    """
    from embedpipe.pipeline.train_sentences import train_sentences
    from embedpipe.settings import load_config

    short = [] if steps is None else [f"sentences.steps={steps}"]
    settings = load_config(None, [*assignments, *short])
    with progress() as shown, plotted(plots, shown) as listener:
        train_sentences(
            bundle,
            pairs=pairs,
            inference=inference,
            scores=scores,
            output=output,
            settings=settings,
            device=device,
            resume=resume,
            force=force,
            listener=listener,
        )
    where = shlex.quote(str(output or bundle))
    say(f"ask it: embedpipe info {where}   embedpipe encode {where} FILE")


@command.command("latent")
@bundle_argument
@_training_options("latent")
def latent(
    bundle: Path,
    output: Path | None,
    assignments: tuple[str, ...],
    steps: int | None,
    device: "DeviceName",
    resume: bool,
    plots: Path | None,
    force: bool,
) -> None:
    """Train a generative model of the sentences of BUNDLE: a text from z, and z from a text.

    It begins as the generator and the encoder of the bundle and is trained on the text in BUNDLE.work. How probable
    held-out sentences are to it stands beside what the generator gives them, with what z holds: KL divergence, mutual
    information, active components. If z holds nothing, that is said.

    Without -o, BUNDLE is extended in place: it stays as it was until all is done, and then holds the model beside its
    other parts; `embedpipe run --force` takes it out again. A bundle without a generator is refused: `embedpipe run`
    makes one, in the stage generation. After an interrupt the same command goes on from the last checkpoint.

    \b
    embedpipe train latent wiki.bundle
    embedpipe train latent wiki.bundle -o other.bundle --steps 6000 --set latent.dim=64
    """
    from embedpipe.pipeline.train_latent import train_latent
    from embedpipe.settings import load_config

    short = [] if steps is None else [f"latent.steps={steps}"]
    settings = load_config(None, [*assignments, *short])
    with progress() as shown, plotted(plots, shown) as listener:
        train_latent(
            bundle, output=output, settings=settings, device=device, resume=resume, force=force, listener=listener
        )
    where = shlex.quote(str(output or bundle))
    say(f"ask it: embedpipe sample {where}   embedpipe interpolate {where} TEXT TEXT")
