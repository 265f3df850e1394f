"""petri models: list the shipped models."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from petri.modelfile import Model


def models() -> None:
    """List the models that come with petri."""
    from petri.console import out, table
    from petri.models.catalogue import entries, figure

    shown = table("", "grid", "loss", "report", "healed", "weights", "cell", text=("cell",))
    for entry in entries():
        spec = entry.model.spec
        size = "mesh" if spec.space.on_graph else f"{entry.model.res}²"
        rule = spec.rule.describe().replace(" hidden · ", "×").replace(" layers", "")
        cell = " · ".join([spec.perception, rule, *_kind(entry.model)])
        shown.add_row(
            entry.name, size, figure(entry.loss), figure(entry.report, ".3f"),
            figure(entry.healed, ".0f", " %"), f"{spec.parameters:,}", cell,
        )  # fmt: skip
    out.print(shown)
    out.say(
        (
            "\nloss: of what is seen; report: that of Fowler et al. 2026, at 256²\n"
            "cell: kernels · hidden × layers; classes: test pictures recognised, at the least\n",
            "dim",
        ),
        ("petri play NAME, petri view NAME and petri evaluate NAME take them by name", "dim"),
    )


def _kind(model: Model) -> list[str]:
    """What it makes, in a word, or of what: nothing of a pattern."""
    if model.conditions:
        return [" ".join(model.conditions)]
    if model.classes:
        readings = model.training.get("evaluation", {}).get("readings", ())
        right = f", {100 * min(one['pictures'] for one in readings):.1f} %" if readings else ""
        return [f"{len(model.classes)} classes{right}"]
    if model.spec.decoder is not None:
        return ["painted"]
    if model.task in ("texture", "wear"):
        return ["texture"]
    if model.spec.space.on_graph:
        return ["colours"]
    return ["figure"] if model.spec.living else []
