"""A drawing in SVG as pixels, by resvg."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

from petri.errors import BadRequest

LARGEST = 16_000_000  # bytes of a drawing
SIDES = 1024, 4096  # pixels that it is drawn with, least and most: empty borders are cut off afterwards
SECONDS = 60  # that drawing may take
# In a process of its own: a drawing can be made to keep resvg busy for ever, and Ctrl-C would not be heard.
DRAW = """
import sys, resvg_py
side = int(sys.argv[1])
text = sys.stdin.buffer.read().decode("utf-8")
try:
    picture = resvg_py.svg_to_bytes(svg_string=text, width=side, height=side, dpi=96.0)
except ValueError as error:
    sys.exit(str(error))
sys.stdout.buffer.write(picture)
"""


def is_svg(path: Path) -> bool:
    """Whether a file is a drawing, by its name or its beginning."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        start = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
    return path.suffix.lower() == ".svg" or (start.startswith(b"<") and b"<svg" in start)


def draw(path: Path, res: int, notes: list[str]) -> Image.Image:
    """A drawing in mode RGBA, in its own proportions and several times as large as `res`.

    Raises:
        BadRequest: no resvg, or a drawing that it does not take.
    """
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        raise BadRequest(f'"{path}" is an SVG: pip install "petri-nca[svg]", or convert it to PNG') from None
    size = path.stat().st_size
    if size > LARGEST:
        raise BadRequest(f'"{path}" is too large for a drawing: {size} bytes, at most {LARGEST}')
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    side = min(max(SIDES[0], 4 * res), SIDES[1])
    try:
        done = subprocess.run(
            [sys.executable, "-P" if sys.version_info >= (3, 11) else "-I", "-c", DRAW, str(side)],
            input=text.encode(),
            capture_output=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise BadRequest(f'"{path}" was not drawn within {SECONDS} seconds: convert it to PNG') from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["resvg ended without a word"]
        raise BadRequest(f'"{path}" cannot be drawn: {said[-1]}')
    if "<text" in text:
        notes.append(f"{path.name} holds text, drawn with the fonts found here: letters as paths are safer")
    with Image.open(io.BytesIO(done.stdout)) as picture:
        return picture.convert("RGBA")
