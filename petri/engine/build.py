"""Compile the native step for this machine, once, and load it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from petri import folders
from petri.files import write_whole

SOURCE = Path(__file__).with_name("step.cpp")
LIBRARY = ".dll" if os.name == "nt" else ".so"
# -O3 takes twice as long to compile and is no faster: where it matters the source unrolls by itself.
COMMON = ("-std=c++17", "-O2", "-ftree-vectorize", "-shared", "-fPIC", "-pthread")
# From what is fastest to what every compiler knows.
MACHINES = (("-march=native",), ("-mcpu=native",), ())
PATIENCE = 300  # seconds: for one compilation, and for another process that is at it


class Unavailable(Exception):
    """There is no native step here; the message says why, in one line."""


def cache_folder() -> Path:
    """Where compiled libraries are kept: the platform's cache folder, `petri/engine` within it."""
    return folders.cache("engine")


def find_compiler() -> str:
    """The C++ compiler: that of `CXX`, else the first of c++, g++ and clang++ on the path.

    Raises:
        Unavailable: there is none.
    """
    wanted = os.environ.get("CXX")
    names = [wanted] if wanted else ["c++", "g++", "clang++"]
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise Unavailable(f"no C++ compiler found (looked for {', '.join(names)})")


def library() -> Path:
    """The compiled step: from the cache if it is there, else compiled into it.

    The file's name is a hash of all that decides its content, so a new version, compiler or processor
    never meets an old library. Two processes that need it at once: one compiles and the other waits.
    Where there is no cache that can be written, the library lives in a private temporary folder until the
    process ends.

    Raises:
        Unavailable: no compiler, or it failed.
    """
    compiler = find_compiler()
    name = f"step-{_key(compiler)}{LIBRARY}"
    try:
        folder = cache_folder()
        if _intact(folder / name):
            return folder / name
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock", timeout=PATIENCE):
            if not _intact(folder / name):
                compile_step(compiler, folder / name)
                write_whole(_digest_file(folder / name), _digest(folder / name))
            return folder / name
    except (OSError, Timeout):
        private = Path(_private_folder()) / name
        compile_step(compiler, private)
        return private


def compile_step(compiler: str, target: Path, *, flags: tuple[str, ...] = ()) -> None:
    """Compile the source to `target`, whole or not at all; for this very processor if the compiler can.

    Raises:
        Unavailable: the compiler failed, whatever it was asked for.
        OSError: the folder cannot be written.
    """
    handle, temporary = tempfile.mkstemp(suffix=LIBRARY, dir=target.parent)
    os.close(handle)
    try:
        for machine in MACHINES:
            command = [compiler, *COMMON, *machine, *flags, "-o", temporary, str(SOURCE)]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, errors="replace", timeout=PATIENCE
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Unavailable(f"the C++ compiler {compiler} could not be run: {error}") from None
            if done.returncode == 0:
                os.replace(temporary, target)
                return
        said = next(_errors(done.stderr), f"exit code {done.returncode}")
        raise Unavailable(f"the C++ compiler {compiler} failed: {said}")
    finally:
        Path(temporary).unlink(missing_ok=True)


def load(path: Path) -> ctypes.CDLL:
    """Load a compiled step.

    Raises:
        Unavailable: the file is not a library of this kind.
    """
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(f"the compiled step cannot be loaded: {error}") from None


def _intact(path: Path) -> bool:
    """Whether a library is there and as it was written: to load one that was cut short kills the process."""
    try:
        return _digest_file(path).read_text() == _digest(path)
    except (OSError, UnicodeDecodeError):
        return False


def _digest_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _key(compiler: str) -> str:
    parts = [SOURCE.read_bytes(), compiler.encode(), repr((COMMON, MACHINES)).encode()]
    try:
        version = subprocess.run([compiler, "--version"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"the C++ compiler {compiler} could not be run: {error}") from None
    parts += [version.stdout, _processor().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]


def _processor() -> str:
    """What tells processors apart that a home folder may be shared between."""
    words = [platform.machine(), platform.processor(), platform.system()]
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return " ".join(words)
    kinds = ("model name", "flags", "Features", "CPU part")
    return "\n".join(words + sorted({line for line in lines if line.startswith(kinds)}))


def _private_folder() -> str:
    """A folder that lasts as long as the process; made when it is first asked for."""
    global _private
    if _private is None:
        _private = tempfile.TemporaryDirectory(prefix="petri-engine-")
    return _private.name


_private: tempfile.TemporaryDirectory[str] | None = None


def _errors(output: str) -> Iterator[str]:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    yield from (line for line in lines if "error" in line.lower())
    yield from lines
