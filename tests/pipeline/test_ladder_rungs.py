"""The rungs as data: valid settings, one change each, and an order that comparisons follow."""

import pytest

from embedpipe.config import PipelineConfig
from embedpipe.errors import ConfigError
from embedpipe.pipeline.ladder_rungs import BASE, GROUPS, RUNGS, base_of, choose_rungs, compared_with, rung_config
from embedpipe.presets import PRESETS

ADVICE = [rung for rung in RUNGS.values() if rung.group != "ladder"]


def base(preset: str):
    return PipelineConfig.of(preset, base_of({})).generation


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_are_valid_on_every_preset(preset) -> None:
    for rung in RUNGS.values():
        config = rung_config(rung, base(preset))
        assert config.batch >= 1, rung.name
        assert config.hidden >= 1, rung.name


@pytest.mark.parametrize("rung", ADVICE, ids=lambda rung: rung.name)
def test_advice_changes_one_thing_about_the_advised_network(rung) -> None:
    before, after = base("small").model_dump(), rung_config(rung, base("small")).model_dump()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == set(rung.settings) | set(rung.scaled)
    assert rung.against == "awd-lstm"
    assert changed, "nothing to learn from"


def test_the_advised_network_is_the_base_itself() -> None:
    config = rung_config(RUNGS["awd-lstm"], base("small"))
    assert config == base("small")
    assert config.weight_p == BASE["generation"]["weight_p"] > 0


def test_settings_given_reach_every_rung_that_changes_one_thing() -> None:
    own = PipelineConfig.of("small", base_of({"generation": {"hidden": 100, "weight_p": 0.0}})).generation
    assert rung_config(RUNGS["wide"], own).hidden == 200
    assert rung_config(RUNGS["noise"], own).weight_p == 0.0
    assert rung_config(RUNGS["lstm"], own).hidden == 64


def test_a_batch_is_never_empty() -> None:
    own = PipelineConfig.of("small", base_of({"generation": {"batch": 1}})).generation
    assert rung_config(RUNGS["batch-down"], own).batch == 1


def test_names_and_groups_are_chosen_in_the_order_of_the_ladder() -> None:
    assert [rung.name for rung in choose_rungs(["all"])] == list(RUNGS)
    chosen = [rung.name for rung in choose_rungs(["rate and batch", "rnn"])]
    assert chosen == ["rnn", "rate-up", "rate-down", "batch-up", "batch-down"]
    assert {rung.group for rung in RUNGS.values()} == set(GROUPS)


def test_every_comparison_leads_down_to_one_lowest_rung() -> None:
    order = list(RUNGS)
    for name, rung in RUNGS.items():
        if rung.against:
            assert order.index(rung.against) < order.index(name)
    assert [name for name, rung in RUNGS.items() if not rung.against] == order[:1]


def test_the_nearest_chosen_rung_below_is_compared_with() -> None:
    assert compared_with(RUNGS["wide"], ["rnn", "wide"]) == "rnn"
    assert compared_with(RUNGS["wide"], ["wide"]) == ""
    assert compared_with(RUNGS["wide"], list(RUNGS)) == "awd-lstm"


def test_an_unknown_rung_is_named_with_a_near_one() -> None:
    with pytest.raises(ConfigError, match=r"unknown rung 'lsmt'; did you mean 'lstm'\?"):
        choose_rungs(["lsmt"])
    with pytest.raises(ConfigError, match="no rung is named"):
        choose_rungs([])
    with pytest.raises(TypeError, match="wrap the string"):
        choose_rungs("lstm")


def test_every_rung_is_explained_with_its_source() -> None:
    for rung in RUNGS.values():
        assert rung.explains.endswith("."), rung.name
        assert any(character.isdigit() for character in rung.source), f"{rung.name} has no year"
