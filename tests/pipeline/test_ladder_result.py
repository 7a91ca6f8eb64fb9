"""What a ladder says: changes by hand, two kinds of chance, and nothing found where nothing is."""

import json
import math

import numpy as np
import pytest

from embedpipe.generation.paired import compare_losses
from embedpipe.generation.units import perplexity_of
from embedpipe.pipeline.ladder_result import ladder_result
from embedpipe.pipeline.ladder_rungs import Rung
from embedpipe.pipeline.ladder_trial import Trial
from embedpipe.pipeline.ladder_write import known_lines, ladder_rows, write_ladder

ROWS = 32
CONDITIONS = {
    "sources": ["news.txt"],
    "seconds": 60.0,
    "seeds": 2,
    "preset": "tiny",
    "vocabulary": 100,
    "training_tokens": 1_000,
    "test_tokens": 320,
    "test_rows": ROWS,
    "unknown_share": 0.02,
    "word_vector_seconds": 12.0,
    "device": "cpu",
    "threads": 2,
    "versions": {"numpy": "2"},
}


def rung(name: str, against: str = "", kind: str = "network", group: str = "ladder") -> Rung:
    return Rung(name, group, against, f"What {name} is.", "Somebody, 2001", kind)


def trial(losses, seconds: float = 60.0, **known) -> Trial:
    losses = np.asarray(losses, dtype=np.float64)
    timeline = ((0.0, 100.0), (seconds, perplexity_of(float(losses.mean()))))
    return Trial(losses.reshape(ROWS, -1), seconds, 6_000, 123, timeline, **known)


def text(seed: int = 0):
    """Hard and easy rows, the same for all rungs."""
    return np.random.default_rng(seed).normal(5.0, 0.15, size=(ROWS, 1)).repeat(10, axis=1)


def steps_of(trials, rungs, **settings):
    found = ladder_result(trials, rungs, CONDITIONS, **{"repeats": 2_000, **settings})
    return {step.rung.name: step for step in found.steps}


PAIR = [rung("low"), rung("high", "low")]


def test_figures_by_hand() -> None:
    low = [trial(np.full(ROWS, math.log(200.0))), trial(np.full(ROWS, math.log(50.0)))]
    high = [trial(np.full(ROWS, math.log(40.0)), seconds=50.0), trial(np.full(ROWS, math.log(90.0)))]
    steps = steps_of({"low": low, "high": high}, PAIR)
    assert steps["low"].perplexities == pytest.approx((200.0, 50.0))
    assert steps["low"].perplexity == pytest.approx(100.0)
    assert steps["high"].perplexity == pytest.approx(60.0)
    assert steps["high"].seconds == 55.0
    assert steps["high"].tokens_per_second == pytest.approx((6_000 / 50 + 6_000 / 60) / 2)
    # Geometric means: 100 below, 60 above it.
    assert steps["high"].change == pytest.approx(-0.4)
    assert all(step.low < step.perplexity < step.high for step in steps.values())
    assert (steps["low"].against, steps["high"].against) == ("", "low")
    assert math.isnan(steps["low"].p_value)


def test_one_bad_seed_does_not_put_the_perplexity_outside_its_interval() -> None:
    rows = text()
    trials = {name: [trial(rows), trial(rows + 0.001), trial(rows + away)] for name, away in (("low", 0), ("high", 3))}
    step = steps_of(trials, [*PAIR])["high"]
    assert step.perplexity == pytest.approx(math.exp(rows.mean() + 3.001 / 3))
    assert step.low < step.perplexity < step.high


def test_a_network_that_was_lost_is_still_reported(tmp_path) -> None:
    found = ladder_result({"low": [trial(text())], "high": [trial(text() + 800)]}, PAIR, CONDITIONS, repeats=100)
    assert found.steps[1].perplexity == math.exp(700)
    assert found.steps[1].change > 1e300
    write_ladder(tmp_path, found)


def test_a_planted_difference_is_found_and_paired() -> None:
    """The rows differ by ten times what the rungs do, but they are the same rows."""
    rows = text()
    noise = np.random.default_rng(1)
    trials = {
        "low": [trial(rows + noise.normal(0, 0.002)) for _ in range(3)],
        "high": [trial(rows - 0.02 + noise.normal(0, 0.002)) for _ in range(3)],
    }
    step = steps_of(trials, PAIR)["high"]
    assert step.p_value < 0.01
    assert step.change_low < math.expm1(-0.02) < step.change_high < 0
    assert step.high / step.low > 1.05, "the perplexity itself is far less sure than the difference"
    assert "perplexity 2." in step.says
    assert "below low" in step.says


def test_equal_rungs_are_equal() -> None:
    steps = steps_of({"low": [trial(text())], "high": [trial(text())]}, PAIR)
    assert steps["high"].p_value == steps["high"].p_corrected == 1.0
    assert steps["high"].change == steps["high"].change_low == steps["high"].change_high == 0.0
    assert steps["high"].says.startswith("high: no difference to low can be measured")


def test_the_chance_of_the_training_is_in_the_interval() -> None:
    rows = text()
    apart = {"low": [trial(rows), trial(rows + 0.2)], "high": [trial(rows - 0.1), trial(rows + 0.1)]}
    assert steps_of(apart, PAIR)["high"].p_value > 0.2
    near = {"low": [trial(rows + 0.1), trial(rows + 0.101)], "high": [trial(rows), trial(rows + 0.001)]}
    assert steps_of(near, PAIR)["high"].p_value < 0.05
    assert steps_of(near, PAIR)["high"].change == pytest.approx(steps_of(apart, PAIR)["high"].change)


def test_a_rung_that_diverges_does_not_blur_the_others() -> None:
    rows, noise = text(), np.random.default_rng(2)
    rungs = [*PAIR, *(rung(f"other{i}", "low") for i in range(4)), rung("wild", "low")]
    trials = {
        one.name: [trial(rows - 0.05 * (one.name == "high") + noise.normal(0, 0.003)) for _ in range(3)]
        for one in rungs
    }
    trials["wild"] = [trial(rows + away) for away in (0.1, 3.0, 9.0)]
    steps = steps_of(trials, rungs)
    assert steps["high"].p_corrected < 0.05
    assert steps["wild"].p_corrected > 0.05


def test_a_cache_shares_the_chance_of_its_networks() -> None:
    rows = text()
    seeds = [rows, rows + 0.3]
    trials = {"low": [trial(one) for one in seeds], "high": [trial(one - 0.05) for one in seeds]}
    assert steps_of(trials, PAIR)["high"].p_value > 0.3
    cached = [rung("low"), rung("high", "low", "cache")]
    step = steps_of(trials, cached)["high"]
    assert step.p_value < 0.002
    assert step.change_low == pytest.approx(step.change_high) == pytest.approx(math.expm1(-0.05))


def test_p_values_are_corrected_for_their_number() -> None:
    rows, noise = text(), np.random.default_rng(3)
    rungs = [rung("low"), *(rung(f"r{i}", "low") for i in range(6))]
    trials = {one.name: [trial(rows + noise.normal(0, 0.05, rows.shape))] for one in rungs}
    steps = steps_of(trials, rungs)
    own = sorted(step.p_value for step in steps.values() if step.against)
    corrected = sorted(step.p_corrected for step in steps.values() if step.against)
    assert corrected[0] == pytest.approx(min(1.0, 6 * own[0]))
    assert all(b >= a for a, b in zip(own, corrected, strict=True))


def test_uneven_speeds_are_said() -> None:
    trials = {"low": [trial(text()), trial(text(), seconds=70.0)], "high": [trial(text()), trial(text(), seconds=90.0)]}
    steps = steps_of(trials, PAIR)
    assert steps["low"].warnings == ()
    assert steps["high"].warnings[0].startswith("trained at speeds that differ by more than a quarter")


def test_one_seed_agrees_with_the_paired_bootstrap_of_two_models() -> None:
    rows, noise = text(), np.random.default_rng(4)
    other = rows + noise.normal(0.03, 0.08, rows.shape[0])[:, None]
    found, asked = steps_of({"low": [trial(rows)], "high": [trial(other)]}, PAIR)["high"], compare_losses(other, rows)
    assert found.change == pytest.approx(asked.ratio - 1)
    assert found.p_value == pytest.approx(asked.p_value, abs=0.04)
    assert 0.1 < found.p_value < 0.3
    assert math.log1p(found.change_low) == pytest.approx(asked.low, abs=0.004)
    assert math.log1p(found.change_high) == pytest.approx(asked.high, abs=0.004)


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_rung_whose_seeds_differ_most_is_not_taken_for_another(seeds) -> None:
    """Nine equal rungs, one with five times the spread between seeds, which a few seeds cannot tell for sure."""
    rungs = [rung("low"), *(rung(f"r{i}", "low") for i in range(8))]
    found = []
    for seed in range(100):
        draws = np.random.default_rng(seed)
        spreads = {one.name: 0.05 if one.name == "r3" else 0.01 for one in rungs}
        rows = np.full(ROWS, 5.0)
        trials = {
            name: [trial(rows + draws.normal(0, spread)) for _ in range(seeds)] for name, spread in spreads.items()
        }
        found.append(steps_of(trials, rungs, repeats=200, seed=seed)["r3"].p_value < 0.05)
    assert np.mean(found) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("spread", [0.01, 0.05])
def test_where_nothing_is_little_is_found(seeds, spread) -> None:
    """Equal rungs whose seeds differ: of their p-values about one in twenty may lie below 0.05."""
    found, held = [], []
    rungs = [rung("low"), *(rung(f"r{i}", "low") for i in range(6))]
    for seed in range(80):
        draws = np.random.default_rng(seed)
        rows = draws.normal(5.0, 0.15, ROWS)
        trials = {
            one.name: [trial(rows + draws.normal(0, 0.02, ROWS) + draws.normal(0, spread)) for _ in range(seeds)]
            for one in rungs
        }
        steps = steps_of(trials, rungs, repeats=500)
        found += [step.p_value < 0.05 for step in steps.values() if step.against]
        held += [step.change_low <= 0 <= step.change_high for step in steps.values() if step.against]
    assert 0.005 < np.mean(found) < 0.07
    assert np.mean(held) > 0.93


def test_what_is_known_is_said_once_and_of_whom() -> None:
    few = ("fewer than 50 steps",)
    trials = {
        "low": [trial(text(), warnings=few, notes=("theta 1",)), trial(text(), warnings=few, notes=("theta 2",))],
        "high": [trial(text(), warnings=few, notes=("tuned",)), trial(text(), warnings=few, notes=("tuned",))],
    }
    assert known_lines(ladder_result(trials, PAIR, CONDITIONS, repeats=100)) == [
        "low, high: fewer than 50 steps",
        "low: theta 1 (training 1 of 2)",
        "low: theta 2 (training 2 of 2)",
        "high: tuned",
    ]


def test_intervals_sort_by_their_lower_ends(tmp_path) -> None:
    trials = {"low": [trial(text())], "high": [trial(text() - 0.1)]}
    found = ladder_result(trials, PAIR, CONDITIONS, repeats=100)
    write_ladder(tmp_path, found)
    page = (tmp_path / "ladder.html").read_text(encoding="utf-8")
    for step, row in zip(found.steps, ladder_rows(found), strict=True):
        assert f'data-value="{step.low:.8g}">{row["[95 %]"]}</td>' in page
    assert f'data-value="{found.steps[1].change_low:.8g}">' in page
    assert '<th scope="col" class=n><button type="button">change [95 %]</button>' in page


def test_a_training_that_kept_the_untrained_network_is_marked(tmp_path) -> None:
    worse = trial(np.full(ROWS, math.log(200.0)))
    better = trial(np.full(ROWS, math.log(90.0)))
    found = ladder_result({"low": [better, better], "high": [worse, better]}, PAIR, CONDITIONS, repeats=100)
    assert [row["untrained kept"] for row in ladder_rows(found)] == [0, 1]
    write_ladder(tmp_path, found)
    assert "untrained kept" in (tmp_path / "ladder.md").read_text(encoding="utf-8")
    fine = ladder_result({"low": [better], "high": [better]}, PAIR, CONDITIONS, repeats=100)
    assert "untrained kept" not in ladder_rows(fine)[0]


def test_a_much_longer_training_does_not_squeeze_the_others(tmp_path) -> None:
    losses = text()
    points = [(0.0, 400.0), (0.1, 300.0), (0.3, 200.0), (1.0, 150.0)]
    longer = [*points, (10.0, 140.0), (54.0, 130.0)]
    short = Trial(losses, 1.0, 10, 1, tuple(points))
    trials = {"low": [short], "high": [Trial(losses, 54.0, 10, 1, tuple(longer))]}
    write_ladder(tmp_path, ladder_result(trials, PAIR, CONDITIONS, repeats=100))
    page = (tmp_path / "ladder.html").read_text(encoding="utf-8")
    assert "seconds of training (logarithmic)" in page
    low, high = (one.split('"')[0] for one in page.split('<path class="line" d="M58')[1:3])
    assert low.count("L") == 1, "after a fifth of a second two points are left"
    assert high.count("L") == 3
    at = 58 + 370 * math.log(1 / 0.3) / math.log(54 / 0.3)
    assert float(low.split("L")[1].split()[0]) == pytest.approx(at, abs=0.1)
    trials["high"] = [short]
    write_ladder(tmp_path, ladder_result(trials, PAIR, CONDITIONS, repeats=100))
    assert "logarithmic" not in (tmp_path / "ladder.html").read_text(encoding="utf-8")


def test_json_markdown_and_page(tmp_path) -> None:
    rows = text()
    rungs = [*PAIR, rung("advice", "high", group="rate and batch")]
    trials = {
        "low": [trial(rows), trial(rows + 0.001)],
        "high": [trial(rows - 0.1), trial(rows - 0.101)],
        "advice": [trial(rows - 0.1, warnings=("too <few> steps",)), trial(rows - 0.1, warnings=("too <few> steps",))],
    }
    found = ladder_result(trials, rungs, CONDITIONS, repeats=500)
    write_ladder(tmp_path, found)
    content = json.loads((tmp_path / "ladder.json").read_text(encoding="utf-8"))
    assert content["steps"][0]["p_value"] is None
    assert content["steps"][1]["change"] == pytest.approx(math.expm1(-0.101))
    assert content["steps"][1]["timelines"][0][0] == [0.0, 100.0]
    assert content["conditions"]["threads"] == 2
    markdown = (tmp_path / "ladder.md").read_text(encoding="utf-8")
    low, high, advice = (row["perplexity"] for row in ladder_rows(found))
    assert f"| high | {high:,.1f} |" in markdown
    assert "| -9.6 |" in markdown
    assert markdown.count("too <few> steps") == 1
    page = (tmp_path / "ladder.html").read_text(encoding="utf-8")
    assert "too &lt;few&gt; steps" in page
    assert "too <few> steps" not in page
    assert page.count("<figure>") == 2
    assert "lowest and highest seed" in page
    assert f"{low:,.1f}" in page
    assert f"{advice:,.1f}" in page
    assert "http" not in page.replace("http-equiv", "")
