"""petri on an NVIDIA GPU, from the kernels to a whole training: `make test-gpu`, which skips all without one.

PETRI_TEST_DEVICE=cpu tries these tests themselves where there is none: with TRITON_INTERPRET=1, Triton's
interpreter takes the fused step, which is slow and multiplies no bfloat16.
"""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from parity import a_state, an_automaton, both, furthest, furthest_gradient
from specs import PAGE, SPECS

from petri import memory, modelfile, models, tasks
from petri.engine import fused, graphs, left_to_pytorch
from petri.errors import RunFailed
from petri.losses.perceptual import PerceptualLoss
from petri.nca import Automaton, Spec
from petri.training.recipe import Optimisation, Phase, PoolUse, Recipe
from petri.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
DEVICE = torch.device(os.environ.get("PETRI_TEST_DEVICE", "cuda"))
REAL = DEVICE.type == "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(REAL and not torch.cuda.is_available(), reason="PyTorch finds no NVIDIA GPU here"),
]
sys.path.insert(0, str(ROOT / "benchmarks"))

TAKEN = {name: spec for name, spec in SPECS.items() if not fused.obstacle(spec)}
TAKEN |= {f"page {number}": spec for number, spec in enumerate(PAGE, 1)}
TAKEN |= {
    "the report's": Spec.of(perception="learned+dilated", hidden=64, residual=True, living=True),
    "128 units": Spec.of(perception="dilated", hidden=128, layers=2),
    "512 units": Spec.of(perception="sobel", hidden=512, gated=True),
    "80 planes": Spec.of(perception="conv3+learned", channels=64, fixed=16, hidden=48, layers=2),
}
SOME = ("learned", "learned+dilated", "conv3+conv5d2", "masked, gated")


def named(specs):
    return pytest.mark.parametrize("spec", specs.values(), ids=specs)


def there(automaton, state):
    return copy.deepcopy(automaton).to(DEVICE), state.to(DEVICE)


def fused_there(automaton, state, steps, **options):
    """The last state and all gradients by the fused step on the device."""
    if "flow" not in options:
        options["flow"] = torch.randn(state.shape, generator=torch.Generator().manual_seed(3))
    flow = options.pop("flow").to(DEVICE)
    found = both(*there(automaton, state), steps, flow=flow, engine="triton", **options)
    return [values.cpu() for values in found]


def grown(automaton, state, steps, **options):
    with torch.no_grad():
        automaton, state = there(automaton, state)
        return automaton.rollout(state, steps, engine="triton", **options).cpu()


@named(TAKEN)
def test_float32_is_the_reference(spec):
    automaton, state = an_automaton(spec), a_state(spec)
    for steps in (1, 4) if REAL else (1,):
        after, *gradients = fused_there(automaton, state, steps)
        expected, *wanted = both(automaton, state, steps, engine="torch")
        assert furthest(after, expected) < 1e-5
        assert max(map(furthest_gradient, gradients, wanted)) < 1e-4


@named({name: TAKEN[name] for name in SOME})
def test_bfloat16_is_near_the_reference(spec):
    automaton = an_automaton(spec)
    if spec.rule.gated:  # who fires hangs on rounding; a gate that is sure of itself does not
        with torch.no_grad():
            automaton.rule.weights[-1][-1] = 0.0
            automaton.rule.biases[-1][-1] = 0.3
    state = a_state(spec, batch=16 if REAL else 2)
    options = {"flow": 0.5 - state.clamp(-1, 1), "precision": "bfloat16" if REAL else "float32"}
    after, *gradients = fused_there(automaton, state, 1, **options)
    expected, *wanted = both(automaton, state, 1, flow=options["flow"], engine="torch")
    assert furthest(after, expected) < 1e-2
    for got, reference in zip(gradients, wanted, strict=True):
        assert torch.cosine_similarity(got.flatten(), reference.flatten(), dim=0) > 0.999


@pytest.mark.parametrize("rate", [1e-6, 0.25, 0.5, 1.0])
def test_the_same_cells_fire(rate):
    automaton = Automaton(Spec.of(fire_rate=rate, clamp=None, perception="identity", hidden=16, layers=2))
    automaton.rule.biases[-1].data.fill_(1.0)  # a cell that fires grows by one
    state = torch.zeros(3, 16, 37, 101)
    for start in (0, 2**32 - 1, 2**40 + 5):
        options = {"seed": 2**32 - 3, "start": start}
        wanted = automaton.rollout(state, 2, engine="torch", **options)
        assert torch.equal(grown(automaton, state, 2, **options), wanted)


@pytest.mark.parametrize("precision", ["float32", *["bfloat16"] * REAL])
@named({name: TAKEN[name] for name in SOME})
def test_a_rollout_can_be_taken_in_parts(spec, precision):
    automaton, state = an_automaton(spec), a_state(spec)
    options = {"seed": 4, "precision": precision}
    steps = 100 if REAL else 4
    whole, half = (grown(automaton, state, count, **options) for count in (steps, steps // 2))
    assert torch.equal(grown(automaton, half, steps // 2, start=steps // 2, **options), whole)
    assert torch.equal(grown(automaton, state[:1], steps, **options), whole[:1])


@named({name: TAKEN[name] for name in SOME})
def test_a_run_has_the_same_bits_again(spec):
    automaton, state = an_automaton(spec), a_state(spec)
    steps = 8 if REAL else 1
    one, other = (fused_there(automaton, state, steps) for _ in range(2))
    assert all(map(torch.equal, one, other))


@pytest.mark.skipif(not REAL, reason="auto takes the native step on a CPU")
@named({name: TAKEN[name] for name in SOME})
def test_auto_takes_the_fused_step(spec):
    assert left_to_pytorch(spec, torch.device("cuda", 0)) == ""
    automaton, state = there(an_automaton(spec), a_state(spec))
    assert torch.equal(automaton.rollout(state, 2), automaton.rollout(state, 2, engine="triton"))


@pytest.mark.skipif(not REAL, reason="a trained model takes hours in an interpreter")
@pytest.mark.parametrize("name", ["braid", "butterfly", "circle", "mushroom"])
def test_a_trained_model_grows_the_same_picture(name):
    model = modelfile.read(models.find(name))
    start = model.automaton.seed_state(model.res)
    with torch.no_grad():
        expected = model.automaton.rollout(start, 200)[:, :3]
    for precision in ("float32", "bfloat16"):
        got = grown(model.automaton, start, 200, precision=precision)[:, :3]
        assert (got - expected).abs().mean() < 0.01


@pytest.mark.skipif(not REAL, reason="there is nothing to capture")
def test_a_rollout_can_be_captured_in_a_graph():
    automaton, state = there(an_automaton(SPECS["learned"]), a_state(SPECS["learned"]))
    with torch.no_grad():
        wanted = automaton.rollout(state, 8)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            got = automaton.rollout(state, 8)
        graph.replay()
    assert torch.equal(got, wanted)


@pytest.mark.skipif(not REAL, reason="tests/test_graphs.py has what can be told without a GPU")
@named({name: TAKEN[name] for name in SOME})
def test_rollouts_are_replayed_bit_for_bit(spec, monkeypatch):
    monkeypatch.setattr(graphs, "_graphs", type(graphs._graphs)())
    monkeypatch.setattr(graphs, "_once", set())
    automaton, state = an_automaton(spec), a_state(spec)
    found = []
    for _ in range(4):
        found.append(fused_there(automaton, state, 39, precision="bfloat16"))
        found[-1].append(grown(automaton, state, 39, seed=9, precision="bfloat16"))
    assert len(graphs._graphs) == 3 * len(fused.PARTS)
    assert all(graphs._graphs.values())  # each could be recorded, and gave the bits of single launches
    monkeypatch.setattr(graphs, "possible", lambda device: False)
    launched = fused_there(automaton, state, 39, precision="bfloat16")
    assert all(all(map(torch.equal, one, launched)) for one in found)
    assert all(torch.equal(one[-1], launched[0]) for one in found)


def test_the_perceptual_loss_is_that_of_the_cpu():
    target, states = torch.rand(3, 32, 32), torch.rand(2, 4, 32, 32)
    expected, got = PerceptualLoss(target)(states), PerceptualLoss(target.to(DEVICE))(states.to(DEVICE)).cpu()
    assert torch.allclose(got, expected, rtol=0.05)  # products of bfloat16


def a_trainer(steps):
    recipe = Recipe(
        target="circle",
        name="circle",
        spec=Spec.of(perception="learned", hidden=16, living=True),
        phases=(Phase(res=16, epochs=30, batch=4, steps=(steps, steps)),),
        pool=PoolUse(size=6, damage=1),
        optimiser=Optimisation(warm_up=0.0),
        hold=2,
    )
    return Trainer(recipe, tasks.make(recipe), DEVICE)


def copies(work):
    """How often memory was copied between the GPU and the CPU."""
    activities = [torch.profiler.ProfilerActivity.CPU, *[torch.profiler.ProfilerActivity.CUDA] * REAL]
    with torch.profiler.profile(activities=activities) as profile:
        work()
        if REAL:
            torch.cuda.synchronize()
    return sum("HtoD" in event.name or "DtoH" in event.name for event in profile.events())


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_a_rollout_copies_nothing_to_the_gpu_and_nothing_back(engine):
    automaton, state = there(an_automaton(SPECS["learned"]), a_state(SPECS["learned"]))

    def work():
        automaton.rollout(state, 8, engine=engine).square().sum().backward()

    for _ in range(3):  # compiles, reads the filters, and records graphs, once
        work()
    assert copies(work) == 0


def test_an_epoch_copies_as_often_however_many_its_steps():
    found = []
    for steps in (4, 12):
        trainer = a_trainer(steps)
        for _ in range(3):
            trainer.train_epoch()
        found.append(copies(trainer.train_epoch))
    assert found[0] == found[1] < 40


def test_memory_at_its_end_is_one_line():
    with pytest.raises(RunFailed, match=r"^not enough memory: lower --res$"), memory.explained("lower --res"):
        torch.empty(2**50, device=DEVICE)


def petri(folder, *arguments, code=0, module="petri", before=()):
    done = subprocess.run(
        [sys.executable, *before, "-m", module, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


GROW = ["grow", "circle", "--res", "16", "--hidden", "16", "--epochs", "6", "--set", "phases.batch=2"]
GROW += ["--set", "phases.steps=[4, 8]", "--name", "run", "--device", DEVICE.type]


def test_a_run_from_start_to_end_and_on_another_device_and_back(tmp_path):
    assert f"parameters · {DEVICE.type}" in petri(tmp_path, *GROW)
    run = tmp_path / "runs" / "run"
    for device in ("cpu", DEVICE.type):
        said = petri(tmp_path, "grow", "--resume", run, "--epochs", "2", "--device", device)
        assert "resumed at epoch" in said
    assert modelfile.read(run / "model.safetensors").training["epochs"] == 10
    assert "loss" in petri(tmp_path, "evaluate", run / "model.safetensors", "--device", DEVICE.type)


def test_a_seed_decides_a_run(tmp_path):
    found = []
    for name in ("one", "other"):
        petri(tmp_path, *GROW, "--name", name)
        found.append(modelfile.read(tmp_path / "runs" / name / "model.safetensors").automaton.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_workers_search_together(tmp_path):
    tiny = ["--res", "16", "--epochs", "1", "--set", "phases.batch=2", "--set", "phases.steps=[2, 4]"]
    asked = ["--trials", "2", "--seeds", "0", "--workers", "2", "--device", DEVICE.type]
    assert "loss" in petri(tmp_path, "search", "circle", *tiny, *asked)


def test_torchrun_with_one_process(tmp_path):
    run = ["-m", "torch.distributed.run", "--nproc-per-node", "1", "--standalone"]
    assert "circle grown" in petri(tmp_path, *GROW, before=run)
    meets = tmp_path / "meets.py"
    meets.write_text(
        "import torch, torch.distributed as dist\n"
        f"dist.init_process_group({'nccl' if REAL else 'gloo'!r})\n"
        f"values, parts = torch.ones(3, device={DEVICE.type!r}), [torch.zeros(3, device={DEVICE.type!r})]\n"
        "dist.all_reduce(values), dist.all_gather(parts, values)\n"
        "print(parts[0].tolist())\n"
        "dist.destroy_process_group()\n"
    )
    done = subprocess.run([sys.executable, *run, meets], capture_output=True, text=True, timeout=300)
    assert "[1.0, 1.0, 1.0]" in done.stdout, done.stderr


def test_doctor_names_the_engine(tmp_path):
    said = petri(tmp_path, "doctor")
    assert DEVICE.type in said
    assert not REAL or ("Engine on the GPU" in said and "triton: the fused step" in said)


def test_the_shaders_of_all_models_are_pytorch():
    import shader

    assert ("llvmpipe" in shader.renderer()) != REAL
    automata = {name: modelfile.read(models.find(name)).automaton for name in models.names()}
    run = {name: automaton for name, automaton in automata.items() if not shader.refused(automaton)}
    assert len(run) > 15
    for name in list(run)[: None if REAL else 3]:
        assert shader.furthest(run[name]) < 1e-4, name
