"""The folder of a training: one process at a time, and scalars for TensorBoard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lobarena.agents.learner import TrainingError


@contextmanager
def scalars(folder: Path, steps: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """A function that writes a row of scalars for TensorBoard, where that is installed.

    What an interrupted slice wrote after its last checkpoint, at `steps`, is purged by the writer that goes on.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda row: None
        return
    writer = SummaryWriter(folder / "tensorboard", purge_step=steps + 1)

    def log(row: dict[str, float]) -> None:
        for key, value in row.items():
            if key != "steps":
                writer.add_scalar(key, value, int(row["steps"]))
        writer.flush()

    try:
        yield log
    finally:
        writer.close()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one process trains in a folder; the lock goes with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TrainingError(f"another process trains in {folder}; wait for it, or give another folder") from error
        yield
