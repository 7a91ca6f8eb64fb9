"""The precision that a model is trained in, and accelerate set up for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import torch

from embedpipe.errors import ConfigError

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Precision", "accelerator_for", "loss_scaler", "resolve_precision", "tensor_cores", "without_rounding"]

Precision = Literal["auto", "fp32", "bf16", "fp16"]


def resolve_precision(precision: Precision, device: torch.device) -> Literal["no", "bf16", "fp16"]:
    """Return accelerate's name of the precision; ``auto`` takes bf16 where the device computes in it.

    A CPU without AVX512-BF16 or AMX emulates bf16 more slowly than it computes in float32.

    Raises
    ------
    ConfigError
        If the precision is another, or fp16 is asked for on a CPU.

    Examples
    --------
    >>> resolve_precision("fp32", torch.device("cpu"))
    'no'
    """
    if precision == "fp32":
        return "no"
    if precision == "bf16":
        return "bf16"
    if precision == "fp16":
        if device.type != "cuda":
            raise ConfigError(
                f"precision fp16 needs a CUDA device, and training is on {device.type}: its small range wants a scaled "
                "loss; use precision bf16 or fp32 there"
            )
        return "fp16"
    if precision != "auto":
        raise ConfigError(f"precision is auto, fp32, bf16 or fp16, not '{precision}'")
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    # The probes below are private names of torch, so a version without them means float32 and no crash.
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return "bf16" if any(probe() for probe in probes if probe is not None) else "no"


def loss_scaler(precision: Precision, device: torch.device) -> "torch.amp.GradScaler | None":
    """Return what makes gradients large enough for fp16; None on a CPU and in fp32, where nothing is to be done.

    In bf16 on a CUDA device it is needed too: there torch's autocast reads recurrent layers in fp16, whatever type it
    is told, and a gradient below 3e-8 would be 0. Scales are powers of two, which cost bf16 nothing.

    >>> loss_scaler("auto", torch.device("cpu")) is None
    True
    """
    if device.type != "cuda" or resolve_precision(precision, device) == "no":
        return None
    return torch.amp.GradScaler("cuda")


@contextmanager
def tensor_cores(device: torch.device) -> Iterator[None]:
    """Multiply float32 matrices on a CUDA device in TF32 for a while, and leave torch as it was.

    Several times as fast on tensor cores: sums in float32, factors rounded to 11 bits, an error below the noise of a
    batch. cuDNN does so for recurrent layers anyway. Products on the CPU, for which torch has the same switch, stay as
    they are, and so does all else on another device.
    """
    try:
        before = torch.get_float32_matmul_precision() if device.type == "cuda" else None
    except RuntimeError:  # torch's newer switches were set by hand, and with them the older one cannot be read
        before = None
    if before is None:
        yield
        return
    # The newer switches, from torch 2.9 on: the older one sets them all, and puts none back.
    newer = [one for one in _matmuls() if hasattr(one, "fp32_precision")]
    were = [one.fp32_precision for one in newer]
    try:
        torch.set_float32_matmul_precision("high")
        for one, was in zip(newer[1:], were[1:], strict=True):
            one.fp32_precision = was
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        for one, was in zip(newer, were, strict=True):
            one.fp32_precision = was


def _matmuls() -> list[Any]:
    """Return where torch keeps how matrices are multiplied: on a GPU, and on the CPU where it keeps that."""
    on_cpu = getattr(torch.backends.mkldnn, "matmul", None)
    return [torch.backends.cuda.matmul, *([] if on_cpu is None else [on_cpu])]


@contextmanager
def without_rounding(device: torch.device) -> Iterator[None]:
    """Read recurrent layers on a CUDA device in float32 for a while, in all of this process.

    cuDNN rounds their factors to TF32 where it is not told otherwise. Products of matrices are float32 by themselves
    (`tensor_cores`, or the program around, may have them in TF32), and nothing else on another device is touched.
    """
    if device.type != "cuda":
        yield
        return
    # The newer switch, from torch 2.9 on, is that of recurrent layers alone.
    rnn = torch.backends.cudnn.rnn
    where: Any = rnn if hasattr(rnn, "fp32_precision") else torch.backends.cudnn
    name, exact = ("fp32_precision", "ieee") if where is rnn else ("allow_tf32", False)
    was = getattr(where, name)
    setattr(where, name, exact)
    try:
        yield
    finally:
        setattr(where, name, was)


@contextmanager
def accelerator_for(device: torch.device, precision: Precision) -> Iterator["Accelerator"]:
    """Yield an Accelerator of one device and precision, with `tensor_cores`; leave process-wide state as it was.

    accelerate keeps the first device and precision for the life of the process, so a second fit with others would
    be refused and a user's own Accelerator would be changed.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState, PartialState

    mixed = resolve_precision(precision, device)
    singletons: tuple[Any, ...] = (PartialState, AcceleratorState, GradientState)
    before = [dict(singleton._shared_state) for singleton in singletons]
    for singleton in singletons:
        singleton._shared_state.clear()
    try:
        with tensor_cores(device):
            yield Accelerator(cpu=device.type == "cpu", mixed_precision=mixed)
    finally:
        for singleton, state in zip(singletons, before, strict=True):
            singleton._shared_state.clear()
            singleton._shared_state.update(state)
