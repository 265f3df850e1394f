"""What a comparison is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from petri import checks, datasets
from petri.errors import BadRequest
from petri.repair import damage, networks, plan, variants
from petri.repair.layers import Part
from petri.repair.variants import VARIANTS

RATES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # the document's
PERMUTED = "permuted"  # random damage to networks whose pixels are in another order: no picture is left
SHUFFLED = "shuffled"  # the same weights lost as at random, the units in another order
FLIPS = "flips"  # flipped bits at places unknown: found first, then repaired
DAMAGES = (*damage.KINDS, damage.ADVERSARIAL, PERMUTED, SHUFFLED, FLIPS)
LAYERS = (*networks.HIDDEN, *networks.CONVOLUTIONAL)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is compared."""

    data: str = "mnist"  # of the networks that are repaired
    layer: str = "first"  # that is damaged; it says which networks, too
    zoo: int = plan.ZOO  # networks that automata learn from; of MNIST, also where others are repaired
    masks: int = 5  # for each network and rate
    rates: tuple[float, ...] = RATES
    kinds: tuple[str, ...] = ("random",)  # of damage
    variants: tuple[str, ...] | None = None  # None: all that fit the layer, but those that are slow

    def __post_init__(self) -> None:
        checks.choice("data", self.data, datasets.NAMES)
        checks.choice("layer", self.layer, LAYERS)
        checks.whole("zoo", self.zoo, 1, 10_000)
        checks.whole("masks", self.masks, 1, 1000)
        for name, values in (("rates", self.rates), ("kinds of damage", self.kinds)):
            if not values or len(set(values)) < len(values):
                raise BadRequest(
                    f"{name} must be there, each once, got {', '.join(map(str, values)) or 'none'}"
                )
        for rate in self.rates:
            damage.check_rate(rate)
        for kind in self.kinds:
            checks.choice("the damage", kind, DAMAGES)
        if PERMUTED in self.kinds and self.layer != "first":
            raise BadRequest(
                f"the damage {PERMUTED} is of pixels, which only the first layer sees, got {self.layer}"
            )
        if SHUFFLED in self.kinds and self.shape.following is None:
            raise BadRequest(f"the damage {SHUFFLED} is of units; those of {self.layer} are the classes")
        for name in self.compared:
            checks.choice("each of the variants", name, tuple(VARIANTS))
            if obstacle := VARIANTS[name].obstacle(self.shape):
                raise BadRequest(f"the variant {name!r} cannot repair this layer: {obstacle}")

    @property
    def shape(self) -> Part:
        """The layer that is damaged, all zeros."""
        return networks.blank(plan.judged(self.data, self.layer)[0]).part(self.layer)

    @property
    def compared(self) -> tuple[str, ...]:
        """The variants."""
        return variants.fitting(self.shape) if self.variants is None else self.variants

    @property
    def learned_from(self) -> str:
        """The data of the zoo."""
        return "mini" if self.data == "mini" else "mnist"

    @property
    def title(self) -> str:
        """What its files are called by, such as `mnist`, or `mnist-conv1`."""
        return self.data if self.layer == "first" else f"{self.data}-{self.layer}"
