"""The call that goes on training an encoder, as reports show it."""

import json
import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

__all__ = ["OPTIONS", "train_command"]

OPTIONS = {"pairs": "--pairs", "inference": "--nli", "scores": "--scores"}
"""The settings that name files of labelled data, and the options of the verb that stand for them."""


def train_command(title: str, training: Mapping[str, Any]) -> str:
    """Return the call of ``embedpipe train sentences`` for one training, without folders of this machine.

    Parameters
    ----------
    title : name of the bundle.
    training : the files by kind, and the settings that were changed.

    Examples
    --------
    >>> train_command("wiki.bundle", {"pairs": ["/data/same.tsv"], "settings": {"steps": 9}})
    'embedpipe train sentences wiki.bundle --pairs same.tsv --set sentences.steps=9'
    """
    call = ["embedpipe", "train", "sentences", title]
    for kind, option in OPTIONS.items():
        for file in training.get(kind, ()):
            call += [option, PurePath(file).name]
    for key, value in training["settings"].items():
        call += ["--set", f"sentences.{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(call)
