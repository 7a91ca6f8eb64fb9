"""Settings found for a model, kept and read again."""

import json

import pytest
import torch

from embedpipe.errors import BundleError
from embedpipe.generation.cache import ContinuousCache
from embedpipe.generation.dynamic import DynamicEvaluation, GradientSizes
from embedpipe.generation.tuned import Tuned, load_tuned, save_tuned

FOUND = Tuned(
    ContinuousCache(0.5, 0.25, 300),
    DynamicEvaluation(1e-3, 1e-4, 8),
    GradientSizes({"table": torch.tensor([0.25, 0.5]), "bias": torch.tensor(0.125)}),
)


def test_what_was_kept_comes_back_for_the_same_model(tmp_path):
    save_tuned(tmp_path / "scoring", "abc", FOUND)
    read = load_tuned(tmp_path / "scoring", "abc")
    assert (read.cache, read.dynamic) == (FOUND.cache, FOUND.dynamic)
    assert {name: size.tolist() for name, size in read.sizes.of.items()} == {"table": [0.25, 0.5], "bias": 0.125}
    assert load_tuned(tmp_path / "scoring", "another model") == load_tuned(tmp_path / "nowhere", "abc") == Tuned()


def test_a_cache_alone(tmp_path):
    save_tuned(tmp_path, "abc", Tuned(FOUND.cache))
    assert load_tuned(tmp_path, "abc") == Tuned(FOUND.cache)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("damage", ["not json", '{"format": 1, "of": "abc", "cache": {"theta": -1}, "dynamic": null}'])
def test_a_damaged_file_says_what_to_delete(tmp_path, damage):
    (tmp_path / "settings.json").write_text(damage)
    with pytest.raises(BundleError, match=r"delete it to have its settings found again"):
        load_tuned(tmp_path, "abc")


def test_gradients_that_are_missing(tmp_path):
    save_tuned(tmp_path, "abc", FOUND)
    (tmp_path / "gradients.safetensors").unlink()
    with pytest.raises(BundleError, match=r"gradients\.safetensors"):
        load_tuned(tmp_path, "abc")
    (tmp_path / "settings.json").write_text(json.dumps({"format": 2, "of": "abc"}))
    assert load_tuned(tmp_path, "abc") == Tuned()
