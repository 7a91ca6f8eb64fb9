"""The five stages: each reads what the stages before it wrote and writes its files into an empty folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from embedpipe.bundle.manifest import StageRecord
from embedpipe.config import PipelineConfig
from embedpipe.loading import Bundle
from embedpipe.pipeline.decoder import decoder_for
from embedpipe.pipeline.word_start import text_base, word_starts
from embedpipe.pipeline.work import WorkFolder
from embedpipe.runtime import DeviceName, Listener, StageStarted, Warned, n_cores, resolve_device, seeded
from embedpipe.text.prepare import prepare
from embedpipe.text.prepared import PreparedText
from embedpipe.text.vocabulary import SPECIALS

__all__ = ["RUNNERS", "Job", "StageOutcome"]


_ENOUGH = 0.5
"""Share of a vocabulary's size that was set below which its words are too few for it."""


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """A stage's result in one line and in numbers; `threads` where it used others than its kind of stage does."""

    summary: str
    result: dict[str, Any]
    threads: int | None = None


@dataclass
class Job:
    """What the stages of one run share."""

    sources: Sequence[str]
    config: PipelineConfig
    work: WorkFolder
    device: DeviceName
    download: bool
    listener: Listener
    starts: Mapping[str, Any] = field(default_factory=dict)
    """By stage, the hashes of the files that it starts from."""
    chosen: str = ""
    """What ``--preset auto`` chose and why; empty where a preset was named."""
    made: dict[str, StageRecord] = field(default_factory=dict)
    """The records of the stages that this run has made."""

    @cached_property
    def text(self) -> PreparedText:
        """The prepared text."""
        return PreparedText(self.work.stage("text"))

    @cached_property
    def parts(self) -> Bundle:
        """The parts that stand finished in the working folder."""
        return Bundle(self.work)


def run_text(job: Job, out: Path) -> StageOutcome:
    """Prepare the text: the stores of three splits, the vocabulary and the tokenizer."""
    config = job.config
    prepared = prepare(
        job.sources,
        config.text,
        out,
        seed=config.seed,
        download=job.download,
        exclude=job.work.writes,
        base=text_base(config),
        listener=job.listener,
    )
    report = prepared.report
    tokens = sum(report[split]["tokens"] for split in ("train", "validation", "test"))
    removed = f"{report['exact_duplicates']:,} exact and {report['near_duplicates']:,} near duplicates removed"
    n_words = report["vocabulary"] - len(SPECIALS)
    if "max_size" in config.text.model_fields_set and n_words < _ENOUGH * config.text.max_size:
        job.listener(Warned("text", _too_few_words(n_words, config.text.max_size)))
    words = f"{n_words:,} words"
    if "phrases" in report:
        words += f", {report['phrases']['found']:,} of them phrases"
    summary = f"{tokens:,} tokens of {report['documents']:,} documents, {words}; {removed}"
    return StageOutcome(summary, report)


def _too_few_words(n_words: int, asked: int) -> str:
    return (
        f"a vocabulary of {asked:,} words was asked for (text.max_size), but the text has only {n_words:,} that occur "
        "often enough (text.min_count): figures do not compare with those of larger texts; give more text"
    )


def run_words(job: Job, out: Path) -> StageOutcome:
    """Train word vectors and derive what is published of them and the sentence space of the bag."""
    from embedpipe.words.build import build_words
    from embedpipe.words.train import word2vec_threads

    config, text = job.config, job.text
    threads = word2vec_threads(text.train.n_tokens, 1 if config.reproducible else n_cores())
    starts, started_from = word_starts(config, text.vocabulary)
    built = build_words(
        text,
        config.words,
        out,
        seed=config.seed,
        workers=threads,
        checkpoint=job.work.checkpoint("words"),
        starts=starts,
        started_from=started_from,
        listener=job.listener,
    )
    if job.chosen:
        return StageOutcome(f"{built.summary}; {job.chosen}", {**built.result, "chosen": job.chosen}, threads)
    return StageOutcome(built.summary, built.result, threads)


def run_sentences(job: Job, out: Path) -> StageOutcome:
    """Train the sentence encoder, starting from the bag."""
    from embedpipe.sentences.labelled import read_labelled
    from embedpipe.sentences.part import save_encoder
    from embedpipe.sentences.train import train_encoder

    job.listener(StageStarted("sentences", job.config.sentences.steps, "step"))
    with seeded(job.config.seed, deterministic=job.config.reproducible):
        trained = train_encoder(
            job.parts.bag,
            job.text.train,
            job.text.validation,
            job.text.test,
            job.config.sentences,
            seed=job.config.seed,
            device=resolve_device(job.device),
            labelled=read_labelled(job.config.sentences, job.text.codec),
            decoder=decoder_for(job.parts, job.text.vocabulary, job.config),
            checkpoint=job.work.checkpoint("sentences"),
            listener=job.listener,
        )
    (out / "encoder").mkdir()
    save_encoder(out / "encoder", trained.network, job.parts.bag.vectors)
    return StageOutcome(trained.summary, trained.result)


def run_generation(job: Job, out: Path) -> StageOutcome:
    """Train the language model, starting from the whitened word vectors."""
    from embedpipe.generation.begin import steps_of
    from embedpipe.generation.figures import perplexity_figures, perplexity_summary
    from embedpipe.generation.part import save_generator
    from embedpipe.generation.train import train_language_model

    job.listener(StageStarted("generation", steps_of(job.config.generation, len(job.text.train.tokens)), "step"))
    with seeded(job.config.seed, deterministic=job.config.reproducible):
        trained = train_language_model(
            job.parts.bag.vectors,
            job.text.vocabulary,
            job.text.train,
            job.text.validation,
            job.text.test,
            job.config.generation,
            seed=job.config.seed,
            device=resolve_device(job.device),
            checkpoint=job.work.checkpoint("generation"),
            listener=job.listener,
        )
    (out / "generator").mkdir()
    save_generator(out / "generator", trained.model)
    return StageOutcome(perplexity_summary(trained), {**perplexity_figures(trained), "curve": trained.curve})


def run_probes(job: Job, out: Path) -> StageOutcome:
    """Measure the words and the encoder beside baselines."""
    from embedpipe.probes.findings import write_findings
    from embedpipe.probes.leaks.labelled_texts import labelled_texts
    from embedpipe.probes.leaks.training_text import TrainingText
    from embedpipe.probes.rows import stage_result, summary
    from embedpipe.probes.run import probe_bundle

    findings = probe_bundle(
        job.parts,
        job.text,
        job.config.probes,
        seed=job.config.seed,
        training=TrainingText.of(job.text),
        labelled=labelled_texts(job.config.sentences),
        listener=job.listener,
    )
    write_findings(out / "probes.json", findings)
    return StageOutcome(summary(findings.rows), stage_result(findings.rows))


RUNNERS: dict[str, Callable[[Job, Path], StageOutcome]] = {
    "text": run_text,
    "words": run_words,
    "sentences": run_sentences,
    "generation": run_generation,
    "probes": run_probes,
}
