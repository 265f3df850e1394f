import dataclasses
from types import SimpleNamespace

import pytest
import torch

from petri import engine, memory
from petri.dni import recipe as dni
from petri.engine import fused
from petri.errors import BadRequest, RunFailed
from petri.nca import Automaton, Cell, Spec
from petri.targets import PATTERNS, load
from petri.tasks.catalogue import TABLE_5, architecture, reports_architecture
from petri.tasks.grow import LossTerms
from petri.training import memory as training_memory
from petri.training.presets import PRESETS, make_recipe, steps_for
from petri.training.ranks import Ranks
from petri.training.recipe import Optimisation, Phase, PoolUse, Recipe, parse

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
PHASE = Phase(res=16, epochs=10, batch=2, steps=(4, 8))


def recipe(**fields):
    return Recipe(**{"target": "circle", "name": "circle", "spec": Spec.of(), "phases": (PHASE,), **fields})


def made(target="circle", *, res=64, **options):
    return make_recipe(load(target, res), target, res=res, **options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = 0x" + "f" * 5000, "more than 64 bits"),
        ("pool.size = [0x" + "f" * 5000 + "]", "more than 64 bits"),
        ("seed = 0b1" + "0" * 63, "more than 64 bits"),
        ("seed = " + "9" * 5000, "is not TOML"),
        ("a" + ".a" * 5000 + " = 1", "more than 32 deep"),
        ("[seed" + ".a" * 5000 + "]\nb = 1", "more than 32 deep"),
        ("seed = " + "[" * 5000 + "]" * 5000, "is not TOML: maximum recursion depth"),
        ("seed = " + "[" * 200 + "]" * 200, "more than 32 deep"),
        ("seed = " + "{a = " * 200 + "1" + "}" * 200, "more than 32 deep"),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("kind", [Recipe, dni.DniRecipe], ids=["growth", "dni"])
def test_numbers_too_long_and_tables_too_deep_are_one_line(kind, text, said):
    with pytest.raises(BadRequest, match=said) as error:
        kind.from_toml(text)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    "spec", [Spec.of(), Spec.of(gated=True), Spec.of(clamp=None, living=True, seed=(0.1, 0.9))]
)
def test_toml_gives_back_the_same_recipe(spec):
    before = recipe(
        spec=spec,
        phases=(PHASE, dataclasses.replace(PHASE, res=32, steps=(3, 5), truncate=4)),
        loss=LossTerms(scales=(1, 3), perceptual=0.25),
        pool=PoolUse(size=9, priority=0.5, damage=1),
        optimiser=Optimisation(average=0.9, schedule="drop"),
    )
    assert Recipe.from_toml(before.to_toml()) == before


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("hold =", "holt =", r"'holt', did you mean \"hold\""),
        ("perceptual =", "perceptal =", r"'loss.perceptal', did you mean \"perceptual\""),
        ("batch =", "batsh =", r"'phases.1.batsh', did you mean \"batch\""),
        ("gated =", "gatet =", r"unknown field 'gatet'"),
        ("hold =", "truncate =", r"'truncate', but each of its phases may have 'truncate'"),
        ("batch = 2\n", "", "lacks the field 'phases.1.batch'"),
        ("[loss]", "[[loss]]", "loss must be a table"),
        ("[[phases]]", "[phases]", "phases must be a list of tables"),
        ("hold =", "hold", "is not TOML"),
    ],
)
def test_what_is_no_recipe_is_refused_by_name(before, after, said):
    text = recipe().to_toml()
    assert before in text
    with pytest.raises(BadRequest, match=said.replace(".", r"\.")):
        Recipe.from_toml(text.replace(before, after))


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (Phase, {"res": 15}, "res must be a whole number in 16..4096, got 15"),
        (Phase, {"res": 5000}, "got 5000"),
        (Phase, {"epochs": 0}, "epochs must be"),
        (Phase, {"steps": (9, 3)}, "the most of steps must be a whole number in 9..100000, got 3"),
        (Phase, {"steps": 5}, "steps must be two whole numbers"),
        (Phase, {"steps": (4.5, 8.5)}, "the least of steps must be a whole number"),
        (Optimisation, {"learning_rate": "x"}, "learning_rate must be"),
        (Optimisation, {"learning_rate": 0.0}, "learning_rate must be"),
        (Optimisation, {"schedule": "steep"}, "schedule must be one of one-cycle, drop"),
        (Optimisation, {"average": 1.0}, "average must be"),
        (LossTerms, {"stability": "a"}, "stability must be"),
        (LossTerms, {"scales": (1, 0)}, "each of loss.scales must be"),
        (LossTerms, {"scales": ()}, "loss.scales must be a list"),
        (PoolUse, {"priority": -1}, "pool.priority must be"),
        (Recipe, {"target": 5}, "target must be a text"),
        (Recipe, {"name": "a\x1b[31m"}, "name must have no control characters"),
        (Recipe, {"seed": 2**32}, "seed must be"),
        (Recipe, {"phases": ()}, "at least one phase"),
        (Recipe, {"pool": PoolUse(size=1)}, "phase 1 draws 2 states from a pool of 1"),
        (Recipe, {"hold": 0}, "loss.stability is of the steps to hold"),
        (Recipe, {"phases": (dataclasses.replace(PHASE, res=32), PHASE)}, "phases must not shrink"),
    ],
)
def test_a_value_out_of_range_is_named(kind, fields, said):
    with pytest.raises(BadRequest, match=said.replace(".", r"\.")):
        if kind is Phase:
            dataclasses.replace(PHASE, **fields)
        elif kind is Recipe:
            recipe(**fields)
        else:
            kind(**fields)


def test_every_pattern_has_its_row_of_table_4():
    learned, dilated = "learned+dilated", "dilated"
    rows = {
        "spiral": (learned, 64, 3, "residual"),
        "mandelbrot": (learned, 128, 2, ""),
        "voronoi": (dilated, 64, 2, ""),
        "circle": (dilated, 64, 3, "residual"),
        "cross": (learned, 64, 3, "residual"),
        "rings": (learned, 128, 3, "residual"),
        "braid": (learned, 128, 2, "gated"),
        "topo": (learned, 128, 2, ""),
        "checkerboard": (dilated, 128, 2, "gated"),
    }
    assert set(rows) == set(PATTERNS) == set(TABLE_5)
    for name, (perception, hidden, layers, extra) in rows.items():
        residual, gated = extra == "residual", extra == "gated"
        spec = Spec.of(perception=perception, hidden=hidden, layers=layers, residual=residual, gated=gated)
        assert Spec.of(**reports_architecture(name)) == spec
        assert made(name, preset="report").spec == spec


def test_what_the_search_found_is_the_default_where_table_4_stays_behind():
    found = Spec.of(perception="learned+dilated", hidden=128, layers=2)
    for name in PATTERNS:
        assert (Spec.of(**architecture(name)) == found) == (name != "rings")
        assert made(name).spec == Spec.of(**architecture(name))
    assert architecture("rings") == reports_architecture("rings")
    assert architecture("logo.png") == reports_architecture("logo.png")


def test_two_layers_drop_the_tables_residual_but_not_the_users():
    assert not made("rings", architecture={"layers": 2}).spec.rule.residual
    with pytest.raises(BadRequest, match="residual needs layers = 3, got layers = 2"):
        made("rings", architecture={"layers": 2, "residual": True})


def test_residual_alone_is_three_layers():
    assert (made().spec.rule.layers, made(architecture={"residual": True}).spec.rule.layers) == (2, 3)


def test_the_reports_preset_is_the_reports():
    told = made(preset="report", res=256)
    assert [(p.res, p.epochs, p.batch, p.steps) for p in told.phases] == [
        (64, 500, 8, (48, 96)),
        (128, 500, 4, (48, 96)),
        (256, 1000, 2, (48, 96)),
    ]
    assert told.loss == LossTerms(scales=(1, 2, 4, 8), perceptual=0.1, stability=0.5, overflow=0.1)
    assert {phase.truncate for phase in told.phases} == {16} and told.pool.priority > 0
    assert (told.checkpoint, told.hold) == (16, 32)


def test_the_distill_preset_is_the_canonical_experiment():
    told = make_recipe(load("emoji:🦎", 72), "emoji:🦎", preset="distill", res=72)
    assert told.phases == (Phase(res=72, epochs=8000, batch=8, steps=(64, 95)),)
    assert told.spec.perception == "sobel" and told.spec.rule.hidden == 128 and told.spec.rule.layers == 2
    assert told.spec.living and told.spec.clamp is None and told.spec.fire_rate == 0.5
    assert told.spec.parameters == 8336
    assert told.pool == PoolUse(size=1024, priority=0.0, damage=3, half_planes=False)
    assert (told.loss.scales, told.loss.stability, told.loss.overflow, told.hold) == ((1,), 0, 0, 0)
    assert told.pool_size(told.phases[0]) == 1024


@pytest.mark.parametrize(
    ("res", "sizes"),
    [
        (16, [16]),
        (32, [32]),
        (33, [32, 33]),
        (48, [32, 35, 39, 43, 48]),
        (64, [32, 36, 40, 45, 51, 57, 64]),
        (256, [64, 72, 81, 91, 102, 114, 128, 144, 161, 181, 203, 228, 256]),
    ],
)
def test_the_quick_preset_begins_with_smaller_grids(res, sizes):
    assert [phase.res for phase in made(res=res).phases] == sizes


@pytest.mark.parametrize(
    ("res", "epochs"),
    [
        (32, [3000]),
        (40, [2000, 150, 1150]),
        (64, [2000, 150, 150, 150, 150, 150, 1150]),
        (72, [2000, 150, 150, 150, 150, 150, 150, 1150]),
        (96, [2000, 150, 150, 150, 150, 150, 1150, 150, 150, 150, 1150]),
        (256, [2000, 150, 150, 150, 150, 150, 1150, 150, 150, 150, 150, 150, 650]),
    ],
)
def test_the_quick_preset_trains_longest_at_the_first_size_and_after_each_doubling(res, epochs):
    assert [phase.epochs for phase in made(res=res).phases] == epochs


def test_the_quick_preset_goes_back_through_a_quarter_of_the_side():
    phases = made(res=128).phases
    assert [phase.truncate for phase in phases] == [16] * 7 + [18, 20, 22, 25, 28, 32]


def test_each_presets_pool():
    assert [made(preset=preset).pool.size for preset in PRESETS] == [32, 256, 1024]


def test_a_file_goes_over_the_preset_and_single_values_over_both():
    file = parse("hold = 5\n[loss]\nperceptual = 0.5\n[spec]\nhidden = 32\n")
    told = made(file=file, settings=["loss.overflow=0", "phases.batch=3", "phases.2.steps=[5, 6]"])
    assert told.hold == 5 and told.spec.rule.hidden == 32
    assert (told.loss.perceptual, told.loss.overflow, told.loss.stability) == (0.5, 0, 0.5)
    assert {phase.batch for phase in told.phases} == {3}
    assert [phase.steps for phase in told.phases] == [(48, 96), (5, 6), *[(48, 96)] * 5]
    assert made(settings=["spec.perception=learned"]).spec.perception == "learned"
    whole = made(file=parse(told.to_toml()))
    assert whole == told


def test_a_file_of_another_target_leaves_this_ones_mask_and_seed():
    file = parse(made("circle", settings=["spec.hidden=32", "spec.seed=[0.1, 0.1]"]).to_toml())
    emoji = made("emoji:🦎", file=file)
    x, y = load("emoji:🦎", 64).seed
    assert emoji.spec.living and emoji.spec.start == Cell(x=x, y=y)
    assert emoji.spec.rule.hidden == 32 and made("circle", file=file).spec.start == Cell(x=0.1, y=0.1)


@pytest.mark.parametrize(
    "settings", [[], ["phases.1.epochs=1000", "phases.2.epochs=1"], ["phases.1.epochs=1"]]
)
@pytest.mark.parametrize("epochs", [1, 3, 7, 100, 12345])
def test_epochs_are_shared_out_over_the_phases(epochs, settings):
    told = made(epochs=epochs, settings=settings)
    assert told.epochs == epochs and all(phase.epochs >= 1 for phase in told.phases)
    assert len(told.phases) == min(epochs, 7) and told.res == 64  # few epochs are for the larger grids


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"settings": ["target=spiral"]}, "the target is the command's own argument"),
        ({"settings": ["spec=3"], "architecture": {"hidden": 16}}, "spec must be a table, got 3"),
        ({"file": {"spec": "x"}}, "spec must be a table, got 'x'"),
    ],
)
def test_what_cannot_be_set_is_refused(options, said):
    with pytest.raises(BadRequest, match=said):
        made(**options)


def test_every_preset_is_described():
    for preset in PRESETS:
        assert made(preset=preset).epochs > 0


def test_the_steps_grow_with_the_grid():
    assert [steps_for(res) for res in (16, 64, 128, 256)] == [(48, 96), (48, 96), (64, 96), (128, 192)]


def test_a_sense_must_fit_into_grids_that_are_not_square():
    spec = Spec.of(perception="conv17")
    fits = Phase(res=(24, 17), epochs=1, batch=1, steps=(1, 2))
    assert recipe(spec=spec, phases=(fits,)).phases[0].grid == (24, 17)
    with pytest.raises(BadRequest, match="17×17 cells is larger than the grid, 24×16"):
        recipe(spec=spec, phases=(dataclasses.replace(fits, res=(24, 16)),))


def test_phases_are_found_by_the_epoch():
    told = recipe(phases=(PHASE, dataclasses.replace(PHASE, epochs=5)))
    assert [told.phase_after(epoch) for epoch in (0, 9, 10, 14, 15)] == [0, 0, 1, 1, 1]


def test_a_recipe_that_memory_cannot_hold_is_refused(monkeypatch):
    monkeypatch.setattr(training_memory, "installed", lambda device: 8 * 10**9)
    big = Phase(res=256, epochs=1, batch=2, steps=(192, 384))
    training_memory.check(recipe(phases=(big,)), CPU)
    with pytest.raises(BadRequest, match=r"wants about .* GB of memory, this machine has 8: lower --res"):
        training_memory.check(
            recipe(phases=(dataclasses.replace(big, res=2048, batch=8, steps=(768, 1536)),)), CPU
        )
    plain = recipe(phases=(big,), checkpoint=1000)
    training_memory.check(plain, CPU)
    with pytest.raises(BadRequest, match="of memory"):  # PyTorch alone keeps more
        training_memory.check(plain, CPU, engine="torch")
    monkeypatch.setattr(engine, "native_status", lambda: (False, "no compiler"))
    with pytest.raises(BadRequest, match="of memory"):
        training_memory.check(plain, CPU)


def test_the_targets_of_all_phases_are_counted(monkeypatch):
    monkeypatch.setattr(training_memory, "installed", lambda device: 16 * 10**9)
    large = Phase(res=4096, epochs=1, batch=1, steps=(1, 1))
    pool = {"pool": PoolUse(size=1), "hold": 0, "loss": LossTerms(stability=0)}
    one, two, sixty = (recipe(phases=(large,) * count, **pool) for count in (1, 2, 60))
    seen = 4 if one.spec.living else 3
    target = seen * 4096**2 * 4
    assert (
        training_memory.wanted(two, CPU) - training_memory.wanted(one, CPU) == 2 * target
    )  # and the copy in a checkpoint
    training_memory.check(one, CPU)
    with pytest.raises(BadRequest, match=r"4096×4096 cells in 60 phases wants about \d+ GB of memory"):
        training_memory.check(sixty, CPU)


@pytest.fixture
def card(monkeypatch):
    """A GPU of 8 GB, if nothing is computed on it, on which the fused step works."""
    there = SimpleNamespace(total_memory=8 * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: there)
    monkeypatch.setattr(engine, "multiplies_bfloat16", lambda kind: kind == "cuda")
    monkeypatch.setattr(fused, "trouble", lambda *_: "")
    return there


def test_the_memory_of_a_gpu_is_its_own(card):
    assert memory.installed(CUDA) == card.total_memory != memory.installed(CPU) == memory.installed()
    assert memory.installed(torch.device("mps")) is None


def test_on_a_gpu_what_its_engine_keeps_is_counted(card, monkeypatch):
    def wanted(steps, **options):
        phase = Phase(res=64, epochs=1, batch=2, steps=(steps, steps))
        return training_memory.wanted(recipe(phases=(phase,), hold=4), CUDA, **options)

    spec = recipe().spec
    state, room = fused.state_bytes(spec, 2, 64, 64), fused.room_bytes(spec, 2 * 64**2, True)
    assert wanted(9) - wanted(8) == wanted(100) - wanted(99) == state
    assert wanted(9, engine="torch") - wanted(8, engine="torch") > 4 * state
    assert wanted(100, engine="torch") == wanted(99, engine="torch")  # 16 of them, and the ends of segments
    assert wanted(112, engine="torch") - wanted(111, engine="torch") == 2 * 16 * 64**2 * 4
    alone = wanted(100)
    assert wanted(100, ranks=Ranks(0, 2)) == alone - 104 * state // 2 - room // 2  # each has a GPU of its own
    monkeypatch.setattr(fused, "trouble", lambda *_: "it cannot be compiled")
    assert wanted(100) == wanted(100, engine="torch") > alone


def test_a_recipe_that_a_gpu_cannot_hold_is_refused(card):
    large = recipe(phases=(Phase(res=512, epochs=1, batch=8, steps=(96, 96)),))
    needed = training_memory.wanted(large, CUDA)
    card.total_memory = needed
    training_memory.check(large, CUDA)
    card.total_memory = needed - 1
    with pytest.raises(BadRequest, match=r"8 × 512×512 cells wants about \d+ GB of memory, this GPU has"):
        training_memory.check(large, CUDA)


def test_a_grid_that_memory_cannot_hold_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "installed", lambda: 8 * 10**9)
    automaton = Automaton(Spec.of())
    monkeypatch.setattr(engine, "native_status", lambda: (True, ""))
    memory.check_growing(automaton, 4096)
    monkeypatch.setattr(engine, "native_status", lambda: (False, "no compiler"))
    memory.check_growing(automaton, 2048)
    with pytest.raises(BadRequest, match=r"growing 4096×4096 cells wants about \d+ GB .* has 8: lower --res"):
        memory.check_growing(automaton, 4096)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RunFailed("not enough memory for the rollout"), True),
        (RuntimeError("a shape does not fit"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_at_an_end_is_told_from_all_else(error, full):
    assert memory.is_exhausted(error) == full
    with pytest.raises(RunFailed if full else type(error)) as raised, memory.explained("lower --size"):
        raise error
    assert (str(raised.value) == "not enough memory: lower --size") == full
