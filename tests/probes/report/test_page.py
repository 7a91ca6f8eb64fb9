"""The report and the card are whole, self-contained and escaped."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from embedpipe.probes.card import write_card
from embedpipe.probes.findings import Findings
from embedpipe.probes.report import ReportContent, figure, summary_cards, write_report
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.word_facts import word_facts

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Checker(HTMLParser):
    """Every tag is closed, in order; the text of the page is collected."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.tags, self.attributes = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def content():
    rows = [
        Row("lee", "pearson", 0.5, 0.4, 0.6, 1225, 0.9, "tf-idf", 0.45, 0.2, "encoder", "zero-shot"),
        Row("lee", "pearson", 0.5, 0.4, 0.6, 1225, 0.9, "SIF average", 0.3, 0.001, "encoder", "zero-shot"),
        skipped("own<b>", "spearman", "none | of it"),
    ]
    return ReportContent(
        title="wiki & co",
        corpus={
            "tokens": 453_000,
            "splits": {"train": 100, "unknown_rate": 0.03125},
            "passed_over": {},
            "languages": ["en"],
            "empty": None,
        },
        training={
            "words": {"summary": "300 vectors", "result": {"words": 300, "dim": 20}},
            "generation": {
                "summary": "perplexity 120.5 <held out>",
                "result": {"perplexity": 120.51992, "bigram_perplexity": 286.449, "n_scored": 49_984},
            },
        },
        findings=Findings(rows=rows),
        neighbours={"<pad>": [("a|b", 0.91), ("*c*", 0.5)]},
        samples=["<script>alert(1)</script> ```"],
        config_toml='[words]\ndim = 100\nname = "<x>"\n',
        command="embedpipe run 'a&b' -o wiki",
        versions={"numpy": "2.4"},
    )


def page_of(tmp_path, content):
    write_report(tmp_path / "report.html", content)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    return html, checker


def test_report_is_well_formed_escaped_and_needs_no_network(tmp_path, content):
    html, page = page_of(tmp_path, content)
    text = " ".join(page.text)
    assert page.tags.count("script") == 1, "no map, no plotly"
    assert "<script>alert(1)</script>" in text
    assert "own<b>" in text
    assert not re.search(r"https?://|@import|url\(", html)
    assert not {name for name, _ in page.attributes} & {"src", "onclick"}
    assert {value[0] for name, value in page.attributes if name == "href"} == {"#"}
    assert "453,000" in text
    assert "train 100, unknown rate 0.031" in text
    assert "0.400 to 0.600" in text
    assert "300 vectors (dim 20)" in text
    assert "perplexity 120.5 <held out> (bigram perplexity 286.449, n scored 49,984)" in text
    titles = re.findall("<h2 .*?>(.*?)</h2>", html)
    assert titles[:3] == ["Corpus", "Training", "Probes"]
    assert html.count("<tr>") == 2 + (1 + 1) + (1 + 3) - 2, "one line beside the strongest baseline, one for each"


def test_the_perplexity_stands_beside_the_best_of_the_counted_models(tmp_path, content):
    assert "bigram model: 286.4" in page_of(tmp_path, content)[0]
    result = {**content.training["generation"]["result"], "kneser_ney_perplexity": 153.94}
    counted = replace(content, training={"generation": {"summary": "", "result": result}})
    html = page_of(tmp_path, counted)[0]
    assert "<b>120.5</b><small>Kneser-Ney 5-gram: 153.9</small>" in html
    assert "bigram model" not in html


def test_the_perplexity_says_of_which_text_it_is(tmp_path, content):
    assert "<span>perplexity of held-out text</span><b>120.5</b>" in page_of(tmp_path, content)[0]
    result = {**content.training["generation"]["result"], "scored_split": "training"}
    of_training = replace(content, training={"generation": {"summary": "", "result": result}})
    assert "<span>perplexity of training text</span><b>120.5</b>" in page_of(tmp_path, of_training)[0]


def test_headline_sets_the_best_baseline_beside_each_figure(content):
    assert summary_cards(content) == [("lee pearson", "0.500", "tf-idf 0.450")]


def test_sections_without_content_are_left_out(tmp_path):
    _html, page = page_of(tmp_path, ReportContent(title="bare", corpus={"tokens": 1}))
    assert page.tags.count("h2") == 1
    assert "table" not in page.tags


def test_figures():
    shown = [figure(value) for value in (0.12345, 1_234_567, None, math.nan, True, "x")]
    assert shown == ["0.123", "1,234,567", "–", "–", "yes", "x"]


WORDS = {
    "words": 300,
    "dim": 20,
    "epochs": [2, 1, 2, 2],
    "trainer": "word2vec",
    "steps": ["join-contexts", "whiten:0.5"],
    "runs": 2,
    "held_out_losses": [[3.2, 3.1], [4.0], [3.21, 3.11], [4.1, 4.05]],
    "stability_of_words": 0.614,
    "stability_of_text": 0.75,
    "start": {"from": "old.bundle", "words": 300, "known": 280},
}


def test_how_words_were_made_in_short_lines() -> None:
    assert word_facts(WORDS) == {
        "trainer": "word2vec",
        "steps after training": "join-contexts, whiten:0.5",
        "held-out loss by epoch, run 1": "3.200, 3.100 (kept)",
        "held-out loss by epoch, beside, run 1": "4.000 (kept)",
        "held-out loss by epoch, run 2": "3.210, 3.110 (kept)",
        "held-out loss by epoch, beside, run 2": "4.100, 4.050 (kept)",
        "stability": "2 runs share 61% of a word's ten nearest words, 75% where each word counts as often as the text "
        "has it",
        "started from": "old.bundle, which knows 280 of the 300 words",
    }
    assert word_facts({"words": 300, "dim": 20}) == {}


def test_pages_say_how_words_were_made_and_mark_unstable_ones(tmp_path, content) -> None:
    training = {"words": {"summary": "300 vectors", "result": WORDS}}
    marked = replace(content, training=training, neighbours={"tea": [("cup", 0.9), ("ox", 0.5)]}, unstable={"ox"})
    html, page = page_of(tmp_path, marked)
    assert "ox<sup>†</sup>" in html
    assert "cup&nbsp;" in html
    text = " ".join(page.text)
    assert "† unstable: fewer than three in ten" in text
    assert "3.200, 3.100 (kept)" in text
    assert "[[" not in text, "lists are not printed as Python has them"
    write_card(tmp_path / "README.md", marked)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "* **tea**: cup 0.90, ox† 0.50\n\n† unstable: " in card
    assert "* steps after training: join-contexts, whiten:0.5\n" in card
    html, _ = page_of(tmp_path, replace(marked, unstable=()))
    assert "†" not in html
