"""Facts on the shape of a space against closed forms, definitions gone through step by step, and planted structure."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from embedpipe.probes.spaces.geometry import (
    MEANING,
    hubness_facts,
    iso_score,
    mean_cosine,
    nearest,
    participation_ratio,
    partition_ratio,
    same_band,
    shape_facts,
)
from embedpipe.words.postprocess import unit_rows


def normal(n, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


def test_an_isotropic_gaussian():
    n, dim = 4_000, 50
    facts = shape_facts(normal(n, dim), np.arange(1_000), np.arange(n)[::-1] + 1)
    # Sampling makes the variances uneven: d / (1 + d / n) of d directions are left (Marchenko and Pastur, 1967).
    assert facts["dimensions used"] == pytest.approx(dim / (1 + dim / n), rel=0.01)
    assert facts["IsoScore"] == pytest.approx(1, abs=0.03)
    assert facts["mean cosine"] == pytest.approx(0, abs=5e-4)
    assert facts["mean cosine, low"] < 0 < facts["mean cosine, high"]
    assert facts["partition ratio"] > 0.96
    assert facts["variance in the first direction"] == pytest.approx(1 / dim, rel=0.3)
    assert facts["variance in the first ten"] == pytest.approx(10 / dim, rel=0.2)
    assert facts["frequency and length"] == pytest.approx(0, abs=0.06)
    assert facts["frequency and mean cosine"] == pytest.approx(0, abs=0.06)
    assert facts["neighbours of like frequency"] == pytest.approx(0.1, abs=0.015)
    assert (facts["vectors"], facts["dimensions"], facts["vectors of the neighbour search"]) == (n, dim, 1_000)
    assert set(facts) <= set(MEANING)


def test_a_single_direction():
    line = np.zeros((60, 8), dtype=np.float32)
    line[:, 3] = np.arange(1, 61)
    facts = shape_facts(line, np.arange(60), np.arange(60)[::-1] + 1)
    assert facts["mean cosine"] == facts["mean cosine, low"] == facts["mean cosine, high"] == 1
    assert facts["dimensions used"] == pytest.approx(1)
    assert facts["IsoScore"] == pytest.approx(0)
    assert facts["variance in the first direction"] == pytest.approx(1)
    assert facts["partition ratio"] == pytest.approx(math.exp(-2), rel=1e-5)
    assert facts["frequency and length"] == pytest.approx(-1)


def test_a_one_hot_basis():
    dim = 12
    facts = shape_facts(np.eye(dim, dtype=np.float32), np.arange(dim))
    assert facts["mean cosine"] == pytest.approx(0, abs=1e-7)
    # Their mean takes one of the d directions of variance away.
    assert facts["dimensions used"] == pytest.approx(dim - 1)
    expected = (dim - 1 + 1 / math.e) / (dim - 1 + math.e)
    assert partition_ratio(np.eye(dim, dtype=np.float32)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shift", [0, 0.7])
def test_the_mean_cosine_is_that_of_all_pairs(shift):
    vectors = normal(300, 9) + np.float32(shift)
    cosines = 1 - pdist(vectors.astype(np.float64), "cosine")
    found = mean_cosine(unit_rows(vectors))
    assert found.mean == pytest.approx(cosines.mean(), abs=1e-6)
    assert found.of_each.mean() == pytest.approx(found.mean)
    others = 1 - np.array([pdist(vectors[[7, i]].astype(np.float64), "cosine")[0] for i in range(300) if i != 7])
    assert found.of_each[7] == pytest.approx(others.mean(), abs=1e-6)


def test_the_interval_of_the_mean_cosine_holds_that_of_the_population():
    population = unit_rows(normal(20_000, 10) + np.float32(0.4))
    truth = mean_cosine(population).mean
    rng = np.random.default_rng(1)
    samples = [mean_cosine(population[rng.choice(20_000, 100, replace=False)]) for _ in range(200)]
    held = np.mean([one.low <= truth <= one.high for one in samples])
    assert 0.90 <= held <= 0.99


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=12))
def test_iso_score_is_what_its_steps_give(variances):
    values = np.array(variances)
    d = len(values)
    normalised = math.sqrt(d) * values / np.linalg.norm(values)
    defect = np.linalg.norm(normalised - 1) / math.sqrt(2 * (d - math.sqrt(d)))
    share = (d - defect**2 * (d - math.sqrt(d))) ** 2 / d**2
    assert iso_score(values) == pytest.approx((d * share - 1) / (d - 1), abs=1e-9)
    assert 0 <= iso_score(values) <= 1 + 1e-12
    assert participation_ratio(7 * values) == pytest.approx(participation_ratio(values))


def test_neighbours_are_those_that_scikit_learn_finds():
    from sklearn.neighbors import NearestNeighbors

    units = unit_rows(normal(1_300, 6))
    theirs = NearestNeighbors(n_neighbors=4, metric="cosine", algorithm="brute").fit(units).kneighbors()[1]
    assert (nearest(units, 4) == theirs).mean() > 0.999
    assert nearest(units[:3], 10).shape == (3, 2)
    assert nearest(units[:1], 10).shape == (1, 0)


def test_a_planted_hub():
    rng = np.random.default_rng(0)
    around = unit_rows(normal(201, 40))
    # Cosines among the others are about 0.25; each has 0.5 with the hub.
    hub = np.zeros((201, 41), dtype=np.float32)
    hub[:, :40], hub[:, 40] = around * np.float32(math.sqrt(0.75)), 0.5
    hub[200] = 0
    hub[200, 40] = 1
    order = rng.permutation(201)
    plain, planted = hubness_facts(nearest(around, 10)), hubness_facts(nearest(hub[order], 10))
    assert planted["largest hub"] > 0.9
    assert planted["hubness"] > 4 > plain["hubness"]


def test_hubness_of_known_lists():
    from scipy.stats import skew

    lists = np.array([[3, 1], [3, 0], [3, 0], [0, 1], [3, 0]])
    facts = hubness_facts(lists)  # N2 is 4, 2, 0, 4, 0
    assert facts["hubness"] == pytest.approx(float(skew([4, 2, 0, 4, 0])))
    assert (facts["orphans"], facts["largest hub"]) == (0.4, 1.0)
    even = hubness_facts(np.array([[1], [2], [0]]))
    assert (even["hubness"], even["orphans"]) == (0.0, 0.0)


def test_planted_frequency():
    n = 400
    rng = np.random.default_rng(0)
    counts = np.sort(rng.integers(1, 10_000, n))[::-1]
    angle = np.linspace(0, np.pi / 2, n)  # a word lies beside those of its own frequency
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32) * counts[:, None].astype(np.float32)
    facts = shape_facts(vectors, np.arange(n), counts)
    assert facts["frequency and length"] == pytest.approx(1)
    assert facts["neighbours of like frequency"] > 0.85
    unit = shape_facts(unit_rows(vectors), np.arange(n), counts)
    assert math.isnan(unit["frequency and length"])
    shared = unit_rows(normal(n, 30) + np.linspace(3, 0, n, dtype=np.float32)[:, None])
    assert shape_facts(shared, np.arange(n), counts)["frequency and mean cosine"] > 0.9
    assert math.isnan(same_band(np.zeros((0, 0), dtype=np.int64)))


def test_hardly_any_vectors():
    one = shape_facts(np.ones((1, 3), dtype=np.float32), np.arange(1))
    assert (one["vectors"], math.isnan(one["mean cosine"])) == (1, True)
    two = shape_facts(np.eye(2, dtype=np.float32), np.arange(2), np.array([2, 1]))
    assert two["mean cosine"] == pytest.approx(0, abs=1e-7)
    assert two["IsoScore"] == pytest.approx(0)
    same = shape_facts(np.ones((5, 3), dtype=np.float32), np.arange(5), np.arange(5)[::-1] + 1)
    assert same["mean cosine"] == pytest.approx(1)
    assert math.isnan(same["IsoScore"])
    assert shape_facts(np.zeros((0, 3), dtype=np.float32), np.arange(0), np.arange(0))["vectors"] == 0
