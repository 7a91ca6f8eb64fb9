"""The base of all settings: nothing unknown, nothing changed afterwards."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Strict"]


class Strict(BaseModel):
    """A model that refuses unknown keys and assignments."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
