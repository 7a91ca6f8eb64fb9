"""What a generative model was made from, and whether a run leaves it standing."""

from collections.abc import Mapping

from embedpipe.bundle.folder import BundleFolder
from embedpipe.bundle.manifest import StageRecord
from embedpipe.pipeline.work import WorkFolder
from embedpipe.runtime import Listener, StageSkipped, Warned

__all__ = ["LATENT", "kept_latent", "latent_inputs", "still_fits"]

LATENT = "latent"
"""The stage that a run does not make and, where it still fits, keeps."""
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


def kept_latent(
    work: WorkFolder, existing: BundleFolder, prints: Mapping[str, str], listener: Listener, *, force: bool
) -> dict[str, StageRecord]:
    """Take the generative model of the bundle that stands there over into the one that a run writes, where it fits.

    Parameters
    ----------
    prints : the fingerprints of the stages of the run.
    listener : is told that it is kept, or that it is not and why.
    force : leave it behind, for the bundle is to be what the run makes and nothing else.

    Returns
    -------
    dict
        Its record by its name; empty where it is left behind.
    """
    record = existing.manifest.stages[LATENT]
    fits = still_fits(record, prints)
    restored = work.restore(LATENT, existing) if fits and not force else None
    if restored is None:
        why = "was made from another text, words or generator"
        if fits:
            why = "is not of this run, which is told to replace the bundle," if force else "is damaged"
        listener(Warned(LATENT, f"the generative model {why} and is left out; make it again: embedpipe train latent"))
        return {}
    listener(StageSkipped(LATENT, restored.summary))
    return {LATENT: restored}
