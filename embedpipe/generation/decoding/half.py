"""The output layer in half precision: most of the time of writing is the product with a table of all words."""

import torch
import torch.nn.functional as F
from torch import Tensor

from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.reader import half_table
from embedpipe.nn.precision import resolve_precision

__all__ = ["HalfOutput", "is_half_faster"]

_LARGE = 1 << 20
"""Numbers of a table with which its product takes most of the time of writing."""


def is_half_faster(model: LanguageModel) -> bool:
    """Return whether texts are drawn faster by `HalfOutput`: on a CPU that multiplies bfloat16, from a large table."""
    if model.clusters is not None or model.device.type != "cpu" or model.output_table.numel() < _LARGE:
        return False
    return resolve_precision("auto", model.device) == "bf16"


class HalfOutput:
    """The logits of a model by its output table in bfloat16, summed in float32 and rounded to bfloat16.

    On a processor that multiplies bfloat16 (avx512_bf16, AMX, a GPU) that takes less than half the time; on another
    one it may take longer. On a generator of 37,000 words the log-probabilities of single words differ by 0.005 in the
    mean and 0.06 at most, and the distributions by a Kullback-Leibler divergence of 0.00003 nats
    (``docs/experiments/generation_products.md``).

    Parameters
    ----------
    model : a copy of its table is made.

    Raises
    ------
    ConfigError
        If the output of the model is not one table and a bias, as with an adaptive softmax.

    Examples
    --------
    >>> from embedpipe.generation.language_model import Shape
    >>> model = LanguageModel(Shape(10, dim=4, hidden=6, layers=1)).eval()
    >>> hidden = torch.ones(1, 4)
    >>> bool(((HalfOutput(model)(hidden).float() - model.logits(hidden)).abs() < 0.05).all())
    True
    """

    @torch.inference_mode()
    def __init__(self, model: LanguageModel) -> None:
        table = half_table(model)
        # The bias rides along as two columns of the table, what bfloat16 holds of it and the rest: in one it would lose
        # as much as all the products together.
        high = model.bias.to(torch.bfloat16)
        rest = (model.bias - high.float()).to(torch.bfloat16)
        self._table = torch.cat([table, high[:, None], rest[:, None]], dim=1)

    def __call__(self, hidden: Tensor) -> Tensor:
        """Return the logits, bfloat16 of shape (rows, n_tokens)."""
        ones = torch.ones(len(hidden), 2, dtype=torch.bfloat16, device=hidden.device)
        return F.linear(torch.cat([hidden.to(torch.bfloat16), ones], dim=1), self._table)
