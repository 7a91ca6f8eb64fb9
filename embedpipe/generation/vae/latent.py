"""Texts to z and z to texts: samples, reconstructions, the way between two texts, attributes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding.numbers import seed_or_new, whole
from embedpipe.generation.decoding.settings import Beam, Decoding, Limits
from embedpipe.generation.generator import TextGenerator
from embedpipe.generation.vae.gaussian import Gaussian
from embedpipe.generation.vae.likelihood import posteriors
from embedpipe.generation.vae.network import SentenceVAE
from embedpipe.text.codec import check_texts
from embedpipe.text.vocabulary import UNK

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec

__all__ = ["GREEDY", "LIMITS", "MAX_TEXT_TOKENS", "SentenceLatent", "WayKind", "between"]

GREEDY = Decoding(temperature=0.0, no_repeat_ngram=2)
"""The most probable word each time, and no pair of words twice: the one text that a point stands for.

What z says holds for every word, so that without the second a small model goes on and on with its topic: 'american
american american'. One word may still stand twice in a row: that pair stands there once."""
LIMITS = Limits(max_tokens=60)
"""A sentence, cut after 60 tokens."""
MAX_TEXT_TOKENS = 512
"""Longer texts are refused: z is of a sentence."""

_MOST_STEPS = 100_000
WayKind = Literal["spherical", "linear"]


def between(
    a: NDArray[np.float32], b: NDArray[np.float32], steps: int, path: WayKind = "spherical"
) -> NDArray[np.float32]:
    """Return points on the way from `a` to `b`, both included: shape (steps, dim).

    Parameters
    ----------
    a, b : shape (dim,).
    steps : how many points, from 2 to 100,000.
    path : spherical turns the direction evenly and changes the length evenly, so that the points between are as far
        from the origin as the ends are, as points of a normal distribution are (White, 2016); linear is the straight
        line. Ends in one or opposite directions, and the origin, between which no turn is defined, are joined by the
        line.

    Examples
    --------
    >>> a, b = np.array([2, 0], np.float32), np.array([0, 2], np.float32)
    >>> between(a, b, 3).astype(float).round(3).tolist(), between(a, b, 3, "linear").tolist()
    ([[2.0, 0.0], [1.414, 1.414], [0.0, 2.0]], [[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    """
    if not 2 <= whole("steps", steps) <= _MOST_STEPS:
        raise ConfigError(f"the way between two texts has from 2 steps, its ends, to {_MOST_STEPS:,}, not {steps:,}")
    share = np.linspace(0, 1, steps)[:, None]
    line: NDArray[np.float32] = ((1 - share) * a + share * b).astype(np.float32)
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if path == "linear" or not min(lengths):
        return line
    one, other = a / lengths[0], b / lengths[1]
    angle = math.acos(float(np.clip(one @ other, -1, 1)))
    if math.sin(angle) < 1e-4:
        return line
    turned = np.sin((1 - share) * angle) * one + np.sin(share * angle) * other
    found = turned / math.sin(angle) * ((1 - share) * lengths[0] + share * lengths[1])
    points: NDArray[np.float32] = found.astype(np.float32)
    return points


class SentenceLatent:
    """The generative model of a bundle's sentences.

    Parameters
    ----------
    codec : the codec of the vocabulary that the model was trained on.
    model : the network, on any device.
    """

    def __init__(self, codec: "TextCodec", model: SentenceVAE) -> None:
        self.codec, self.model = codec, model.eval()
        self._generator = TextGenerator(codec, model.decoder)

    @property
    def dim(self) -> int:
        """Components of z."""
        return self.model.shape.dim

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean of q(z | text) of each text.

        Returns
        -------
        float32 array of shape (len(texts), dim)

        Raises
        ------
        ConfigError
            If a text is empty, has no known word, or is longer than 512 tokens; the message says which.
        TypeError
            If `texts` is one string, or holds anything but strings.
        """
        mean: NDArray[np.float32] = self.posterior(texts).mean.numpy()
        return mean

    def posterior(self, texts: Sequence[str]) -> Gaussian:
        """Return q(z | text) of each text, on the CPU; what is raised is as for `encode`."""
        check_texts(texts)
        sequences = self.codec.encode_many(texts)
        for number, (text, ids) in enumerate(zip(texts, sequences, strict=True), 1):
            if not len(ids):
                raise ConfigError(f"text {number} of {len(texts)} is empty ({text!r:.40}): there is nothing to encode")
            if (ids == UNK).all():
                raise ConfigError(
                    f"text {number} of {len(texts)} ({text!r:.40}): none of its {len(ids):,} words is in the "
                    "vocabulary, so nothing is known of it; give a text with known words"
                )
            if len(ids) > MAX_TEXT_TOKENS:
                raise ConfigError(
                    f"text {number} of {len(texts)} has {len(ids):,} tokens and z is of a sentence: give at most "
                    f"{MAX_TEXT_TOKENS} tokens at a time"
                )
        return posteriors(self.model, sequences)

    def decode(
        self,
        z: NDArray[np.float32],
        choice: Decoding | Beam = GREEDY,
        limits: Limits = LIMITS,
        *,
        seed: int | None = None,
    ) -> list[str]:
        """Return one text for each point of shape (n, dim).

        Parameters
        ----------
        choice : how words are chosen; by default the most probable one each time. A `Beam` searches for the most
            probable text.
        limits : what the texts must be; by default one sentence of at most 60 tokens.
        seed : of what is drawn; None draws one.

        Raises
        ------
        ConfigError
            If the points have another number of components, or are not finite.
        """
        points = np.asarray(z, dtype=np.float32)
        if points.ndim != 2 or points.shape[1] != self.dim:
            raise ConfigError(f"z has the shape {points.shape}; expected (n, {self.dim})")
        if not np.isfinite(points).all():
            raise ConfigError("z holds values that are not finite numbers")
        if not len(points):
            return []
        with torch.inference_mode():
            start = self.model.state(torch.from_numpy(points).to(self.model.device))
        if isinstance(choice, Decoding):
            written = self._generator.begin(start).generate_many([""] * len(points), choice, limits, seed=seed)
        else:
            rows = torch.split(torch.arange(len(points), device=self.model.device), 1)
            written = [self._generator.begin(start.rows(row)).beam("", choice, limits) for row in rows]
        return [one.texts[0] for one in written]

    def draw(
        self, n: int, *, like: str | None = None, spread: float = 1.0, seed: int | None = None
    ) -> NDArray[np.float32]:
        """Return `n` points of the prior, or of q(z | `like`): float32, shape (n, dim).

        Parameters
        ----------
        like : a text near which to draw; None draws from all of the prior.
        spread : factor on the standard deviations that z is drawn with, from 0, the mean each time, to 10.
        seed : the same seed and arguments give the same points; None draws one.

        Raises
        ------
        ConfigError
            If an argument is out of its range, or `like` cannot be encoded.
        """
        if whole("n", n) < 1 or not 0 <= spread <= 10:
            raise ConfigError(f"n is at least 1 and spread from 0 to 10, not {n} and {spread}")
        rng = np.random.default_rng(seed_or_new(seed))
        noise = rng.standard_normal((n, self.dim)).astype(np.float32) * np.float32(spread)
        if like is None:
            return noise
        points: NDArray[np.float32] = self.posterior([like]).draw(torch.from_numpy(noise)).numpy()
        return points

    def sample(
        self, n: int, choice: Decoding | Beam = GREEDY, *, like: str | None = None, seed: int | None = None
    ) -> list[str]:
        """Return `n` texts, each of a z of its own; parameters as for `draw` and `decode`."""
        return self.decode(self.draw(n, like=like, seed=seed), choice, seed=seed)

    def reconstruct(
        self, texts: Sequence[str], choice: Decoding | Beam = GREEDY, *, seed: int | None = None
    ) -> list[str]:
        """Return what the model writes from the mean of q(z | text) of each text."""
        return self.decode(self.encode(texts), choice, seed=seed) if len(texts) else []

    def interpolate(
        self,
        a: str,
        b: str,
        steps: int = 7,
        path: WayKind = "spherical",
        choice: Decoding | Beam = GREEDY,
        *,
        seed: int | None = None,
    ) -> list[str]:
        """Return the texts on the way from `a` to `b`; the first and the last are the reconstructions of the two."""
        ends = self.encode([a, b])
        return self.decode(between(ends[0], ends[1], steps, path), choice, seed=seed)

    def attribute_vector(self, texts_with: Sequence[str], texts_without: Sequence[str]) -> NDArray[np.float32]:
        """Return what the texts that have an attribute differ by from those that have it not: shape (dim,).

        The difference of the mean z of both (Larsen et al., 2016, of images; for texts Shen et al., 2020).

        Raises
        ------
        ConfigError
            If there are fewer than 2 texts on a side: the difference of two texts is of these, not of an attribute.
        """
        for name, texts in (("with", texts_with), ("without", texts_without)):
            if len(texts) < 2:
                count = "1 text" if len(texts) == 1 else f"{len(texts)} texts"
                raise ConfigError(
                    f"{count} {name} the attribute: too few, for the difference to the others would be of what else "
                    "these say; give at least 2, better 50 or more"
                )
        found: NDArray[np.float32] = self.encode(texts_with).mean(axis=0) - self.encode(texts_without).mean(axis=0)
        return found

    def apply(
        self, vector: NDArray[np.float32], texts: Sequence[str], strength: float = 1.0, choice: Decoding | Beam = GREEDY
    ) -> list[str]:
        """Return the texts written again with their z moved by `strength` times an attribute vector."""
        return self.decode(self.encode(texts) + np.float32(strength) * np.asarray(vector, dtype=np.float32), choice)
