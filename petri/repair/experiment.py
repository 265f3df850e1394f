"""What a comparison needs: networks, automata and methods, each made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from petri.modelfile import Model
from petri.nca import Automaton
from petri.repair import automata, methods, networks, plan
from petri.repair.asked import Asked
from petri.repair.calibration import UNLABELLED, Sight
from petri.repair.habits import Habits
from petri.repair.layers import Part
from petri.repair.networks import Images, Making
from petri.repair.restoring import Restoring
from petri.repair.variants import ITSELF, VARIANTS

STORED = 10_000  # images that what is stored of a later layer is of; of the first, all training images
SEEN = 500  # images that the divergence of outputs is of, in training


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
        self._sights: dict[tuple[str, int], Sight] = {}

    def images(self, data: str) -> Images:
        """Of a data set."""
        if data not in self._images:
            self._images[data] = self._load(data)
        return self._images[data]

    def _kept(self, makings: Sequence[Making]) -> list[Part]:
        data = makings[0].data
        found = networks.kept(makings, self.networks, lambda: self.images(data), self.tell)
        return [network.part(self.asked.layer) for network in found]

    @property
    def networks(self) -> Path:
        """The folder of networks."""
        return self.folder / "networks"

    @cached_property
    def makings(self) -> list[Making]:
        """Of the networks that are repaired."""
        return plan.judged(self.asked.data, self.asked.layer)

    @cached_property
    def judged(self) -> list[Part]:
        """The layer of each network that is repaired."""
        return self._kept(self.makings)

    @cached_property
    def zoo_makings(self) -> list[Making]:
        """Of the networks to learn from."""
        return plan.zoo(self.asked.zoo, self.asked.learned_from, self.asked.layer)

    @cached_property
    def zoo(self) -> list[Part]:
        """The layer of each network to learn from."""
        return self._kept(self.zoo_makings)

    @cached_property
    def habits(self) -> Habits:
        """What the zoo has in common."""
        return Habits.of(self.zoo)

    def sight(self, part: Part, data: str, count: int | None) -> Sight:
        """Of what a layer is given of so many training images, the first; of all, where there is no count.

        The first layer is given the images themselves, whatever the network.
        """
        images = self.images(data).train[:count]
        if part.index or part.layer.convolves:
            return Sight.by(part, images)
        key = data, len(images)
        if key not in self._sights:
            self._sights[key] = Sight.by(part, images)
        return self._sights[key]

    def _learned(self, parts: Sequence[Part]) -> list[Sight]:
        """Of layers that automata learn from."""
        count = None if self.asked.layer == "first" else UNLABELLED
        return [self.sight(part, self.asked.learned_from, count) for part in parts]

    @cached_property
    def _zoo_sights(self) -> list[Sight]:
        return self._learned(self.zoo)

    @property
    def own(self) -> dict[str, str]:
        """Of automata that learn from a network that they are to repair, its name."""
        learned = plan.judged(self.asked.learned_from, self.asked.layer)[0].name
        return {name: learned for name in self.asked.compared if VARIANTS[name].learns_from == ITSELF}

    def automaton_file(self, name: str) -> Path:
        """Where a variant's automaton is kept."""
        data, layer = self.asked.learned_from, self.asked.layer
        learned = f"{data}-{self.asked.zoo}"
        if VARIANTS[name].learns_from == ITSELF:
            learned = plan.judged(data, layer)[0].name
        of = "" if layer == "first" else f"-{layer}"
        return self.folder / "automata" / f"{name.replace(' ', '-')}{of}-{learned}.safetensors"

    def automaton(self, name: str) -> Automaton:
        """A variant's, trained now if it has not been."""
        variant, data = VARIANTS[name], self.asked.learned_from

        def make() -> Model:
            itself = variant.learns_from == ITSELF
            parts = self._kept(plan.judged(data, self.asked.layer)[:1]) if itself else self.zoo
            sights = self._learned(parts) if itself else self._zoo_sights
            task = Restoring(variant, parts, sights, self.habits, self.images(data).train[:SEEN])

            def tell(epoch: int, loss: float) -> None:
                if epoch % 50 == 0:
                    where = f"{epoch:,} of {variant.epochs:,} epochs, loss {loss:.3f}"
                    self.tell(f"training the automaton {name!r}: {where}")

            return automata.train(task, tell=tell)

        return automata.kept(self.automaton_file(name), variant, make)

    @cached_property
    def automata(self) -> dict[str, Automaton]:
        """Of all variants that are compared."""
        return {name: self.automaton(name) for name in self.asked.compared}

    @cached_property
    def methods(self) -> dict[str, methods.Method]:
        """All that are compared."""
        found = {
            name: methods.of_automaton(name, automaton, self.habits)
            for name, automaton in self.automata.items()
        }
        return methods.classical(self.judged[0], self.habits) | found

    @cached_property
    def sights(self) -> list[tuple[Sight, Sight]]:
        """Of each network that is repaired: by the images of what is stored, and by the few a repair sees."""
        data, many = self.asked.data, None if self.asked.layer == "first" else STORED
        return [(self.sight(part, data, many), self.sight(part, data, UNLABELLED)) for part in self.judged]
