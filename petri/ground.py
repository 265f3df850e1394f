"""The ground that a figure is seen on: `#rrggbb`, or `transparent`.

Planes fill their grid and have none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from petri.errors import BadRequest

if TYPE_CHECKING:
    from torch import Tensor

    from petri.modelfile import Model
    from petri.nca import Spec

WHITE, BLACK, MIDDLE = "#ffffff", "#000000", "#808080"
TRANSPARENT = "transparent"
AUTO = "auto"  # chosen from the figure's colours
RESERVE = {WHITE: 0.0, BLACK: 0.1, MIDDLE: 0.15}  # share that the others must lose more for it to be chosen
CLEAR = (
    0.25  # distance between two colours, of 1 between black and white, from which they are told apart well
)
BRIGHTNESS = (0.3, 0.59, 0.11)  # what red, green and blue are worth: yellow is hardly seen on white
INNER = 0.1  # weight of what lies within the outline: line art is seen although its inside is the ground's


def check(text: str) -> str:
    """What was asked for, as `auto`, `transparent` or `#rrggbb`.

    Raises:
        BadRequest: it is neither of them, nor `white` or `black`.
    """
    asked = {"white": WHITE, "black": BLACK}.get(text.lower(), text.lower())
    if asked not in (AUTO, TRANSPARENT) and not _is_colour(asked):
        raise BadRequest(f"the ground must be auto, white, black, #rrggbb or transparent, got {text!r}")
    return asked


def check_figure(asked: str, name: str, spec: Spec) -> None:
    """Refuse a ground for what has none.

    Raises:
        BadRequest: one was asked for, and the automaton grows a plane.
    """
    if asked != AUTO and not spec.living:
        raise BadRequest(f"{name} fills its whole grid, only a figure has a ground: leave out --ground")


def _is_colour(text: object) -> bool:
    return isinstance(text, str) and bool(re.fullmatch("#[0-9a-f]{6}", text))


def colour(ground: str) -> tuple[float, float, float]:
    """Red, green and blue of a ground that is not transparent, 0..1."""
    red, green, blue = bytes.fromhex(ground[1:])
    return red / 255, green / 255, blue / 255


def over(state: Tensor, ground: str) -> Tensor:
    """A figure's colours on a ground, as a screen shows them.

    Args:
        state: `[..., channel, height, width]`: RGB premultiplied by alpha, alpha, and any more.
        ground: the colour behind it.

    Returns:
        RGB, `[..., 3, height, width]` in 0..1.
    """
    through = 1 - state[..., 3:4, :, :].clamp(0, 1)
    return (state[..., :3, :, :] + through * state.new_tensor(colour(ground))[:, None, None]).clamp(0, 1)


def straight(state: Tensor) -> Tensor:
    """A figure's colours not multiplied by alpha, and alpha: `[..., 4, height, width]` in 0..1."""
    import torch

    alpha = state[..., 3:4, :, :].clamp(0, 1)
    return torch.cat([(state[..., :3, :, :] / alpha.clamp_min(1e-3)).clamp(0, 1), alpha], dim=-3)


def choose(figure: Tensor) -> str:
    """A ground that a figure can be seen on: white, unless too much of its outline would vanish there.

    Black is for light figures, a middle grey for those that are light and dark. A plane covers white.

    Args:
        figure: a target or a grown state, `[channel, height, width]`: RGB premultiplied by alpha, alpha, and
            any more; or the RGB alone of a plane.
    """
    if len(figure) == 3:
        return WHITE
    import torch
    import torch.nn.functional as F

    *rgb, alpha = straight(figure.detach().float().nan_to_num(0.0, 0.0, 0.0))
    # What of each cell its emptiest neighbour lacks; the grid's own edge is no outline.
    outline = alpha - -F.max_pool2d(-alpha[None], 3, stride=1, padding=1)[0]
    if not outline.any():
        outline = alpha

    def lost(ground: str) -> float:
        """The share of the figure that is not told from the ground."""
        squares = [
            worth * (part - at) ** 2 for worth, part, at in zip(BRIGHTNESS, rgb, colour(ground), strict=True)
        ]
        hidden = 1 - (torch.stack(squares).sum(0).sqrt() / CLEAR).clamp_max(1)
        of_outline, of_all = (
            ((hidden * weight).sum() / weight.sum().clamp_min(1e-6)).item() for weight in (outline, alpha)
        )
        return of_outline + INNER * of_all

    return min(RESERVE, key=lambda ground: lost(ground) + RESERVE[ground])


def kept(model: Model) -> str | None:
    """The ground that a model's file names; None if it does not."""
    ground = model.training.get("ground")
    return ground if _is_colour(ground) else None


def settled(ground: str, target: Tensor) -> str:
    """The ground that was asked for, or one on which the target, as `choose` takes it, can be seen."""
    return choose(target) if ground == AUTO else ground


def opaque(ground: str, target: Tensor) -> str:
    """The same for what cannot be transparent."""
    return settled(AUTO, target) if ground == TRANSPARENT else ground


def of(model: Model) -> str:
    """What a model is seen on: the ground that its file names, or one chosen from what it grows.

    White for a plane, which covers it.
    """
    if not model.automaton.spec.living:
        return WHITE
    return kept(model) or choose(model.automaton.view(model.grown()))
