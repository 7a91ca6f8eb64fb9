"""The card says what the report says, to people and to the machines that read cards."""

from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from embedpipe.probes.card import write_card
from embedpipe.probes.findings import Findings
from embedpipe.probes.report import ReportContent
from embedpipe.probes.rows import Row, skipped


@pytest.fixture
def content():
    rows = [
        Row("lee", "pearson", 0.5, 0.4, 0.6, 1225, 0.9, "tf-idf", 0.45, 0.2, "encoder", "zero-shot"),
        Row("lee", "pearson", 0.5, 0.4, 0.6, 1225, 0.9, "SIF average", 0.3, 0.001, "encoder", "zero-shot"),
        skipped("own<b>", "spearman", "none | of it"),
    ]
    return ReportContent(
        title="wiki & co",
        corpus={"splits": {"train": 100, "unknown_rate": 0.03125}, "passed_over": {}},
        training={
            "words": {"summary": "300 vectors", "result": {"words": 300, "dim": 20, "trainer": "word2vec"}},
            "generation": {
                "summary": "perplexity 120.5 <held out>",
                "result": {"perplexity": 120.51992, "bigram_perplexity": 286.449, "n_scored": 49_984},
            },
        },
        findings=Findings(rows=rows),
        neighbours={"<pad>": [("a|b", 0.91), ("*c*", 0.5)]},
        samples=["<script>alert(1)</script> ```"],
    )


def test_hugging_face_reads_every_headline_figure(tmp_path, full):
    write_card(tmp_path / "README.md", full)
    data = ModelCard.load(tmp_path / "README.md").data
    read = {(one.dataset_name, one.metric_type): one for one in data.eval_results}
    assert {key: one.metric_value for key, one in read.items()} == {
        ("sick", "spearman"): 0.61,
        ("cr", "accuracy"): 0.7,
        ("held-out text", "perplexity"): 300.0,
    }
    args = read["cr", "accuracy"].metric_args
    assert (args["interval_low"], args["interval_high"], args["n"]) == (0.66, 0.74, 500)
    assert (args["strongest_baseline"], args["strongest_baseline_value"], args["p_value"]) == ("tf-idf", 0.78, 0.0004)
    assert data.library_name == "embedpipe"
    assert data.tags == ["word2vec", "text-generation"]


def test_leaks_bias_limits_and_methods_stand_in_the_card(tmp_path, full):
    write_card(tmp_path / "README.md", full)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    _, leaks = card.split("## Leakage\n\n")
    assert leaks.split("\n\n")[0].splitlines() == [
        "* sick: 200 of 900 questions leaked from the training text (150 exactly, 50 nearly)",
        "* tiny: 1 of 10 questions leaked from the training text (1 exactly, 0 nearly, 2 too short or unknown to tell)",
        "* nothing leaked from the training part: cr (0 of 500)",
        "* leaks from the training text not asked: words are meant to stand there: own\\<b\\>",
    ]
    assert (
        "* weat 6: men with career, women with home: effect +1.20 \\[+0.40, +1.70\\], p \\< 0.001, Holm p \\< 0.001, "
        "30 words\n* weat 6, encoder: men with career, women with home: effect −0.05 \\[−0.70, +0.73\\], p = 0.600, "
        "Holm p = 1.000, 30 words\n"
    ) in card
    assert "weat 7: math with men, arts with women: too few words\n" in card
    assert "* Of the words of held-out text 5.0% are outside its vocabulary.\n" in card
    assert "show sentences of the held-out text" in card
    assert "Caliskan et al. (2017)" in card
    write_card(tmp_path / "README.md", replace(full, findings=Findings()))
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "Caliskan" not in card, "only what was used is cited"
    assert "show sentences" not in card


def test_curves_and_geometry_stand_in_the_card_in_short(tmp_path, full):
    write_card(tmp_path / "README.md", full)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (
        "* cr, accuracy of the encoder by texts to learn from: 0.500 with 8, 0.600 with 64, 0.700 with 500; with the "
        "most: tf-idf 0.780\n"
    ) in card
    assert "| words | 20,000 | – | 126.7 | 0.050 |\n| words, as trained | 20,000 | – | – | −0.200 |\n" in card


def test_a_note_stands_once_and_methods_are_those_of_the_tests(tmp_path, full):
    row = Row("length", "accuracy", 0.4, 0.3, 0.5, 99, 1.0, "majority", -0.0004, 0.1, "encoder", "five folds")
    rows = [replace(row, test="t across folds, corrected"), replace(row, metric="accuracy (unleaked)")]
    geometry = {"words": {"IsoScore": 0.4, "partition ratio": 0.5}}
    write_card(tmp_path / "README.md", replace(full, findings=Findings(rows=rows, geometry=geometry)))
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert card.count("five folds") == 1
    assert "| majority \\~0.000 |" in card
    for author in (
        "Nadeau and Bengio (2003)",
        "Conneau et al. (2018)",
        "Rudman et al. (2022)",
        "Mu and Viswanath (2018)",
    ):
        assert author in card.split("## Methods to cite")[1]
    assert "McNemar" not in card


def test_a_set_that_settings_were_chosen_on_is_no_proof(tmp_path, full):
    rows = [replace(row, note="settings were chosen on this set") if row.task == "sick" else row for row in full.rows]
    write_card(tmp_path / "README.md", replace(full, findings=Findings(rows=rows)))
    limits = (tmp_path / "README.md").read_text(encoding="utf-8").split("## Limits")[1].split("## ")[0]
    assert "* Its settings were chosen on sick: its figures there are higher than they would be on sets that" in limits


def test_card(tmp_path, content):
    write_card(tmp_path / "README.md", content)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    _, front, body = card.split("---\n", 2)
    assert '  - name: "wiki & co"' in front
    assert (
        'metrics: [{type: "pearson", value: 0.5000, args: {"interval_low": 0.4, "interval_high": 0.6, "n": 1225,'
        in front
    )
    assert "own" not in front  # what was not measured is no result
    assert (
        "| lee | pearson | 0.500 | [0.400, 0.600] | 1,225 | 0.900 | no test of its own | tf-idf \\~0.450, SIF average "
        "0.300 |"
    ) in body
    assert "skipped: none \\| of it" in body
    assert "* splits: train 100, unknown rate 0.031\n" in body
    assert "passed over" not in body
    assert "* words: 300 vectors (dim 20)\n" in body
    assert "(bigram perplexity 286.449, n scored 49,984)\n\n## Words" in body, "the summary has the perplexity"
    assert "````text\n<script>alert(1)</script> ```\n````" in body
    assert "**\\<pad\\>**: a\\|b 0.91, \\*c\\* 0.50" in body


def test_the_index_of_the_card_has_the_perplexity(tmp_path, content):
    write_card(tmp_path / "README.md", replace(content, findings=Findings()))
    front = (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    assert front == (
        "library_name: embedpipe\n"
        "tags: [word2vec, text-generation]\n"
        "model-index:\n"
        '  - name: "wiki & co"\n'
        "    results:\n"
        "      - task: {type: text-generation}\n"
        '        dataset: {name: "held-out text", type: "held-out text"}\n'
        '        metrics: [{type: "perplexity", value: 120.5199, args: {"n_scored": 49984, '
        '"strongest_baseline": "bigram model", "strongest_baseline_value": 286.4}}]\n'
    )


def test_the_index_of_the_card_has_the_interval_and_the_best_of_the_counted_models(tmp_path, content) -> None:
    result = {**content.training["generation"]["result"], "perplexity_low": 110.04, "perplexity_high": 130.0}
    result |= {"kneser_ney_perplexity": 153.94, "word_perplexity": 450.0}
    training = {"generation": {"summary": "", "result": result}}
    write_card(tmp_path / "README.md", replace(content, findings=Findings(), training=training))
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if "metrics:" in line]
    assert line.endswith(
        'args: {"interval_low": 110.0, "interval_high": 130.0, "n_scored": 49984, "word_perplexity": 450.0, '
        '"strongest_baseline": "Kneser-Ney 5-gram", "strongest_baseline_value": 153.9}}]'
    )
    assert "Chen and Goodman (1999)" in text


@pytest.mark.parametrize(
    ("split", "dataset"),
    [("test", "held-out text"), ("validation", "validation text"), ("training", "training text")],
)
def test_the_index_of_the_card_says_of_which_split_the_perplexity_is(tmp_path, content, split, dataset) -> None:
    result = {**content.training["generation"]["result"], "scored_split": split}
    training = {"generation": {"summary": "", "result": result}}
    write_card(tmp_path / "README.md", replace(content, findings=Findings(), training=training))
    (read,) = ModelCard.load(tmp_path / "README.md").data.eval_results
    assert (read.dataset_name, read.dataset_split, read.metric_value) == (dataset, split, 120.5199)


@pytest.mark.parametrize(
    ("stages", "tags", "sentence"),
    [
        ([], "", "A vocabulary, made"),
        (["words"], "word2vec", "Word vectors over one vocabulary, made"),
        (
            ["words", "sentences"],
            "word2vec, sentence-embeddings",
            "Word vectors and a sentence encoder over one vocabulary, made",
        ),
        (
            ["words", "sentences", "generation"],
            "word2vec, sentence-embeddings, text-generation",
            "Word vectors, a sentence encoder and a text generator over one vocabulary, made",
        ),
    ],
)
def test_the_card_names_the_parts_that_are_there(tmp_path, stages, tags, sentence):
    training = {stage: {"summary": "done", "result": {"perplexity": 2.0}} for stage in stages}
    write_card(tmp_path / "README.md", ReportContent(title="b", corpus={}, training=training))
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert f"tags: [{tags}]\n" in card
    assert f"# b\n\n{sentence} from raw text by embedpipe.\n" in card
