"""The calls that go on training a bundle, as reports show them."""

import json
import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from embedpipe.pipeline.conflict import WENT_ON

if TYPE_CHECKING:
    from embedpipe.bundle.manifest import StageRecord

__all__ = ["OPTIONS", "latent_command", "train_command", "train_commands"]

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
    return shlex.join([*call, *_set("sentences", training["settings"])])


def latent_command(title: str, settings: Mapping[str, Any]) -> str:
    """Return the call of ``embedpipe train latent`` for the settings that were changed.

    >>> latent_command("wiki.bundle", {"dim": 16, "beta_schedule": "cyclical"})
    'embedpipe train latent wiki.bundle --set latent.dim=16 --set latent.beta_schedule=cyclical'
    """
    return shlex.join(["embedpipe", "train", "latent", title, *_set("latent", settings)])


def train_commands(title: str, records: "Mapping[str, StageRecord]", run: str = "") -> str:
    """Return the calls that made a bundle of these records, one a line.

    Parameters
    ----------
    run : the call of the run; left out where its encoder was trained further.
    """
    went_on = records["sentences"].result.get(WENT_ON, []) if "sentences" in records else []
    calls = [train_command(title, training) for training in went_on] or ([run] if run else [])
    if "latent" in records:
        calls.append(latent_command(title, records["latent"].result["settings"]))
    return "\n".join(calls)


def _set(section: str, settings: Mapping[str, Any]) -> list[str]:
    given = [f"{section}.{key}={v if isinstance(v, str) else json.dumps(v)}" for key, v in settings.items()]
    return [part for one in given for part in ("--set", one)]
