import ast
import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

import petri
from petri import console
from petri.progress import Progress

TRICKY = "[bold]x[/] [/no] :fire: \x1b[31mred\x1b]0;title\x07 \udce9 [link=http://a]b[/link]"
SHOWN = "[bold]x[/] [/no] :fire: ␛[31mred␛]0;title"


@pytest.fixture
def printed(monkeypatch):
    """What a console prints on a terminal."""
    made = console._Console()
    made.file = io.StringIO()
    made._force_terminal = True
    made.width = 200
    return made, made.file.getvalue


def _table():
    table = Table(TRICKY, title=TRICKY)
    table.add_row(TRICKY)
    return table


@pytest.mark.parametrize(
    "print_",
    [
        lambda made: made.print(TRICKY),
        lambda made: made.print(Text(TRICKY)),
        lambda made: made.print(TRICKY, style="dim", soft_wrap=True),
        lambda made: made.say(("petri: ", "red"), TRICKY),
        lambda made: made.print(_table()),
        lambda made: made.print(console.grid((TRICKY, TRICKY))),
        lambda made: made.print(made.status(TRICKY).renderable),
    ],
    ids=["text", "Text", "styled", "say", "table", "grid", "status"],
)
def test_no_text_is_ever_markup_or_a_command(printed, print_):
    made, said = printed
    print_(made)
    assert SHOWN in said() and "� [link=http://a]b[/link]" in said()
    assert "\x1b[31mred" not in said() and "\x1b]" not in said() and "🔥" not in said()


def test_a_status_stays_text_when_it_changes(printed):
    made, said = printed
    status = made.status("a")
    status.update(TRICKY)
    made.print(status.renderable)
    assert SHOWN in said()


def test_nothing_in_petri_relies_on_markup():
    # The console takes text as it is: markup in the source would be shown to the user.
    root = Path(petri.__file__).parents[1]
    for folder in ("petri", "nca_cli", "dni_cli"):
        for path in (root / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                text = node.value if isinstance(node, ast.Constant) else ""
                assert not (isinstance(text, str) and "[/]" in text), f"{path}: {text}"
                assert getattr(node, "module", "") != "rich.markup", path


def test_letters_stand_for_a_picture_where_the_output_has_no_blocks(monkeypatch):
    import numpy as np

    class Ascii(Console):
        encoding = "ascii"

    monkeypatch.setattr(console, "out", Ascii(force_terminal=True, color_system="truecolor"))
    picture = np.full((4, 4, 3), 255, np.uint8)
    assert console.half_blocks(picture, 10, 10).plain == "@@@@\n@@@@"


def test_the_display_of_a_run_shows_the_target_and_what_the_loss_means_on_any_terminal(monkeypatch):
    picture = np.full((64, 64, 3), 200, np.uint8)
    display = console.GrowDisplay("growing a dot", np.zeros((64, 64, 3), np.uint8))
    display.latest = Progress(
        epoch=3, epochs=9, phase="1 of 1, 64²", loss=0.0123, died=4, seconds=1.0, seconds_left=2.0,
        steps_per_second=5.0, picture=picture,
    )  # fmt: skip
    for width, height in ((100, 40), (80, 24), (40, 30)):
        screen = Console(width=width, height=height, record=True, file=io.StringIO())
        monkeypatch.setattr(console, "out", screen)
        screen.print(display._render())
        text = screen.export_text()
        assert "target" in text and "0.0123 (0 is perfect)" in text and "4 so far, sown anew" in text
        assert max(map(len, text.splitlines())) <= width


def test_the_display_of_a_run_says_when_it_measures_and_no_longer_trains(monkeypatch):
    monkeypatch.setattr(console, "out", Console(width=100, height=40, file=io.StringIO()))

    def said(display, epoch):
        display.progress(
            Progress(
                epoch=epoch, epochs=9, phase="1 of 1, 64²", loss=0.1, died=0, seconds=1.0, seconds_left=2.0,
                steps_per_second=5.0, picture=np.zeros((64, 64, 3), np.uint8),
            )
        )  # fmt: skip
        return console_text(display)

    display = console.GrowDisplay("growing a dot", None)
    assert "Ctrl-C stops here and keeps the model." in said(display, 3)
    assert "Measuring what has come of it." in said(display, 9)
    display = console.GrowDisplay("growing a dot", None)
    said(display, 3)
    display.stopping = True
    assert "Stopping after this epoch" in console_text(display)
    assert "Measuring what has come of it. Again to stop at once." in said(display, 4)


def console_text(display):
    screen = Console(width=100, height=40, record=True, file=io.StringIO())
    screen.print(display._render())
    return screen.export_text()
