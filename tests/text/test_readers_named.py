"""Named corpora (builtin, NLTK, gensim-data, Hugging Face) and marked-up text; nothing touches the network."""

import bz2
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from embedpipe.errors import InputError, MissingExtraError
from embedpipe.text.catalogue import corpus_card
from embedpipe.text.markup import html_text, wiki_text
from embedpipe.text.read_markup import is_mediawiki
from embedpipe.text.read_named import builtin_file
from embedpipe.text.read_types import ReadOptions
from embedpipe.text.readers import fingerprint_source, read_documents


def texts(source: object, **options: object) -> list[str]:
    return [document.text for document in read_documents(str(source), ReadOptions(**options))]


def test_lee_is_300_documents_a_line_each() -> None:
    assert texts("builtin:lee") == [line.strip() for line in builtin_file("lee").read_text().splitlines()]


def test_wikipedia_reads_as_prose() -> None:
    options = ReadOptions()
    documents = list(read_documents("builtin:wikipedia", options))
    card = corpus_card("wikipedia")
    assert len(documents) == card.documents == 106
    assert documents[0].origin == "builtin:wikipedia: Anarchism"
    assert documents[0].text.startswith("Anarchism is a political philosophy that advocates self-governed societies")
    assert options.skipped == {"redirects": 99, "pages outside the articles": 1}
    everything = "\n".join(document.text for document in documents)
    assert len(re.findall(r"\w+", everything)) == card.tokens == 438_378
    for markup in (
        "''",
        "[[",
        "]]",
        "{{",
        "}}",
        "{|",
        "==",
        "<ref",
        "&nbsp;",
        "thumb|",
        "Category:",
        "()",
        "(,",
        "\n*",
    ):
        assert markup not in everything, markup


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'''Bold''' and ''italic''[[File:x.jpg|thumb|A [[cat]] here]] words stay.", "Bold and italic words stay."),
        ("A [[link|labelled link]] and a [[plain]] one in [http://x.org an address].",
         "A labelled link and a plain one in an address."),
        ("Said twice.<ref name=a>Gone {{cite|x}}.</ref><ref name=a /> Then more text.", "Said twice. Then more text."),
        ("Born ({{IPA|x}}; {{lang|el|Λόγος}}) in {{convert|5|km|mi}} of it.", "Born (Λόγος) in 5 km of it."),
        ("Some words first.\n{| class=x\n| a\n{|\n| b\n|}\n|}\nSome words last.",
         "Some words first.\nSome words last."),
        ("One two three.\n== See also ==\n* Not this one.\n=== Inner ===\nNor this.\n== Next ==\nBut this one here.",
         "One two three.\nBut this one here."),
        ("* A point made in a whole sentence.\n* Short\n: Indented words that say something here.",
         "A point made in a whole sentence.\nIndented words that say something here."),
        ("Text with [[War: a history]] in it.\n[[de:Krieg]]\n[[Category:Wars]]", "Text with War: a history in it."),
        ("Unclosed [[File:x.jpg|thumb and {{template are left alone.", None),
    ],
)  # fmt: skip
def test_wiki_markup_becomes_prose(source: str, expected: str | None) -> None:
    text = wiki_text(source)
    assert text == expected if expected is not None else "[[" not in text


DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/"><siteinfo/>
<page><title>Owl</title><ns>0</ns><revision><text>An '''owl''' is a bird of prey.</text></revision></page>
<page><title>Owls</title><ns>0</ns><redirect title="Owl"/><revision><text>#REDIRECT [[Owl]]</text></revision></page>
<page><title>Talk:Owl</title><ns>1</ns><revision><text>I do not agree with this.</text></revision></page>
<page><title>Empty</title><ns>0</ns><revision><text/></revision></page>
"""


def test_a_dump_is_known_by_its_content_and_damage_is_placed(tmp_path: Path) -> None:
    (tmp_path / "dump.xml.bz2").write_bytes(bz2.compress((DUMP + "</mediawiki>").encode()))
    options = ReadOptions()
    documents = list(read_documents(str(tmp_path / "dump.xml.bz2"), options))
    assert [(d.text, d.origin) for d in documents] == [
        ("An owl is a bird of prey.", f"{tmp_path / 'dump.xml.bz2'}: Owl")
    ]
    assert options.skipped == {"redirects": 1, "pages outside the articles": 1, "empty pages": 1}
    (tmp_path / "cut").write_text(DUMP)
    with pytest.raises(InputError, match=r"cut:6: the dump is damaged or cut short"):
        texts(tmp_path / "cut")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"<mediawiki>", True),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n<!-- <b> -->\n <mediawiki xmlns="x">', True),
        (b"A dump begins with <mediawiki> and is XML.", False),
        (b"<!-- <mediawiki> --> a page", False),
        (b"<mediawikis>", False),
        (b"<!-- a -->" * 400 + b"<page>", False),
    ],
)
def test_a_dump_is_known_by_its_root_element_alone(tmp_path: Path, head: bytes, expected: bool) -> None:
    (tmp_path / "a.txt").write_bytes(head)
    assert is_mediawiki(tmp_path / "a.txt") is expected


def test_html_is_read_as_a_reader_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (
        "<!DOCTYPE html><title>Owls</title><style>p{}</style><p>An <b>owl</b>\n sees &amp; hears.</p>"
        "<ul><li>one<li>two</ul><!-- no --><script>var x;</script>caf&eacute;"
    )
    (tmp_path / "a.html.gz").write_bytes(gzip.compress(page.encode()))
    assert texts(tmp_path / "a.html.gz") == ["Owls\nAn owl sees & hears.\none\ntwo\ncafé"]
    assert html_text("a/b") == "a/b"
    monkeypatch.setitem(sys.modules, "bs4", None)
    with pytest.raises(MissingExtraError, match=r"embedpipe\[html\]"):
        html_text(page)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("builtin:wikipedai", r"built in are wikipedia, lee, toy-en, toy-zh; did you mean 'wikipedia'\?"),
        ("buitlin:lee", r"no such kind of source.*did you mean 'builtin'\?"),
        ("builtin:lee#text", "has no fields"),
        ("builtin:", "names no corpus"),
        ("nltk:brwn", r"no corpus of this name; did you mean 'brown'\?"),
        ("gensim:text8", r"pass --download, or run python -m gensim.downloader --download text8"),
        ("gensim:../x", "not on this machine"),
        ("hf:wikitext#text", "allow that with --download"),
        ("https://example.org/a.txt", "download the file"),
    ],
)
def test_named_sources_that_cannot_be_read_say_why(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match=message):
        texts(source)


def test_nltk_corpora_are_read_from_disk_by_category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    with pytest.raises(InputError, match=r"pass --download, or run python -m nltk.downloader movie_reviews"):
        texts("nltk:movie_reviews")
    for name, text in {"pos/cv1.txt": "a fine film .\nreally .", "neg/cv2.txt": "a dull film ."}.items():
        file = tmp_path / "corpora" / "movie_reviews" / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    documents = list(read_documents("nltk:movie_reviews", ReadOptions()))
    assert [(d.text, d.origin) for d in documents] == [
        ("a dull film .", "nltk:movie_reviews: neg/cv2.txt"),
        ("a fine film .\nreally .", "nltk:movie_reviews: pos/cv1.txt"),
    ]
    assert texts("nltk:movie_reviews#pos") == ["a fine film .\nreally ."]
    with pytest.raises(InputError, match=r"there are neg, pos; did you mean 'pos'\?"):
        texts("nltk:movie_reviews#posi")


def test_nltk_corpora_with_tags_give_their_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    def download(name: str, quiet: bool) -> bool:
        folder = tmp_path / "corpora" / name
        folder.mkdir(parents=True)
        (folder / "ca01").write_text("The/at jury/nn met/vbd ./.\n\n\tIt/pps voted/vbd ./.\n")
        (folder / "cats.txt").write_text("ca01 news\n")
        return True

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.setattr(nltk, "download", download)
    assert texts("nltk:brown", download=True) == ["The jury met .\nIt voted ."]


def test_gensim_data_are_read_without_running_their_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path))
    contents = {"text8": "plain words", "20-newsgroups": json.dumps({"data": "a post", "topic": "x"})}
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError")
    assert texts("gensim:text8") == ["plain words"]
    assert texts("gensim:20-newsgroups") == ["a post"]
    assert texts("gensim:20-newsgroups#topic") == ["x"]


def test_hugging_face_rows_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def load_dataset(name: str, config: str | None, *, split: str, streaming: bool) -> object:
        calls.append((name, config, split, streaming))
        return iter([{"text": "one"}, {"text": ""}, {"text": "two"}])

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    assert texts("hf:owner/set:part@test#text", download=True) == ["one", "two"]
    assert texts("hf:owner/set#text", download=True) == ["one", "two"]
    assert calls == [("owner/set", "part", "test", True), ("owner/set", None, "train", True)]
    with pytest.raises(InputError, match=r"has no field 'txt'; fields here are text; did you mean 'text'\?"):
        texts("hf:owner/set#txt", download=True)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"embedpipe\[hf\]"):
        texts("hf:owner/set#text", download=True)


def test_fingerprints_of_named_corpora() -> None:
    sources = ("builtin:wikipedia", "builtin:lee", "builtin:toy-en", "builtin:toy-zh", "nltk:brown", "nltk:brown#news")
    found = [fingerprint_source(source, ReadOptions()) for source in sources]
    assert len(set(found)) == len(sources)
    assert found == [fingerprint_source(source, ReadOptions()) for source in sources]


def test_reading_a_text_file_imports_nothing_heavy() -> None:
    code = (
        "import sys; from embedpipe.text.readers import *; next(read_documents('builtin:lee', ReadOptions()));"
        "print([m for m in ('gensim', 'nltk', 'torch', 'sklearn', 'scipy', 'pydantic', 'bs4') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
