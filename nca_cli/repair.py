"""petri repair: restore damaged weights, of a file or in a comparison of methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca_cli import alone
from nca_cli.examples import examples
from nca_cli.options import DataDir
from petri.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from petri.repair.cases import Case
    from petri.repair.experiment import Experiment
    from petri.repair.summary import Control, Line


class OrFile(typer.core.TyperGroup):
    """Verbs, of which `file` may be left out."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take what is no verb for the name of a file."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["file", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=OrFile,
    help="Restore the damaged weights of a model file.",
    epilog=examples("repair"),
    invoke_without_command=True,
)


@app.callback()
def repair(context: typer.Context) -> None:
    """Restore the damaged weights of a model file."""
    alone.show_help(context)


@app.command(epilog=examples("repair file"))
def file(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="Safetensors file of anyone's model.")],
    damaged: Annotated[
        Path | None,
        typer.Option(
            help="Mask, not 0 where a number is damaged: a safetensors file with a mask for each such "
            "tensor, or a .npy array for one --layer.",
            show_default=False,
        ),
    ] = None,
    nan: Annotated[bool, typer.Option("--nan", help="Repair of whatever is NaN or infinite.")] = False,
    layer: Annotated[
        str | None, typer.Option(help="Tensor to repair; all damaged ones if left out.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; FILE-repaired.safetensors if left out.", show_default=False),
    ] = None,
) -> None:
    """Estimate damaged weights; `file` may be left out.

    Each matrix is estimated from what is left of it, by the method that foretells a hidden tenth of that
    best. An estimate is an estimate: the original, another copy or an earlier checkpoint is better wherever
    there is one. The file is never written over, and the new one's metadata lists what was estimated.
    """
    import math

    from petri.console import out as console
    from petri.console import table
    from petri.repair import files

    if (damaged is None) == (not nan):
        raise BadRequest("say what is damaged: --damaged MASK or --nan, one of them")
    if not model.is_file():
        raise BadRequest(f"there is no safetensors file {model}")
    to = out or model.with_name(f"{model.stem}-repaired.safetensors")
    if damaged is not None:
        mask = damaged
        done = files.repair(model, lambda tensors: files.masks_of_file(mask, tensors, layer), to)
    else:
        done = files.repair(model, lambda tensors: files.masks_of_nan(tensors, layer), to)
    shown = table("tensor", "estimated", "of", "share", "method", "R² foretold", text=("tensor", "method"))
    for one in done:
        foretold = "" if math.isnan(one.explained) else f"{one.explained:.2f}"
        share = f"{100 * one.lost / one.count:.2f} %"
        shown.add_row(one.tensor, f"{one.lost:,}", f"{one.count:,}", share, one.method, foretold)
    console.print(shown)
    for one in done:
        if one.empty_rows:
            rows = f"nothing is left of {one.empty_rows:,} row{'s' * (one.empty_rows != 1)}"
            console.say(f"{one.tensor}: {rows}; no estimate can tell what they were")
    console.print(
        "R² foretold: how well the method foretells known weights that it is not shown; 1 is all, 0 is the "
        "mean. These are estimates: measure the model before you use it.",
        style="dim",
        soft_wrap=True,
    )
    console.say((str(to), "bold"))


@app.command(epilog=examples("repair mnist"))
def mnist(
    data: Annotated[
        str, typer.Option(help="Data set of the networks that are repaired: mnist, fashion, or mini.")
    ] = "mnist",
    layer: Annotated[
        str,
        typer.Option(
            help="Layer that is damaged: first or second, of networks with one hidden layer; conv1, conv2 or "
            "linear, of convolutional ones."
        ),
    ] = "first",
    damage: Annotated[
        str,
        typer.Option(
            help="Kinds of damage, with commas: random, rows, columns, blocks, adversarial, permuted "
            "(random, but no picture is left), shuffled (random, the units in another order), or flips "
            "(bits, at places unknown)."
        ),
    ] = "random",
    rates: Annotated[
        str, typer.Option(help="Shares of weights that are lost, with commas.")
    ] = "0.05,0.1,0.2,0.3,0.5,0.7,0.9",
    masks: Annotated[int, typer.Option(help="Masks for each of the five networks and each rate.")] = 5,
    zoo: Annotated[int, typer.Option(help="Networks that the automata learn from.")] = 50,
    variants: Annotated[
        str | None,
        typer.Option(
            help="Automata, with commas; all that fit the layer but attention if left out.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON, no tables.")] = False,
    data_dir: DataDir = None,
    out: Annotated[Path, typer.Option(help="Folder of networks, automata and results.")] = Path(
        "runs/repair"
    ),
) -> None:
    """Damage networks and compare what restores them.

    Small classifiers lose weights of a layer. Classical estimates and automata put others in their place: all
    see the same networks and the same masks. After Ctrl-C the same command goes on where it was, and with
    more --masks or other --rates it adds to what is there.
    """
    from petri import datasets
    from petri.console import out as console
    from petri.record import Record
    from petri.repair import comparing
    from petri.repair.asked import Asked
    from petri.repair.cases import restore
    from petri.repair.experiment import Experiment
    from petri.repair.networks import Images

    given: dict[str, Any] = {"kinds": _words(damage), "rates": _numbers(rates)}
    if variants is not None:
        given["variants"] = _words(variants)
    asked = Asked(data=data, layer=layer, masks=masks, zoo=zoo, **given)

    def load(name: str) -> Images:
        return Images.of(datasets.load(name, data_dir, said))

    def said(text: str) -> None:
        if not as_json:
            status.update(text)

    record = Record(
        out / f"results-{asked.title}.json",
        {"data": data, "zoo": zoo},
        restore,
        kind="a comparison of repairs",
    )
    try:
        with console.status("reading what is there") as status:
            experiment = Experiment(out, asked, load, said)
            if not as_json and (ahead := comparing.ahead(experiment, record)):
                console.say(ahead)
            cases = comparing.run(experiment, record)
    finally:
        record.close()
    _conclude(experiment, cases, as_json)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise BadRequest(f"--rates must be numbers such as 0.5,0.9, got {text!r}") from None


def _conclude(experiment: Experiment, cases: Sequence[Case], as_json: bool) -> None:
    import json

    from petri.console import grid, out
    from petri.repair import drawn, methods, summary

    variants = experiment.asked.compared
    cases = summary.own_apart(cases, experiment.own)
    found = summary.lines(cases)
    sentences = {
        "detection": summary.detection(cases),
        "verdicts": summary.verdicts(found, variants),
        "missing": methods.missing(experiment.judged[0], experiment.habits),
    }
    controls = summary.controls(cases, variants)
    files = drawn.draw(experiment, cases, found)
    if as_json:
        typer.echo(
            json.dumps(
                {"lines": summary.to_fields(found), "controls": summary.to_fields(controls), **sentences}
            )
        )
        return
    networks = ", ".join(making.name for making in experiment.makings)
    wholes = {case.network: case.whole for case in cases}
    undamaged = ", ".join(f"{value:.1f}" for value in wholes.values())
    out.say(
        ("Test accuracy in percent, mean", "bold"),
        f" over the networks {networks} (undamaged {undamaged}); "
        f"what is lost are weights of the layer {experiment.asked.layer!r}",
    )
    for kind in dict.fromkeys(line.kind for line in found):
        _tables(kind, [line for line in found if line.kind == kind])
    _controls(controls)
    for sentence in sentences["missing"]:
        out.say(f"not there: {sentence}")
    for sentence in (*sentences["detection"], *sentences["verdicts"]):
        out.say(sentence)
    out.say("\n", (f"{experiment.folder}/", "bold"))
    out.print(grid(*[(f"  {name}", said) for name, said in files.items()]))


def _tables(kind: str, found: Sequence[Line]) -> None:
    """Of one kind of damage: accuracy by rate, the largest rate in full, and what bytes buy there."""
    import math

    from petri.console import out, table
    from petri.repair import summary

    rates = sorted({line.rate for line in found})
    here, names = (
        {(line.method, line.rate): line for line in found},
        dict.fromkeys(line.method for line in found),
    )
    first, last = f"{kind} damage", rates[-1]
    shown = table(first, *(f"{100 * rate:g} %" for rate in rates), "bytes")
    for name in names:
        cells = [f"{here[name, rate].accuracy:.1f}" if (name, rate) in here else "" for rate in rates]
        stored = next(here[name, rate].bytes for rate in reversed(rates) if (name, rate) in here)
        shown.add_row(name, *cells, f"{stored:,}")
    out.print(shown)
    lines = [line for line in found if line.rate == last]
    shown = table(f"at {100 * last:g} %", "range, %", "KL", "R²", "points", "better in")
    for line in lines:
        by = line.against
        shown.add_row(
            line.method,
            f"{line.least:.1f}–{line.greatest:.1f}",
            f"{line.divergence:.2f}",
            "" if math.isnan(line.explained) else f"{line.explained:.2f}",
            f"{by.mean:+.1f} ({by.least:+.1f} to {by.greatest:+.1f})",
            f"{by.better} of {by.cases}",
        )
    out.print(shown)
    out.say(
        (
            f"points: of accuracy, against {lines[0].bar} in the same cases, the mean (least to greatest)",
            "dim",
        )
    )
    first = f"the best for its bytes at {100 * last:g} %"
    shown = table(first, "bytes", "accuracy")
    for line in summary.frontier(lines):
        shown.add_row(line.method, f"{line.bytes:,}", f"{line.accuracy:.1f}")
    out.print(shown)


def _controls(found: Sequence[Control]) -> None:
    """What automata gain over zeros, and what is left of it without pictures or in another order."""
    from petri.console import out, table

    def points(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    for rate in dict.fromkeys(one.rate for one in found):
        shown = table(f"controls at {100 * rate:g} %", "gain", "pixels permuted", "units shuffled: R²")
        for one in (one for one in found if one.rate == rate):
            gains = [points(value, "+.1f") for value in (one.gain, one.permuted)]
            shown.add_row(one.method, *gains, points(one.shuffled, ".6f"))
        out.print(shown)
    if found:
        out.say(("gain: points of accuracy against zero; R²: by how much it differs at most", "dim"))
