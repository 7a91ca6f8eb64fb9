"""Text in, text out: continuations of prompts, sampled, searched or streamed, and the probability of a text."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import torch

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding.beam import beam_search
from embedpipe.generation.decoding.draw import Randoms
from embedpipe.generation.decoding.half import HalfOutput, is_half_faster
from embedpipe.generation.decoding.numbers import seed_or_new, whole
from embedpipe.generation.decoding.position import Memory, Predictor
from embedpipe.generation.decoding.prompts import (
    MAX_PROMPT_TOKENS,
    Prompt,
    begin_prompts,
    check_start,
    n_rows,
    read_prompt,
)
from embedpipe.generation.decoding.rules import Draft, Rules
from embedpipe.generation.decoding.settings import Beam, Decoding, Limits
from embedpipe.generation.decoding.shown import Shown
from embedpipe.generation.decoding.write import Group, write
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.score import Score, TextScorer
from embedpipe.generation.state import BEGINNING, State
from embedpipe.text.codec import check_texts

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec

__all__ = ["MAX_PROMPT_TOKENS", "Continuations", "Precision", "Score", "TextGenerator"]

Precision = Literal["auto", "fp32", "bf16"]
_ROWS = 256
_PROMPTS = 64
_PART = 2 * _ROWS
_DECODING, _LIMITS, _BEAM = Decoding(), Limits(), Beam()


@dataclass(frozen=True, slots=True)
class Continuations:
    """What was written, and what was read of the prompt.

    Parameters
    ----------
    texts : the prompt as it was given and a continuation of it, one for each asked.
    n_tokens : tokens written for each, the closing ``<eos>`` not counted, those of a stop sequence counted.
    ended : why each ended: ``sentence``, ``stop`` (a stop sequence, which is left out), ``length`` (`max_tokens`), or
        ``stuck`` (bans and blocks left nothing to write).
    log_probabilities : natural logarithm of the probability that the model gives to what was written, before any
        filter, the end of a sentence included; empty where it was not asked for.
    scores : what a beam search ranks by; empty for sampling.
    n_prompt_tokens : tokens of the prompt.
    n_unknown : how many of them are outside the vocabulary.
    n_unread : how many at the beginning were left out, as the prompt is longer than what is read or looked back on.
    """

    texts: list[str]
    n_tokens: list[int]
    ended: list[str]
    log_probabilities: list[float]
    scores: list[float]
    n_prompt_tokens: int
    n_unknown: int
    n_unread: int


class _Predictors:
    """The model as those use it who draw words, and as those who search for the most probable ones.

    A table in bf16 is a copy of the model's at the first draw.
    """

    def __init__(self, model: LanguageModel, new_memory: Callable[[], Memory] | None, precision: Precision) -> None:
        self._is_auto = precision == "auto"
        # By all digits unless told otherwise: words are often nearer to each other than bf16 rounds.
        self.searching = Predictor(model, new_memory, HalfOutput(model) if precision == "bf16" else None)

    @cached_property
    def drawing(self) -> Predictor:
        model = self.searching.model
        rounds = self._is_auto and is_half_faster(model)
        return replace(self.searching, output=HalfOutput(model)) if rounds else self.searching

    def of(self, decoding: Decoding) -> Predictor:
        return self.searching if decoding.is_greedy else self.drawing


class TextGenerator:
    """Writes text with a language model.

    Parameters
    ----------
    codec : the codec of the vocabulary that the model was trained on.
    model : the language model, on any device.
    start : what its texts are conditioned on; see `begin`.
    new_memory : makes what is remembered of each text beside the state, such as a continuous cache; None for none.
    precision : of the output layer in writing; see `in_precision`.
    """

    def __init__(
        self,
        codec: "TextCodec",
        model: LanguageModel,
        *,
        start: State = BEGINNING,
        new_memory: Callable[[], Memory] | None = None,
        precision: Precision = "auto",
    ) -> None:
        if precision not in get_args(Precision):
            raise ConfigError(f"unknown precision '{precision}' of the output: use {', '.join(get_args(Precision))}")
        self.codec, self.model, self.precision = codec, model.eval(), precision
        self._start = start
        self._predictors = _Predictors(self.model, new_memory, precision)

    def begin(self, start: State) -> "TextGenerator":
        """Return a generator of the same model whose texts go on from a state, such as one with `State.given`.

        Parameters
        ----------
        start : of one row, or for `generate_many` of one row for each prompt.
        """
        begun = copy.copy(self)
        begun._start = start
        return begun

    def in_precision(self, precision: Precision) -> "TextGenerator":
        """Return a generator of the same model that writes with its output layer in another precision.

        Parameters
        ----------
        precision : ``bf16`` is about twice as fast where the processor has it, and a seed gives other texts than in
            ``fp32``; see `HalfOutput` for what it changes. ``auto`` draws in bf16 where that is faster
            (`is_half_faster`), and takes the most probable words, one by one or by a beam, in fp32.
        """
        memory = self._predictors.searching.new_memory
        return TextGenerator(self.codec, self.model, start=self._start, new_memory=memory, precision=precision)

    def read(self, prompt: str) -> Prompt:
        """Return a prompt as it is read: its last tokens, and how many it has and are unknown."""
        return read_prompt(self.codec, prompt, self.model.shape.reach)

    def generate(
        self,
        prompt: str = "",
        *,
        n: int = 3,
        max_tokens: int = 40,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float | None = None,
        stop: Sequence[str] = (),
        seed: int | None = None,
    ) -> list[str]:
        """Return `n` texts that begin with the prompt, as it was given, and go on to the end of a sentence.

        Parameters
        ----------
        prompt : may be empty. A prompt that the model takes for a whole sentence is followed by a new one.
        max_tokens, stop : see `Limits`, which has more; `continuations` takes them.
        temperature, top_k, top_p : see `Decoding`, which has more.
        seed : the same seed and arguments give the same texts; None draws one.

        Raises
        ------
        ConfigError
            If an argument is out of its range.
        """
        decoding, limits = Decoding(temperature, top_k, top_p), Limits(max_tokens, stop=_texts(stop))
        return self.continuations(prompt, decoding, limits, n=n, seed=seed).texts

    def continuations(
        self,
        prompt: str = "",
        decoding: Decoding = _DECODING,
        limits: Limits = _LIMITS,
        *,
        n: int = 3,
        seed: int | None = None,
        scored: bool = False,
    ) -> Continuations:
        """Return `n` continuations of one prompt, with counts of what was read and written.

        Parameters
        ----------
        scored : whether their log-probabilities are given.

        Raises
        ------
        ConfigError
            If an argument is out of its range, or `Limits.begin_with` cannot be written.
        BundleError
            If the model gives probabilities that are no numbers.
        """
        read = self.read(prompt)
        return self._write([read], decoding, limits, n, seed_or_new(seed), scored)[0]

    def generate_many(
        self,
        prompts: Sequence[str],
        decoding: Decoding = _DECODING,
        limits: Limits = _LIMITS,
        *,
        n: int = 1,
        seed: int | None = None,
        scored: bool = False,
    ) -> list[Continuations]:
        """Return `n` continuations of each prompt, written side by side.

        Each text has random numbers of its own, which follow from the seed, its prompt and its number among the texts
        of that prompt. It is therefore what `continuations` writes for its prompt alone, whatever stands beside it.
        (A batch of another size rounds differently in the last of seven digits; where two words are that near to a
        border, another one may be drawn.) A prompt given twice gets twice as many texts, not the same ones again.

        Parameters
        ----------
        prompts : may be empty texts; none at all gives none.

        Raises
        ------
        As `continuations`; `TypeError` if `prompts` is one string, or holds anything but strings.
        """
        check_texts(prompts)
        reads = list(map(self.read, prompts))
        return self._write(reads, decoding, limits, n, seed_or_new(seed), scored)

    def generate_in_parts(
        self,
        prompts: Sequence[str],
        decoding: Decoding = _DECODING,
        limits: Limits = _LIMITS,
        *,
        n: int = 1,
        seed: int | None = None,
        scored: bool = False,
    ) -> Iterator[list[Continuations]]:
        """Yield what `generate_many` returns, some hundred texts at a time, as soon as they are written.

        Parameters
        ----------
        As for `generate_many`; each prompt goes on from the same state.

        Raises
        ------
        As `generate_many`, when the first part is asked for.
        """
        check_texts(prompts)
        seed, met = seed_or_new(seed), Counter[str]()
        size = max(1, _PART // max(1, whole("n", n)))
        for at in range(0, len(prompts), size):
            reads = list(map(self.read, prompts[at : at + size]))
            yield self._write(reads, decoding, limits, n, seed, scored, met)

    def stream(
        self,
        prompt: str = "",
        decoding: Decoding = _DECODING,
        limits: Limits = _LIMITS,
        *,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Yield one text in pieces, the prompt first, as its tokens are chosen.

        The pieces together are the first text that `continuations` gives for the same seed.

        Raises
        ------
        As `continuations`, when it is called and before anything is yielded.
        """
        read = self.read(prompt)
        rules = Rules(self.codec, limits, decoding, self.model.device)
        return self._stream(read, decoding, rules, seed_or_new(seed))

    @torch.inference_mode()
    def beam(self, prompt: str = "", beam: Beam = _BEAM, limits: Limits = _LIMITS, *, n: int = 1) -> Continuations:
        """Return the `n` continuations of the highest score that a beam search finds, best first.

        Parameters
        ----------
        beam : width and length penalty; see `Beam`.
        n : at most the width. Fewer come back where fewer can be written.

        Raises
        ------
        As `continuations`.
        """
        if not 1 <= whole("n", n) <= beam.width:
            raise ConfigError(f"n lies between 1 and the width of the beam ({beam.width}), not {n}")
        read = self.read(prompt)
        rules = Rules(self.codec, limits, beam, self.model.device)
        shown = Shown(self.codec, rules, read.text, read.ids)
        position = begin_prompts(self._predictors.searching, [read], self._start)[0]
        start = Draft(before=read.ids)
        drafts = beam_search(self._predictors.searching, position, start, beam, rules, n, shown)
        return _continuations(read, drafts, shown, scored=True, ranked=True)

    def score(self, text: str) -> Score:
        """Return the log-probability of a text read as one sentence; unknown words are scored as ``<unk>``."""
        return TextScorer(self.codec, self.model).score(text)

    def scores(self, texts: Sequence[str]) -> list[Score]:
        """Return what `score` does for each of many texts, read side by side."""
        return TextScorer(self.codec, self.model).scores(texts)

    @torch.inference_mode()
    def _stream(self, read: Prompt, decoding: Decoding, rules: Rules, seed: int) -> Iterator[str]:
        shown = Shown(self.codec, rules, read.text, read.ids)
        draft, predictor = Draft(before=read.ids), self._predictors.of(decoding)

        def groups() -> Iterator[Group]:
            position = begin_prompts(predictor, [read], self._start)[0]
            yield Group(position, [draft], Randoms(seed, read.text, [0]), shown.is_stopped)

        yield from shown.pieces(draft, write(predictor, groups(), decoding, rules, rows=1))

    @torch.inference_mode()
    def _write(
        self,
        prompts: Sequence[Prompt],
        decoding: Decoding,
        limits: Limits,
        n: int,
        seed: int,
        scored: bool,
        met: Counter[str] | None = None,
    ) -> list[Continuations]:
        """Write `n` texts for each prompt; `met` counts the texts of each prompt, and these are added."""
        if whole("n", n) < 1:
            raise ConfigError(f"n, the number of texts, is at least 1, not {n}")
        rules = Rules(self.codec, limits, decoding, self.model.device)
        shown = [Shown(self.codec, rules, prompt.text, prompt.ids) for prompt in prompts]
        drafts = [[Draft(before=prompt.ids) for _ in range(n)] for prompt in prompts]
        met, predictor = Counter() if met is None else met, self._predictors.of(decoding)
        firsts = []
        for prompt in prompts:
            firsts.append(met[prompt.text])
            met[prompt.text] += n
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].ids))

        def groups() -> Iterator[Group]:
            for at in range(0, len(order), _PROMPTS):
                some = order[at : at + _PROMPTS]
                start = self._start
                if n_rows(start) > 1:
                    start = start.rows(torch.tensor(some))
                positions = begin_prompts(predictor, [prompts[i] for i in some], start)
                for i, position in zip(some, positions, strict=True):
                    randoms = Randoms(seed, prompts[i].text, range(firsts[i], firsts[i] + n))
                    yield Group(position, drafts[i], randoms, shown[i].is_stopped)

        check_start(self._start, len(prompts))
        for _ in write(predictor, groups(), decoding, rules, rows=_ROWS, scored=scored):
            pass
        return [
            _continuations(prompt, written, how, scored=scored, ranked=False)
            for prompt, written, how in zip(prompts, drafts, shown, strict=True)
        ]


def _continuations(
    prompt: Prompt, drafts: Sequence[Draft], shown: Shown, *, scored: bool, ranked: bool
) -> Continuations:
    return Continuations(
        texts=[shown.text(draft) for draft in drafts],
        n_tokens=[draft.n_tokens for draft in drafts],
        ended=[draft.ended for draft in drafts],
        log_probabilities=[draft.log_probability for draft in drafts] if scored else [],
        scores=[draft.score for draft in drafts] if ranked else [],
        n_prompt_tokens=prompt.n_tokens,
        n_unknown=prompt.n_unknown,
        n_unread=prompt.n_unread,
    )


def _texts(texts: Sequence[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)
