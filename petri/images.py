"""States as pictures and animations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from petri.errors import BadRequest
from petri.files import check_place, replacing
from petri.ground import TRANSPARENT, WHITE, over, straight

if TYPE_CHECKING:
    from torch import Tensor

    from petri.nca import Automaton

STILL = (".png",)
ANIMATED = (".gif", ".webp", ".apng", ".mp4")
HELD = (".gif", ".webp", ".apng")  # of these all frames are held at once, until they are written
IN_A_ROW = 8
OPAQUE = (".gif", ".mp4")  # these have no alpha, or only all or nothing of it


def picture(automaton: Automaton, state: Tensor, ground: str, pixels: int | None = None) -> np.ndarray:
    """What one sample looks like: its RGB, on a ground where the living mask makes alpha count.

    Args:
        automaton: whose state it is.
        state: `[channel, height, width]`; colours are premultiplied by alpha if there is the mask.
        ground: `#rrggbb` or `transparent`; see `petri.ground`.
        pixels: along the longer side of what a decoder paints; without one a pixel is a cell.

    Returns:
        uint8 `[height, width, 3]`, or `[height, width, 4]` of a figure that is transparent: RGB, and alpha.
        Of a material it is the surface under a light.
    """
    if automaton.spec.decoder is not None and automaton.spec.decoder.maps:
        from petri import lit

        return np.concatenate([drawn(band, WHITE) for band in lit.bands(automaton, state, pixels)])
    return np.concatenate([drawn(band, ground) for band in automaton.bands(state, pixels)])


def drawn(seen: Tensor, ground: str) -> np.ndarray:
    """A picture of what is seen: `[3, height, width]`, or of a figure `[4, height, width]`; see `picture`."""
    if seen.shape[0] == 3:
        colours = seen.clamp(0, 1)
    elif ground == TRANSPARENT:
        colours = straight(seen)
    else:
        colours = over(seen, ground)
    return (colours * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def enlarge(picture: np.ndarray, zoom: int) -> np.ndarray:
    """Draw each cell as `zoom` × `zoom` pixels."""
    return picture.repeat(zoom, axis=0).repeat(zoom, axis=1)


def tile(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one size, uint8 `[height, width, 3 or 4]`, side by side, eight in a row at the most.

    What is left of the last row is of the colour of the first picture's corner.
    """
    columns = min(len(pictures), IN_A_ROW)
    blank = np.broadcast_to(pictures[0][:1, :1], pictures[0].shape)
    filled = [*pictures, *[blank] * (-len(pictures) % columns)]
    rows = [np.concatenate(filled[at : at + columns], axis=1) for at in range(0, len(filled), columns)]
    return np.concatenate(rows)


def check_name(path: Path, ground: str) -> None:
    """Refuse a file that cannot be written, before anything is computed for it.

    Raises:
        BadRequest: unknown ending, one that cannot be transparent if that is the ground, `.mp4` without the
            library it needs, or a folder that is not there.
    """
    ending = path.suffix.lower()
    if ending not in STILL + ANIMATED:
        raise BadRequest(f"the file must end in one of {' '.join(STILL + ANIMATED)}, got {path.name!r}")
    if ground == TRANSPARENT and ending in OPAQUE:
        able = " ".join(end for end in STILL + ANIMATED if end not in OPAQUE)
        raise BadRequest(f"{path.name} cannot be transparent: name it {able}, or choose another --ground")
    if ending == ".mp4":
        try:
            import av  # noqa: F401
        except ImportError:
            raise BadRequest('MP4 needs an extra: pip install "petri-nca[mp4]"') from None
    check_place(path)


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Write one picture, uint8 `[height, width, 3 or 4]`, whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", optimize=True)


def save_animation(path: Path, frames: Iterable[np.ndarray], *, fps: int) -> None:
    """Write frames, uint8 `[height, width, 3 or 4]` each, in the format that the name's ending says.

    The last frame stays for two seconds before the animation begins again. Of an MP4 one frame is held at a
    time, of the others all.
    """
    with replacing(path) as temporary:
        if path.suffix.lower() == ".mp4":
            _save_mp4(temporary, frames, fps)
            return
        frames = list(frames)
        first, *rest = [Image.fromarray(frame) for frame in frames]
        duration = [round(1000 / fps)] * len(rest) + [2000]
        options = {"save_all": True, "append_images": rest, "duration": duration, "loop": 0}
        if path.suffix.lower() == ".gif":
            # It counts in hundredths of a second, and browsers slow down what is shorter than two.
            options["duration"] = [max(20, round(100 / fps) * 10)] * len(rest) + [2000]
            some = frames[:: max(1, len(frames) // 8)]
            whole = Image.fromarray(np.concatenate([*some, frames[-1]]))
            first, *rest = _of_one_palette([first, *rest], whole)
            first.save(temporary, format="GIF", **{**options, "append_images": rest})
        elif path.suffix.lower() == ".webp":
            first.save(temporary, format="WEBP", quality=80, method=4, **options)
        else:
            first.save(temporary, format="PNG", **options)


def _of_one_palette(images: list[Image.Image], whole: Image.Image) -> list[Image.Image]:
    """Reduce images to one palette, so that colours do not flicker: of 256 colours, the commonest exactly.

    That is a ground's, which may be that of the page around it.
    """
    palette = whole.quantize(256)
    counted: Any = whole.getcolors(whole.width * whole.height)  # pairs of a count and a colour
    _, commonest = max(counted)
    dot, *reduced = [
        image.quantize(palette=palette, dither=Image.Dither.NONE)
        for image in (Image.new("RGB", (1, 1), commonest), *images)
    ]
    start, colours = 3 * int(np.asarray(dot).item()), palette.getpalette() or []
    colours[start : start + 3] = commonest
    for image in reduced:
        image.putpalette(colours)
    return reduced


def _save_mp4(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    import av

    coming = iter(frames)
    last = next(coming)
    height, width = (side + side % 2 for side in last.shape[:2])  # the codec wants even sides
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for rgb in chain([last], coming):
            last = np.pad(rgb, ((0, height - rgb.shape[0]), (0, width - rgb.shape[1]), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(last, format="rgb24")))
        for _ in range(2 * fps):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(last, format="rgb24")))
        container.mux(stream.encode())
