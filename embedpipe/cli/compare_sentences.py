"""Two sentences side by side: the part of the verb `compare` that is of sentences."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from embedpipe.cli.output import render_values, say, table
from embedpipe.loading import Bundle, text_beside
from embedpipe.plain import plain

if TYPE_CHECKING:
    from embedpipe.sentences.compare import EncodesIds, SentenceComparison

__all__ = ["compare_two_sentences"]


def compare_two_sentences(bundle: Bundle, text_a: str, text_b: str, k: int, seed: int, format_: str) -> None:
    """Compare two sentences with all that can encode them, and write what was found to stdout.

    Parameters
    ----------
    bundle : the bundle, whose prepared text is used where it lies beside it.
    text_a, text_b : the sentences.
    k : most words of each sentence that a table shows; other formats hold all.
    seed : of the draw of random pairs.
    format_ : as `render` takes it.
    """
    from embedpipe.sentences.compare import compare_sentences
    from embedpipe.words.bag import BagEncoder, plain_average

    codec, words, bag = bundle.codec, bundle.words, bundle.bag
    encoders: dict[str, EncodesIds] = {}
    if "encoder/model.safetensors" in bundle.parts:
        encoders["encoder"] = bundle.encoder
    else:
        say("the bundle has no trained encoder, so there are only the averages of word vectors to compare by")
    encoders["SIF average"] = BagEncoder(codec, bag)
    encoders["plain average"] = BagEncoder(codec, plain_average(words.vectors))
    text = text_beside(bundle)
    if text is None:
        say("the prepared text is not beside the bundle, so the cosines stand without those of random pairs")
    held_out = None if text is None else text.test
    found = compare_sentences(text_a, text_b, codec, words, bag, encoders, held_out=held_out, seed=seed)
    content = _as_object(found)
    if format_ == "table":
        _show(content, k)
    else:
        render_values(content, format_)


def _as_object(found: "SentenceComparison") -> dict[str, Any]:
    content: dict[str, Any] = plain(
        {
            "similarities": [
                {
                    "encoder": one.encoder,
                    "similarity": one.cosine,
                    "percentile": one.percentile,
                    "random_median": one.usual,
                }
                for one in found.likeness
            ],
            "random_pairs": found.n_pairs,
            "sentences": [
                {
                    "text": sentence.text,
                    "tokens": sentence.tokens,
                    "unknown": sentence.unknown,
                    "words": [
                        {
                            "word": word.word,
                            "partner": word.partner,
                            "similarity": word.cosine,
                            "weight": word.weight,
                            "contribution": word.contribution,
                        }
                        for word in sentence.words
                    ],
                }
                for sentence in found.sentences
            ],
        },
        digits=6,
    )
    return content


def _show(content: Mapping[str, Any], k: int) -> None:
    sentences = dict(zip("ab", content["sentences"], strict=True))
    for name, sentence in sentences.items():
        print(f"{name}  {' '.join(sentence['tokens'])}")
    print()
    by_encoder = [list(one.values()) for one in content["similarities"]]
    if content["random_pairs"]:
        table(("", "cosine", "above % of random pairs", "median of these"), by_encoder)
        print(f"(random pairs: {content['random_pairs']:,} pairs of sentences of the test split)")
    else:
        table(("", "cosine"), [row[:2] for row in by_encoder])
    for name, sentence in sentences.items():
        print(f"\nwords of {name}, those that add most to the SIF cosine first")
        words = [list(word.values()) for word in sentence["words"][:k]]
        table(("word", "nearest in the other", "cosine", "SIF weight", "adds"), words)
        if sentence["unknown"]:
            print(f"unknown: {' '.join(sentence['unknown'])}")
