"""A fragment shader in the manner of Shadertoy or of The Book of Shaders, as a target."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from petri.errors import BadRequest
from petri.files import check_plain
from petri.targets import Target
from petri.targets.render import one_colour, opaque, samples

if TYPE_CHECKING:
    import moderngl

TILE = 1024  # sub-pixels a side of what is drawn at once, within what every driver allows
LARGEST_SOURCE = 256 * 1024  # bytes
LATEST = 1e6  # seconds: beyond, the steps of 32-bit floats show

VERTEX = """#version 330
void main() { gl_Position = vec4(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1, 0, 1); }
"""
# What Shadertoy declares above the user's text; of these, what the user declares himself is left out.
GIVEN = {
    "iResolution": "uniform vec3 iResolution;",
    "iTime": "uniform float iTime;",
    "iGlobalTime": "uniform float iGlobalTime;",
    "iTimeDelta": "uniform float iTimeDelta;",
    "iFrameRate": "uniform float iFrameRate;",
    "iFrame": "uniform int iFrame;",
    "iSampleRate": "uniform float iSampleRate;",
    "iMouse": "uniform vec4 iMouse;",
    "iDate": "uniform vec4 iDate;",
    "HW_PERFORMANCE": "#define HW_PERFORMANCE 1",
    # From one cell to the next, as on a screen, where the driver sees sub-pixels.
    "dFdx": "#define dFdx(p) (dFdx(p) * petri_samples)",
    "dFdy": "#define dFdy(p) (dFdy(p) * petri_samples)",
    "fwidth": "#define fwidth(p) (fwidth(p) * petri_samples)",
}
OURS = """uniform vec2 petri_corner;
uniform float petri_samples;
#define petri_place vec4((gl_FragCoord.xy + petri_corner) / petri_samples, gl_FragCoord.zw)
"""
# The place of a sub-pixel and the colour drawn there are the user's only by way of ours.
RENAMED = {
    r"\bgl_FragCoord\b": "petri_place",
    r"\bgl_FragColor\b": "petri_colour",
    r"\bgl_FragData\s*\[\s*0\s*\]": "petri_colour",
}
AFTER = """
void main() {
    petri_colour = vec4(0.0);
    mainImage(petri_colour, petri_place.xy);
}
"""
LACKING = 'lacks "void mainImage(out vec4 fragColor, in vec2 fragCoord)" or "void main()"'


def load(path: Path, res: int, name: str, time: float = 0.0) -> Target:
    """Draw a shader as it stands at one moment, on `res` × `res` cells.

    Either `void mainImage(out vec4 fragColor, in vec2 fragCoord)` as on Shadertoy, or `void main()` with
    `gl_FragCoord`, `u_resolution` and `u_time` as in The Book of Shaders. `iResolution` is (res, res, 1) and
    `fragCoord` runs over the sub-pixels of each cell, y up; derivatives are from cell to cell. The mouse is
    at 0 and the day begins at time 0, so that the picture is the same every day. Where nothing is drawn it
    is black; alpha is ignored.

    Args:
        path: of the file.
        res: cells a side.
        name: of the target.
        time: in seconds.

    Raises:
        BadRequest: no such file, not such a shader, textures wanted, an error in it (with the line), or no
            OpenGL here.
    """
    if not abs(time) <= LATEST:
        raise BadRequest(f'the time of "{path}" must be within {LATEST:,.0f} seconds, got {time:g}')
    picture, moves = _run(_read(path), path, res, time)
    pixels = opaque(picture)
    now = f"at time {time:g}" if moves else "throughout"
    other = f"; another moment: --time 2, or {path.name}@2"
    notes = []
    if one_colour(pixels):
        notes.append(f"{path.name} is one colour {now}: there is no pattern to grow{other if moves else ''}")
    elif moves:
        notes.append(f"{path.name} moves: it is grown as it stands {now}{other}")
    return Target(name, pixels, transparent=False, notes=tuple(notes))


def _read(path: Path) -> str:
    """The text without its comments, in ASCII, with the lines where they were."""
    try:
        check_plain(path)
        with path.open("rb") as file:
            content = file.read(LARGEST_SOURCE + 1)
    except FileNotFoundError:
        raise BadRequest(f'no such file: "{path}"') from None
    except OSError as error:
        raise BadRequest(f'"{path}" cannot be read: {error.strerror or error}') from None
    if len(content) > LARGEST_SOURCE:
        raise BadRequest(f'"{path}" is too large for a shader: it has more than {LARGEST_SOURCE} bytes')
    if b"\0" in content:
        raise BadRequest(f'"{path}" is not a shader: it is not text')
    # Letters beyond ASCII stand in comments alone, where a wrong one does no harm.
    content = content.removeprefix(b"\xef\xbb\xbf")
    source = content.decode("ascii", errors="replace").replace("\ufffd", "?")
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    # A comment leaves its line breaks: errors are told with the line.
    comment = re.compile(r"//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)", re.DOTALL)
    source = comment.sub(lambda found: " " + "\n" * found[0].count("\n"), source)
    if not re.search(r"\b(mainImage|main)\b", source):
        raise BadRequest(f'"{path}" {LACKING}')
    return source


def _run(source: str, path: Path, res: int, time: float) -> tuple[np.ndarray, bool]:
    """RGB `[res, res, 3]`, row 0 on top, the mean over each cell's sub-pixels; and whether time matters."""
    sub = samples(res)
    step = max(1, TILE // sub)
    picture = np.empty((res, res, 3), np.float32)
    context = _context()
    try:
        program = _compile(context, source, path)
        moves = _set(program, source, path, res, time)
        _give(program, "petri_samples", sub)
        screen = context.framebuffer([context.texture((step * sub, step * sub), 4, dtype="f4")])
        screen.use()
        triangle = context.vertex_array(program, [])
        for top in range(0, res, step):
            for left in range(0, res, step):
                high, wide = min(step, res - top), min(step, res - left)
                # OpenGL counts rows from below.
                _give(program, "petri_corner", (left * sub, (res - top - high) * sub))
                screen.clear()  # a shader may discard what it does not draw
                triangle.render(vertices=3)
                data = screen.read((0, 0, wide * sub, high * sub), components=3, dtype="f4")
                colours = np.frombuffer(data, np.float32).reshape(high, sub, wide, sub, 3)
                # A screen shows 0..1 and nothing else; what is shown is averaged.
                mean = np.nan_to_num(colours).clip(0, 1).mean(axis=(1, 3))
                picture[top : top + high, left : left + wide] = mean[::-1]
    finally:
        context.release()
    return picture, moves


def _give(program: moderngl.Program, name: str, value: int | tuple[int, int]) -> None:
    """Set one of petri's own uniforms, if the shader has it: what it does not use is compiled away."""
    import moderngl

    member = program.get(name, None)
    if isinstance(member, moderngl.Uniform):
        member.value = value


def _set(program: moderngl.Program, source: str, path: Path, res: int, time: float) -> bool:
    """Give the shader its place and moment; whether it reads the moment.

    Raises:
        BadRequest: it reads something else, such as a texture.
    """
    import moderngl

    size, seconds, frame = (res, res, 1), (time,), (round(60 * time),)
    date, nowhere = (0, 0, 0, time), (0, 0, 0, 0)
    # What a shader does not use is compiled away; the names without an i are other hosts'.
    moment = {
        "iTime": seconds, "iGlobalTime": seconds, "u_time": seconds, "time": seconds,
        "iFrame": frame, "u_frame": frame, "iDate": date, "u_date": date,
    }  # fmt: skip
    values = {
        **moment,
        "iResolution": size, "u_resolution": size, "resolution": size,
        "iMouse": nowhere, "u_mouse": nowhere, "mouse": nowhere,
        "iTimeDelta": (1 / 60,), "u_delta": (1 / 60,), "iFrameRate": (60,), "iSampleRate": (44100,),
    }  # fmt: skip
    moves = False
    for name in program:
        member: Any = program[name]  # its stubs lack the type of a uniform
        if isinstance(member, moderngl.Attribute) or name.startswith("petri_"):
            continue
        _check_member(name, member, path, known=name in values)
        if name in values:
            number = float if member.gl_type in FLOATS else int
            value = tuple(number(part) for part in values[name][: member.dimension])
            member.value = value if member.dimension > 1 else value[0]
            moves = moves or name in moment
    varying = re.search(r"\b(?:in|varying)\s+(?:\w+\s+){1,3}(\w+)\s*;", source)
    if varying:
        raise BadRequest(f'"{path}" reads {varying[1]}, which only a vertex shader of its own could give')
    return moves


FLOATS = (0x1406, 0x8B50, 0x8B51, 0x8B52)  # float, vec2, vec3, vec4
WHOLES = (0x1404, 0x8B53, 0x8B54, 0x8B55)  # int, ivec2, ivec3, ivec4


def _check_member(name: str, member: Any, path: Path, *, known: bool) -> None:
    kind = getattr(member, "gl_type", None)  # a block has none
    if kind in (*FLOATS, *WHOLES) and member.array_length == 1:
        if known or np.any(member.value):  # not 0: set in the shader itself
            return
        raise BadRequest(f'"{path}" has a uniform {name} that nothing here sets: put a constant in its place')
    what = "a buffer" if kind is None else "a texture, a matrix or an array"
    raise BadRequest(f'"{path}" reads {name}: a shader that needs {what} cannot be grown')


def _context() -> moderngl.Context:
    try:
        import moderngl
    except ImportError:
        raise BadRequest('shaders need moderngl: pip install "petri-nca[shader]"') from None
    # PyTorch imports Triton sooner or later. Behind an OpenGL that computes on the processor it crashes: both
    # bring an LLVM, and Triton takes the other's.
    with suppress(ImportError):
        import triton  # noqa: F401
    problem = ""
    # EGL draws without a screen; elsewhere the system's own way does.
    ways: tuple[dict[str, Any], ...] = ({"backend": "egl"}, {})
    for settings in ways:
        try:
            return moderngl.create_context(standalone=True, require=330, **settings)
        except Exception as error:  # moderngl and its back ends raise Exception itself
            problem = problem or " ".join(str(error).split())
    raise BadRequest(f"shaders need OpenGL 3.3, which this machine does not offer: {problem}")


def _compile(context: moderngl.Context, source: str, path: Path) -> moderngl.Program:
    import moderngl

    # A `main` of its own may be there for other hosts alone, in a branch that is not compiled.
    ends = [""] if re.search(r"\bmain\b", source) else []
    ends += [AFTER] if "mainImage" in source else []
    log = ""
    for end in ends:
        left_out: set[str] = set()
        while True:
            try:
                return context.program(
                    vertex_shader=VERTEX, fragment_shader=_fragment_shader(source, end, left_out)
                )
            except moderngl.Error as error:
                log = str(error)
            again = declared_again(first_error(log)[1])
            if again is None or again in left_out:
                break
            left_out.add(again)
    wanted = re.search(r"\biChannel\w*", log)
    if wanted:
        raise BadRequest(f'"{path}" reads {wanted[0]}: shaders that need textures or sound cannot be grown')
    line, message = first_error(log)
    message = message.replace("petri_place", "gl_FragCoord").replace("petri_colour", "gl_FragColor")
    where = f", line {min(line, source.count(chr(10)) + 1)}" if line else ""
    raise BadRequest(f'"{path}"{where}: {message}')


def _fragment_shader(source: str, end: str, left_out: set[str]) -> str:
    """The user's text between what is given and the `main` that calls `mainImage`, if that is wanted."""
    for pattern, ours in RENAMED.items():
        source = re.sub(pattern, ours, source)
    # The version is given; extensions may stand only above all else, and few have the same name here.
    source = re.sub(r"^[ \t]*#[ \t]*version\b.*$", "", source, flags=re.MULTILINE)
    extension = re.compile(r"^[ \t]*#[ \t]*extension[ \t]+(\w+).*$", re.MULTILINE)
    extensions = {"GL_ARB_shading_language_packing", *extension.findall(source)} - {"all"}
    screen = "out vec4 petri_colour;\n" if end or "petri_colour" in source else ""
    return "".join(
        (
            "#version 330\n",
            *(f"#extension {name} : enable\n" for name in sorted(extensions)),
            *(f"{text}\n" for name, text in GIVEN.items() if name not in left_out),
            OURS,
            screen,
            "#line 1\n",
            extension.sub("", source),
            end,
        )
    )


def declared_again(message: str) -> str | None:
    """Which of the given names the user's text declares too, if that is what a driver's message says."""
    if not re.search(r"redecl|redefin|conflict|already", message, re.IGNORECASE):
        return None
    return next((word for word in re.findall(r"\w+", message) if word in GIVEN), None)


def first_error(log: str) -> tuple[int, str]:
    """Line (0 if it is not told) and message of the first error in a driver's log."""
    for pattern in (
        r"^\s*\d+:(\d+)\(\d+\): (?:preprocessor )?error: (.+)$",  # Mesa
        r"^\s*\d+\((\d+)\) : error \w+: (.+)$",  # NVIDIA
        r"^\s*ERROR: \d+:(\d+): (.+)$",  # AMD, Intel, Apple
    ):
        found = re.search(pattern, log, re.MULTILINE)
        if found:
            return int(found[1]), found[2].strip()
    lines = [line.strip() for line in log.splitlines() if line.strip(" =\r")]
    return 0, lines[-1] if lines else "it does not compile"
