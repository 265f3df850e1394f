"""Where the numbers are crunched: CPU, CUDA or MPS."""

from __future__ import annotations

import torch

from petri.errors import BadRequest

DEVICES = ("auto", "cpu", "cuda", "mps")


def available() -> list[str]:
    """The kinds of device that this machine has, the fastest kind first."""
    found = ["cuda"] if torch.cuda.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    return [*found, "cpu"]


def choose(name: str) -> torch.device:
    """The device of this name; `auto` is the first of `available`.

    Raises:
        BadRequest: unknown, or not on this machine.
    """
    if name not in DEVICES:
        raise BadRequest(f"device must be one of {', '.join(DEVICES)}, got {name!r}")
    found = available()
    if name != "auto" and name not in found:
        raise BadRequest(f"device must be one that is here ({', '.join(found)}), got {name!r}")
    return torch.device(found[0] if name == "auto" else name)


def synchronise(device: torch.device) -> None:
    """Wait until all work given to the device is done, so that the clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()
