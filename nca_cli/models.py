"""petri models: list the shipped models."""

from __future__ import annotations


def models() -> None:
    """List the models that come with petri."""
    from petri.console import out, table
    from petri.models.catalogue import entries, figure

    shown = table("", "grid", "loss", "report", "healed", "parameters", "cell", text=("cell",))
    for entry in entries():
        spec, size = entry.model.automaton.spec, f"{entry.model.res}²"
        cell = (
            spec.describe().replace(" hidden · ", "×").replace(" layers", "").replace("living mask", "figure")
        )
        if entry.model.conditions:
            kinds = " ".join(entry.model.conditions)
            cell = f"{spec.perception} · {spec.rule.hidden}×{spec.rule.layers} · {kinds}"
        if entry.model.task == "texture":
            cell = f"{spec.perception} · {spec.rule.hidden}×{spec.rule.layers} · texture"
        if spec.space.on_graph:
            size = "mesh"
            kind = "texture" if entry.model.task == "wear" else "colours"
            cell = f"{spec.perception} · {spec.rule.hidden}×{spec.rule.layers} · {kind}"
        shown.add_row(
            entry.name, size, figure(entry.loss), figure(entry.report, ".3f"),
            figure(entry.healed, ".0f", " %"), f"{spec.parameters:,}", cell,
        )  # fmt: skip
    out.print(shown)
    out.say(
        (
            "\nloss: of what is seen; report: that of Fowler et al. 2026, at 256²\n"
            "cell: kernels · hidden × layers\n",
            "dim",
        ),
        ("petri play NAME, petri view NAME and petri evaluate NAME take them by name", "dim"),
    )
