"""The shaders of a model run through EGL, without a browser; on a machine with a GPU, on that.

Texture arrays are rendered into layer by layer, as the page does it, by the same GLSL.
"""

from __future__ import annotations

import base64
import ctypes
import time
from itertools import pairwise

import moderngl
import numpy as np
import torch
from torch import Tensor

from petri.nca import Automaton
from petri.nca.seed import opening_state
from petri.shaders.glsl import TARGETS, life_shader, step_shader
from petri.shaders.golden import golden
from petri.shaders.lanes import LANES
from petri.shaders.obstacle import obstacle
from petri.shaders.pack import by_lane, layout, pack

VERTEX = """#version 300 es
void main() {
    gl_Position = vec4(vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0), 0.0, 1.0);
}
"""
FRAMEBUFFER, FIRST_COLOUR = 0x8D40, 0x8CE0  # GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0


def refused(automaton: Automaton) -> str:
    """Why an automaton is not run here; empty if it is."""
    spec = automaton.spec
    if reason := obstacle(spec):
        return reason
    if spec.fixed or spec.decoder or spec.space.on_graph or layout(spec).groups > TARGETS:
        return "only a grid of at most 16 channels, without fixed planes and a decoder, is run here"
    return ""


class Dish:
    """An automaton that lives on a grid in textures.

    Args:
        automaton: one that is not refused.
        state: `[1, channel, height, width]`.
        seed: of the rollout.
    """

    def __init__(self, automaton: Automaton, state: Tensor, seed: int = 0) -> None:
        self.context = moderngl.create_context(standalone=True, backend="egl", require=430)
        self.spec, self.number = automaton.spec, 0
        self.shape = height, width = state.shape[-2:]
        layers = layout(self.spec).groups
        lanes = by_lane(state[0].permute(1, 2, 0), self.spec).transpose(2, 0, 1, 3)
        size = (width, height, layers)
        self.textures = [
            self.context.texture_array(size, LANES, lanes.tobytes() if i == 0 else None, dtype="f4")
            for i in range(3)
        ]
        self.frames = [self._frame(texture) for texture in self.textures]
        weights = pack(automaton)
        self.weights = self.context.texture(weights.shape[1::-1], LANES, weights.tobytes(), dtype="f4")
        self.step_program = self._program(step_shader(self.spec), {"state": 0, "weights": 1, "seed": seed})
        self.life_program = None
        if self.spec.living:
            self.life_program = self._program(life_shader(self.spec), {"before": 0, "after": 1})

    def _program(self, fragment: str, given: dict[str, int]) -> moderngl.VertexArray:
        program = self.context.program(vertex_shader=VERTEX, fragment_shader=fragment)
        for name, value in given.items():
            if name in program:  # a compiler leaves out what is not read
                program[name] = value
        return self.context.vertex_array(program, [])

    def _frame(self, texture: moderngl.TextureArray) -> moderngl.Framebuffer:
        """What renders into all layers of a texture array, which moderngl has no word for."""
        width, height, layers = texture.size
        plain = [self.context.texture((width, height), LANES, dtype="f4") for _ in range(layers)]
        frame = self.context.framebuffer(plain)
        egl = ctypes.CDLL("libEGL.so.1")
        egl.eglGetProcAddress.restype = ctypes.c_void_p
        address = egl.eglGetProcAddress(b"glFramebufferTextureLayer")
        attach = ctypes.CFUNCTYPE(None, *[ctypes.c_uint] * 3, ctypes.c_int, ctypes.c_int)(address)
        frame.use()
        for layer in range(layers):
            attach(FRAMEBUFFER, FIRST_COLOUR + layer, texture.glo, 0, layer)
        return frame

    def step(self, count: int = 1) -> None:
        """Take so many steps."""
        for _ in range(count):
            self._draw(self.step_program, 1, self.textures[0], self.weights)
            if self.life_program:
                self._draw(self.life_program, 2, self.textures[0], self.textures[1])
            newest = 2 if self.life_program else 1
            for them in (self.textures, self.frames):
                them[0], them[newest] = them[newest], them[0]
            self.number += 1

    def _draw(self, array: moderngl.VertexArray, into: int, *read: moderngl.TextureArray) -> None:
        self.frames[into].use()
        for place, texture in enumerate(read):
            texture.use(place)
        if "stepNumber" in array.program:
            array.program["stepNumber"] = self.number
        array.render(moderngl.TRIANGLES, vertices=3)

    def read(self) -> Tensor:
        """The state, `[1, channel, height, width]`."""
        layers = self.textures[0].size[2]
        values = np.frombuffer(self.textures[0].read(), np.float32).reshape(layers, *self.shape, LANES)
        planes = torch.from_numpy(values.transpose(0, 3, 1, 2).reshape(1, layers * LANES, *self.shape).copy())
        return planes[:, : self.spec.channels]

    def close(self) -> None:
        """Give back what it holds."""
        self.context.release()


def steps_a_second(automaton: Automaton, side: int, seconds: float = 1.0) -> float:
    """Steps that a grid of `side`² cells takes in a second."""
    dish = Dish(automaton, opening_state(automaton.spec, side, side))
    dish.step(8)
    dish.context.finish()
    taken, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        dish.step(8)
        dish.context.finish()
        taken += 8
    rate = taken / (time.perf_counter() - begun)
    dish.close()
    return rate


def furthest(automaton: Automaton) -> float:
    """How far it is from the golden values, which a page compares itself with, relative to 1 and to them."""
    wanted = golden(automaton)
    state = opening_state(automaton.spec, wanted["height"], wanted["width"], seed=wanted["seed"])
    dish = Dish(automaton, state, wanted["seed"])
    rows, columns = torch.tensor(wanted["cells"]).T
    found = []
    for before, after in pairwise((0, *wanted["steps"])):
        dish.step(after - before)
        found.append(dish.read()[0, :, rows, columns].T)
    dish.close()
    values = torch.frombuffer(bytearray(base64.b64decode(wanted["values"])), dtype=torch.float32)
    values = values.view(len(found), *found[0].shape)
    return float(((torch.stack(found) - values).abs() / (1 + values.abs())).max())


def renderer() -> str:
    """What EGL renders with here."""
    context = moderngl.create_context(standalone=True, backend="egl", require=430)
    name = str(context.info["GL_RENDERER"])
    context.release()
    return name
