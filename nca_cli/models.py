"""petri models: list the shipped models."""

from __future__ import annotations


def models() -> None:
    """List the models that come with petri."""
    from rich.table import Table

    from petri.console import out
    from petri.models.catalogue import entries, figure

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("cell", style="dim")
    for name in ("parameters", "grid", "loss", "the report's", "healed"):
        table.add_column(name, justify="right")
    for entry in entries():
        spec, res = entry.model.automaton.spec, entry.model.res
        table.add_row(
            entry.name, spec.describe(), f"{spec.parameters:,}", f"{res}×{res}", figure(entry.loss),
            figure(entry.report, ".3f"), figure(entry.healed, ".0f", " %"),
        )  # fmt: skip
    out.print(table)
    out.print("\npetri play NAME, petri view NAME and petri evaluate NAME take them by name", style="dim")
