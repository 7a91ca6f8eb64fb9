"""Losses and scores of a run as TensorBoard logs."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from embedpipe.errors import MissingExtraError, OutputError
from embedpipe.runtime import Evaluated, Event, Step

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["Plots"]


class Plots:
    """A listener that writes training losses and evaluations, each stage as a run of its own; closed as a context.

    A training that goes on from a checkpoint takes the place of what was logged of the steps after it.

    Parameters
    ----------
    folder : for ``tensorboard --logdir FOLDER``; made where it is missing.

    Raises
    ------
    MissingExtraError
        If tensorboard is not installed.
    OutputError
        If the folder cannot be made.

    Examples
    --------
    >>> with Plots(Path("logs")) as plots:  # doctest: +SKIP
    ...     embedpipe.run(["builtin:toy-en"], "toy.bundle", listener=plots)
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("tensorboard", "tensorboard") from error
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: no folder can be made here ({error.strerror}); choose another") from error
        self.folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def __call__(self, event: Event) -> None:
        """Write the event, if it has a number."""
        match event:
            case Step(stage, done, loss=float(loss)):
                self._writer(stage, done).add_scalar("training loss", loss, done)
            case Evaluated(stage, name, value, step):
                self._writer(stage, step).add_scalar(name, value, step)
            case _:
                pass

    def _writer(self, stage: str, step: int) -> "SummaryWriter":
        if stage not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            self._writers[stage] = SummaryWriter(str(self.folder / stage), purge_step=step)
        return self._writers[stage]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()
