"""Values as JSON has them."""

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Return a value for JSON: None for a number that is not finite, lists for tuples, whatever they stand in.

    >>> plain({"value": float("nan"), "interval": (0.25, float("inf")), "n": 3})
    {'value': None, 'interval': [0.25, None], 'n': 3}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
