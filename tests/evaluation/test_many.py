"""What is measured of a model of several targets, and how a disturbance is reckoned."""

import math

import numpy as np
import pytest
import torch

from petri import targets
from petri.errors import BadRequest
from petri.evaluation import ManyEvaluation, evaluate
from petri.evaluation.course import Course, Judge
from petri.evaluation.report import EVALUATION_SEED
from petri.evaluation.sheet import draw
from petri.losses import pattern_loss, seen_error
from petri.losses.perceptual import PerceptualLoss
from petri.modelfile import Model
from petri.nca import Automaton, Spec

NAMES = ("circle", "spiral", "rings")


def model_of(automaton, conditions=NAMES):
    phases = [{"res": 16, "steps": [4, 6]}]
    training = {"recipe": {"task": "many", "targets": list(conditions), "phases": phases, "hold": 5}}
    return Model(automaton=automaton, target=" ".join(conditions), training=training, conditions=conditions)


@pytest.fixture(scope="module")
def found():
    spec = Spec.of(hidden=16, layers=2, fixed=3)
    automaton = Automaton(spec, generator=torch.Generator().manual_seed(0))
    automaton.rule.weights[-1].data.uniform_(-0.02, 0.02, generator=torch.Generator().manual_seed(1))
    model = model_of(automaton)
    return model, evaluate(model, seeds=2, damage_at=9, heal_steps=7)


def test_percent_is_of_the_means_and_its_spread_over_rollouts():
    before, damaged = torch.tensor([0.1, 0.2, 0.0]), torch.tensor([0.5, 0.4, 0.6])
    healed, undamaged = torch.tensor([0.1, 0.3, 0.3]), torch.tensor([0.1, 0.1, 0.1])
    course = Course.of(before, damaged, healed, undamaged, empty=1.0)
    # (1.5 - 0.7) / (1.5 - 0.3); one by one 100, 50 and 50 %.
    assert course.percent == pytest.approx(100 * 0.8 / 1.2, rel=1e-5)
    assert course.spread == pytest.approx(50 / math.sqrt(3), rel=1e-5)
    assert (course.undamaged.mean, course.why) == (pytest.approx(0.1), None)
    assert course.psnr["before"] == 10.0 and course.psnr["damaged"] == 3.01
    fields = course.to_fields()
    assert fields["percent"] == 66.67 and fields["percent_spread"] == 28.87
    assert fields["healed"] == {"distance": 0.233333, "spread": 0.11547}
    for why, others in (
        ("it had not grown", (torch.full((3,), 0.6), damaged)),
        ("the damage does not show", (before, before)),
        ("the states are no longer finite", (before, torch.full((3,), math.inf))),
    ):
        refused = Course.of(*others, healed, undamaged, empty=1.0)
        assert (refused.percent, refused.spread, refused.why) == (None, None, why)


def test_the_distance_of_vgg16_is_that_of_the_worse_ground():
    pixels = torch.from_numpy(targets.load("emoji:🦎", 32).pixels)
    judge = Judge(pixels, Automaton(Spec.of(hidden=16, living=True)))
    state = torch.cat([pixels, torch.zeros(12, 32, 32)])[None]
    assert judge.vgg16(state).item() == 0.0 == judge.loss(state).item()
    darker = state.clone()
    darker[:, :3] *= 0.8
    on_white = pixels[:3] + 1 - pixels[3]
    white = PerceptualLoss(on_white)(darker[:, :3] + 1 - darker[:, 3:4])
    black = PerceptualLoss(pixels[:3])(darker[:, :3])
    assert judge.vgg16(darker).item() == pytest.approx(max(white.item(), black.item()), rel=1e-4)
    assert judge.loss(darker).item() == seen_error(darker, pixels).item()


def test_every_target_is_measured_as_one_alone_is(found):
    model, many = found
    assert isinstance(many, ManyEvaluation) and many.conditions == NAMES
    for number, (name, one) in enumerate(zip(NAMES, many.each, strict=True)):
        target = torch.from_numpy(targets.load(name, 16).pixels[:3])
        state = model.automaton.seed_state(16, batch=2, condition=number)
        grown = model.automaton.rollout(state, 6, seed=EVALUATION_SEED)
        assert one.rgb.pattern == pattern_loss(grown, target).mean().item()
        assert one.rgb.steps == 6 and one.rgb.hold == 5
        assert [(cut.damaged_at, cut.healed_at) for cut in one.regeneration] == [(9, 16)] * 4


def test_damage_leaves_the_condition(found, monkeypatch):
    model, _ = found
    seen = []
    rollout = model.automaton.rollout

    def watched(state, steps, **how):
        seen.append(state[:, 16:].amax(dim=(2, 3)) - state[:, 16:].amin(dim=(2, 3)))
        return rollout(state, steps, **how)

    monkeypatch.setattr(model.automaton, "rollout", watched)
    evaluate(model, seeds=2, damage_at=2, heal_steps=2)
    assert seen and all((one == 0).all() for one in seen)


def test_mutation_is_what_plain_rollouts_give(found):
    model, many = found
    pictures = [torch.from_numpy(targets.load(name, 16).pixels[:3]) for name in NAMES]
    pairs = [(one.source, one.target) for one in many.mutation]
    assert pairs == [(a, b) for a in NAMES for b in NAMES if a != b]
    one = many.mutation[3]  # spiral → rings
    automaton = model.automaton
    with torch.no_grad():
        before = automaton.rollout(automaton.seed_state(16, batch=2, condition=1), 9, seed=EVALUATION_SEED)
        changed = before.clone()
        changed[:, 16:] = torch.tensor([0.0, 0, 1])[:, None, None]
        later = automaton.rollout(changed, 7, seed=EVALUATION_SEED, start=9)
        own = automaton.rollout(automaton.seed_state(16, batch=2, condition=2), 16, seed=EVALUATION_SEED)
    assert (one.source, one.target, one.changed_at, one.later_at) == ("spiral", "rings", 9, 16)
    assert one.loss.before.mean == pattern_loss(before, pictures[1]).mean().item()
    assert one.loss.damaged.mean == pattern_loss(before, pictures[2]).mean().item()
    assert one.loss.healed.mean == pattern_loss(later, pictures[2]).mean().item()
    assert one.loss.undamaged.mean == pattern_loss(own, pictures[2]).mean().item()
    vgg16 = PerceptualLoss(pictures[2])(later[:, :3])
    assert one.vgg16.healed.mean == pytest.approx(vgg16.mean().item(), rel=1e-6)


def test_all_of_it_can_be_written_and_drawn(found):
    _, many = found
    fields = many.to_fields()
    assert list(fields) == ["target", "architecture", "res", "seeds", "conditions", "each", "mutation"]
    assert [one["condition"] for one in fields["each"]] == list(NAMES) and len(fields["mutation"]) == 6
    assert list(fields["mutation"][0]) == [
        "from", "to", "changed_at", "later_at", "before", "damaged", "healed", "undamaged", "percent", "why",
        "percent_spread", "psnr", "vgg16",
    ]  # fmt: skip
    alone = draw([("a", one) for one in many.each])
    whole = draw([("a", many)])
    assert whole.width == alone.width and whole.height > alone.height + 3 * 192
    picture = np.asarray(whole)
    assert (picture[alone.height :] > 100).any()


@pytest.mark.parametrize(
    ("target", "how", "said"),
    [
        (["circle"], {}, "has 3 targets: name one for each, got 1"),
        (None, {"damage_at": 0}, "damage_at must be"),
        (None, {"heal_steps": 0}, "heal_steps must be"),
    ],
)
def test_what_cannot_be_measured_is_refused(found, target, how, said):
    with pytest.raises(BadRequest, match=said):
        evaluate(found[0], target, seeds=2, **how)


def test_one_target_is_not_held_against_two(idler):
    with pytest.raises(BadRequest, match="is one target, got 2 to compare with"):
        evaluate(idler(), ["circle", "spiral"])
