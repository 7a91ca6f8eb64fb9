"""The precision that a model is trained in, and accelerate set up for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import torch

from embedpipe.errors import ConfigError

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Precision", "accelerator_for", "resolve_precision"]

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


@contextmanager
def accelerator_for(device: torch.device, precision: Precision) -> Iterator["Accelerator"]:
    """Yield an Accelerator of one device and precision, and leave accelerate's process-wide state as it was.

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
        yield Accelerator(cpu=device.type == "cpu", mixed_precision=mixed)
    finally:
        for singleton, state in zip(singletons, before, strict=True):
            singleton._shared_state.clear()
            singleton._shared_state.update(state)
