"""The ground that a figure is seen on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    Colour = tuple[float, float, float]  # red, green and blue, 0..1

WHITE: Colour = (1.0, 1.0, 1.0)
BLACK: Colour = (0.0, 0.0, 0.0)


def over(state: Tensor, ground: Colour) -> Tensor:
    """A figure's colours on a ground, as a screen shows them.

    Args:
        state: `[..., channel, height, width]`: RGB premultiplied by alpha, alpha, and any more.
        ground: the colour behind it.

    Returns:
        RGB, `[..., 3, height, width]` in 0..1.
    """
    through = 1 - state[..., 3:4, :, :].clamp(0, 1)
    return (state[..., :3, :, :] + through * state.new_tensor(ground)[:, None, None]).clamp(0, 1)
