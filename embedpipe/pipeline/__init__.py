"""The main job: stages in order, each skipped when its fingerprint is unchanged."""

from embedpipe.pipeline.run import run

__all__ = ["run"]
