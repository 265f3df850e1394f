from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from petri import folders
from petri.files import remove_unfinished, replacing, write_whole


def fails(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    return path


def assert_untouched(file):
    assert file.read_bytes() == b"old"
    assert os.listdir(file.parent) == [file.name]


@pytest.mark.parametrize("content", [b"new", "new", "día"])
def test_content_takes_the_place_of_the_old(file, content):
    write_whole(file, content)
    assert file.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert os.listdir(file.parent) == [file.name]


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_whole(tmp_path / "nowhere" / "worn.glb", b"new")
    assert error.value.filename == str(tmp_path / "nowhere" / "worn.glb")


def test_new_file_may_be_read_as_any_other(tmp_path):
    write_whole(tmp_path / "new", b"")
    (tmp_path / "other").write_bytes(b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "other")}
    assert len(modes) == 1


@pytest.mark.parametrize("stage", ["pathlib.Path.write_bytes", "os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_old_file(file, stage, monkeypatch):
    monkeypatch.setattr(stage, fails)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, b"new")
    monkeypatch.undo()
    assert_untouched(file)


def test_a_write_cut_short_by_the_system_leaves_the_old_file(file):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(file, b"new" * 4096)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_untouched(file)


@pytest.mark.parametrize("reason", [KeyboardInterrupt, RuntimeError])
def test_a_writer_that_stops_leaves_the_old_file(file, reason):
    with pytest.raises(reason), replacing(file) as temporary:
        temporary.write_bytes(b"half")
        assert temporary.parent == file.parent and temporary.suffix == file.suffix
        raise reason
    assert_untouched(file)


@pytest.mark.parametrize("name", ["plain", "file.json", "two.dots.csv", ".hidden"])
def test_what_a_killed_writer_leaves_is_told_from_all_else(tmp_path, name):
    others = ["plain", ".file-settings", ".my-settings.json", "part"]
    for other in others:
        (tmp_path / other).write_bytes(b"mine")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / name) as temporary:
        remove_unfinished(tmp_path, seconds=60)
        assert temporary.exists()  # too young
        remove_unfinished(tmp_path)
        assert not temporary.exists()
    assert sorted(os.listdir(tmp_path)) == sorted(others)


def test_the_cache_needs_a_home_only_where_nothing_else_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folders.cache("x") == tmp_path / "petri" / "x"

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert folders.cache("x") == tmp_path / "petri" / "x"
    monkeypatch.delenv("XDG_CACHE_HOME")
    with pytest.raises(OSError, match="set HOME or XDG_CACHE_HOME"):
        folders.cache("x")
