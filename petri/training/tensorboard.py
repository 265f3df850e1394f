"""Training curves for TensorBoard, if it is installed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from petri.errors import BadRequest
from petri.training.runs import Row


@contextmanager
def recorder(folder: Path, columns: Sequence[str], epoch: int) -> Iterator[Callable[[Row], None]]:
    """Write an event file into a folder; gives a function that adds an epoch's row of metrics to it.

    Args:
        folder: made if it is not there.
        columns: names of the metrics.
        epoch: number of epochs done; what the folder says of later ones is void.

    Raises:
        BadRequest: TensorBoard is not installed.
    """
    check()
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder, purge_step=epoch + 1)

    def record(row: Row) -> None:
        nonlocal writer, epoch
        if row[0] <= epoch:  # the run went back to an earlier state
            writer.close()
            writer = SummaryWriter(folder, purge_step=int(row[0]))
        epoch = int(row[0])
        for name, value in zip(columns[1:], row[1:], strict=True):
            if not math.isnan(value):  # not every epoch is measured from the seed
                writer.add_scalar(name, value, epoch)

    try:
        yield record
    finally:
        writer.close()


def check() -> None:
    """Refuse if TensorBoard is not installed.

    Raises:
        BadRequest: how to install it.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise BadRequest('TensorBoard is not installed: pip install "petri-nca[tensorboard]"') from None
