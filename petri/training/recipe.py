"""The recipe: everything that decides how a run trains."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from petri import checks
from petri.datasets.sources import CLASSES
from petri.errors import BadRequest, nearest
from petri.nca.spec import Spec
from petri.targets import LARGEST, SMALLEST
from petri.targets.several import labels
from petri.tasks import TASKS
from petri.toml import parse

POOL_BYTES = 400_000_000  # a checkpoint holds the pool, so it is kept from growing with the grid
SCHEDULES = ("one-cycle", "drop")
METHODS = ("adam", "muon")
GENTLE = 0.25  # share of the learning rate with which a finished run goes on
MOST_NODES = 2**21  # of a ring or a mesh, which are one row
OWN = "own"  # a task that a program gives to the trainer; no file can name it


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of the run at one resolution; the phases make the curriculum.

    Source: the report, "Resolution curriculum".
    """

    res: int | tuple[int, int]  # cells along a side, or rows and columns; 1 and the nodes of a ring or a mesh
    epochs: int  # optimiser steps
    batch: int  # states trained together
    steps: tuple[int, int]  # least and most steps to grow, drawn anew each epoch
    again: tuple[int, int] | tuple[()] = ()  # and for unhurt states of the pool that have turns; as `steps`
    # Every so many epochs the batch is seeds, else the pool's; 1: always; 0: one of each batch is a seed.
    turns: int = 0
    fresh: int = 0  # so many of the batch of seeds are, and the others are the pool's; 0: all of it
    truncate: int = 0  # backpropagate through this many steps at most; 0 for all of them
    rate: float = 1.0  # share of the learning rate

    def __post_init__(self) -> None:
        object.__setattr__(self, "res", _grid(self.res))
        checks.whole("epochs", self.epochs, 1, 10_000_000)
        checks.whole("batch", self.batch, 1, 4096)
        object.__setattr__(self, "steps", _range("steps", self.steps))
        object.__setattr__(self, "again", _range("again", self.again) if self.again else ())
        checks.whole("turns", self.turns, 0, 1000)
        checks.whole("fresh", self.fresh, 0, self.batch)
        if self.fresh and not self.turns_of:
            raise BadRequest("fresh is of batches of seeds that have turns of their own: give turns too")
        if self.again and self.turns_of < 2:
            raise BadRequest("again is for states of the pool that have turns of their own: give turns too")
        checks.whole("truncate", self.truncate, 0, 100_000)
        checks.number("rate", self.rate, 0, 10, low_open=True)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.res if isinstance(self.res, tuple) else (self.res, self.res)

    @property
    def cells(self) -> int:
        """Cells of a grid."""
        return self.grid[0] * self.grid[1]

    @property
    def turns_of(self) -> int:
        """Of so many epochs the first begins from the seed alone; 0 where every batch has one seed.

        A batch of one has no room for both, so that they take turns anyway.
        """
        return self.turns or (2 if self.batch == 1 else 0)

    def seeds(self, epoch: int) -> int:
        """How many of the batch that follows `epoch` epochs are the seed."""
        if not self.turns_of:
            return 1
        return 0 if epoch % self.turns_of else self.fresh or self.batch

    def hurt(self, epoch: int, every: int) -> int:
        """How many of the batch that follows `epoch` epochs may be damaged: none of the seeds."""
        number = epoch
        if self.turns_of:  # of the pool's batches
            number = epoch - epoch // self.turns_of - 1
        return 0 if number % every else self.batch - self.seeds(epoch)

    def steps_of(self, epoch: int, *, hurt: bool = False) -> tuple[int, int]:
        """Least and most steps to grow in the epoch that follows `epoch` epochs; a wound gets them all."""
        return self.again if self.again and not hurt and not self.seeds(epoch) else self.steps

    @property
    def steps_a_epoch(self) -> float:
        """Steps to grow, the mean over epochs without damage."""
        if not (self.again and self.turns_of):
            return sum(self.steps) / 2
        return (sum(self.steps) + (self.turns_of - 1) * sum(self.again)) / 2 / self.turns_of


@dataclass(frozen=True, kw_only=True)
class PoolUse:
    """How states are kept and trained further.

    Source: Mordvintsev et al. 2020; the report, "Prioritized pool replay".
    """

    size: int = 256  # states kept, as far as 400 MB hold them
    priority: float = 0.0  # 0 draws evenly; else softmax of this many times loss / mean loss
    damage: int = 0  # so many of a batch, the best, lose a circle or a half before they grow on
    rivals: int = 0  # what has grown from a batch of seeds replaces the worst of so many entries; 0: any
    newcomer: int = 4  # where seeds have turns: of so many of these one batch stays, so that others grow old
    damage_of: int = 0  # where seeds have turns: what is damaged is the best of so many entries; 0: any
    damage_every: int = 1  # of so many batches that could be damaged one is, so that others last unhurt
    damage_from: float = 0.0  # share of a phase's epochs after which there is damage: what grows can be hurt
    damage_radii: tuple[float, float] = (0.1, 0.4)  # least and most of a circle, in halves of the grid's side
    damage_widens: float = 0.0  # share of a phase's epochs over which the most grows to that, from the least
    half_planes: bool = True  # false: damage is circles alone
    mutation: float = 0.0  # share of the states drawn of the pool that are to become another target

    def __post_init__(self) -> None:
        checks.whole("pool.size", self.size, 1, 1_000_000)
        checks.number("pool.priority", self.priority, 0, 100)
        checks.whole("pool.damage", self.damage, 0, 4096)
        checks.whole("pool.damage_of", self.damage_of, 0, 1_000_000)
        checks.whole("pool.damage_every", self.damage_every, 1, 1000)
        checks.number("pool.damage_from", self.damage_from, 0, 1)
        checks.number("pool.damage_widens", self.damage_widens, 0, 1)
        if not isinstance(self.damage_radii, (tuple, list)) or len(self.damage_radii) != 2:
            raise BadRequest(f"pool.damage_radii must be two numbers, got {self.damage_radii!r}")
        least, most = self.damage_radii
        least = checks.number("the least of pool.damage_radii", least, 0, 2, low_open=True)
        most = checks.number("the most of pool.damage_radii", most, least, 2)
        object.__setattr__(self, "damage_radii", (least, most))
        checks.whole("pool.rivals", self.rivals, 0, 1_000_000)
        checks.whole("pool.newcomer", self.newcomer, 1, 1000)
        checks.truth("pool.half_planes", self.half_planes)
        checks.number("pool.mutation", self.mutation, 0, 1)

    def radii_after(self, share: float) -> tuple[float, float]:
        """Least and most radius of a circle when so large a share of the phase's epochs is done."""
        least, most = self.damage_radii
        widened = min(1.0, share / self.damage_widens) if self.damage_widens else 1.0
        return least, least + (most - least) * widened


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """How weights are changed."""

    method: str = "adam"  # or muon: what changes matrices and convolutions
    learning_rate: float = 2e-3  # its peak
    schedule: str = "one-cycle"  # rises over the warm-up, then falls to nothing; drop: falls once
    drop_at: float = 0.25  # share of a phase after which it drops
    drop_to: float = 0.1  # share of the rate that is left
    warm_up: float = 0.1  # share of a phase in which the rate rises; in the first, rollouts lengthen too
    shortest: float = 0.25  # share of their length from which they do
    beta2: float = 0.999  # of Adam: its memory of how large gradients are, 1 / (1 - beta2) epochs
    clip: float = (
        0.0  # most of the norm of all gradients of a step together; 0: each tensor's is divided by its own
    )
    decoder_rate: float = 0.35  # share of the rate with which a decoder's weights are changed
    decoder_clip: float = 1.0  # most of the norm of a decoder's gradients, which are not divided by theirs
    average: float = 0.0  # the model is the moving average of its weights with this decay; 0 for none

    def __post_init__(self) -> None:
        checks.choice("optimiser.method", self.method, METHODS)
        checks.number("optimiser.learning_rate", self.learning_rate, 0, 1, low_open=True)
        checks.choice("optimiser.schedule", self.schedule, SCHEDULES)
        checks.number("optimiser.drop_at", self.drop_at, 0, 1)
        checks.number("optimiser.drop_to", self.drop_to, 0, 1)
        checks.number("optimiser.shortest", self.shortest, 0, 1, low_open=True)
        checks.number("optimiser.warm_up", self.warm_up, 0, 0.9)
        checks.number("optimiser.beta2", self.beta2, 0, 0.99999)
        checks.number("optimiser.clip", self.clip, 0, 1e6)
        checks.number("optimiser.decoder_rate", self.decoder_rate, 0, 100, low_open=True)
        checks.number("optimiser.decoder_clip", self.decoder_clip, 0, 1e6, low_open=True)
        checks.number("optimiser.average", self.average, 0, 0.99999)


@dataclass(frozen=True, kw_only=True)
class GuardUse:
    """What is done when training goes wrong, or when what it grows dies.

    Source: petri's own (docs/notes/2026-11-26-figures.md).
    """

    exploded: float = 1e4  # a state value beyond this will not come back
    good_every: int = 50  # epochs between the weights that a failing run goes back to
    returns: int = 3  # before it is given up
    slower: float = 0.5  # what a return, or many deaths, do to the learning rate
    slowest: float = 0.2  # of the learning rate; below that it is not lowered for deaths any more
    dying: float = 0.3  # share of the rollouts of late that may die before it is
    late: float = 0.01  # share of that average that one epoch is

    def __post_init__(self) -> None:
        checks.number("guard.exploded", self.exploded, 1, 1e30)
        checks.whole("guard.good_every", self.good_every, 1, 1_000_000)
        checks.whole("guard.returns", self.returns, 0, 1000)
        for name in ("slower", "slowest", "dying", "late"):
            checks.number(f"guard.{name}", getattr(self, name), 0, 1, low_open=True)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run, described completely; on the same CPU the same recipe gives the same model.

    Raises:
        BadRequest: a value out of range, or two that contradict each other; the message names them.

    Source: the report, "Training"; Mordvintsev et al. 2020.
    """

    target: str  # as given to `petri grow`; of several, what they are called together
    name: str  # what it is called; of a file, its name without the folders
    spec: Spec
    phases: tuple[Phase, ...]
    targets: tuple[str, ...] = ()  # of a rule of several targets, each as given
    task: str = "grow"  # what is asked of the automaton; one of petri.tasks.TASKS, or the program's own
    loss: Any = None  # the task's terms; its defaults if left out
    pool: PoolUse = field(default_factory=PoolUse)
    optimiser: Optimisation = field(default_factory=Optimisation)
    guard: GuardUse = field(default_factory=GuardUse)
    hold: int = 32  # steps that the pattern must last after it has grown
    checkpoint: int = 0  # of so many steps one state is kept for the way back; 0 lets the engine choose
    seed: int = 0  # of the weights, the pool's draws, the damage and the fire masks
    patience: float = 0.0  # share of the last phase without a better loss from the seed that ends it; 0: none
    weights: str = ""  # digest of the model that training starts from; drawn by the seed if empty

    def __post_init__(self) -> None:
        checks.printable("target", self.target)
        checks.printable("name", self.name)
        checks.choice("task", self.task, (*TASKS, OWN))
        if not isinstance(self.targets, (tuple, list)):
            raise BadRequest(f"targets must be a list of texts, got {self.targets!r}")
        object.__setattr__(self, "targets", tuple(self.targets))
        for target in self.targets:
            checks.printable("each of targets", target)
        terms = None if self.task == OWN else TASKS[self.task].terms
        if self.loss is None and terms is not None:
            object.__setattr__(self, "loss", terms())
        object.__setattr__(self, "phases", tuple(self.phases))
        if not self.phases:
            raise BadRequest("the recipe needs at least one phase")
        for before, after in zip(self.phases, self.phases[1:], strict=False):
            if after.cells < before.cells:
                raise BadRequest(f"phases must not shrink: res {after.res} follows {before.res}")
        for number, phase in enumerate(self.phases, 1):
            self.spec.check_grid(*phase.grid)
            if phase.batch > self.pool.size:
                raise BadRequest(
                    f"phase {number} draws {phase.batch} states from a pool of {self.pool.size}: "
                    "lower its batch or raise pool.size"
                )
        if self.task != OWN:
            TASKS[self.task].check(self)
        checks.whole("hold", self.hold, 0, 100_000)
        if getattr(self.loss, "stability", 0) and not self.hold:
            raise BadRequest("loss.stability is of the steps to hold: set it to 0, or hold to at least 1")
        checks.whole("checkpoint", self.checkpoint, 0, 1_000_000)
        checks.whole("seed", self.seed, 0, 2**32 - 1)
        checks.number("patience", self.patience, 0, 1)
        if self.weights:
            checks.printable("weights", self.weights, 64)

    @property
    def conditions(self) -> tuple[str, ...]:
        """A short name of each of several targets: what the fixed planes ask for."""
        return labels(self.targets)

    @property
    def classes(self) -> tuple[str, ...]:
        """Of a classifier what each of its votes is for."""
        return CLASSES.get(self.target, ()) if self.task == "classify" else ()

    @property
    def res(self) -> int:
        """Cells along a side in the end; along the longer one of a grid that is no square."""
        return max(self.phases[-1].grid)

    @property
    def epochs(self) -> int:
        """Optimiser steps of all phases."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def steps(self) -> tuple[int, int]:
        """Least and most steps to grow in the end."""
        return self.phases[-1].steps

    def phase_after(self, epoch: int) -> int:
        """Which phase, from 0, the epoch that follows `epoch` epochs belongs to; the last one at the end."""
        for number, phase in enumerate(self.phases):
            epoch -= phase.epochs
            if epoch < 0:
                return number
        return len(self.phases) - 1

    def so_far(self, epoch: int) -> Recipe:
        """What has been done of the recipe after `epoch` epochs: its phases up to there, the last one cut.

        At least one epoch is left, so that there is a phase.
        """
        number = self.phase_after(max(0, epoch - 1))
        done = sum(phase.epochs for phase in self.phases[:number])
        last = dataclasses.replace(self.phases[number], epochs=max(1, epoch - done))
        return dataclasses.replace(self, phases=(*self.phases[:number], last))

    def longer(self, epochs: int) -> Recipe:
        """The same with a phase more, like the last one but of so many epochs, at a gentler rate.

        At the full rate what has been learned would first be lost.
        """
        last = self.phases[-1]
        last = dataclasses.replace(last, epochs=epochs, rate=min(last.rate, GENTLE))
        return dataclasses.replace(self, phases=(*self.phases, last))

    def pool_size(self, phase: Phase) -> int:
        """States that the pool holds in a phase: as many as asked for, if memory allows."""
        entry = self.spec.planes * phase.cells * 4
        return max(phase.batch, min(self.pool.size, POOL_BYTES // entry))

    def to_fields(self) -> dict[str, Any]:
        """All fields as plain values in tables; JSON and TOML can hold them."""
        return plain(dataclasses.asdict(self) | {"spec": self.spec.to_fields()})

    def to_toml(self) -> str:
        """The recipe as TOML text."""
        import tomli_w

        return tomli_w.dumps(self.to_fields())

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Recipe:
        """Make a recipe of plain values, as `to_fields` gives them; those with a default may be left out.

        Raises:
            BadRequest: a field missing, unknown or not valid.
        """
        fields = _known(cls, fields, "")
        for name in ("target", "name", "spec", "phases"):
            if name not in fields:
                raise BadRequest(f"the recipe lacks the field {name!r}")
        made = dict(fields)
        made["spec"] = Spec.from_fields(_with_none(_table(fields["spec"], "spec")))
        if not isinstance(fields["phases"], list):
            raise BadRequest("the recipe's phases must be a list of tables")
        made["phases"] = tuple(
            _phase(table, f"phases.{number}") for number, table in enumerate(fields["phases"], 1)
        )
        task = checks.choice("task", fields.get("task", cls.task), tuple(TASKS))
        tables = {"loss": TASKS[task].terms, "pool": PoolUse, "optimiser": Optimisation, "guard": GuardUse}
        for name, kind in tables.items():
            if kind is None and fields.get(name) not in (None, "none", {}):
                raise BadRequest(f"the task {task} has no table {name!r}")
            if kind is None:
                made.pop(name, None)
            if kind is not None and name in fields:
                made[name] = kind(**_known(kind, _table(fields[name], name), name))
        return cls(**made)

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Read what `to_toml` wrote.

        Raises:
            BadRequest: not TOML, or a field missing, unknown or not valid.
        """
        return cls.from_fields(parse(text))


def _grid(value: Any) -> int | tuple[int, int]:
    if not isinstance(value, (tuple, list)):
        return checks.whole("res", value, SMALLEST, LARGEST)
    if len(value) != 2:
        raise BadRequest(f"res must be a number of cells, or rows and columns, got {value!r}")
    most = MOST_NODES if value[0] == 1 else LARGEST
    rows, columns = (checks.whole("each of res", side, 1, most) for side in value)
    return rows if rows == columns >= SMALLEST else (rows, columns)


def _range(name: str, value: Any) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise BadRequest(f"{name} must be two whole numbers, least and most, got {value!r}")
    least = checks.whole(f"the least of {name}", value[0], 1, 100_000)
    return least, checks.whole(f"the most of {name}", value[1], least, 100_000)


def plain(value: Any) -> Any:
    """Tuples as lists and None as "none", which TOML has no word for."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return "none" if value is None else value


def _with_none(value: Any) -> Any:
    """The other way round, for tables in tables."""
    if isinstance(value, dict):
        return {name: _with_none(inner) for name, inner in value.items()}
    return None if value == "none" else value


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"the recipe's {name} must be a table, got {value!r}")
    return value


def _known(kind: type, fields: dict[str, Any], where: str) -> dict[str, Any]:
    known = [entry.name for entry in dataclasses.fields(kind)]
    for name in fields:
        if name not in known:
            path = f"{where}.{name}" if where else name
            its = not where and name in (entry.name for entry in dataclasses.fields(Phase))
            hint = f", but each of its phases may have {name!r}" if its else nearest(name, known)
            raise BadRequest(f"the recipe has an unknown field {path!r}{hint}")
    return fields


def _phase(table: Any, name: str) -> Phase:
    fields = _known(Phase, _table(table, name), name)
    for entry in dataclasses.fields(Phase):
        if entry.name not in fields and entry.default is dataclasses.MISSING:
            raise BadRequest(f"the recipe lacks the field '{name}.{entry.name}'")
    try:
        return Phase(**fields)
    except BadRequest as error:
        raise BadRequest(f"{name}: {error}") from None
