"""Any source of text, prepared by the rules of a bundle: so its probes can be made from another corpus."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from embedpipe.errors import BundleError
from embedpipe.runtime import Listener, silent
from embedpipe.text.continued import Base
from embedpipe.text.prepare import prepare
from embedpipe.text.sentences import SentenceSplitter

if TYPE_CHECKING:
    from embedpipe.config import TextConfig
    from embedpipe.text.codec import TextCodec
    from embedpipe.text.prepared import PreparedText

__all__ = ["prepare_source"]

_HELD_OUT = 0.25


def prepare_source(
    source: str,
    codec: "TextCodec",
    tokenizer_spec: Path,
    config: "TextConfig",
    out: Path,
    *,
    seed: int,
    listener: Listener = silent,
) -> "PreparedText":
    """Write the prepared text of `source` to the folder `out`, with the ids of a bundle.

    Half of the documents are held out, a quarter as test, a quarter as validation, so that a small corpus is enough.
    Topics and counts of bigrams come from the other half. No weight was trained on any of them, unless the bundle was
    made from the same text.

    Parameters
    ----------
    source : what `read_documents` takes.
    codec : of the bundle; no word is added to its vocabulary.
    tokenizer_spec : the bundle's file, which says how sentences end; those of imported vectors do not, and then the
        rules without learnt abbreviations are used.
    config : how the bundle's own text was read.
    out : created, or replaced whole where it holds a prepared text.
    seed : of the splits.
    listener : hears the progress.

    Raises
    ------
    InputError
        If the source cannot be read.
    NotEnoughDataError
        If it holds fewer than about a hundred sentences.
    """
    try:
        spec = json.loads(tokenizer_spec.read_text(encoding="utf-8"))
        splitter = SentenceSplitter.from_spec(spec["sentences"]) if "sentences" in spec else SentenceSplitter()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{tokenizer_spec}: does not say how sentences end: {error}") from error
    settings = config.model_copy(
        update={
            "continue_from": "",
            "grow_vocabulary": False,
            "phrases": "none",  # those of the bundle are in its tokenizer
            "validation_share": _HELD_OUT,
            "test_share": _HELD_OUT,
        }
    )
    base = Base(codec.tokenizer, splitter, codec.vocabulary)
    return prepare([source], settings, out, seed=seed, base=base, listener=listener)
