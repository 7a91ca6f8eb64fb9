"""The verb ``run``: the main job."""

import shlex
import sys
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import given_settings, named_path, source_encoding_options
from embedpipe.cli.output import say
from embedpipe.cli.plots import plots_option, plotted
from embedpipe.cli.progress import progress

if TYPE_CHECKING:
    from embedpipe.config import PresetName
    from embedpipe.runtime import DeviceName

__all__ = ["command"]


@click.command("run")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="BUNDLE", required=True, type=named_path, help="Folder to write.")
@click.option(
    "--preset",
    type=click.Choice(["auto", "tiny", "small", "medium", "base", "article"]),
    help="Size of the models; auto chooses by the size of the corpus, article is a small known network. "
    "[default: that of FILE, else auto]",
)
@click.option("--config", "config_file", metavar="FILE", type=named_path, help="Settings as TOML.")
@click.option("--set", "assignments", metavar="SECTION.KEY=VALUE", multiple=True, help="One setting; repeatable.")
@click.option("--stages", metavar="LIST", default="text,words,sentences,generation,probes", show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of every random choice. [default: 1]")
@click.option(
    "--continue",
    "continue_from",
    metavar="BUNDLE",
    type=named_path,
    help="Go on from the words of this bundle, with its tokenizer and ids, on the text of SOURCE.",
)
@click.option("--vectors", metavar="FILE", type=named_path, help="Start from word vectors of another program.")
@click.option(
    "--runs", type=click.IntRange(1, 100), help="Train words so many times and publish the mean. [default: 1]"
)
@click.option("--reproducible", is_flag=True, default=None, help="Byte-identical weights; one Word2Vec worker, slower.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@source_encoding_options
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on with an interrupted training from its checkpoint, or discard it and begin the stage anew.",
)
@plots_option
@click.option("--download", is_flag=True, help="Allow sources to be fetched from the network.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace a bundle made from other inputs or settings; the generative model of `train latent` is left out.",
)
def command(
    sources: tuple[str, ...],
    output: Path,
    preset: "PresetName | None",
    config_file: Path | None,
    assignments: tuple[str, ...],
    stages: str,
    seed: int | None,
    continue_from: Path | None,
    vectors: Path | None,
    runs: int | None,
    reproducible: bool | None,
    device: "DeviceName",
    encoding: str | None,
    encoding_errors: str | None,
    resume: bool,
    plots: Path | None,
    download: bool,
    force: bool,
) -> None:
    """Raw text in, a verified bundle out: words, sentence encoder, text generator, probes.

    \b
    SOURCE is a file (.txt .jsonl#field .csv#column .tsv#column .parquet#column .html, a MediaWiki .xml;
    each also .gz .bz2 .xz .zst), a directory, a glob, - for stdin, builtin:NAME, nltk:NAME,
    gensim:NAME or hf:NAME#field. Nothing is fetched from the network without --download.

    \b
    embedpipe run builtin:wikipedia -o wiki.bundle
    embedpipe run 'cases/*.txt' notes.jsonl#body -o law.bundle --preset small --seed 3
    embedpipe run builtin:wikipedia -o steady.bundle --stages text,words,probes --runs 3
    embedpipe run 2026/*.txt -o law-2026.bundle --continue law.bundle

    What is finished is kept in BUNDLE.work: after an interrupt, or with other settings for a later stage,
    the same command goes on from there, in the middle of a training too. The folder may be deleted.
    """
    from embedpipe.pipeline import run
    from embedpipe.pipeline.together import assist, first_of_several
    from embedpipe.settings import load_config

    chosen = {
        "text.encoding": encoding,
        "text.encoding_errors": encoding_errors,
        "text.continue_from": continue_from and str(continue_from),
        "words.vectors": vectors and str(vectors),
        "words.runs": runs,
    }
    settings = load_config(config_file, [*assignments, *given_settings(chosen)])
    with first_of_several(device) as works:
        if not works:
            assist()
            return
        with progress() as shown, plotted(plots, shown) as listener:
            bundle = run(
                sources,
                output,
                preset=preset,
                settings=settings,
                stages=[stage.strip() for stage in stages.split(",") if stage.strip()],
                seed=seed,
                reproducible=reproducible,
                device=device,
                force=force,
                resume=resume,
                download=download,
                listener=listener,
                command=shlex.join(["embedpipe", *sys.argv[1:]]),
            )
    say(f"ask it: {_queries(shlex.quote(str(output)), bundle.manifest.stages)}")


def _queries(output: str, stages: Container[str]) -> str:
    """Return the queries that a bundle with these stages can answer."""
    asked = {"words": f"embedpipe similar {output} WORD", "generation": f"embedpipe generate {output}"}
    return "   ".join([f"embedpipe info {output}", *(query for stage, query in asked.items() if stage in stages)])
