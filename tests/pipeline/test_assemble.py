"""What the report and the card of a bundle take from its run."""

import json
from pathlib import Path

import pytest

import embedpipe
from embedpipe.loading import Bundle

TEXT = "\n\n".join(f"the quick brown fox {i} jumps over the lazy dog {i % 7} near the river" for i in range(200))


def test_they_say_how_training_ended(toy_bundle: Bundle) -> None:
    card = (toy_bundle.path / "README.md").read_text(encoding="utf-8")
    report = (toy_bundle.path / "report.html").read_text(encoding="utf-8")
    stages = toy_bundle.manifest.stages
    result = stages["generation"].result
    assert f'metrics: [{{type: "perplexity", value: {result["perplexity"]:.4f}, args: {{' in card
    assert f"* generation: {stages['generation'].summary} (" in card
    for page in (card, report):
        for stage in ("words", "sentences", "generation"):
            assert stages[stage].summary in page
        assert f"unknown share {result['unknown_share']:.3f}, n scored {result['n_scored']:,})" in page
        assert f"rank of {stages['sentences'].result['neighbour_reciprocal_rank']:.3f}" in page
    assert "embedpipe run builtin:toy-en -o toy.bundle --config config.toml" in card


@pytest.mark.parametrize("command", ["", "embedpipe run {source} -o {target}"])
def test_only_the_manifest_names_folders(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "private notes"
    folder.mkdir()
    source, target = folder / "a b.txt", folder / "b"
    source.write_text(TEXT)
    embedpipe.run(
        [str(source)],
        target,
        preset="tiny",
        settings={"words": {"dim": 4, "epochs": 1}},
        stages=["words"],
        command=command.format(source=source, target=target),
    )
    made = "embedpipe run 'a b.txt' -o b --config config.toml --stages text,words"
    card = (target / "README.md").read_text(encoding="utf-8")
    report = (target / "report.html").read_text(encoding="utf-8")
    assert f"```\n{made}\n```" in card
    assert made.replace("'", "&#x27;") in report
    assert "private notes" not in card + report
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["sources"] == [str(source)]
    assert str(source) in manifest["command"]
    assert str(target) in manifest["command"]
