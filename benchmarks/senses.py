"""Measure the senses that only PyTorch computes against plain ports: python benchmarks/senses.py

Each program runs in a process of its own, with one thread, and they take turns. What counts is the time of
the processor, and its ratio within a repetition. Prints a table; exits with 1 if a sense is slower than its
plain port, or needs more memory.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys

import torch
from engine import PLAIN, WORKS, Program, ratios, spread
from serve import SENSED

from petri.engine import multiplies_bfloat16

SENSES = ("attention3", "deformable3", "residual3")
PETRI = {"petri": "auto", "petri, float32 products": "float32"}
LEAST = 0.95  # of the plain port's speed: two runs of one program differ by as much


def measure(sense: str, repetitions: int) -> dict[str, dict]:
    """All programs of a sense, taking turns; by name, seconds of each repetition of each work, and bytes."""
    running = {PLAIN: Program(sys.executable, "plain_sense.py", sense)}
    for name, precision in PETRI.items():
        running[name] = Program(sys.executable, "petri_sense.py", sense, precision)
    results = {name: {work: [] for work in WORKS} | {"bytes": 0} for name in running}
    for repetition in range(repetitions + 1):  # the first, that warms up, does not count
        for work in WORKS:
            for name, program in running.items():
                took = program.measure(work)
                results[name]["bytes"] = max(results[name]["bytes"], took["memory"])
                if repetition:
                    results[name][work].append(took["busy"])
        print(f"{sense}: repetition {repetition} of {repetitions}", flush=True)
    for program in running.values():
        program.close()
    return results


def rows(sense: str, results: dict[str, dict]) -> list[str]:
    """Markdown: nanoseconds a cell and step, and how many times as fast as the plain port."""
    side, batch, steps, *_ = SENSED
    lines = []
    for name, result in results.items():
        row = [sense, name]
        for work in WORKS:
            row.append(spread([seconds / (side * side * batch * steps) * 1e9 for seconds in result[work]]))
            row.append(spread(ratios(results, name, work), 2))
        lines.append(f"| {' | '.join([*row, format(result['bytes'] / 1e6, '.0f')])} |")
    return lines


def missed(sense: str, results: dict[str, dict]) -> list[str]:
    """Where petri is worse than the plain port, in words."""
    found = []
    for name in PETRI:
        for work in WORKS:
            reached = statistics.median(ratios(results, name, work))
            if reached < LEAST:
                found.append(f"{sense}, {name}, {work}: {reached:.2f} times the plain port")
        larger = results[name]["bytes"] / results[PLAIN]["bytes"]
        if larger > 1 / LEAST:
            found.append(f"{sense}, {name}: {larger:.2f} times the plain port's memory")
    return found


def main() -> int:
    """Measure, print, and say whether petri is no worse."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--senses", nargs="*", choices=SENSES, default=list(SENSES))
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the programs
    measured = {sense: measure(sense, arguments.repetitions) for sense in arguments.senses}
    side, batch, steps, channels, width = SENSED
    print(f"\n{platform.machine()}, one thread, torch {torch.__version__}, ", end="")
    print(f"bfloat16 products: {'yes' if multiplies_bfloat16('cpu') else 'no'}")
    print(f"{channels} channels, {width} wide, {side}², batch {batch}, {steps} steps\n")
    print("| sense | | rollout, ns | × plain | training, ns | × plain | memory, MB |")
    print("|---|---|---|---|---|---|---|")
    for sense, results in measured.items():
        print("\n".join(rows(sense, results)))
    failures = [line for sense, results in measured.items() for line in missed(sense, results)]
    print("\n" + ("\n".join(failures) if failures else "No sense is worse than its plain port."))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
