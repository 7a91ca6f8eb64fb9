"""The verb `compare`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from embedpipe.cli.compare_sentences import compare_two_sentences
from embedpipe.cli.compare_show import as_object, show
from embedpipe.cli.evidence import Corpus, corpus_of, text_option, window_option
from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.origin import say_origins
from embedpipe.cli.output import render_values, say
from embedpipe.loading import Bundle, load

__all__ = ["command"]


@click.command("compare")
@bundle_argument
@click.argument("word_a", metavar="A")
@click.argument("word_b", metavar="B")
@click.option(
    "-k",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many contexts to show, or words of each sentence.",
)
@click.option("--lines", default=3, show_default=True, type=click.IntRange(min=0), help="Example lines of each kind.")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 2**32 - 1), help="Decides which lines or pairs."
)
@text_option
@window_option
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    bundle: Path,
    word_a: str,
    word_b: str,
    k: int,
    lines: int,
    seed: int,
    sources: tuple[str, ...],
    window: int | None,
    format_: str,
) -> None:
    """Compare two words or two sentences: how near they are, and what makes them so.

    Of two words are shown their cosine, where each stands among the neighbours of the other, their hubness (of how many
    of a sample of words each is one of the ten nearest; far above the mean expected it is near everything), the
    contexts that are typical of both by PMI, those that are typical of one and not of the other, shared character
    n-grams, and example lines. Contexts are the words of the same sentence within the window of the training, unknown
    ones left out.

    A word outside the vocabulary is made of its character n-grams where the bundle holds vectors of these; its
    cosine, its rank and its n-grams are then all there is to say, and the text is not searched. Else, or where it is
    a known word with a slip of the keyboard, the word with the nearest spelling stands for it. Stderr says which, and
    with what confidence (see embedpipe similar --help).

    Where A or B is more than one word, sentences are compared: their cosine by the trained encoder, by the SIF average
    and by the plain average, with its place among the cosines of random pairs of held-out sentences where the text
    lies in BUNDLE.work; and each word with its nearest in the other sentence and its share in the cosine by the SIF
    average. -k and --seed go with both, --lines, --text and --window with words alone.

    \b
    embedpipe compare wiki.bundle physics chemistry
    embedpipe compare wiki.bundle "The band played all night." "They made music until the morning."
    embedpipe compare wiki.bundle physics chemistry --text 'articles/*.txt' --format json
    """
    from embedpipe.words.explain import compare

    opened = load(bundle)
    if _is_sentence(opened, word_a) or _is_sentence(opened, word_b):
        for option in ("lines", "sources", "window"):
            if ctx.get_parameter_source(option) is not ParameterSource.DEFAULT:
                name = "text" if option == "sources" else option
                raise click.UsageError(f"--{name} goes with two words, and these are sentences")
        compare_two_sentences(opened, word_a, word_b, k, seed, format_)
        return
    comparison = compare(opened.lookup, word_a, word_b, seed=seed)
    say_origins([word.found for word in comparison.words])
    a, b = (word.found.id for word in comparison.words)
    evidence = None
    if a is None or b is None:
        made = [word.word for word in comparison.words if word.found.id is None]
        say(f"{' and '.join(made)}: no text evidence, as contexts and lines are those of words of the vocabulary")
    elif corpus := corpus_of(opened, sources, window):
        evidence = _evidence(opened, a, b, corpus, k, lines, seed)
    content = as_object(comparison, evidence)
    if format_ == "table":
        show(content)
    else:
        render_values(content, format_)


def _is_sentence(bundle: Bundle, text: str) -> bool:
    if bundle.vocabulary.find(text) is not None or "tokenizer_spec.json" not in bundle.parts:
        return False
    return len(bundle.codec.tokenize(text)) > 1


def _evidence(bundle: Bundle, a: int, b: int, corpus: Corpus, k: int, n_lines: int, seed: int) -> dict[str, Any]:
    """Return what the text shows of two words, as JSON has it."""
    from embedpipe.words.contexts import count_contexts
    from embedpipe.words.explain import own_contexts, shared_contexts
    from embedpipe.words.lines import spelled

    vocabulary, tokenizer = bundle.vocabulary, bundle.codec.tokenizer
    found = count_contexts(corpus.pieces, [a, b], corpus.window, len(vocabulary), n_lines=n_lines, seed=seed)
    only_a, only_b = own_contexts(found, (0, 1), vocabulary, k)
    shared = shared_contexts(found, [0, 1], vocabulary, k)
    contexts = {"shared_contexts": shared, "contexts_of_a": only_a, "contexts_of_b": only_b}
    lines = dict(zip(("lines_of_a", "lines_of_b", "lines_of_both"), (*found.lines, found.together), strict=True))
    return {
        "name": corpus.name,
        "window": corpus.window,
        "occurrences": found.occurrences.tolist(),
        "together": int(found.counts[0, b]),
        **{name: [asdict(one) for one in of_kind] for name, of_kind in contexts.items()},
        **{
            name: [
                dict(zip(("left", "word", "right"), spelled(one, vocabulary, tokenizer.detokenize), strict=True))
                for one in of_kind
            ]
            for name, of_kind in lines.items()
        },
    }
