"""What the programs that fork trainings and kill them share."""

import os

__all__ = ["how_it_ended"]


def how_it_ended(child: int) -> int:
    """Wait for a forked process; return the signal that ended it, or its exit code as a negative number."""
    status = os.waitpid(child, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
