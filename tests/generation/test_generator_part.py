"""The generator's folder: what is saved is read back to the bit, and what is damaged is named."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError
from embedpipe.generation.language_model import Dropouts, LanguageModel, Shape
from embedpipe.generation.part import load_generator, save_generator


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(Shape(15, dim=6, hidden=9, layers=2), Dropouts(0.3, 0.3, 0.3), sparse=True)


@pytest.fixture
def folder(model, tmp_path):
    save_generator(tmp_path / "generator", model)
    return tmp_path / "generator"


def test_round_trip_computes_the_same(model, folder) -> None:
    again = load_generator(folder, 15)
    ids = torch.tensor([[3, 7, 9, 4]])
    with torch.no_grad():
        expected, _ = model.eval()(ids)
        found, _ = again(ids)
        assert torch.equal(found, expected)
        assert torch.equal(again.logits(found), model.logits(expected))
    assert not again.training


def test_loading_leaves_the_global_generator_alone(folder) -> None:
    before = torch.get_rng_state()
    load_generator(folder, 15)
    assert torch.equal(torch.get_rng_state(), before)


LOAD = """
import sys
from pathlib import Path
import torch
from embedpipe.generation.language_model import Shape
from embedpipe.generation.part import load_generator
from embedpipe.generation.vae.network import SentenceVAE, VAEShape
for folder in sys.argv[1:]:
    load_generator(Path(folder), 15)
with torch.device("meta"):
    SentenceVAE(VAEShape(Shape(15, dim=6, hidden=9, layers=2), dim=3, hidden=5))
print(*sorted({"sympy", "torch._inductor"} & sys.modules.keys()))
"""


def test_loading_imports_no_compiler(tmp_path) -> None:
    """Torch imports one, in more time than the rest takes, where numbers are drawn for a tensor that has none."""
    folders = [tmp_path / "plain", tmp_path / "clusters", tmp_path / "transformer"]
    shapes = [
        Shape(15, dim=6, hidden=9, layers=2, tied=False),
        Shape(15, dim=6, hidden=9, layers=1, cutoffs=(5, 9)),
        Shape(15, dim=6, hidden=9, layers=2, architecture="transformer", heads=2),
    ]
    for folder, shape in zip(folders, shapes, strict=True):
        save_generator(folder, LanguageModel(shape))
    child = subprocess.run([sys.executable, "-c", LOAD, *folders], capture_output=True, text=True, check=True)
    assert child.stdout.split() == []


def test_saving_twice_gives_the_same_bytes(model, folder, tmp_path) -> None:
    save_generator(tmp_path / "again", load_generator(folder, 15))
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_loaded_weights_do_not_change_the_file(folder) -> None:
    before = (folder / "model.safetensors").read_bytes()
    with torch.no_grad():
        load_generator(folder, 15).table.zero_()
    assert (folder / "model.safetensors").read_bytes() == before


def test_a_vocabulary_of_another_size_is_refused(folder) -> None:
    with pytest.raises(BundleError, match=r"config.json: the generator has 15 tokens but the vocabulary 16"):
        load_generator(folder, 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "gru-lm"}, "not a generator of the kind"),
        ({"format": 3}, "newer format needs a newer embedpipe"),
        ({"hidden": 0}, "'hidden' is 0"),
        ({"hidden": True}, "'hidden' is True"),
        ({"layers": 10**9}, "'layers' is 1000000000"),
        ({"dim": "6"}, "'dim' is '6'"),
        ({"architecture": "cnn"}, "'architecture' is 'cnn', not one of lstm"),
        ({"tied": 1}, "'tied' is 1, not one of True, False"),
        ({"context": 0}, "'context' is 0, not a size"),
        ({"architecture": "transformer"}, r"config.json: generation.heads: 4 heads do not divide the 6 dim"),
        ({"cutoffs": None}, "'cutoffs' is None, not a list of ids"),
        ({"cutoffs": [4, 15]}, r"config.json: generation.cutoffs: 4, 15 are not ids that rise"),
        ({"cutoffs": [4]}, "tensor 'clusters.entries.bias' is missing"),
        (
            {"hidden": 10},
            r"tensor 'reader.layers.0.weight_ih_l0' is float32\(36, 6\), but config.json implies float32\(40, 6\)",
        ),
        ({"layers": 3}, "tensor 'reader.layers.2.bias_hh_l0' is missing"),
        ({"layers": 1}, "tensor 'reader.layers.1.bias_hh_l0' does not belong"),
    ],
)
def test_an_edited_configuration_is_named(folder, change, message) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BundleError, match=message):
        load_generator(folder, 15)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe", b"null"])
def test_a_configuration_that_is_none_is_named(folder, content) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"config\.json"):
        load_generator(folder, 15)


def rewrite(folder, name: str, tensor: np.ndarray) -> None:
    tensors = {key: np.array(value) for key, value in map_tensors(folder / "model.safetensors").items()}
    save_tensors(folder / "model.safetensors", {**tensors, name: tensor})


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("bias", np.zeros(14, np.float32), r"'bias' is float32\(14,\)"),
        ("bias", np.zeros(15, np.float64), r"'bias' is float64"),
        ("bias", np.full(15, np.nan, np.float32), "not finite"),
        ("payload", np.zeros(3, np.float32), "'payload' does not belong"),
    ],
)
def test_edited_tensors_are_named(folder, name, tensor, message) -> None:
    rewrite(folder, name, tensor)
    with pytest.raises(BundleError, match=f"model.safetensors: tensor .*{message}"):
        load_generator(folder, 15)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_and_truncated_files_are_named(folder, name) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=name):
        load_generator(folder, 15)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_generator(folder, 15)
