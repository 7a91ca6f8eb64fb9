"""What the encoder's denoising writes with: a language model, which a room above the encoder's own knows."""

from typing import TYPE_CHECKING

from embedpipe.config import PipelineConfig
from embedpipe.loading import Bundle
from embedpipe.pipeline.work import STAGE_FILES

if TYPE_CHECKING:
    from embedpipe.sentences.objectives.denoising import MakeDecoder
    from embedpipe.text.vocabulary import Vocabulary

__all__ = ["DECODER_SETTINGS", "begins_as_generator", "decoder_for"]

DECODER_SETTINGS = (
    *("architecture", "hidden", "layers", "heads", "context", "tied", "softmax", "cutoffs"),
    *("start", "initial_norm"),
)
"""The settings of the generator that an encoder trained by denoising depends on."""
_GENERATOR = STAGE_FILES["generation"][0]


def decoder_for(
    bundle: Bundle, vocabulary: "Vocabulary", config: PipelineConfig, *, trained: bool = False
) -> "MakeDecoder | None":
    """Return what makes the decoder, None where nothing is denoised.

    Parameters
    ----------
    bundle : with words.
    vocabulary : its id space.
    config : of all stages: the decoder has the shape of a generator of these settings, and begins as that would.
    trained : whether it begins as the generator of `bundle`, where that has one. A run does not: its encoder is made
        before its generator, and is to be the same whether that stands there from an earlier run or not.
    """
    if not config.sentences.denoising:
        return None
    from embedpipe.generation.from_vector import decoder_like

    generator = bundle.generator.model if trained and begins_as_generator(bundle, config) else None
    return decoder_like(bundle.bag.vectors, vocabulary, config.generation, seed=config.seed, generator=generator)


def begins_as_generator(bundle: Bundle, config: PipelineConfig) -> bool:
    """Return whether a training that goes on from a bundle denoises through the generator of that bundle."""
    return config.sentences.denoising > 0 and _GENERATOR in bundle.parts
