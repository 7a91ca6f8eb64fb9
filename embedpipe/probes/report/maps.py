"""The maps in the report: plotly draws them, and a search finds a word or a sentence with what is near it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape

from embedpipe.probes.projection import PointMap
from embedpipe.probes.report.html import paragraph, section

__all__ = ["drawing_library", "embedded_json", "map_section"]

_INSTALL = (
    "The maps are drawn where plotly is installed: pip install 'embedpipe[plot]', and then write the report again with "
    "embedpipe report BUNDLE -o report.html"
)
_MEANING = {
    "word": "Points near each other have like vectors; sizes of clusters and distances between far ones mean nothing.",
    "sentence": "Each colour and shape is one held-out document, named by its number and its most telling words.",
}
_LABEL = {"word": "Find a word", "sentence": "Find a sentence that holds"}


def drawing_library() -> str:
    """Return plotly's script, about 4.7 MB; an empty text where plotly is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        return ""
    script: str = get_plotlyjs()
    return script


def map_section(maps: Sequence[PointMap], *, drawn: bool) -> str:
    """Return the section of the maps.

    Parameters
    ----------
    maps : of words and of sentences.
    drawn : whether the page holds the script that draws them; if not, the section says how to get it.
    """
    if not any(one.texts for one in maps) or drawn:
        return section("Map", *map(_map, maps))
    return section("Map", paragraph(_INSTALL, of="notes"))


def _map(one: PointMap) -> str:
    title = f"<h3>{'Words' if one.kind == 'word' else 'Sentences'}</h3>"
    if not one.texts:
        return title + paragraph(one.note, of="notes")
    name = f"map-{one.kind}"
    data = {key: value for key, value in asdict(one).items() if key != "note"}
    return (
        f"{title}{paragraph(f'{one.note[0].upper()}{one.note[1:]}. {_MEANING[one.kind]}', of='notes')}"
        f'<div class="map" data-map="{name}"><form role="search" class="find">'
        f'<label for="{name}-find">{_LABEL[one.kind]}</label> '
        f'<input id="{name}-find" type="search" autocomplete="off" spellcheck="false"{_list(one, name)}> '
        '<button type="submit">Find</button> <button type="button" class="whole">Show all</button></form>'
        f'<div class="canvas" id="{name}" role="group" aria-label="{escape(one.note)}; the search above says in '
        'words what is near"></div>'
        '<div class="nearest" aria-live="polite"><p class="notes">Search, or choose a point, and what is nearest to it '
        "stands here.</p></div>"
        "<noscript><p>The map and its search need JavaScript, which the page holds; the section Nearest words does "
        "without.</p></noscript></div>"
        f'<script type="application/json" id="{name}-data">{embedded_json(data)}</script>'
    )


def _list(one: PointMap, name: str) -> str:
    """Return the attribute that says which list of suggestions the search has; sentences are too long for one."""
    return f' list="{name}-texts"' if one.kind == "word" else ""


def embedded_json(data: object) -> str:
    """Return JSON that can stand within a script tag: nothing in it ends the tag or a line of the script.

    >>> embedded_json(["</script>", "a & b"])
    '["\\\\u003c/script\\\\u003e","a \\\\u0026 b"]'
    """
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
