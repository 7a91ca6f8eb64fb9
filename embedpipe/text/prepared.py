"""A prepared corpus on disk, opened."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from embedpipe.errors import BundleError
from embedpipe.text.codec import TextCodec
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import Vocabulary

__all__ = ["PreparedText"]


class PreparedText:
    """A prepared corpus on disk.

    Parameters
    ----------
    path : the folder that `prepare` wrote. Nothing is read until it is used.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.train_text = self.path / "train.txt"
        self.train = TokenStore(self.path / "train")
        self.validation = TokenStore(self.path / "validation")
        self.test = TokenStore(self.path / "test")
        self.validation_text = self.path / "validation.txt"
        self.test_text = self.path / "test.txt"

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary counted on the training split."""
        return Vocabulary.load(self.path / "vocabulary.json")

    @cached_property
    def codec(self) -> TextCodec:
        """Encodes other text by the same rules."""
        return TextCodec.load(self.path / "tokenizer_spec.json", self.vocabulary)

    @property
    def n_train_lines(self) -> int:
        """Lines of `train_text`."""
        return int(self.report["train_lines"])

    @cached_property
    def report(self) -> dict[str, Any]:
        """What was read, dropped, cut and kept."""
        file = self.path / "report.json"
        try:
            report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BundleError(f"{file}: not the report of a prepared text: {error}; prepare it again") from error
        return report
