"""Repairing a file of anyone's model: damaged weights estimated from the rest of their own tensor."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from petri import tensorfile
from petri.errors import BadRequest, nearest
from petri.files import check_place, write_whole
from petri.repair import fills
from petri.repair.fills import Fill
from petri.repair.kriging import kriging

ESTIMATED = "petri.estimated"  # in the metadata of what is written
FINEST, LARGEST = 4, 32  # pixels along a side of what is tried as a picture
WIDEST = 1024  # of the shorter side of a matrix that soft-impute is tried on


@dataclass(frozen=True)
class Estimated:
    """What was done to one tensor."""

    tensor: str
    lost: int  # numbers
    count: int  # of so many
    method: str
    explained: (
        float  # R² of a tenth of the known numbers, hidden and estimated likewise; NaN if there is none
    )
    empty_rows: int  # of which nothing is left


def masks_of_nan(tensors: dict[str, Tensor], layer: str | None = None) -> dict[str, Tensor]:
    """Where numbers are known, by tensor: those that are finite.

    Raises:
        BadRequest: there is no such layer, or nothing is damaged.
    """
    known = {
        name: tensor.isfinite()
        for name, tensor in _chosen(tensors, layer).items()
        if tensor.is_floating_point() and not tensor.isfinite().all()
    }
    if not known:
        raise BadRequest(
            f"no number {f'of {layer!r} ' if layer else ''}is NaN or infinite: nothing to repair"
        )
    return known


def masks_of_file(path: Path, tensors: dict[str, Tensor], layer: str | None = None) -> dict[str, Tensor]:
    """Where numbers are known, by tensor, of a file that says where they are damaged.

    Args:
        path: a `.npy` array for one layer, or a safetensors file with one for each damaged tensor, of the
            tensor's name and shape: bool or whole numbers, not 0 where a number is damaged.
        tensors: of the model.
        layer: which one; needed for an array.

    Raises:
        BadRequest: the file cannot be used, a tensor that is not there, or a mask of another shape.
    """
    if not path.is_file():
        raise BadRequest(f"there is no mask {path}")
    if path.suffix == ".npy":
        if layer is None:
            raise BadRequest(f"{path} is a mask of one layer: say which by --layer")
        try:
            found = {layer: torch.from_numpy(np.atleast_1d(np.load(path, allow_pickle=False)))}
        except OSError as error:
            raise BadRequest(f"cannot read {path}: {error.strerror or error}") from None
        except (ValueError, EOFError, TypeError):
            raise BadRequest(f"{path} must be an array of numbers as numpy saves it, it is none") from None
    else:
        found = tensorfile.read(path, "mask")[1]
        found = _chosen(found, layer) if layer else found
    known = {}
    for name, damaged in found.items():
        tensor = _chosen(tensors, name)[name]
        if damaged.is_floating_point() or damaged.is_complex():
            raise BadRequest(f"the mask of {name!r} must be bool or whole numbers, got {_kind(damaged)}")
        if damaged.shape != tensor.shape:
            raise BadRequest(
                f"the mask of {name!r} must have its shape, {list(tensor.shape)}, got {list(damaged.shape)}"
            )
        if damaged.any():
            known[name] = (damaged == 0) & tensor.isfinite()
    if not known:
        raise BadRequest(f"{path} says that nothing is damaged")
    return known


def _chosen(tensors: dict[str, Tensor], layer: str | None) -> dict[str, Tensor]:
    if layer is None:
        return tensors
    if layer not in tensors:
        raise BadRequest(
            f"there is no layer {layer!r}{nearest(layer, tensors)}; there are {', '.join(tensors)}"
        )
    return {layer: tensors[layer]}


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def repair(
    path: Path, known_of: Callable[[dict[str, Tensor]], dict[str, Tensor]], out: Path
) -> list[Estimated]:
    """Write a copy of a model in which damaged numbers are estimated, and its metadata says so.

    Args:
        path: of the model.
        known_of: says of the model's tensors where their numbers are known.
        out: of the copy; what is there is never written over.

    Returns:
        What was done, tensor by tensor.

    Raises:
        BadRequest: the file cannot be read, `out` is there already or its folder is not, or a damaged tensor
            cannot be estimated.
    """
    if out.exists():
        raise BadRequest(f"{out} is there already: choose another --out")
    check_place(out)
    try:
        metadata, tensors = tensorfile.read(path, "safetensors file")
    except BadRequest as error:
        raise BadRequest(f"{error}; petri check tells more") from None
    done = []
    for name, known in known_of(tensors).items():
        tensors[name], said = estimate(name, tensors[name], known)
        done.append(said)
    before = json.loads(metadata.get(ESTIMATED, "[]")) if _is_list(metadata.get(ESTIMATED)) else []
    told = [
        {"tensor": one.tensor, "numbers": one.lost, "of": one.count, "method": one.method} for one in done
    ]
    write_whole(out, tensorfile.to_bytes(tensors, metadata | {ESTIMATED: json.dumps(before + told)}))
    return done


def _is_list(text: str | None) -> bool:
    try:
        return isinstance(json.loads(text or ""), list)
    except ValueError:
        return False


def estimate(name: str, tensor: Tensor, known: Tensor) -> tuple[Tensor, Estimated]:
    """A tensor with estimates in place of what is not known, by the method that foretells others best.

    Args:
        name: of the tensor, for messages.
        tensor: of two axes or more; beyond the first they are taken as one.
        known: bool, of the same shape.

    Raises:
        BadRequest: not of floating point numbers, or no matrix, or nothing is known of it.
    """
    if not tensor.is_floating_point():
        raise BadRequest(
            f"{name!r} has whole numbers ({_kind(tensor)}): only floating point ones are estimated"
        )
    if tensor.ndim < 2 or tensor.element_size() < 2:
        raise BadRequest(
            f"{name!r} is no matrix of weights: {_kind(tensor)} {list(tensor.shape)}; "
            "--layer repairs another tensor alone"
        )
    if not known.any():
        raise BadRequest(f"no number of {name!r} is known: there is nothing to estimate from")
    flat, there = tensor.flatten(1), known.flatten(1)
    weights = torch.where(there, flat, torch.zeros((), dtype=flat.dtype)).float()
    scale = float(weights.abs().max()) or 1.0
    weights = weights / scale
    shown = fills.hide(there)
    hidden = there & ~shown
    tried = _methods(flat.shape[0], flat.shape[1])
    best, explained = "mean", math.nan
    if shown.any() and hidden.any():
        wanted = weights[hidden]
        spread = (wanted - wanted.mean()).square().sum()
        errors = {
            method: float((fill(fills.zero(weights, shown), shown)[hidden] - wanted).square().sum())
            for method, fill in tried.items()
        }
        best = min(errors, key=lambda method: errors[method])
        explained = float(1 - errors[best] / spread) if spread > 0 else math.nan
    found = (tried[best](weights, there) * scale).to(tensor.dtype)
    whole = torch.where(there, flat, found).view(tensor.shape)
    empty = int((~there.any(1)).sum())
    return whole, Estimated(name, int((~known).sum()), known.numel(), best, explained, empty)


def _methods(rows: int, columns: int) -> dict[str, Fill]:
    """What is tried on a matrix."""
    tried: dict[str, Fill] = {
        name: fills.SIMPLE[name] for name in ("mean", "row and column means", "neighbour")
    }
    if min(rows, columns) <= WIDEST:
        tried["soft-impute"] = fills.low_rank
    side = math.isqrt(columns)
    if side * side == columns and FINEST <= side <= LARGEST:
        tried["kriging"] = lambda weights, known: kriging(weights, known, (side, side))
    return tried
