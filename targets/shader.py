"""A fragment shader in the manner of Shadertoy, as a target."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from petri.errors import BadRequest
from petri.targets import Target
from petri.targets.render import opaque, samples

if TYPE_CHECKING:
    import moderngl

TILE = 1024  # sub-pixels a side of what is drawn at once, within what every driver allows
LARGEST_SOURCE = 256 * 1024  # bytes

VERTEX = """#version 330
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1, 0, 1); }
"""
BEFORE = """#version 330
uniform vec3 iResolution;
uniform float iTime, iTimeDelta, iFrameRate;
uniform int iFrame;
uniform vec4 iMouse, iDate;
uniform vec2 petri_corner;
uniform float petri_samples;
out vec4 petri_colour;
#line 1
"""
AFTER = """
void main() {
    vec4 colour = vec4(0.0);
    mainImage(colour, (gl_FragCoord.xy + petri_corner) / petri_samples);
    petri_colour = vec4(colour.rgb, 1.0);
}
"""


def load(path: Path, res: int) -> Target:
    """Draw `void mainImage(out vec4 fragColor, in vec2 fragCoord)` once, at time 0, on `res` × `res` cells.

    `iResolution` is (res, res, 1) and `fragCoord` runs over the sub-pixels of each cell, y up as in
    Shadertoy; time, frame, mouse and date are 0, so that the picture is the same every day. Alpha is
    ignored.

    Raises:
        BadRequest: no such file, not such a shader, textures wanted, an error in it (with the line), or no
            OpenGL here.
    """
    source = _read(path)
    picture = _run(source, path, res)
    code = _without_comments(source)
    moves = re.search(r"\b(iTime|iFrame|iDate)\b", code)
    notes = (f"{path.name} moves: it is grown as it stands at time 0",) if moves else ()
    return Target(path.name, opaque(picture), transparent=False, notes=notes)


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST_SOURCE:
            raise BadRequest(f'"{path}" is too large for a shader: {size} bytes, at most {LARGEST_SOURCE}')
        source = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadRequest(f'no such file: "{path}"') from None
    except UnicodeDecodeError:
        raise BadRequest(f'"{path}" is not a shader: it is not text in UTF-8') from None
    except OSError as error:
        raise BadRequest(f'"{path}" cannot be read: {error.strerror or error}') from None
    code = _without_comments(source)
    wanted = re.search(r"\biChannel\w*", code)
    if wanted:
        raise BadRequest(f'"{path}" reads {wanted[0]}: shaders that need textures or sound cannot be grown')
    if not re.search(r"\bvoid\s+mainImage\s*\(", code):
        raise BadRequest(f'"{path}" lacks "void mainImage(out vec4 fragColor, in vec2 fragCoord)"')
    # The version is given above it; some drivers refuse other characters even in comments.
    source = re.sub(r"^[ \t]*#[ \t]*version\b.*$", "", source, flags=re.MULTILINE)
    return re.sub(r"[^\x00-\x7f]", "?", source)


def _without_comments(source: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", " ", source, flags=re.DOTALL)


def _run(source: str, path: Path, res: int) -> np.ndarray:
    """RGB `[res, res, 3]`, row 0 on top: the mean over each cell's sub-pixels."""
    sub = samples(res)
    step = max(1, TILE // sub)
    picture = np.empty((res, res, 3), np.float32)
    context = _context()
    try:
        program = _compile(context, source, path)
        given = {"iResolution": (res, res, 1), "iTimeDelta": 1 / 60, "iFrameRate": 60, "petri_samples": sub}
        for name, value in given.items():
            if name in program:  # what is not used is compiled away
                program[name].value = value
        screen = context.framebuffer([context.texture((step * sub, step * sub), 4, dtype="f4")])
        screen.use()
        triangle = context.vertex_array(program, [])
        for top in range(0, res, step):
            for left in range(0, res, step):
                high, wide = min(step, res - top), min(step, res - left)
                # OpenGL counts rows from below.
                if "petri_corner" in program:
                    program["petri_corner"].value = (left * sub, (res - top - high) * sub)
                triangle.render(vertices=3)
                data = screen.read((0, 0, wide * sub, high * sub), components=3, dtype="f4")
                colours = np.frombuffer(data, np.float32).reshape(high, sub, wide, sub, 3)
                # A screen shows 0..1 and nothing else; what is shown is averaged.
                mean = np.nan_to_num(colours).clip(0, 1).mean(axis=(1, 3))
                picture[top : top + high, left : left + wide] = mean[::-1]
    finally:
        context.release()
    return picture


def _context() -> moderngl.Context:
    try:
        import moderngl
    except ImportError:
        raise BadRequest('shaders need moderngl: pip install "petri-nca[shader]"') from None
    problem = ""
    # EGL draws without a screen; elsewhere the system's own way does.
    for settings in ({"backend": "egl"}, {}):
        try:
            return moderngl.create_context(standalone=True, require=330, **settings)
        except Exception as error:  # moderngl and its back ends raise Exception itself
            problem = problem or " ".join(str(error).split())
    raise BadRequest(f"shaders need OpenGL 3.3, which this machine does not offer: {problem}")


def _compile(context: moderngl.Context, source: str, path: Path) -> moderngl.Program:
    import moderngl

    try:
        return context.program(vertex_shader=VERTEX, fragment_shader=BEFORE + source + AFTER)
    except moderngl.Error as error:
        line, message = first_error(str(error))
        where = f", line {min(line, source.count(chr(10)) + 1)}" if line else ""
        raise BadRequest(f'"{path}"{where}: {message}') from None


def first_error(log: str) -> tuple[int, str]:
    """Line (0 if it is not told) and message of the first error in a driver's log."""
    for pattern in (
        r"^\s*\d+:(\d+)\(\d+\): error: (.+)$",  # Mesa
        r"^\s*\d+\((\d+)\) : error \w+: (.+)$",  # NVIDIA
        r"^\s*ERROR: \d+:(\d+): (.+)$",  # AMD, Intel, Apple
    ):
        found = re.search(pattern, log, re.MULTILINE)
        if found:
            return int(found[1]), found[2].strip()
    lines = [line.strip() for line in log.splitlines() if line.strip(" =\r")]
    return 0, lines[-1] if lines else "it does not compile"
