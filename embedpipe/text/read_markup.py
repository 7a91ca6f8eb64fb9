"""HTML pages and MediaWiki dumps to documents."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from embedpipe.errors import InputError
from embedpipe.text.markup import html_text, wiki_text
from embedpipe.text.read_bytes import open_bytes, text_blocks
from embedpipe.text.read_types import Document, ReadOptions

__all__ = ["html_documents", "is_mediawiki", "mediawiki_documents"]

_ARTICLES = "0"
_SNIFFED = 4096
# The root element after nothing but declarations, comments and white space; what was matched is not tried again.
_MEDIAWIKI = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:(?><\?.*?\?>|<!--.*?-->)\s*+)*+<mediawiki[\s>]", re.DOTALL)


def html_documents(path: Path, options: ReadOptions, origin: str) -> Iterator[Document]:
    """Yield the visible text of an HTML page as one document."""
    if text := html_text("".join(text_blocks(path, options))):
        yield Document(text, origin)


def is_mediawiki(path: Path) -> bool:
    """Return whether the root element of a file is that of a MediaWiki dump, whatever the file's name."""
    with open_bytes(path, Counter()) as file:
        return _MEDIAWIKI.match(file.read(_SNIFFED)) is not None


def mediawiki_documents(path: Path, options: ReadOptions, origin: str) -> Iterator[Document]:
    """Yield the articles of a MediaWiki dump; redirects, other namespaces and empty pages are counted in `options`.

    Raises
    ------
    InputError
        With path and line, if the dump is not well-formed XML.
    """
    # gensim's own page reader keeps an empty element for each page of the dump; this one keeps none.
    with open_bytes(path, options.read) as file:
        events = iterparse(file, events=("start", "end"))
        try:
            root: Element | None = None
            for event, element in events:
                if root is None:
                    root = element
                elif event == "end" and _name(element) == "page":
                    title, text, reason = _article(element)
                    root.clear()
                    prose = "" if reason else wiki_text(text)
                    if prose:
                        yield Document(prose, f"{origin}: {title}")
                    else:
                        options.skipped[reason or "empty pages"] += 1
        except ParseError as error:
            raise InputError(f"the dump is damaged or cut short ({error})", path, error.position[0]) from error


def _article(page: Element) -> tuple[str, str, str]:
    """Return title, wiki text and, for what is no article, the reason."""
    title, text, namespace, redirect = "", "", _ARTICLES, False
    for element in page.iter():
        match _name(element):
            case "title":
                title = element.text or ""
            case "ns":
                namespace = element.text or _ARTICLES
            case "redirect":
                redirect = True
            case "text":
                text = element.text or ""
    if namespace != _ARTICLES:
        return title, text, "pages outside the articles"
    if redirect or text.lstrip()[:9].lower() == "#redirect":
        return title, text, "redirects"
    return title, text, ""


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]
