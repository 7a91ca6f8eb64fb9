"""Devices by name."""

import pytest

from embedpipe.errors import ConfigError
from embedpipe.runtime import resolve_device


def test_an_unknown_device_names_those_that_there_are() -> None:
    assert resolve_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="unknown device 'tpu': use auto, cpu, cuda"):
        resolve_device("tpu")  # type: ignore[arg-type]
