"""What the words are taken to belong with: the association tests of words and encoder."""

import math
from collections.abc import Sequence
from html import escape

from embedpipe.probes.findings import Association
from embedpipe.probes.report.content import signed
from embedpipe.probes.report.html import Cell, bar, cell, details, number, paragraph, section, table
from embedpipe.probes.report.tables import p_value

__all__ = ["association_section"]

_SAID = (
    "Word embedding association tests (Caliskan et al., 2017): how much nearer the first targets are to the first "
    "attributes than the second targets are, in standard deviations between −2 and 2. p is one-sided, by permutation "
    "of the targets; p (Holm) is corrected for the number of tests of the same system, the words or the encoder. The "
    "bar spans the 95 % interval, its tick is 0. A test that finds nothing does not show that there is nothing."
)
_COLUMNS = ("test", "associates", "system", "effect", "95 % interval", "p", "p (Holm)", "words")


def association_section(associations: Sequence[Association]) -> str:
    """Return the bias tests, then what they left out."""
    if not associations:
        return ""
    notes = "".join(f"<li><b>{escape(one.name)}</b>: {escape(one.note)}</li>" for one in associations if one.note)
    return section(
        "Bias",
        paragraph(_SAID),
        table("Association tests", _COLUMNS, [_row(one) for one in associations], narrow="stacked"),
        f'<ul class="notes">{notes}</ul>' if notes else "",
        details("Words without a vector, which were left out", _left_out(associations)),
    )


def _row(one: Association) -> list[Cell]:
    return [
        cell(_test(one)),
        cell(f"{one.targets[0]} with {one.attributes[0]}, {one.targets[1]} with {one.attributes[1]}"),
        cell(one.system),
        number(one.effect, signed(one.effect, 2)),
        _effect_bar(one),
        p_value(one.p_value),
        p_value(one.p_holm),
        number(one.n_words),
    ]


def _test(one: Association) -> str:
    return one.name.removesuffix(f", {one.system}")


def _effect_bar(one: Association) -> Cell:
    if not math.isfinite(one.low):
        return number(math.nan)
    drawn = bar(one.low, one.high, tick=0.0, span=(-2.0, 2.0))
    return Cell(f'<span class="interval">{drawn}{signed(one.low, 2)} to {signed(one.high, 2)}</span>', one.low)


def _left_out(associations: Sequence[Association]) -> str:
    """Return the words that tests left out; a list that words and encoder share stands once."""
    systems: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in associations:
        if one.left_out:
            systems.setdefault((_test(one), one.left_out), []).append(one.system)
    lines = [
        f"<li><b>{escape(test)}</b> ({' and '.join(of)}): {escape(', '.join(words))}</li>"
        for (test, words), of in systems.items()
    ]
    return f'<ul class="notes">{"".join(lines)}</ul>' if lines else ""
