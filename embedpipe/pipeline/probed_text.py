"""The text that probes read: beside the bundle, in a folder, or any source."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from embedpipe.bundle.recorded import recorded_config
from embedpipe.errors import BundleError, InputError
from embedpipe.loading import Bundle
from embedpipe.pipeline.work import WorkFolder
from embedpipe.runtime import Listener, silent
from embedpipe.tasks.builtin import MADE_TASKS
from embedpipe.text.prepared import PreparedText

__all__ = ["prepared_text", "probed_text"]


@contextmanager
def probed_text(
    bundle: Bundle, corpus: str | Path | None, asked: Sequence[str], *, listener: Listener = silent
) -> Iterator[PreparedText | None]:
    """Open the text that the tasks `asked` are made of; None where none of them needs it, or there is none.

    Parameters
    ----------
    bundle : whose tokens are taken.
    corpus : a folder of prepared text, or any source that `run` takes, which is prepared in a temporary folder; None
        for the text beside the bundle.
    asked : names of tasks.
    listener : is called with progress events.

    Raises
    ------
    InputError
        If `corpus` was prepared for another bundle, or cannot be read.
    """
    if not set(asked) & set(MADE_TASKS):
        yield None
    elif corpus is None or (Path(corpus) / "report.json").is_file():
        yield prepared_text(bundle, None if corpus is None else Path(corpus))
    else:
        from embedpipe.probes.linguistic.source import prepare_source

        config = recorded_config(bundle.parts.file("config.toml", "text")).text
        spec = bundle.parts.file("tokenizer_spec.json", "text")
        seed = bundle.manifest.seed
        with TemporaryDirectory(prefix="embedpipe-") as folder:
            out = Path(folder) / "text"
            yield prepare_source(str(corpus), bundle.codec, spec, config, out, seed=seed, listener=listener)


def prepared_text(bundle: Bundle, corpus: Path | None = None) -> PreparedText | None:
    """Open the prepared text and make sure that it is the one that the bundle was made from.

    Parameters
    ----------
    bundle : whose text it is.
    corpus : its folder; None for the one beside the bundle, and then the result may be None.

    Raises
    ------
    InputError
        If `corpus` was prepared for another bundle.
    """
    folder = corpus or WorkFolder(bundle.path.resolve()).stage("text")
    if corpus is None and not folder.is_dir():
        return None
    try:
        text = PreparedText(folder)
        same = text.vocabulary.tokens == bundle.vocabulary.tokens
    except BundleError:
        if corpus is not None:
            raise
        return None
    if not same and corpus is not None:
        raise InputError("this text was prepared for another bundle: its vocabulary differs; give its source", folder)
    return text if same else None
