"""Settings found by trying: a bad one loses, trials are counted on, and what was found is a configuration to run."""

import json
import sys
from pathlib import Path

import pytest

from embedpipe.config import PipelineConfig, WordsConfig
from embedpipe.errors import ConfigError, InputError, MissingExtraError, OutputError
from embedpipe.pipeline.tune import tune
from embedpipe.pipeline.tune_result import Tuned, trials_file
from embedpipe.pipeline.tune_space import SPACE, own_value, search_space, step_lists
from embedpipe.runtime import StageFinished, StageSkipped
from embedpipe.settings import load_config

pytestmark = pytest.mark.extra
PLAIN = {"beside": "none", "steps": ["whiten:0.5"]}
FIXED = {"words": {"dim": 16, "epochs": 2, "window": 4, "negatives": 5, **PLAIN}}
SMALL = {"learning_rate": (1e-6, 0.05)}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    from embedpipe.text.toy import toy_corpus

    path = tmp_path_factory.mktemp("source") / "toy.txt"
    path.write_text("\n\n".join(document.text for document in toy_corpus("en", n_documents=100)))
    return str(path)


def search(source: str, output: Path, trials: int, **options) -> tuple[Tuned, list[str]]:
    heard: list[str] = []

    def listener(event) -> None:
        if isinstance(event, StageFinished | StageSkipped):
            heard.append(event.stage)

    arguments = {"preset": "tiny", "settings": FIXED, "tasks": ["analogies"], "space": SMALL, "budget": 60.0, **options}
    return tune([source], output, trials=trials, listener=listener, **arguments), heard


def test_a_bad_setting_loses_and_the_search_goes_on(source, tmp_path) -> None:
    output = tmp_path / "best.toml"
    first, heard = search(source, output, 4)
    assert heard == ["text", "trial 0", "trial 1", "trial 2", "trial 3"]
    by_rate = {rate: [t.score for t in first.trials if t.words["learning_rate"] == rate] for rate in (1e-6, 0.05)}
    assert by_rate[1e-6], "the seed tries the bad one too"
    assert max(by_rate[1e-6]) < min(by_rate[0.05])
    assert first.config.words.learning_rate == 0.05
    assert first.best.score >= first.preset.score
    assert first.preset.steps == ("whiten:0.5",)

    again, heard = search(source, output, 5)
    assert heard == ["text", "trial 4"]
    assert sorted(trial.number for trial in again.trials) == list(range(5))
    assert {t.number: t.score for t in first.trials}.items() <= {t.number: t.score for t in again.trials}.items()
    done, heard = search(source, output, 5)
    assert (len(done.trials), heard) == (5, ["text"])

    assert done.config.probes.chosen_on == ("analogies",)
    settings = load_config(output)
    assert PipelineConfig.of(settings.pop("preset"), settings) == done.config
    table = json.loads(trials_file(output).read_text(encoding="utf-8"))
    assert [row["number"] for row in table["trials"]] == [trial.number for trial in done.trials]
    assert table["trials"][0]["lists"][0]["score"] == done.best.score

    with pytest.raises(OutputError, match="was found on other text, tasks or settings"):
        search(source, output, 1, seed=5)


def test_an_interrupt_keeps_what_is_finished(source, tmp_path, monkeypatch) -> None:
    import embedpipe.pipeline.tune as module

    trained, calls = module.train_words, []

    def stopped(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return trained(*args, **kwargs)

    monkeypatch.setattr(module, "train_words", stopped)
    first, _ = search(source, tmp_path / "best.toml", 2)
    assert first.interrupted
    assert [trial.number for trial in first.trials] == [0]
    with open(tmp_path / "best.toml.work" / "trials.journal", "ab") as journal:
        journal.write(b'{"op_code":4,"torn')
    again, heard = search(source, tmp_path / "best.toml", 2)
    assert heard == ["text", "trial 1"]
    assert not again.interrupted


def test_one_trial_is_made_whatever_the_budget(source, tmp_path) -> None:
    found, _ = search(source, tmp_path / "best.toml", 5, budget=0.0)
    assert len(found.trials) == 1
    assert found.best.words == {"learning_rate": 0.05}, "the preset's own"


def test_files_of_others_are_kept(source, tmp_path) -> None:
    (tmp_path / "mine.toml").write_text("[words]\n")
    with pytest.raises(OutputError, match="was not written by a search"):
        search(source, tmp_path / "mine.toml", 1)
    with pytest.raises(OutputError, match=r"a file that ends in \.toml"):
        search(source, tmp_path / "best", 1)
    assert (tmp_path / "mine.toml").read_text() == "[words]\n"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"settings": {"words": {"vectors": "x.vec"}}}, ConfigError, r"leave words\.vectors out"),
        ({"settings": {"words": {"epochs": 0}}}, ConfigError, r"words\.epochs=0 trains nothing"),
        ({"tasks": ["lee"]}, ConfigError, "'lee' is neither word pairs nor analogies"),
        ({"tasks": ["simlex99"]}, InputError, "did you mean 'simlex999'"),
    ],
)
def test_what_cannot_be_searched_is_refused_first(source, tmp_path, options, error, message) -> None:
    with pytest.raises(error, match=message):
        search(source, tmp_path / "best.toml", 1, **options)
    assert list(tmp_path.iterdir()) == []


def test_without_optuna_the_extra_is_named(source, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r'pip install "embedpipe\[tune\]"'):
        search(source, tmp_path / "best.toml", 1)


def test_every_value_of_the_space_is_a_setting_and_holds_the_preset() -> None:
    for preset in ("tiny", "small", "base"):
        base = PipelineConfig.of(preset, {}).words
        space = search_space(base, {}, subwords=True)
        assert space.keys() == {*SPACE, "subwords"}
        for name, values in space.items():
            assert own_value(base, name) in values
            assert list(values) == list(dict.fromkeys(values))
            for value in values:
                settings = {"words": {name: value}}
                words = PipelineConfig.of(preset, settings).words
                for steps in step_lists(words, {}):
                    WordsConfig.model_validate({**words.model_dump(), "steps": steps})


def test_the_step_of_ngrams_is_tried_after_the_steps_of_the_settings_and_left_out() -> None:
    own = ("centre", "ngrams:0.6")
    tried = step_lists(WordsConfig(steps=own), {})
    assert tried[:4] == [own, ("centre",), ("centre", "ngrams:0.3"), ("centre", "ngrams:1")]
    assert step_lists(WordsConfig(steps=("centre",)), {})[:3] == [("centre",), ("centre", "ngrams:0.3"), own]
    assert not any("ngrams" in " ".join(steps) for steps in step_lists(WordsConfig(subwords=True), {}))


def test_what_is_given_is_not_searched() -> None:
    assert "dim" not in search_space(WordsConfig(), {"dim": 200}, subwords=False)
    assert "negatives" not in search_space(WordsConfig(objective="hierarchical"), {}, subwords=False)
    alone, two = (search_space(WordsConfig(beside=beside), {}, subwords=False) for beside in ("none", "cbow"))
    assert two.keys() - alone.keys() == {"beside_window", "beside_epochs", "beside_subsample"}
    own = search_space(WordsConfig(beside="cbow", subsample=2e-4), {}, subwords=False)["beside_subsample"]
    assert own == (1e-5, 3e-5, 1e-4, 2e-4, 3e-4, 1e-3)
    with pytest.raises(ConfigError, match="every setting to search is given"):
        search_space(WordsConfig(), {"dim": 200}, subwords=False, space={"dim": (100,)})
