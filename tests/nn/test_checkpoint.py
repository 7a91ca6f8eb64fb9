"""Checkpoints: a training that was interrupted after any step ends with the same bits, and a foreign one is refused."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.errors import OutputError
from embedpipe.nn.checkpoint import Checkpoints, fingerprint_of, pack, unpack
from embedpipe.nn.fit import FitResult, fit
from embedpipe.nn.optimizers import make_optimizers
from embedpipe.runtime import Step

CPU = torch.device("cpu")
STEPS = 12


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 4, sparse=True)
        self.dropout, self.out = nn.Dropout(0.3), nn.Linear(4, 1)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, ids: Tensor) -> Tensor:
        if self.training:
            self.seen += 1
        return self.out(self.dropout(self.table(ids).mean(dim=1)))[:, 0]


class Memory:
    """A loss that depends on the step before, as the state of a language model does."""

    def __init__(self) -> None:
        self.last = torch.zeros((), dtype=torch.bfloat16)

    def __call__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        value = F.mse_loss(model(batch[0]) + self.last.float(), batch[1])
        self.last = (value.detach() / 10).bfloat16()
        return value

    def state_dict(self) -> dict[str, Tensor]:
        return {"last": self.last}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.last = state["last"]


def batches(start: int):
    for number in range(start, 10_000):
        ids = torch.randint(0, 20, (8, 3), generator=torch.Generator().manual_seed(number))
        yield ids, ids.float().mean(dim=1) / 10


def train(
    checkpoint: Checkpoints | None, *, stop_at: int = -1, steps: int = STEPS, patience: int = 0, events=None
) -> tuple[FitResult, dict[str, Tensor]]:
    """Train with everything switched on, and fail in the loss of step `stop_at`."""
    torch.manual_seed(0)
    model, memory = Small(), Memory()
    held = next(batches(10_000 - 1))

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        if model.seen == 2 * stop_at:
            raise KeyboardInterrupt
        return memory(model, batch)

    def evaluate() -> float:
        return F.mse_loss(model(held[0]), held[1]).item() if patience == 0 else float(model.seen)

    result = fit(
        model,
        batches,
        loss,
        optimizers=make_optimizers(model, 0.05, 0.01),
        steps=steps,
        accumulate=2,
        ema=0.9,
        patience=patience,
        schedule="linear",
        device=CPU,
        precision="fp32",
        stage="x",
        listener=(lambda event: None) if events is None else events.append,
        evaluate=evaluate,
        evaluate_every=3,
        checkpoint=checkpoint,
        carried=[memory],
    )
    return result, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: tuple[FitResult, dict[str, Tensor]], second: tuple[FitResult, dict[str, Tensor]]) -> bool:
    numbers = [(r.steps, r.losses.tolist(), r.best, r.best_step, r.stopped) for r, _ in (first, second)]
    return numbers[0] == numbers[1] and all(torch.equal(first[1][name], second[1][name]) for name in first[1])


@pytest.mark.parametrize(("every_seconds", "stops"), [(0.0, (7,)), (60.0, (0, 2, 7, 11))])
def test_interrupted_after_any_step_it_ends_with_the_same_bits(tmp_path: Path, every_seconds: float, stops) -> None:
    whole = train(None)
    assert whole[0].steps == STEPS
    assert whole[0].best_step > 0
    for stop_at in stops:
        checkpoint = Checkpoints(tmp_path / str(stop_at), "a", every_seconds)
        with pytest.raises(KeyboardInterrupt):
            train(checkpoint, stop_at=stop_at)
        events: list = []
        assert same(train(Checkpoints(tmp_path / str(stop_at), "a", every_seconds), events=events), whole)
        after = stop_at if every_seconds == 0.0 else stop_at // 3 * 3
        noted = [event.note for event in events if isinstance(event, Step) and event.note.startswith("goes on")]
        assert noted == ([f"goes on after step {after}"] if after else [])
    files = sorted(path.name for path in (tmp_path / "7").iterdir())
    assert files == [f"best-{whole[0].best_step}.safetensors", "checkpoint.json", f"last-{STEPS}.safetensors"]
    assert same(train(Checkpoints(tmp_path / "7", "a")), whole), "a finished training is not trained again"


def test_a_checkpoint_of_an_earlier_version_is_gone_on_from(tmp_path: Path) -> None:
    """It kept neither a clock nor, before that, a history."""
    whole = train(None)
    with pytest.raises(KeyboardInterrupt):
        train(Checkpoints(tmp_path / "c", "a"), stop_at=8)
    saved = Checkpoints(tmp_path / "c", "a").load()
    assert saved is not None
    history = saved.state["best"]["history"]
    del saved.state["budget"]
    for known in (history, []):
        saved.state["best"]["history"] = known
        earlier = Checkpoints(tmp_path / str(len(known)), "a")
        earlier.save(saved.step, saved.state, saved.state["best"]["step"], saved.best)
        resumed = train(earlier)
        assert same(resumed, whole)
        assert [step for step, _ in resumed[0].history] == ([0, 3, 6] if known else []) + [9, 12]
        assert len(resumed[0].elapsed) == len(resumed[0].history)
        assert resumed[0].elapsed[: len(known)] == (0.0,) * len(known)


def test_a_training_that_stopped_by_patience_stays_stopped(tmp_path: Path) -> None:
    checkpoint = Checkpoints(tmp_path / "c", "a")
    stopped = train(checkpoint, patience=2)
    assert (stopped[0].steps, stopped[0].best_step) == (6, 0)
    assert "no lower validation loss in 2 evaluations; the state of step 0 is kept" in str(stopped[0].stopped)
    assert same(train(Checkpoints(tmp_path / "c", "a"), patience=2), stopped)


def test_a_foreign_or_damaged_checkpoint_is_refused_and_said(tmp_path: Path) -> None:
    whole = train(None)

    def damaged(how: str) -> list[Step]:
        folder = tmp_path / how
        checkpoint = Checkpoints(folder, "a")
        with pytest.raises(KeyboardInterrupt):
            train(checkpoint, stop_at=8)
        if how == "truncated":
            last = folder / "last-6.safetensors"
            last.write_bytes(last.read_bytes()[:-1])
        elif how == "no json":
            (folder / "checkpoint.json").write_text("{")
        elif how == "no tensors":
            (folder / "last-6.safetensors").unlink()
        events: list = []
        assert same(train(Checkpoints(folder, "b" if how == "foreign" else "a"), events=events), whole)
        return [event for event in events if isinstance(event, Step)]

    for how in ("foreign", "truncated", "no json", "no tensors"):
        assert damaged(how)[0].note.startswith("begins anew: the checkpoint is of other text or settings")


@pytest.mark.parametrize(
    ("begun_on", "said"),
    [
        (["cuda", 1], r"begun on cuda in 1 process, and this is on cpu in 1 process; go on .* \(--device cuda, as"),
        (["cpu", 2], r"begun on cpu in 2 processes, and this is on cpu in 1 process; .* anew with --no-resume"),
    ],
)
def test_a_checkpoint_of_another_device_or_of_more_processes_is_kept(tmp_path: Path, begun_on, said: str) -> None:
    whole = train(None)
    with pytest.raises(KeyboardInterrupt):
        train(Checkpoints(tmp_path, "a"), stop_at=8)
    file = tmp_path / "checkpoint.json"
    here = file.read_text()
    assert '["trained_on", ["cpu", 1]]' in here
    file.write_text(here.replace('["cpu", 1]', json.dumps(begun_on)))
    with pytest.raises(OutputError, match=said):
        train(Checkpoints(tmp_path, "a"))
    assert (tmp_path / "last-6.safetensors").exists()
    file.write_text(here)
    assert same(train(Checkpoints(tmp_path, "a")), whole)


def test_a_kill_between_the_files_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch) -> None:
    checkpoint = Checkpoints(tmp_path, "a")
    weights = {"w": torch.tensor([1.0])}
    checkpoint.save(1, {"step": 1}, 1, weights)
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(2, {"step": 2}, 2, {"w": torch.tensor([2.0])})
    monkeypatch.undo()
    again = Checkpoints(tmp_path, "a")
    saved = again.load()
    assert saved is not None
    assert (saved.step, saved.state, saved.best["w"].item()) == (1, {"step": 1}, 1.0)
    assert {path.stem for path in tmp_path.glob("*.safetensors")} == {"last-1", "best-1"}
    again.save(2, {"step": 2}, 2, {"w": torch.tensor([3.0])})
    saved = Checkpoints(tmp_path, "a").load()
    assert saved is not None
    assert saved.best["w"].item() == 3.0
    assert Checkpoints(tmp_path, "b").load() is None


def test_the_best_weights_are_written_once(tmp_path: Path) -> None:
    checkpoint = Checkpoints(tmp_path, "a")
    checkpoint.save(1, {}, 1, {"w": torch.tensor([1.0])})
    written = (tmp_path / "best-1.safetensors").stat().st_mtime_ns
    checkpoint.save(2, {}, 1, {"w": torch.tensor([1.0])})
    assert (tmp_path / "best-1.safetensors").stat().st_mtime_ns == written


def test_time_between_checkpoints(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, "a", 0.0).due()
    checkpoint = Checkpoints(tmp_path, "a", 1e-9)
    assert checkpoint.due()
    assert not Checkpoints(tmp_path, "a").due()


states = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**130), 2**130) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers() | st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=10, deadline=None)
@given(states)
def test_any_state_comes_back_through_json(state) -> None:
    tree, arrays = pack(state)
    assert unpack(json.loads(json.dumps(tree, allow_nan=False)), arrays) == state


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensors_come_back_to_the_bit(tmp_path: Path, dtype, shape) -> None:
    tensor = (torch.randn(*shape, 2)[..., 0] * 3).to(dtype)
    Checkpoints(tmp_path, "a").save(1, {"t": [tensor, math.nan]}, 0, {})
    saved = Checkpoints(tmp_path, "a").load()
    assert saved is not None
    back, nan = saved.state["t"]
    assert math.isnan(nan)
    assert back.dtype == dtype
    assert back.shape == tensor.shape
    assert torch.equal(back, tensor)


def test_what_cannot_be_kept_is_said() -> None:
    with pytest.raises(TypeError, match="a Generator cannot be kept"):
        pack({"rng": np.random.default_rng()})


def test_fingerprints_tell_contents_apart() -> None:
    prints = {
        fingerprint_of(np.arange(6)),
        fingerprint_of(np.arange(6).reshape(2, 3)),
        fingerprint_of(np.arange(6), 1),
        fingerprint_of(np.arange(6, dtype=np.int32)),
        fingerprint_of(np.arange(6), "1"),
    }
    assert len(prints) == 5
