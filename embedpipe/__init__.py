"""Raw text in; word vectors, a sentence encoder and a text generator out, in one honestly probed bundle.

>>> import embedpipe
>>> sorted(embedpipe.__all__)[:3]
['Bundle', 'EmbedpipeError', 'EmbedpipeWarning']
"""

from importlib import import_module
from typing import TYPE_CHECKING

from embedpipe.errors import EmbedpipeError, EmbedpipeWarning

if TYPE_CHECKING:
    from embedpipe.loading import Bundle, load
    from embedpipe.pipeline import run
    from embedpipe.pipeline.probing import diff, probe

    __version__: str

__all__ = ["Bundle", "EmbedpipeError", "EmbedpipeWarning", "__version__", "diff", "load", "probe", "run"]

_LAZY = {
    "Bundle": "embedpipe.loading",
    "diff": "embedpipe.pipeline.probing",
    "load": "embedpipe.loading",
    "probe": "embedpipe.pipeline.probing",
    "run": "embedpipe.pipeline",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("embedpipe")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'embedpipe' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
