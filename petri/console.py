"""How petri speaks in a terminal: progress with the pattern beside it, tables, and errors in one line."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.status import Status
from rich.table import Table
from rich.text import Text

from petri.progress import Progress
from petri.wording import harmless, shortened

if TYPE_CHECKING:
    from types import FrameType
    from typing import Self

    import numpy as np


class _Console(Console):
    """Prints text as it is: no markup, no emoji codes, nothing that would command the terminal.

    Its reader may go away: whoever closes the output does not end the run.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """What is measured, for a table, is what will be printed."""
        return super().render_str(harmless(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Everything that is printed comes through here, made of text or not."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))

    def say(self, *parts: str | tuple[str, str]) -> None:
        """Print a line, unbroken however long it is, of texts or of (text, style)."""
        self.print(Text.assemble(*parts), soft_wrap=True)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """Show a line while a context lasts, on a terminal; its `update` takes another line."""
        options.setdefault("spinner", "dots" if self.encoding.startswith("utf") else "line")
        return _Status(status, console=self, **options)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Status(Status):
    """Rich takes the text of its own for markup, whatever the console says."""

    def __init__(self, status: RenderableType, **options: Any) -> None:
        super().__init__(_plain(status), **options)

    def update(self, status: RenderableType | None = None, **options: Any) -> None:
        super().update(None if status is None else _plain(status), **options)


def _plain(status: RenderableType) -> RenderableType:
    return Text(status) if isinstance(status, str) else status


out = _Console()
err = _Console(stderr=True)


def complain(message: str) -> None:
    """Print one line about what went wrong."""
    err.say(("petri: ", "red"), shortened(" ".join(message.split())))


def tell_skipped(names: list[str]) -> None:
    """Say which of the things that were named are no models, and were passed over."""
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        what = "that is no model" if len(names) == 1 else "that are no models"
        err.say((f"skipped {len(names)} {what}: {', '.join(names[:NAMED])}{more}", "dim"))


NAMED = 3  # of those that were skipped
SHADES = " .:-=+*#%@"  # dark to bright, where there are no colours
PLAIN_EVERY = 10.0  # seconds between lines where the output is no terminal
PICTURE_COLUMNS, NUMBERS_COLUMNS = 40, 36
TARGET_COLUMNS, TARGET_ROWS = 24, 12  # at the most


def half_blocks(rgb: np.ndarray, columns: int, rows: int) -> Text:
    """Draw a picture with two pixels a character; in shades of grey letters without colours or UTF-8.

    Args:
        rgb: uint8 `[height, width, 3]`; made smaller if it does not fit, never larger.
        columns, rows: characters that it may take.
    """
    from PIL import Image

    image = Image.fromarray(rgb)
    scale = min(columns / image.width, 2 * rows / image.height, 1.0)
    size = max(1, int(image.width * scale)), max(2, int(image.height * scale) // 2 * 2)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BOX)
    text = Text(no_wrap=True)
    if out.color_system is None or out.no_color or not out.encoding.startswith("utf"):
        shades = image.convert("L").resize((size[0], size[1] // 2), Image.Resampling.BOX).tobytes()
        for row in range(0, len(shades), size[0]):
            line = shades[row : row + size[0]]
            text.append("\n" * (row > 0) + "".join(SHADES[value * len(SHADES) // 256] for value in line))
        return text
    pixels = image.tobytes()
    for row in range(0, size[1], 2):
        if row:
            text.append("\n")
        for column in range(size[0]):
            above, below = (
                "#{:02x}{:02x}{:02x}".format(*pixels[3 * start : 3 * start + 3])
                for start in (row * size[0] + column, (row + 1) * size[0] + column)
            )
            text.append("▀", f"{above} on {below}")
    return text


def duration(seconds: float) -> str:
    """Such as `42 s`, `3 min 05 s` or `2 h 10 min`."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def grid(*rows: tuple[RenderableType, ...]) -> Table:
    """Names at the left, quiet, and values at the right."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    for row in rows:
        table.add_row(*row)
    return table


def table(*columns: str, text: tuple[str, ...] = ()) -> Table:
    """A table for narrow terminals too: texts are broken where there is no room, numbers never.

    Args:
        columns: their names, the first of which is a text's.
        text: which of the others are texts too.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, name in enumerate(columns):
        if number == 0 or name in text:
            made.add_column(name, overflow="fold")
        else:
            made.add_column(name, justify="right", no_wrap=True)
    return made


class Stopping:
    """Whether whoever watches has asked for a stop."""

    stopping = False

    def stop(self) -> None:
        """Ask."""
        self.stopping = True


class Display(Stopping):
    """What is drawn anew while something goes on, where the output is a terminal; a context."""

    def __init__(self) -> None:
        self._live = Live(console=out, auto_refresh=False) if out.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def note(self, text: str) -> None:
        """Print one line."""
        out.print(Text(text, "yellow"))


class GrowDisplay(Display):
    """Draws a training run: the pattern at the left, numbers and target at the right; or plain lines.

    Args:
        title: what goes on.
        target: what is to be grown, uint8 `[height, width, 3]`; None if no picture is.
    """

    def __init__(self, title: str, target: np.ndarray | None) -> None:
        super().__init__()
        self.title, self.target = title, target
        self.latest: Progress | None = None
        self.measuring = False  # what it has come to: nothing more is trained
        self._printed = time.monotonic()

    def progress(self, progress: Progress) -> None:
        """Draw the run anew, or print a line if the last one is some seconds old."""
        self.latest, self.measuring = progress, self.stopping or progress.epoch == progress.epochs
        if self._live:
            self._live.update(self._render(), refresh=True)
        elif time.monotonic() - self._printed >= PLAIN_EVERY or progress.epoch == progress.epochs:
            self._printed = time.monotonic()
            out.print(
                f"epoch {progress.epoch}/{progress.epochs}  loss {progress.loss:.4f}  "
                + "{} {}  ".format(*progress.said or ("", "")) * bool(progress.said)
                + f"{progress.died} died  " * bool(progress.died)
                + f"{progress.steps_per_second:.0f} steps/s  {duration(progress.seconds_left)} left",
                soft_wrap=True,
            )

    def stop(self) -> None:
        """Say that the run ends after this epoch."""
        super().stop()
        if self._live and self.latest:
            self._live.update(self._render(), refresh=True)
        else:
            out.print("stopping after this epoch")

    def _render(self) -> RenderableType:
        now = self.latest
        assert now is not None
        next_line = "Ctrl-C stops here and keeps the model."
        if self.measuring:
            next_line = "Measuring what has come of it." + " Again to stop at once." * self.stopping
        elif self.stopping:
            next_line = "Stopping after this epoch; again to stop at once."
        numbers = grid(
            ("epoch", f"{now.epoch:,} of {now.epochs:,}"),
            ("phase", now.phase),
            ("loss", f"{now.loss:.4f} (0 is perfect)"),
            *([now.said] if now.said else []),
            *([("died", f"{now.died:,} so far, sown anew")] if now.died else []),
            ("steps/s", f"{now.steps_per_second:,.0f}"),
            ("trained", duration(now.seconds)),
            ("left", duration(now.seconds_left)),
        )
        side = Table.grid()
        side.add_row(Text(self.title, "bold"))
        side.add_row("")
        side.add_row(ProgressBar(total=now.epochs, completed=now.epoch, width=28))
        side.add_row("")
        side.add_row(numbers)
        side.add_row("")
        side.add_row(Text(next_line, "dim"))
        beside = out.width >= PICTURE_COLUMNS + NUMBERS_COLUMNS
        spare = (out.width - NUMBERS_COLUMNS, out.height - 3) if beside else (out.width, out.height - 14)
        picture = half_blocks(
            now.picture, min(PICTURE_COLUMNS, max(8, spare[0])), min(PICTURE_COLUMNS // 2, max(4, spare[1]))
        )
        rows = spare[1] if beside else spare[1] // 2
        if self.target is not None:
            side.add_row("")
            small = half_blocks(self.target, TARGET_COLUMNS, min(TARGET_ROWS, max(4, rows - 14)))
            side.add_row(grid(("target", small)))
        whole = Table.grid(padding=(0, 3))
        if beside:
            whole.add_row(picture, side)
        else:
            whole.add_row(picture)
            whole.add_row(side)
        return whole


@contextmanager
def interruptible(display: Stopping) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) ask for a stop after the epoch; the second stops at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if display.stopping:
            raise KeyboardInterrupt
        display.stop()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
