"""The configuration that a bundle was made with."""

from pathlib import Path

from embedpipe.config import PipelineConfig
from embedpipe.errors import BundleError, ConfigError
from embedpipe.settings import load_config

__all__ = ["recorded_config"]


def recorded_config(path: Path) -> PipelineConfig:
    """Return the configuration in `path`, the ``config.toml`` of a bundle of any format.

    Raises
    ------
    BundleError
        If the file was edited or damaged, or a newer version wrote it, which has other settings.
    """
    try:
        return PipelineConfig.of("tiny", load_config(path))
    except ConfigError as error:
        raise BundleError(f"{path}: the configuration was edited or damaged: {error}") from error
