"""Classifying pictures: the task, its losses, its recipes, and a small training that learns."""

import dataclasses

import pytest
import torch
from specs import tells_brightness

import petri
from petri.datasets.pictures import Labelled, Pictures
from petri.engine import native
from petri.errors import BadRequest
from petri.losses.votes import vote_loss
from petri.nca import Cell, Spec
from petri.nca.votes import counted, mean_votes, verdict
from petri.shaders.obstacle import obstacle
from petri.tasks import Classifying
from petri.tasks.classify import ClassifyTerms, changed
from petri.training.classes import PRESETS, make_classifier_recipe
from petri.training.recipe import Recipe
from petri.training.trainer import Trainer

CPU = torch.device("cpu")
TINY = ("phases=[{res=28,epochs=6,batch=3,turns=2,steps=[2,4]}]", "pool.size=6", "spec.rule.hidden=16",
        'spec.senses="conv3"')  # fmt: skip


def bars(count, seed):
    """Upright and level bars on an 8 × 8 grid, grey, and which is which."""
    chance = torch.Generator().manual_seed(seed)
    images = torch.zeros(count, 1, 8, 8, dtype=torch.uint8)
    labels = torch.randint(2, (count,), generator=chance)
    for image, label in zip(images, labels.tolist(), strict=True):
        across, along = (int(torch.randint(2, 6, (), generator=chance)) for _ in range(2))
        bar = image[0] if label else image[0].T
        bar[across - 1 : across + 1, along - 2 : along + 3] = 200
    return Labelled(images, labels)


def data():
    return Pictures("bars", "bars", ("upright", "level"), bars(64, 0), bars(20, 1), bars(40, 2))


def spec(**fields):
    return Spec.of(
        channels=6, fixed=1, classes=2, masked=True, perception="conv3", hidden=16, layers=2, clamp=None,
        start={"kind": "uniform"}, **fields,
    )  # fmt: skip


def test_votes_of_the_object_alone_count():
    one = spec()
    state = torch.zeros(2, one.planes, 2, 2)
    state[:, 6, 0, 0] = state[0, 6, 1, 1] = 1.0  # cells of the object
    state[0, :2, 0, 0], state[0, :2, 1, 1] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 5.0])
    state[0, :2, 0, 1] = torch.tensor([90.0, 0.0])  # not there
    assert mean_votes(state, one).tolist() == [[0.5, 2.5], [0.0, 0.0]]
    assert verdict(state, one).tolist() == [1, 0]
    assert counted(state, one).tolist() == [[1.0, 1.0], [0.0, 0.0]]
    everywhere = dataclasses.replace(one, masked=False)
    assert counted(state, everywhere).tolist() == [[2.0, 1.0], [0.0, 0.0]]  # undecided ones have not voted


@pytest.mark.parametrize("masked", [True, False])
def test_the_errors_are_those_of_a_plain_reckoning_and_their_gradients_finite_differences(masked):
    one = dataclasses.replace(spec(), masked=masked)
    chance = torch.Generator().manual_seed(3)
    state = torch.randn(3, one.planes, 4, 5, generator=chance, dtype=torch.float64)
    state[:, 6] = torch.rand(3, 4, 5, generator=chance, dtype=torch.float64)
    state[2, 6] = 0.0  # nothing is there
    labels = torch.tensor([0, 1, 1])
    for error in ("entropy", "squares"):
        found = vote_loss(state, labels, one, error)
        for sample, label in enumerate(labels.tolist()):
            each = []
            for row in range(4):
                for column in range(5):
                    if masked and not state[sample, 6, row, column] > 0.1:
                        continue
                    votes = state[sample, :2, row, column]
                    if error == "entropy":
                        each.append(float(votes.exp().sum().log() - votes[label]))
                    else:
                        each.append(sum((float(v) - (k == label)) ** 2 for k, v in enumerate(votes)) / 2)
            assert float(found[sample]) == pytest.approx(sum(each) / max(1, len(each)), abs=1e-9)
        votes = state[:, :2].clone().requires_grad_()
        rest = state[:, 2:]
        assert torch.autograd.gradcheck(
            lambda votes, rest=rest, error=error: vote_loss(torch.cat([votes, rest], 1), labels, one, error),
            (votes,),
        )


def test_rows_have_a_picture_its_label_and_cells_that_know_nothing():
    task = Classifying(spec(), data())
    rows = task.begin(5, torch.Generator().manual_seed(0), CPU)
    assert not rows["state"][:, :6].any() and rows["state"].shape == (5, 7, 8, 8)
    for state, label in zip(rows["state"], rows["label"], strict=True):
        at = (task.data.train.planes() == state[6:]).flatten(1).all(dim=1).nonzero()[:, 0]
        assert label in task.data.train.labels[at]


def test_a_row_that_mutates_keeps_its_state_and_gets_the_other_pictures_label():
    task = Classifying(spec(), data())
    chance = torch.Generator().manual_seed(0)
    rows = task.begin(8, chance, CPU)
    rows["state"][:, :6] = torch.rand(8, 6, 8, 8, generator=chance)
    mutated = task.mutate(rows, chance)
    assert torch.equal(mutated["state"][:, :6], rows["state"][:, :6])
    assert not torch.equal(mutated["state"][:, 6:], rows["state"][:, 6:])
    for state, label in zip(mutated["state"], mutated["label"], strict=True):
        at = (task.data.train.planes() == state[6:]).flatten(1).all(dim=1).nonzero()[:, 0]
        assert label in task.data.train.labels[at]


def test_pictures_are_turned_stretched_moved_and_mirrored_as_asked():
    chance = torch.Generator().manual_seed(0)
    planes = bars(6, 4).planes()
    assert changed(planes, ClassifyTerms(), chance) is planes
    flipped = changed(planes, ClassifyTerms(flip=True), chance)
    kinds = [
        "as it is" if torch.allclose(one, was, atol=1e-5) else "mirrored"
        for one, was in zip(flipped, planes, strict=True)
        if torch.allclose(one, was, atol=1e-5) or torch.allclose(one, was.flip(-1), atol=1e-5)
    ]
    assert len(kinds) == 6 and set(kinds) == {"as it is", "mirrored"}
    # By whole cells, so that they stay as sharp as test pictures are.
    moved = changed(planes, ClassifyTerms(shift=1.4), chance)
    wide, side = torch.nn.functional.pad(planes, [1] * 4), planes.shape[-1]
    ways = [
        [
            (down, right)
            for down in range(3)
            for right in range(3)
            if torch.allclose(one, was[:, down : down + side, right : right + side], atol=1e-5)
        ]
        for one, was in zip(moved, wide, strict=True)
    ]
    assert all(ways) and len(set(map(tuple, ways))) > 2
    # A quarter turn, which no draw gives exactly, is bounded by the largest angle.
    turned = changed(planes, ClassifyTerms(turn=20.0, stretch=0.2), chance)
    assert turned.shape == planes.shape and (turned >= 0).all() and (turned <= 1.0001).all()


def test_a_small_training_learns_to_tell_bars_apart_and_to_change_its_mind():
    task = Classifying(spec(), data(), ClassifyTerms(overflow=0.1), steps=(8, 12))
    model = petri.train(
        task, epochs=220, steps=(6, 12), batch=8, pool=16, mutation=0.5, learning_rate=5e-3, average=0.9
    )
    assert model.classes == ("upright", "level")
    from petri.evaluation.classes import classify

    found = classify(model.automaton, task.data.test, model.classes, marks=(12, 60), swap=30)
    assert [reading.pictures for reading in found.readings] == [1.0, 1.0]
    assert found.swap.after == 1.0 and found.readings[1].agreement > 0.95


def test_the_native_engine_trains_it_as_pytorch_does():
    losses = {}
    for engine in ("torch", "native"):
        recipe = make_classifier_recipe("mini", settings=TINY)
        trainer = Trainer(recipe, petri.tasks.make(recipe), CPU, engine=engine, precision="float32")
        losses[engine] = [float(trainer.train_epoch().loss) for _ in range(4)]
    assert losses["native"] == pytest.approx(losses["torch"], rel=2e-4)


def test_what_a_run_is_measured_by_is_the_same_in_parts(monkeypatch, random_automaton):
    from petri.tasks import classify as module

    task = Classifying(spec(), data(), steps=(8, 12))
    automaton = random_automaton(spec())
    whole = task.measure(automaton, seeds=1)
    monkeypatch.setattr(module, "AT_ONCE", 7)  # of 20: the last part is smaller
    parts = task.measure(automaton, seeds=1)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5) and 0 < parts["right"] < 1
    assert parts["right"] == whole["right"]


def test_a_checkpoint_goes_on_with_the_same_numbers():
    recipe = make_classifier_recipe("mini", settings=TINY)
    whole = Trainer(recipe, petri.tasks.make(recipe), CPU)
    for _ in range(3):
        whole.train_epoch()
    kept = {name: tensor.clone() for name, tensor in whole.tensors().items()}
    other = Trainer(recipe, petri.tasks.make(recipe, blank=True), CPU)
    other.restore(kept, 3)
    assert [float(whole.train_epoch().loss) for _ in range(3)] == [
        float(other.train_epoch().loss) for _ in range(3)
    ]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ["mini", "mnist", "fashion", "cifar10"])
def test_recipes_fit_their_data_and_can_be_written(preset, name):
    made = make_classifier_recipe(name, preset=preset)
    assert Recipe.from_toml(made.to_toml()) == made
    grey = name != "cifar10"
    assert made.task == "classify" and made.spec.classes == 10 and made.spec.fixed == (1 if grey else 3)
    assert made.spec.masked is grey and made.phases[-1].grid == ((28, 28) if grey else (32, 32))
    if grey:
        assert made.spec.parameters <= 25_000
    assert not native.obstacle(made.spec) and not obstacle(made.spec)  # here, and in a browser
    quick = preset == "quick"
    assert made.optimiser.method == ("muon" if quick else "adam")
    assert (made.spec.fire_rate, made.spec.clamp) == (1.0 if quick and grey else 0.5, 10.0 if quick else None)
    if preset == "quick" and not grey:
        assert made.spec.parameters == 65_388 and made.loss.flip and not made.loss.turn
    if preset == "distill" and grey:
        assert made.spec.parameters == 22_499  # of the article


def test_what_does_not_fit_is_refused():
    with pytest.raises(BadRequest, match=r"bars needs spec.classes = 2 and spec.fixed = 1, got 3 and 1"):
        Classifying(dataclasses.replace(spec(), classes=3), data())
    with pytest.raises(BadRequest, match="starts from nothing"):
        Classifying(dataclasses.replace(spec(), start=Cell()), data())
    with pytest.raises(BadRequest, match=r"pictures of 28 × 28, phases.res is 32 × 32"):
        petri.tasks.make(make_classifier_recipe("mini", settings=["phases.res=32"]))
    with pytest.raises(BadRequest, match="the data set must be one of"):
        make_classifier_recipe("letters")
    with pytest.raises(BadRequest, match="error"):
        make_classifier_recipe("mini", settings=["loss.error=hinge"])
    with pytest.raises(BadRequest, match=r"Task names no classes to vote for, spec.classes is 2"):
        petri.train(petri.Task(spec(), (8, 8)))
    with pytest.raises(BadRequest, match="it needs one and no living mask"):
        Spec(masked=True)
    with pytest.raises(BadRequest, match="at least 2 to choose from"):
        Spec(classes=1)
    with pytest.raises(BadRequest, match="living mask"):
        Spec(classes=4, living=True)


def test_a_masked_cell_that_is_not_there_stays_empty_and_is_sensed_as_such(random_automaton):
    one = spec()
    automaton = random_automaton(one)
    picture = torch.zeros(1, 8, 8)
    picture[0, 2:5, 2:5] = 1.0
    state = automaton.seed_state(8, fixed=picture)
    state[:, :6] += 1.0
    after = automaton.rollout(state, 1, engine="torch")
    assert not after[:, :6, picture[0] == 0].any() and after[:, :6, 3, 3].any()
    assert torch.equal(after[:, 6], state[:, 6])


def test_a_model_file_keeps_names_and_pictures(tmp_path):
    model = tells_brightness()
    petri.save(tmp_path / "m.safetensors", model)
    read = petri.load(tmp_path / "m.safetensors")
    assert read.classes == ("dim", "bright") and torch.equal(read.samples, model.samples)
    state = read.rollout(read.automaton.seed_state(16, batch=2, fixed=read.samples), 8)
    assert verdict(state, read.spec).tolist() == [0, 1]
    with pytest.raises(BadRequest, match="a name, and each another"):
        dataclasses.replace(model, classes=("dim",))
