"""Settings: strict keys, presets, overrides, and the TOML that is saved and read back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedpipe.config import PipelineConfig
from embedpipe.errors import ConfigError
from embedpipe.presets import PRESETS, SIZES, preset_for, preset_reason
from embedpipe.settings import load_config, to_toml


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_survives_toml(preset: str, tmp_path: Path) -> None:
    config = PipelineConfig.of(preset, {"seed": 9})
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert PipelineConfig.of("base", load_config(path)) == config


@given(st.text(max_size=30).filter(lambda s: "\n" not in s and "\r" not in s and s.isprintable()))
def test_any_printable_text_survives_toml(encoding: str) -> None:
    config = PipelineConfig.of("tiny", {"text": {"encoding": encoding}})
    import tomllib

    assert tomllib.loads(to_toml(config))["text"]["encoding"] == encoding


def test_assignments_lie_over_the_file_which_lies_over_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.toml"
    path.write_text("[words]\ndim = 64\nepochs = 3\n", encoding="utf-8")
    config = PipelineConfig.of("small", load_config(path, ["words.epochs=4", "text.case=keep"]))
    assert (config.words.dim, config.words.epochs, config.text.case) == (64, 4, "keep")
    assert config.words.window == PipelineConfig.of("small", {}).words.window


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("words.epoch=3", "unknown setting 'words.epoch'; did you mean 'words.epochs'?"),
        ("wrods.dim=3", "unknown setting 'wrods'"),
        ("words.dim=many", "setting 'words.dim': should be a whole number, not 'many'"),
        ("words.dim=1", "setting 'words.dim': should be greater than or equal to 2, not 1"),
        ("words.window=1000000000000", "setting 'words.window': should be less than or equal to 1000, not 10000"),
        ("words=3", "'words' is a section of settings; set one with words.KEY=VALUE, not 3"),
        ("text.min_count=0", "setting 'text.min_count': should be greater than or equal to 1 or 'auto', not 0"),
        ("text.min_count=-3", "setting 'text.min_count': should be greater than or equal to 1 or 'auto', not -3"),
        ("text.test_share=0.46", "section 'text': validation_share 0.05 and test_share 0.46 leave less than half"),
        ("probes.tasks=lee", "setting 'probes.tasks': should be a list, not 'lee'"),
        ('words.steps=["all-but-the-top:100"]', "the step 'all-but-the-top:100' leaves nothing of 100 dimensions"),
        ('words.steps=["centre", "add-contexts"]', "'add-contexts' is the first one in steps"),
        ('words.steps=["center"]', "unknown step 'center' in steps"),
        ('words.steps=["unit", "ngrams:-1"]', "unknown step 'ngrams:-1' in steps"),
        ("words.dim", "--set takes section.key=value"),
        ("sentences.moments=0.95", "beside 0.1 and moments 0.95 are to leave something to the average"),
        ("sentences.dropout=1.5", "setting 'sentences.dropout'"),
        ("generation.cutoffs=[9, 5]", "section 'generation': cutoffs (9, 5) are ids above 3 that rise"),
        ("generation.cutoffs=[9]", "cutoffs (9,) are of the adaptive softmax; set softmax='adaptive'"),
        ("generation.learning_rate=nan", "setting 'generation.learning_rate': should be"),
        ("generation.clip=inf", "setting 'generation.clip': should be a finite number, not inf"),
    ],
)
def test_a_wrong_setting_is_named(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PipelineConfig.of("tiny", load_config(None, [assignment]))
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[words\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.toml: is not TOML: "):
        load_config(path)
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file or directory; name a file"):
        load_config(tmp_path / "none.toml")


def test_a_dotted_key_in_python_is_told_to_nest() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'words.epochs'; .*: \{'words': \{'epochs': \.\.\.\}\}$"):
        PipelineConfig.of("tiny", {"words.epochs": 1})


def test_auto_grows_with_the_corpus() -> None:
    assert [preset_for(n) for n in (400_000, 5_000_000, 20_000_000, 200_000_000)] == ["tiny", "small", "medium", "base"]


def test_auto_says_which_row_of_the_table_it_took() -> None:
    sizes = (1_499_999, 1_500_000, 12_000_000, 50_000_000)
    assert [preset_reason(n) for n in sizes] == [
        "preset tiny for 1,499,999 training tokens (under 1.5 million)",
        "preset small for 1,500,000 training tokens (1.5 to 12 million)",
        "preset medium for 12,000,000 training tokens (12 to 50 million)",
        "preset base for 50,000,000 training tokens (50 million and more)",
    ]


def test_presets_leave_the_text_stage_alone() -> None:
    """`auto` is resolved after the text is prepared, so no preset may change how."""
    assert all("text" not in PRESETS[size] for size in SIZES)


def test_the_article_is_its_network_and_takes_its_words() -> None:
    config = PipelineConfig.of("article", {})
    assert (config.text.max_size, config.words.dim, config.words.steps[-1]) == (10_000, 128, "reduce:128")
    made = config.generation
    assert (made.architecture, made.layers, made.hidden, made.tied) == ("lstm", 1, 64, False)
    assert (made.softmax, made.batch, made.epochs, made.steps) == ("full", 32, 10, 0)
    assert (made.learning_rate, made.schedule, made.weight_decay) == (1e-3, "constant", 0)
    assert {made.input_p, made.hidden_p, made.output_p, made.embed_p, made.weight_p} == {0}
    assert "article" not in {preset_for(n) for n in (0, 10**6, 10**7, 10**8, 10**9)}


@pytest.mark.parametrize(
    ("preset", "settings", "epochs", "steps"),
    [
        ("small", {}, 0, 4_000),
        ("small", {"epochs": 2}, 2, 0),
        ("article", {"steps": 7}, 0, 7),
        ("article", {"epochs": 0}, 0, 1_000),
    ],
)
def test_epochs_stand_in_place_of_the_steps_of_a_preset(preset, settings, epochs, steps) -> None:
    config = PipelineConfig.of(preset, {"generation": settings}).generation
    assert (config.epochs, config.steps) == (epochs, steps)


def test_steps_and_epochs_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="steps and epochs are two ways to say how long; set one of them"):
        PipelineConfig.of("small", {"generation": {"steps": 5, "epochs": 2}})


def test_weight_drop_of_a_transformer_is_refused() -> None:
    with pytest.raises(ConfigError, match="weight_p drops weights of recurrent layers; a transformer has none"):
        PipelineConfig.of("small", {"generation": {"architecture": "transformer", "weight_p": 0.1}})


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ({}, (("join-contexts", "join"), "cbow")),
        ({"dim": 9}, (("join-contexts", "join"), "cbow")),
        ({"subwords": True}, (("whiten:0.5",), "none")),
        ({"objective": "hierarchical"}, (("whiten:0.5",), "none")),
        ({"epochs": 0, "vectors": "v"}, (("whiten:0.5",), "none")),
        ({"subwords": True, "steps": ["centre"]}, (("centre",), "none")),
    ],
)
def test_a_preset_gives_way_where_contexts_and_a_training_beside_are_ruled_out(monkeypatch, words, kept) -> None:
    preset = {**PRESETS["tiny"], "words": {"dim": 7, "steps": ["join-contexts", "join"], "beside": "cbow"}}
    monkeypatch.setitem(PRESETS, "tiny", preset)
    config = PipelineConfig.of("tiny", {"words": words}).words
    assert (config.steps, config.beside) == kept
    assert config.dim == words.get("dim", 7)


@pytest.mark.parametrize(
    ("sentences", "weight"),
    [
        ({}, 0.25),
        ({"hidden": 8}, 0.25),
        ({"architecture": "gru", "layers": 2}, 0.25),
        ({"architecture": "transformer"}, 0.0),
        ({"architecture": "bag"}, 0.0),
        ({"layers": 2}, 0.0),
    ],
)
def test_a_preset_gives_way_where_a_reader_knows_both_sides(sentences: dict[str, object], weight: float) -> None:
    assert PipelineConfig.of("medium", {"sentences": sentences}).sentences.language_model == weight


def test_a_language_model_of_a_reader_that_knows_both_sides_is_refused() -> None:
    with pytest.raises(ConfigError, match="no output of this encoder depends on the words of one side alone"):
        PipelineConfig.of("medium", {"sentences": {"architecture": "transformer", "language_model": 0.5}})


def test_what_is_asked_for_against_subwords_is_an_error_and_not_dropped() -> None:
    with pytest.raises(ConfigError, match="with subwords the steps are"):
        PipelineConfig.of("tiny", {"words": {"subwords": True, "beside": "cbow"}})
    with pytest.raises(ConfigError, match="n-grams are trained, not fitted"):
        PipelineConfig.of("tiny", {"words": {"subwords": True, "steps": ["ngrams:0.5"]}})
    for steps in (["centre", "add-contexts"], ["add-contexts", "join-contexts"]):
        with pytest.raises(ConfigError, match="is the first one in steps"):
            PipelineConfig.of("tiny", {"words": {"steps": steps}})


def test_the_one_step_of_format_1_is_read_as_the_step_it_was(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[words]\nwhitening = 0.25\ndim = 5\n", encoding="utf-8")
    assert load_config(path) == {"words": {"beside": "none", "dim": 5, "steps": ["whiten:0.25"]}}
    path.write_text("[words]\nwhitening = 0.25\nsteps = []\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"unknown setting 'words\.whitening'"):
        PipelineConfig.of("tiny", load_config(path))
