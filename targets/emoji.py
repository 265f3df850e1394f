"""One emoji as a target: a few travel with petri, the rest come from an installed Noto Color Emoji font."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

from petri.errors import BadRequest
from petri.targets import Target
from petri.targets.image import from_image

BUNDLED = Path(__file__).parent / "emoji"
SIZE = 109  # the one size that the font's pictures come in: 136 × 128 pixels
LONGEST = 16  # characters of one emoji; families and flags of regions take about ten
SELECTOR = "\ufe0f"  # asks for the coloured form, which is the only one here
FONT_FILES = "NotoColorEmoji*.ttf"


def load(emoji: str, res: int) -> Target:
    """Draw an emoji as a figure of `res` × `res` cells, transparent around it.

    Raises:
        BadRequest: not one emoji, or neither bundled nor in an installed font.
    """
    plain = emoji.strip().replace(SELECTOR, "")
    if not plain or len(plain) > LONGEST or (plain.isascii() and plain.isalnum()):
        raise BadRequest(f'emoji: must be followed by one emoji, got "{emoji}"; at hand: {bundled()}')
    path = BUNDLED / f"emoji_u{'_'.join(f'{ord(character):x}' for character in plain)}.png"
    if path.is_file():
        with Image.open(path) as file:
            picture = file.convert("RGBA")
    else:
        picture = _from_font(plain)
    return from_image(picture, res, f"emoji:{plain}", [])


def bundled() -> str:
    """The emoji that travel with petri, with spaces between."""
    names = (path.stem.removeprefix("emoji_u").split("_") for path in sorted(BUNDLED.glob("*.png")))
    return " ".join("".join(chr(int(code, 16)) for code in codes) for codes in names)


def _from_font(plain: str) -> Image.Image:
    font_path = find_font()
    if font_path is None:
        raise BadRequest(
            f'"{plain}" needs the font Noto Color Emoji, which was not found; at hand: {bundled()}'
        )
    if len(plain) > 1 and not features.check("raqm"):
        raise BadRequest(
            f'"{plain}" is a sequence of {len(plain)} characters, and this Pillow cannot join them'
        )
    try:
        font = ImageFont.truetype(font_path, SIZE)
        picture = Image.new("RGBA", (4 * SIZE, 2 * SIZE))
        ImageDraw.Draw(picture).text((SIZE // 4, SIZE // 4), plain, font=font, embedded_color=True)
        width = font.getlength(plain)
    except (OSError, ValueError) as error:  # such as a build of the font without bitmaps
        raise BadRequest(f'"{font_path}" cannot be used for emoji: {error}') from None
    if width > 1.5 * font.getlength("\U0001f98e"):
        raise BadRequest(f'"{plain}" is not one emoji, or not one that {font_path.name} has')
    if picture.getbbox() is None:
        raise BadRequest(f'"{plain}" is not an emoji that {font_path.name} has; at hand: {bundled()}')
    return picture


def find_font() -> Path | None:
    """An installed Noto Color Emoji with bitmaps, if there is one."""
    if shutil.which("fc-match"):
        asked = ("fc-match", "-f", "%{file}", "Noto Color Emoji")
        try:
            answer = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            answer = ""
        found = Path(answer)
        if found.match(FONT_FILES) and found.is_file():  # it always answers, with whatever comes nearest
            return found
    for folder in _font_folders():
        for found in sorted(folder.rglob(FONT_FILES)) if folder.is_dir() else ():
            return found
    return None


def _font_folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "darwin":
        return [home / "Library/Fonts", Path("/Library/Fonts")]
    if sys.platform == "win32":
        windows = Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"
        return [Path(os.environ.get("LOCALAPPDATA", home)) / "Microsoft/Windows/Fonts", windows]
    return [
        home / ".local/share/fonts",
        home / ".fonts",
        Path("/usr/local/share/fonts"),
        Path("/usr/share/fonts"),
    ]
