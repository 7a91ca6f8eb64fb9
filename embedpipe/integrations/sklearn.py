"""A bundle as a scikit-learn transformer: texts in, vectors out, in a Pipeline or a grid search."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from embedpipe.bundle.manifest import MANIFEST_NAME
from embedpipe.loading import Bundle, load
from embedpipe.text.codec import check_texts

if TYPE_CHECKING:
    from embedpipe.sentences.encoder import SentenceEncoder
    from embedpipe.words.bag import BagEncoder

__all__ = ["SentenceVectorizer"]


class SentenceVectorizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Texts to the sentence vectors of a bundle. There is nothing to fit.

    Parameters
    ----------
    bundle : the folder of a bundle, or an opened one. A copy, a pickle or a worker process carries the path alone
        and opens the bundle when it is first used.
    with_ : ``sentences`` for the trained encoder, ``words`` for the weighted average of word vectors (no torch).

    Examples
    --------
    ::

        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        classifier = make_pipeline(SentenceVectorizer("wiki.bundle"), LogisticRegression())
        classifier.fit(texts, labels)
    """

    def __init__(self, bundle: str | Path | Bundle, with_: Literal["sentences", "words"] = "sentences") -> None:
        self.bundle = bundle
        self.with_ = with_

    def fit(self, X: Iterable[str], y: object = None) -> Self:  # noqa: ARG002, N803
        """Check the parameters and the texts, learn nothing.

        Parameters
        ----------
        X : texts: a list, a pandas Series or a one-dimensional array of str.
        y : ignored.

        Raises
        ------
        TypeError
            If `X` is a bare string or holds anything but strings.
        BundleError
            If there is no bundle at that path.
        """
        _texts(X)
        self._encoder()
        return self

    def transform(self, X: Iterable[str]) -> NDArray[np.float32]:  # noqa: N803
        """Return float32 of shape (n_texts, dim): unit rows, zero where no token is known."""
        texts = _texts(X)
        return self._encoder().encode(texts)

    def _encoder(self) -> "SentenceEncoder | BagEncoder":
        if self.with_ not in ("sentences", "words"):
            raise ValueError(f"with_ is 'sentences' or 'words', not {self.with_!r}")
        opened = self.bundle if isinstance(self.bundle, Bundle) else _opened(Path(self.bundle).absolute())
        return opened.bag_encoder if self.with_ == "words" else opened.encoder

    @property
    def _n_features_out(self) -> int:
        return self._encoder().dim

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Self:
        # The default copies its parameters deeply, which for an opened bundle means all its weights.
        return type(self)(bundle=self.bundle, with_=self.with_)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        if isinstance(self.bundle, Bundle):
            state = {**state, "bundle": str(self.bundle.path.absolute())}
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def _opened(path: Path) -> Bundle:
    """Open a bundle once for all copies of a transformer, of which a grid search makes many; a new one anew."""
    try:
        manifest = (path / MANIFEST_NAME).stat()
    except OSError:
        return load(path)
    return _open(path, manifest.st_mtime_ns, manifest.st_ino)


@lru_cache(maxsize=2)
def _open(path: Path, mtime_ns: int, inode: int) -> Bundle:  # noqa: ARG001 - they tell one bundle from the next
    return load(path)


def _texts(X: object) -> list[str]:  # noqa: N803
    if isinstance(X, str | bytes):
        check_texts(X)
    if not isinstance(X, Iterable) or getattr(X, "ndim", 1) != 1:
        raise ValueError(f"expected a flat sequence of texts, not {type(X).__name__}{getattr(X, 'shape', '')}")
    texts = list(X)
    check_texts(texts)
    return texts
