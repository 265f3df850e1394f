"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from petri.errors import BadRequest


def check_plain(path: Path) -> None:
    """Refuse a pipe or a device, which may have no end, before anything is read from it.

    Raises:
        BadRequest: it is neither a file nor a folder.
        OSError: there is no such thing.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise BadRequest(f'"{path}" is a pipe or a device: put what it gives into a file first')


def check_place(path: Path) -> None:
    """Refuse a file to write that is a folder, or whose own folder is not there, before anything is computed.

    Raises:
        BadRequest: it is so.
    """
    if path.is_dir():
        raise BadRequest(f"cannot write {path}: it is a folder")
    if not path.absolute().parent.is_dir():
        raise BadRequest(f"cannot write {path}: there is no folder {path.parent}")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; it takes the real name only if all went well.

    What lay there before stays as it was until then, also through a full disk or a `kill -9`.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=f".part{path.suffix}", dir=path.parent
        )
    except OSError as error:
        error.filename = str(path)  # what was asked for, and not what it is called until it is whole
        raise
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp lets nobody else read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_unfinished(path: Path) -> bool:
    """Whether a file is, by its name, one that `replacing` writes to."""
    return re.fullmatch(r"\..+-[a-z0-9_]{8}\.part(\..+)?", path.name) is not None


def remove_unfinished(folder: Path, *, seconds: float = 0) -> None:
    """Remove what `replacing` has left behind in a folder if its process was killed.

    Args:
        folder: in which nobody else writes, unless `seconds` says how old a file must be to be nobody's.
    """
    for path in folder.iterdir():
        if is_unfinished(path):
            with contextlib.suppress(FileNotFoundError):  # somebody else removed it
                if time.time() - path.stat().st_mtime >= seconds:
                    path.unlink()


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file in one go, or leave what was there."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
