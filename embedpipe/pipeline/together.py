"""Several processes in one run: the first does the work and calls the others for what they train together.

The others, started by ``torchrun`` or ``accelerate launch`` with the same command, wait for a stage to be announced,
take its inputs from the working folder, which all share, train along and throw away what they have made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from embedpipe.config import PipelineConfig
from embedpipe.pipeline.provenance import NEURAL
from embedpipe.pipeline.stages import RUNNERS, Job
from embedpipe.pipeline.work import WorkFolder
from embedpipe.runtime import DeviceName, launched, silent

__all__ = ["assist", "calling_others", "first_of_several"]


@contextmanager
def first_of_several(device: DeviceName) -> Iterator[bool]:
    """Join the processes of a launcher; yield whether this one does the work, and send the others home at the end.

    Parameters
    ----------
    device : where they will train.
    """
    if launched()[1] == 1:
        yield True
        return
    from embedpipe.nn.distributed import announce, is_first, join_processes, leave_processes, wait_for_all

    join_processes(device)
    try:
        try:
            yield is_first()
        finally:
            if is_first():
                announce({"stage": None})
        wait_for_all()
    finally:
        leave_processes()


@contextmanager
def calling_others(job: Job, stage: str) -> Iterator[None]:
    """Have the others make `stage` too, if it is one that is trained together."""
    if stage not in NEURAL or launched()[1] == 1:
        yield
        return
    from embedpipe.nn.distributed import announce, leave_processes

    announce(
        {
            "stage": stage,
            "target": str(job.work.writes[0]),
            "stages": list(job.work.stages),
            "config": job.config.model_dump(mode="json"),
            "device": job.device,
        }
    )
    try:
        yield
    except BaseException:
        # The others are in the middle of a step and would take any message for a part of it.
        leave_processes()
        raise


def assist() -> None:
    """Train along, stage by stage, until the first process sends this one home."""
    from embedpipe.nn.distributed import heard
    from embedpipe.nn.memory import device_errors

    while (message := heard())["stage"] is not None:
        config = PipelineConfig.model_validate(message["config"])
        work = WorkFolder(Path(message["target"]), message["stages"])
        job = Job([], config, work, message["device"], download=False, listener=silent)
        with TemporaryDirectory() as folder, device_errors("what the first process has finished is kept"):
            RUNNERS[message["stage"]](job, Path(folder))
