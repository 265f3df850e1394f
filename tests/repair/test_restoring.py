"""The task of an automaton that repairs, and its training, on a toy of 12 units and 16 pixels."""

from dataclasses import replace

import pytest
import torch

from petri.errors import BadRequest
from petri.nca import Automaton
from petri.repair import automata
from petri.repair.calibration import Sight, statistics
from petri.repair.damaged import Damaged, planes
from petri.repair.habits import Habits, use
from petri.repair.layers import Classifier, Layer
from petri.repair.measure import Judge
from petri.repair.restoring import Restoring, restored, states_of
from petri.repair.variants import CONTEXT, CONTROLS, VARIANTS, Variant, fitting

TINY = Variant(
    says="", planes=CONTEXT, functional=0.5, channels=6, hidden=16, steps=(4, 6), epochs=60, batch=12
)
MATRIX = replace(TINY, layout="matrix", batch=1)


@pytest.mark.parametrize("variant", [TINY, MATRIX], ids=["units", "matrix"])
def test_known_weights_survive_bit_for_bit_and_lost_ones_are_estimated(
    variant, toy_damaged, random_automaton
):
    first = restored(variant, random_automaton(variant.spec, change=0.1), toy_damaged)
    known = toy_damaged.known
    assert torch.equal(first[known], toy_damaged.matrix[known])
    assert (first[~known] != 0).all() and first.isfinite().all()


def test_an_untrained_automaton_leaves_zeros(toy_damaged):
    first = restored(TINY, Automaton(TINY.spec, generator=torch.Generator()), toy_damaged)
    assert torch.equal(first, toy_damaged.matrix)


def test_the_state_is_weight_hidden_mask_context(toy_damaged):
    state, matrix = (states_of(variant, toy_damaged) for variant in (TINY, MATRIX))
    assert state.shape == (12, 6 + 5, 4, 4) and matrix.shape == (1, 6 + 5, 12, 16)
    torch.testing.assert_close(state[:, 0].reshape(12, 16) * toy_damaged.scale, toy_damaged.matrix)
    assert not state[:, 1:6].any()
    assert torch.equal(state[:, 6].reshape(12, 16) == 1, toy_damaged.known)
    assert torch.equal(matrix[0].transpose(0, 1), state.flatten(2))


def test_planes_of_context_by_loops(toy_damaged):
    found = planes(toy_damaged, CONTEXT)
    first, known = toy_damaged.matrix, toy_damaged.known
    use = toy_damaged.part.following.T
    for unit, pixel in ((0, 0), (3, 7), (11, 15)):
        others = [other for other in range(12) if other != unit]
        there = [other for other in others if known[other, pixel]]
        mean = sum(float(first[other, pixel]) for other in there) / max(1, len(there))
        alike = {other: float(torch.cosine_similarity(use[unit], use[other], dim=0)) for other in there}
        weight = max(1.0, sum(map(abs, alike.values())))
        mixed = sum(alike[other] * float(first[other, pixel]) for other in there) / weight
        assert found[3, unit, pixel] == pytest.approx(mean / toy_damaged.scale, abs=1e-5)
        assert found[4, unit, pixel] == pytest.approx(mixed / toy_damaged.scale, abs=1e-5)


def test_planes_of_a_zoo(toy, toy_damaged):
    """Templates of networks alike explain them; kriging adds what they leave."""
    habits = Habits.of([toy])
    known, first = toy_damaged.known, toy_damaged.matrix
    said = replace(toy_damaged, habits=habits)
    template = use(toy) @ habits.templates
    scale = float((template * first)[known].sum() / template[known].square().sum())
    found = planes(said, ("likely", "kriged"))
    torch.testing.assert_close(found[1] * said.scale, scale * template)
    assert torch.equal((found[2] * said.scale)[known].round(decimals=4), first[known].round(decimals=4))
    explained = (said.drifted - toy.matrix)[~known].square().mean()
    assert explained < toy.matrix[~known].square().mean()
    with pytest.raises(BadRequest, match="templates are of a zoo"):
        planes(toy_damaged, ("likely",))


def test_lost_weights_have_no_part_in_what_the_automaton_sees(toy, toy_damaged):
    nan = toy.with_matrix(torch.where(toy_damaged.known, toy.matrix, torch.nan))
    again = Damaged.of(nan, toy_damaged.known, toy_damaged.stored, toy_damaged.sight)
    assert torch.equal(states_of(TINY, again), states_of(TINY, toy_damaged))


def test_units_in_another_order_are_repaired_alike(toy_damaged, random_automaton):
    automaton, order = random_automaton(TINY.spec, change=0.1), torch.randperm(12)
    stored = toy_damaged.stored
    other = replace(
        toy_damaged,
        part=toy_damaged.part.in_order(order),
        known=toy_damaged.known[order],
        stored=replace(stored, mean=stored.mean[order], deviation=stored.deviation[order]),
    )
    wanted = restored(TINY, automaton, toy_damaged)[order]
    torch.testing.assert_close(restored(TINY, automaton, other), wanted, rtol=1e-4, atol=1e-5)


def test_losses_by_hand(toy, toy_sight):
    task = Restoring(TINY, [toy], [toy_sight])
    rows = task.begin(12, torch.Generator().manual_seed(0), torch.device("cpu"))
    state, wanted = rows["state"].double(), rows["wanted"].double()
    found = task.losses([rows["state"]], rows)
    for row in (0, 5):
        lost = state[row, 6].flatten() == 0
        error = torch.where(lost, state[row, 0].flatten() - wanted[row], 0.0)
        images = toy_sight.covariance.double()
        assert found["weights"][row] == pytest.approx(float(error[lost].square().mean()), rel=1e-4)
        unlike = float(error @ images @ error / (wanted[row] @ images @ wanted[row]))
        assert found["outputs"][row] == pytest.approx(unlike, rel=1e-3)
    right = state.float().clone()
    right[:, 0] = rows["wanted"].unflatten(1, (4, 4))
    assert all(not value.any() for value in task.losses([right], rows).values())


def test_training_learns_to_restore_the_toy(toy, toy_sight, toy_damaged):
    task = Restoring(replace(TINY, epochs=150), [toy], [toy_sight])
    automaton = automata.train(task).automaton
    lost = ~toy_damaged.known
    error = (restored(TINY, automaton, toy_damaged) - toy.matrix)[lost].square().mean()
    assert error < 0.85 * toy.matrix[lost].square().mean()


def test_the_same_seed_trains_the_same_bits(toy, toy_sight):
    task = Restoring(replace(MATRIX, epochs=5), [toy], [toy_sight])
    one, other = (automata.train(task, seed=3).automaton for _ in range(2))
    for mine, its in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_matrices_of_several_shapes_are_refused(toy, toy_sight):
    smaller = Classifier(
        {"first": Layer(toy.matrix[:8], toy.bias[:8]), "second": toy.classifier.layers["second"]}
    ).part("first")
    with pytest.raises(BadRequest, match=r"widths \[8, 12\]"):
        Restoring(MATRIX, [toy, smaller], [toy_sight] * 2)
    with pytest.raises(BadRequest, match=r"widths \[\]"):
        Restoring(TINY, [], [])


def test_the_documents_rule_has_about_a_thousand_parameters():
    assert 800 < VARIANTS["matrix"].spec.parameters < 1300
    assert VARIANTS["matrix"].bytes == 4 * VARIANTS["matrix"].spec.parameters


@pytest.fixture
def divergent(toy, toy_sight):
    """A task whose loss is the divergence of outputs alone, and the images that it is of."""
    images = torch.rand(60, 16, generator=torch.Generator().manual_seed(8))
    variant = replace(TINY, functional=0.0, divergence=1.0, together=12)
    return Restoring(variant, [toy], [toy_sight], images=images), images


def test_the_divergence_is_that_of_the_whole_network(toy, divergent):
    task, images = divergent
    rows = task.begin(12, torch.Generator().manual_seed(0), torch.device("cpu"))
    found = task.losses([rows["state"]], rows)["divergence"]
    left = torch.zeros(12, 16)
    left[rows["unit"]] = rows["state"][:, 0].flatten(1) * rows["scale"][:, None]
    judge = Judge.of(toy, images, torch.zeros(60))
    _, apart = judge.of_part(toy.with_matrix(left))
    assert apart > 0.01 and found.tolist() == pytest.approx([apart] * 12, rel=1e-4)
    some = {name: values[:5] for name, values in rows.items()}  # the other seven are as they were
    matrix = toy.matrix.index_copy(0, rows["unit"][:5], left[rows["unit"][:5]])
    _, apart = judge.of_part(toy.with_matrix(matrix))
    assert task.losses([some["state"]], some)["divergence"].tolist() == pytest.approx([apart] * 5, rel=1e-4)


def test_the_gradient_of_the_divergence_is_that_of_finite_differences(divergent):
    task, _ = divergent
    rows = task.begin(12, torch.Generator().manual_seed(0), torch.device("cpu"))
    state = rows["state"].clone().requires_grad_()
    task.losses([state], rows)["divergence"][0].backward()
    place = tuple((rows["state"][:, 6] == 0).nonzero()[3].tolist())  # a weight that is lost
    step, around = 0.02, []
    for sign in (1, -1):
        moved = rows["state"].clone()
        moved[place[0], 0, place[1], place[2]] += sign * step
        around.append(float(task.losses([moved], rows)["divergence"][0]))
    slope = (around[0] - around[1]) / (2 * step)
    assert float(state.grad[place[0], 0, place[1], place[2]]) == pytest.approx(slope, rel=0.05, abs=1e-4)


def test_a_divergence_needs_images_and_one_picture_a_unit(toy, toy_sight, toy_conv):
    variant = replace(TINY, functional=0.0, divergence=1.0)
    with pytest.raises(BadRequest, match="the divergence of outputs is of images"):
        Restoring(variant, [toy], [toy_sight])
    assert "3 pictures" in variant.obstacle(toy_conv.part("conv2"))
    assert not variant.obstacle(toy_conv.part("conv1"))


def test_what_a_variant_cannot_repair(toy, toy_sight, toy_conv):
    second = toy.classifier.part("second")
    assert {name for name in VARIANTS if not VARIANTS[name].obstacle(toy)} == set(VARIANTS)
    assert fitting(second) == ("matrix",)
    assert fitting(toy_conv.part("linear")) == fitting(toy_conv.part("conv2"))[:2] + CONTROLS
    assert "context" in fitting(toy_conv.part("conv2")) and "guided" not in fitting(toy_conv.part("conv1"))
    with pytest.raises(BadRequest, match="second are no pictures"):
        Restoring(TINY, [second], [toy_sight])


def test_hidden_channels_that_are_off_stay_empty(toy, toy_sight, toy_damaged):
    off = replace(TINY, alone=True, epochs=5)
    automaton = automata.train(Restoring(off, [toy], [toy_sight])).automaton
    state = automaton.rollout(states_of(off, toy_damaged), 5)
    assert not state[:, 1:6].any()
    assert (state[:, 0] != states_of(off, toy_damaged)[:, 0]).any()
    assert (
        automata.train(Restoring(replace(off, alone=False), [toy], [toy_sight]))
        .automaton.rollout(states_of(off, toy_damaged), 5)[:, 1:6]
        .any()
    )


@pytest.mark.parametrize("name", ["conv1", "conv2", "linear"])
def test_pictures_of_convolutions_are_restored(toy_conv, random_automaton, name):
    part, variant = toy_conv.part(name), replace(TINY, planes=(), functional=0.0)
    sight = Sight.by(part, torch.rand(20, 196, generator=torch.Generator().manual_seed(1)))
    known = torch.rand(part.matrix.shape, generator=torch.Generator().manual_seed(2)) < 0.5
    damaged = Damaged.of(part, known, statistics(part, sight), sight)
    found = restored(variant, random_automaton(variant.spec, change=0.1), damaged)
    assert found.shape == part.matrix.shape and torch.equal(found[known], part.matrix[known])
    rows = Restoring(variant, [part], [sight]).begin(5, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert rows["state"].shape == (5, 7, *part.side) and rows["wanted"].shape == (5, part.cut(known).shape[1])


def test_an_automaton_of_another_recipe_is_refused(toy, toy_sight, tmp_path):
    variant, path = replace(MATRIX, epochs=2), tmp_path / "matrix.safetensors"
    trained = automata.train(Restoring(variant, [toy], [toy_sight]))
    automaton = automata.kept(path, variant, lambda: trained)
    again = automata.kept(path, variant, lambda: pytest.fail("it is there"))
    for mine, its in zip(automaton.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, its)
    for other in (replace(variant, epochs=3), replace(variant, channels=7)):
        with pytest.raises(BadRequest, match="an automaton of another recipe"):
            automata.kept(path, other, lambda: trained)
