"""What a decoder paints on a mesh in the page, on the GPU, against PyTorch."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from petri import modelfile, worn
from petri.graph import Surface, icosphere
from petri.graph.painting import shown
from petri.graph.raster import draw
from petri.graph.write import ply
from petri.modelfile import Model
from petri.nca import Automaton, Harmonics, Mesh, Noise, Spec
from petri.nca.decoder import Lppn
from petri.nca.rule import Mlp
from petri.nca.spots import Spots
from petri.shaders.decoder import texels
from petri.shaders.golden import golden
from petri.shaders.pack import pack

COMMON = {
    "space": Mesh(frame="upright"), "senses": (Harmonics(),), "rule": Mlp(hidden=16, layers=2),
    "start": Noise(level=0.8),
}  # fmt: skip
SPECS = {
    "places as they are": Spec(decoder=Lppn(width=32, outputs=3, frequencies=0), **COMMON),
    "two frequencies": Spec(channels=6, decoder=Lppn(width=9, layers=2, frequencies=2), **COMMON),
    "too many weights for a block": Spec(
        channels=5, decoder=Lppn(width=160, layers=2, outputs=3, omega=4.1), **COMMON
    ),
}
POINTS = 300


def text(array):
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def painted(spec):
    """A model whose decoder is as far from zero as trained ones are, on a mesh that is open; both as text."""
    chance = torch.Generator().manual_seed(0)
    automaton = Automaton(spec, generator=chance)
    automaton.rule.weights[-1].data.uniform_(-0.1, 0.1, generator=chance)
    automaton.decoder.weights[-1].data *= 3
    automaton.decoder.biases[-1].data += 0.5
    ball = icosphere(2)
    x, y, z = ball.vertices.T
    surface = Surface(np.stack([x * 0.7, y + 0.3 * x, z], axis=1), ball.faces[:-9]).fitted()
    model = worn.on(Model(automaton=automaton, target="m"), surface)
    file = text(np.frombuffer(modelfile.to_bytes(model), np.uint8))
    return model, file, text(np.frombuffer(ply(model.surface), np.uint8))


def floats(content):
    return np.frombuffer(base64.b64decode(content), np.float32)


def anywhere(faces):
    """Points in any triangles, some of them on their edges and corners."""
    chance = np.random.default_rng(5)
    corners = faces[chance.integers(len(faces), size=POINTS)]
    shares = chance.dirichlet((1, 1, 1), POINTS)
    shares[:20], shares[20:40, 1] = np.eye(3)[chance.integers(3, size=20)], 0
    return corners, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


PAINT = """async ([model, mesh, state, corners, shares]) => {
    const read = lab.model(model);
    read.mesh = { ...lab.readMesh(lab.bytes(mesh)), own: true };
    const dish = await lab.open(read);
    dish.write(lab.floats(state));
    const found = await dish.spots(new Uint32Array(lab.bytes(corners)), lab.floats(shares));
    dish.close();
    return lab.text(found);
}"""


@pytest.mark.parametrize("name", SPECS)
def test_the_gpu_paints_on_triangles_what_pytorch_paints(lab, name):
    model, file, mesh = painted(SPECS[name])
    corners, shares = anywhere(model.surface.faces)
    state = (
        torch.rand(1, model.spec.channels, 1, model.nodes, generator=torch.Generator().manual_seed(1)) * 2 - 1
    )
    spots = Spots(corners=torch.from_numpy(corners), shares=torch.from_numpy(shares))
    with torch.no_grad():
        wanted = model.automaton.paint(state, spots)[0].T.numpy()
    asked = [file, mesh, text(state.numpy()), text(corners.astype(np.uint32)), text(shares)]
    found = floats(lab.evaluate(PAINT, asked)).reshape(POINTS, 4)
    assert wanted.std() > 0.1
    assert (np.abs(found[:, :3] - wanted) / (1 + np.abs(wanted))).max() < 1e-5
    packed = lab.evaluate("(text) => lab.text(lab.packWeights(lab.model(text)).data)", file)
    assert packed == text(pack(model.automaton))  # every bit


def test_weights_that_have_no_room_in_a_block_lie_in_a_texture(lab):
    room = lab.evaluate(
        "() => { const gl = document.createElement('canvas').getContext('webgl2');"
        " const most = gl.getParameter(gl.MAX_UNIFORM_BLOCK_SIZE);"
        " gl.getExtension('WEBGL_lose_context').loseContext(); return most; }"
    )
    sizes = [16 * texels(spec) for spec in SPECS.values()]
    assert sizes[0] <= room < sizes[-1]  # both were compared above


VERIFY = """async ([model, mesh, golden]) => {
    const read = lab.model(model);
    read.mesh = { ...lab.readMesh(lab.bytes(mesh)), own: true };
    return lab.verify(read, golden);
}"""


def test_golden_values_of_a_painted_mesh_are_found_and_wrong_ones_are_told(lab):
    model, file, mesh = painted(SPECS["places as they are"])
    values = golden(model.automaton, grid=(1, model.nodes), faces=model.surface.faces)
    assert len(floats(values["painted"]["values"])) == 3 * 48 * 3
    assert floats(values["painted"]["values"]).std() > 0.05
    found = lab.evaluate(VERIFY, [file, mesh, values])
    assert found["same"] and 0 < found["largest"] < 2e-5
    wrong = floats(values["painted"]["values"]).copy()
    wrong[-1] += 1e-3
    values["painted"]["values"] = text(wrong)
    assert not lab.evaluate(VERIFY, [file, mesh, values])["same"]
    del values["painted"]
    with pytest.raises(Exception, match="the golden values are not of this model"):
        lab.evaluate(VERIFY, [file, mesh, values])


DRAW = """async ([model, mesh, state, pixels]) => {
    const read = lab.model(model);
    read.mesh = { ...lab.readMesh(lab.bytes(mesh)), own: true };
    const canvas = Object.assign(document.createElement("canvas"), { width: pixels, height: pixels });
    const { openDish } = await import("./lib/dish.js");
    const dish = await openDish(canvas, read);
    dish.write(lab.floats(state));
    dish.view = { turn: 40, tilt: -20, zoom: 1 };
    const found = [];
    const keep = () => found.push(canvas.toDataURL().split(",")[1]);
    await dish.draw();
    keep();
    await dish.draw({ going: () => true });   // part after part
    keep();
    await dish.draw({ share: 0.25 });
    keep();
    dish.lit = false;
    await dish.draw({ channel: 1 });
    keep();
    dish.view = { turn: 0, tilt: 0, zoom: 9 };
    await dish.draw();   // all over the image that all dishes share
    dish.view = { turn: 0, tilt: 0, zoom: 1 };
    await dish.draw({ share: 0.1 });
    keep();
    dish.close();
    return found;
}"""


def test_a_painted_mesh_is_drawn_as_python_draws_it_at_once_and_in_parts(lab):
    model, file, mesh = painted(SPECS["places as they are"])
    pixels = 420  # more than are painted before the page may answer
    state = torch.rand(16, 1, model.nodes, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = lab.evaluate(DRAW, [file, mesh, text(state.numpy()), pixels])
    whole, parts, coarse, grey, after = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))).astype(float) for one in found
    )
    wanted = draw(
        shown(state, model.automaton, model.surface), turn=40, tilt=-20, pixels=pixels, through=True
    ).astype(float)
    inside = (wanted[..., 3] == 255) & (whole[..., 3] == 255)
    assert inside.mean() > 0.2 and ((wanted[..., 3] > 0) != (whole[..., 3] > 0)).mean() < 0.01
    assert np.abs(wanted - whole)[inside].mean() < 3 < wanted[inside][:, :3].std()
    assert np.abs(parts - whole)[inside].max() <= 2
    assert 0 < np.abs(coarse - whole)[inside].mean() < 60
    assert (grey[..., 0] == grey[..., 1])[inside].all()
    # What was drawn before does not come in at the edges of what is enlarged.
    assert after[pixels // 2, pixels // 2, 3] == 255
    assert not after[0, :, 3].any() and not after[:, -1, 3].any()
