"""TF32 lasts as long as a training on a GPU, and products on the CPU never know of it."""

from types import SimpleNamespace

import pytest
import torch

from embedpipe.nn.precision import Precision, accelerator_for, loss_scaler, tensor_cores, without_rounding

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def now() -> list[object]:
    """How torch multiplies: as it always said, on a GPU, and on the CPU."""
    newer = [torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)]
    return [torch.get_float32_matmul_precision(), *(getattr(one, "fp32_precision", None) for one in newer)]


def inside(device: torch.device, error: BaseException | None = None) -> list[object]:
    with tensor_cores(device):
        if error is not None:
            raise error
        return now()


def test_a_gpu_multiplies_in_tf32_for_a_while() -> None:
    before = now()
    during = inside(GPU)
    assert (during[0], during[2]) == ("high", before[2])
    assert during[1] in {"tf32", None}
    assert now() == before
    with pytest.raises(KeyboardInterrupt):
        inside(GPU, KeyboardInterrupt())
    assert now() == before
    assert inside(CPU) == before


def test_a_training_multiplies_so_and_leaves_torch_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before = now()
    with accelerator_for(CPU, "fp32"):
        assert now() == before
    monkeypatch.setattr("accelerate.Accelerator", lambda **_: "made")
    with accelerator_for(GPU, "fp32") as made:
        assert (made, now()[0]) == ("made", "high")
    assert now() == before


def test_switches_set_by_hand_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed() -> str:
        raise RuntimeError("mix of the legacy and new APIs")

    asked: list[str] = []
    monkeypatch.setattr(torch, "get_float32_matmul_precision", mixed)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", asked.append)
    with tensor_cores(GPU):
        pass
    assert asked == []


def test_recurrent_layers_of_a_gpu_are_read_in_float32_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    rnn = torch.backends.cudnn.rnn
    if hasattr(rnn, "fp32_precision"):
        before = rnn.fp32_precision
        with without_rounding(GPU):
            assert rnn.fp32_precision == "ieee"
        with pytest.raises(KeyboardInterrupt), without_rounding(GPU):
            raise KeyboardInterrupt
        with without_rounding(CPU):
            assert rnn.fp32_precision == before
        assert rnn.fp32_precision == before
    older = SimpleNamespace(rnn=SimpleNamespace(), allow_tf32=True)
    monkeypatch.setattr(torch.backends, "cudnn", older)
    with without_rounding(GPU):
        assert older.allow_tf32 is False
    assert older.allow_tf32 is True


@pytest.mark.parametrize(
    ("precision", "device", "scaled"),
    [("fp32", GPU, False), ("bf16", GPU, True), ("fp16", GPU, True), ("bf16", CPU, False), ("fp32", CPU, False)],
)
def test_a_loss_is_scaled_where_a_gpu_reads_in_half_a_float(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, device: torch.device, scaled: bool
) -> None:
    """torch's autocast reads recurrent layers of a GPU in fp16 under bf16 too."""
    monkeypatch.setattr(torch.amp, "GradScaler", lambda kind: f"scaler of {kind}")
    assert loss_scaler(precision, device) == ("scaler of cuda" if scaled else None)
