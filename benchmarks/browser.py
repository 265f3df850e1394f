"""Steps a second in a browser: petri's two engines, and the older way on the GPU.

The older way: the state in four textures, each written by a pass of its own, weights in uniform arrays, the
perception repeated in each, and a fifth pass that says which cells fire. Run as

    python benchmarks/browser.py [MODEL] [--sizes 128 256] [--rounds 5]

Each round times every way once, in turn, so that what else the machine does falls on all of them; the table
gives the median of the rounds and their range. A way that the browser refuses is reported as such.
"""

from __future__ import annotations

import argparse
import base64
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from petri import modelfile, models
from petri.shaders.glsl import step_shader

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from conftest import CHROMIUM, FLAGS, SITE, _serve

# The same rule, as it was done: everything that `step.glsl.js` fetches from the weights' texture is read from
# a uniform array, one pass a texture, and who fires from a mask that was drawn before.
OLDER = """
async (content, shader, side) => {
    const model = lab.model(content), { spec } = model, { groups } = spec;
    const { data, width, height } = lab.packWeights(model);
    const canvas = document.createElement("canvas"), gl = canvas.getContext("webgl2");
    gl.getExtension("EXT_color_buffer_float");
    if (gl.getParameter(gl.MAX_FRAGMENT_UNIFORM_VECTORS) < width * height + 16) {
        throw new Error("too many uniforms for this GPU");
    }
    const cover = `#version 300 es
        void main() { gl_Position = vec4(4 * (gl_VertexID & 1) - 1, 2 * (gl_VertexID & 2) - 1, 0, 1); }`;
    const program = (text) => {
        const made = gl.createProgram();
        for (const [kind, source] of [[gl.VERTEX_SHADER, cover], [gl.FRAGMENT_SHADER, text]]) {
            const part = gl.createShader(kind);
            gl.shaderSource(part, source);
            gl.compileShader(part);
            if (!gl.getShaderParameter(part, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(part));
            gl.attachShader(made, part);
        }
        gl.linkProgram(made);
        if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
        return { made, at: (name) => gl.getUniformLocation(made, name) };
    };
    const fetches = Array.from({ length: groups }, (_, g) =>
        `if (group == ${g}) return texelFetch(state${g}, at, 0);`).join(" ");
    const older = shader
        .replace("uniform sampler2DArray state;", Array.from({ length: groups }, (_, g) =>
            `uniform sampler2D state${g};`).join(" ") + " uniform sampler2D mask; uniform int firstGroup;")
        .replace("uniform sampler2D weights;", `uniform vec4 weights[${width * height}];`)
        .replace("texelFetch(weights, ivec2(column, row), 0)", `weights[row * ${width} + column]`)
        .replace("textureSize(state, 0)", "textureSize(state0, 0)")
        .replace("return texelFetch(state, ivec3(at, group), 0);", fetches + " return vec4(0);")
        .replace(/layout.location = [123].*/g, "")
        .replace(/const int TARGETS.*/, "const int TARGETS = 1;")
        .replace(/const int firstGroup.*/, "")
        .replace(/if .fireWord.at. >= .*/, "if (texelFetch(mask, at, 0).r == 0.0) {")
        .replace(/ *next[123] = .*/g, "");
    const mask = `#version 300 es
        precision highp float; precision highp int; uniform uint seed; uniform uint stepNumber; out vec4 next;
        ${/uint pcg[^]*?^}/m.exec(shader)[0]} ${/uint fireWord[^]*?^}/m.exec(shader)[0]}
        void main() { next = vec4(fireWord(ivec2(gl_FragCoord.xy)) < 2147483648u); }`;
    const [rule, fire] = [program(older), program(mask)];
    const target = () => {
        const texture = gl.createTexture(), framebuffer = gl.createFramebuffer();
        gl.bindTexture(gl.TEXTURE_2D, texture);
        gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, side, side);
        for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
            gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
        }
        gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
        gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
        return { texture, framebuffer };
    };
    const fired = target(), four = () => Array.from({ length: groups }, target);
    let [now, next] = [four(), four()], number = 0;
    gl.viewport(0, 0, side, side);
    gl.useProgram(rule.made);
    gl.uniform4fv(rule.at("weights"), data);
    for (let g = 0; g < groups; g++) gl.uniform1i(rule.at(`state${g}`), g);
    gl.uniform1i(rule.at("mask"), groups);
    const places = [rule.at("firstGroup"), fire.at("seed"), fire.at("stepNumber")];
    return {
        write(layers) {
            const size = 4 * side * side;
            now.forEach(({ texture }, g) => {
                gl.bindTexture(gl.TEXTURE_2D, texture);
                gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, side, side, gl.RGBA, gl.FLOAT, layers, g * size);
            });
            number = 0;
        },
        step(count) {
            for (let i = 0; i < count; i++, number++) {
                gl.useProgram(fire.made);
                gl.uniform1ui(places[1], 0);
                gl.uniform1ui(places[2], number);
                gl.bindFramebuffer(gl.FRAMEBUFFER, fired.framebuffer);
                gl.drawArrays(gl.TRIANGLES, 0, 3);
                gl.useProgram(rule.made);
                [...now, fired].forEach(({ texture }, unit) => {
                    gl.activeTexture(gl.TEXTURE0 + unit);
                    gl.bindTexture(gl.TEXTURE_2D, texture);
                });
                next.forEach(({ framebuffer }, group) => {
                    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
                    gl.uniform1i(places[0], group);
                    gl.drawArrays(gl.TRIANGLES, 0, 3);
                });
                [now, next] = [next, now];
            }
        },
        read() {
            const layers = new Float32Array(groups * 4 * side * side);
            now.forEach(({ framebuffer }, g) => {
                gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
                gl.readPixels(0, 0, side, side, gl.RGBA, gl.FLOAT, layers, g * 4 * side * side);
            });
            return lab.fromLayers(spec, layers, side, side);
        },
    };
}
"""

SETUP = """async ([content, shader, side]) => {
    const older = OLDER;
    const model = lab.model(content), size = { width: side, height: side };
    const ways = {};
    for (const engine of ["webgl", "wasm"]) ways[engine] = await lab.open(model, { ...size, engine });
    const before = lab.seedState(model.spec, side, side);
    const refused = await older(content, shader, side).then(
        (way) => void (ways.older = way), (error) => error.message);
    ways.older?.write(lab.toLayers(model.spec, before, side, side));
    const results = {};
    for (const [name, way] of Object.entries(ways)) {
        await way.step(4);
        results[name] = await way.read();
    }
    const differ = (name) => results[name].reduce(
        (most, value, i) => Math.max(most, Math.abs(value - results.webgl[i])), 0);
    window.ways = ways;
    const differences = Object.fromEntries(Object.keys(ways).map((name) => [name, differ(name)]));
    return { refused, differences };
}""".replace("OLDER", OLDER)

TIME = """async ([name, least]) => {
    const way = ways[name];
    let [count, taken] = [0, 0];
    for (const begun = performance.now(); taken < least; taken = performance.now() - begun) {
        await way.step(2);
        await way.read();  // waits for them
        count += 2;
    }
    return 1000 * count / taken;
}"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", nargs="?", default="spiral")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    path = models.find(arguments.model)
    spec = modelfile.read(path).automaton.spec
    content = base64.b64encode(path.read_bytes()).decode()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        print(f"{arguments.model} · {spec.describe()} · Chromium {browser.version}, software rendering")
        print("| grid | way | steps a second | range | difference after 4 steps |\n|---|---|---|---|---|")
        for side in arguments.sizes:
            page = browser.new_page()
            page.route("**/*", _serve)
            page.goto(f"{SITE}/lab.html")
            page.wait_for_function("window.lab")
            found = page.evaluate(SETUP, [content, step_shader(spec), side])
            ways = list(found["differences"])
            rates: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(arguments.rounds):
                for way in ways:
                    rates[way].append(page.evaluate(TIME, [way, 1500]))
            for way in ways:
                low, high = min(rates[way]), max(rates[way])
                middle = statistics.median(rates[way])
                row = f"| {side}² | {way} | {middle:.1f} | {low:.1f}–{high:.1f} |"
                print(row, f"{found['differences'][way]:.1e} |", flush=True)
            if found["refused"]:
                print(f"| {side}² | older | refused: {found['refused'].splitlines()[0]} | | |")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
