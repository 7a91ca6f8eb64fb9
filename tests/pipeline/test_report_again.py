"""The report of a bundle written again, and what a run leaves for it."""

import json
from pathlib import Path

from embedpipe.loading import Bundle


def test_the_report_is_written_again_from_the_bundle(toy_bundle: Bundle, embedpipe_cli, tmp_path: Path) -> None:
    assert embedpipe_cli("report", toy_bundle.path, "-o", tmp_path / "again.html").exit_code == 0
    again = (tmp_path / "again.html").read_text(encoding="utf-8")
    assert again == (toy_bundle.path / "report.html").read_text(encoding="utf-8"), "nothing was measured again"


def test_the_files_of_a_bundle_stay_as_they_are(toy_bundle: Bundle, embedpipe_cli) -> None:
    before = (toy_bundle.path / "report.html").read_bytes()
    outcome = embedpipe_cli("report", toy_bundle.path, "-o", toy_bundle.path / "report.html")
    assert outcome.exit_code == 1
    assert "lies in the bundle, whose files stay as they are" in outcome.err
    assert (toy_bundle.path / "report.html").read_bytes() == before
    assert "cannot be written" in embedpipe_cli("report", toy_bundle.path, "-o", "/no/such/folder/a.html").err


def test_a_run_keeps_maps_and_curves(toy_bundle: Bundle) -> None:
    probes = json.loads((toy_bundle.path / "probes.json").read_text(encoding="utf-8"))
    words, sentences = probes["maps"]
    assert (words["kind"], sentences["kind"]) == ("word", "sentence")
    assert len(words["texts"]) == 80
    assert set(words["texts"]) <= set(toy_bundle.vocabulary.tokens)
    assert len(sentences["texts"]) == len(sentences["x"]) > 10
    assert probes["vocabulary"]["n_words"] == len(toy_bundle.vocabulary) - 4
    stages = toy_bundle.manifest.stages
    steps, values = zip(*stages["generation"].result["curve"]["held_out"], strict=True)
    assert (steps[0], steps[-1]) == (0, 200)
    assert min(values) < values[0] / 2, "training made it better"
    losses = stages["sentences"].result["curve"]["training_loss"]
    assert [step for step, _ in losses] == list(range(1, 41))
    report = (toy_bundle.path / "report.html").read_text(encoding="utf-8")
    for title in (
        "Word vectors: held-out loss",
        "Text generator: validation perplexity",
        "Sentence encoder: training loss",
    ):
        assert f"<h3>{title}</h3>" in report
