"""Colouring a mesh: from one vertex on, and its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from petri import checks, images
from petri.errors import BadRequest
from petri.graph import named, patterns
from petri.graph.mesh import Surface
from petri.graph.raster import TURN_FPS, draw, sides, turning
from petri.graph.write import write
from petri.nca import show
from petri.nca.graph import nearest
from petri.nca.seed import seed_state
from petri.tasks.colour import Colouring
from petri.tasks.task import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from petri.nca import Automaton, Spec
    from petri.training.recipe import Recipe

SMALL = 128  # pixels of what a terminal is shown
GROWTH = 48  # pictures of the growth
ROLLOUTS = 8  # that a figure is the mean of
LATE = 10  # times as many steps, after which it must still be there
GONE = 0.25  # share of the vertices that damage takes
FIRE = 20_261_126  # the seed of who fires when a model is measured


@dataclass(frozen=True, kw_only=True)
class SurfaceTerms:
    """What is asked of a mesh: the table `loss` of a recipe."""

    mesh: str = "sphere:4"  # a file, or an icosphere
    faces: int = 0  # that it has once mended, to be sure that it is the same; 0: not known
    overflow: float = 1.0  # weight of the penalty on state values beyond ±1

    def __post_init__(self) -> None:
        checks.printable("loss.mesh", self.mesh, 4096)
        checks.whole("loss.faces", self.faces, 0, 2**22)
        checks.number("loss.overflow", self.overflow, 0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Coated(Outcome):
    """What colouring a mesh has come to: mean squared errors of fresh rollouts."""

    steps: int
    grown: float
    late: float  # after ten times the steps
    hurt: float  # right after a quarter of the vertices were emptied
    healed: float  # and as many steps later as it had to grow
    plain: float  # of the one colour that is best everywhere

    @property
    def regained(self) -> float:
        """Of what damage had taken, percent; NaN if it took nothing."""
        lost = self.hurt - self.grown
        return 100 * (self.hurt - self.healed) / lost if lost > 0 else float("nan")


class ColouringMesh(Colouring):
    """Colouring the vertices of a mesh.

    Args:
        spec: of the automaton.
        surface: fitted, with the colours that it is to come to.
        terms: of the loss.
        steps: most steps that it is trained to take.
    """

    terms: ClassVar[type] = SurfaceTerms

    def __init__(
        self, spec: Spec, surface: Surface, terms: SurfaceTerms | None = None, *, steps: int = 96
    ) -> None:
        if surface.colours is None:
            raise BadRequest("the mesh has no colours of its own: name a pattern")
        colours = torch.from_numpy(surface.colours.T.copy())
        super().__init__(spec, colours, surface.graph(spec.space.frame), steps=steps)
        self.weights = self.weigh(terms or SurfaceTerms())
        self.places = torch.from_numpy(surface.vertices.copy())
        self.faces = torch.from_numpy(surface.faces.copy())
        self.automaton: Automaton | None = None

    @classmethod
    def of(cls, recipe: Recipe, *, blank: bool = False) -> ColouringMesh:
        """The task of a recipe; see `Task`.

        Raises:
            BadRequest: the mesh or its colours cannot be had, or it is another one than it was.
        """
        nodes, faces = recipe.phases[-1].grid[1], recipe.loss.faces
        if blank:
            nothing = np.zeros((nodes, 3))
            surface = Surface(nothing, np.zeros((max(1, faces), 3), np.int64), nothing)
        else:
            surface = coloured(recipe.loss.mesh, recipe.target)
            if len(surface.vertices) != nodes or faces not in (0, len(surface.faces)):
                raise BadRequest(
                    f"{recipe.loss.mesh} has {len(surface.vertices):,} vertices and {len(surface.faces):,} "
                    f"faces, the recipe's mesh {nodes:,} and {faces:,}"
                )
        return cls(recipe.spec, surface, recipe.loss, steps=recipe.phases[-1].steps[1])

    @classmethod
    def weigh(cls, terms: Any) -> Mapping[str, float]:
        """See `Task`."""
        return {"error": 1.0, "overflow": terms.overflow}

    def meet(self, automaton: Automaton) -> None:
        """See `Task`."""
        self.automaton = automaton
        super().meet(automaton)

    def enter(self, number: int) -> None:
        """The mesh is now the one that a checkpoint had."""
        self.graph = self.surface.graph(self.spec.space.frame)
        if self.automaton is not None:
            self.automaton.graph = self.graph

    def tensors(self) -> dict[str, Tensor]:
        """The mesh and its colours."""
        return {"places": self.places, "faces": self.faces, "colours": self.colours}

    @property
    def surface(self) -> Surface:
        """What is coloured, in the colours that it is to come to."""
        return Surface(self.places.numpy(), self.faces.numpy(), self.colours.T.cpu().numpy())

    def seen(self, state: Tensor) -> Surface:
        """The mesh in the colours of a state `[channel, 1, node]`."""
        return self.surface.coloured(show(state, self.spec)[:, 0].T.detach().cpu().numpy())

    def introduce(self, folder: Path) -> None:
        """Draw the target from four sides."""
        if not (folder / "target.png").is_file():
            images.save_picture(folder / "target.png", sides(self.surface))

    def picture(self, state: Tensor) -> np.ndarray:
        """See `Task`: from the front."""
        return draw(self.seen(state), pixels=SMALL)

    def goal(self) -> np.ndarray:
        """The target, from the front."""
        return draw(self.surface, pixels=SMALL)

    @torch.no_grad()
    def finish(self, automaton: Automaton, folder: Path) -> Coated:
        """Measure a model, and write the coloured mesh and its pictures."""
        found = self._judge(automaton)
        state = seed_state(automaton.spec, *self.grid, device=automaton.device)
        frames, every = [draw(self.seen(state[0]))], max(1, self.steps // GROWTH)
        for step in range(0, self.steps, every):
            state = automaton.rollout(state, min(every, self.steps - step), seed=FIRE, start=step)
            frames.append(draw(self.seen(state[0])))
        grown = self.seen(state[0])
        images.save_animation(folder / "growth.webp", frames, fps=TURN_FPS)
        images.save_animation(folder / "turntable.webp", turning(grown), fps=TURN_FPS)
        images.save_picture(folder / "grown.png", sides(grown))
        for name in ("coloured.ply", "coloured.glb"):
            write(folder / name, grown)
        return found

    def _judge(self, automaton: Automaton) -> Coated:
        steps = self.steps
        first = seed_state(automaton.spec, *self.grid, batch=ROLLOUTS, device=automaton.device)
        grown = automaton.rollout(first, steps, seed=FIRE)
        late = automaton.rollout(grown, (LATE - 1) * steps, seed=FIRE, start=steps)
        chance = torch.Generator().manual_seed(FIRE)
        sources = torch.randint(self.graph.nodes, (ROLLOUTS,), generator=chance).tolist()
        gone = [nearest(self.graph, source, round(GONE * self.graph.nodes)) for source in sources]
        hurt = grown.masked_fill(torch.stack(gone)[:, None, None].to(grown.device), 0.0)
        healed = automaton.rollout(hurt, steps, seed=FIRE, start=steps)
        errors = [
            (show(state, automaton.spec)[:, :, 0] - self.colours).square().mean().item()
            for state in (grown, late, hurt, healed)
        ]
        plain = (self.colours - self.colours.mean(dim=1, keepdim=True)).square().mean().item()
        figures = dict(zip(("grown", "late", "hurt", "healed"), errors, strict=True)) | {"plain": plain}
        return Coated(
            stands=max(errors[0], errors[1]) < plain / 2,
            files=(
                "coloured.ply",
                "coloured.glb",
                "turntable.webp",
                "growth.webp",
                "grown.png",
                "target.png",
            ),
            fields={"surface": {"steps": steps, **figures}},
            steps=steps,
            **figures,
        )


def coloured(mesh: str, pattern: str) -> Surface:
    """A mesh in the colours of a pattern; or in its own, if the pattern is the mesh."""
    surface = named.load(mesh).surface
    return surface if pattern == mesh else patterns.paint(pattern, surface)
