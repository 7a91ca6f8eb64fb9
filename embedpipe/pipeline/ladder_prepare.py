"""What all rungs of a ladder share: the text, one vocabulary, the word vectors, and what is held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.manifest import StageRecord
from embedpipe.config import PipelineConfig, PresetName
from embedpipe.errors import ConfigError, NotEnoughDataError, OutputError
from embedpipe.loading import Bundle
from embedpipe.pipeline.ladder_rungs import base_of
from embedpipe.pipeline.plan import fingerprints, read_options
from embedpipe.pipeline.run import make_stage
from embedpipe.pipeline.stages import Job
from embedpipe.pipeline.work import WorkFolder
from embedpipe.presets import preset_for, take_preset
from embedpipe.runtime import Listener, StageSkipped
from embedpipe.text.prepared import PreparedText
from embedpipe.text.readers import expand_sources, fingerprint_source
from embedpipe.words.build import trainings
from embedpipe.words.steps import published_dim

if TYPE_CHECKING:
    from embedpipe.generation.evaluation import HeldOut

__all__ = ["Prepared", "ladder_folder", "prepare_ladder"]

TEST_ROWS, TEST_TOKENS, WATCHED_TOKENS = 32, 50_000, 10_000
"""As `train_language_model` takes its samples, so that what it has measured need not be measured again."""
_LEAST_IN_A_ROW = 20


@dataclass(frozen=True)
class Prepared:
    """What every rung is trained and measured on.

    Parameters
    ----------
    config : of the base: the preset, what the ladder lays over it, the settings that were given.
    text : the stores and the vocabulary.
    vectors : float32 of shape (len(vocabulary), dim) that tables begin with; None where no rung asks for them and
        none are kept.
    word_seconds : that these took; 0 where there are none.
    watched, scored : the samples of the validation and the test split.
    prints : fingerprints of text and words, by stage.
    """

    config: PipelineConfig
    text: PreparedText
    vectors: NDArray[np.float32] | None
    word_seconds: float
    watched: "HeldOut"
    scored: "HeldOut"
    prints: Mapping[str, str]

    @property
    def dim(self) -> int:
        """Width of the word vectors, also where no rung asks for them: what begins at random is of the same."""
        words = self.config.words
        return published_dim(words.dim, len(trainings(words)), words.steps)


def ladder_folder(path: Path) -> tuple[Path, WorkFolder]:
    """Return the folder of a ladder, made where it is missing, and its working folder.

    Raises
    ------
    OutputError
        If something else stands there, or no folder can be made.
    """
    folder = path.resolve()
    work = WorkFolder(folder / "ladder", ["text", "words"])
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not work.path.is_dir())):
        raise OutputError(f"{path}: exists and is not the folder of a ladder; choose another -o")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: no folder can be made here ({error.strerror}); choose another -o") from error
    return folder, work


def prepare_ladder(
    sources: Sequence[str],
    work: WorkFolder,
    *,
    words: bool,
    preset: PresetName | None,
    settings: Mapping[str, Any],
    seed: int,
    download: bool,
    listener: Listener,
) -> Prepared:
    """Prepare the text and, where `words`, train word vectors; finished stages are kept. `work` is held by the caller.

    Raises
    ------
    ConfigError
        For an unknown or wrong setting.
    InputError, NotEnoughDataError
        For sources that cannot be read, or of which too little is held out to compare on.
    """
    over = {**base_of(settings), "seed": seed}
    chosen = take_preset(over, preset)
    config = PipelineConfig.of("tiny" if chosen == "auto" else chosen, over)
    for name, value in {"text.continue_from": config.text.continue_from, "words.vectors": config.words.vectors}.items():
        if value:
            raise ConfigError(f"a ladder is trained from scratch: leave {name} out")
    options = read_options(config, work, download=download)
    expand_sources(sources, options)
    source_prints = [fingerprint_source(source, options) for source in sources]
    job = Job(list(sources), config, work, "cpu", download, listener)
    text = _stage(job, "text", fingerprints(config, ["text"], source_prints)["text"])
    if chosen == "auto":
        job.config = PipelineConfig.of(preset_for(int(text.result["train"]["tokens"])), over)
    prints = fingerprints(job.config, ["text", "words"], source_prints)
    watched, scored = _samples(job.text)
    kept = job.work.record("words")
    if not words and (kept is None or kept.fingerprint != prints["words"]):
        return Prepared(job.config, job.text, None, 0.0, watched, scored, prints)
    record = _stage(job, "words", prints["words"])
    vectors = Bundle(work).bag.vectors
    return Prepared(job.config, job.text, vectors, record.seconds, watched, scored, prints)


def _stage(job: Job, stage: str, fingerprint: str) -> StageRecord:
    record = job.work.record(stage)
    if record is not None and record.fingerprint == fingerprint:
        job.listener(StageSkipped(stage, record.summary))
    else:
        record = make_stage(job, stage, fingerprint)
    job.work.remove_checkpoint(stage)
    return record


def _samples(text: PreparedText) -> tuple["HeldOut", "HeldOut"]:
    """Return samples of the validation and the test split."""
    from embedpipe.generation.evaluation import held_out

    least = TEST_ROWS * (_LEAST_IN_A_ROW + 1)
    for name, store in (("training", text.train), ("validation", text.validation), ("test", text.test)):
        if len(store.tokens) < least:
            raise NotEnoughDataError(
                f"{store.path}: the {name} split has {len(store.tokens):,} tokens; rungs are compared on {TEST_ROWS} "
                f"stretches of {_LEAST_IN_A_ROW} tokens or more, so give {least:,} at least, or raise "
                "text.validation_share and text.test_share"
            )
    watched = held_out(text.validation.tokens, limit=WATCHED_TOKENS)
    return watched, held_out(text.test.tokens, limit=TEST_TOKENS, rows=TEST_ROWS)
