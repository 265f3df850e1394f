"""The perceptual loss: how far a picture's features lie from the target's, as VGG16 sees them."""

from __future__ import annotations

from torch import Tensor

from petri.losses.vgg import features

LAYERS = ("relu1_2", "relu2_2", "relu3_3")  # the last of each block


class PerceptualLoss:
    """Compares pictures with one target.

    Args:
        target: `[3 or more, height, width]`, RGB first, in 0..1, 16 cells a side or more.

    Source: Johnson et al. 2016; Simonyan and Zisserman 2015; the report, "Perceptual loss".
    """

    def __init__(self, target: Tensor) -> None:
        self.features = [block.float() for block in features(target[None, :3], LAYERS)]
        self.energies = [block.square().mean() for block in self.features]

    def __call__(self, state: Tensor) -> Tensor:
        """How far a sample's features lie from the target's, as a share of the target's own.

        Args:
            state: `[batch, channel, height, width]`, RGB first; values outside 0..1 count as 0 or 1.

        Returns:
            `[batch]`: squared distance over the squared size of the target's features, mean of the three
            blocks; 0 for the target itself, about 1 for something quite else.
        """
        total = state.new_zeros(())
        found = features(state[:, :3], LAYERS)
        for block, wanted, energy in zip(found, self.features, self.energies, strict=True):
            total = total + (block.float() - wanted).square().mean(dim=(1, 2, 3)) / energy
        return total / len(LAYERS)
