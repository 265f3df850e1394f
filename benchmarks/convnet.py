"""An ordinary convolutional network of as many parameters, beside a classifier of cells.

    python benchmarks/convnet.py [--data mnist] [--parameters 23300] [--epochs 3]

Three 3×3 convolutions with pooling between, the mean over places, and a linear layer; as wide as the
parameters allow. It has the pictures that `petri classify` trains on, changed by the same chance, and is
tested once, on the test pictures, when it is trained. Prints the validation accuracy after every pass and the
test accuracy in the end.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from petri.datasets import PICTURES, pictures
from petri.datasets.pictures import Labelled
from petri.tasks.classify import changed
from petri.training.classes import make_classifier_recipe

BATCH, RATE = 64, 3e-3


def network(planes: int, classes: int, parameters: int) -> nn.Module:
    """The widest of its kind that has at most so many parameters."""
    made = None
    for width in range(4, 512):
        layers = nn.Sequential(
            nn.Conv2d(planes, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(2 * width, 3 * width, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3 * width, classes),
        )  # fmt: skip
        if count(layers) > parameters:
            break
        made = layers
    if made is None:
        raise SystemExit(f"{parameters} parameters are too few for such a network")
    return made


def count(module: nn.Module) -> int:
    """Its parameters."""
    return sum(values.numel() for values in module.parameters())


@torch.no_grad()
def accuracy(module: nn.Module, part: Labelled) -> float:
    """Pictures that it recognises, percent."""
    right = 0
    for first in range(0, len(part), 500):
        which = slice(first, first + 500)
        right += int((module(part.planes(which)).argmax(dim=1) == part.labels[which]).sum())
    return 100 * right / len(part)


def main() -> None:
    """Train it, and test it once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist", choices=PICTURES)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--parameters", type=int, default=23_300)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    data = pictures.load(asked.data, asked.data_dir, print)
    how = make_classifier_recipe(asked.data).loss
    torch.manual_seed(asked.seed)
    chance = torch.Generator().manual_seed(asked.seed)
    module = network(data.train.images.shape[1], len(data.classes), asked.parameters)
    print(f"{data.title}: {count(module):,} parameters", flush=True)
    adam = torch.optim.Adam(module.parameters())
    batches = len(data.train) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=asked.epochs * batches)
    begun = time.process_time()
    for epoch in range(asked.epochs):
        for which in torch.randperm(len(data.train), generator=chance)[: batches * BATCH].view(-1, BATCH):
            planes = changed(data.train.planes(which), how, chance)
            loss = F.cross_entropy(module(planes), data.train.labels[which])
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
        found, spent = accuracy(module, data.validation), time.process_time() - begun
        print(f"pass {epoch + 1}: {found:.2f} % of those held back, {spent:.0f} s of CPU", flush=True)
    print(f"{accuracy(module, data.test):.2f} % of {len(data.test):,} test pictures")


if __name__ == "__main__":
    main()
