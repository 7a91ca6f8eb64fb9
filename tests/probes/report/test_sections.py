"""Each finding stands in the report with its figures, and is read by machines and by people who do not see it."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from embedpipe.probes.findings import Findings, read_findings, write_findings
from embedpipe.probes.report import ReportContent, verdict, write_report
from embedpipe.probes.report import maps as maps_module
from embedpipe.probes.report import page as page_module
from embedpipe.probes.report.headline import strongest
from embedpipe.probes.rows import Row
from embedpipe.probes.spaces.geometry import MEANING

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Tags, headings, table captions and the texts of the cells, row by row."""

    def __init__(self, html):
        super().__init__()
        self.open, self.headings, self.tables, self.ids, self.roles, self.text = [], [], {}, [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.roles.append((tag, attributes))
        if tag == "tr":
            self.row = []
        if tag in ("td", "th"):
            self.row.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "tr":
            self.tables[self.caption].append(self.row)

    def handle_data(self, data):
        where = self.open[-1] if self.open else ""
        self.text += "" if where in ("style", "script") else data
        if where in ("h1", "h2", "h3"):
            self.headings.append((int(where[1]), data))
        if where == "caption":
            self.caption = data
            self.tables[data] = []
        if {"td", "th"} & set(self.open):
            self.row[-1] += data


@pytest.fixture
def page(full, tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "drawing_library", lambda: "")
    write_report(tmp_path / "report.html", full)
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_headings_go_down_one_level_at_a_time_and_names_stand_once(page) -> None:
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert len(set(page.ids)) == len(page.ids)
    assert [title for level, title in page.headings if level == 2] == [
        "Corpus", "Training", "Probes", "Learning curves", "Leakage", "Map", "Nearest words", "Bias", "Geometry",
        "Generated text", "How it was made",
    ]  # fmt: skip


def test_every_plot_and_table_can_be_read_aloud(page) -> None:
    plots = [attributes for tag, attributes in page.roles if tag == "svg" and "aria-hidden" not in attributes]
    assert len(plots) == 5
    for plot in plots:
        assert plot["role"] == "img"
        assert set(plot["aria-labelledby"].split()) <= set(page.ids)
    heads = [attributes for tag, attributes in page.roles if tag == "th"]
    assert all(attributes["scope"] in ("col", "row") for attributes in heads)
    landmarks = [tag for tag, _ in page.roles if tag in ("header", "nav", "main", "footer")]
    assert landmarks == ["header", "nav", "main", "footer"]
    assert ("a", {"class": "skip", "href": "#main"}) in page.roles


def test_the_short_table_sets_the_strongest_baseline_beside_each_figure(page) -> None:
    head, *rows = page.tables["Each task beside its strongest baseline"]
    assert head[5] == "strongest baseline"
    assert [(row[0], row[5], row[-1]) for row in rows] == [
        ("sick", "SIF average 0.590", "no difference found"),
        ("cr", "tf-idf 0.780", "worse"),
        ("tiny", "majority 0.500", "fewer than 30 questions"),
    ]
    every = page.tables["Each task beside every baseline"]
    assert [(row[0], row[7], row[9], row[11], row[12]) for row in every[1:3]] == [
        ("sick", "tf-idf", "+0.110+0.050 to +0.170", "0.001", "0.001"),
        ("sick", "SIF average", "+0.020", "0.200", "0.200"),
    ]
    assert [row[0] for row in page.tables["Parts of tasks beside every baseline"][1:]] == ["sick"]


def test_leaks_stand_with_the_figure_without_them(page) -> None:
    assert page.tables["Questions that were met in training"][1:] == [
        ["sick", "training text", "900", "150", "50", "22.2%", "0"],
        ["tiny", "training text", "10", "1", "0", "10.0%", "2"],
    ]
    assert page.tables["Tasks of which nothing was met"][1:] == [["cr", "training part", "500", "0", "0", "0.0%", "0"]]
    assert page.tables["Figures with and without them"][1:] == [["sick", "spearman", "0.610", "0.550", "−0.060"]]
    assert "201 questions of 2 tasks stand, exactly or nearly, in a text that was learnt from." in page.text
    assert "Not asked: own<b> (words are meant to stand there)." in page.text
    assert "Near: similarity 0.8 or more." in page.text
    assert "nan" not in page.text


def test_bias_geometry_and_corpus(page) -> None:
    bias = page.tables["Association tests"][1:]
    pairs = "men with career, women with home"
    assert bias[:2] == [
        ["weat 6", pairs, "words", "+1.20", "+0.40 to +1.70", "< 0.001", "< 0.001", "30"],
        ["weat 6", pairs, "encoder", "−0.05", "−0.70 to +0.73", "0.600", "1.000", "30"],
    ]
    assert bias[2][3:7] == ["–", "–", "–", "–"]
    assert page.text.count("amy") == 1, "words and encoder lack the same words: they are named once"
    assert page.tables["The spaces of words"] == [
        ["measure", "as published", "as trained"],
        ["vectorshow many were looked at", "20,000", "20,000"],
        [f"mean cosine{MEANING['mean cosine']}", "0.0500.000 to 0.100", "−0.200"],
        [f"dimensions used{MEANING['dimensions used']}", "126.7", "–"],
    ]
    assert page.tables["The spaces of sentences"][1:] == [
        ["vectorshow many were looked at", "600"], ["dimensionswidth of a vector", "812"], ["own measure", "2.500"],
    ]  # fmt: skip
    assert "These 600 sentences are fewer than the 812 dimensions of the encoder" in page.text
    assert "embedpipe run --runs 3" in page.text, "why the stability of neighbours is not there"
    assert page.tables["The splits, by document"][2] == ["test (to measure on)", "50", "500", "25,000", "5.00%"]
    covered = page.tables["How much of the training text the most frequent words make up"]
    harmonic = [sum(round(60_000 / rank) for rank in range(1, n + 1)) for n in (10, 100, 1000)]
    assert covered[1:] == [
        [f"{n:,}", f"{share / harmonic[-1]:.1%}"] for n, share in zip((10, 100, 1000), harmonic, strict=True)
    ]
    assert page.tables["What was run"][1] == ["words", "12.5", "cpu", "2", "yes"]


def test_a_page_without_plotly_says_how_to_get_the_map(page) -> None:
    text = " ".join(data for tag, data in ((t, a.get("class")) for t, a in page.roles) if tag == "p" and data)
    assert "notes" in text
    assert not [attributes for tag, attributes in page.roles if "data-map" in attributes]


def test_the_map_says_so_where_there_is_none(full, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(maps_module, "drawing_library", lambda: "")
    monkeypatch.setattr(page_module, "drawing_library", lambda: "")
    write_report(tmp_path / "a.html", full)
    assert "pip install &#x27;embedpipe[plot]&#x27;" in (tmp_path / "a.html").read_text(encoding="utf-8")
    none = replace(full.findings.maps[0], texts=(), note="no map: 3 words of letters have a vector, 10 are needed")
    write_report(tmp_path / "b.html", replace(full, findings=Findings(maps=[none])))
    assert "no map: 3 words" in (tmp_path / "b.html").read_text(encoding="utf-8")


def test_what_stands_in_the_report_stands_in_probes_json(full, tmp_path) -> None:
    write_findings(tmp_path / "probes.json", full.findings)
    again = read_findings(tmp_path / "probes.json")
    assert again.maps == list(full.findings.maps)
    assert again.vocabulary == full.findings.vocabulary
    assert again.leaks == list(full.findings.leaks)
    content = json.loads((tmp_path / "probes.json").read_text(encoding="utf-8"))
    assert content["maps"][0]["nearest"][59] == [0, 1, 2]
    assert content["vocabulary"]["exponent"] == pytest.approx(1.0, abs=0.01)
    del content["maps"], content["vocabulary"]
    assert Findings.from_dict(content).maps == [], "as bundles had it before"


@pytest.mark.parametrize(
    ("value", "p_value", "p_holm", "n", "said"),
    [
        (0.6, 0.01, 0.04, 99, "better"),
        (0.4, 0.01, 0.04, 99, "worse"),
        (0.6, 0.01, 0.06, 99, "no difference found"),
        (0.6, 0.01, float("nan"), 99, "better"),
        (0.6, 0.01, 0.01, 29, "fewer than 30 questions"),
        (0.6, float("nan"), float("nan"), 99, "not compared"),
    ],
)
def test_verdict(value, p_value, p_holm, n, said) -> None:
    row = Row("t", "accuracy", value, 0, 1, n, 1.0, "b", 0.5, p_value, "encoder", p_holm=p_holm)
    assert verdict(row) == said


def test_what_guessing_may_have_given_is_at_chance() -> None:
    beside = [
        Row("order", "accuracy", 0.487, 0.458, 0.515, 1200, 1.0, name, value, 0.3, "encoder")
        for name, value in (("tf-idf", 0.51), ("majority", 0.502))
    ]
    assert [one.said for one in strongest(beside)] == ["at chance"]
    assert [one.said for one in strongest(beside[:1])] == ["no difference found"], "what guessing gives is not known"
    ends = [("far", 0.2), ("near", -0.1)]
    pairs = [Row(t, "spearman", 0.3, low, 0.5, 99, 1.0, "spelling", 0.25, 0.3, "words") for t, low in ends]
    assert [one.said for one in strongest(pairs)] == ["no difference found", "at chance"]
    assert verdict(replace(beside[1], p_value=0.001), chance=0.502) == "worse"


def test_the_first_card_counts_the_training_documents(full, tmp_path) -> None:
    more = [Row(f"t{i}", "accuracy", 0.5, 0.4, 0.6, 99, 1.0, None, math.nan, math.nan, "encoder") for i in range(13)]
    write_report(tmp_path / "report.html", replace(full, findings=Findings(rows=more)))
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<span>tokens to learn from</span><b>450,000</b><small>in 900 training documents</small>" in html
    assert "The figure of 1 more task stands in the table of the probes." in html


def test_the_first_sentence_counts_what_was_found(full, tmp_path) -> None:
    write_report(tmp_path / "report.html", replace(full, findings=replace(full.findings, maps=())))
    lead = re.search(r"<p class=lead>(.*?)</p>", (tmp_path / "report.html").read_text(encoding="utf-8"))
    assert lead
    assert lead[1] == (
        "Word vectors and a text generator over one vocabulary. Beside the strongest baseline, of 2 tasks of 30 "
        "questions or more, 1 is not told apart, 1 is worse (p ≤ 0.05, paired, corrected for the number of tasks)."
    )


def test_an_empty_report_has_a_title_alone(tmp_path) -> None:
    write_report(tmp_path / "report.html", ReportContent(title="bare", corpus={}))
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.headings == [(1, "bare")]
