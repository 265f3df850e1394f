"""What a decoder is worth: python benchmarks/decoder.py --results decoder.jsonl --minutes 30

A row of the table is a training on 64×64 cells and what it comes to on 512×512 pixels, and on others: with a
decoder, and as many parameters without one, whose cells are enlarged; with cells at the corners of their
patches, without coordinates, and without the error of the cells themselves. Lastly what WebP and JPEG make of
the same picture in as many bytes. How rows are kept and what a minute is: benchmarks/rows.py.

    python benchmarks/decoder.py --results decoder.jsonl --minutes 30
    python benchmarks/decoder.py --results decoder.jsonl --minutes 30 --rows decoder --pictures logo --seeds 1
    python benchmarks/decoder.py --results decoder.jsonl --minutes 30 --rows decoder cells --damage
    python benchmarks/decoder.py --results decoder.jsonl --table

The lizard needs the font Noto Color Emoji. `lines` is a wheel that the script draws, of lines that are a
cell, or 8 pixels of 512, thick.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rows
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from petri import modelfile, targets
from petri.evaluation import evaluate
from petri.evaluation.painted import shrunk
from petri.evaluation.report import EVALUATION_SEED
from petri.ground import BLACK, WHITE, over
from petri.losses import psnr, seen_error
from petri.losses.perceptual import PerceptualLoss
from petri.modelfile import Model
from petri.nca import Spec
from petri.training.presets import make_recipe
from petri.training.recipe import Recipe
from petri.training.trainer import Trainer

ROWS: dict[str, tuple[str, ...]] = {
    "decoder": (),
    "cells": (),  # as many parameters, without a decoder
    "corner": ("spec.decoder.coordinates=corner",),
    "blind": (),  # to where in its patch a point lies
    "no cells": ("loss.cells=0",),
}
LINES = "lines"
PICTURES = ("logo", "emoji:🦎", LINES)
SIZES = (256, 512, 1024, 2048, 4096)  # pixels along a side
MOST_COLOUR = {"WEBP": {}, "JPEG": {"subsampling": 0}}  # of each: WebP always halves it
LATE = 2000  # steps
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "lanczos": Image.Resampling.LANCZOS}


def draw_lines(path: Path, pixels: int = 2048, fine: int = 2) -> None:
    """Write a wheel of thin lines on nothing: twelve spokes, three rings."""
    side = pixels * fine
    picture = Image.new("RGBA", (side, side))
    pen, middle, thick, blue = ImageDraw.Draw(picture), side / 2, side // 64, (20, 120, 220, 255)
    rings = [side * share for share in (0.12, 0.24, 0.36)]
    for radius in rings:
        around = radius + thick / 2
        pen.ellipse((middle - around, middle - around, middle + around, middle + around), None, blue, thick)
    for number in range(12):
        turn = math.pi * number / 6
        end = middle + rings[-1] * math.cos(turn), middle + rings[-1] * math.sin(turn)
        pen.line((middle, middle, *end), blue, thick)
    picture.resize((pixels, pixels), Image.Resampling.BOX).save(path)


def recipe_of(row: dict[str, Any], folder: Path) -> Recipe:
    """How a row is trained; as many epochs as fit into its minutes, if it has any."""
    return rows.within(row["minutes"], row["asked_epochs"], functools.partial(_recipe, row, folder))


def _recipe(row: dict[str, Any], folder: Path, epochs: int | None) -> Recipe:
    asked, res = picture_of(row, folder), row["res"]
    painted = make_recipe(targets.load(asked, res), asked, res=res, pixels=row["pixels"])
    bare = row["row"] == "cells"
    damage = ("pool.damage=1",) if row["damage"] else ()
    return make_recipe(
        targets.load(asked, res),
        asked,
        res=res,
        pixels=None if bare else row["pixels"],
        epochs=epochs,
        seed=row["seed"],
        architecture={"hidden": as_wide(painted.spec)} if bare else {},
        settings=["patience=0", *ROWS[row["row"]], *damage],
    )


def picture_of(row: dict[str, Any], folder: Path) -> str:
    """What `petri grow` is to be given; the lines are drawn first."""
    if row["picture"] != LINES:
        return row["picture"]
    path = folder / "lines.png"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draw_lines(path)
    return str(path)


def as_wide(spec: Spec) -> int:
    """Hidden units with which a rule alone has as many parameters as one with a decoder."""
    counts = {
        hidden: replace(spec, decoder=None, rule=replace(spec.rule, hidden=hidden)).parameters
        for hidden in range(16, 513, 16)
    }
    return min(counts, key=lambda hidden: abs(counts[hidden] - spec.parameters))


def blindfold(trainer: Trainer) -> None:
    """Make a decoder without coordinates: their weights are 0 and stay so."""
    decoder = trainer.automaton.decoder
    first = decoder.weights[0]
    where = decoder.kind.inputs(decoder.channels) - decoder.channels
    keep = torch.ones_like(first)
    keep[:, :where] = 0
    with torch.no_grad():
        first.mul_(keep)
    first.register_hook(lambda gradient: gradient * keep)


def name_of(row: dict[str, Any]) -> str:
    """The folder of a row's run."""
    words = [row["row"], row["picture"].split(":")[-1], f"{row['res']}-{row['pixels']}"]
    words += [] if row["minutes"] is None else [f"{row['minutes']:g}min"]
    words += [] if row["asked_epochs"] is None else [str(row["asked_epochs"])]
    return "-".join([*words, *["damage"] * row["damage"], f"seed{row['seed']}"]).replace(" ", "_")


@torch.no_grad()
def measured(model: Model, asked: str, pixels: int, seeds: int) -> dict[str, Any]:
    """What the tables have of a row."""
    spec, res = model.spec, model.res
    state = model.automaton.seed_state(res, res, batch=seeds)
    grown = model.automaton.rollout(state, model.steps, seed=EVALUATION_SEED)
    late = model.automaton.rollout(grown, LATE - model.steps, seed=EVALUATION_SEED, start=model.steps)
    found = evaluate(model, asked, seeds=seeds)
    sizes = {  # all rollouts at the size of the training; of large pictures two are enough, and take long
        size: compared(model, grown if size == pixels else grown[:2], drawn(asked, size)) for size in SIZES
    }
    return {
        "parameters": spec.parameters,
        "epochs": model.training["epochs"],
        "seconds": model.training["seconds"],
        "machine": model.training["machine"],
        "sizes": sizes,
        "late": compared(model, late, drawn(asked, pixels)),
        "ideal": {name: ideal(drawn(asked, pixels), res, name) for name in FILTERS},
        "likeness": likeness(seen(model, grown[:1], pixels, "lanczos"), drawn(asked, pixels)),
        "seams": {
            "painted": seams(seen(model, grown[:1], pixels, "lanczos"), pixels // res),
            "target": seams(drawn(asked, pixels)[None], pixels // res),
        },
        "healed": {one.kind: one.loss.percent for one in found.regeneration},
        "bytes": stored(model, seen(model, grown[:1], pixels, "lanczos"), drawn(asked, pixels)),
    }


def drawn(asked: str, pixels: int) -> Tensor:
    """A figure at a size, `[4, pixels, pixels]`."""
    return torch.from_numpy(targets.load(asked, pixels).pixels)


def seen(model: Model, states: Tensor, pixels: int, by: str) -> Tensor:
    """What is seen of states at a size: painted, or their cells enlarged, `[batch, 4, pixels, pixels]`."""
    if model.spec.decoder is not None:
        return model.automaton.view(states, pixels)
    return torch.stack([enlarged(one, pixels, by) for one in model.automaton.view(states)])


def enlarged(picture: Tensor, pixels: int, by: str) -> Tensor:
    """A picture of more pixels, by one of FILTERS, `[channel, pixels, pixels]`."""
    planes = [
        Image.fromarray(plane.clamp(0, 1).numpy()).resize((pixels, pixels), FILTERS[by]) for plane in picture
    ]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes])).clamp(0, 1)


def compared(model: Model, states: Tensor, target: Tensor) -> dict[str, Any]:
    """PSNR in dB, the median over rollouts and the least, by each filter; a decoder needs none."""
    found = {}
    for by in FILTERS if model.spec.decoder is None else ("painted",):
        errors = [
            seen_error(seen(model, one[None], target.shape[-1], by), target).item() for one in states
        ]  # one at a time, as large ones are half a gigabyte
        ordered = sorted(errors)
        found[by] = {"median": psnr(ordered[len(ordered) // 2]), "worst": psnr(ordered[-1])}
    return found


def ideal(target: Tensor, res: int, by: str) -> float:
    """PSNR in dB of the target itself, a pixel a cell, enlarged: of perfect cells."""
    large = enlarged(shrunk(target, (res, res)), target.shape[-1], by)
    return psnr(seen_error(large[None], target).item())


def likeness(picture: Tensor, target: Tensor) -> dict[str, float]:
    """SSIM and VGG16's distance, on black or on white, whichever is worse."""
    pairs = [(over(picture, ground), over(target, ground)) for ground in (BLACK, WHITE)]
    return {
        "ssim": min(ssim(one, wanted[None]) for one, wanted in pairs),
        "vgg16": max(PerceptualLoss(wanted)(one).item() for one, wanted in pairs),
    }


def ssim(picture: Tensor, target: Tensor) -> float:
    """Structural similarity of two pictures, `[1, 3, height, width]` in 0..1; 1 for the same.

    Source: Wang et al. 2004: windows of 11 pixels, a Gaussian of deviation 1.5, K of 0.01 and 0.03; the mean
    of red, green and blue.
    """
    at = torch.arange(11.0) - 5
    bell = torch.exp(-at.square() / 4.5)
    window = torch.outer(bell, bell) / bell.sum().square()

    def mean(planes: Tensor) -> Tensor:
        return F.conv2d(planes.transpose(0, 1), window[None, None])

    a, b = mean(picture), mean(target)
    aa, bb, ab = mean(picture**2) - a * a, mean(target**2) - b * b, mean(picture * target) - a * b
    one, two = 0.01**2, 0.03**2
    return ((2 * a * b + one) * (2 * ab + two) / ((a * a + b * b + one) * (aa + bb + two))).mean().item()


def seams(picture: Tensor, cell: int) -> float:
    """How much steeper a picture on white is between cells' patches than within them; 1 shows no patch."""
    shown = over(picture, WHITE)
    steps = (shown.diff(dim=-1).abs().mean(dim=(0, 1, 2)), shown.diff(dim=-2).abs().mean(dim=(0, 1, 3)))
    border, within = 0.0, 0.0
    for slope in steps:
        at = torch.arange(1, len(slope) + 1) % cell == 0
        border, within = border + slope[at].mean().item(), within + slope[~at].mean().item()
    return border / within


def stored(model: Model, picture: Tensor, target: Tensor) -> dict[str, Any]:
    """On white: a model of 16 bits a weight, and the best WebP and JPEG of no more bytes."""
    size, wanted = 2 * model.spec.parameters, over(target, WHITE)
    found: dict[str, Any] = {
        "model": {"bytes": size, "psnr": psnr(F.mse_loss(over(picture, WHITE)[0], wanted).item())}
    }
    pixels = (wanted.permute(1, 2, 0) * 255).round().byte().numpy()
    for kind in ("WEBP", "JPEG"):
        packed = [_packed(pixels, kind, quality) for quality in range(1, 101)]
        fits = [one for one in packed if one[0] <= size]
        good = [one for one in packed if one[1] >= found["model"]["psnr"]]
        most = max(fits, key=lambda one: one[1], default=(None, None))
        found[kind.lower()] = {
            "bytes": most[0],
            "psnr": most[1],
            "as good": min((one[0] for one in good), default=None),
        }
    return found


def _packed(pixels: np.ndarray, kind: str, quality: int) -> tuple[int, float]:
    room = io.BytesIO()
    Image.fromarray(pixels).save(room, kind, quality=quality, **MOST_COLOUR[kind])
    back = np.asarray(Image.open(room).convert("RGB"), dtype=np.float32) / 255
    return len(room.getvalue()), psnr(float(np.mean((back - pixels / np.float32(255)) ** 2)))


def tables(found: list[dict[str, Any]]) -> Iterator[str]:
    """The rows as Markdown."""
    yield (
        "| row | picture | seed | damage | parameters | epochs | min | dB | worst | at 2,000 steps | SSIM "
        "| VGG16 | seams | of the target | circle healed | half |"
    )
    yield "|" + "---|" * 16
    for row in found:
        for by, decibels in row["sizes"][str(row["pixels"])].items():
            healed = row["healed"]
            cells = (
                f"{row['row']}, {by}",
                row["picture"],
                row["seed"],
                "yes" if row["damage"] else "no",
                f"{row['parameters']:,}",
                f"{row['epochs']:,}",
                f"{row['seconds'] / 60:.0f}",
                f"{decibels['median']:.1f}",
                f"{decibels['worst']:.1f}",
                f"{row['late'][by]['median']:.1f}",
                f"{row['likeness']['ssim']:.3f}",
                f"{row['likeness']['vgg16']:.3f}",
                f"{row['seams']['painted']:.2f}",
                f"{row['seams']['target']:.2f}",
                *(
                    "-" if healed.get(kind) is None else f"{healed[kind]:.0f} %"
                    for kind in ("circle", "half")
                ),
            )
            yield "| " + " | ".join(map(str, cells)) + " |"
    yield ""
    yield "| row | picture | seed | " + " | ".join(f"{size:,}²" for size in SIZES) + " | perfect cells |"
    yield "|" + "---|" * (4 + len(SIZES))
    for row in found:
        for by in row["late"]:
            sizes = (f"{row['sizes'][str(size)][by]['median']:.1f}" for size in SIZES)
            ideal = " / ".join(f"{value:.1f}" for value in row["ideal"].values())
            cells = (f"{row['row']}, {by}", row["picture"], row["seed"], *sizes, ideal)
            yield "| " + " | ".join(map(str, cells)) + " |"
    yield ""
    yield "| row | picture | model, bytes | dB | WebP, bytes | dB | as good | JPEG, bytes | dB | as good |"
    yield "|" + "---|" * 10
    for row in found:
        kept = row["bytes"]
        said = [row["row"], row["picture"], f"{kept['model']['bytes']:,}", f"{kept['model']['psnr']:.1f}"]
        for kind in ("webp", "jpeg"):
            one = kept[kind]
            said += ["-" if one["bytes"] is None else f"{one['bytes']:,}"]
            said += ["-" if one["psnr"] is None else f"{one['psnr']:.1f}"]
            said += ["-" if one["as good"] is None else f"{one['as good']:,}"]
        yield "| " + " | ".join(said) + " |"


def main() -> None:
    """Train and measure what is missing, or print the tables."""
    rows.by_processor()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="file of a JSON line a row")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "decoder", help="folder of the runs")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--pictures", nargs="+", default=list(PICTURES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, help="of each row; as many as petri grow takes if left out")
    parser.add_argument("--minutes", type=float, help="of training instead, as measured before it begins")
    parser.add_argument("--res", type=int, default=64, help="cells along a side")
    parser.add_argument("--pixels", type=int, default=512, help="along a side, in training")
    parser.add_argument("--damage", action="store_true", help="train it to heal")
    parser.add_argument("--rollouts", type=int, default=8, help="a measurement")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    asked = parser.parse_args()
    if asked.minutes is not None and asked.epochs is not None:
        parser.error("--minutes and --epochs contradict each other")
    if asked.pixels not in SIZES:
        parser.error(f"--pixels must be one of {', '.join(map(str, SIZES))}")
    wanted = itertools.product(asked.pictures, asked.seeds, asked.rows)
    for picture, seed, kind in wanted if not asked.table else ():
        row = {
            "row": kind,
            "picture": picture,
            "seed": seed,
            "damage": asked.damage,
            "minutes": asked.minutes,
            "asked_epochs": asked.epochs,
            "res": asked.res,
            "pixels": asked.pixels,
            "rollouts": asked.rollouts,
        }
        if rows.has(asked.results, row):
            continue
        change = {"change": blindfold} if kind == "blind" else {}
        path = rows.train(asked.runs / name_of(row), functools.partial(recipe_of, row, asked.runs), **change)
        print(f"{name_of(row)}: measuring", flush=True)
        came = measured(modelfile.read(path), picture_of(row, asked.runs), asked.pixels, asked.rollouts)
        rows.keep(asked.results, row | came)
    print("\n".join(tables(rows.results(asked.results))))


if __name__ == "__main__":
    main()
