"""The maps of a bundle: which words and which held-out sentences stand on them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.baselines import Subject
from embedpipe.probes.projection import PointMap, sentence_map, word_map
from embedpipe.tasks.shapes import Classification

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig

__all__ = ["DOCUMENTS_ON_MAP", "maps_of", "named_documents"]

DOCUMENTS_ON_MAP = 12
"""More documents than this cannot be told apart by colour and shape."""
_TOPICAL = 3


def maps_of(
    subject: Subject, documents: Callable[[int, int], Classification], config: "ProbesConfig", *, seed: int
) -> list[PointMap]:
    """Return the map of words and the map of sentences, as far as the settings ask for them and the subject has them.

    Parameters
    ----------
    subject : what is probed; sentences are mapped by its encoder or, without one, by its SIF average.
    documents : given how many documents and how many sentences of each, held-out sentences with the name of their
        document; raises `NotEnoughDataError` where there are none, and then the map says so.
    config : `map_words` and `map_sentences` say how many.
    seed : of the layouts.
    """
    found = []
    if config.map_words and subject.words is not None:
        found.append(word_map(subject.words, n=config.map_words, seed=seed))
    encoder = subject.encoder or subject.sif
    if config.map_sentences and encoder is not None:
        try:
            task = documents(DOCUMENTS_ON_MAP, max(config.map_sentences // DOCUMENTS_ON_MAP, 4))
        except NotEnoughDataError as error:
            found.append(PointMap("sentence", f"no map: {error}"))
        else:
            names = named_documents(task.texts, task.labels, subject.tokenize)
            by = "the encoder" if subject.encoder is not None else "the SIF average"
            note = f"{task.note}, by {by}"
            found.append(
                sentence_map(encoder, task.texts, [names[label] for label in task.labels], note=note, seed=seed)
            )
    return found


def named_documents(
    texts: Sequence[str], labels: Sequence[str], tokenize: Callable[[str], list[str]]
) -> dict[str, str]:
    """Return a name for each label that says what its texts are about: three words of the highest tf-idf.

    Words that stand in more than half of the documents are passed over.

    Examples
    --------
    >>> texts = ["the sea and the ship", "the ship sank", "the law and the judge", "the judge and the jury"]
    >>> named_documents(texts, ["1", "1", "2", "2"], str.split)["2"]
    '2: judge, jury, law'
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    joined: dict[str, list[str]] = {}
    for text, label in zip(texts, labels, strict=True):
        joined.setdefault(label, []).append(text)

    def words_of(parts: Sequence[str]) -> list[str]:
        return [word for part in parts for word in tokenize(part) if any(map(str.isalpha, word))]

    try:
        vectorizer = TfidfVectorizer(analyzer=words_of, max_df=0.5)
        weights = vectorizer.fit_transform(joined.values()).toarray()
    except ValueError:  # No word is left that sets a document apart.
        return {label: label for label in joined}
    words = vectorizer.get_feature_names_out()
    ranked = np.argsort(-weights, axis=1, kind="stable")[:, :_TOPICAL]
    return {
        label: f"{label}: {', '.join(words[place] for place in best)}"
        for label, best in zip(joined, ranked, strict=True)
    }
