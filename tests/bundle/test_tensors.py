"""safetensors files against the library that defines them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file

from embedpipe.bundle.tensors import map_tensors, save_tensors
from embedpipe.errors import BundleError

ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint32, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.dictionaries(st.text("abcäß.", min_size=1, max_size=5), ARRAYS, max_size=4))
def test_maps_what_the_library_reads(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    path = tmp_path / "t.safetensors"
    save_tensors(path, tensors)
    mapped, read = map_tensors(path), load_file(path)
    assert mapped.keys() == read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert mapped[name].dtype == tensor.dtype
        assert mapped[name].shape == tensor.shape
        np.testing.assert_array_equal(mapped[name], read[name])


def test_maps_are_read_only_and_lazy(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_tensors(path, {"a": np.arange(6, dtype=np.float32)})
    mapped = map_tensors(path)["a"]
    assert isinstance(mapped, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = np.ones(3), np.zeros((2, 2), np.float32)
    save_tensors(tmp_path / "a", {"x": one, "y": two})
    save_tensors(tmp_path / "b", {"y": two, "x": one})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:-1],
        lambda b: b[:4],
        lambda b: b"",
        lambda b: b"not a safetensors file at all",
        lambda b: b.replace(b'"shape":[6]', b'"shape":[7]'),
        lambda b: b.replace(b'"F32"', b'"Q99"'),
        lambda b: b.replace(b'"data_offsets":[0,24]', b'"data_offsets":[8,32]'),
    ],
)
def test_damage_names_the_file(tmp_path: Path, damage) -> None:
    path = tmp_path / "t.safetensors"
    save_tensors(path, {"a": np.arange(6, dtype=np.float32)})
    content = path.read_bytes()
    assert damage(content) != content
    path.write_bytes(damage(content))
    with pytest.raises(BundleError, match=r"t\.safetensors"):
        map_tensors(path)


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from embedpipe.bundle.tensors import save_tensors
from embedpipe.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_tensors(Path(sys.argv[1]), {"a": np.zeros(5_000)})
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, tmp_path / "t.safetensors"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.startswith(f"{tmp_path}/t.safetensors: cannot be written (")
    assert "free some space and run the same command again (finished stages are kept)" in printed
