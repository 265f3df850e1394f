"""A model as text for Shadertoy: what to paste into which tab, and how to set its channels."""

from __future__ import annotations

import math

import numpy as np

from petri import ground
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Cell, Given, Noise, Spec
from petri.nca.seed import seed_cell
from petri.nca.start import NOISE
from petri.shaders.glsl import resolve, template, values
from petri.shaders.obstacle import obstacle
from petri.shaders.pack import layout, pack

MOST = 4096  # entries of a constant array that every driver takes
LARGEST = 160  # cells along a side
ROWS = 360  # of Shadertoy's player, which the tiles share
BUFFERS = "ABCD"
ERASER = 0.08  # radius, as a share of the side


def side(model: Model) -> int:
    """Cells along a side that Shadertoy has room for: the model's own number, or fewer.

    Of no matter for a texture, whose grid is as large as the player lets it be.
    """
    return min(model.res, LARGEST, ROWS // _tiles(model))


def shadertoy(model: Model, *, name: str) -> str:
    """Write the tabs one after the other, each under a line that says its settings.

    A state lies in one buffer, a tile for every four channels, so that a step reads one texture: Shadertoy
    shows a buffer what the buffers before it have drawn in this very frame. Buffers A to D take one step each
    or, with a living mask, a step and its mask. Weights are rounded to 16 bits.

    Raises:
        BadRequest: the weights are too many for constants, or a browser cannot compute such an automaton.
    """
    automaton, spec = model.automaton, model.automaton.spec
    if reason := _obstacle(spec):
        raise BadRequest(f"{name} is nothing for Shadertoy: {reason}")
    constants = _constants(pack(automaton))
    if len(constants) > MOST:
        raise BadRequest(
            f"the weights of {name} take {len(constants)} constants, Shadertoy's shaders have room for {MOST}"
        )
    known = values(spec, shadertoy=True)
    places, tiles, size = layout(spec), _tiles(model), side(model)
    row, column = seed_cell(spec, size, size)
    lanes = [float(channel < spec.channels) for channel in range(4 * places.groups)][-4:]
    start = spec.start
    known |= {
        "name": " ".join(name.split()),
        "size": size,
        "tiles": tiles,
        "row": row,
        "column": column,
        "lanes": ", ".join(map(str, lanes)),
        "cell": isinstance(start, Cell),
        "noisy": isinstance(start, Noise),
        "level": getattr(start, "level", ""),
        "plain": getattr(start, "value", ""),
        "chance": NOISE,
        "offset": spec.colour_offset,
        "scale": spec.colour_scale,
        "count": len(constants),
        "weights": ",\n".join(constants),
        "columns": places.width,
        "eraser": ERASER,
        "endless": spec.fills_any_shape,
        "living": spec.living,
        "frames": 2 if spec.living else 4,
        "ground": ", ".join(f"{part:.3f}" for part in ground.colour(ground.of(model))),
    }
    tabs = [_tab("Common", "no channels", resolve(COMMON, known))]
    known["places"] = resolve(PLACES, known)
    for number, letter in enumerate(BUFFERS):
        before = BUFFERS[number - 1]
        masks = spec.living and number % 2 == 1
        channels = f"iChannel0 = Buffer {before}"
        if masks:
            channels += f", iChannel1 = Buffer {BUFFERS[number - 2]}"
        code = LIFE if masks else STEP.replace("{{core}}\n", template("core"))
        known["number"] = number // 2 if spec.living else number
        known["first"] = number == 0
        tabs.append(_tab(f"Buffer {letter}", channels, resolve(code, known)))
    tabs.append(_tab("Image", "iChannel0 = Buffer D", resolve(IMAGE, known)))
    head = resolve(HEAD, known)
    return head + "\n" + "\n".join(tabs)


def _obstacle(spec: Spec) -> str:
    """Why Shadertoy cannot run an automaton; empty if it can."""
    if reason := obstacle(spec):
        return reason
    if spec.space.on_graph:
        return "its cells lie on no grid"
    if spec.decoder:
        return "its picture is a pixel a cell there, and a decoder paints more"
    if spec.fixed or isinstance(spec.start, Given):
        what = "fixed planes" if spec.fixed else "start"
        return f"nobody can give the {what} there that it needs"
    return ""


def _tiles(model: Model) -> int:
    """Tiles along a side of a buffer, each of four channels."""
    return math.ceil(math.sqrt(layout(model.automaton.spec).groups))


def _tab(name: str, channels: str, code: str) -> str:
    return f"{TAB}{name} ======== {channels} ========\n\n{code}"


TAB = "// ======== "


def _constants(texels: np.ndarray) -> list[str]:
    """Two texels in each: eight numbers of 16 bits."""
    halves = texels.astype("<f2").reshape(-1)
    words = np.pad(halves, (0, -len(halves) % 8)).view("<u4").reshape(-1, 4)
    return ["uvec4(" + ", ".join(f"0x{word:08x}u" for word in four) + ")" for four in words.tolist()]


HEAD = """\
// {{name}}, a neural cellular automaton grown by petri, for shadertoy.com
//
// Make the tabs Common, Buffer A, Buffer B, Buffer C and Buffer D beside Image (the + above the code), paste
// into each what follows under its name, and set its channels as said there. Every channel's sampler:
// filter nearest, wrap clamp, vflip off. Then press the rewind button: growth begins at frame 0.
//#if endless
// The mouse erases. The grid is as large as the player has room for; rewind after its size has changed.
// {{frames}} steps a frame.
//#else
// The mouse erases. Grid: {{size}} x {{size}} cells, {{frames}} steps a frame.
//#end
"""

COMMON = """\
// {{description}}
const int TILES = {{tiles}};  // along a side of a buffer; tile g holds channels 4g .. 4g+3
const int GROUPS = {{groups}};
const int LAYERS = GROUPS;
const int FEATURES = {{features}};  // vec4s that a cell senses: {{filters}} a group, and of convolutions
const int HIDDEN = {{hidden}};
const int TARGETS = 1;  // groups that a pixel computes
const uint seed = 0u;  // decides which cells fire

// Two texels of weights in each, as 16-bit floats.
const uvec4 WEIGHTS[{{count}}] = uvec4[{{count}}](
{{weights}}
);

vec4 weight(int column, int row) {
    int texel = {{columns}} * row + column;
    uvec4 two = WEIGHTS[texel / 2];
    uvec2 one = texel % 2 == 0 ? two.xy : two.zw;
    return vec4(unpackHalf2x16(one.x), unpackHalf2x16(one.y));
}
"""

# In every tab that needs them, for what lies in Common does not know how large the player is.
PLACES = """\
//#if endless
#define SIZE (ivec2(iResolution.xy) / TILES)  // cells across and down
//#else
const ivec2 SIZE = ivec2({{size}});  // cells across and down
//#end

// Where a group's tile begins. Row 0 is the lowest in a buffer; Image shows it on top.
ivec2 tile(int group) {
    return SIZE * ivec2(group % TILES, group / TILES);
}

// The group that a pixel of a buffer belongs to; GROUPS or more for none.
int groupOf(ivec2 pixel) {
    ivec2 place = pixel / SIZE;
    return place.x < TILES ? place.x + TILES * place.y : GROUPS;
}

// The place on the grid, in cells, that a pixel of the image shows.
vec2 placeOf(vec2 pixel, vec2 resolution) {
    float cell = min(resolution.x / float(SIZE.x), resolution.y / float(SIZE.y));
    vec2 at = (pixel - 0.5 * resolution) / cell + 0.5 * vec2(SIZE);
    return vec2(at.x, float(SIZE.y) - at.y);
}
"""

STEP = """\
{{places}}
uint stepNumber;
int firstGroup;  // the one that this pixel computes

// Four channels of a cell.
vec4 cell(ivec2 at, int group) {
//#if wrap
    at = (at + {{reach}} * SIZE) % SIZE;  // a neighbour is at most {{reach}} cells beyond the edge
//#else
    if (any(lessThan(at, ivec2(0))) || any(greaterThanEqual(at, SIZE))) {
        return vec4(0.0);  // beyond the edge lie empty cells
    }
//#end
    return texelFetch(iChannel0, tile(group) + at, 0);
}

{{core}}
void mainImage(out vec4 next, in vec2 pixel) {
    next = vec4(0.0);
    firstGroup = groupOf(ivec2(pixel));
    if (firstGroup >= GROUPS) {
        return;
    }
    ivec2 at = ivec2(pixel) - tile(firstGroup);
    if (iFrame == 0) {
        next = firstGroup == GROUPS - 1 ? vec4({{lanes}}) : vec4(1.0);
//#if cell
        if (at != ivec2({{column}}, {{row}})) next = vec4(0.0);
        if (firstGroup == 0) next.rgb = vec3(0.0);  // the seed: alpha and all hidden channels 1
//#else
//#if noisy
        for (int lane = 0; lane < 4; lane++) {
            stepNumber = {{chance}}u + uint(4 * firstGroup + lane);
            next[lane] *= {{level}} * (float(fireWord(at) >> 8u) / 8388608.0 - 1.0);
        }
//#else
        next *= {{plain}};
//#end
//#end
        return;
    }
    stepNumber = uint({{frames}} * (iFrame - 1) + {{number}});
    vec4 change[TARGETS];
    bool fired = proposes(at, change);
    next = settled(cell(at, firstGroup), change[0], fired);
//#if first
    float eraser = {{eraser}} * float(min(SIZE.x, SIZE.y));
    if (iMouse.z > 0.0 && distance(placeOf(iMouse.xy, iResolution.xy), vec2(at) + 0.5) < eraser) {
        next = vec4(0.0);
    }
//#end
}
"""

LIFE = """\
{{places}}
// The living mask: a cell stays only if it lives before the step and after it.

float alpha(ivec2 at, bool after) {
//#if wrap
    at = (at + SIZE) % SIZE;
//#else
    if (any(lessThan(at, ivec2(0))) || any(greaterThanEqual(at, SIZE))) {
        return 0.0;
    }
//#end
    return after ? texelFetch(iChannel0, at, 0).a : texelFetch(iChannel1, at, 0).a;
}

// Whether the largest alpha of the 3x3 neighbourhood is above 0.1.
bool alive(ivec2 at, bool after) {
    float most = 0.0;
    for (int tap = 0; tap < 9; tap++) {
        most = max(most, alpha(at + ivec2(tap % 3 - 1, tap / 3 - 1), after));
    }
    return most > 0.1;
}

void mainImage(out vec4 next, in vec2 pixel) {
    next = vec4(0.0);
    int group = groupOf(ivec2(pixel));
    if (group >= GROUPS) {
        return;
    }
    ivec2 at = ivec2(pixel) - tile(group);
    if (iFrame == 0 || (alive(at, false) && alive(at, true))) {
        next = texelFetch(iChannel0, ivec2(pixel), 0);
    }
}
"""

IMAGE = """\
{{places}}
void mainImage(out vec4 colour, in vec2 pixel) {
    ivec2 at = ivec2(floor(placeOf(pixel, iResolution.xy)));
    colour = vec4(0.05, 0.05, 0.05, 1.0);
    if (all(greaterThanEqual(at, ivec2(0))) && all(lessThan(at, SIZE))) {
        vec4 cell = texelFetch(iChannel0, at, 0);
        cell.rgb = {{offset}} + {{scale}} * cell.rgb;
//#if living
        cell.rgb += (1.0 - clamp(cell.a, 0.0, 1.0)) * vec3({{ground}});  // colours are premultiplied by alpha
//#end
        colour.rgb = clamp(cell.rgb, 0.0, 1.0);
    }
}
"""
