"""Compile the native step for this machine, once, try it out, and load it."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

from filelock import FileLock, Timeout

from petri import folders

SOURCE = Path(__file__).parent / "step" / "step.cpp"  # and the headers beside it
LIBRARY = ".dll" if os.name == "nt" else ".so"
# -O3 takes twice as long to compile and is no faster: where it matters the source unrolls by itself.
COMMON = ("-std=c++17", "-O2", "-ftree-vectorize", "-shared", "-fPIC", "-pthread")
# From what is fastest to what every compiler knows.
MACHINES = (("-march=native",), ("-mcpu=native",), ())
FORMAT = 2  # of what is kept: before, libraries were kept that had not been tried
DRAFT = ".making-"  # what the folder's name begins with in which a library is made
PATIENCE = 300  # seconds: for one compilation, and for another process that is at it
ANSWER = 20  # seconds that a compiler has to say its version
REMEMBERED = 3600  # seconds in which a compiler that hung is not asked again


class Unavailable(Exception):
    """There is no native step here; the message says why, in one line."""


class Shared(OSError):
    """Somebody else can write what only its owner should; the message says so of which file."""


class Hung(Unavailable):
    """A program did not come to its end."""


def cache_folder() -> Path:
    """Where compiled libraries are kept: the platform's cache folder, `petri/engine` within it."""
    return folders.cache("engine")


def find_compiler() -> str:
    """The C++ compiler: that of `CXX`, else the first of c++, g++ and clang++ on the path.

    Returns:
        Its path, and behind it whatever else `CXX` says: `/usr/bin/ccache c++ -O2`.

    Raises:
        Unavailable: there is none.
    """
    wanted = os.environ.get("CXX")
    names = [wanted] if wanted else ["c++", "g++", "clang++"]
    for name in names:
        program, *rest = _words(name)
        if path := shutil.which(program):
            return shlex.join([path, *rest]) if rest else path
    raise Unavailable(f"no C++ compiler found (looked for {', '.join(names)})")


def _words(command: str) -> list[str]:
    """A command's words; a path may have blanks if nothing follows it."""
    try:
        words = [] if shutil.which(command) else shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise Unavailable(f"CXX is no command: {error}: {command:.100}") from None
    return words or [command]


def library() -> Path:
    """The compiled step: from the cache if it is there, else compiled into it.

    The file's name is a hash of all that decides its content, so a new version, compiler or processor
    never meets an old library. Two processes that need it at once: one compiles and the other waits.
    A cache that others can write to is not used, as they could put code of theirs there; a folder beside it
    is. Where no folder can be written, the library lives in a private temporary one until the process ends.
    `unused` says so.

    Raises:
        Unavailable: no compiler, or it failed, or what it made does not do what the reference does.
    """
    compiler = find_compiler()
    name = f"step-{_key(compiler)}{LIBRARY}"
    _unused.clear()
    for place in (cache_folder, _second_cache, _private_folder):
        try:
            folder = place()
        except OSError as error:
            _unused.append(error.strerror or str(error))
            continue
        if folder is None:
            continue
        try:
            _check_private(folder)
            return _kept(folder / name, compiler)
        except Shared as reason:
            _unused.append(str(reason))
        except Timeout:
            _unused.append(f"{folder} is not used: another process has not let go of it")
        except OSError as error:
            _unused.append(f"{folder} is not used: {error.strerror or error}")
    raise Unavailable(f"there is no place for the compiled step: {unused()}")


def unused() -> str:
    """What `library` found and could not use, and why, in words; empty if all was as it should be."""
    return "; ".join(_unused)


_unused: list[str] = []


def _second_cache() -> Path | None:
    """For a cache that others can write to, one of our own beside it."""
    folder = cache_folder()
    try:
        _check_private(folder)
    except Shared:
        return folder.with_name(f"{folder.name}-private")
    except OSError:
        pass  # nothing beside it can be written either
    return None


def _check_private(folder: Path) -> None:
    """Make a folder if there is none, for its owner alone.

    Raises:
        Shared: it is another user's, or others can write to it.
        OSError: it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _refuse_others(folder, folder.stat())


def _refuse_others(path: Path, found: os.stat_result) -> None:
    """Whoever can write a library can run code as whoever loads it.

    Raises:
        Shared: somebody else can; the administrator always can.
    """
    if os.name == "nt":  # which has neither owners nor modes; a user's own folders are closed to others
        return
    if found.st_uid not in (0, os.geteuid()):
        raise Shared(f"{path} is not used: it belongs to another user ({found.st_uid})")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(found.st_mode)
        raise Shared(f"{path} is not used: others can write to it (its mode is {mode:o})")


def _kept(path: Path, compiler: str) -> Path:
    """The library at `path`; made if it is not there, not whole, or somebody else's."""
    if _intact(path):
        return path
    hung = path.with_suffix(".hung")
    _refuse_hung(hung)
    with FileLock(path.with_name(f"{path.name}.lock"), timeout=PATIENCE):
        if not _intact(path):
            _refuse_hung(hung)
            try:
                _make(path, compiler)
            except Hung as reason:
                with contextlib.suppress(OSError):
                    hung.write_text(str(reason))
                raise
    return path


def _refuse_hung(mark: Path) -> None:
    """Do not wait again for what has hung lately."""
    try:
        since, reason = time.time() - mark.stat().st_mtime, mark.read_text()
    except (OSError, UnicodeDecodeError):
        return
    if 0 <= since < REMEMBERED:
        raise Unavailable(
            f"{reason}, {since / 60:.0f} minutes ago; tried again after an hour, or once {mark} is gone"
        )


def _make(path: Path, compiler: str) -> None:
    """Compile, try and keep a library. What a killed process has left of another is removed."""
    for left in (*path.parent.glob(f"{DRAFT}*"), *path.parent.glob(f"tmp*{LIBRARY}")):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > REMEMBERED:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    with tempfile.TemporaryDirectory(prefix=DRAFT, dir=path.parent, ignore_cleanup_errors=True) as work:
        draft, digest = Path(work) / path.name, Path(work) / "digest"
        _run([*_words(compiler), "--version"], seconds=ANSWER, what=f"the C++ compiler {compiler}")
        compile_step(compiler, draft)
        try_out(draft)
        draft.chmod(0o600)  # whatever the compiler and the umask let others do
        digest.write_text(_digest(draft))
        digest.chmod(0o600)
        os.replace(draft, path)
        os.replace(digest, _digest_file(path))  # last: it says that the library is whole


def compile_step(compiler: str, target: Path, *, flags: tuple[str, ...] = ()) -> None:
    """Compile the source to `target`, for this very processor if the compiler can.

    Args:
        compiler: as `find_compiler` gives it.
        target: in a folder for what is temporary, also for what the compiler writes on its way.
        flags: more for the compiler.

    Raises:
        Unavailable: the compiler failed, whatever it was asked for.
        OSError: the disk is full.
    """
    work = str(target.parent)
    places = {"TMPDIR": work, "TMP": work, "TEMP": work, "LC_ALL": "C"}
    for machine in MACHINES:
        command = [*_words(compiler), *COMMON, *machine, *flags, "-o", str(target), str(SOURCE)]
        done = _run(command, seconds=PATIENCE, what=f"the C++ compiler {compiler}", **places)
        if done.returncode == 0 and target.is_file():
            return
        for code in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(code) in done.stderr:
                raise OSError(code, os.strerror(code), work)
    said = next(_errors(done.stderr), f"exit code {done.returncode}")
    raise Unavailable(f"the C++ compiler {compiler} failed: {said}")


def try_out(path: Path) -> None:
    """Load a library and compare it with the reference, in a process that it may take down with it.

    Raises:
        Unavailable: it does not do what the reference does.
    """
    if getattr(sys, "frozen", False):  # a program packed together with Python would start itself again
        from petri.engine.check import verdict

        if said := verdict(path):
            raise Unavailable(said)
        return
    child = "import sys; sys.path[:] = sys.argv[2:]; from petri.engine.check import main; main(sys.argv[1])"
    done = _run(
        [sys.executable, "-c", child, str(path), *sys.path], seconds=PATIENCE, what="the compiled step"
    )
    if done.returncode < 0:
        with contextlib.suppress(ValueError):
            raise Unavailable(f"the compiled step ends the process ({signal.Signals(-done.returncode).name})")
    if done.returncode:
        lines = (done.stdout.strip() or done.stderr.strip() or f"exit code {done.returncode}").splitlines()
        raise Unavailable(lines[-1].strip())


def _run(command: list[str], *, seconds: float, what: str, **environment: str) -> CompletedProcess[str]:
    """Run a program to its end, and end whatever it has started if there is none.

    Raises:
        Unavailable: it cannot be run.
        Hung: it has not come to its end in time.
    """
    try:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"{what} could not be run: {error.strerror or error}") from None
    with process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Hung(f"{what} gave no answer in {seconds} seconds") from None
            raise
    return CompletedProcess(command, process.returncode, output, errors)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and its children, which may hold on to its output."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


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
    """Whether a library is there as this user wrote it: to load one that was cut short kills the process."""
    try:
        for each in (path, _digest_file(path)):
            found = each.lstat()
            _refuse_others(each, found)
            if not stat.S_ISREG(found.st_mode):
                return False
        return _digest_file(path).read_text() == _digest(path)
    except Shared as reason:
        if str(reason) not in _unused:
            _unused.append(str(reason))
        return False
    except (OSError, UnicodeDecodeError):
        return False


def _digest_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _key(compiler: str) -> str:
    """What decides a library's content. The compiler is looked at and not asked: it may not answer."""
    sources = [path.read_bytes() for path in sorted(SOURCE.parent.iterdir())]
    parts = [*sources, compiler.encode(), repr((FORMAT, COMMON, MACHINES)).encode()]
    for word in _words(compiler):
        program = shutil.which(word)
        if program is not None:
            with contextlib.suppress(OSError), open(program, "rb") as file:
                found = os.fstat(file.fileno())
                parts += [file.read(65_536), f"{found.st_size} {found.st_mtime_ns}".encode()]
    parts += [_processor().encode()]
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


def _private_folder() -> Path:
    """A folder that lasts as long as the process; made when it is first asked for."""
    global _private
    if _private is None:
        _private = tempfile.TemporaryDirectory(prefix="petri-engine-")
    return Path(_private.name)


_private: tempfile.TemporaryDirectory[str] | None = None


def _errors(output: str) -> Iterator[str]:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    yield from (line for line in lines if "error" in line.lower())
    yield from lines
