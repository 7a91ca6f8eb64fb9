"""Plots: points stand where they belong, and what cannot be drawn is left out."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.probes.report.svg import Axis, Series, line_plot, ticks


def points(svg: str) -> list[tuple[float, float]]:
    return [
        (float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg.split("<figcaption")[0])
    ]


def test_equal_ratios_are_equal_distances_on_a_logarithmic_axis() -> None:
    drawn = line_plot("t", [Series("s", (1, 10, 100), (5, 5, 5))], Axis("x", log=True), Axis("y"), says="")
    (a, _), (b, _), (c, _) = points(drawn)
    assert b - a == pytest.approx(c - b, abs=0.2)
    assert (a, c) == (58.0, 428.0)


def test_larger_values_stand_higher_and_what_is_not_finite_is_left_out() -> None:
    drawn = line_plot("t", [Series("s", (1, 2, 3), (0.1, math.nan, 0.9))], Axis("x"), Axis("y"), says="up & up")
    (_, low), (_, high) = points(drawn)
    assert high < low
    assert '<desc id="plot-t-d">up &amp; up</desc>' in drawn
    assert line_plot("t", [Series("s", (0.0,), (1.0,))], Axis("x", log=True), Axis("y"), says="") == ""


def test_between_whole_numbers_no_tick_stands() -> None:
    drawn = line_plot("t", [Series("s", (1, 2), (5.0, 6.5))], Axis("epoch"), Axis("y"), says="")
    assert re.findall(r'text-anchor="middle">([^<]*)<', drawn)[:2] == ["1", "2"]


def test_intervals_are_whiskers_through_their_points() -> None:
    drawn = line_plot("t", [Series("s", (1, 2), (0.5, 0.6), (0.4, 0.5), (0.6, 0.7))], Axis("x"), Axis("y"), says="")
    (x, y), _ = points(drawn)
    at, low, high = map(float, re.search(r'whisker" d="M([\d.]+) ([\d.]+)V([\d.]+)', drawn).groups())
    assert at == x
    assert high < y < low
    assert "0.400 to 0.600" in drawn, "the numbers stand in the table below"


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_hold_what_is_drawn(low: float, width: float) -> None:
    found = ticks(low, low + width)
    assert found[0] <= low + 1e-6 * width
    assert found[-1] >= low + width * (1 - 1e-6)
    assert 2 <= len(found) <= 9
    steps = {round((b - a) / (found[1] - found[0]), 6) for a, b in pairwise(found)}
    assert steps == {1.0}


@given(st.floats(1e-6, 1e6), st.floats(10, 1e6))
def test_logarithmic_ticks_are_powers_of_ten(low: float, ratio: float) -> None:
    found = ticks(low, low * ratio, log=True)
    assert found[0] <= low * (1 + 1e-9)
    assert found[-1] >= low * ratio * (1 - 1e-9)
    assert all(abs(math.log10(value) - round(math.log10(value))) < 1e-9 for value in found)
