"""petri doctor: what this machine has, and how fast it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def doctor() -> None:
    """Show what petri finds on this machine, and how fast it is."""
    import os
    import platform
    import sys

    import torch
    from rich.text import Text

    from petri import devices
    from petri.console import grid, out
    from petri.engine import multiplies_bfloat16, native_status
    from petri.targets.emoji import find_font
    from petri.version import __version__

    here = devices.available()
    out.print(
        grid(
            ("petri", __version__),
            ("Python", Text.assemble(platform.python_version(), "  ", (sys.executable, "dim"))),
            ("torch", torch.__version__),
            ("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
            ("threads", str(torch.get_num_threads())),
            ("devices", ", ".join(here)),
            (
                "bfloat16",
                ", ".join(kind for kind in here if multiplies_bfloat16(kind))
                or "no device multiplies it fast",
            ),
        )
    )
    native, status = native_status()
    out.say(("\nEngine on the CPU", "bold"), f"\n{'native' if native else 'torch'}: {status}")
    if "cuda" in here:
        out.say(("\nEngine on the GPU", "bold"), f"\n{_fused()}")
    out.say(("\nOptional parts", "bold"))
    rows = [(name, _found(module, extra)) for name, module, extra in OPTIONAL]
    rows.append(("emoji font", str(find_font() or "not found: only the bundled emoji")))
    out.print(grid(*rows))
    out.say(("\nOne step", "bold"), (" of the spiral's architecture, 64×64 cells, batch 8", "dim"))
    out.print(grid(*[(kind, _step_time(torch.device(kind))) for kind in here]))


def _fused() -> str:
    """Which engine takes the spiral's architecture on the GPU, and why if not the fused step."""
    import torch

    from petri.engine import left_to_pytorch
    from petri.nca import Spec
    from petri.tasks.catalogue import architecture

    device = torch.device("cuda", torch.cuda.current_device())
    reason = left_to_pytorch(Spec.of(**architecture("spiral")), device)
    found = f"torch: {reason}" if reason else "triton: the fused step, which agrees with the reference here"
    return f"{torch.cuda.get_device_name(device)}; {found}"


OPTIONAL = (("MP4", "av", "mp4"), ("GLSL targets", "moderngl", "shader"), ("SVG targets", "resvg_py", "svg"))


def _found(module: str, extra: str) -> str:
    from importlib.metadata import version
    from importlib.util import find_spec

    if find_spec(module) is None:
        return f'not installed: pip install "petri-nca[{extra}]"'
    return f"{module} {version(module)}"


def _step_time(device: torch.device) -> str:
    """Median over repetitions, to grow and to train."""
    import statistics
    import time

    import torch

    from petri import devices
    from petri.nca import Automaton, Spec
    from petri.tasks.catalogue import architecture

    automaton = Automaton(Spec.of(**architecture("spiral"))).to(device)
    state = automaton.seed_state(64, batch=8)
    steps = 16
    times: dict[str, list[float]] = {"growing": [], "training": []}
    for _ in range(4):
        for name in times:
            devices.synchronise(device)
            begun = time.perf_counter()
            with torch.set_grad_enabled(name == "training"):
                end = automaton.rollout(state, steps, precision="auto")
                if name == "training":
                    end.square().mean().backward()
            devices.synchronise(device)
            times[name].append((time.perf_counter() - begun) / steps)
    medians = {name: statistics.median(values[1:]) * 1e3 for name, values in times.items()}
    return f"{medians['growing']:.1f} ms growing, {medians['training']:.1f} ms training"
