"""The text for Shadertoy, compiled and run as Shadertoy does it, against PyTorch."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
import torch

from petri.modelfile import Model
from petri.nca import Spec
from petri.shaders.shadertoy import TAB, shadertoy

RES = 12
FRAMES = 5

# What Shadertoy does: five passes a frame, in the order A, B, C, D, Image; a buffer that is read after it was
# drawn in this frame shows this frame's picture, otherwise the last frame's.
TOY = """([tabs, frames, width, height]) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const gl = canvas.getContext("webgl2", { preserveDrawingBuffer: true });
    gl.getExtension("EXT_color_buffer_float");
    const head = `#version 300 es
        precision highp float; precision highp int; precision highp sampler2D;
        uniform vec3 iResolution; uniform int iFrame; uniform vec4 iMouse;
        uniform sampler2D iChannel0; uniform sampler2D iChannel1;
        out vec4 shadertoyColour;\n`;
    const foot = `\nvoid main() { vec4 c = vec4(1e30); mainImage(c, gl_FragCoord.xy); shadertoyColour = c; }`;
    const corners = `#version 300 es
        void main() { gl_Position = vec4(4 * (gl_VertexID & 1) - 1, 2 * (gl_VertexID & 2) - 1, 0, 1); }`;
    const buffers = {}, passes = [];
    const texture = () => {
        const made = gl.createTexture();
        gl.bindTexture(gl.TEXTURE_2D, made);
        gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, width, height);
        gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
        gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
        return made;
    };
    for (const { name, channels, code } of tabs) {
        if (name === "Common") continue;
        const program = gl.createProgram();
        const texts = [[gl.VERTEX_SHADER, corners], [gl.FRAGMENT_SHADER, head + tabs[0].code + code + foot]];
        for (const [kind, text] of texts) {
            const shader = gl.createShader(kind);
            gl.shaderSource(shader, text);
            gl.compileShader(shader);
            const log = gl.getShaderInfoLog(shader);
            if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(name + log);
            gl.attachShader(program, shader);
        }
        gl.linkProgram(program);
        const log = gl.getProgramInfoLog(program);
        if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(name + log);
        if (name !== "Image") buffers[name] = { shown: texture(), hidden: texture() };
        passes.push({ name, channels, program });
    }
    const framebuffer = gl.createFramebuffer(), place = gl.COLOR_ATTACHMENT0;
    gl.viewport(0, 0, width, height);
    for (let frame = 0; frame < frames; frame++) {
        for (const { name, channels, program } of passes) {
            gl.useProgram(program);
            gl.uniform3f(gl.getUniformLocation(program, "iResolution"), width, height, 1);
            gl.uniform1i(gl.getUniformLocation(program, "iFrame"), frame);
            for (const [index, source] of channels.entries()) {
                gl.activeTexture(gl.TEXTURE0 + index);
                gl.bindTexture(gl.TEXTURE_2D, buffers[source].shown);
                gl.uniform1i(gl.getUniformLocation(program, `iChannel${index}`), index);
            }
            const own = buffers[name];
            gl.bindFramebuffer(gl.FRAMEBUFFER, own ? framebuffer : null);
            if (own) gl.framebufferTexture2D(gl.FRAMEBUFFER, place, gl.TEXTURE_2D, own.hidden, 0);
            gl.drawArrays(gl.TRIANGLES, 0, 3);
            if (own) [own.shown, own.hidden] = [own.hidden, own.shown];
        }
    }
    const image = new Uint8Array(4 * width * height), state = new Float32Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, image);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, place, gl.TEXTURE_2D, buffers["Buffer D"].shown, 0);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, state);
    gl.getExtension("WEBGL_lose_context").loseContext();
    return [lab.text(state), lab.text(image)];
}"""


def tabs(written):
    parts = re.split(re.escape(TAB), written)[1:]
    for part in parts:
        title, _, code = part.partition("\n")
        name, settings, _ = (word.strip() for word in title.split("========"))
        yield {"name": name, "channels": re.findall(r"= (Buffer \w)", settings), "code": code}


SPECS = [
    Spec.of(hidden=16, residual=True, seed=(0.2, 0.7)),
    Spec.of(perception="learned+dilated", hidden=16, layers=2, gated=True, padding="wrap"),
    Spec.of(channels=6, perception="sobel", hidden=16, layers=2, living=True, seed=(0.9, 0.1)),
    Spec.of(
        channels=6,
        perception="conv5d2w10+laplacian",
        hidden=16,
        layers=2,
        rule={"change_bound": 0.5},
        padding="wrap",
        start={"kind": "noise", "level": 0.3},
        colour_offset=0.5,
        colour_scale=0.8,
    ),
    Spec.of(channels=5, perception="learned5", hidden=16, start={"kind": "uniform", "value": 0.4}),
]


@pytest.mark.parametrize("spec", SPECS, ids=Spec.describe)
def test_shadertoy_grows_what_pytorch_grows(lab, spec, random_automaton):
    automaton = random_automaton(spec, change=0.3)
    for values in automaton.parameters():
        values.data = values.data.half().float()  # as in the text
    training = {"recipe": {"phases": [{"res": RES, "steps": [8, 8]}]}, "ground": "#336699"}
    written = shadertoy(Model(automaton=automaton, target="m", training=training), name="m")
    parts = list(tabs(written))
    assert [part["name"] for part in parts] == ["Common", *(f"Buffer {letter}" for letter in "ABCD"), "Image"]
    width, height = 3 * RES, 2 * RES
    state, image = lab.evaluate(TOY, [parts, FRAMES, width, height])
    steps = (FRAMES - 1) * (2 if spec.living else 4)
    with torch.no_grad():
        # A texture takes all the room that there is, in tiles of a quarter.
        rows, columns = (height // 2, width // 2) if spec.fills_any_shape else (RES, RES)
        expected = automaton.rollout(automaton.seed_state(rows, columns), steps, engine="torch")[0].numpy()
    buffer = np.frombuffer(base64.b64decode(state), np.float32).reshape(height, width, 4)
    for channel in range(spec.channels):
        group, lane = divmod(channel, 4)
        top, left = rows * (group // 2), columns * (group % 2)
        found = buffer[top : top + rows, left : left + columns, lane]
        assert np.abs(found - expected[channel]).max() < 1e-4, f"channel {channel}"
    assert np.abs(expected[:3]).max() > 0.05
    ground = np.array([0.2, 0.4, 0.6])[:, None, None]
    rgb = (
        spec.colour_offset
        + spec.colour_scale * expected[:3]
        + ((1 - expected[3:4].clip(0, 1)) * ground if spec.living else 0)
    )
    seen = np.frombuffer(base64.b64decode(image), np.uint8).reshape(height, width, 4)[::-1]
    margin = (width - 2 * columns) // 2
    seen = seen[::2, margin : width - margin : 2, :3]  # a cell is two pixels; row 0 is on top
    assert np.abs(seen - 255 * rgb.clip(0, 1).transpose(1, 2, 0)).max() <= 1
