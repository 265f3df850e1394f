"""Model files: the weights as safetensors, and in its metadata the Spec and where they come from.

Reading one executes nothing, and refuses whatever does not fit the Spec.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from petri import checks, hooks, samples, tensorfile
from petri.errors import BadRequest, NotAModel
from petri.files import write_whole
from petri.nca import Automaton, Spec, opening_state
from petri.nca.automaton import departure
from petri.version import __version__

if TYPE_CHECKING:
    from petri.graph.mesh import Surface

ENDING = ".safetensors"
FORMAT = "petri"
FIRST_SEEN = 7  # which of a classifier's pictures
LARGEST, LONGEST = 256, 512  # cells along a side that `Model.grown` takes, and steps
SCHEMA = "2"  # raised when a reader of the old one would misread the new one


@dataclass(frozen=True, kw_only=True)
class Model:
    """What a model file holds."""

    automaton: Automaton
    target: str  # name of what it grows
    training: dict[str, Any] = field(default_factory=dict)  # how it was trained; JSON values
    conditions: tuple[str, ...] = ()  # of a rule of several targets: what each of its fixed planes asks for
    classes: tuple[str, ...] = ()  # of a classifier: what each of its votes is for
    surface: Surface | None = None  # of a mesh: the one that its automaton has; no file of a model holds it

    def __post_init__(self) -> None:
        for label in self.classes:
            checks.printable("each of the classes", label)
        if len(self.classes) != self.spec.classes or len(set(self.classes)) < len(self.classes):
            raise BadRequest(
                f"there must be a name, and each another, for each of the Spec's {self.spec.classes} "
                f"classes, got {', '.join(self.classes) or 'none'}"
            )
        if not self.conditions:
            return
        for label in self.conditions:
            checks.printable("each of the conditions", label)
        if len(set(self.conditions)) < len(self.conditions):
            raise BadRequest(f"conditions must differ, got {', '.join(self.conditions)}")
        if len(self.conditions) != self.spec.fixed:
            raise BadRequest(
                f"there must be a condition for each of the Spec's {self.spec.fixed} fixed planes, "
                f"got {len(self.conditions)}"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns that it was trained on; 72 of each, the field's usual size, if it does not say.

        Of a ring or a mesh they are 1 and its nodes.
        """
        res = self._last_phase.get("res")
        rows, columns = res if isinstance(res, list) and len(res) == 2 else (res, res)
        if self.spec.space.on_graph:
            if rows != 1 or not isinstance(columns, int) or not 3 <= columns <= 2**21:
                return 1, 72
            return 1, columns
        if not isinstance(rows, int) or not isinstance(columns, int):
            return 72, 72
        return (rows, columns) if min(rows, columns) >= 8 and max(rows, columns) <= 4096 else (72, 72)

    @property
    def nodes(self) -> int:
        """Nodes of a ring or a mesh: of its surface, or as many as it was trained on."""
        return len(self.surface.vertices) if self.surface else self.grid[1]

    @property
    def res(self) -> int:
        """Cells along a side that it was trained on; along the longer one of a grid that is no square."""
        return max(self.grid)

    @property
    def pixels(self) -> int:
        """Pixels along the longer side that it was trained to paint; without a decoder a pixel is a cell."""
        loss = self._recipe.get("loss")
        pixels = loss.get("pixels") if isinstance(loss, dict) else None
        if self.spec.decoder and isinstance(pixels, int) and self.res <= pixels <= 65_536:
            return pixels
        return self.res

    def pixels_of(self, res: int) -> int:
        """Pixels of a grid of `res` cells along the longer side: to each cell as many as in training."""
        return self.pixels * res // self.res

    @property
    def steps(self) -> int:
        """Most steps that it was trained to grow in; 100 if it does not say."""
        steps = self._last_phase.get("steps")
        most = steps[-1] if isinstance(steps, list) and steps else None
        return most if isinstance(most, int) and 1 <= most <= 50_000 else 100

    @property
    def spec(self) -> Spec:
        """What its automaton does."""
        return self.automaton.spec

    @property
    def task(self) -> str:
        """What it was trained for: a name of `petri.tasks.TASKS`; growing a picture if it does not say."""
        task = self._recipe.get("task")
        return task if isinstance(task, str) else "grow"

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of what it grows: one, or of several one for each condition."""
        several = self._recipe.get("targets")
        if isinstance(several, list) and several and all(isinstance(name, str) for name in several):
            return tuple(several)
        return (self.target,)

    def condition(self, asked: str | int | None = None) -> int | None:
        """The fixed plane that asks for one of its targets, from 0; None if it knows no conditions.

        Args:
            asked: a label of `conditions`, or the target as it was named in training, such as `emoji:🦋`, or
                a number; the first if None.

        Raises:
            BadRequest: there is no such condition; the message lists those that there are.
        """
        if asked is None:
            return 0 if self.conditions else None
        if not self.conditions:
            raise BadRequest(f"{self.target} is one target and knows no conditions, such as {asked!r}")
        if isinstance(asked, int):
            if 0 <= asked < len(self.conditions):
                return asked
        else:
            for name in (asked, asked.partition(":")[2]):
                if name in self.conditions:
                    return self.conditions.index(name)
        raise BadRequest(f"there is no condition {asked!r}; there are {', '.join(self.conditions)}")

    def seed_state(
        self,
        height: int | None = None,
        width: int | None = None,
        *,
        condition: str | int | None = None,
        **how: Any,
    ) -> Tensor:
        """The state that it starts from, on the grid that it was trained on if no size is given.

        Args:
            condition: as for `condition`.
            height, width, how: as for `Automaton.seed_state`.
        """
        if height is None:
            height, width = self.grid
            if self.spec.space.on_graph:
                height, width = width, None
        if "fixed" not in how:
            how["condition"] = self.condition(condition)
        return self.automaton.seed_state(height, width, **how)

    def step(self, state: Tensor, *, step: int, seeds: Tensor) -> Tensor:
        """See `Automaton.step`."""
        return self.automaton.step(state, step=step, seeds=seeds)

    def rollout(self, state: Tensor, steps: int, **how: Any) -> Tensor:
        """See `Automaton.rollout`."""
        return self.automaton.rollout(state, steps, **how)

    def _repr_html_(self) -> str:
        """How a notebook shows it: alive, by `petri.viewing.notebook`, which `petri.hooks` leads to."""
        return hooks.alive(self)

    @property
    def hold(self) -> int:
        """Steps that it was trained to last after it has grown; 32, the report's, if it does not say."""
        hold = self._recipe.get("hold")
        return hold if isinstance(hold, int) and 0 <= hold <= 50_000 else 32

    @torch.no_grad()
    def grown(self, condition: str | int | None = None) -> Tensor:
        """What it has grown when its time to grow is over, `[channel, height, width]`.

        On its own grid; on large ones, which would take long, on fewer cells and for fewer steps.

        Args:
            condition: as for `condition`.
        """
        automaton, (height, width) = self.automaton, (1, self.nodes)
        if not self.spec.space.on_graph:
            height, width = (min(side, LARGEST) for side in self.grid)
        state = opening_state(
            automaton.spec,
            height,
            width,
            device=automaton.device,
            condition=self.condition(condition),
            fixed=self.sample((height, width)),
        )
        return automaton.rollout(state, min(self.steps, LONGEST))[0]

    @property
    def samples(self) -> Tensor | None:
        """Of a classifier some pictures, float32 `[n, fixed, height, width]` in 0..1, if its file has any."""
        return samples.read(self.training.get("samples"), self.spec.fixed) if self.classes else None

    def sample(self, grid: tuple[int, int]) -> Tensor | None:
        """The picture that a classifier is first seen with, `[fixed, height, width]`, if the grid fits it."""
        found = self.samples
        return None if found is None or found.shape[-2:] != grid else found[min(FIRST_SEEN, len(found) - 1)]

    @property
    def _last_phase(self) -> dict[str, Any]:
        phases = self._recipe.get("phases")
        last = phases[-1] if isinstance(phases, list) and phases else {}
        return last if isinstance(last, dict) else {}

    @property
    def _recipe(self) -> dict[str, Any]:
        recipe = self.training.get("recipe")
        return recipe if isinstance(recipe, dict) else {}


def weights(automaton: Automaton) -> dict[str, Tensor]:
    """The trained tensors by their names in a file: `perception.0.bank` if trained, `rule.weights.0` …"""
    return dict(automaton.named_parameters())


def digest(automaton: Automaton) -> str:
    """A name for a model's weights, 16 hexadecimal digits: another one for every other bit in them."""
    summed = hashlib.sha256()
    for name, tensor in sorted(weights(automaton).items()):
        summed.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
    return summed.hexdigest()[:16]


def write(path: Path, model: Model) -> None:
    """Write a model file, whole or not at all."""
    write_whole(path, to_bytes(model))


def to_bytes(model: Model) -> bytes:
    """What a model file holds.

    Raises:
        BadRequest: the target is no text that `read` would take, or the automaton does what its Spec and its
            weights do not tell.
    """
    checks.printable("target", model.target)
    if departed := departure(model.automaton):
        raise BadRequest(f"a model file holds a Spec and weights, which do not tell all: {departed}")
    tensors = {name: tensor.detach().float().cpu() for name, tensor in weights(model.automaton).items()}
    metadata = {
        "format": FORMAT,
        "schema": SCHEMA,
        "version": __version__,
        "spec": model.automaton.spec.to_json(),
        "target": model.target,
        "training": json.dumps(model.training, sort_keys=True, separators=(",", ":")),
    }
    if model.conditions:
        metadata["conditions"] = json.dumps(model.conditions, ensure_ascii=False)
    if model.classes:
        metadata["classes"] = json.dumps(model.classes, ensure_ascii=False)
    return tensorfile.to_bytes(tensors, metadata)


def read(path: Path) -> Model:
    """Read a model file.

    Raises:
        NotAModel: there is something else.
        BadRequest: not there, of another schema, or its Spec and weights do not fit each other; the message
            names the field.
    """
    path = Path(path)
    try:
        metadata, tensors = tensorfile.read(path, "model file")
    except BadRequest as error:
        damaged = path.suffix == ENDING or not path.exists()
        raise error if damaged else NotAModel(str(error)) from None
    try:
        return _check(metadata, tensors)
    except BadRequest as error:
        raise type(error)(f"{path}: {error}") from None


def upgraded(
    metadata: dict[str, str], tensors: dict[str, Tensor]
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """What a file of version 0.1 holds (schema 1), as this version writes it.

    Its Spec was flat, which `Spec` still reads, and its trained bank was the only one.
    """
    if metadata["schema"] != "1":
        return metadata, tensors
    return metadata | {"schema": SCHEMA}, {renamed(name): tensor for name, tensor in tensors.items()}


def renamed(name: str) -> str:
    """The name of a tensor of version 0.1 as it is now."""
    path, dot, last = name.rpartition("perception.bank")
    return f"{path}perception.0.bank" if dot and not last else name


def _check(metadata: dict[str, str], tensors: dict[str, Tensor]) -> Model:
    if metadata.get("format") != FORMAT:
        raise NotAModel("not a petri model: its metadata lacks format = petri")
    for name in ("schema", "version", "spec", "target", "training"):
        if name not in metadata:
            raise BadRequest(f"the metadata lacks {name}")
    metadata, tensors = upgraded(metadata, tensors)
    if metadata["schema"] != SCHEMA:
        raise BadRequest(
            f"schema must be {SCHEMA}, got {metadata['schema']!r}: "
            f"written by petri {metadata['version']!r}, this is {__version__}"
        )
    checks.printable("target", metadata["target"])
    automaton = Automaton(Spec.from_json(metadata["spec"]))
    expected = weights(automaton)
    for name in sorted(expected.keys() ^ tensors.keys()):
        raise BadRequest(f"the Spec {'needs' if name in expected else 'has no place for'} the tensor {name}")
    for name, place in expected.items():
        tensor = tensors[name]
        if tensor.dtype != torch.float32:
            raise BadRequest(f"{name} must be float32, got {tensor.dtype}")
        if tensor.shape != place.shape:
            raise BadRequest(f"{name} must be {list(place.shape)} by the Spec, got {list(tensor.shape)}")
        if not tensor.isfinite().all():
            raise BadRequest(f"{name} has values that are not finite")
        place.data.copy_(tensor)
    try:
        training = json.loads(metadata["training"])
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"training is not JSON: {error}") from None
    if not isinstance(training, dict):
        raise BadRequest(f"training must be a JSON object, got {type(training).__name__}")
    conditions, classes = (_labels(name, metadata.get(name, "[]")) for name in ("conditions", "classes"))
    return Model(
        automaton=automaton,
        target=metadata["target"],
        training=training,
        conditions=conditions,
        classes=classes,
    )


def _labels(name: str, text: str) -> tuple[str, ...]:
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{name} is not JSON: {error}") from None
    if not isinstance(labels, list):
        raise BadRequest(f"{name} must be a list, got {type(labels).__name__}")
    return tuple(labels)
