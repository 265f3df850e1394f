"""What all senses have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from petri import checks
from petri.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST = 31  # cells along a side of what is read
FARTHEST = 16  # the largest dilation
WIDEST = 512  # features


class Sense(Protocol):
    """A kind of sense, a dataclass; see the package's text."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def size(self) -> int:
        """Cells along a side of what is read, the dilation not counted."""

    @property
    def reach(self) -> int:
        """Cells to the farthest that is read, along an axis."""

    def features(self, channels: int) -> int:
        """Numbers that a cell is given."""

    def parameters(self, channels: int) -> int:
        """How many it has, as the report counts them."""

    def word(self, width: int) -> str:
        """Its name on the command line, where its default width is `width`."""

    def build(self, channels: int, padding: str, generator: torch.Generator | None) -> nn.Module:
        """The module that computes it; its initial weights are drawn from `generator`."""


def on_graph(kind: type) -> bool:
    """Whether a kind of sense is for a ring or a mesh, and not for a grid."""
    return bool(getattr(kind, "on_graph", False))


def check_size(what: str, size: int) -> None:
    """Refuse a size that has no centre, or is too large.

    Raises:
        BadRequest: it is even or out of range.
    """
    checks.whole(f"the size of {what}", size, 1, LARGEST)
    if size % 2 == 0:
        raise BadRequest(f"the size of {what} must be odd, so that it has a centre, got {size}")


def check_dilation(what: str, dilation: int) -> None:
    """Refuse a dilation out of range."""
    checks.whole(f"the dilation of {what}", dilation, 1, FARTHEST)


def drawn(shape: Sequence[int], inputs: int, generator: torch.Generator | None) -> nn.Parameter:
    """Initial weights, even in ±1/√inputs, as PyTorch draws a layer's."""
    bound = 1.0 / math.sqrt(inputs)
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound, generator=generator))


def exact(values: Tensor) -> Tensor:
    """The same values in float32, or what is finer: where bfloat16 would blur what is chosen by them."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
