"""The rate and the decay of dynamic evaluation, found by trying them on development text."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.generation.dynamic import DynamicEvaluation, DynamicReader, GradientSizes, Rule
from embedpipe.generation.language_model import LanguageModel

__all__ = ["TunedDynamic", "tune_dynamic"]

RATES: dict[Rule, tuple[float, ...]] = {"rms": (2e-3, 1e-3, 4e-3, 5e-4, 1e-4), "sgd": (0.1, 0.3, 0.03, 1.0)}
DECAYS: dict[Rule, tuple[float, ...]] = {"rms": (3e-4, 1e-3, 1e-4), "sgd": (1e-3, 0.0, 1e-2)}


@dataclass(frozen=True, slots=True)
class TunedDynamic:
    """What was found.

    Parameters
    ----------
    settings : those with the lowest loss.
    losses : mean loss in nats of each setting that was tried to the end.
    n_asked : settings on the grid; the others were left out for want of time.
    """

    settings: DynamicEvaluation
    losses: dict[DynamicEvaluation, float]
    n_asked: int


def tune_dynamic(
    model: LanguageModel,
    tokens: NDArray[np.uint32],
    sizes: GradientSizes | None = None,
    *,
    seconds: float = 60.0,
    rule: Rule = "rms",
    segment: int = 16,
    rates: Sequence[float] = (),
    decays: Sequence[float] = (),
) -> TunedDynamic:
    """Try rates with the first decay, and decays with the best rate, on rows of development text.

    Settings are tried in the order in which they are given until the seconds are spent; the first is always tried. One
    that loses more than a tenth of a nat on the best so far, after a quarter of the text, is given up. The rows
    are read as one text goes on (`dynamic_losses`, carried).

    Parameters
    ----------
    tokens : of shape (rows, time + 1), at least one prediction.
    sizes : of the gradients, for the RMS rule.
    rates, decays : to try; empty for a few that suit the rule.
    """
    started = time.monotonic()
    rates, decays = list(rates or RATES[rule]), list(decays or DECAYS[rule])
    ids = torch.from_numpy(tokens.astype(np.int64)).to(model.device)
    losses: dict[DynamicEvaluation, float] = {}
    curves: dict[DynamicEvaluation, list[float]] = {}

    def try_(settings: DynamicEvaluation) -> None:
        if settings in curves or (losses and time.monotonic() - started > seconds):
            return
        best = curves[min(losses, key=losses.__getitem__)] if losses else None
        reader, curve = DynamicReader(model, settings, sizes), [0.0]
        curves[settings] = curve
        for row in ids:
            reader.begin(anew=False)
            for position in range(0, len(row) - 1, segment):
                block = row[None, position : position + segment + 1]
                curve.append(curve[-1] + float(reader.read(block).losses.double().sum()))
            done = len(curve) - 1
            if best and 4 * done >= len(best) and (curve[done] - best[done]) > 0.1 * done * segment:
                return
        losses[settings] = curve[-1] / max(1, ids[:, 1:].numel())

    for rate in rates:
        try_(DynamicEvaluation(rate, decays[0], segment, rule))
    best_rate = min(losses, key=losses.__getitem__).rate
    for decay in decays[1:]:
        try_(DynamicEvaluation(best_rate, decay, segment, rule))
    return TunedDynamic(min(losses, key=losses.__getitem__), losses, len(rates) + len(decays) - 1)
