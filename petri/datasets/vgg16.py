"""Blocks 4 and 5 of VGG16, which petri does not ship: checked, and fetched from where the network lies whole.

Of the file of 553 MB only the 52 MB of these six convolutions are read; 26 MB in half precision are kept.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from petri.datasets import remote
from petri.errors import BadRequest
from petri.files import write_whole

NAME = "vgg16"  # for `petri data fetch`
TITLE = "The rest of VGG16"
FILE = "vgg16_blocks4-5_fp16.safetensors"
WHOLE = "vgg16_weights.npz"  # arrays conv4_1_W [3, 3, in, out] and conv4_1_b [out] and so on, float32
ADDRESS = f"https://www.cs.toronto.edu/~frossard/vgg16/{WHOLE}"
SHAPES = {
    f"conv{block}_{number}": (512, 256 if (block, number) == (4, 1) else 512, 3, 3)
    for block in (4, 5)
    for number in (1, 2, 3)
}
SHA256 = "841689543e9e02024d3434bc35e62ba51561cb0caff06350ebffa4ffb7cd7e73"
METADATA = {
    "network": "VGG16 (Simonyan and Zisserman 2015), blocks 4 and 5",
    "licence": "CC BY 4.0, Visual Geometry Group, University of Oxford",
    "input": "255 · RGB less its mean over ImageNet",
}
_REMEDY = f"remove it and petri data fetch {NAME}"
UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, RuntimeError, zlib.error, zipfile.BadZipFile, HTTPException
)  # fmt: skip


def read(root: Path) -> dict[str, Tensor] | None:
    """The weights that lie in a folder, checked; None if there are none.

    Returns:
        float16 `conv4_1.weight` `[out, in, 3, 3]`, `conv4_1.bias` `[out]` and so on to `conv5_3`.

    Raises:
        BadRequest: the file is damaged.
    """
    path = root / FILE
    if not path.is_file():
        return None
    try:
        found = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise BadRequest(f"{path} cannot be read ({error}): {_REMEDY}") from None
    if digest(found) != SHA256:
        raise BadRequest(f"{path} is damaged, its weights are not those of VGG16: {_REMEDY}")
    return found


def digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of all weights, in the order of their names."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(weights[name].contiguous().numpy().tobytes())
    return found.hexdigest()


def fetch(root: Path, note: Callable[[str], None]) -> Path:
    """Get the weights unless they are there: from `vgg16_weights.npz` in the folder, else from its address.

    They are checked in memory and then written whole.

    Args:
        note: told what is being tried, a line each.

    Returns:
        The file.

    Raises:
        BadRequest: a file that is there is damaged, the folder cannot be written, or nobody gave them; the
            message says how to place them by hand.
    """
    if read(root) is not None:
        return root / FILE
    whole = root / WHOLE
    places: list[tuple[str, Callable[[], IO[bytes]]]] = [(ADDRESS, lambda: remote.opened(ADDRESS))]
    if whole.is_file():
        places.insert(0, (str(whole), lambda: whole.open("rb")))
    for place, opened in places:
        note(f"{TITLE} from {place}")
        try:
            with opened() as file:
                weights = _taken(file)
        except UNREADABLE as error:
            note(f"no: {getattr(error, 'reason', None) or error}")
            continue
        if digest(weights) != SHA256:
            note("no: its weights are not those of VGG16")
            continue
        try:
            root.mkdir(parents=True, exist_ok=True)
            write_whole(root / FILE, save(weights, METADATA))
        except OSError as error:
            raise BadRequest(f"cannot write to {root}: {error.strerror or error}") from None
        return root / FILE
    raise BadRequest(
        f"{TITLE} could not be fetched: place {WHOLE} (553 MB) in {root} and ask again, or go without them: "
        "petri ships blocks 1 to 3"
    )


def _taken(file: IO[bytes]) -> dict[str, Tensor]:
    """The weights of the six convolutions, out of a file of all."""
    found = {}
    with zipfile.ZipFile(file) as archive:
        for name, shape in SHAPES.items():
            kernel = _array(archive, f"{name}_W", (*shape[2:], shape[1], shape[0]))
            found[f"{name}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1)).half().contiguous()
            found[f"{name}.bias"] = torch.from_numpy(_array(archive, f"{name}_b", shape[:1])).half()
    return found


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array, if it is just that: its own header may claim anything."""
    with archive.open(f"{name}.npy") as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{name} is no array that numpy wrote")
        has, fortran, dtype = np.lib.format.read_array_header_1_0(member)
        if (has, dtype) != (shape, np.dtype("<f4")):
            raise ValueError(f"{name} must be float32 {shape}, is {dtype} {has}")
        content = member.read(4 * int(np.prod(shape)))
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C").copy()
