"""Numbers in text: as Python's own `float` reads them, to the bit."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedpipe.words.read_numbers import parse_numbers


def one_by_one(pieces: list[str]) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.array([float(piece) for piece in pieces]).astype(np.float32)


shapes = st.sampled_from(["{:.6f}", "{:.9g}", "{}", "{:.3e}", "{:+.2f}", "{:.0f}", "{:.17g}", "{:.12f}"])
written = st.builds(str.format, shapes, st.floats(-1e6, 1e6, allow_nan=False))


@settings(max_examples=150, deadline=None)
@given(st.lists(written, min_size=1, max_size=40))
@example(["0", "-0", "7.", ".5", "-.25", "1e60", "nan", "-inf", "12345678.1234567", "123456789.5", "0.123456789012345"])
def test_every_number_is_what_float_makes_of_it(pieces: list[str]) -> None:
    found = parse_numbers(" ".join(pieces).encode())
    assert found.dtype == np.float32
    assert found.tobytes() == one_by_one(pieces).tobytes()


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=30))
def test_nine_digits_give_back_the_same_float32(bits: list[int]) -> None:
    numbers = np.array(bits, dtype=np.uint32).view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    text = " ".join(["%.9g"] * len(numbers)) % tuple(numbers.tolist())
    assert not len(numbers) or parse_numbers(text.encode()).tobytes() == numbers.tobytes()


@pytest.mark.parametrize("piece", ["x", "1.5.3", "--1", "1-2", "-", "", "1_000", "0x10", "1\t2", "1,5", "-1-", "１"])
def test_what_is_no_number_is_named(piece: str) -> None:
    with pytest.raises(ValueError, match="not a number") as caught:
        parse_numbers(f"1 {piece} 2.5".encode())
    assert repr(piece.encode()) in str(caught.value)
