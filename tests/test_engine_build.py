"""Compiling the native step: once, whole or not at all, and never a broken run."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from petri.engine import build

compiler = pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="no C++ compiler")

PROBE = """
import torch
from petri.engine import native_status
from petri.nca import Automaton, Spec
print(*native_status(), sep="|")
automaton = Automaton(Spec(hidden=16))
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
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text(build.SOURCE.read_text().replace("* 0.125f", "* 0.25f"))
    swap = f'[ "$a" = "{build.SOURCE}" ] && a="{wrong}"'
    script = f'for a; do {swap}; set -- "$@" "$a"; shift; done; exec {build.find_compiler()} "$@" -O0'
    assert probe(cache, CXX=fake_compiler(tmp_path, script)) == (
        False,
        "the compiled step does not agree with the reference",
    )


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
    assert made == [path]  # once anew, and then taken as it is


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


DRIVE = """
import ctypes, itertools, torch
from petri.engine import build, native
from petri.engine.check import agrees
from petri.nca import Automaton, Spec
from petri.nca.fire import sample_seeds
torch.set_num_threads(2)
library = native._declare(build.load(build.Path({path!r})))
assert agrees(library)
kinds = itertools.product(
    ("sobel", "learned", "dilated", "learned+dilated"), ("zero", "wrap"), ((2, False), (3, True)),
    (False, True), ((4, 16), (20, 48)),
)
for perception, padding, (layers, residual), other, (channels, hidden) in kinds:
    spec = Spec(perception=perception, padding=padding, layers=layers, residual=residual, gated=other,
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
