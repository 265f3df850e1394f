"""The page's steps against PyTorch's, in a real browser: one model, state and seed give the same numbers."""

from __future__ import annotations

import base64
import dataclasses

import numpy as np
import pytest
import torch
from specs import PAGE

from petri import modelfile
from petri.modelfile import Model
from petri.nca import Automaton, Cell, Given, Spec, seed_state
from petri.nca.fire import fire_words, sample_seeds
from petri.nca.life import THRESHOLD
from petri.nca.padding import PADDINGS, pad
from petri.nca.senses.words import PERCEPTIONS

HEIGHT, WIDTH = 17, 23
CORNER = (1.0, 0.0)  # the seed's, as x and y: no axis can be taken for the other, or for its mirror image
FREE = 100  # steps of a free run
SINGLES = (0, 9, 60)  # steps that are taken alone, from the state that PyTorch had reached
ENGINES = ("webgl", "wasm")
CHANNELS = (16, 5, 6, 4)  # fewer are faster; every kind is also compared with more, as text, in test_lib.py


def text(array):
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def floats(text):
    return np.frombuffer(base64.b64decode(text), np.float32)


def content(automaton, tmp_path):
    modelfile.write(tmp_path / "m", Model(automaton=automaton, target="m"))
    return text(np.frombuffer((tmp_path / "m").read_bytes(), np.uint8))


def near(automaton, before, after, step, seed, margin):
    """Cells that a rounding could let fire or live where they did not: bool `[height, width]`."""
    spec = automaton.spec
    found = torch.zeros(before.shape[-2:], dtype=torch.bool)
    if spec.rule.gated:
        chance = automaton.rule(automaton.perception(before))[0, -1].sigmoid().double()
        words = fire_words(sample_seeds(seed, 1), step, *before.shape[-2:])[0, 0]
        found |= (words / 2**32 - chance).abs() < margin
    if spec.living:
        for state in (before, after):
            most = torch.nn.functional.max_pool2d(pad(state[:, 3:4], 1, spec.space.padding), 3, stride=1)[
                0, 0
            ]
            found |= (most - THRESHOLD).abs() < margin
    return found


def begin(spec, seed):
    """The first state, with fixed planes and, if it is to be given, a start of even chance."""
    chance = torch.Generator().manual_seed(0)
    fixed = torch.rand(spec.fixed, HEIGHT, WIDTH, generator=chance) if spec.fixed else None
    if isinstance(spec.start, Given):
        given = torch.rand(1, spec.channels, HEIGHT, WIDTH, generator=chance) - 0.5
        return torch.cat([given, fixed[None]], dim=1) if spec.fixed else given
    return seed_state(spec, HEIGHT, WIDTH, seed=seed, fixed=fixed)


class Reference:
    """What PyTorch computes: a free run from the seed in the corner, and the states on its way."""

    def __init__(self, automaton):
        self.automaton, self.bare = automaton, automaton
        if automaton.spec.living:  # the same without the mask
            self.bare = Automaton(dataclasses.replace(automaton.spec, living=False))
            self.bare.load_state_dict(automaton.state_dict())
        for seed in range(3, 43):  # until no cell comes so near to a threshold that the run might fork
            if self.run(seed):
                return
        raise AssertionError("every seed brings a cell to its threshold")

    @torch.no_grad()
    def run(self, seed):
        self.seed, self.states, self.masks = seed, [begin(self.automaton.spec, seed)], {}
        for step in range(FREE):
            before = self.states[-1]
            after = self.bare.rollout(before, 1, seed=seed, start=step, engine="torch")
            if near(self.automaton, before, after, step, seed, 2e-6).any():
                return False
            if step in SINGLES:
                self.masks[step] = ~near(self.automaton, before, after, step, seed, 1e-5).numpy()
            if self.automaton is not self.bare:
                after = self.automaton.rollout(before, 1, seed=seed, start=step, engine="torch")
            self.states.append(after)
        return True


RUN = """async ([cases, engines]) => {
    const results = [];
    for (const { model, seed, start, fixed, singles, free } of cases) {
        for (const engine of engines) {
            const dish = await lab.open(lab.model(model), { width: 23, height: 17, seed, engine });
            if (start) dish.setStart(lab.floats(start));
            dish.setFixed(lab.floats(fixed));
            const begun = lab.text(await dish.read());
            await dish.step(free);
            const ended = lab.text(await dish.read());
            const alone = [];
            for (const { state, step } of singles) {
                dish.write(lab.floats(state), { stepNumber: step });
                await dish.step();
                alone.push(lab.text(await dish.read()));
            }
            results.push({ engine, named: dish.engine, begun, ended, alone });
            dish.close();
        }
    }
    return results;
}"""


def difference(found, reference, mask=None):
    reference = reference[0].numpy()
    found = floats(found).reshape(reference.shape)
    relative = np.abs(found - reference) / (1 + np.abs(reference))
    return relative.max() if mask is None else relative[:, mask].max()


def check(lab, tmp_path, automata):
    references = [Reference(automaton) for automaton in automata]
    cases = [
        {
            "model": content(each.automaton, tmp_path),
            "seed": each.seed,
            "start": text(each.states[0][0, : each.automaton.spec.channels].numpy())
            if isinstance(each.automaton.spec.start, Given)
            else None,
            "fixed": text(each.states[0][0, each.automaton.spec.channels :].numpy()),
            "free": FREE,
            "singles": [{"state": text(each.states[step].numpy()), "step": step} for step in SINGLES],
        }
        for each in references
    ]
    results = iter(lab.evaluate(RUN, [cases, ENGINES]))
    for each in references:
        assert (each.states[-1] - each.states[0]).abs().max() > 0.1, "nothing grew: the test could not fail"
        for engine in ENGINES:
            result, said = next(results), f"{engine}: {each.automaton.spec}"
            assert result["engine"] == result["named"] == engine
            assert result["begun"] == text(each.states[0][0].numpy()), said  # every bit
            for step, alone in zip(SINGLES, result["alone"], strict=True):
                assert difference(alone, each.states[step + 1], each.masks[step]) < 1e-5, (
                    f"{said}, step {step}"
                )
            assert difference(result["ended"], each.states[-1]) < 1e-4, said


@pytest.mark.parametrize("perception", PERCEPTIONS)
def test_every_architecture(lab, tmp_path, perception, rule, random_automaton):
    automata = []
    for padding in PADDINGS:
        for living in (False, True):
            kind = {"perception": perception, "padding": padding, "living": living, **rule}
            spec = Spec.of(channels=CHANNELS[len(automata)], hidden=16, seed=CORNER, **kind)
            automata.append(random_automaton(spec, change=0.15, seed=len(automata)))
    check(lab, tmp_path, automata)


OTHERS = [
    Spec.of(channels=4, hidden=16, layers=2, clamp=None),
    Spec.of(channels=5, perception="learned+dilated", hidden=32, gated=True, living=True, padding="wrap"),
    Spec.of(channels=13, perception="sobel", hidden=16, residual=True, fire_rate=1, clamp=2.5),
    Spec.of(
        channels=18, perception="learned", hidden=16, layers=2, fire_rate=0.3, living=True, padding="wrap"
    ),
    Spec.of(channels=33, perception="learned+dilated", hidden=48, gated=True, living=True),
    Spec.of(channels=64, perception="sobel", hidden=16, layers=2),
    Spec.of(perception="dilated", hidden=128, residual=True),
]


@pytest.mark.parametrize("spec", OTHERS, ids=lambda spec: f"{spec.channels} channels, {spec.describe()}")
def test_any_number_of_channels(lab, tmp_path, spec, random_automaton):
    check(lab, tmp_path, [random_automaton(dataclasses.replace(spec, start=Cell(x=1.0, y=0.0)), change=0.15)])


@pytest.mark.parametrize("spec", PAGE, ids=lambda spec: f"{spec.channels} channels, {spec.describe()}")
def test_every_kind(lab, tmp_path, spec, random_automaton):
    check(lab, tmp_path, [random_automaton(spec, change=0.15)])
