"""Measure an epoch of a texture beside a plain PyTorch port: python benchmarks/texture.py

The same automaton, the same loss and one state of 128×128 cells, one thread each; they take turns, so that
whatever else the machine does falls on both alike, and processor time counts. Prints a table and writes
.bench/texture.json; exits with 1 if an epoch is not three times as fast as the port's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from pathlib import Path

import torch
from engine import PLAIN, ROOM, Program, ratios, spread

from petri.losses.vgg import WEIGHTS

WORKS = {"loss": "the loss, there and back", "epoch": "an epoch"}
BAR = 3  # times as fast as the port, in an epoch


def measure(repetitions: int) -> dict[str, dict[str, list[float]]]:
    """Both, taking turns; by name, the processor seconds of each repetition of each work."""
    running = {
        PLAIN: Program(sys.executable, "plain_texture.py", str(WEIGHTS)),
        "petri": Program(sys.executable, "petri_texture.py"),
    }
    results: dict[str, dict[str, list[float]]] = {name: {work: [] for work in WORKS} for name in running}
    for repetition in range(repetitions + 1):  # the first, that compiles and warms up, does not count
        for work in WORKS:
            for name, program in running.items():
                took = program.measure(work)
                if repetition:
                    results[name][work].append(took["busy"])
        print(f"repetition {repetition} of {repetitions}", flush=True)
    for program in running.values():
        program.close()
    return results


def main() -> int:
    """Measure, print, and say whether the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=9)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the programs
    results = measure(arguments.repetitions)
    Path(ROOM).mkdir(exist_ok=True)
    (ROOM / "texture.json").write_text(json.dumps(results, indent=1))
    print(f"\n{platform.machine()}, one thread each, torch {torch.__version__}\n")
    print("| | " + " | ".join(f"{title}, ms | × plain" for title in WORKS.values()) + " |")
    print("|---" * (1 + 2 * len(WORKS)) + "|")
    for name, works in results.items():
        row = [name]
        for work in WORKS:
            row.append(spread([1e3 * seconds for seconds in works[work]]))
            row.append(spread(ratios(results, name, work), 1))
        print(f"| {' | '.join(row)} |")
    reached = statistics.median(ratios(results, "petri", "epoch"))
    print(f"\nan epoch is {reached:.1f} times as fast as the port's, the bar is {BAR}")
    return 0 if reached >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
