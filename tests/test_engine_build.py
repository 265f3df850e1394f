"""Compiling the native step: once, whole or not at all, and never a broken run."""

import os
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from petri.engine import build

compiler = pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="no C++ compiler")

posix = pytest.mark.skipif(os.name == "nt", reason="needs owners, modes and a shell")

PROBE = """
import torch
from petri.engine import native_status
from petri.nca import Automaton, Spec
print(*native_status(), sep="|")
automaton = Automaton(Spec.of(hidden=16))
state = automaton.seed_state(8)
with torch.no_grad():
    same = torch.equal(automaton.rollout(state, 2), automaton.rollout(state, 2, engine="torch"))
print(same)
"""


@pytest.fixture
def cache(tmp_path):
    """An empty cache."""
    return tmp_path / "cache"


def environment(cache, **changes):
    names = {"XDG_CACHE_HOME": str(cache), "HOME": str(cache), "LOCALAPPDATA": str(cache), **changes}
    return {**os.environ, **names}


def probe(cache, **changes):
    """In a process of its own: whether the native step runs, why, and whether a rollout came out right."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment(cache, **changes), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    status, same = done.stdout.splitlines()
    runs, _, why = status.partition("|")
    assert same == "True"
    return runs == "True", why


def libraries(cache):
    return sorted(path.name for path in cache.rglob(f"step-*{build.LIBRARY}"))


def fake_compiler(folder, script):
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_no_compiler(cache, tmp_path):
    (tmp_path / "empty").mkdir()
    runs, why = probe(cache, PATH=str(tmp_path / "empty"))
    assert not runs
    assert why == "no C++ compiler found (looked for c++, g++, clang++)"


def test_a_compiler_that_is_not_there(cache):
    assert probe(cache, CXX="nonesuch++") == (False, "no C++ compiler found (looked for nonesuch++)")


def test_a_compiler_that_fails(cache, tmp_path):
    broken = fake_compiler(tmp_path, 'echo "step.cpp:1: error: no such luck" >&2; exit 1')
    runs, why = probe(cache, CXX=broken)
    assert not runs
    assert why == f"the C++ compiler {broken} failed: step.cpp:1: error: no such luck"
    assert libraries(cache) == []


def test_a_compiler_that_makes_something_else(cache, tmp_path):
    other = fake_compiler(
        tmp_path, 'for last; do :; done; while [ "$1" != -o ]; do shift; done; echo no > "$2"'
    )
    runs, why = probe(cache, CXX=other)
    assert not runs
    assert re.match("the compiled step cannot be loaded: ", why)


@pytest.fixture
def quick(tmp_path):
    """A compiler that does not optimise: ten times as fast, and what it makes is as correct."""
    return fake_compiler(tmp_path, f'exec {build.find_compiler()} "$@" -O0')


@compiler
def test_a_library_that_computes_something_else(cache, tmp_path):
    """Compiled from a source in which the slopes are twice what they should be."""
    shutil.copytree(build.SOURCE.parent, tmp_path / "step")
    wrong, slopes = tmp_path / "step" / build.SOURCE.name, tmp_path / "step" / "slopes.h"
    slopes.write_text(slopes.read_text().replace("* 0.125f", "* 0.25f"))
    swap = f'[ "$a" = "{build.SOURCE}" ] && a="{wrong}"'
    script = f'for a; do {swap}; set -- "$@" "$a"; shift; done; exec {build.find_compiler()} "$@" -O0'
    assert probe(cache, CXX=fake_compiler(tmp_path, script)) == (
        False,
        "the compiled step does not agree with the reference",
    )
    assert libraries(cache) == []


@compiler
def test_two_processes_at_once_and_then_a_damaged_library(cache, quick, monkeypatch):
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROBE],
            env=environment(cache, CXX=quick),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.communicate()[0].startswith("True|compiled for this processor")
    for key, value in environment(cache, CXX=quick).items():
        monkeypatch.setenv(key, value)
    path = build.library()
    assert libraries(cache) == [path.name]
    kept = {path.name, f"{path.name}.lock", f"{path.stem}.sha256"}
    assert {other.name for other in path.parent.iterdir()} <= kept
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    made = []
    monkeypatch.setattr(
        build, "compile_step", lambda _, target: (made.append(target), target.write_bytes(whole))
    )
    assert build.library() == build.library() == path
    assert len(made) == 1  # once anew, and then taken as it is
    assert {other.name for other in path.parent.iterdir()} <= kept


@compiler
def test_a_cache_that_cannot_be_written(tmp_path, quick):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")  # also root cannot make a folder in a file
    runs, why = probe(in_the_way, CXX=quick)
    assert runs, why
    assert in_the_way.read_text() == ""


def test_the_cache_is_where_the_platform_keeps_such(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for platform, variables, expected in (
        ("linux", {}, tmp_path / ".cache"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, Path("/x")),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, tmp_path / "Library" / "Caches"),
        ("win32", {"LOCALAPPDATA": "/y"}, Path("/y")),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        for key, value in variables.items():
            monkeypatch.setenv(key, value)
        assert build.cache_folder() == expected / "petri" / "engine"


def test_another_compiler_or_processor_is_another_library(monkeypatch, tmp_path):
    first = fake_compiler(tmp_path, "echo version 1")
    key = build._key(first)
    assert build._key(first) == key
    fake_compiler(tmp_path, "echo version 2")
    assert build._key(first) != key
    fake_compiler(tmp_path, "echo version 1")
    monkeypatch.setattr(build, "_processor", lambda: "another")
    assert build._key(first) != key
    assert stat.S_IMODE(os.stat(first).st_mode) == 0o755


def test_every_file_of_the_source_decides_which_library_it_is(monkeypatch, tmp_path):
    copy = tmp_path / "step"
    shutil.copytree(build.SOURCE.parent, copy)
    monkeypatch.setattr(build, "SOURCE", copy / build.SOURCE.name)
    files = list(copy.iterdir())
    included = re.findall(r'#include "(.*)"', "".join(path.read_text() for path in files))
    assert {path.name for path in files} == {build.SOURCE.name, *included}
    keys = {build._key("c++")}
    for path in files:
        path.write_text(path.read_text() + "//\n")
        keys.add(build._key("c++"))
    assert len(keys) == 1 + len(files)


@pytest.fixture
def untried(cache, monkeypatch, tmp_path):
    """A cache for this process, a compiler that makes nothing of worth, and nobody who tries that out."""
    script = 'while [ $# -gt 0 ]; do [ "$1" = -o ] && echo made > "$2"; shift; done'
    for key, value in environment(cache, CXX=fake_compiler(tmp_path, script)).items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(build, "try_out", lambda path: None)
    return cache / "petri" / "engine"


def plant(folder):
    """A library that is whole by all that lies beside it, and no library."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{build._key(build.find_compiler())}{build.LIBRARY}"
    path.write_text("planted")
    build._digest_file(path).write_text(build._digest(path))
    return path


@posix
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777, 0o702])
def test_a_cache_that_others_can_write_to_is_not_used_but_one_beside_it(untried, mode):
    planted = plant(untried)
    untried.chmod(mode)
    found = build.library()
    assert found.read_text() == "made\n" and planted.read_text() == "planted"
    assert found == untried.with_name("engine-private") / planted.name
    assert build.unused() == f"{untried} is not used: others can write to it (its mode is {mode:o})"
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700
    found.parent.chmod(0o777)  # then there is only a folder that ends with the process
    last = build.library()
    assert not last.is_relative_to(untried.parent) and stat.S_IMODE(last.parent.stat().st_mode) == 0o700
    assert build.unused().count("others can write to it") == 2


@posix
def test_a_cache_of_ones_own_is_closed_to_others_whatever_the_umask(untried):
    before = os.umask(0)
    try:
        found = build.library()
    finally:
        os.umask(before)
    assert found.parent == untried and build.unused() == ""
    assert stat.S_IMODE(untried.stat().st_mode) == 0o700
    kept = (found, build._digest_file(found))
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o600, 0o600]
    assert build.library() == found and found.read_text() == "made\n"


@posix
@pytest.mark.parametrize("which", ["library", "digest", "link"])
def test_a_file_that_others_can_write_to_is_made_anew(untried, which, tmp_path):
    path = plant(untried)
    if which == "link":
        other = tmp_path / "elsewhere"
        path.rename(other)
        path.symlink_to(other)
    else:
        (path if which == "library" else build._digest_file(path)).chmod(0o664)
    found = build.library()
    assert found == path and path.read_text() == "made\n" and not path.is_symlink()
    assert ("others can write to it (its mode is 664)" in build.unused()) == (which != "link")


@posix
@pytest.mark.skipif(os.name != "nt" and os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["folder", "library"])
def test_what_belongs_to_another_user_is_not_used(untried, what):
    path = plant(untried)
    os.chown(untried if what == "folder" else path, 12345, -1)
    found = build.library()
    assert found.read_text() == "made\n"
    assert build.unused() == (
        f"{untried if what == 'folder' else path} is not used: it belongs to another user (12345)"
    )


FULL = 'for a; do [ "$a" = --version ] && exit 0; done; echo "as: No space left on device" >&2; exit 1'


def test_a_full_disk_is_called_so_and_nothing_is_left(untried, tmp_path):
    fake_compiler(tmp_path, FULL)
    with pytest.raises(build.Unavailable) as error:
        build.library()
    assert str(error.value).startswith("there is no place for the compiled step: ")
    assert (
        str(error.value).count("is not used: No space left on device") == 2
    )  # the cache, and the last resort
    assert [path.suffix for path in untried.iterdir()] in ([], [".lock"])


def test_where_the_cache_alone_is_full_the_step_is_compiled_elsewhere(untried, tmp_path):
    made = 'while [ $# -gt 0 ]; do [ "$1" = -o ] && echo made > "$2"; shift; done'
    fake_compiler(tmp_path, f'case "$*" in *{untried}*) {FULL};; esac; {made}')
    found = build.library()
    assert found.read_text() == "made\n" and not found.is_relative_to(untried)
    assert build.unused() == f"{untried} is not used: No space left on device"


def test_what_killed_processes_left_is_removed_after_a_while(untried):
    untried.mkdir(parents=True, mode=0o700)
    for name in (".making-old", ".making-new"):
        (untried / name).mkdir()
        (untried / name / "cc1.s").write_text("")
    for name in (f"tmpold{build.LIBRARY}", f"tmpnew{build.LIBRARY}", "notes"):
        (untried / name).write_text("")
    for path in untried.iterdir():
        if "new" not in path.name:
            os.utime(path, (0, 0))
    build.library()
    left = {path.name for path in untried.iterdir() if not path.name.startswith("step-")}
    assert left == {".making-new", f"tmpnew{build.LIBRARY}", "notes"}


@posix
def test_a_compiler_may_be_a_command_of_several_words(untried, tmp_path, monkeypatch):
    said = tmp_path / "said"
    wrapper = fake_compiler(tmp_path, f'echo "$@" >> {said}; exec "$@"')
    inner = tmp_path / "with blank" / "c++"
    inner.parent.mkdir()
    inner.write_text('#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -o ] && echo made > "$2"; shift; done\n')
    inner.chmod(0o755)
    monkeypatch.setenv("CXX", f"{wrapper} '{inner}' -O1")
    assert build.library().read_text() == "made\n"
    version, compilation = said.read_text().splitlines()
    assert version == f"{inner} -O1 --version" and compilation.startswith(f"{inner} -O1 -std=c++17 ")
    monkeypatch.setenv("CXX", str(inner))
    assert build.find_compiler() == str(inner) and build.library().read_text() == "made\n"
    for wrong in ("no-such-compiler -O2", "c++ 'open"):
        monkeypatch.setenv("CXX", wrong)
        with pytest.raises(build.Unavailable, match=wrong.split()[-1]):
            build.library()


@posix
def test_a_compiler_that_hangs_is_waited_for_once(untried, tmp_path, monkeypatch):
    asked = tmp_path / "asked"
    fake_compiler(tmp_path, f"echo >> {asked}; sleep 600 & wait")
    monkeypatch.setattr(build, "ANSWER", 1)
    for minutes in (0, 0, 40):
        for mark in untried.glob("*.hung"):
            os.utime(mark, (time.time() - 60 * minutes,) * 2)
        with pytest.raises(build.Unavailable, match="gave no answer in 1 seconds"):
            build.library()
    assert asked.read_text() == "\n"
    [mark] = untried.glob("*.hung")
    os.utime(mark, (time.time() - 4000,) * 2)  # an hour later
    with pytest.raises(build.Unavailable):
        build.library()
    assert asked.read_text() == "\n\n"


@posix
def test_a_kept_library_needs_no_answer_from_the_compiler(untried, tmp_path, monkeypatch):
    found = build.library()
    monkeypatch.setattr(build, "_run", None)
    assert build.library() == found


@pytest.fixture
def crashing(tmp_path):
    """A compiler whose libraries end the process when they are loaded."""
    source = tmp_path / "crash.cpp"
    source.write_text("#include <csignal>\nstruct Crash { Crash() { std::raise(SIGSEGV); } } crash;\n")
    swap = f'[ "$a" = "{build.SOURCE}" ] && a="{source}"'
    script = f'for a; do {swap}; set -- "$@" "$a"; shift; done; exec {build.find_compiler()} "$@"'
    return fake_compiler(tmp_path, script)


@posix
@compiler
def test_a_library_that_ends_the_process_is_not_kept(cache, crashing):
    assert probe(cache, CXX=crashing) == (False, "the compiled step ends the process (SIGSEGV)")
    assert libraries(cache) == []


@posix
@compiler
def test_a_library_that_was_cut_short_in_the_making_is_not_kept(cache, tmp_path):
    """As by a disk that filled up behind the compiler's back: loading it may end the process with SIGBUS."""
    cut = 'while [ $# -gt 0 ]; do [ "$1" = -o ] && truncate -s 20000 "$2"; shift; done'
    short = f'{build.find_compiler()} "$@" -O0 && {cut}'
    runs, why = probe(cache, CXX=fake_compiler(tmp_path, short))
    assert not runs and why.startswith("the compiled step ")
    assert libraries(cache) == []


DRIVE = """
import ctypes, itertools, torch
from petri.engine import build, native
from petri.engine.check import library_agrees
from petri.nca import Automaton, Spec
from petri.nca.fire import sample_seeds
torch.set_num_threads(2)
library = native._declare(build.load(build.Path({path!r})))
assert library_agrees(library)
kinds = itertools.product(
    ("sobel", "learned", "dilated", "learned+dilated"), ("zero", "wrap"), ((2, False), (3, True)),
    (False, True), ((4, 16), (20, 48)),
)
for perception, padding, (layers, residual), other, (channels, hidden) in kinds:
    spec = Spec.of(perception=perception, padding=padding, layers=layers, residual=residual, gated=other,
                living=not other, channels=channels, hidden=hidden)
    automaton = Automaton(spec)
    for shape in ((17, 23), (1, 3)):
        state = torch.rand(3, channels, *shape, requires_grad=True)
        for products in range(library.petri_products() + 1):
            options = dict(seeds=sample_seeds(1, 3), start=0, products=products)
            native.run(library, automaton, state, 3, **options).sum().backward()
            with torch.no_grad():
                native.run(library, automaton, state, 3, **options)
print("clean")
"""


@compiler
@pytest.mark.slow
@pytest.mark.parametrize("machine", ["-march=native", "-march=x86-64-v3"])
def test_the_sanitizers_find_nothing(tmp_path, machine):
    """Every kind of Spec under AddressSanitizer and UndefinedBehaviorSanitizer, also without AVX-512."""
    runtime = subprocess.run(
        ["g++", "-print-file-name=libasan.so"], capture_output=True, text=True
    ).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("g++ has no AddressSanitizer")
    library = tmp_path / "sanitized.so"
    flags = ("-O1", "-g", machine, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    build.compile_step("g++", library, flags=flags)
    names = {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    script = DRIVE.format(path=str(library))
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **names}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "clean", done.stderr[-4000:]
