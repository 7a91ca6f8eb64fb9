"""A bundle as a probe sees it."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from embedpipe.probes.baselines import Encoder, Subject
from embedpipe.words.bag import BagEncoder, plain_average

if TYPE_CHECKING:
    from embedpipe.sentences.encoder import SentenceEncoder
    from embedpipe.text.codec import TextCodec
    from embedpipe.words.bag import Bag
    from embedpipe.words.lookup import Lookup
    from embedpipe.words.table import WordVectors

__all__ = ["BundleLike", "subject_of"]


class _Files(Protocol):
    def __contains__(self, name: str) -> bool: ...

    def file(self, name: str, part: str) -> Path: ...


class BundleLike(Protocol):
    """The parts of a bundle, and the files that they lie in (by name)."""

    @property
    def parts(self) -> _Files: ...

    @property
    def codec(self) -> "TextCodec": ...

    @property
    def words(self) -> "WordVectors": ...

    @property
    def lookup(self) -> "Lookup": ...

    @property
    def bag(self) -> "Bag": ...

    @property
    def encoder(self) -> "SentenceEncoder": ...


def subject_of(bundle: BundleLike, seed: int) -> Subject:
    """Return what there is to probe in a bundle, with the baselines that can be made from the same parts.

    Parameters
    ----------
    bundle : an opened bundle, whole or with some of its parts.
    seed : of the random encoder and the random vectors.
    """
    if "words.safetensors" not in bundle.parts:
        return Subject(codec=bundle.codec, seed=seed)
    codec, words, bag = bundle.codec, bundle.words, bundle.bag
    trained = bundle.encoder if "encoder/model.safetensors" in bundle.parts else None

    @cache
    def random() -> Encoder:
        from embedpipe.sentences.encoder import SentenceEncoder
        from embedpipe.sentences.start import random_network, same_size

        assert trained is not None
        return SentenceEncoder(codec, random_network(bag, same_size(trained.network.shape), seed=seed))

    return Subject(
        words=words,
        encoder=trained,
        sif=BagEncoder(codec, bag),
        plain=BagEncoder(codec, plain_average(words.vectors)),
        random=random if trained is not None else None,
        codec=codec,
        seed=seed,
        lookup=bundle.lookup if bundle.lookup.subwords is not None else None,
    )
