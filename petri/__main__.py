"""The front door: one command with the verbs of all rooms."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer

from dni_cli import door
from nca_cli import (
    ablate,
    alone,
    check,
    classify,
    doctor,
    evaluate,
    grow,
    help,
    mesh,
    models,
    play,
    published,
    repair,
    search,
    shader_gen,
    targets,
    texture,
    view,
)
from nca_cli.examples import examples
from petri.errors import BadRequest, RunFailed
from petri.version import __version__

FORMERLY = {"size": "res"}  # options by the names that they had, which scripts may still use

app = typer.Typer(
    name="petri",
    help="Grow patterns from a single cell.",
    epilog=examples(""),
    invoke_without_command=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: FORMERLY.get(name, name),
    },
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help takes half the time and half the lines
)
app.command("grow", epilog=examples("grow"))(grow.grow)
app.command("texture", epilog=examples("texture"))(texture.texture)
app.command("classify", epilog=examples("classify"))(classify.classify)
app.add_typer(mesh.app, name="mesh")
app.command("search", epilog=examples("search"))(search.search)
app.command("ablate", epilog=examples("ablate"))(ablate.ablate)
app.command("play", epilog=examples("play"))(play.play)
app.command("evaluate", epilog=examples("evaluate"))(evaluate.evaluate)
app.command("shader-gen", epilog=examples("shader-gen"))(shader_gen.shader_gen)
app.command("view", epilog=examples("view"))(view.view)
app.command("targets", epilog=examples("targets"))(targets.targets)
app.command("models", epilog=examples("models"))(models.models)
app.add_typer(published.app, name="import")
app.add_typer(repair.app, name="repair")
app.command("check", epilog=examples("check"))(check.check)
app.command("help", epilog=examples("help"))(help.help_)
app.command("doctor", epilog=examples("doctor"))(doctor.doctor)
app.add_typer(door.dni, name="dni")
app.add_typer(door.data, name="data")

BAD_REQUEST, FAILED, INTERRUPTED = 2, 1, 130
UsageError: Any = typer.BadParameter.__mro__[1]  # of click, or of the copy of it within typer


def _version(asked: bool) -> None:
    if asked:
        print(f"petri {__version__}")
        raise typer.Exit


@app.callback()
def petri(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Grow patterns from a single cell."""
    alone.show_help(context)


def main() -> None:
    """Run the command line; errors are one line and an exit code: 2, 1 or, after Ctrl-C, 130."""
    debug = "--debug" in sys.argv
    for stream in (sys.stdout, sys.stderr):
        # A letter that its encoding lacks is no reason to end; in the C locale bytes of names alone are none.
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")
    try:
        code = app(standalone_mode=False) or 0
    except (BadRequest, UsageError) as error:
        code = _report(error, BAD_REQUEST, debug)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except RunFailed as error:
        code = _report(error, FAILED, debug)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone
        code = FAILED
    except OSError as error:  # of a file named by the user, or of the disk in the middle of it all
        code = _report(error, BAD_REQUEST if error.filename else FAILED, debug)
    except Exception as error:
        from petri.memory import is_exhausted

        if is_exhausted(error) and not debug:
            error = RunFailed("not enough memory: ask for a smaller grid, or for less at once")
        kind = "" if isinstance(error, RunFailed) else f"{type(error).__name__}: "
        code = _report(error, FAILED, debug, kind)
    if os.environ.get("WORLD_SIZE", "1") != "1":
        from petri.training.ranks import end

        end(code)
    sys.exit(code)


def _report(error: Exception, code: int, debug: bool, kind: str = "") -> int:
    if debug:
        raise error
    if os.environ.get("RANK", "0") != "0":
        return code  # of several processes one speaks
    from petri.console import complain, err

    message = str(error)
    if isinstance(error, UsageError):
        message = error.format_message()
    elif isinstance(error, OSError) and error.filename and error.strerror:
        message = f"{error.filename}: {error.strerror}"
    complain(kind + message)
    if kind:
        err.print("This should not happen; petri --debug … shows where.", style="dim")
    return code


if __name__ == "__main__":
    main()
