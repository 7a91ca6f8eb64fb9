"""In which circumstances a stage is made: the libraries that take part, the device and the processor threads."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from embedpipe.bundle.manifest import StageRecord
from embedpipe.runtime import n_cores, n_torch_threads

__all__ = ["NEURAL", "merged_versions", "reproducibility", "threads_of", "versions_of"]

NEURAL = frozenset({"sentences", "generation", "latent"})
"""The stages that torch trains."""

_LIBRARIES = {
    "text": ("numpy", "nltk", "regex", "datasketch", "jieba", "tokenizers"),
    "words": ("numpy", "gensim"),
    "sentences": ("numpy", "torch"),
    "generation": ("numpy", "torch"),
    "latent": ("numpy", "torch"),
    "probes": ("numpy", "scipy", "scikit-learn", "torch"),
}


def versions_of(stage: str) -> dict[str, str]:
    """Return the versions of Python, the platform and the installed libraries that take part in a stage."""
    versions = {
        "embedpipe": version("embedpipe"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    for library in _LIBRARIES[stage]:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions


def threads_of(stage: str) -> int:
    """Return the processor threads that a stage of this kind uses in this process."""
    return n_torch_threads() if stage in NEURAL else n_cores()


def merged_versions(records: Mapping[str, StageRecord]) -> dict[str, str]:
    """Return the versions of all stages; a library that differs between stages has each of its versions.

    >>> one = StageRecord("", "", 0, versions={"numpy": "2.4", "gensim": "4.4"})
    >>> merged_versions({"words": one, "sentences": StageRecord("", "", 0, versions={"numpy": "2.5"})})
    {'numpy': '2.4, 2.5', 'gensim': '4.4'}
    """
    found: dict[str, dict[str, None]] = {}
    for record in records.values():
        for library, one in record.versions.items():
            found.setdefault(library, {})[one] = None
    return {library: ", ".join(versions) for library, versions in found.items()}


def reproducibility(records: Mapping[str, StageRecord], seed: int) -> tuple[bool, str]:
    """Return whether every stage was made so that the same inputs give the same bytes, and why or why not."""
    if all(record.reproducible for record in records.values()):
        return True, (
            f"one Word2Vec worker, deterministic kernels, seed {seed}: the same text, settings, library versions, "
            "device, thread count (they stand with each stage) and kind of processor give the same bytes"
        )
    if "words" in records and not records["words"].reproducible and records["words"].threads > 1:
        return False, (
            f"Word2Vec was trained by {records['words'].threads} workers in parallel, whose order is not fixed; "
            "use --reproducible"
        )
    loose = ", ".join(stage for stage, record in records.items() if not record.reproducible)
    return False, f"not made with --reproducible: {loose}"
