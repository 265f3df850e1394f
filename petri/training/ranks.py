"""Several processes that train one automaton: each takes its share of every batch.

They all hold the same weights and the same pool and draw the same numbers; only the rollouts are shared out.
So the result is that of one process, up to the order in which gradients are added.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from petri.errors import BadRequest


@dataclass(frozen=True)
class Ranks:
    """One of `size` processes; with one, nothing is exchanged.

    Source: torchrun names the processes by the environment's RANK and WORLD_SIZE.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """The samples of a batch that are this process's.

        Raises:
            BadRequest: the batch cannot be split evenly.
        """
        if batch % self.size:
            raise BadRequest(f"a batch of {batch} cannot be split evenly over {self.size} processes")
        part = batch // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by the sum of all processes' ones."""
        if self.size > 1:
            tensors = list(tensors)
            flat = torch.cat([tensor.flatten() for tensor in tensors])
            dist.all_reduce(flat)
            for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def gather(self, part: Tensor) -> Tensor:
        """All processes' parts `[share, …]` in their order: `[batch, …]`."""
        if self.size == 1:
            return part
        parts = [torch.empty_like(part) for _ in range(self.size)]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    def any(self, asked: bool, device: torch.device) -> bool:
        """Whether any process says so."""
        if self.size == 1:
            return asked
        flag = torch.tensor(float(asked), device=device)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)


def _leave() -> None:
    """End the group's threads before the interpreter does: a process that they outlive may abort."""
    if dist.is_initialized():
        dist.destroy_process_group()


def end(code: int) -> None:
    """End this process at once if it is one of several, with all that it has said.

    Even when the group has been left, a process was seen to abort, now and then, while its libraries were
    taken down: so they are not.
    """
    if dist.is_initialized():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # nobody reads it, or it is closed
                stream.flush()
        os._exit(code)


def join(device: torch.device) -> tuple[Ranks, torch.device]:
    """Meet the other processes if torchrun started several.

    Args:
        device: what the user chose; of several GPUs each process takes its own.

    Raises:
        BadRequest: several processes cannot work on such a device.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Ranks(), device
    if "RANK" not in os.environ:
        raise BadRequest(f"WORLD_SIZE is {size}, but RANK is not set: start several processes by torchrun")
    if device.type == "mps":
        raise BadRequest("several processes can train on the CPU or on CUDA, not on MPS")
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave)
    return Ranks(dist.get_rank(), size), device
