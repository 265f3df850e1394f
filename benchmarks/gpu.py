"""Measure petri on a GPU beside PyTorch and cax, all in one run: python benchmarks/gpu.py

They take turns; what counts is the ratio within a repetition. The card's own products and copies are measured
in the same run. Prints Markdown tables; exits with 1 if petri misses its bars. `--check` then runs the tests
that need a GPU (`make test-gpu`), which must pass, too. `--device cpu --tiny` tries this program itself where
there is none: with TRITON_INTERPRET=1 in the environment, Triton's interpreter takes the fused step. Figures
mean nothing then.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from engine import Program, spec_of, spread
from port import Cells
from serve import CHANNELS, LEARNING_RATE, Setting

from petri import devices, memory, modelfile, models
from petri.engine import fused, graphs, left_to_pytorch, multiplies_bfloat16
from petri.errors import BadRequest
from petri.nca import Automaton
from petri.nca.senses import Conv

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "growing": Setting(72, 8, 64, "sobel", 128, living=True),  # Mordvintsev et al. 2020
    "dilated, batch 2": Setting(256, 2, 32, "dilated", 128),
    "dilated, batch 32": Setting(256, 32, 16, "dilated", 128),
    "conv3+conv5d2": Setting(72, 16, 32, "conv3+conv5d2", 80, fixed=5),
    "NCAtorch, training": Setting(64, 16, 32, "conv3", 80),  # Spitznagel and Keuper, A.6
    "NCAtorch, inference": Setting(64, 64, 32, "conv3", 80),
    "attention": Setting(72, 8, 32, "attention", 80),  # which the fused step does not take
}
TINY = {
    "growing": Setting(9, 2, 2, "sobel", 16, living=True),
    "conv3+conv5d2": Setting(9, 2, 2, "conv3+conv5d2", 16, fixed=5),
    "NCAtorch, inference": Setting(8, 2, 2, "conv3", 16),
    "attention": Setting(8, 2, 2, "attention", 16),
}
WORKS = ("rollout", "training")
WARM = 3  # times that a work is done before: it compiles, and records graphs
PETRI, SINGLE = "petri", "petri, float32 products"
LAUNCHED, MADE = "petri, without graphs", "petri, --engine compiled"
EAGER, HALF, COMPILED = "plain PyTorch", "plain PyTorch, autocast", "plain PyTorch, autocast, compiled"
PLAIN = (EAGER, HALF, COMPILED)
TIMES, SHARE = 5, 0.25  # bars: times the best plain PyTorch, and the share of the card's bfloat16 products
LARGEST = "dilated, batch 32"  # the setting of which that share is asked
PASSES = {"rollout": 1, "training": 3}  # forward; and to two gradients of each product
MOVED = {"rollout": 2, "training": 5}  # states: read and written; and read, with gradients in and out


class Works:
    """What is measured of a program: a rollout, and an epoch of training."""

    def __init__(self, rollout: Callable[[], torch.Tensor], weights: list, target: torch.Tensor) -> None:
        self.roll, self.target = rollout, target
        self.optimiser = torch.optim.Adam(weights, LEARNING_RATE)

    @torch.no_grad()
    def rollout(self) -> None:
        """A rollout alone."""
        self.roll()

    def learn(self) -> None:
        """Rollout, loss, backward."""
        self.optimiser.zero_grad()
        F.mse_loss(self.roll()[:, :4], self.target).backward()

    def training(self) -> None:
        """An epoch: the same, and one step of the optimiser."""
        self.learn()
        self.optimiser.step()


def petri_works(what: Setting, device: torch.device, name: str) -> Works:
    """petri, by the engine that it takes by itself; the fused step, if it is interpreted."""
    automaton = Automaton(spec_of(what)).to(device)
    with torch.no_grad():
        automaton.rule.weights[-1].uniform_(-0.01, 0.01)
    start = torch.rand(what.batch, CHANNELS + what.fixed, what.side, what.side, device=device)
    engine, precision = "auto", "auto"
    if name == MADE:
        engine = "compiled"
    elif fused.interpreted() and not fused.obstacle(automaton.spec):
        engine = "triton"
    if name == SINGLE or fused.interpreted():  # which multiplies no bfloat16
        precision = "float32"

    def rollout() -> torch.Tensor:
        return automaton.rollout(start, what.steps, precision=precision, engine=engine)

    return Works(rollout, list(automaton.parameters()), start[:, :4] * 0.5)


def plain_works(what: Setting, device: torch.device, name: str) -> Works:
    """The plain port."""
    cells = Cells(what).to(device)
    start = torch.rand(what.batch, CHANNELS, what.side, what.side, device=device)
    step: torch.nn.Module = cells
    if name == COMPILED:
        torch._dynamo.reset()  # of other settings it would remember sizes, and after eight give up
        step = torch.compile(cells, dynamic=False)

    def rollout() -> torch.Tensor:
        x = start
        with torch.autocast(device.type, torch.bfloat16, enabled=name != EAGER):
            for _ in range(what.steps):
                x = step(x)
        return x.float()

    return Works(rollout, list(cells.parameters()), start[:, :4] * 0.5)


@contextlib.contextmanager
def launched_one_by_one() -> Iterator[None]:
    """Let petri record no graphs."""
    possible = graphs.possible
    graphs.possible = lambda device: False
    try:
        yield
    finally:
        graphs.possible = possible


def programs(setting: str, what: Setting, device: torch.device) -> Iterator[tuple[str, Callable[[], dict]]]:
    """The names of what is measured in a setting, and what makes their works."""

    def made(name: str) -> dict[str, Callable[[], None]]:
        works = (plain_works if name in PLAIN else petri_works)(what, device, name)
        found = {"rollout": works.rollout, "training": works.training}
        if name == LAUNCHED:
            found = {work: launched_one_by_one()(do) for work, do in found.items()}
        if "inference" in setting:
            del found["training"]
        return found

    names = [PETRI, LAUNCHED, *[SINGLE] * (setting == "growing"), *PLAIN]
    if fused.obstacle(spec_of(what)):
        names = [PETRI, MADE]
    for name in names:
        yield name, partial(made, name)


def measure(setting: str, what: Setting, device: torch.device, repetitions: int) -> dict[str, dict]:
    """All programs, taking turns: by name the seconds of each work, peak bytes, and what went wrong."""
    works: dict[str, dict[str, Callable[[], None]]] = {}
    results: dict[str, dict] = {}
    for name, make in programs(setting, what, device):
        results[name] = {work: [] for work in WORKS} | {"bytes": 0, "trouble": ""}
        begun = time.perf_counter()
        try:
            before = _forget_peak(device)
            works[name] = make()
            for work in works[name].values():
                for _ in range(WARM):
                    work()
            devices.synchronise(device)
            results[name]["bytes"] = _peak(device) - before
        except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:
            works.pop(name, None)
            full = memory.is_exhausted(error)
            said = "out of memory" if full else f"{type(error).__name__}: {error}"
            results[name]["trouble"] = said.splitlines()[0][:80]
        print(f"{setting}: {name} is ready after {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    for _ in range(repetitions):
        for name, found in works.items():
            for work, do in found.items():
                devices.synchronise(device)
                begun = time.perf_counter()
                do()
                devices.synchronise(device)
                results[name][work].append(time.perf_counter() - begun)
    return results


def _forget_peak(device: torch.device) -> int:
    if device.type != "cuda":
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def measure_cax(results: dict[str, dict], repetitions: int) -> str:
    """cax on JAX beside the others, if it is here; else a line that says so."""
    if find_spec("cax") is None or find_spec("jax") is None:
        return "cax is not here: pip install cax 'jax[cuda12]' into this environment to have it measured."
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    program = Program(sys.executable, "cax_step.py")
    found = {work: [program.measure(work)["seconds"] for _ in range(repetitions + 1)][1:] for work in WORKS}
    program.close()
    results["cax"] = found | {"bytes": 0, "trouble": ""}
    return ""


def rates(device: torch.device, tiny: bool) -> tuple[float, float]:
    """What the card can do: bfloat16 products in FLOP/s, and copying in bytes read and written a second."""
    side, size = (64, 2**16) if tiny else (8192, 2**30)
    left, right = (torch.rand(side, side, device=device).bfloat16() for _ in range(2))
    source, target = (torch.zeros(size // 4, device=device) for _ in range(2))
    found = []
    for work, amount in ((lambda: left @ right, 2 * side**3), (lambda: target.copy_(source), 2 * size)):
        seconds = []
        for _ in range(12):
            devices.synchronise(device)
            begun = time.perf_counter()
            work()
            devices.synchronise(device)
            seconds.append(time.perf_counter() - begun)
        found.append(amount / statistics.median(seconds[2:]))
    return found[0], found[1]


def products(what: Setting) -> int:
    """Floating point operations of a cell and step, forward, all cells counted."""
    spec = spec_of(what)
    sensed = sum(sense.parameters(spec.planes) for sense in spec.senses if isinstance(sense, Conv))
    return 2 * (sensed + spec.features * what.hidden + what.hidden * CHANNELS)


def ratios(results: dict[str, dict], name: str, work: str) -> list[float]:
    """How many times as fast as the best plain PyTorch, repetition by repetition."""
    plain = [results[other][work] for other in PLAIN if results.get(other, {}).get(work)]
    best = [min(seconds) for seconds in zip(*plain, strict=True)]
    return [b / a for a, b in zip(results[name][work], best, strict=False)]


def table(name: str, what: Setting, results: dict[str, dict], card: tuple[float, float]) -> list[str]:
    """Markdown: nanoseconds a cell and step, times the best plain PyTorch, and shares of the card."""
    cells = what.side**2 * what.batch * what.steps
    lines = [
        f"**{name}**: {spec_of(what).features}→{what.hidden}→{CHANNELS}, {what.side}², batch {what.batch}, "
        f"{what.steps} steps" + f", {what.fixed} fixed planes" * (what.fixed > 0),
        "",
        "| | rollout, ns | × best plain | training, ns | × best plain | peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for program, result in results.items():
        row = [program]
        for work in WORKS:
            seconds, times = result[work], ratios(results, program, work) if result[work] else []
            row.append(spread([s / cells * 1e9 for s in seconds], 2) if seconds else result["trouble"] or "–")
            row.append(spread(times, 1) if times else "–")
        row.append(f"{result['bytes'] / 1e6:,.0f}" if result["bytes"] else "–")
        lines.append(f"| {' | '.join(row)} |")
    said = []
    for work in WORKS:
        if seconds := results[PETRI][work]:
            copied = MOVED[work] * 4 * CHANNELS * cells / statistics.median(seconds) / card[1]
            share = share_of_products(what, results, work, card[0])
            said.append(f"{share:.0%} of the card's products and {copied:.0%} of its copying in {work}")
    return [*lines, *["", f"petri is at {'; '.join(said)}."] * bool(said)]


def share_of_products(what: Setting, results: dict[str, dict], work: str, rate: float) -> float:
    """Share of the card's rate; what is computed again for the way back is not counted."""
    cells = what.side**2 * what.batch * what.steps
    return PASSES[work] * products(what) * cells / statistics.median(results[PETRI][work]) / rate


def missed(name: str, what: Setting, results: dict[str, dict], rate: float) -> list[str]:
    """The bars that were not reached, in words."""
    found = []
    if trouble := results[PETRI]["trouble"]:
        found.append(f"{name}: petri could not be measured: {trouble}")
    for work in WORKS:
        if not results[PETRI][work]:
            continue
        times = ratios(results, PETRI, work)
        reached = statistics.median(times) if times else TIMES  # there may be nothing to compare with
        if reached < TIMES:
            found.append(f"{name}, {work}: {reached:.1f} times the best plain PyTorch, the bar is {TIMES}")
        share = share_of_products(what, results, work, rate)
        if name == LARGEST and share < SHARE:
            found.append(
                f"{name}, {work}: {share:.0%} of the card's bfloat16 products, the bar is {SHARE:.0%}"
            )
    return found


def shaders(tiny: bool) -> list[str]:
    """Markdown: steps a second of the shipped models through EGL, and how far they are from PyTorch."""
    if find_spec("moderngl") is None:
        return ['The shaders were not run: pip install "petri-nca[shader]"']
    import shader

    sides, seconds = ((16,), 0.05) if tiny else ((128, 256, 512, 1024), 0.3)
    try:
        lines = [f"**Shaders** through EGL on {shader.renderer()}: steps a second", ""]
    except Exception as error:  # of a driver
        return [f"The shaders were not run: EGL says {error}"]
    lines.append(f"| model | {' | '.join(f'{side}²' for side in sides)} | from the golden values |")
    lines.append("|---|" + "---|" * (len(sides) + 1))
    for name in models.names()[: 2 if tiny else None]:
        automaton = modelfile.read(models.find(name)).automaton
        if not shader.refused(automaton):
            found = [f"{shader.steps_a_second(automaton, side, seconds):,.0f}" for side in sides]
            lines.append(f"| {name} | {' | '.join(found)} | {shader.furthest(automaton):.0e} |")
    return lines


def card_of(device: torch.device) -> str:
    """Card, driver and versions, in a line."""
    said = [f"torch {torch.__version__}"]
    if find_spec("triton"):
        said.append(f"triton {importlib.metadata.version('triton')}")
    if device.type != "cuda":
        return ", ".join([f"no GPU: {device.type}", *said])
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        driver = "unknown"
    return ", ".join([torch.cuda.get_device_name(device), f"driver {driver}", *said])


def main() -> int:
    """Measure, print, check, and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--check", action="store_true", help="then run the tests that need a GPU")
    parser.add_argument("--tiny", action="store_true", help="try the program itself; figures mean nothing")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--settings", nargs="*", choices=list(SETTINGS))
    arguments = parser.parse_args()
    settings = TINY if arguments.tiny else SETTINGS
    if unknown := set(arguments.settings or ()) - set(settings):
        parser.error(f"--tiny has no setting {sorted(unknown)[0]!r}, but these: {', '.join(settings)}")
    if arguments.repetitions < 1:
        parser.error(f"--repetitions must be at least 1, got {arguments.repetitions}")
    try:
        device = devices.choose(arguments.device)
    except BadRequest as error:
        parser.error(str(error))
    card = rates(device, arguments.tiny)
    print(f"{card_of(device)}, {datetime.date.today()}, `{shlex.join(['python', *sys.argv])}`\n")
    reason = left_to_pytorch(spec_of(settings["growing"]), device)
    print(f"petri's engine: {f'PyTorch alone, since {reason}' if reason else 'its own step'}.")
    precise = "bfloat16" if multiplies_bfloat16(device.type) else "float32, as bfloat16 is no faster"
    print(f"Products of the precision `auto`: {precise}.")
    print(
        f"The card's bfloat16 products: {card[0] / 1e12:,.3g} TFLOP/s; copying: {card[1] / 1e9:,.3g} GB/s.\n"
    )
    failures = []
    for name in arguments.settings or settings:
        what = settings[name]
        results = measure(name, what, device, arguments.repetitions)
        note = measure_cax(results, arguments.repetitions) if name == "growing" else ""
        print("\n".join([*table(name, what, results, card), *[note] * bool(note)]) + "\n", flush=True)
        failures += missed(name, what, results, card[0])
    print("\n".join(shaders(arguments.tiny)) + "\n", flush=True)
    if arguments.check:  # last: what they find is no reason to go without figures
        asked = [sys.executable, "-m", "pytest", "-q", "-n", "4", "-m", "gpu", "tests/test_gpu.py"]
        environment = os.environ | {"PETRI_TEST_DEVICE": device.type}
        _forget_peak(device)  # and leave the memory to them
        if subprocess.run(asked, cwd=ROOT, env=environment).returncode:
            failures.append("The tests that need a GPU failed.")
    print("\n".join(failures) if failures else "All bars hold.")
    return int(bool(failures) and not arguments.tiny)


if __name__ == "__main__":
    sys.exit(main())
