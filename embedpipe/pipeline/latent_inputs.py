"""What a generative model was made from, and whether a run leaves it standing."""

from collections.abc import Mapping

from embedpipe.bundle.manifest import StageRecord

__all__ = ["latent_inputs", "still_fits"]

_READS = ("text", "words", "generation")


def latent_inputs(records: Mapping[str, StageRecord]) -> dict[str, str]:
    """Return the fingerprints of the stages that a generative model begins from.

    The encoder is not among them: it is a start like a random one, and nothing of it is asked for afterwards.
    """
    return {stage: records[stage].fingerprint for stage in _READS if stage in records}


def still_fits(latent: StageRecord, prints: Mapping[str, str]) -> bool:
    """Return whether a generative model was made from stages of these fingerprints.

    >>> latent = StageRecord("", "", 0, {"inputs": {"text": "a", "words": "b"}})
    >>> still_fits(latent, {"text": "a", "words": "b", "probes": "c"}), still_fits(latent, {"text": "z", "words": "b"})
    (True, False)
    """
    inputs = latent.result.get("inputs", {})
    return bool(inputs) and all(prints.get(stage) == value for stage, value in inputs.items())
