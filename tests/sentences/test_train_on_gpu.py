"""Training of an encoder and of a language model on a GPU: nothing in a step waits for it, the losses are the CPU's.

Each test runs on the CPU too, where another guard stands for CUDA's, so that what is asked here is known to be askable.
Both devices train the tables of words by the same optimizer: on a CPU the rows that a batch does not touch stand still
otherwise (`set_sparse`), which is another training and no error. Nothing is dropped, for the devices draw other masks.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import embedpipe.nn.fit
import embedpipe.sentences.train
from embedpipe.config import GenerationConfig, SentencesConfig
from embedpipe.generation.train import train_language_model
from embedpipe.nn.guard import Guard
from embedpipe.nn.optimizers import set_sparse
from embedpipe.runtime import Step, Warned
from embedpipe.sentences.network import SentenceNetwork
from embedpipe.sentences.train import train_encoder
from embedpipe.text.store_writer import StoreWriter
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, SPECIALS, Vocabulary
from embedpipe.words.bag import Bag

CPU, GPU = torch.device("cpu"), torch.device("cuda")
DEVICES = [pytest.param(CPU, id="cpu"), pytest.param(GPU, id="gpu", marks=pytest.mark.gpu)]
KINDS = {"encoder": 10, "generator": 15}
"""What is trained, and how many of its steps lie whole between two looks at the losses."""
STEPS, N_WORDS, DIM, RATE = 20, 60, 16, 1e-2
TOLERANCE = 1e-3 * (1 + 9 * np.arange(STEPS) / (STEPS - 1))
"""Relative, of the loss before each step. The first differs by how sums are rounded alone, which a temperature of .05
makes twenty times as large. From then on Adam divides gradients by their own size, so that one near zero moves its
weight by a whole step in a direction that rounding decides: the paths part, step by step. Word vectors that differ by
1e-6 change no loss by more than 1e-5; a learning rate that is a fifth higher is found out."""
_WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive"}


class NoWaiting(TorchDispatchMode):
    """Raises where a GPU would be waited for, because a number, or a size, must be known to the host."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by_mask = func.overloadpacket.__name__ == "index" and any(
            i is not None and i.dtype == torch.bool for i in args[1]
        )
        if by_mask or func.overloadpacket.__name__ in _WAITING:
            raise RuntimeError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


def forbid_on_cpu() -> Callable[[bool], None]:
    """Return what forbids waiting, and allows it again."""
    entered: list[NoWaiting] = []

    def forbid(on: bool) -> None:
        if on and not entered:
            entered.append(NoWaiting())
            entered[0].__enter__()
        elif entered and not on:
            entered.pop().__exit__(None, None, None)

    return forbid


def forbid_on_gpu(on: bool) -> None:
    with warnings.catch_warnings(action="ignore"):  # torch says each time that it does not see all that waits
        torch.cuda.set_sync_debug_mode("error" if on else "default")


@dataclass
class Seen:
    """What a training did.

    Parameters
    ----------
    losses : before each step.
    n_quiet : steps, from their batch to the moment that they were taken, in which waiting was forbidden.
    """

    losses: list[float] = field(default_factory=list)
    n_quiet: int = 0
    events: list[object] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TokenStore]:
    """Documents of six sentences; each sentence is a walk around a circle, from about the same place."""
    rng, made = np.random.default_rng(0), {}
    for name, n in (("train", 120), ("test", 12)):
        lengths = rng.integers(5, 60, 6 * n)
        starts = np.repeat(rng.integers(N_WORDS, size=n), 6) + rng.integers(8, size=6 * n)
        ids = [4 + (start + np.arange(length)) % N_WORDS for start, length in zip(starts, lengths, strict=True)]
        folder = tmp_path_factory.mktemp("stores") / name
        with StoreWriter(folder, n_tokens=int(lengths.sum()), n_sentences=6 * n, n_documents=n) as writer:
            writer.append(np.concatenate(ids).astype(np.uint32), lengths, np.full(n, 6), np.ones(6 * n, dtype=np.bool_))
        made[name] = TokenStore(folder)
    return made


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, stores: dict[str, TokenStore]) -> Iterator[Callable[..., Seen]]:
    """Return a function from what is trained, and on which device, to what was seen, without TF32."""
    monkeypatch.setattr("embedpipe.nn.precision.tensor_cores", lambda _: nullcontext())
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(embedpipe.sentences.train, "set_sparse", lambda network, _: set_sparse(network, GPU))
    # The rows that tokens share are a matter of CPUs (test_indexed_lstm.py); here both read as a GPU does.
    monkeypatch.setattr(SentenceNetwork, "_shares_rows", lambda *_: False)
    monkeypatch.setattr(embedpipe.nn.fit, "_SECONDS_BETWEEN_EVENTS", math.inf)  # progress is told from a loss
    allowed = forbid_on_cpu()

    def call(
        kind: str,
        device: torch.device,
        *,
        checkpoint: Path | None = None,
        stop_at: int = 0,
        watched: bool = False,
        **settings: object,
    ) -> Seen:
        seen, forbid, lazy = Seen(), forbid_on_gpu if device == GPU else allowed, True if watched else None

        class Watching(Guard):
            """Forbids waiting from where a step is admitted until the losses are looked at."""

            forbidden, n_admitted = False, 0

            def __init__(self, optimizers: Any, device: torch.device, *, scaler: Any = None, **_: object) -> None:
                super().__init__(optimizers, device, scaler=scaler, lazy=lazy)

            def admits(self, loss: torch.Tensor, norm: torch.Tensor) -> bool:
                self.n_admitted += 1
                if self.n_admitted == stop_at:
                    raise KeyboardInterrupt
                sound = super().admits(loss, norm)
                seen.n_quiet += self.forbidden
                if watched:
                    forbid(True)
                self.forbidden = watched
                return sound

            def look(self) -> bool:
                if watched:
                    forbid(False)
                self.forbidden = False
                sound = super().look()
                seen.losses = self.losses
                return sound

        monkeypatch.setattr(embedpipe.nn.fit, "Guard", Watching)
        how = {"seed": 1, "device": device, "checkpoint": checkpoint, "listener": seen.events.append}
        vectors = np.random.default_rng(2).normal(size=(4 + N_WORDS, DIM)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[:4] = 0
        if kind == "encoder":
            sizes = {"hidden": 8, "batch": 16, "max_tokens": 8, "steps": STEPS, "dropout": 0.0, "precision": "fp32"}
            rates = {"learning_rate": RATE, "words_learning_rate": RATE}
            bag = Bag(vectors, np.where(np.arange(len(vectors)) < 4, 0, 0.5).astype(np.float32))
            train_encoder(bag, stores["train"], None, None, SentencesConfig(**{**sizes, **rates, **settings}), **how)
            return seen
        counts = np.bincount(stores["train"].tokens, minlength=len(vectors))
        counts[EOS] = 0
        vocabulary = Vocabulary([*SPECIALS, *(f"w{i}" for i in range(N_WORDS))], counts)
        sizes = {
            "hidden": 16,
            "batch": 8,
            "bptt": 8,
            "layers": 1,
            "steps": STEPS,
            "learning_rate": RATE,
            "precision": "fp32",
        }
        nothing_dropped = {"input_p": 0.0, "hidden_p": 0.0, "output_p": 0.0}
        config = GenerationConfig(**{**sizes, **nothing_dropped, **settings})
        texts = stores["train"], stores["test"], stores["test"]
        train_language_model(vectors, vocabulary, *texts, config, baselines=False, **how)
        return seen

    try:
        yield call
    finally:
        allowed(False)
        if torch.cuda.is_available():
            forbid_on_gpu(False)


@pytest.fixture(scope="module")
def known() -> dict[str, Seen]:
    return {}


@pytest.fixture
def on_cpu(train: Callable[..., Seen], known: dict[str, Seen]) -> Callable[[str], Seen]:
    """Return a function from what is trained to what the CPU makes of it, which is found once."""

    def of(kind: str) -> Seen:
        if kind not in known:
            known[kind] = train(kind, CPU)
        return known[kind]

    return of


def beyond_tolerance(found: Seen, expected: Seen) -> int:
    """Return how many losses differ by more than `TOLERANCE`."""
    off = np.abs(np.divide(found.losses, expected.losses) - 1)
    return int((off > TOLERANCE[: len(off)]).sum())


def assert_same(found: Seen, expected: Seen, device: torch.device) -> None:
    """To the bit on one device, within `TOLERANCE` on another."""
    assert len(found.losses) == len(expected.losses) == STEPS
    assert not beyond_tolerance(found, expected)
    assert device == GPU or found.losses == expected.losses


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_step_waits_and_the_losses_are_those_of_the_cpu(train, on_cpu, kind: str, device: torch.device) -> None:
    found = train(kind, device, watched=True)
    assert_same(found, on_cpu(kind), device)
    assert found.n_quiet == KINDS[kind]


DROPPED = {"dropout": 0.1, "embed_p": 0.1, "word_p": 0.1, "delete_p": 0.1, "swap_p": 0.1, "synonym_p": 0.1}
DROPPED_TOO = {"input_p": 0.1, "hidden_p": 0.1, "output_p": 0.1, "embed_p": 0.1, "weight_p": 0.1, "noise_p": 0.1}
ALSO: list[tuple[str, dict[str, object]]] = [
    ("encoder", {**DROPPED, "twins": 1.0, "crops": 1.0, "nested_dims": (4,), "l1": 1e-6, "ema": 0.9, "beside": 0.1}),
    ("encoder", {"architecture": "transformer", "pooling": "attention"}),
    ("encoder", {"language_model": 1.0, "beside": 0.1}),
    ("generator", {**DROPPED_TOO, "ar": 1.0, "tar": 1.0, "l1": 1e-6, "variable_bptt": True, "ema": 0.9}),
    ("generator", {"softmax": "sampled", "samples": 20}),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("kind", "settings"), ALSO)
def test_other_settings_do_not_wait_either(train, kind: str, settings: dict[str, object], device: torch.device) -> None:
    seen = train(kind, device, watched=True, steps=16, **settings)
    assert np.isfinite(seen.losses).all()
    assert seen.n_quiet >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_is_another_one_is_no_rounding(train, on_cpu, kind: str) -> None:
    assert beyond_tolerance(train(kind, CPU, learning_rate=1.2 * RATE), on_cpu(kind)) > STEPS / 2


def test_what_waits_is_caught(train, monkeypatch) -> None:
    forward = SentenceNetwork.forward
    monkeypatch.setattr(SentenceNetwork, "forward", lambda self, ids, n: forward(self, ids[:, : int(n.max())], n))
    with pytest.raises(RuntimeError, match="waits for the device"):
        train("encoder", CPU, watched=True)


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        pytest.param(CPU, "bf16", id="cpu-bf16"),
        pytest.param(GPU, "bf16", id="gpu-bf16", marks=pytest.mark.gpu),
        pytest.param(GPU, "fp16", id="gpu-fp16", marks=pytest.mark.gpu),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_half_a_float_ends_with_finite_losses(train, kind: str, device: torch.device, precision: str) -> None:
    steps = 4 if device == CPU else STEPS
    seen = train(kind, device, precision=precision, steps=steps, watched=device == GPU)
    assert len(seen.losses) == steps
    assert np.isfinite(seen.losses).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_training_goes_on(train, on_cpu, tmp_path: Path, kind: str, device: torch.device) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(kind, device, checkpoint=tmp_path / "kept", stop_at=14)
    resumed = train(kind, device, checkpoint=tmp_path / "kept")
    assert "goes on after step 12" in [event.note for event in resumed.events if isinstance(event, Step)]
    assert_same(resumed, on_cpu(kind), device)


def few_rows_fit(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Have memory run out on the CPU where more than `most` rows are read at once."""
    forward = SentenceNetwork.forward

    def read(self: SentenceNetwork, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        if len(ids) > most:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, ids, lengths)

    monkeypatch.setattr(SentenceNetwork, "forward", read)


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_that_does_not_fit_is_halved_with_one_warning(train, monkeypatch, device: torch.device) -> None:
    sizes: dict[str, int] = (
        {"steps": 4} if device == CPU else {"steps": 4, "batch": 2_048, "hidden": 128, "max_tokens": 64}
    )
    if device == GPU:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    roomy = train("encoder", device, **sizes)
    assert not roomy.warnings
    if device == CPU:
        few_rows_fit(monkeypatch, 16)
        cut = train("encoder", device, **sizes)
    else:
        share = 0.6 * torch.cuda.max_memory_allocated() / torch.cuda.get_device_properties(device).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(share)
        try:
            cut = train("encoder", device, **sizes)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
    assert len(cut.warnings) == 1
    assert "out of memory" in cut.warnings[0]
    assert "a batch is read in 2 parts or more" in cut.warnings[0]
    assert not beyond_tolerance(cut, roomy)
