"""Rows, their summary and their layout."""

import json
import math

from embedpipe.probes.rows import Row, corrected, headline, pivot, skipped, summary


def row(task="t", metric="accuracy", value=0.5, baseline="majority", baseline_value=0.25, p_value=0.01, note="", n=100):
    return Row(task, metric, value, 0.4, 0.6, n, 1.0, baseline, baseline_value, p_value, "encoder", note)


def test_json_has_the_promised_keys_and_null_for_what_is_not_defined():
    content = skipped("t", "spearman", "no words").as_dict()
    promised = {"task", "metric", "value", "low", "high", "n", "coverage", "baseline", "baseline_value"}
    assert promised <= content.keys()
    assert content["value"] is None
    assert content["n"] == 0
    json.dumps(content, allow_nan=False)


def test_rows_come_back_from_json():
    assert Row.from_dict(json.loads(json.dumps(row().as_dict()))) == row()
    back = Row.from_dict({**skipped("t", "spearman", "x").as_dict(), "from_a_newer_version": 1})
    assert math.isnan(back.value)
    assert (back.baseline, back.note) == (None, "skipped: x")


def test_headline_leaves_out_parts_skipped_tasks_and_what_rests_on_little():
    rows = [row(), row(baseline="tf-idf"), row(metric="accuracy (semantic)"), skipped("u", "spearman", "x")]
    rows.append(row(task="few", value=1.0, n=29))
    assert headline(rows) == {"t accuracy": 0.5}


def test_the_summary_names_tasks_without_a_figure():
    assert summary([row(), row(baseline="tf-idf")]) == "t accuracy 0.500"
    rows = [row(), skipped("lee", "pearson", "x"), skipped("u", "spearman", "y")]
    assert summary(rows) == "t accuracy 0.500; not measured: lee, u"
    few = [row(n=29), skipped("lee", "pearson", "x")]
    assert summary(few) == "no figure rests on 30 questions or more; not measured: lee"


def test_pivot_sets_baselines_in_one_cell_best_first():
    rows = [row(), row(baseline="tf-idf", baseline_value=0.45, p_value=0.3), row(baseline="x", baseline_value=math.nan)]
    (line, other) = pivot([*rows, skipped("u", "spearman", "why")])
    assert line["baselines"] == "tf-idf ~0.450, majority 0.250, x -"
    assert pivot([row(p_value=math.nan)])[0]["baselines"] == "majority ?0.250"
    assert line["interval"] == "[0.400, 0.600]"
    assert (other["interval"], other["baselines"], other["note"]) == ("", "", "skipped: why")


def test_one_figure_of_each_task_is_corrected_for_their_number_and_marked_by_that():
    """Of two tasks, .03 becomes .06; what stands beside the first figure is of no family."""
    rows = [row(p_value=0.03), row(task="u", metric="spearman", p_value=0.9), row(metric="macro-F1", p_value=0.03)]
    rows += [row(task="u", metric="pearson", p_value=0.03), row(metric="accuracy (unleaked)", p_value=0.03)]
    found = corrected(rows)
    assert [one.p_holm for one in found[:2]] == [0.06, 0.9]
    assert all(math.isnan(one.p_holm) for one in found[2:])
    assert [line["baselines"] for line in pivot(found)] == ["majority ~0.250"] * 2 + ["majority 0.250"] * 3
