"""What one process does is refused under a launcher before anything is read or made."""

from collections.abc import Callable
from pathlib import Path

import pytest

from embedpipe.errors import ConfigError
from embedpipe.pipeline.ladder import ladder
from embedpipe.pipeline.train_sentences import train_sentences
from embedpipe.pipeline.tune import tune
from embedpipe.pipeline.tune_rate import tune_rate

CALLS = {
    "a search for settings": lambda folder: tune([str(folder / "none.txt")], folder / "best.toml"),
    "a ladder": lambda folder: ladder([str(folder / "none.txt")], folder / "some.ladder"),
    "a bundle": lambda folder: train_sentences(folder / "none.bundle"),
    "a learning rate": lambda folder: tune_rate(folder / "none.bundle"),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_launcher_of_several_is_refused_first(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    call: Callable[[Path], object] = CALLS[what]
    with pytest.raises(ConfigError, match=f"^{what} .* in one process, and a launcher started 2: "):
        call(tmp_path)
    assert not list(tmp_path.iterdir())
