"""How fast encoders train, measured by `sentences.py`: the training as a run calls it, beside what it stands on.

embedpipe trains the network of the preset small with `train_encoder`: batches drawn from a token store, forward, two
contrastive losses, backward, clipping, optimizers, progress. Its contenders are given the batches that it draws. A
bidirectional ``nn.LSTM`` of the same shape does no more than forward and backward over an input that is drawn
beforehand; sentence-transformers trains an LSTM and its mean. The word table stands still on both sides, as the preset
has it, or is trained on both.
"""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from timed import CPU, wait_for

WORD_DIM = 300
"""Width of the word vectors that the preset publishes."""
PRESET = "small"
_SENTENCES_PER_DOCUMENT = 5
_STEPS, _FEWEST_TIMED, _WARM_UP = 120, 8, 4
_STEPS_ON_A_GPU, _WARM_UP_ON_A_GPU = 2_000, 64
"""Steps take milliseconds there, progress is told five times a second, and batches of a new length ask for memory."""
_WORDS_LEARNING_RATE = 1e-3
_SEED = 1


class Batch(NamedTuple):
    """The first sentences of the pairs and then the second: as texts, and as padded ids with their lengths."""

    texts: list[str]
    ids: torch.Tensor
    lengths: torch.Tensor

    @property
    def n_tokens(self) -> int:
        """How many tokens the sentences have, padding left out."""
        return int(self.lengths.sum())


Step = Callable[[Batch], Any]
Measure = Callable[[Path, int, torch.device], float]
"""From the folder of the benchmark, a number of steps and a device to tokens a second."""


def write_store(folder: Path, ids: np.ndarray, lengths: np.ndarray) -> None:
    """Write the texts as the token store that is trained on."""
    from embedpipe.text.store_writer import StoreWriter

    n_documents = len(lengths) // _SENTENCES_PER_DOCUMENT
    lengths = lengths[: n_documents * _SENTENCES_PER_DOCUMENT]
    sizes = {"n_tokens": int(lengths.sum()), "n_sentences": len(lengths), "n_documents": n_documents}
    with StoreWriter(folder / "store", **sizes) as writer:
        begins = np.ones(len(lengths), dtype=np.bool_)
        writer.append(ids[: sizes["n_tokens"]], lengths, np.full(n_documents, _SENTENCES_PER_DOCUMENT), begins)


def our_training(precision: str, *, words: bool = False) -> Measure:
    """Return embedpipe's training of the preset's network, with the word table or while that stands still."""

    def tokens_per_s(folder: Path, steps: int, device: torch.device) -> float:
        from embedpipe.runtime import Step as Progress
        from embedpipe.sentences.train import train_encoder
        from embedpipe.text.token_store import TokenStore

        seen: list[tuple[int, float]] = []

        def listen(event: object) -> None:
            if isinstance(event, Progress) and event.done >= warm_up(device):
                seen.append((event.done, time.perf_counter()))

        train_encoder(
            _bag(folder),
            TokenStore(folder / "store"),
            None,
            None,
            _config(steps, precision, words=words),
            seed=_SEED,
            device=device,
            listener=listen,
        )
        if len(seen) < 2:
            raise SystemExit(f"{steps} steps are over too soon to be measured: give a larger --share")
        (first, start), (last, stop) = seen[0], seen[-1]
        return sum(batch.n_tokens for batch in batches(folder, last)[first:]) / (stop - start)

    return tokens_per_s


def bare_lstm(precision: str) -> Measure:
    """Return forward and backward of a bidirectional ``nn.LSTM`` over an input of the same shape."""

    def make(_: Path, batches: Sequence[Batch], device: torch.device) -> Step:
        hidden = _config(1, precision).hidden
        lstm = torch.nn.LSTM(WORD_DIM, hidden, batch_first=True, bidirectional=True, device=device)
        shapes = {batch.ids.shape for batch in batches}
        drawn = {shape: torch.randn(*shape, WORD_DIM, device=device) for shape in shapes}

        def step(batch: Batch) -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                outputs, _ = lstm(drawn[batch.ids.shape])
            outputs.float().sum().backward()
            lstm.zero_grad()

        return step

    return _by_step(make)


def their_training(make_model: Callable[[Path, torch.device], Any]) -> Measure:
    """Return sentence-transformers: tokenise, forward, in-batch negatives, backward, clipping, AdamW.

    AdamW goes over all that `make_model` lets it train, at each step: over the whole word table, where that is trained.
    """

    def make(folder: Path, _: Sequence[Batch], device: torch.device) -> Step:
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

        model = make_model(folder, device).train()
        loss = MultipleNegativesRankingLoss(model)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-3, fused=True)

        def step(batch: Batch) -> None:
            half = len(batch.texts) // 2
            read = [model.preprocess(texts) for texts in (batch.texts[:half], batch.texts[half:])]
            features = [{name: tensor.to(device) for name, tensor in texts.items()} for texts in read]
            optimizer.zero_grad()
            loss(features, None).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()

        return step

    return _by_step(make)


def n_steps(share: float, device: torch.device) -> int:
    """Return how many steps are taken for a share of the whole benchmark."""
    whole = _STEPS if device.type == "cpu" else _STEPS_ON_A_GPU
    return max(round(whole * share), warm_up(device) + _FEWEST_TIMED)


def warm_up(device: torch.device) -> int:
    """Return how many of the steps are not timed."""
    return _WARM_UP if device.type == "cpu" else _WARM_UP_ON_A_GPU


def batches(folder: Path, n: int) -> list[Batch]:
    """Return the first batches of the training."""
    from embedpipe.nn.batches import TokenSource
    from embedpipe.sentences.damage import Damage
    from embedpipe.sentences.objectives.neighbours import neighbour_objective
    from embedpipe.sentences.objectives.objective import Setup
    from embedpipe.text.token_store import TokenStore
    from embedpipe.text.vocabulary import Vocabulary

    words = np.array(Vocabulary.load(folder / "vocabulary.json").tokens)
    store = TokenStore(folder / "store")
    setup = Setup.of(_config(n, "fp32"), seed=_SEED, device=CPU, damage=Damage())
    found = []
    for batch in islice(neighbour_objective(store, TokenSource(store.tokens, CPU), 1.0, setup).batches(0), n):
        ids, lengths = batch.rows.ids, batch.rows.lengths
        texts = [" ".join(words[row[:length]]) for row, length in zip(ids.numpy(), lengths.tolist(), strict=True)]
        found.append(Batch(texts, ids, lengths))
    return found


def _by_step(make: Callable[[Path, Sequence[Batch], torch.device], Step]) -> Measure:
    def tokens_per_s(folder: Path, steps: int, device: torch.device) -> float:
        drawn = batches(folder, steps)
        step = make(folder, drawn, device)
        first, timed = drawn[: warm_up(device)], drawn[warm_up(device) :]
        for batch in first:
            step(batch)
        wait_for(device)
        start = time.perf_counter()
        for batch in timed:
            step(batch)
        wait_for(device)
        return sum(batch.n_tokens for batch in timed) / (time.perf_counter() - start)

    return tokens_per_s


def _bag(folder: Path) -> Any:
    from embedpipe.words.bag import plain_average

    return plain_average(np.load(folder / "vectors.npy"))


def _config(steps: int, precision: str, *, words: bool = False) -> Any:
    from embedpipe.config import PipelineConfig

    rate = {"words_learning_rate": _WORDS_LEARNING_RATE} if words else {}
    return PipelineConfig.of(PRESET, {"sentences": {"steps": steps, "precision": precision, **rate}}).sentences
