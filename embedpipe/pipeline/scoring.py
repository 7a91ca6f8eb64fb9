"""What follows a text, for a bundle and with what lies beside it: a scorer with its baseline, a memory for writing."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from embedpipe.bundle.folder import work_folder
from embedpipe.bundle.recorded import recorded_config
from embedpipe.errors import ConfigError
from embedpipe.loading import Bundle, text_beside

if TYPE_CHECKING:
    from embedpipe.generation.cache import CacheMemory, ContinuousCache
    from embedpipe.generation.dynamic import DynamicEvaluation, GradientSizes
    from embedpipe.generation.language_model import LanguageModel
    from embedpipe.generation.score import Losses, TextScorer
    from embedpipe.text.prepared import PreparedText
    from embedpipe.text.sentences import SentenceSplitter

__all__ = ["BASELINE_ORDER", "open_memory", "open_scorer"]

BASELINE_ORDER = 5
_LONGEST = 1_000
_WAITED_FOR = 1_000_000
_HALF_AT = 100
_FOLDER = "scoring"
_GENERATOR = "generator/model.safetensors"


def open_scorer(
    bundle: Bundle,
    *,
    cache: bool = False,
    dynamic: bool = False,
    baseline: bool = False,
    precision: Literal["fp32", "bf16"] = "fp32",
    say: Callable[[str], None] = lambda _: None,
) -> "TextScorer":
    """Return what scores text with the generator of a bundle, which reads it as the training text was read.

    Parameters
    ----------
    cache, dynamic : follow the text, with settings that were found on the validation text in ``BUNDLE.work`` and are
        kept there; with stated ones where there is none.
    baseline : a Kneser-Ney model of five tokens, counted on the training text in ``BUNDLE.work``.
    precision : of most of the products with the output table (`embedpipe.generation.reader.half_table`).
    say : is told, in one line each, what was found, and what is missing.

    Raises
    ------
    ConfigError
        If both a cache and dynamic evaluation are asked for, or the generator's softmax is adaptive and the precision
        bf16.
    BundleError
        If the bundle has no generator or is damaged, or the text beside it was prepared for another one.
    """
    from embedpipe.generation.score import TextScorer

    if cache and dynamic:
        raise ConfigError("a cache and dynamic evaluation both follow the text; ask for one of them")
    model = bundle.generator.model
    text = text_beside(bundle) if cache or dynamic or baseline else None
    longest = _LONGEST
    if "config.toml" in bundle.parts:
        longest = recorded_config(bundle.parts.file("config.toml", "text")).text.max_sentence
    settings, sizes = _dynamic(bundle, model, text, say) if dynamic else (None, None)
    return TextScorer(
        bundle.codec,
        model,
        _splitter(bundle),
        longest=longest,
        cache=_cache(bundle, model, text, say) if cache else None,
        dynamic=settings,
        sizes=sizes,
        baseline=_baseline(bundle, text, say) if baseline else None,
        precision=precision,
    )


def open_memory(bundle: Bundle, *, say: Callable[[str], None] = lambda _: None) -> "Callable[[], CacheMemory]":
    """Return what makes an empty memory for each text that the generator writes, with the settings of `open_scorer`.

    These were found on texts of thousands of tokens. The weight of the memory grows with what there is to remember,
    and is half of theirs after 100 tokens.

    Parameters
    ----------
    say : is told, in one line each, what was found, and what is missing.

    Raises
    ------
    BundleError
        If the bundle has no generator or is damaged, or the text beside it was prepared for another one.
    """
    from embedpipe.generation.cache import CacheMemory

    found = _cache(bundle, bundle.generator.model, text_beside(bundle), say)
    return partial(CacheMemory, found, half_at=_HALF_AT)


def _splitter(bundle: Bundle) -> "SentenceSplitter":
    """Return what ends sentences; the rules without learnt abbreviations where the bundle was not made from text."""
    import json

    from embedpipe.text.pieces import load_splitter
    from embedpipe.text.sentences import SentenceSplitter

    file = bundle.parts.file("tokenizer_spec.json", "text")
    bundle.codec  # noqa: B018 - says what is wrong with a file that is damaged
    return load_splitter(file) if "sentences" in json.loads(file.read_text(encoding="utf-8")) else SentenceSplitter()


def _cache(
    bundle: Bundle, model: "LanguageModel", text: "PreparedText | None", say: Callable[[str], None]
) -> "ContinuousCache":
    from embedpipe.generation.cache import ContinuousCache
    from embedpipe.generation.tuned import find_cache, load_tuned, save_tuned

    folder, of = work_folder(bundle.path) / _FOLDER, _hash(bundle)
    tuned = load_tuned(folder, of, model)
    found = tuned.cache
    if found is not None:
        where = f"found before, kept in {folder}"
    elif text is None or len(text.validation.tokens) < 2:
        found, where = ContinuousCache(), f"not tuned, as there is no validation text in {work_folder(bundle.path)}"
    else:
        say("cache: looking for its settings on the validation text ...")
        found = find_cache(model, text.validation)
        where = "found on the validation text"
        _keep(lambda: save_tuned(folder, of, replace(tuned, cache=found)), say)
    say(f"cache: theta {found.theta:g}, weight {found.weight:g}, window {found.window:,} ({where})")
    return found


def _dynamic(
    bundle: Bundle, model: "LanguageModel", text: "PreparedText | None", say: Callable[[str], None]
) -> "tuple[DynamicEvaluation, GradientSizes | None]":
    from embedpipe.generation.dynamic import DynamicEvaluation
    from embedpipe.generation.tuned import find_dynamic, load_tuned, save_tuned

    folder, of = work_folder(bundle.path) / _FOLDER, _hash(bundle)
    tuned = load_tuned(folder, of, model)
    found, sizes = tuned.dynamic, tuned.sizes
    if found is not None:
        where = f"found before, kept in {folder}"
    elif text is None or min(len(text.train.tokens), len(text.validation.tokens)) < 2:
        found = DynamicEvaluation(rate=0.1, decay=1e-3, rule="sgd")
        where = f"not tuned, and without the sizes of gradients, as there is no text in {work_folder(bundle.path)}"
    else:
        say(
            "dynamic evaluation: measuring gradients and looking for a rate on the validation text, for up to a "
            "minute ..."
        )
        new, measured = find_dynamic(model, text.train, text.validation, say)
        found, sizes, where = new, measured, "found on the validation text"
        _keep(lambda: save_tuned(folder, of, replace(tuned, dynamic=new, sizes=measured)), say)
    rule = f"rule {found.rule}, rate {found.rate:g}, decay {found.decay:g}, segments of {found.segment} tokens"
    say(f"dynamic evaluation: {rule} ({where})")
    return found, sizes


def _baseline(bundle: Bundle, text: "PreparedText | None", say: Callable[[str], None]) -> "Losses | None":
    from embedpipe.generation.ngrams.kneser_ney import KneserNey

    if text is None or not len(text.train.tokens):
        say(f"no Kneser-Ney baseline: there is no training text in {work_folder(bundle.path)}")
        return None
    tokens = text.train.tokens
    if len(tokens) > _WAITED_FOR:
        say(f"counting {len(tokens):,} tokens for the Kneser-Ney baseline ...")
    return KneserNey.fit(tokens, len(bundle.vocabulary), order=BASELINE_ORDER).losses


def _hash(bundle: Bundle) -> str:
    return bundle.manifest.files[_GENERATOR].sha256


def _keep(save: Callable[[], None], say: Callable[[str], None]) -> None:
    try:
        save()
    except OSError as error:
        say(f"the settings found are not kept: {error}")
