"""Rings and meshes in a real browser: their steps against PyTorch's, meshes that are brought, the dish."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch

from petri import modelfile, worn
from petri.graph import Surface, icosphere
from petri.graph.write import ply
from petri.modelfile import Model
from petri.nca import Automaton, Cell, Harmonics, Invariants, Mesh, Noise, Ring, Spec
from petri.nca.rule import Mlp
from petri.nca.seed import seed_state
from petri.shaders.golden import golden
from petri.shaders.pack import pack

SMALL = Mlp(hidden=16, layers=2)
FREE = 100  # steps of a free run
SINGLES = (0, 9, 60)  # steps that are taken alone, from the state that PyTorch had reached


def lopsided():
    """No sphere any more: no direction can be taken for another, nor for its mirror image."""
    ball = icosphere(2)
    x, y, z = ball.vertices.T
    return Surface(
        np.stack([x * 0.7, y + 0.3 * x, z * (1 + 0.4 * (x > 0))], axis=1), ball.faces[:-9]
    ).fitted()


SPECS = {
    "slope": Spec(space=Mesh(), senses=(Harmonics(),), rule=SMALL, channels=6, start=Cell(x=0.3)),
    "laplacian, gated": Spec(space=Mesh(), senses=(Harmonics(order=0),), channels=5, start=Noise(),
                             rule=Mlp(hidden=16, layers=3, gated=True)),
    "harmonics2, summed": Spec(space=Mesh(), senses=(Harmonics(order=2, gather="sum"),), rule=SMALL,
                               fire_rate=1.0),
    "living, fixed": Spec(space=Mesh(), senses=(Harmonics(order=2),), rule=SMALL, living=True, fixed=2),
    "invariants, fixed": Spec(space=Mesh(), senses=(Invariants(),), rule=SMALL, channels=6, fixed=1,
                              start=Noise()),
    "upright, by length": Spec(space=Mesh(frame="upright"), senses=(Harmonics(order=2, edge=0.2),),
                               rule=SMALL, channels=4, start=Noise(), fire_rate=0.7),
    "ring": Spec(space=Ring(), senses=(Harmonics(dimensions=1, valence=2),), rule=SMALL, channels=12),
}  # fmt: skip


def text(array):
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def file_of(model):
    return text(np.frombuffer(modelfile.to_bytes(model), np.uint8))


def made(spec, seed=0):
    """A model of random weights, on the lopsided mesh if it is of one."""
    chance = torch.Generator().manual_seed(seed)
    automaton = Automaton(spec, generator=chance)
    with torch.no_grad():
        much = 0.02 if spec.features > 100 else 0.1  # not so much that roundings come to be seen
        automaton.rule.weights[-1].uniform_(-much, much, generator=chance)
    model = Model(automaton=automaton, target="m")
    return worn.on(model, lopsided()) if isinstance(spec.space, Mesh) else model


RUN = """async ([model, mesh, width, seed, free, singles, fixed]) => {
    const read = lab.model(model);
    if (mesh) read.mesh = { ...lab.readMesh(lab.bytes(mesh)), own: true };
    const dish = await lab.open(read, { width, seed });
    if (fixed) dish.setFixed(lab.floats(fixed));
    const states = [lab.text(await dish.read())];
    for (const { state, step } of singles) {
        dish.write(lab.floats(state), { stepNumber: step });
        await dish.step();
        states.push(lab.text(await dish.read()));
    }
    dish.reset();
    await dish.step(free);
    states.push(lab.text(await dish.read()));
    const found = { states, said: dish.describe(), nodes: dish.width };
    dish.close();
    return found;
}"""


@pytest.mark.parametrize("name", SPECS)
def test_steps_give_the_numbers_of_pytorch(lab, name):
    spec = SPECS[name]
    model = made(spec)
    nodes = len(model.surface.vertices) if model.surface else 23
    fixed = (
        torch.rand(spec.fixed, 1, nodes, generator=torch.Generator().manual_seed(1)) if spec.fixed else None
    )
    states = [seed_state(spec, 1, nodes, seed=5, fixed=fixed)]
    for step in range(FREE):
        states.append(model.automaton.rollout(states[-1], 1, seed=5, start=step, engine="torch").detach())
    expected = [states[0], *(states[step + 1] for step in SINGLES), states[-1]]
    singles = [{"state": text(states[step].numpy()), "step": step} for step in SINGLES]
    mesh = text(np.frombuffer(ply(model.surface), np.uint8)) if model.surface else None
    found = lab.evaluate(
        RUN,
        [file_of(model), mesh, nodes, 5, FREE, singles, None if fixed is None else text(fixed.numpy())],
    )
    assert found["nodes"] == nodes and "WebAssembly" in found["said"]
    got = [np.frombuffer(base64.b64decode(state), np.float32) for state in found["states"]]
    apart = [
        (np.abs(one - other.numpy().ravel()) / (1 + np.abs(one))).max()
        for one, other in zip(got, expected, strict=True)
    ]
    assert (np.abs(got[-1]) > 0.01).mean() > 0.15  # something has come about
    assert apart[0] == 0 and max(apart[1:-1]) < 1e-5 and apart[-1] < 1e-4


def test_golden_values_are_the_same_here_and_tell_another_mesh(lab):
    for name in ("slope", "ring"):
        model = made(SPECS[name])
        nodes = len(model.surface.vertices) if model.surface else 23
        values = golden(model.automaton, grid=(1, nodes))
        assert len(values["cells"]) > 8 and values["width"] == nodes
        meshes = [None]
        if model.surface:
            stretched = Surface(model.surface.vertices * [1, 1.5, 1], model.surface.faces)
            meshes = [text(np.frombuffer(ply(one), np.uint8)) for one in (model.surface, stretched)]
        found = lab.evaluate(
            """([model, meshes, golden]) => Promise.all(meshes.map(async (mesh) => {
                const read = lab.model(model);
                if (mesh) read.mesh = { ...lab.readMesh(lab.bytes(mesh)), own: true };
                return lab.verify(read, golden);
            }))""",
            [file_of(model), meshes, values],
        )
        assert [one["same"] for one in found] == [True, False][: len(meshes)]
        assert found[0]["largest"] < 1e-5


def test_new_weights_take_over_while_the_cells_live_on_the_same_mesh_alone(lab):
    first, second = made(SPECS["slope"]), made(SPECS["slope"], seed=1)
    mesh = text(np.frombuffer(ply(first.surface), np.uint8))
    state = seed_state(first.spec, 1, first.nodes, seed=2)
    state = first.automaton.rollout(state, 6, seed=2, engine="torch")
    state = second.automaton.rollout(state, 6, seed=2, start=6, engine="torch")
    found = lab.evaluate(
        """async ([one, other, mesh]) => {
            const [first, second, third] = [one, other, other].map((file) => lab.model(file));
            first.mesh = second.mesh = { ...lab.readMesh(lab.bytes(mesh)), own: true };
            third.mesh = { ...first.mesh };
            const dish = await lab.open(first, { seed: 2 });
            await dish.step(6);
            const takes = [dish.takes(second), dish.takes(third)];
            await dish.load(second);
            await dish.step(6);
            const found = [takes, dish.stepNumber, lab.text(await dish.read())];
            await dish.wear({ places: first.mesh.places, faces: first.mesh.faces.slice(0, 300), own: false });
            found.push(dish.stepNumber, [...await dish.read()].filter((value) => value).length);
            dish.close();
            return found;
        }""",
        [file_of(first), file_of(second), mesh],
    )
    takes, steps, after, anew, lives = found
    assert (takes, steps) == ([True, False], 12)
    expected = state.detach().numpy().ravel()
    assert np.abs(np.frombuffer(base64.b64decode(after), np.float32) - expected).max() < 1e-4
    assert (anew, lives) == (0, first.spec.channels - 3)  # a single node, at the top


def test_a_spec_is_described_and_its_weights_are_packed_as_in_python(lab):
    for name, spec in SPECS.items():
        model = made(spec)
        described, packed, shape = lab.evaluate(
            """(text) => {
                const model = lab.model(text);
                const { data, width, height } = lab.packWeights(model);
                return [lab.describeSpec(model.spec), lab.text(data), [height, width]];
            }""",
            file_of(model),
        )
        texels = pack(model.automaton)
        assert described == spec.describe() and shape == list(texels.shape[:2]), name
        assert packed == text(texels), name  # every bit


def test_senses_that_do_not_fit_the_graph_are_refused_by_name(lab):
    mesh = {"space": {"kind": "mesh"}, "senses": [{"kind": "harmonics"}]}
    fields = [
        {"space": {"kind": "ring"}, "senses": [{"kind": "harmonics", "dimensions": 1, "order": 2}]},
        {"space": {"kind": "ring"}, "senses": [{"kind": "harmonics", "dimensions": 2}]},
        {"space": {"kind": "mesh"}, "senses": [{"kind": "harmonics", "gather": "most"}]},
        {"senses": [{"kind": "invariants"}]},
        {"space": {"kind": "ring"}, "senses": [{"kind": "harmonics"}], "decoder": {"kind": "lppn"}},
        {**mesh, "living": True, "decoder": {"kind": "lppn"}},
        {**mesh, "decoder": {"kind": "lppn", "order": "xy"}},
    ]
    found = lab.evaluate(
        """(all) => all.map((fields) => {
            try { return lab.checkSpec(fields); } catch (error) { return error.message; }
        })""",
        fields,
    )
    assert found == [
        "harmonics of one dimension have order 0 or 1, got 2",
        "the dimensions of harmonics must be 1 or 3, got 2",
        'the gather of harmonics must be one of mean, sum, got "most"',
        "a grid has other senses, got invariants",
        "a decoder paints between the cells of a grid or the nodes of a mesh: leave it out",
        "a decoder paints the colours of a whole mesh: leave out living mask and maps",
        "coordinates and order of a decoder are of squares, not of triangles: leave them out, "
        "got centre and xy",
    ]
    slope = Spec(space=Ring(), senses=(Harmonics(),), rule=SMALL)
    said = lab.evaluate(
        "(text) => lab.open(lab.model(text), { width: 9 }).then(() => '', (error) => error.message)",
        file_of(Model(automaton=Automaton(slope), target="m")),
    )
    assert said == "harmonics of order 1 need directions of 3 dimensions, the graph has 1"


def test_the_graph_is_that_of_pytorch(lab):
    surface = worn.on(made(SPECS["slope"]), lopsided()).surface
    graph = surface.graph()
    found = lab.evaluate(
        """([mesh, senses]) => {
            const { places, faces } = lab.readMesh(lab.bytes(mesh));
            const graph = lab.graphOf(places, faces);
            const pulls = senses.map((one) => lab.text(lab.pullsOf(graph, one)));
            return [[...graph.offsets], [...graph.neighbours], pulls];
        }""",
        [text(np.frombuffer(ply(surface), np.uint8)),
         [{"order": order, "dimensions": 3, "gather": "mean", "valence": 6} for order in (0, 1, 2)]],
    )  # fmt: skip
    assert found[0] == graph.offsets.tolist() and found[1] == graph.neighbours.tolist()
    for order, pulls in enumerate(found[2]):
        expected = Harmonics(order=order).weights(graph).T.float().numpy().ravel()
        assert np.abs(np.frombuffer(base64.b64decode(pulls), np.float32) - expected).max() < 1e-6
