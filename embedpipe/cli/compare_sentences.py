"""Two sentences side by side: the part of the verb `compare` that is of sentences."""

from typing import TYPE_CHECKING

from embedpipe.cli.output import render, render_object, say, table
from embedpipe.loading import Bundle, text_beside

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
    if format_ == "json":
        render_object(_as_object(found))
    elif format_ == "table":
        _show(found, k)
    else:
        render(_as_rows(found), format_)


def _as_object(found: "SentenceComparison") -> dict[str, object]:
    return {
        "cosines": [
            {
                "encoder": one.encoder,
                "cosine": round(one.cosine, 6),
                "percentile": one.percentile,
                "random_median": None if one.usual is None else round(one.usual, 6),
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
                        "cosine": round(word.cosine, 6),
                        "weight": round(word.weight, 6),
                        "contribution": round(word.contribution, 6),
                    }
                    for word in sentence.words
                ],
            }
            for sentence in found.sentences
        ],
    }


def _as_rows(found: "SentenceComparison") -> list[dict[str, object]]:
    """Return the comparison as rows of one shape: a section, what the row is of, and the numbers that it has."""
    rows = [
        _row("sentences", one.encoder, cosine=one.cosine, percentile=one.percentile, random_median=one.usual)
        for one in found.likeness
    ]
    for name, sentence in zip("ab", found.sentences, strict=True):
        rows += [
            _row(f"word of {name}", word.word, word.partner, word.cosine, word.weight, word.contribution)
            for word in sentence.words
        ]
        rows += [_row(f"unknown in {name}", token) for token in sentence.unknown]
    return rows


def _row(
    section: str,
    what: str,
    partner: str | None = None,
    cosine: float | None = None,
    weight: float | None = None,
    contribution: float | None = None,
    percentile: float | None = None,
    random_median: float | None = None,
) -> dict[str, object]:
    numbers = {
        "cosine": cosine,
        "weight": weight,
        "contribution": contribution,
        "percentile": percentile,
        "random median": random_median,
    }
    rounded = {name: None if value is None else round(value, 6) for name, value in numbers.items()}
    return {"section": section, "what": what, "partner": partner, **rounded}


def _show(found: "SentenceComparison", k: int) -> None:
    for name, sentence in zip("ab", found.sentences, strict=True):
        print(f"{name}  {' '.join(sentence.tokens)}")
    print()
    if found.n_pairs:
        table(
            ("", "cosine", "above % of random pairs", "median of these"),
            [[one.encoder, one.cosine, one.percentile, one.usual] for one in found.likeness],
        )
        print(f"(random pairs: {found.n_pairs:,} pairs of sentences of the test split)")
    else:
        table(("", "cosine"), [[one.encoder, one.cosine] for one in found.likeness])
    for name, sentence in zip("ab", found.sentences, strict=True):
        print(f"\nwords of {name}, those that add most to the SIF cosine first")
        rows = [[word.word, word.partner, word.cosine, word.weight, word.contribution] for word in sentence.words[:k]]
        table(("word", "nearest in the other", "cosine", "SIF weight", "adds"), rows)
        if sentence.unknown:
            print(f"unknown: {' '.join(sentence.unknown)}")
