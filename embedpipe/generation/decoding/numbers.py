"""Numbers that are asked for: whole ones, and seeds."""

import operator
import secrets
from typing import Any

from embedpipe.errors import ConfigError

__all__ = ["seed_or_new", "whole"]


def whole(name: str, value: Any) -> int:
    """Return a number of any integer type; raise `ConfigError` where it is none.

    >>> import numpy as np
    >>> whole("top_k", np.int64(3))
    3
    """
    try:
        return operator.index(value)
    except TypeError:
        raise ConfigError(f"{name} is a whole number, not {value!r:.40}") from None


def seed_or_new(seed: int | None) -> int:
    """Return a seed, a new one for None; raise `ConfigError` where it is no number from 0 to 2**32 - 1."""
    if seed is None:
        return secrets.randbits(32)
    if not 0 <= whole("seed", seed) < 2**32:
        raise ConfigError(f"seed is a number from 0 to {2**32 - 1:,}, not {seed:,}")
    return seed
