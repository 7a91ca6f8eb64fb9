"""Opening a bundle: each part is read when it is first used."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from embedpipe.bundle.folder import BundleFolder, work_folder
from embedpipe.errors import BundleError
from embedpipe.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from embedpipe.bundle.manifest import Manifest
    from embedpipe.generation.generator import TextGenerator
    from embedpipe.generation.vae.latent import SentenceLatent
    from embedpipe.sentences.encoder import SentenceEncoder
    from embedpipe.sentences.network import SentenceNetwork
    from embedpipe.text.codec import TextCodec
    from embedpipe.text.prepared import PreparedText
    from embedpipe.words.bag import Bag, BagEncoder
    from embedpipe.words.lookup import Lookup
    from embedpipe.words.part import WordPart
    from embedpipe.words.table import WordVectors

__all__ = ["Bundle", "Parts", "load", "text_beside"]


class Parts(Protocol):
    """Where the files of the parts lie: a finished bundle, or the working folder of a run."""

    def file(self, name: str, part: str) -> Path:
        """Return the path of a file that the stage `part` wrote."""

    def folder(self, name: str, part: str) -> Path:
        """Return the path of a folder that the stage `part` wrote."""

    def __contains__(self, name: str) -> bool: ...


class Bundle:
    """Word vectors, sentence encoder and text generator over one vocabulary.

    Nothing is read before it is used: `words` maps its matrix into memory and needs no torch; `encoder` and
    `generator` import torch.

    Parameters
    ----------
    parts : where the files lie.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def __repr__(self) -> str:
        return f"Bundle({str(self.path)!r})" if isinstance(self.parts, BundleFolder) else "Bundle(unsaved)"

    @property
    def path(self) -> Path:
        """The bundle's folder."""
        return self._folder.path

    @property
    def manifest(self) -> "Manifest":
        """What the bundle says about itself."""
        return self._folder.manifest

    @property
    def _folder(self) -> BundleFolder:
        if not isinstance(self.parts, BundleFolder):
            raise TypeError("this bundle is not saved yet")
        return self.parts

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The one id space."""
        return Vocabulary.load(self.parts.file("vocabulary.json", "text"))

    @cached_property
    def codec(self) -> "TextCodec":
        """Text to ids and back."""
        from embedpipe.text.codec import TextCodec

        return TextCodec.load(self.parts.file("tokenizer_spec.json", "text"), self.vocabulary)

    @cached_property
    def word_part(self) -> "WordPart":
        """The words with all that is known of them."""
        from embedpipe.words.part import load_words

        return load_words(self.parts.file("words.safetensors", "words").parent, self.vocabulary)

    @property
    def words(self) -> "WordVectors":
        """The word vectors."""
        return self.word_part.words

    @property
    def lookup(self) -> "Lookup":
        """Finds a vector for any word, and says where it came from: the vocabulary, n-grams or the nearest spelling."""
        return self.word_part.lookup

    @property
    def bag(self) -> "Bag":
        """The frequency-weighted sentence space that the encoder starts from."""
        return self.word_part.bag

    @cached_property
    def bag_encoder(self) -> "BagEncoder":
        """Sentence vectors by the weighted average of word vectors alone: no torch, over 100,000 a second."""
        from embedpipe.words.bag import BagEncoder

        return BagEncoder(self.codec, self.bag)

    @cached_property
    def sentence_network(self) -> "SentenceNetwork":
        """The network of the sentence encoder, to train: nothing is prepared for encoding."""
        from embedpipe.sentences.part import load_encoder

        folder = self.parts.folder("encoder", "sentences")
        return load_encoder(folder, len(self.vocabulary), lambda: self.bag.vectors)

    @cached_property
    def encoder(self) -> "SentenceEncoder":
        """The trained sentence encoder."""
        from embedpipe.sentences.encoder import SentenceEncoder

        return SentenceEncoder(self.codec, self.sentence_network)

    @cached_property
    def untrained_encoder(self) -> "SentenceEncoder":
        """A random encoder of the same size over the same word vectors: what the trained one is to be compared with.

        Where the bundle has no encoder, of the size that its configuration names.
        """
        from embedpipe.bundle.recorded import recorded_config
        from embedpipe.sentences.encoder import SentenceEncoder
        from embedpipe.sentences.start import random_network, same_size

        if "encoder/model.safetensors" in self.parts:
            config = same_size(self.sentence_network.shape)
        else:
            config = recorded_config(self.path / "config.toml").sentences
        return SentenceEncoder(self.codec, random_network(self.bag, config, seed=self.manifest.seed))

    @cached_property
    def generator(self) -> "TextGenerator":
        """The trained text generator."""
        from embedpipe.generation.generator import TextGenerator
        from embedpipe.generation.part import load_generator

        folder = self.parts.folder("generator", "generation")
        return TextGenerator(self.codec, load_generator(folder, len(self.vocabulary)))

    @cached_property
    def latent(self) -> "SentenceLatent":
        """The generative model of sentences: text to z, and z to text.

        Raises
        ------
        BundleError
            If the bundle has none.
        """
        from embedpipe.generation.vae.latent import SentenceLatent
        from embedpipe.generation.vae.part import load_vae

        if "vae/config.json" not in self.parts:
            raise BundleError(
                f"{self.path}: has no generative model of sentences; make one with: embedpipe train latent {self.path}"
            )
        folder, decoder = (self.parts.folder(name, "latent") for name in ("vae", "vae_decoder"))
        return SentenceLatent(self.codec, load_vae(folder, decoder, len(self.vocabulary)))


def load(path: str | Path) -> Bundle:
    """Open a bundle; its parts are read when they are first used.

    Parameters
    ----------
    path : the folder that ``embedpipe run`` wrote.

    Returns
    -------
    Bundle
        With ``words``, ``lookup``, ``bag``, ``encoder``, ``generator``, ``latent``, ``vocabulary``, ``codec`` and
        ``manifest``.

    Raises
    ------
    BundleError
        If the folder is missing, damaged, foreign or newer than this program; the message names the file.
    """
    return Bundle(BundleFolder(Path(path)))


def text_beside(bundle: Bundle) -> "PreparedText | None":
    """Return the prepared text that lies in the working folder of a bundle, None where there is none.

    Raises
    ------
    BundleError
        If it was prepared for another bundle.
    """
    from embedpipe.text.prepared import PreparedText

    text = work_folder(bundle.path) / "text"
    if not text.is_dir():
        return None
    ours, theirs = bundle.parts.file("vocabulary.json", "text"), text / "vocabulary.json"
    if not theirs.is_file() or theirs.read_bytes() != ours.read_bytes():
        raise BundleError(
            f"{theirs}: is not the vocabulary of {bundle.path}: the text was prepared again since; finish that run, or "
            f"move {text} away"
        )
    return PreparedText(text)
