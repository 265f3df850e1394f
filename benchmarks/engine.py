"""Measure petri's engine against its peers, all in one run: python benchmarks/engine.py

Each program runs in a process of its own, the peers in environments of their own (made at first use under
.bench/, pinned below). They take turns: every repetition asks each of them once, so that whatever else the
machine does falls on all alike. What counts is the ratio within a repetition. Prints a table and writes
.bench/engine.json; exits with 1 if petri misses its bars.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import venv
from pathlib import Path

import torch

from petri.engine import multiplies_bfloat16, native_status
from petri.nca import Spec
from petri.nca.senses import Conv

sys.path.insert(0, str(Path(__file__).parent / "steps"))
from serve import CHANNELS, SETTINGS, Setting

HERE = Path(__file__).parent / "steps"
ROOM = Path(__file__).parents[1] / ".bench"
WORKS = ("rollout", "training")
PLAIN = "plain PyTorch"
FASTEST, SINGLE = "petri", "petri, float32 products"
# At least so many times as fast as plain PyTorch: with products in bfloat16, and without.
BARS = {FASTEST: {"rollout": 10, "training": 8}, SINGLE: {"rollout": 4, "training": 3}}
CONV_BARS = {FASTEST: {"rollout": 6, "training": 6}, SINGLE: {"rollout": 3, "training": 3}}
FIRE_RATE = 0.5
# The peers: their packages, and how many repetitions are enough for a program that needs minutes.
PEERS = {"ncalib": (["ncalib==0.1.2"], None), "cax": (["cax==0.3.3", "jax==0.10.2", "flax==0.12.8"], 1)}


class Program:
    """One automaton in a process of its own, that computes when it is told to."""

    def __init__(self, python: str, *command: str) -> None:
        self.process = subprocess.Popen(
            [python, *command], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def measure(self, work: str) -> dict[str, float]:
        """Do a work once: its seconds, and the bytes the process has grown to since it was idle."""
        self.process.stdin.write(f"{work}\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """Let it end."""
        self.process.communicate()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(map(str, self.process.args))} ended with {self.process.wait()}")
        return json.loads(line)


def environment(name: str, packages: list[str]) -> str:
    """The Python of a peer's own environment, which is made if it is not there."""
    folder = ROOM / name
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if not ready.exists() or ready.read_text() != repr(packages):
        print(f"installing {name} into {folder} …", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, *packages], check=True)
        ready.write_text(repr(packages))
    return str(python)


def programs(setting: str, peers: list[str]) -> dict[str, Program]:
    """Start what is to be measured in a setting; the peers have the perception of the first alone."""
    started = {
        PLAIN: Program(sys.executable, "plain.py", setting),
        FASTEST: Program(sys.executable, "petri_step.py", setting, "auto"),
        SINGLE: Program(sys.executable, "petri_step.py", setting, "float32"),
    }
    if setting == "growing":
        for name in peers:
            started[name] = Program(environment(name, PEERS[name][0]), f"{name}_step.py")
    return started


def measure(setting: str, peers: list[str], repetitions: int) -> dict[str, dict]:
    """All programs, taking turns; by name, the seconds of each repetition of each work, and bytes."""
    running = programs(setting, peers)
    results = {name: {work: [] for work in WORKS} | {"bytes": 0} for name in running}
    results[FASTEST]["product"] = []
    for repetition in range(repetitions + 1):  # the first, that compiles and warms up, does not count
        for work in WORKS:
            for name, program in running.items():
                enough = PEERS.get(name, (None, None))[1]
                if enough is not None and repetition > enough:
                    continue
                took = program.measure(work)
                results[name]["bytes"] = max(results[name]["bytes"], took["memory"])
                if repetition:
                    results[name][work].append(took["seconds"])
        if repetition:
            results[FASTEST]["product"].append(running[FASTEST].measure("product")["seconds"])
        print(f"{setting}: repetition {repetition} of {repetitions}", flush=True)
    for program in running.values():
        program.close()
    return results


def spread(values: list[float], digits: int = 0) -> str:
    """Median, and in brackets the least and the greatest."""
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return f"{statistics.median(values):.{digits}f} ({low}–{high})"


def table(setting: str, results: dict[str, dict]) -> list[str]:
    """Markdown: nanoseconds a cell and step, and how many times as fast as plain PyTorch."""
    what = SETTINGS[setting]
    cells = what.side**2 * what.batch * what.steps
    features = spec_of(what).features
    lines = [
        f"**{setting}**: {features}→{what.hidden}→{CHANNELS}, {what.side}², batch {what.batch}, "
        f"{what.steps} steps" + f", {what.fixed} fixed planes" * (what.fixed > 0),
        "",
        "| | rollout, ns | × plain | training, ns | × plain | memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        row = [name]
        for work in WORKS:
            row.append(spread([seconds / cells * 1e9 for seconds in result[work]]))
            row.append(spread(ratios(results, name, work), 1))
        row.append(f"{result['bytes'] / 1e6:.0f}")
        lines.append(f"| {' | '.join(row)} |")
    best = [2 * 2048**3 / seconds for seconds in results[FASTEST]["product"]]
    # Of the cells that fire: once in a rollout; in training forward twice and for two gradients.
    sensed = sum(
        sense.parameters(CHANNELS + what.fixed) for sense in spec_of(what).senses if isinstance(sense, Conv)
    )
    arithmetic = 2 * (sensed + features * what.hidden + what.hidden * CHANNELS) * cells * FIRE_RATE
    shares = []
    for work, passes in (("rollout", 1), ("training", 4)):
        each = zip(results[FASTEST][work], best, strict=True)
        shares.append(f"{statistics.median(passes * arithmetic / s / rate for s, rate in each):.0%}")
    machine = (
        f"The machine's own bf16 product (2048³, PyTorch): {spread([rate / 1e9 for rate in best])} GFLOP/s"
    )
    return [*lines, "", f"{machine}; petri is at {shares[0]} of it in a rollout and {shares[1]} in training."]


def spec_of(what: Setting) -> Spec:
    """The automaton of a setting."""
    return Spec.of(
        perception=what.perception,
        channels=CHANNELS,
        fixed=what.fixed,
        hidden=what.hidden,
        layers=2,
        living=what.living,
        clamp=None if what.living else 1.0,
    )


def ratios(results: dict[str, dict], name: str, work: str) -> list[float]:
    """How many times as fast as plain PyTorch, repetition by repetition."""
    return [a / b for a, b in zip(results[PLAIN][work], results[name][work], strict=False)]


def missed(setting: str, results: dict[str, dict]) -> list[str]:
    """The bars that were not reached, in words."""
    all_bars = CONV_BARS if setting.startswith("conv") else BARS
    bars = all_bars if multiplies_bfloat16("cpu") else {SINGLE: all_bars[SINGLE]}
    found = []
    for name, works in bars.items():
        for work, bar in works.items():
            reached = statistics.median(ratios(results, name, work))
            if reached < bar:
                found.append(
                    f"{setting}, {name}, {work}: {reached:.1f} times plain PyTorch, the bar is {bar}"
                )
    return found


def main() -> int:
    """Measure, print, and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--settings", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    arguments = parser.parse_args()
    ROOM.mkdir(exist_ok=True)
    results = {name: measure(name, arguments.peers, arguments.repetitions) for name in arguments.settings}
    (ROOM / "engine.json").write_text(json.dumps(results, indent=1))
    processor = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), "")
    print(f"\n{platform.machine()} {processor}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"petri's native step: {native_status()[1]}\n")
    for name, result in results.items():
        print("\n".join(table(name, result)) + "\n")
    failures = [line for name, result in results.items() for line in missed(name, result)]
    print("\n".join(failures) if failures else "All bars hold.")
    return 1 if failures else 0


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
