"""Plots as inline SVG: they need no script, print well, and their numbers stand in a table below them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

from embedpipe.probes.report.content import figure, minus
from embedpipe.probes.report.html import cell, details, number, slug, table

__all__ = ["Axis", "Series", "line_plot", "ticks"]

_WIDTH, _HEIGHT = 440, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 44
_MARKS = 8
"""Looks (colour, dash and mark) that can be told apart; they come again after these."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The name of an axis, and whether it is logarithmic."""

    name: str
    log: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a plot.

    Parameters
    ----------
    name : for the legend.
    x, y : of the same length; what is not finite, and on logarithmic axes what is not positive, is left out.
    low, high : an interval for each y, where there are any.
    marks : whether the points are marked; a line without marks is a model, not a measurement.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = field(default=())
    high: Sequence[float] = field(default=())
    marks: bool = True


def line_plot(
    title: str, series: Sequence[Series], x: Axis, y: Axis, *, says: str, interval: str = "95 % interval"
) -> str:
    """Return a plot as a figure with its legend and, folded, its numbers.

    Parameters
    ----------
    title : above the plot; the titles of a page differ.
    series : what is drawn; nothing is returned where no series has a point.
    says : what is to be seen, for those who cannot see it.
    interval : what `low` and `high` of the series are.
    """
    drawn = [_usable(one, x, y) for one in series]
    drawn = [one for one in drawn if one.x]
    if not drawn:
        return ""
    xs = [value for one in drawn for value in one.x]
    ys = [value for one in drawn for values in (one.y, one.low, one.high) for value in values if math.isfinite(value)]
    x_ticks, y_ticks = ticks(min(xs), max(xs), log=x.log), ticks(min(ys), max(ys), log=y.log)
    if all(value == int(value) for value in xs):
        x_ticks = [value for value in x_ticks if value == int(value)]
    to_x = _scale([*xs, *(x_ticks if not x.log else [])], _LEFT, _WIDTH - _RIGHT, log=x.log)
    to_y = _scale([*ys, *y_ticks], _HEIGHT - _BOTTOM, _TOP, log=y.log)
    parts = [_grid(x_ticks, y_ticks, to_x, to_y, x.name, y.name)]
    parts += [_line(one, number % _MARKS, to_x, to_y) for number, one in enumerate(drawn)]
    name = f"plot-{slug(title)}"
    svg = (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(says)}</desc>{"".join(parts)}</svg>'
    )
    below = f"<figcaption>{_legend(drawn)}</figcaption>{_numbers(title, drawn, x, interval)}"
    return f"<figure><h3>{escape(title)}</h3>{svg}{below}</figure>"


def ticks(low: float, high: float, *, log: bool = False) -> list[float]:
    """Return round numbers from `low` to `high` or a little beyond.

    >>> ticks(0.12, 0.47)
    [0.1, 0.2, 0.3, 0.4, 0.5]
    >>> ticks(3, 4000, log=True)
    [1.0, 10.0, 100.0, 1000.0, 10000.0]
    """
    if log and high / low > 9.999:
        return [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    if high <= low:
        low, high = low - abs(low or 1) / 10, high + abs(high or 1) / 10
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.8)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    found = [round(place * step, 12) for place in range(first, last + 1)]
    return [value for value in found if value > 0] if log else found


def _usable(one: Series, x: Axis, y: Axis) -> Series:
    def good(value: float, axis: Axis) -> bool:
        return math.isfinite(value) and (value > 0 or not axis.log)

    kept = [place for place, (a, b) in enumerate(zip(one.x, one.y, strict=True)) if good(a, x) and good(b, y)]
    xs, ys, lows, highs = (
        [values[place] for place in kept] if values else [] for values in (one.x, one.y, one.low, one.high)
    )
    return Series(one.name, xs, ys, lows, highs, marks=one.marks)


def _scale(values: Sequence[float], start: float, stop: float, *, log: bool) -> Callable[[float], float]:
    place: Callable[[float], float] = math.log10 if log else float
    low, high = place(min(values)), place(max(values))
    if high == low:
        low, high = low - 0.5, high + 0.5
    return lambda value: start + (place(value) - low) / (high - low) * (stop - start)


def _grid(
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    to_x: Callable[[float], float],
    to_y: Callable[[float], float],
    x_name: str,
    y_name: str,
) -> str:
    base, parts = _HEIGHT - _BOTTOM, []
    for value in y_ticks:
        at = to_y(value)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    for value in x_ticks:
        at = to_x(value)
        if _LEFT - 1 <= at <= _WIDTH - _RIGHT + 1:
            parts.append(f'<path class="axis" d="M{at:.1f} {base}v4"/>')
            parts.append(f'<text x="{at:.1f}" y="{base + 17}" text-anchor="middle">{_short(value)}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<path class="axis" d="M{_LEFT} {base}H{_WIDTH - _RIGHT}"/>')
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_name)}</text>')
    parts.append(
        f'<text transform="translate(13 {(_TOP + base) / 2}) rotate(-90)" text-anchor="middle">{escape(y_name)}</text>'
    )
    return "".join(parts)


def _line(one: Series, look: int, to_x: Callable[[float], float], to_y: Callable[[float], float]) -> str:
    places = [(to_x(a), to_y(b)) for a, b in zip(one.x, one.y, strict=True)]
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
    ends = zip(one.x, one.low, one.high, strict=False)
    whiskers = "".join(f"M{to_x(a):.1f} {to_y(b):.1f}V{to_y(c):.1f}" for a, b, c in ends if math.isfinite(b + c))
    parts = [f'<path class="line" d="{path}"/>']
    if whiskers:
        parts.append(f'<path class="whisker" d="{whiskers}"/>')
    if one.marks:
        parts += [_mark(look, a, b) for a, b in places]
    return f'<g class="s{look}{"" if one.marks else " model"}">{"".join(parts)}</g>'


def _mark(look: int, x: float, y: float) -> str:
    kind, filled = look % 4, "" if look < 4 else ' class="open"'
    if kind == 0:
        return f'<circle{filled} cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'
    shapes = ("", "M-3 -3H3V3H-3Z", "M0 -4L4 3.4H-4Z", "M0 -4.2L4.2 0L0 4.2L-4.2 0Z")
    return f'<path{filled} transform="translate({x:.1f} {y:.1f})" d="{shapes[kind]}"/>'


def _legend(series: Sequence[Series]) -> str:
    items = []
    for place, one in enumerate(series):
        look = place % _MARKS
        mark = _mark(look, 14, 7) if one.marks else ""
        swatch = f'<g class="s{look}{"" if one.marks else " model"}"><path class="line" d="M1 7H27"/>{mark}</g>'
        drawn = f'<svg viewBox="0 0 28 14" width="28" height="14" aria-hidden="true">{swatch}</svg>'
        items.append(f"<li>{drawn}{escape(one.name)}</li>")
    return f'<ul class="legend">{"".join(items)}</ul>'


def _numbers(title: str, series: Sequence[Series], x: Axis, interval: str) -> str:
    rows = [
        [cell(one.name), number(a, _value(a)), number(b, _value(b)), cell(_interval(one, place))]
        for one in series
        for place, (a, b) in enumerate(zip(one.x, one.y, strict=True))
    ]
    columns = ["line", x.name, "value", interval]
    if not any(one.low for one in series):
        rows, columns = [row[:3] for row in rows], columns[:3]
    return details("The numbers", table(f"{title}: the numbers", columns, rows))


def _interval(one: Series, place: int) -> str:
    if not one.low or not math.isfinite(one.low[place]):
        return "–"
    return f"{figure(one.low[place])} to {figure(one.high[place])}"


def _value(value: float) -> str:
    """Return a number for a table.

    >>> [_value(value) for value in (3.0, 0.12344, 9999.7, -0.5)]
    ['3', '0.1234', '10,000', '−0.5']
    """
    return minus(f"{value:,.0f}" if abs(value) >= 1_000 or value == int(value) else f"{value:.4g}")


def _short(value: float) -> str:
    """Return a number for an axis: 1k, 2.5M.

    >>> [_short(value) for value in (0.25, 20.0, 2500, 3e6, -0.1)]
    ['0.25', '20', '2.5k', '3M', '−0.1']
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return minus(f"{value / size:.4g}{unit}")
    return minus(f"{value:.4g}")
