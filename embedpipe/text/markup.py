"""Mark-up to prose: HTML through beautifulsoup4, MediaWiki through gensim with what gensim leaves behind removed."""

import re
import warnings

from embedpipe.errors import MissingExtraError

__all__ = ["html_text", "wiki_text"]

_BLOCKS = re.compile(
    r"address|article|aside|blockquote|br|caption|d[dlt]|div|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|li|"
    r"main|nav|[ou]l|option|p|pre|section|summary|table|t[dhr]|title"
)
_NO_TEXT = ["script", "style", "noscript", "template", "svg", "math", "iframe", "object", "textarea", "select"]

# Sections that list instead of telling; a heading of the same or a higher level ends them.
_LISTS = re.compile(
    r"(?:references?|notes?|citations?|footnotes|sources|further reading|external links?|see also|bibliography|"
    r"gallery|works cited|notes and references|references and notes|primary sources|secondary sources)\Z",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^(={1,6})[ \t]*(.*?)[ \t]*\1[ \t]*(?:<!--.*?-->)?[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_VOID_TAG = re.compile(r"<(?:ref|references|section)\b[^<>]*/>", re.IGNORECASE)
_NOT_PROSE = re.compile(
    r"<(ref|references|math|gallery|timeline|code|pre|source|syntaxhighlight|score|chem|imagemap|hiero)\b[^<>]*>"
    r".*?</\1\s*>",
    re.DOTALL | re.IGNORECASE,
)
# Templates whose argument is part of the sentence; all others go.
_SAID = re.compile(
    r"\{\{\s*(?:lang\|[\w-]+|nowrap|nobold|small|transl\|[\w-]+(?:\|\w+)?)\|([^{}|=]*)\}\}", re.IGNORECASE
)
_CONVERT = re.compile(r"\{\{\s*(?:convert|cvt)\|([\d.,/+-]+)\|([^{}|\d=]+)[^{}]*\}\}", re.IGNORECASE)
_DASH = re.compile(r"\{\{\s*(?:snds?|spaced ndash|ndash|mdash|emdash)\s*\}\}", re.IGNORECASE)
_FILE = re.compile(r"\[\[\s*(?:file|image|media|category)\s*:", re.IGNORECASE)
_LANGUAGE_LINK = re.compile(r"^\[\[[a-z-]{2,12}:[^\]|]*\]\]\s*$", re.MULTILINE)
_LINK_ENDS = re.compile(r"\[\[|\]\]")
_TABLE = re.compile(r"^[ \t:*]*\{\|", re.MULTILINE)
_TABLE_ENDS = re.compile(r"^[ \t:*]*\{\||^[ \t]*\|\}(?!\})", re.MULTILINE)

_QUOTES = re.compile(r"'{2,}")
_HIDDEN = re.compile(r"__[A-Z]+__")
_BRACKETS = re.compile(r"\[\[?|\]\]?|\{\{+|\}\}+|\{\||\|\}")
_EMPTY = re.compile(r"\(\s*(?:[,;:.·–-]|or|and|\s)*\s*\)|\"\"|“”|\[\s*\]")
_OPENING = re.compile(r"(?<=\()\s*(?:[,;:]\s*)+")
_LONELY = re.compile(r"\s+(?=[,;:.!?)](?:\s|$|[,;:.)]))")
_TWICE = re.compile(r"([,;:])(?:\s*[,;:])+")
_BEFORE_CLOSING = re.compile(r"(?:\s*[,;:])+\s*(?=\))")
_BULLET = re.compile(r"^[*#:;|!\s]+")
_LEFT_OVER = re.compile(r"\|(?!\|)|^\W*$|^(?:thumb|left|right|upright|\d+px)\b|\b(?:colspan|rowspan|bgcolor|style)\s*=")
_SPACES = re.compile(r"[^\S\n]+")
_LEAST_WORDS = 3


def html_text(html: str) -> str:
    """Return the visible text of an HTML page, one line per block element.

    Raises
    ------
    MissingExtraError
        If beautifulsoup4 is not installed.

    Examples
    --------
    >>> html_text("<h1>Birds</h1><p>An <b>owl</b> sees<br>at night.</p><script>x()</script>")
    'Birds\\nAn owl sees\\nat night.'
    """
    try:
        from bs4 import BeautifulSoup
    except ImportError as error:
        raise MissingExtraError("beautifulsoup4", "html") from error
    with warnings.catch_warnings():
        # bs4 warns that short input looks like a file name, and XHTML like XML; both are read as HTML here.
        warnings.simplefilter("ignore")
        soup = BeautifulSoup(html, "html.parser")
    for tag in soup(_NO_TEXT):
        tag.decompose()
    # A line end in the source of a page is a space; one that a reader sees comes from a block element.
    for string in soup.find_all(string=True):
        if "\n" in string and string.find_parent("pre") is None:
            string.replace_with(type(string)(string.replace("\n", " ")))
    for tag in soup(lambda tag: _BLOCKS.fullmatch(tag.name)):
        tag.insert_before("\n")
        tag.insert_after("\n")
    lines = (_SPACES.sub(" ", line).strip() for line in soup.get_text().split("\n"))
    return "\n".join(line for line in lines if line)


def wiki_text(source: str) -> str:
    """Return the prose of a MediaWiki page, one paragraph or list item per line.

    Headings, tables, pictures with their captions, footnotes, formulas, categories and the sections that only list
    (references, external links, see also, ...; English names) are left out.

    Examples
    --------
    >>> wiki_text("'''Owls''' ([[Greek]]: {{x}}) hunt [[Mouse|mice]] at night.\\n==See also==\\n* [[Birds of prey]]")
    'Owls (Greek) hunt mice at night.'
    """
    from gensim.corpora.wikicorpus import filter_wiki

    text = _COMMENT.sub("", source)
    text = _without_lists(text)
    text = _NOT_PROSE.sub("", _VOID_TAG.sub("", text))
    text = _DASH.sub(" – ", _CONVERT.sub(r"\1 \2", _SAID.sub(r"\1", text)))
    text = _without_nested(text, _TABLE, _TABLE_ENDS)
    text = _without_nested(_LANGUAGE_LINK.sub("", text), _FILE, _LINK_ENDS)
    text = filter_wiki(_HEADING.sub("", text), promote_remaining=False)
    return "\n".join(line for line in map(_prose, text.split("\n")) if line)


def _without_lists(text: str) -> str:
    kept: list[str] = []
    start, dropping = 0, 0
    for heading in _HEADING.finditer(text):
        level = len(heading[1])
        if not dropping:
            kept.append(text[start : heading.start()])
        elif level > dropping:
            continue
        start, dropping = heading.start(), level if _LISTS.match(heading[2].strip("'")) else 0
    if not dropping:
        kept.append(text[start:])
    return "".join(kept)


def _without_nested(text: str, begin: re.Pattern[str], ends: re.Pattern[str]) -> str:
    """Leave out what reaches from `begin` to the end that closes it; one that nothing closes stays."""
    kept: list[str] = []
    start = 0
    while found := begin.search(text, start):
        depth = 0
        for mark in ends.finditer(text, found.start()):
            depth += 1 if mark[0].strip(" \t:*") in ("[[", "{|") else -1
            if depth == 0:
                kept.append(text[start : found.start()])
                start = mark.end()
                break
        else:
            break
    kept.append(text[start:])
    return "".join(kept)


def _prose(line: str) -> str:
    is_item = line.startswith(("*", "#", ":", ";"))
    line = _BULLET.sub("", _QUOTES.sub("", _HIDDEN.sub("", line)))
    line = _BRACKETS.sub("", line)
    line = _EMPTY.sub("", _BEFORE_CLOSING.sub("", _OPENING.sub("", line)))
    line = _TWICE.sub(r"\1", _LONELY.sub("", _SPACES.sub(" ", line))).strip()
    words = line.count(" ") + 1
    if is_item and line[-1:] not in (".", "!", "?"):
        words //= 2
    if _LEFT_OVER.search(line) or words < _LEAST_WORDS:
        return ""
    return line
