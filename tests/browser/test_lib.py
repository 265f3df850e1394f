"""The viewer's library, part by part, against Python's."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from specs import DECODED, PAGE
from test_modelfile import FOREIGN, METADATA, SPEC, TENSORS, TRAINING, header

from petri import modelfile
from petri.errors import BadRequest
from petri.images import picture
from petri.modelfile import Model
from petri.models import find
from petri.nca import Automaton, Cell, Conv, Harmonics, Invariants, Mlp, Spec, Stencil, seed_state
from petri.nca.fire import fire_words, fires, sample_seeds
from petri.nca.padding import PADDINGS
from petri.nca.rule import RULES
from petri.nca.senses import SENSES
from petri.nca.senses.words import PERCEPTIONS
from petri.nca.space import SPACES, Mesh
from petri.nca.start import STARTS
from petri.shaders import glsl
from petri.shaders.golden import golden
from petri.shaders.obstacle import obstacle
from petri.shaders.pack import layout, pack
from petri.targets import PATTERNS

ENGINES = ("webgl", "wasm")


def text(array):
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def floats(text):
    return np.frombuffer(base64.b64decode(text), np.float32)


def content(automaton, **training):
    return base64.b64encode(
        modelfile.to_bytes(Model(automaton=automaton, target="m", training=training))
    ).decode()


def every_kind(rule):
    """Specs of all kinds with this rule."""
    others = ({}, {"channels": 5, "clamp": None}, {"channels": 37, "clamp": 12.5})
    rates = (None,) if rule.get("gated") else (None, 1.0, 0.1, 1e-7)
    for perception, padding, living, other, rate in itertools.product(
        PERCEPTIONS, PADDINGS, (False, True), others, rates
    ):
        fields = {"perception": perception, "padding": padding, "living": living, "fire_rate": rate}
        yield Spec.of(hidden=32, **fields, **other, **rule)


# What stands in a shader's text, or in its name, beside what the corpus has.
WORDED = [
    Spec(senses=senses, rule=rule, fixed=fixed)
    for senses, rule, fixed in (
        ((Stencil(), Stencil(dilation=2), Conv(width=16)), Mlp(hidden=16), 1),
        ((Conv(width=16), Stencil(), Stencil(dilation=2)), Mlp(hidden=16, change_bound=1e-5), 0),
        ((Stencil(), Stencil(dilation=2), Stencil(trained=True)), Mlp(hidden_bound=1.5e-7), 0),
        ((Stencil(filters=("identity",)), Stencil(), Stencil(dilation=2)), Mlp(sensed_bound=1e6), 0),
        ((Stencil(), Stencil(dilation=2), Stencil(dilation=2)), Mlp(sensed_bound=1 / 3), 0),
        ((Stencil(), Stencil(size=5, dilation=2)), Mlp(), 0),
        ((Stencil(dilation=2), Stencil()), Mlp(), 0),
        ((Stencil(filters=("identity", "laplacian")), Stencil(dilation=3)), Mlp(), 0),
        ((Stencil(dilation=3, trained=True), Stencil(dilation=3)), Mlp(), 0),
        ((Stencil(filters=("sobel_y", "sobel_x")), Conv(width=3), Conv(width=3)), Mlp(), 0),
        ((Conv(size=31, dilation=16, width=7),), Mlp(), 64),
    )
]


def test_python_and_the_page_write_the_same_glsl(lab, rule):
    specs = [*every_kind(rule), *PAGE, *WORDED, *DECODED.values()]
    texts = lab.evaluate(
        "(specs) => specs.map((fields) => { const spec = lab.checkSpec(fields);"
        " return [lab.describeSpec(spec), lab.stepShader(spec), spec.living ? lab.lifeShader(spec) : '',"
        " spec.decoder ? lab.decoderShader(spec) : '']; })",
        [json.loads(spec.to_json()) for spec in specs],
    )
    names = {}
    for spec, (description, step, life, decoder) in zip(specs, texts, strict=True):
        assert description == spec.describe()
        assert step == glsl.step_shader(spec)
        assert life == (glsl.life_shader(spec) if spec.living else "")
        assert decoder == (glsl.decoder_shader(spec) if spec.decoder else "")
        names.setdefault(glsl.name(spec), set()).add((step, life, decoder))
        assert decoder.isascii() and "{{" not in decoder and "//#" not in decoder
        assert step.isascii() and "{{" not in step and "//#" not in step and step.endswith("}\n")
    assert all(len(same) == 1 for same in names.values())
    assert len(names) == len(set.union(*names.values())), "two names for one shader"


def test_python_and_the_page_pack_the_same_texture(lab, rule, random_automaton):
    for spec in (*every_kind(rule), *PAGE, *WORDED[:-1], *DECODED.values()):
        if spec not in (*PAGE, *DECODED.values()) and (
            spec.living or spec.space.padding == "wrap" or spec.fire_rate not in (None, 0.5)
        ):
            continue  # nothing that has to do with weights
        automaton = random_automaton(spec)
        packed = lab.evaluate(
            "(m) => { const { data, width, height } = lab.packWeights(lab.model(m));"
            " return [lab.text(data), width, height]; }",
            content(automaton),
        )
        texels = pack(automaton)
        assert packed == [text(texels), texels.shape[1], texels.shape[0]], spec


@pytest.mark.parametrize("perception", ["sobel", "learned+dilated", "conv3w6+laplacian+conv5d2w7+learned5"])
def test_a_column_of_the_first_layer_reads_its_feature(lab, perception, random_automaton):
    """One weight at a time: hidden unit 0 passes one feature on to channel 0, and all cells fire."""
    spec = Spec.of(channels=6, perception=perception, hidden=16, layers=2, fire_rate=1, clamp=None)
    automaton = random_automaton(spec)
    for values in (*automaton.rule.weights, *automaton.rule.biases):
        values.data.zero_()
    automaton.rule.weights[1].data[0, 0] = 1
    state = torch.rand(1, spec.channels, 5, 7, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = automaton.perception(state)[0].clamp(min=0).numpy()
    assert len({row.tobytes() for row in features}) > spec.features / 3  # they can be told apart
    results = lab.evaluate(
        """async ([content, state, features, engines]) => {
            const results = [];
            for (const engine of engines) {
                const model = lab.model(content);
                const dish = await lab.open(model, { width: 7, height: 5, engine });
                for (let column = 0; column < features; column++) {
                    model.weights["rule.weights.0"].fill(0)[column] = 1;
                    await dish.load(model);
                    dish.write(lab.floats(state));
                    await dish.step();
                    results.push(lab.text((await dish.read()).subarray(0, 35)));
                }
                dish.close();
            }
            return results;
        }""",
        [content(automaton), text(state.numpy()), spec.features, ENGINES],
    )
    for at, result in enumerate(results):
        column = at % spec.features
        found = floats(result).reshape(5, 7) - state[0, 0].numpy()
        assert np.abs(found - features[column]).max() < 1e-6, (
            f"{ENGINES[at // spec.features]}: column {column}"
        )


def test_the_permutation_puts_each_column_where_its_lane_is():
    spec = Spec.of(channels=6, perception="dilated", hidden=16, layers=2)
    automaton = Automaton(spec)
    for column in range(spec.features):
        automaton.rule.weights[0].data.zero_()
        automaton.rule.biases[0].data.zero_()
        automaton.rule.weights[0].data[3, column] = 1
        channel, number = divmod(column, 6)
        row, texel, lane = np.argwhere(pack(automaton)).tolist()[0]
        assert (row, texel, lane) == (3, (channel // 4) * 6 + number, channel % 4)
        assert np.count_nonzero(pack(automaton)) == 1
    assert layout(spec).features == 12


def test_the_texture_is_no_wider_and_no_higher_than_every_gpu_takes():
    large = Spec.of(perception="conv31w64", hidden=16, fixed=64)
    places = layout(large)
    assert places.width > places.end and places.height <= 2048 and obstacle(large) == ""
    assert layout(Spec.of(perception="conv3")).width == layout(Spec.of(perception="conv3")).end


# ---- what a browser computes

TAKEN = {
    "stencil": {"filters": ["laplacian"], "size": 7, "dilation": 16, "trained": True},
    "conv": {"size": 7, "dilation": 16, "width": 512},
    "attention": None,
    "deformable": None,
    "residual": None,
    "harmonics": {"order": 2, "gather": "sum", "valence": 5},
    "invariants": {"valence": 3},
}
KNOWN = ("stencil", "conv", "harmonics", "invariants")
CHECKED = """(all) => all.map((fields) => {
    try {
        const spec = lab.checkSpec(fields);
        lab.checkRoom(spec);
        return "";
    } catch (error) {
        return [error.message, error instanceof lab.Obstacle];
    }
})"""


def test_which_kinds_a_browser_takes(lab):
    """No kind is taken or left without this test's knowing; the page and Python say the same sentence."""
    assert set(TAKEN) == set(SENSES)
    specs, wanted = [], []
    for name, kind in SENSES.items():
        if name in ("harmonics", "invariants"):  # of graphs
            specs.append(Spec(space=Mesh(), senses=(kind(**TAKEN[name]),)))
        else:
            specs.append(Spec(senses=(Stencil(), kind(**TAKEN[name] or {}))))
        refused = f"a browser computes senses of the kind {' or '.join(KNOWN)}, not {name}"
        wanted.append("" if TAKEN[name] else refused)
    specs += [dataclasses.replace(Spec(), start=start()) for start in STARTS.values()]
    specs += [Spec(senses=(Stencil(),) * 33), Spec(fixed=64, senses=(Conv(size=31, width=512),))]
    specs.append(Spec(space=Mesh(), senses=(Harmonics(), Invariants())))
    wanted += [""] * len(STARTS) + ["a browser has room for 32 senses, not 33"]
    wanted += ["a browser has room for weights of 2048 × 2048 texels, not of 4963 × 2048 texels"]
    wanted += ["a browser computes one sense of a mesh, not 2"]
    assert [obstacle(spec) for spec in specs] == wanted
    assert (set(RULES), set(SPACES)) == ({"mlp"}, {"grid", "ring", "mesh"})
    found = lab.evaluate(CHECKED, [json.loads(spec.to_json()) for spec in specs])
    assert found == [[sentence, True] if sentence else "" for sentence in wanted]


def test_a_kind_of_tomorrow_is_named(lab):
    good = json.loads(Spec().to_json())
    found = lab.evaluate(
        CHECKED,
        [
            good | {"senses": [{"kind": "telepathy", "range": 3}]},
            good | {"rule": {"kind": "siren"}},
            good | {"space": {"kind": "mesh"}},
            good | {"space": {"kind": "torus"}},
            good | {"start": {"kind": "letter"}},
            good | {"decoder": {"kind": "spline"}},
            good | {"fixed": 1, "held": 1},
            good | {"senses": [{"kind": "conv", "heads": 4}]},
            {"senses": [{}]},
        ],
    )
    assert found == [
        [f"a browser computes senses of the kind {' or '.join(KNOWN)}, not telepathy", True],
        ["a browser computes rules of the kind mlp, not siren", True],
        ["a mesh has other senses, got stencil", False],
        ["a browser computes spaces of the kind grid or ring or mesh, not torus", True],
        ["a browser computes starts of the kind cell or noise or uniform or given, not letter", True],
        ["a browser computes decoders of the kind lppn, not spline", True],
        ["a browser computes no held channels", True],
        ['sense 1 (conv) has an unknown field "heads"', False],
        ["sense 1 names no kind", False],
    ]


SEEDS = (0, 1, 12345, 2**31, 2**32 - 1)
STEPS = (0, 1, 255, 2**31 + 1)


def test_the_same_cells_fire_bit_for_bit(lab):
    """A model that adds one to each cell that fires: 16,384 cells, many seeds and steps."""
    side, results = 128, []
    for rate, logit in ((0.5, None), (0.3, None), (1.0, None), (None, 0.4), (None, 40.0)):
        spec = Spec.of(
            channels=4, perception="sobel", hidden=16, layers=2, gated=rate is None, fire_rate=rate
        )
        automaton = Automaton(spec)
        for values in automaton.parameters():
            values.data.zero_()
        automaton.rule.biases[1].data.fill_(1)
        if logit is not None:
            automaton.rule.biases[1].data[4] = logit
        # The chance as a float, nudged off the words: sigmoids differ in their last bits.
        chance = rate if rate is not None else torch.tensor(logit).sigmoid()
        asked = [content(automaton), side, SEEDS, STEPS, ENGINES]
        results = lab.evaluate(
            """async ([content, side, seeds, steps, engines]) => {
                const results = [];
                for (const engine of engines) {
                    const dish = await lab.open(lab.model(content), { width: side, height: side, engine });
                    for (const seed of seeds) {
                        dish.reset({ seed });
                        for (const step of steps) {
                            dish.write(new Float32Array(4 * side * side), { stepNumber: step });
                            await dish.step();
                            const added = (await dish.read()).subarray(0, side * side);
                            results.push(lab.text(Uint8Array.from(added)));
                        }
                    }
                    dish.close();
                }
                return results;
            }""",
            asked,
        )
        found = iter(results)
        for engine, seed, step in itertools.product(ENGINES, SEEDS, STEPS):
            mask = np.frombuffer(base64.b64decode(next(found)), np.uint8).reshape(side, side)
            words = fire_words(sample_seeds(seed, 1), step, side, side)
            expected = fires(words, chance)[0, 0].numpy()
            clear = np.ones_like(expected)
            if logit is not None:
                clear = ((words / 2**32 - float(chance)).abs() > 1e-6)[0, 0].numpy()
            assert (mask == expected)[clear].all(), f"{engine}, rate {rate}, seed {seed}, step {step}"
            assert clear.sum() > 0.999 * side * side and (mask.any() and (mask.all() == (float(chance) == 1)))
        assert next(found, None) is None


def seed_of_word(word):
    """The fire seed that gives the cell in the first row and column this word at step 0: pcg backwards."""
    for _ in "xys":  # pcg(0 + pcg(0 + pcg(seed + pcg(0))))
        word ^= word >> 22
        word = word * pow(277803737, -1, 2**32) % 2**32
        shift, mixed = (word >> 28) + 4, word
        for _ in range(8):
            mixed = word ^ (mixed >> shift)
        word = (mixed - 2891336453) * pow(747796405, -1, 2**32) % 2**32
    return (word - pcg_of_zero()) % 2**32


def pcg_of_zero():
    a = 2891336453
    w = ((a >> ((a >> 28) + 4)) ^ a) * 277803737 % 2**32
    return (w >> 22) ^ w


@pytest.mark.parametrize("engine", ENGINES)
def test_a_full_gate_fires_at_every_word_and_a_shut_one_at_none(lab, engine):
    for word, logit, taken in ((2**32 - 1, 40.0, 1), (2**32 - 1, 15.0, 0), (0, -20.0, 1), (0, -120.0, 0)):
        seed = seed_of_word(word)
        assert fire_words(sample_seeds(seed, 1), 0, 1, 1).item() == word
        automaton = Automaton(Spec.of(channels=4, perception="sobel", hidden=16, layers=2, gated=True))
        for values in automaton.parameters():
            values.data.zero_()
        automaton.rule.biases[1].data.fill_(1)
        automaton.rule.biases[1].data[4] = logit
        found = lab.evaluate(
            """async ([content, seed, engine]) => {
                const dish = await lab.open(lab.model(content), { width: 1, height: 1, seed, engine });
                dish.write(new Float32Array(4));
                await dish.step();
                const [found] = await dish.read();
                dish.close();
                return found;
            }""",
            [content(automaton), seed, engine],
        )
        assert found == automaton.rollout(torch.zeros(1, 4, 1, 1), 1, seed=seed).flatten()[0] == taken


def test_the_page_hashes_the_same_words(lab):
    words = lab.evaluate(
        "([seeds, steps]) => seeds.flatMap((seed) => steps.map((step) => {"
        " const words = new Uint32Array(17 * 23);"
        " for (let i = 0; i < 17 * 23; i++) words[i] = lab.fireWord(i % 23, Math.floor(i / 23), seed, step);"
        " return lab.text(words); }))",
        [SEEDS, STEPS],
    )
    for (seed, step), found in zip(itertools.product(SEEDS, STEPS), words, strict=True):
        expected = fire_words(sample_seeds(seed, 1), step, 17, 23)[0, 0].numpy()
        assert (np.frombuffer(base64.b64decode(found), np.uint32).reshape(17, 23) == expected).all()


# ---- model files

PARSE = """(content) => {
    try {
        const { name, spec, weights, res, steps, training } = lab.model(content);
        const texts = Object.entries(weights).map(([key, values]) => [key, lab.text(values)]);
        return { name, spec, res, steps, training, weights: Object.fromEntries(texts) };
    } catch (error) {
        return error.message;
    }
}"""


@pytest.fixture
def file(tmp_path, random_automaton):
    path = tmp_path / "spiral.safetensors"
    modelfile.write(path, Model(automaton=random_automaton(SPEC), target="größer <b>", training=TRAINING))
    return path


def parse(lab, path):
    return lab.evaluate(PARSE, base64.b64encode(path.read_bytes()).decode())


def test_the_page_reads_what_python_writes(lab, file):
    found, model = parse(lab, file), modelfile.read(file)
    assert (found["name"], found["training"]) == (model.target, TRAINING)
    assert (found["res"], found["steps"]) == (72, 100)
    fields = json.loads(model.automaton.spec.to_json())
    assert {name: found["spec"][name] for name in fields} == fields
    assert found["weights"] == {
        name: text(values.detach().numpy()) for name, values in modelfile.weights(model.automaton).items()
    }


def test_the_page_knows_the_grid_and_the_steps_of_a_recipe(lab, file, random_automaton):
    training = {"recipe": {"phases": [{"res": 40, "steps": [30, 60]}]}}
    modelfile.write(file, Model(automaton=random_automaton(SPEC), target="t", training=training))
    found, model = parse(lab, file), modelfile.read(file)
    assert (found["res"], found["steps"]) == (model.res, model.steps) == (40, 60)


def refused_by_both(lab, path, words):
    with pytest.raises(BadRequest):
        modelfile.read(path)
    message = parse(lab, path)
    assert isinstance(message, str) and "\n" not in message and len(message) < 300, message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("name", "value", "message"), METADATA, ids=[f"{name}={str(value)[:9]}" for name, value, _ in METADATA]
)
def test_the_page_refuses_a_wrong_field(lab, file, name, value, message):
    from safetensors.torch import load_file, save

    metadata = header(file.read_bytes())["__metadata__"] | {name: value}
    file.write_bytes(save(load_file(file), {key: text for key, text in metadata.items() if text is not None}))
    refused_by_both(lab, file, [name if name != "format" else "format = petri"] if value is None else [])
    assert message.split(",")[0].split(":")[0].replace("'", '"')[:20] in parse(lab, file).replace("'", '"')


@pytest.mark.parametrize("name", TENSORS)
def test_the_page_refuses_a_wrong_tensor(lab, file, name):
    from safetensors.torch import load, save

    # Not load_file, which reads on from a file that is about to be replaced.
    tensors, metadata = load(file.read_bytes()), header(file.read_bytes())["__metadata__"]
    values = tensors.pop(name)
    for wrong in (None, values.half(), values[1:].contiguous(), values[None], values / 0):
        file.write_bytes(save(tensors if wrong is None else tensors | {name: wrong}, metadata))
        refused_by_both(lab, file, [name])


def test_a_file_of_version_0_1_gives_the_same_texels_as_one_of_today(lab):
    """Each of the patterns as it lies there, and as it is written now."""
    packed = "(m) => lab.text(lab.packWeights(lab.model(m)).data)"
    for path in map(find, PATTERNS):
        old, model = path.read_bytes(), modelfile.read(path)
        assert header(old)["__metadata__"]["schema"] == "1"
        new = modelfile.to_bytes(model)
        assert header(new)["__metadata__"]["schema"] == "2"
        found = [lab.evaluate(packed, base64.b64encode(content).decode()) for content in (old, new)]
        assert found == [text(pack(model.automaton))] * 2, path


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_the_page_refuses_what_is_no_model_file(lab, file, foreign):
    file.write_bytes(foreign(file.read_bytes()))
    refused_by_both(lab, file, ["not a model file"])


def test_the_page_refuses_tensors_that_share_bytes(lab, file):
    content = file.read_bytes()
    fields = header(content)
    fields["rule.biases.0"]["data_offsets"] = [0, 64]
    changed = json.dumps(fields).encode()
    size = int.from_bytes(content[:8], "little")
    file.write_bytes(len(changed).to_bytes(8, "little") + changed + content[8 + size :])
    refused_by_both(lab, file, ["not a model file"])


# ---- the dish


def test_golden_values_are_what_both_engines_find(lab, random_automaton):
    for fields in ({"layers": 2, "gated": True, "living": True}, {"residual": True}):
        automaton = random_automaton(Spec.of(hidden=16, **fields), change=0.15)
        values = golden(automaton)
        for engine in ENGINES:
            asked = [content(automaton), values, engine]
            found = lab.evaluate(
                "([m, golden, engine]) => lab.verify(lab.model(m), golden, { engine })", asked
            )
            assert found["same"] and found["largest"] < 1e-5, found
            assert [each["step"] for each in found["differences"]] == [1, 8, 32]
            automaton.rule.biases[-1].data[5] += 0.01
            asked[0] = content(automaton)
            wrong = lab.evaluate(
                "([m, golden, engine]) => lab.verify(lab.model(m), golden, { engine })", asked
            )
            automaton.rule.biases[-1].data[5] -= 0.01
            assert not wrong["same"] and wrong["largest"] > 1e-3, wrong


@pytest.mark.parametrize("engine", ENGINES)
def test_drawing_and_editing(lab, random_automaton, engine):
    spec = Spec.of(channels=6, hidden=16, layers=2, living=True)
    model = content(random_automaton(spec))
    found = lab.evaluate(
        """async ([content, engine]) => {
            const model = lab.model(content), canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [14, 10];
            const dish = await lab.openDish(canvas, model, { width: 7, height: 5, engine });
            const pixels = () => [...canvas.getContext("2d").getImageData(0, 0, 14, 10).data];
            const found = { seeded: lab.text(await dish.read()) };
            dish.paint(5.5, 0.5, 0.6, [1, 0.5, 0]);
            found.painted = lab.text(await dish.read());
            dish.ground = [0, 0, 1];
            await dish.draw();
            found.colours = pixels();
            dish.ground = null;
            await dish.draw();
            found.through = pixels();
            await dish.draw({ channel: 4 });
            found.greys = pixels();
            dish.plant(1.2, 3.9);
            found.planted = lab.text(await dish.read());
            dish.erase(3.5, 2.5, 1);
            found.erased = lab.text(await dish.read());
            await dish.step(3);
            await dish.resize(9, 4);
            found.resized = [dish.width, dish.height, dish.stepNumber, (await dish.read()).length];
            dish.close();
            return found;
        }""",
        [model, engine],
    )
    state = np.zeros((6, 5, 7), np.float32)
    state[3:, 2, 3] = 1
    same = lambda name: np.array_equal(floats(found[name]).reshape(state.shape), state)  # noqa: E731
    assert same("seeded")
    state[:4, 0, 5] = 1, 0.5, 0, 1
    assert same("painted")
    pixels = np.array(found["colours"], np.uint8).reshape(10, 14, 4)
    assert (pixels[::2, ::2] == pixels[1::2, 1::2]).all(), "a cell is two pixels wide and high"
    expected = np.full((5, 7, 4), (0, 0, 255, 255), np.uint8)
    expected[2, 3], expected[0, 5] = (0, 0, 0, 255), (255, 128, 0, 255)
    assert np.abs(pixels[::2, ::2].astype(int) - expected).max() <= 1
    through = np.array(found["through"], np.uint8).reshape(10, 14, 4)[::2, ::2]
    expected[expected[:, :, 2] == 255] = 0  # nothing where the ground was
    assert np.abs(through.astype(int) - expected).max() <= 1
    greys = np.array(found["greys"], np.uint8).reshape(10, 14, 4)[::2, ::2, 0].astype(int)
    assert greys[2, 3] == 255 and abs(greys[0, 0] - 128) <= 1
    state[3:, 3, 1] = 1
    assert same("planted")
    state[:, 2, 3] = state[:, 1, 3] = state[:, 3, 3] = state[:, 2, 2] = state[:, 2, 4] = 0
    assert same("erased")
    assert found["resized"] == [9, 4, 0, 6 * 36]


def test_the_processor_steps_in_a_worker_and_without_one_with_the_same_numbers(lab, random_automaton):
    away, here = (
        lab.evaluate(
            """async ([content, allowed]) => {
                const { Worker } = window;
                let workers = 0;
                window.Worker = class extends Worker {
                    constructor(...given) {
                        if (!allowed) throw new Error("the page may have no worker");
                        super(...given);
                        workers += 1;
                    }
                };
                try {
                    const options = { width: 24, height: 17, engine: "wasm", seed: 5 };
                    const dish = await lab.open(lab.model(content), options);
                    dish.plant(3, 4);
                    const taken = await dish.step(7);
                    const late = dish.step(3);
                    dish.reset();  // before the answer: those three steps count no more
                    await late;
                    const after = dish.stepNumber;
                    await dish.step(6);
                    const said = [dish.describe(), lab.text(await dish.read())];
                    dish.close();
                    return { workers, taken, after, steps: dish.stepNumber, said };
                } finally {
                    window.Worker = Worker;
                }
            }""",
            [content(random_automaton(Spec.of(hidden=16, layers=2))), allowed],
        )
        for allowed in (True, False)
    )
    assert (away.pop("workers"), here.pop("workers")) == (1, 0)
    assert away == here and (away["taken"], away["after"], away["steps"]) == (7, 0, 6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_growth_ends_where_the_state_is_set_anew(lab, random_automaton, engine):
    """So what begins again while it grows, and grows then, stops at the step that was asked for."""
    steps = lab.evaluate(
        """async ([content, engine]) => {
            const dish = await lab.open(lab.model(content), { width: 9, engine });
            const first = dish.grow(30);
            await dish.step(2);
            dish.reset();
            await Promise.all([first, dish.grow(11)]);
            const steps = dish.stepNumber;
            dish.close();
            return steps;
        }""",
        [content(random_automaton(Spec.of(hidden=16, layers=2))), engine],
    )
    assert steps == 11


def test_a_budget_ends_the_steps_and_one_is_always_taken(lab, random_automaton):
    found = lab.evaluate(
        """async (content) => {
            const dish = await lab.open(lab.model(content), { width: 64, engine: "wasm" });
            const taken = [await dish.step(1e9, 5), await dish.step(1e9, 0), await dish.step(0, 5)];
            const steps = dish.stepNumber;
            dish.close();
            return [taken, steps, await dish.step(4)];
        }""",
        content(random_automaton(Spec.of(hidden=16, layers=2))),
    )
    (first, second, third), steps, closed = found
    assert 1 <= first < 1e9 and (second, third, closed) == (1, 0, 0) and steps == first + second


def test_a_grid_beyond_the_memory_leaves_all_as_it_was(lab, random_automaton):
    found = lab.evaluate(
        """async (content) => {
            const dish = await lab.open(lab.model(content), { width: 9, height: 6, engine: "wasm" });
            await dish.step(5);
            const before = lab.text(await dish.read());
            const refused = await dish.resize(4096, 4096).catch((error) => error.message);
            const after = [dish.width, dish.height, lab.text(await dish.read()) === before];
            await dish.step(2);
            const steps = dish.stepNumber;
            dish.close();
            return [refused, after, steps];
        }""",
        content(random_automaton(Spec.of(channels=64, hidden=16, layers=2))),
    )
    refused, after, steps = found
    assert refused == "there is no memory for a grid of 4096 × 4096 cells"
    assert after == [9, 6, True] and steps == 7


@pytest.mark.parametrize("engine", ENGINES)
def test_a_new_checkpoint_keeps_the_state(lab, random_automaton, engine):
    first, second = (Spec.of(hidden=16, layers=2, living=living) for living in (False, True))
    other = Spec.of(channels=8, hidden=32, perception="learned")
    models = [content(random_automaton(spec, seed=1)) for spec in (first, second, other)]
    kept, loaded, begun, steps = lab.evaluate(
        """async ([contents, engine]) => {
            const [first, second, other] = contents.map(lab.model);
            const dish = await lab.open(first, { width: 9, height: 6, engine });
            await dish.step(5);
            const kept = lab.text(await dish.read());
            await dish.load(second);
            const loaded = lab.text(await dish.read());
            await dish.step(2);
            const steps = [dish.stepNumber];
            await dish.load(other);
            const begun = lab.text(await dish.read());
            steps.push(dish.stepNumber);
            await dish.step(1);
            dish.close();
            return [kept, loaded, begun, steps];
        }""",
        [models, engine],
    )
    assert kept == loaded and floats(kept).any()
    assert np.array_equal(floats(begun).reshape(8, 6, 9), Automaton(other).seed_state(6, 9)[0].numpy())
    assert steps == [7, 0]


def test_a_lost_context_comes_back(lab, random_automaton):
    spec = Spec.of(channels=5, hidden=16, layers=2)
    model = content(random_automaton(spec, change=0.1))
    found = lab.evaluate(
        """async (content) => {
            const model = lab.model(content), options = { width: 6, height: 5, engine: "webgl" };
            const [dish, twin] = [await lab.open(model, options), await lab.open(model, options)];
            const told = [];
            dish.onlost = () => told.push("lost");
            const restored = (one) => new Promise((done) => { one.onrestored = done; });
            const back = Promise.all([restored(dish).then(() => told.push("back")), restored(twin)]);
            await dish.step(250);
            await dish.step(10);  // its state is copied at 256
            await dish.read();  // waits until the GPU has done all
            await new Promise((done) => setTimeout(done, 100));
            await dish.step(0);
            const lose = dish.gl.getExtension("WEBGL_lose_context");
            lose.loseContext();
            await new Promise((done) => setTimeout(done, 50));
            await dish.step(7);
            await dish.draw();
            const [during, kept] = [dish.stepNumber, lab.text(await dish.read())];
            lose.restoreContext();
            await back;
            const after = [dish.stepNumber, lab.text(await dish.read())];
            await dish.step(9);
            await twin.step(256);
            const same = lab.text(await twin.read());
            await twin.step(9);
            const ends = [lab.text(await dish.read()), lab.text(await twin.read())];
            const result = { told, during, kept, after, same, ends };
            dish.close();
            twin.close();
            return result;
        }""",
        model,
    )
    assert found["told"] == ["lost", "back"] and found["during"] == 260
    assert found["after"] == [256, found["same"]] and found["kept"] == found["same"]
    assert found["ends"][0] == found["ends"][1]


def test_forty_dishes_share_one_context_and_its_programs(lab, random_automaton):
    """A browser keeps about sixteen contexts and drops the oldest."""
    specs = (Spec.of(channels=5, hidden=16, layers=2), Spec.of(hidden=16, layers=2, living=True))
    automata = [random_automaton(specs[number % 2], seed=number, change=0.1) for number in range(40)]
    found = lab.evaluate(
        """async (contents) => {
            const { getContext } = HTMLCanvasElement.prototype, gl = WebGL2RenderingContext.prototype;
            const { linkProgram } = gl;
            const made = [];
            let programs = 0;
            HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
                const context = getContext.call(this, kind, ...more);
                if (kind === "webgl2") made.push(context);
                return context;
            };
            gl.linkProgram = function (program) { programs++; linkProgram.call(this, program); };
            try {
                const dishes = [];
                for (const [number, content] of contents.entries()) {
                    const size = { width: 5 + number % 3, height: 6 + number % 2 };
                    dishes.push(await lab.open(lab.model(content), { ...size, engine: "webgl" }));
                }
                for (let step = 0; step < 4; step++) for (const dish of dishes) await dish.step();
                const states = (await Promise.all(dishes.map((dish) => dish.read()))).map(lab.text);
                const lost = made.filter((context) => context.isContextLost()).length;
                dishes.forEach((dish) => dish.close());
                await new Promise((done) => setTimeout(done, 50));
                const left = made.filter((context) => !context.isContextLost()).length;
                const again = await lab.open(lab.model(contents[0]), { engine: "webgl" });
                await again.step();
                again.close();
                return { states, lost, left, made: made.length, programs };
            } finally {
                HTMLCanvasElement.prototype.getContext = getContext;
                gl.linkProgram = linkProgram;
            }
        }""",
        [content(automaton) for automaton in automata],
    )
    assert (found["lost"], found["left"], found["made"]) == (0, 0, 2)
    assert found["programs"] == 2 + 1 + 2 + (2 + 1)  # edits and looks, one kind, the other, and the one again
    for number, (automaton, state) in enumerate(zip(automata, found["states"], strict=True)):
        width, height = 5 + number % 3, 6 + number % 2
        with torch.no_grad():
            expected = automaton.rollout(automaton.seed_state(height, width), 4, engine="torch").numpy()
        assert np.abs(floats(state) - expected.ravel()).max() < 1e-5, number


@pytest.mark.parametrize("engine", ENGINES)
def test_a_figure_is_drawn_on_its_ground_or_see_through_and_a_plane_is_opaque(lab, random_automaton, engine):
    found = lab.evaluate(
        """async ([contents, engine]) => {
            const shown = [];
            for (const content of contents) {
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [3, 2];
                const model = lab.model(content);
                const larger = await lab.open(model, { width: 9, height: 8, engine });  // beside it
                const dish = await lab.openDish(canvas, model, { width: 3, height: 2, engine });
                const state = new Float32Array(6 * 8);
                [0.25, 0, 0.125, 0.5].forEach((value, channel) => (state[6 * channel] = value));  // a cell
                [1, 0.5, 0, 1].forEach((value, channel) => (state[6 * channel + 5] = value));
                dish.write(state);
                larger.paint(4, 4, 9, [1, 1, 1]);
                for (const [ground, channel] of [[null, 4], [[0, 0, 1], null], [null, null]]) {
                    dish.ground = ground;
                    await Promise.all([dish.draw({ channel }), larger.draw()]);
                    shown.push([...canvas.getContext("2d").getImageData(0, 0, 3, 2).data]);
                }
                larger.close();
                dish.close();
            }
            return shown;
        }""",
        [
            [
                content(random_automaton(Spec.of(channels=8, hidden=16, layers=2, living=living)))
                for living in (True, False)
            ],
            engine,
        ],
    )
    pixels = np.array(found, int).reshape(2, 3, 6, 4)
    figure, plane = pixels
    assert np.abs(pixels[:, 0] - (128, 128, 128, 255)).max() <= 1  # a channel alone is opaque
    empty, last = (0, 0, 0, 0), (255, 128, 0, 255)
    on_blue = [(64, 0, 160, 255), *[(0, 0, 255, 255)] * 4, last]
    see_through = [(128, 0, 64, 128), *[empty] * 4, last]  # a picture's colours are not multiplied by alpha
    opaque = [(64, 0, 32, 255), *[(0, 0, 0, 255)] * 4, last]
    for shown, expected in zip(figure[1:], (on_blue, see_through), strict=True):
        assert np.abs(shown - expected).max() <= 2
    assert np.abs(plane[1:] - [opaque]).max() <= 1


def test_half_floats_where_others_cannot_be_drawn_to(lab, random_automaton):
    automaton = random_automaton(Spec.of(hidden=16, layers=2), change=0.1)
    said, state = lab.evaluate(
        """async (content) => {
            const complete = WebGL2RenderingContext.prototype.checkFramebufferStatus;
            let asked = 0;
            WebGL2RenderingContext.prototype.checkFramebufferStatus = function (target) {
                return asked++ ? complete.call(this, target) : 0;  // the first format is not complete
            };
            try {
                const dish = await lab.open(lab.model(content), { width: 8, height: 8, engine: "webgl" });
                await dish.step(4);
                const result = [dish.describe(), lab.text(await dish.read())];
                dish.close();
                return result;
            } finally {
                WebGL2RenderingContext.prototype.checkFramebufferStatus = complete;
            }
        }""",
        content(automaton),
    )
    assert said == "WebGL2, 16-bit float state"
    expected = automaton.rollout(automaton.seed_state(8), 4, engine="torch").detach().numpy().ravel()
    assert 1e-7 < np.abs(floats(state) - expected).max() < 1e-2


OBSTACLES = {  # what the browser lacks, what is asked for, and what the page says
    "no WebGL2": ("context", "webgl", "this browser has no WebGL2"),
    "no float targets": ("status", "webgl", "this GPU cannot draw to float textures"),
    "a grid too large": (
        "limit",
        "webgl",
        "the grid of 300 × 300 is too large for this GPU: it takes at most 256",
    ),
    "no WebAssembly": ("wasm", "wasm", "this browser has no WebAssembly SIMD"),
}


@pytest.mark.parametrize(("what", "engine", "message"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_cannot_be_had_is_said_in_one_line(lab, random_automaton, what, engine, message):
    model = content(random_automaton(Spec.of(hidden=16, layers=2)))
    said = lab.evaluate(
        """async ([content, what, engine]) => {
            const model = lab.model(content), gl = WebGL2RenderingContext.prototype;
            const { getContext } = HTMLCanvasElement.prototype, { checkFramebufferStatus, getParameter } = gl;
            const { WebAssembly } = window;
            if (what === "status") gl.checkFramebufferStatus = () => 0;
            else if (what === "wasm") window.WebAssembly = undefined;
            else if (what === "limit") gl.getParameter = function (name) {
                return name === this.MAX_TEXTURE_SIZE ? 256 : getParameter.call(this, name);
            };
            else HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
                return kind === "webgl2" ? null : getContext.call(this, kind, ...more);
            };
            try {
                await lab.open(model, { width: 300, height: 300, engine });
                return "";
            } catch (error) {
                return error.message;
            } finally {
                HTMLCanvasElement.prototype.getContext = getContext;
                Object.assign(gl, { checkFramebufferStatus, getParameter });
                window.WebAssembly = WebAssembly;
            }
        }""",
        [model, what, engine],
    )
    assert said == message


def test_a_shader_that_the_gpu_refuses_leaves_the_dish_to_the_processor(lab, random_automaton):
    """As on a GPU that is real but too small for the model."""
    model = content(random_automaton(Spec.of(hidden=16, layers=2)))
    found = lab.evaluate(
        """async (content) => {
            const model = lab.model(content), gl = WebGL2RenderingContext.prototype;
            const { getParameter, getProgramParameter, getShaderInfoLog } = gl;
            const options = { width: 8, height: 8 };
            Object.assign(gl, {
                getParameter(name) { return name > 0x9000 ? "A real GPU" : getParameter.call(this, name); },
                getProgramParameter: () => false,
                getShaderInfoLog: () => "too many",
            });
            try {
                const asked = lab.open(model, { ...options, engine: "webgl" });
                const said = await asked.catch((error) => error.message);
                const fresh = await import("/lib/dish.js?fresh");  // it asks once what the GPU is
                const dish = await fresh.openDish(document.createElement("canvas"), model, options);
                return [said, dish.engine, dish.describe()];
            } finally {
                Object.assign(gl, { getParameter, getProgramParameter, getShaderInfoLog });
            }
        }""",
        model,
    )
    assert found == ["this GPU cannot run the model: too many", "wasm", "WebAssembly SIMD, on the processor"]


def test_values_out_of_range_are_refused(lab, random_automaton):
    model = content(random_automaton(Spec.of(hidden=16, layers=2)))
    for options, message in (
        ({"engine": "gpu"}, "engine must be one of auto, webgl, wasm"),
        ({"width": 0}, "the grid's sides must be whole numbers in 1..4096, got 0 × 0"),
        ({"width": 8, "height": 5000}, "got 8 × 5000"),
        ({"seed": -1}, "seed must be in 0..4294967295, got -1"),
    ):
        said = lab.evaluate(
            "([m, options]) => lab.open(lab.model(m), options).then(() => '', (error) => error.message)",
            [model, options],
        )
        assert message in said


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_given_stays_until_the_grid_changes(lab, random_automaton, engine):
    spec = Spec.of(
        channels=5, fixed=2, start={"kind": "given"}, hidden=16, layers=2, fire_rate=1, perception="sobel"
    )
    chance = np.random.default_rng(0)
    start, fixed, other = (chance.random((n, 3, 4), np.float32) for n in (5, 2, 2))
    found = lab.evaluate(
        """async ([content, start, fixed, other, engine]) => {
            const dish = await lab.open(lab.model(content), { width: 4, height: 3, engine });
            const states = {}, keep = async (name) => (states[name] = lab.text(await dish.read()));
            await keep("empty");
            dish.setStart(lab.floats(start));
            dish.setFixed(lab.floats(fixed));
            await keep("given");
            await dish.step(2);
            dish.erase(2, 1.5, 99);
            await keep("erased");
            dish.setFixed(lab.floats(other));
            await keep("changed");
            await dish.step(3);
            await keep("after");
            dish.reset();
            await keep("reset");
            await dish.resize(4, 3);
            await keep("resized");
            const errors = [];
            for (const action of [() => dish.setFixed(new Float32Array(3)), () => dish.setStart([1])]) {
                try { action(); } catch (error) { errors.push(error.message); }
            }
            dish.close();
            return { ...states, errors };
        }""",
        [content(random_automaton(spec)), text(start), text(fixed), text(other), engine],
    )
    errors = found.pop("errors")
    states = {name: floats(state).reshape(7, 3, 4) for name, state in found.items()}
    assert not states["empty"].any() and not states["resized"].any()
    assert (states["given"] == np.concatenate([start, fixed])).all()
    assert (states["erased"] == np.concatenate([0 * start, fixed])).all()
    assert (states["changed"] == np.concatenate([0 * start, other])).all()
    assert (states["after"][5:] == other).all() and states["after"][:5].any()
    assert (states["reset"] == np.concatenate([start, other])).all()
    assert errors == ["the fixed planes must have 24 values, got 3", "a start must have 60 values, got 1"]


def test_noise_has_the_same_bits(lab):
    for level, seed in ((0.1, 0), (1 / 3, 2**32 - 1), (12.5, 7)):
        spec = Spec.of(channels=5, start={"kind": "noise", "level": level})
        asked = [json.loads(spec.to_json()), seed]
        found = lab.evaluate(
            "([f, seed]) => lab.text(lab.seedState(lab.checkSpec(f), 17, 23, { seed }))", asked
        )
        assert found == text(seed_state(spec, 17, 23, seed=seed).numpy())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("living", [False, True])
def test_colours_are_shown_with_their_offset_and_scale(lab, random_automaton, engine, living):
    spec = Spec.of(
        channels=4, hidden=16, living=living, colour_offset=0.5, colour_scale=0.25, start={"kind": "given"}
    )
    state = torch.rand(4, 3, 4, generator=torch.Generator().manual_seed(0)) * 2 - 0.5
    found = lab.evaluate(
        """async ([content, state, engine]) => {
            const canvas = Object.assign(document.createElement("canvas"), { width: 4, height: 3 });
            const dish = await lab.openDish(canvas, lab.model(content), { width: 4, height: 3, engine });
            dish.setStart(lab.floats(state));
            dish.ground = [0.2, 0.4, 0.6];
            await dish.draw();
            const seen = [...canvas.getContext("2d").getImageData(0, 0, 4, 3).data];
            dish.paint(1.5, 1.5, 0.4, [1, 0.5, 0]);
            await dish.draw();
            const painted = [...canvas.getContext("2d").getImageData(1, 1, 1, 1).data];
            dish.close();
            return [seen, painted];
        }""",
        [content(random_automaton(spec)), text(state.numpy()), engine],
    )
    seen = np.array(found[0]).reshape(3, 4, 4)
    assert np.abs(seen[..., :3] - picture(Automaton(spec), state, "#336699").astype(int)).max() <= 1
    assert (seen[..., 3] == 255).all()
    assert np.abs(np.array(found[1]) - [255, 128, 0, 255]).max() <= 1


def test_every_field_of_a_spec_is_checked_as_in_python(lab):
    good = json.loads(Spec.of().to_json())
    gated = json.loads(Spec.of(gated=True).to_json())
    wrong = [
        *({"channels": value} for value in (3, 65, 4.5, "16", None, True)),
        *({"hidden": value} for value in (8, 24, 528, None)),
        *({"layers": value} for value in (1, 4, "2")),
        *({name: value} for name in ("residual", "gated", "living") for value in (1, "true", None)),
        *({"fire_rate": value} for value in (0, -0.5, 1.01, "0.5", True)),
        *({"clamp": value} for value in (0.5, 2e6, "1", True)),
        *({"seed": value} for value in ([0.5], [0.5, 0.5, 0.5], [0.5, 1.5], "ab", None, [True, 0])),
        {"perception": "Sobel"}, {"perception": None}, {"padding": "mirror"}, {"more": 1},
        {"residual": True, "layers": 2}, {"gated": True},
        *({"fixed": value} for value in (-1, 65, None)),
        *({"colour_scale": value} for value in (0, 1001, "1")),
        *({"senses": value} for value in ([], None, {}, [None], [{"kind": "stencil", "filters": ["sobel"]}])),
        *({"senses": [{"kind": "stencil"} | fields]} for fields in (
            {"filters": []}, {"filters": ["identity", "identity"]}, {"size": 1}, {"size": 4}, {"size": 33},
            {"dilation": 0}, {"dilation": 17}, {"trained": 1}, {"width": 3},
        )),
        *({"senses": [{"kind": "conv"} | fields]} for fields in (
            {"size": 0}, {"size": 2}, {"width": 0}, {"width": 513}, {"dilation": 1.5}, {"trained": True},
        )),
        *({"rule": {"kind": "mlp"} | fields} for fields in (
            {"hidden": 24}, {"sensed_bound": 0}, {"hidden_bound": "1"}, {"change_bound": -1}, {"bound": 1},
        )),
        {"rule": []}, {"space": {"padding": "mirror"}}, {"start": {"kind": "noise", "level": 0}},
        {"start": {"kind": "cell", "x": 2}}, {"start": {"kind": "uniform", "value": 2e6}},
        {"start": {"kind": "noise", "x": 0.5}}, {"start": {"kind": 3}}, {"colour_offset": -1001},
        *({"decoder": {"kind": "lppn"} | fields} for fields in (
            {"width": 0}, {"width": 513}, {"layers": 9}, {"outputs": 2}, {"omega": 0}, {"frequencies": 17},
            {"coordinates": "edge"}, {"order": "zx"}, {"depth": 3},
        )),
        {"decoder": []}, {"decoder": {"outputs": 3}, "living": True},
    ]  # fmt: skip
    asked = [good | fields for fields in wrong]
    for fields in asked:
        with pytest.raises(BadRequest):
            Spec.from_fields(fields)
    messages = lab.evaluate(
        "(all) => all.map((fields) => { try { lab.checkSpec(fields); return ''; }"
        " catch (error) { return error.message; } })",
        [*asked, good, gated],
    )
    assert [bool(message) for message in messages] == [True] * len(asked) + [False, False], messages


def test_the_seed_lies_where_python_puts_it(lab):
    spec = json.loads(dataclasses.replace(Spec.of(), start=Cell(x=1.0, y=0.3)).to_json())
    for height, width in ((17, 23), (1, 1), (64, 512)):
        found = lab.evaluate(f"(spec) => lab.seedCell(lab.checkSpec(spec), {height}, {width})", spec)
        from petri.nca import seed_cell

        assert tuple(found) == seed_cell(Spec.from_fields(spec), height, width)
