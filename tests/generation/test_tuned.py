"""Settings found for a model: on which text, kept, and read again."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from embedpipe.errors import BundleError
from embedpipe.generation.cache import ContinuousCache
from embedpipe.generation.dynamic import DynamicEvaluation, gradient_sizes, shapes_of_sizes
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.generation.tuned import Tuned, find_cache, find_dynamic, load_tuned, save_tuned

TEXT = np.array([[3, 4, 5, 6, 4, 3, 5, 6, 6]], dtype=np.uint32)
TRAIN, VALIDATION = 5, 6


def model_of(**shape) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(Shape(9, dim=4, hidden=3, layers=1, **shape)).requires_grad_(False).eval()


MODEL = model_of()
FOUND = Tuned(ContinuousCache(0.5, 0.25, 300), DynamicEvaluation(1e-3, 1e-4, 8), gradient_sizes(MODEL, TEXT, segment=4))


def test_what_was_kept_comes_back_for_the_same_model(tmp_path):
    save_tuned(tmp_path / "scoring", "abc", FOUND)
    read = load_tuned(tmp_path / "scoring", "abc", MODEL)
    assert (read.cache, read.dynamic) == (FOUND.cache, FOUND.dynamic)
    assert {name: size.tolist() for name, size in read.sizes.of.items()} == {
        name: size.tolist() for name, size in FOUND.sizes.of.items()
    }
    assert load_tuned(tmp_path / "scoring", "other", MODEL) == load_tuned(tmp_path / "no", "abc", MODEL) == Tuned()


def test_a_cache_alone(tmp_path):
    save_tuned(tmp_path, "abc", Tuned(FOUND.cache))
    assert load_tuned(tmp_path, "abc", MODEL) == Tuned(FOUND.cache)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("shape", [{}, {"tied": False}, {"cutoffs": (5,)}, {"architecture": "transformer"}])
def test_shapes_of_sizes_are_those_that_are_measured(shape):
    model = model_of(**shape)
    measured = gradient_sizes(model, TEXT, segment=4).of
    assert shapes_of_sizes(model) == {name: tuple(size.shape) for name, size in measured.items()}


@pytest.mark.parametrize(
    "damage", ["not json", "[]", '{"format": 3, "of": "abc", "cache": {"theta": -1}, "dynamic": null}']
)
def test_a_damaged_file_says_what_to_delete(tmp_path, damage):
    (tmp_path / "settings.json").write_text(damage)
    with pytest.raises(BundleError, match=r"delete it to have its settings found again"):
        load_tuned(tmp_path, "abc", MODEL)


@pytest.mark.parametrize(
    ("of", "name", "value", "message"),
    [
        ("cache", "window", 2000.5, "window is 2000.5, not of type int"),
        ("cache", "window", True, "window is True"),
        ("cache", "theta", "1", "theta is '1', not of type float"),
        ("cache", "weight", float("nan"), "weight of a cache"),
        ("dynamic", "segment", 16.5, "segment is 16.5"),
        ("dynamic", "rule", None, "rule is None"),
        ("dynamic", "more", 1, "holds the settings rate, decay, segment, rule, more"),
    ],
)
def test_settings_of_a_wrong_type_are_damage(tmp_path, of, name, value, message):
    save_tuned(tmp_path, "abc", FOUND)
    content = json.loads((tmp_path / "settings.json").read_text())
    content[of][name] = value
    (tmp_path / "settings.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=f"{message}.*delete it"):
        load_tuned(tmp_path, "abc", MODEL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda sizes: sizes.pop("bias"), "lacks or adds bias"),
        (lambda sizes: sizes.update(table=torch.ones(5)), r"table is float32 of shape \(5,\), not float32 of \(4,\)"),
        (lambda sizes: sizes.update(table=sizes["table"].double()), "table is float64"),
        (lambda sizes: sizes["table"].fill_(torch.nan), "table holds numbers that are negative or not finite"),
        (lambda sizes: sizes["bias"].fill_(-1.0), "bias holds numbers that are negative"),
    ],
)
def test_gradients_that_are_not_the_models_are_damage(tmp_path, change, message):
    save_tuned(tmp_path, "abc", FOUND)
    sizes = load_file(tmp_path / "gradients.safetensors")
    change(sizes)
    save_file(sizes, tmp_path / "gradients.safetensors")
    with pytest.raises(BundleError, match=f"{message}.*delete it"):
        load_tuned(tmp_path, "abc", MODEL)


def test_gradients_that_are_missing(tmp_path):
    save_tuned(tmp_path, "abc", FOUND)
    (tmp_path / "gradients.safetensors").unlink()
    with pytest.raises(BundleError, match=r"gradients\.safetensors"):
        load_tuned(tmp_path, "abc", MODEL)
    (tmp_path / "settings.json").write_text(json.dumps({"format": 1, "of": "abc"}))
    assert load_tuned(tmp_path, "abc", MODEL) == Tuned()


def test_settings_are_found_on_validation_text_and_gradients_on_training_text(monkeypatch):
    """Each split is planted with a token of its own, which says what was read for what."""
    read: dict[str, set[int]] = {}

    def spy(name: str, result: object) -> None:
        def find(_model: object, tokens: np.ndarray, *_others: object, **_named: object) -> object:
            read[name] = set(tokens.ravel().tolist())
            return result

        monkeypatch.setattr(f"embedpipe.generation.tuned.{name}", find)

    train, validation = (SimpleNamespace(tokens=np.full(200, token, np.uint32)) for token in (TRAIN, VALIDATION))
    found = SimpleNamespace(settings=FOUND.dynamic, losses={FOUND.dynamic: 1.0}, n_asked=7)
    for name, result in (("tune_cache", FOUND.cache), ("gradient_sizes", FOUND.sizes), ("tune_dynamic", found)):
        spy(name, result)
    assert find_cache(MODEL, validation) == FOUND.cache
    said: list[str] = []
    assert find_dynamic(MODEL, train, validation, said.append) == (FOUND.dynamic, FOUND.sizes)
    assert read == {"tune_cache": {VALIDATION}, "gradient_sizes": {TRAIN}, "tune_dynamic": {VALIDATION}}
    assert said == ["1 of 7 settings of dynamic evaluation were tried to the end"]
