"""Colouring a ring or a mesh: every node comes to a colour of its own, from one node on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from petri.errors import BadRequest
from petri.losses import overflow_loss
from petri.nca import show
from petri.nca.graph import Graph, nearest, ring
from petri.tasks.task import Task

if TYPE_CHECKING:
    from petri.nca import Automaton, Spec
    from petri.training.recipe import Recipe

OVERFLOW = 1.0  # weight of the penalty on state values beyond ±1


class OnGraph(Task):
    """What may be asked of the nodes of a ring or a mesh.

    Args:
        spec: of the automaton.
        graph: of its nodes.

    Raises:
        BadRequest: the Spec is of a grid, has the living mask, fixed planes or a decoder.
    """

    def __init__(self, spec: Spec, graph: Graph) -> None:
        if not spec.space.on_graph:
            raise BadRequest(f"this is a task for a ring or a mesh, the Spec's space is {spec.space!r}")
        if spec.living or spec.fixed:
            raise BadRequest("the whole ring or mesh is coloured: leave the living mask and fixed planes out")
        self.check_decoder(spec)
        super().__init__(spec, (1, graph.nodes))
        self.graph = graph

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """See `Task`."""
        super().check(recipe)
        cls.check_decoder(recipe.spec)

    @classmethod
    def check_decoder(cls, spec: Spec) -> None:
        """Refuse a decoder where nodes alone are looked at.

        Raises:
            BadRequest: there is one.
        """
        if spec.decoder is not None:
            raise BadRequest(
                "only nodes are looked at here, and nothing between them: leave spec.decoder out; "
                "petri mesh texture --pixels trains one"
            )

    def meet(self, automaton: Automaton) -> None:
        """Give the automaton what it runs on."""
        automaton.graph = self.graph

    def wound(
        self, state: Tensor, chance: torch.Generator, *, radii: tuple[float, float], half_planes: bool
    ) -> Tensor:
        """See `Task`: nodes around one that is drawn; the radii are least and most of all nodes' share."""
        least, most = radii
        gone = []
        for draw in torch.rand(len(state), 2, generator=chance).tolist():
            source, share = int(draw[0] * self.graph.nodes), least + (most - least) * draw[1]
            gone.append(nearest(self.graph, source, round(share * self.graph.nodes)))
        return state.masked_fill(torch.stack(gone)[:, None, None].to(state.device), 0.0)


class Colouring(OnGraph):
    """Every node comes to a colour of its own.

    Args:
        spec: of the automaton.
        colours: RGB of the nodes in 0..1, `[3, node]`.
        graph: of a mesh; None of a ring.
        steps: most steps that it is trained to take.

    Raises:
        BadRequest: as of `OnGraph`, or colours that are none.
    """

    weights: Mapping[str, float] = {"error": 1.0, "overflow": OVERFLOW}

    def __init__(self, spec: Spec, colours: Tensor, graph: Graph | None = None, *, steps: int = 96) -> None:
        if colours.ndim != 2 or colours.shape[0] != 3 or not colours.is_floating_point():
            raise BadRequest(f"colours must be RGB [3, node], got {list(colours.shape)}")
        super().__init__(spec, graph or ring(colours.shape[1]))
        if self.graph.nodes != colours.shape[1]:
            raise BadRequest(f"there are {self.graph.nodes} nodes and {colours.shape[1]} colours")
        self.colours, self.steps = colours, steps

    def to(self, device: torch.device) -> Colouring:
        """The same, its colours on a device."""
        self.colours = self.colours.to(device)
        return self

    def losses(self, looks: Sequence[Tensor], rows: Any) -> dict[str, Tensor]:
        """See `Task`: the squared error of the colours, and what is out of bounds."""
        (state,) = looks
        error = (show(state, self.spec)[:, :, 0] - self.colours).square().mean(dim=(1, 2))
        return {"error": error, "overflow": overflow_loss(state, bound=1.0)}

    @torch.no_grad()
    def measure(self, automaton: Automaton, *, seeds: int) -> dict[str, Any]:
        """The mean squared error of fresh colourings."""
        state = automaton.seed_state(self.graph.nodes, batch=seeds)
        grown = automaton.rollout(state, self.steps)
        return {"loss": (show(grown, self.spec) - self.colours).square().mean().item()}


def correlation(seen: Tensor, colours: Tensor) -> Tensor:
    """Pearson's correlation with what is wanted, the mean of the three colours.

    Args:
        seen: `[batch, 3, node]`.
        colours: `[3, node]`.

    Returns:
        `[batch]`; 0 for a colour that is the same everywhere.
    """
    apart = [values - values.mean(dim=-1, keepdim=True) for values in (seen, colours)]
    norms = [values.norm(dim=-1).clamp(min=1e-9) for values in apart]
    return ((apart[0] * apart[1]).sum(dim=-1) / (norms[0] * norms[1])).mean(dim=-1)
