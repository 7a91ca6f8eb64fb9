"""Learning rate and batch size of a bundle's encoder or generator, found on the text that it was made from."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embedpipe.bundle.folder import work_folder
from embedpipe.bundle.recorded import recorded_config
from embedpipe.bundle.whole import temporary_sibling
from embedpipe.config import PipelineConfig
from embedpipe.errors import BundleError, ConfigError, OutputError
from embedpipe.loading import Bundle, load, text_beside
from embedpipe.pipeline.decoder import decoder_for
from embedpipe.runtime import DeviceName, Listener, check_alone, resolve_device, silent
from embedpipe.settings import overlay, to_toml
from embedpipe.text.prepared import PreparedText

if TYPE_CHECKING:
    from embedpipe.nn.search import BatchTest, RateTest

__all__ = ["TunedStage", "check_output", "tune_batch", "tune_rate", "write_settings"]

TunedStage = Literal["sentences", "generation"]
_KEPT = "the bundle is as it was"


def tune_rate(
    bundle: str | Path,
    *,
    stage: TunedStage = "sentences",
    settings: Mapping[str, Any] | None = None,
    steps: int = 100,
    device: DeviceName = "auto",
    listener: Listener = silent,
) -> tuple["RateTest", PipelineConfig]:
    """Find the learning rate by a range test (Smith, 2017), on the training split beside a bundle.

    Parameters
    ----------
    bundle : with words; its prepared text stands in ``BUNDLE.work``.
    stage : what is trained.
    settings : laid over those that the bundle was made with.
    steps : how many rates are tried, each for one step.
    device : where to train.
    listener : is called with progress events.

    Returns
    -------
    test : the rates and losses with the suggestion.
    config : the complete configuration with it. The rate of the word vectors keeps its ratio to that of the rest.

    Raises
    ------
    BundleError
        If the bundle cannot be opened or its prepared text is not beside it.
    ConfigError
        For an unknown or wrong setting, an encoder that has nothing to train, and in several processes.
    NotEnoughDataError
        If the text is too small for the stage.
    DeviceError
        If the device is lost or too small.

    Examples
    --------
    >>> from embedpipe.pipeline.tune_rate import tune_rate
    >>> test, config = tune_rate("wiki.bundle")  # doctest: +SKIP
    """
    from embedpipe.generation import search as of_text
    from embedpipe.nn.memory import device_errors
    from embedpipe.sentences import search as of_sentences
    from embedpipe.sentences.labelled import read_labelled

    opened, text, config = _opened(bundle, stage, settings or {})
    where = resolve_device(device)
    if stage == "generation":
        vectors, vocabulary = opened.bag.vectors, opened.vocabulary
        with device_errors(_KEPT):
            test = of_text.search_rate(
                vectors,
                vocabulary,
                text.train,
                config.generation,
                seed=config.seed,
                device=where,
                steps=steps,
                listener=listener,
            )
        return test, _with(config, {"generation": {"learning_rate": _rounded(test.suggested)}})
    sentences = config.sentences
    labelled = read_labelled(sentences, opened.codec)
    with device_errors(_KEPT):
        test = of_sentences.search_rate(
            opened.bag,
            text.train,
            sentences,
            labelled,
            decoder_for(opened, text.vocabulary, config),
            seed=config.seed,
            device=where,
            steps=steps,
            listener=listener,
        )
    ratio = sentences.words_learning_rate / sentences.learning_rate
    rates = {"learning_rate": test.suggested, "words_learning_rate": test.suggested * ratio}
    return test, _with(config, {"sentences": {key: _rounded(rate) for key, rate in rates.items()}})


def tune_batch(
    bundle: str | Path,
    *,
    stage: TunedStage = "sentences",
    settings: Mapping[str, Any] | None = None,
    device: DeviceName = "auto",
    listener: Listener = silent,
) -> tuple["BatchTest", PipelineConfig]:
    """Find the batch from which on a larger one gains less than a tenth of speed, or memory runs out.

    Parameters, what is returned and raised are those of `tune_rate`, with the batch in place of the rate.

    Examples
    --------
    >>> from embedpipe.pipeline.tune_rate import tune_batch
    >>> test, config = tune_batch("wiki.bundle", device="cuda")  # doctest: +SKIP
    """
    from embedpipe.generation import search as of_text
    from embedpipe.nn.memory import device_errors
    from embedpipe.sentences import search as of_sentences
    from embedpipe.sentences.labelled import read_labelled

    opened, text, config = _opened(bundle, stage, settings or {})
    where = resolve_device(device)
    if stage == "generation":
        vectors, vocabulary = opened.bag.vectors, opened.vocabulary
        with device_errors(_KEPT):
            test = of_text.search_batch(
                vectors, vocabulary, text.train, config.generation, seed=config.seed, device=where, listener=listener
            )
    else:
        labelled = read_labelled(config.sentences, opened.codec)
        with device_errors(_KEPT):
            test = of_sentences.search_batch(
                opened.bag,
                text.train,
                config.sentences,
                labelled,
                decoder_for(opened, text.vocabulary, config),
                seed=config.seed,
                device=where,
                listener=listener,
            )
    return test, _with(config, {stage: {"batch": test.suggested}})


def check_output(target: Path) -> None:
    """Raise `OutputError` where settings cannot be written to `target`, before anything is tried."""
    if target.suffix.lower() != ".toml":
        raise OutputError(f"{target}: the settings are written as TOML: name a file that ends in .toml")
    if target.exists():
        raise OutputError(f"{target}: exists, so it is kept; remove it or choose another -o")
    if not target.resolve().parent.is_dir():
        raise OutputError(f"{target}: there is no folder {target.resolve().parent}; make it first")


def write_settings(target: Path, config: PipelineConfig, head: str) -> None:
    """Write the complete configuration as TOML, below `head` as a comment."""
    with temporary_sibling(target) as partial:
        partial.write_text(f"# {head}\n{to_toml(config)}", encoding="utf-8")


def _opened(
    bundle: str | Path, stage: TunedStage, settings: Mapping[str, Any]
) -> tuple[Bundle, PreparedText, PipelineConfig]:
    check_alone("a learning rate or a batch is searched for")
    opened = load(Path(bundle).resolve())
    recorded = recorded_config(opened.parts.file("config.toml", "text"))
    config = _with(recorded, settings)
    if stage == "sentences" and config.sentences.architecture == "bag":
        raise ConfigError("the encoder 'bag' has nothing to train; add --set sentences.architecture=bilstm")
    text = text_beside(opened)
    if text is None:
        raise BundleError(
            f"{work_folder(opened.path) / 'text'}: the prepared text of the bundle is not there, which the search "
            "trains on; make it again with the command of the bundle (embedpipe info) and keep its .work folder"
        )
    return opened, text, config


def _with(config: PipelineConfig, settings: Mapping[str, Any]) -> PipelineConfig:
    return PipelineConfig.of(config.preset, overlay(config.model_dump(mode="json"), settings))


def _rounded(rate: float) -> float:
    """Return the rate with two digits: a range test is no more exact.

    >>> _rounded(0.0012345)
    0.0012
    """
    return float(f"{rate:.1e}")
