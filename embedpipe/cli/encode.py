"""The verb `encode`."""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import click

from embedpipe.cli.options import bundle_argument, encoding_option, named_path
from embedpipe.cli.output import render, say
from embedpipe.cli.progress import progress
from embedpipe.errors import ConfigError
from embedpipe.loading import Bundle, load
from embedpipe.runtime import resolve_device
from embedpipe.sentences.files import FileFormat, as_numbers, format_of, json_line, open_writer
from embedpipe.sentences.nested import truncate
from embedpipe.sentences.resume import NOTHING, Done, open_partial
from embedpipe.sentences.stream import Chunk, Encode, encode_lines, read_lines

if TYPE_CHECKING:
    from embedpipe.nn.frozen import FrozenPrecision
    from embedpipe.runtime import DeviceName

__all__ = ["command"]

_BINARY = ("npy", "parquet", "safetensors")


@click.command("encode")
@bundle_argument
@click.argument("file", default="-", type=named_path)
@click.option("-o", "--output", type=named_path, help="Where to write; - or nothing is stdout.")
@click.option(
    "--with",
    "with_",
    type=click.Choice(["sentences", "words", "untrained"]),
    default="sentences",
    show_default=True,
    help="The trained sentence encoder, the weighted average of word vectors, or a random encoder of the same size.",
)
@click.option("--dim", type=click.IntRange(min=1), help="Keep the first components alone, scaled to length 1.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "int8"]),
    default="fp32",
    show_default=True,
    help="Of the encoder's products: bf16 and int8 are faster, and give nearly the same vectors.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@encoding_option
@click.option("--resume", is_flag=True, help="Go on with the output where a killed run has left it.")
@click.option(
    "--format",
    "format_",
    type=click.Choice([*get_args(FileFormat), "table", "json", "csv"]),
    help="Default: by the ending of the output; jsonl on stdout.",
)
def command(
    bundle: Path,
    file: Path,
    output: Path | None,
    with_: str,
    dim: int | None,
    precision: str,
    device: "DeviceName",
    encoding: str | None,
    resume: bool,
    format_: str | None,
) -> None:
    """Encode FILE (or - for stdin; it may be compressed), one text a line, as one vector a line.

    A line without a known word gives a zero vector; how many did is said at the end.

    \b
    embedpipe encode wiki.bundle lines.txt -o vectors.npy
    echo "The cat sat." | embedpipe encode wiki.bundle --with words
    """
    to_stdout = output is None or str(output) == "-"
    if output is not None and not to_stdout:
        format_ = format_ or format_of(output)
        if format_ in ("table", "json", "csv"):
            raise click.UsageError(f"--format {format_} is for stdout; with -o use {', '.join(get_args(FileFormat))}")
    elif resume:
        raise click.UsageError("--resume goes on with a file: name it with -o")
    elif format_ in _BINARY and sys.stdout.isatty():
        raise click.UsageError(f"{format_} is binary and stdout is a terminal: name a file with -o")

    opened = load(bundle)
    encode, width, where = _encoder(opened, with_, cast("FrozenPrecision", precision), device, dim)
    lines, done = read_lines(file, encoding or "utf-8"), NOTHING
    with progress() as listener:
        if output is not None and not to_stdout:
            of = hashlib.sha256((opened.path / "manifest.json").read_bytes()).hexdigest()
            made_of: dict[str, str | int] = {
                "bundle": of,
                "with": with_,
                "precision": precision,
                "device": where,
                "dim": width,
                "format": str(format_),
            }
            with open_partial(output, cast("FileFormat", format_), width, made_of, resume=resume) as partial:
                done = partial.done
                for chunk in encode_lines(lines, encode, partial.done, listener):
                    partial.write(chunk.texts, chunk.vectors, chunk.done)
                    done = chunk.done
        elif format_ in _BINARY:
            with tempfile.TemporaryDirectory() as folder:
                whole = Path(folder) / "vectors"
                with open_writer(whole, cast("FileFormat", format_), width) as writer:
                    for chunk in encode_lines(lines, encode, listener=listener):
                        writer.write(chunk.texts, chunk.vectors)
                        done = chunk.done
                with open(whole, "rb") as written:
                    shutil.copyfileobj(written, sys.stdout.buffer)
        else:
            done = _to_terminal(encode_lines(lines, encode, listener=listener), format_ or "jsonl")
    say(_summary(done))


def _encoder(
    bundle: Bundle, with_: str, precision: "FrozenPrecision", device: "DeviceName", dim: int | None
) -> tuple[Encode, int, str]:
    """Return the function that encodes texts, the width of its vectors, and the device that it computes them on."""
    where = "cpu"
    if with_ == "words":
        if precision != "fp32":
            raise click.UsageError(f"--precision {precision} is for LSTMs; --with words has none")
        if device == "cuda":
            raise click.UsageError("--device cuda is for encoders; --with words is read on the processor")
        encode, width = bundle.bag_encoder.encode, bundle.bag_encoder.dim
    else:
        encoder = bundle.encoder if with_ == "sentences" else bundle.untrained_encoder
        # Only a processor computes in int8.
        where = resolve_device("cpu" if device == "auto" and precision == "int8" else device).type
        encoder = encoder if where == "cpu" else encoder.to("cuda")
        encoder = encoder if precision == "fp32" else encoder.at(precision)
        encode, width = encoder.encode, encoder.dim
    if dim is None or dim == width:
        return encode, width, where
    if dim > width:
        raise ConfigError(f"--dim {dim}: the vectors of this encoder have {width} components")
    _say_what_is_lost(bundle, with_, dim, width)
    return lambda texts: truncate(encode(texts), dim), dim, where


def _say_what_is_lost(bundle: Bundle, with_: str, dim: int, width: int) -> None:
    """Say so where the first `dim` of `width` numbers were not trained to be vectors of their own."""
    kept = f"--dim {dim}: the first {dim} of {width} numbers"
    if with_ == "words":
        say(f"{kept} of an average of word vectors, of which no number comes before another: the rest is lost")
        return
    from embedpipe.bundle.recorded import recorded_config

    nested = recorded_config(bundle.parts.file("config.toml", "text")).sentences.nested_dims
    if dim not in nested:
        trained = f"for the widths {', '.join(map(str, nested))}" if nested else "without sentences.nested_dims"
        say(f"{kept} of an encoder trained {trained}: the rest is lost (docs/sentences.md says how much that is)")


def _summary(done: Done) -> str:
    zero = done.empty + done.unknown
    why = f": {done.empty:,} empty, {done.unknown:,} without a known word" if zero else ""
    return f"{_counted(done.lines, 'line')} encoded, {_counted(zero, 'zero vector')}{why}"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _to_terminal(chunks: Iterator[Chunk], format_: str) -> Done:
    rows: list[dict[str, object]] = []
    done = NOTHING
    for chunk in chunks:
        done = chunk.done
        for text, vector in zip(chunk.texts, chunk.vectors, strict=True):
            if format_ == "jsonl":
                print(json_line(text, vector))
            elif format_ == "json":
                rows.append({"text": text, "vector": as_numbers(vector)})
            elif format_ == "csv":
                rows.append({"text": text, "vector": " ".join(f"{x:.9g}" for x in vector.tolist())})
            else:
                rows.append({"text": text[:60], "vector": " ".join(f"{x:+.3f}" for x in vector[:6].tolist()) + " …"})
    if format_ != "jsonl":
        render(rows, format_, ["text", "vector"])
    return done
