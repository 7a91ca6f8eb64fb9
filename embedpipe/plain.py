"""Values as JSON has them."""

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["plain"]


def plain(value: Any, digits: int | None = None) -> Any:
    """Return a value for JSON: None for a number that is not finite, lists for tuples, whatever they stand in.

    Parameters
    ----------
    value : numbers, text, None, and mappings and sequences of them.
    digits : decimals that numbers are rounded to; None for all.

    Examples
    --------
    >>> plain({"value": float("nan"), "interval": (0.25, float("inf")), "n": 3})
    {'value': None, 'interval': [0.25, None], 'n': 3}
    >>> plain([2 / 3], digits=2)
    [0.67]
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else round(value, digits)
    if isinstance(value, Mapping):
        return {key: plain(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, digits) for item in value]
    return value
