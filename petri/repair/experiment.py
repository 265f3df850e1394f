"""The comparison: damaged networks, every method, the same masks for all; kept case by case."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from petri import checks, datasets
from petri.nca import Automaton
from petri.record import Record
from petri.repair import automata, damage, methods, networks, plan
from petri.repair.calibration import UNLABELLED, Sight, statistics
from petri.repair.cases import Case, Figure, merged
from petri.repair.damaged import Damaged, picture
from petri.repair.detect import judged, suspects
from petri.repair.habits import Habits
from petri.repair.kriging import kriging
from petri.repair.measure import Judge, gradient
from petri.repair.networks import Images, Making, Weights
from petri.repair.restoring import Restoring
from petri.repair.variants import ITSELF, VARIANTS

RATES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # the document's
PERMUTED = "permuted"  # random damage to networks whose pixels are in another order: no picture is left
FLIPS = "flips"  # flipped bits at places unknown: found first, by kriging, then repaired
DAMAGES = (*damage.KINDS, damage.ADVERSARIAL, PERMUTED, FLIPS)
LEFT = "left as it is"  # flipped bits and all
SLOW = ("attention",)  # variants that are compared only where they are named


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is compared."""

    data: str = "mnist"  # of the networks that are repaired
    zoo: int = plan.ZOO  # networks that automata learn from; of MNIST, also where others are repaired
    masks: int = 5  # for each network and rate
    rates: tuple[float, ...] = RATES
    kinds: tuple[str, ...] = ("random",)  # of damage
    variants: tuple[str, ...] = tuple(name for name in VARIANTS if name not in SLOW)

    def __post_init__(self) -> None:
        checks.choice("data", self.data, datasets.NAMES)
        checks.whole("zoo", self.zoo, 1, 10_000)
        checks.whole("masks", self.masks, 1, 1000)
        for rate in self.rates:
            damage.check_rate(rate)
        for kind in self.kinds:
            checks.choice("the damage", kind, DAMAGES)
        for name in self.variants:
            checks.choice("each of the variants", name, tuple(VARIANTS))

    @property
    def learned_from(self) -> str:
        """The data of the zoo."""
        return "mini" if self.data == "mini" else "mnist"


class Experiment:
    """What a comparison needs, made when it is first asked for, and kept in a folder.

    Args:
        folder: of networks, automata and results; it is made.
        asked: what is compared.
        load: gives the images of a data set.
        tell: told what is being done, a line each.
    """

    def __init__(
        self, folder: Path, asked: Asked, load: Callable[[str], Images], tell: Callable[[str], None]
    ) -> None:
        self.folder, self.asked, self._load, self.tell = folder, asked, load, tell
        self._images: dict[str, Images] = {}

    def images(self, data: str) -> Images:
        """Of a data set."""
        if data not in self._images:
            self._images[data] = self._load(data)
        return self._images[data]

    def _kept(self, makings: Sequence[Making]) -> list[Weights]:
        folder, data = self.folder / "networks", makings[0].data
        return networks.kept(makings, folder, lambda: self.images(data), self.tell)

    @cached_property
    def makings(self) -> list[Making]:
        """Of the networks that are repaired."""
        return plan.judged(self.asked.data)

    @cached_property
    def judged(self) -> list[Weights]:
        """The networks that are repaired."""
        return self._kept(self.makings)

    @cached_property
    def zoo(self) -> list[Weights]:
        """Networks to learn from."""
        return self._kept(plan.zoo(self.asked.zoo, self.asked.learned_from))

    @cached_property
    def habits(self) -> Habits:
        """What the zoo has in common."""
        return Habits.of(self.zoo)

    def automaton(self, name: str) -> Automaton:
        """A variant's, trained now if it has not been."""
        variant, data = VARIANTS[name], self.asked.learned_from
        learned = f"{data}-{self.asked.zoo}" if variant.learns_from != ITSELF else plan.judged(data)[0].name

        def make() -> Any:
            itself = variant.learns_from == ITSELF
            teachers = self._kept(plan.judged(data))[:1] if itself else self.zoo
            task = Restoring(variant, teachers, Sight.of(self.images(data).train), self.habits)

            def tell(epoch: int, loss: float) -> None:
                if epoch % 50 == 0:
                    where = f"{epoch:,} of {variant.epochs:,} epochs, loss {loss:.3f}"
                    self.tell(f"training the automaton {name!r}: {where}")

            return automata.train(task, tell=tell)

        return automata.kept(
            self.folder / "automata" / f"{name.replace(' ', '-')}-{learned}.safetensors", make
        )

    @cached_property
    def methods(self) -> dict[str, methods.Method]:
        """All that are compared."""
        return methods.classical(self.habits) | {
            name: methods.of_automaton(name, self.automaton(name), self.habits)
            for name in self.asked.variants
        }

    @cached_property
    def sights(self) -> tuple[Sight, Sight]:
        """Of all training images, which what is stored is of, and of the few that a repair may look at."""
        train = self.images(self.asked.data).train
        return Sight.of(train), Sight.of(train[:UNLABELLED])

    def scene(self, number: int, kind: str, rate: float, mask: int) -> tuple[Damaged, Judge]:
        """One of the networks that are repaired, damaged; and its judge."""
        whole, images, (full, some) = self.judged[number], self.images(self.asked.data), self.sights
        test, habits = images.test, self.habits
        if kind == PERMUTED:
            order = torch.randperm(test.shape[1], generator=torch.Generator().manual_seed(0))
            whole, test = replace(whole, first=whole.first[:, order].contiguous()), test[:, order]
            full, some, habits = full.permuted(order), some.permuted(order), habits.permuted(order)
        if kind == FLIPS:
            flipped, _ = self.flipped(number, rate, mask)
            known = ~suspects(
                flipped, lambda weights, shown: kriging(weights, shown, picture(weights.shape[1]))
            )
            stored = statistics(whole.first, whole.first_bias, full)
            found = Damaged.of(replace(whole, first=flipped), known, stored, some, habits)
            return found, Judge.of(whole, test, images.test_labels)
        if kind == damage.ADVERSARIAL:
            known = damage.adversarial(whole.first, gradient(whole, images.train[:UNLABELLED]), rate)
        else:
            known = damage.mask("random" if kind == PERMUTED else kind, whole.first.shape, rate, mask)
        stored = statistics(whole.first, whole.first_bias, full)
        return Damaged.of(whole, known, stored, some, habits), Judge.of(whole, test, images.test_labels)

    def flipped(self, number: int, rate: float, mask: int) -> tuple[Tensor, Tensor]:
        """The first layer of one of the networks with one bit of so large a share of weights flipped."""
        first = self.judged[number].first
        return damage.flip_bits(first, max(1, round(damage.check_rate(rate) * first.numel())), mask)

    def run(self, record: Record[Case]) -> list[Case]:
        """Damage and repair whatever the record lacks.

        Returns:
            The cases that were asked for, each with all methods.
        """
        asked, found = self.asked, merged(record.trials)
        wanted = [
            (number, kind, rate, mask)
            for number in range(len(self.makings))
            for kind in asked.kinds
            for rate in asked.rates
            for mask in range(asked.masks if kind != damage.ADVERSARIAL else 1)
        ]
        cases = []
        for done, (number, kind, rate, mask) in enumerate(wanted, 1):
            place = (self.makings[number].name, kind, rate, mask)
            there = found.get(place)
            lacking = {
                name: method
                for name, method in self.methods.items()
                if there is None
                or any(methods.called(name, each) not in there.figures for each in method.calibrated)
            }
            if lacking:
                self.tell(
                    f"case {done} of {len(wanted)}: {place[0]}, {kind}, {100 * rate:.0f} % lost, mask {mask}"
                )
                damaged, judge = self.scene(number, kind, rate, mask)
                figures = _figures(lacking, damaged, judge)
                case = Case(*place, judge.accuracy, figures)
                if kind == FLIPS:
                    flipped, where = self.flipped(number, rate, mask)
                    right, apart = judge.of_network(replace(judge.whole, first=flipped))
                    figures[LEFT] = Figure(right, apart, math.nan, 0)
                    case = replace(case, found=judged(~damaged.known, where, judge.whole.first, flipped))
                record.add(case)
                there = case if there is None else replace(there, figures=there.figures | case.figures)
            assert there is not None
            cases.append(there)
        return cases


def _figures(found: dict[str, methods.Method], damaged: Damaged, judge: Judge) -> dict[str, Figure]:
    """What methods come to, by the names in tables."""
    made = {}
    for name, method in found.items():
        first: Tensor = method.estimate(damaged, judge.whole)
        explained = judge.explained(first, damaged.known)
        for calibrate in method.calibrated:
            right, apart = judge.of_network(damaged.with_first(first, calibrate=calibrate))
            stored = method.stored(len(first), calibrate)
            made[methods.called(name, calibrate)] = Figure(right, apart, explained, stored)
    return made
