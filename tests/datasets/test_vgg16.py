import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from petri.datasets import remote, vgg16
from petri.errors import BadRequest
from petri.losses import vgg

SHAPES = {"conv4_1": (6, 4, 3, 3), "conv5_3": (6, 6, 3, 3)}


def arrays(seed=0):
    """A network as its file holds it: kernels [3, 3, in, out], and a layer that nobody needs."""
    chance = np.random.default_rng(seed)
    found = {"fc6_W": chance.normal(size=(500, 500)).astype(np.float32)}
    for name, (to, of, *_) in SHAPES.items():
        found[f"{name}_W"] = chance.normal(size=(3, 3, of, to)).astype(np.float32)
        found[f"{name}_b"] = chance.normal(size=to).astype(np.float32)
    return found


def packed(found):
    file = io.BytesIO()
    np.savez(file, **found)
    return file.getvalue()


def expected():
    made = arrays()
    found = {}
    for name in SHAPES:
        kernel = torch.from_numpy(made[f"{name}_W"])
        found[f"{name}.weight"] = torch.stack(
            [torch.stack([kernel[:, :, i, o] for i in range(kernel.shape[2])]) for o in range(6)]
        ).half()
        found[f"{name}.bias"] = torch.from_numpy(made[f"{name}_b"]).half()
    return found


class Server(HTTPServer):
    content, parts, sent = b"", True, 0

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.content
        begin, end = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
        part = content[begin : end + 1] if self.server.parts else content
        self.send_response(206 if self.server.parts else 200)
        if self.server.parts:
            self.send_header("Content-Range", f"bytes {begin}-{end}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        self.server.sent += len(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(vgg16, "ADDRESS", f"http://127.0.0.1:{running.server_port}/{vgg16.WHOLE}")
    monkeypatch.setattr(vgg16, "SHAPES", SHAPES)
    monkeypatch.setattr(vgg16, "SHA256", vgg16.digest(expected()))
    monkeypatch.setattr(remote, "PIECE", 1 << 12)
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def quiet(text):
    pass


def same(path):
    found = load_file(path)
    return found.keys() == expected().keys() and all(torch.equal(found[k], v) for k, v in expected().items())


def test_only_its_blocks_are_fetched_out_of_the_whole_network(server, tmp_path):
    server.content = packed(arrays())
    notes = []
    path = vgg16.fetch(tmp_path / "new", notes.append)
    assert same(path) and path == tmp_path / "new" / vgg16.FILE
    assert notes == [f"{vgg16.TITLE} from {vgg16.ADDRESS}"]
    assert len(server.content) > 1_000_000 and server.sent < 100_000
    sent = server.sent
    assert vgg16.fetch(tmp_path / "new", quiet) == path and server.sent == sent  # nothing is fetched twice
    assert vgg16.read(tmp_path) is None


def test_a_file_that_lies_there_is_taken_first(server, tmp_path):
    (tmp_path / vgg16.WHOLE).write_bytes(packed(arrays()))
    assert same(vgg16.fetch(tmp_path, quiet)) and server.sent == 0


def wrong_shape():
    found = arrays()
    found["conv5_3_W"] = found["conv5_3_W"][:2]
    return packed(found)


def claims_much():
    """An array whose header promises more than there is."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        content = io.BytesIO()
        header = {"descr": "<f4", "fortran_order": False, "shape": (3, 3, 4, 6)}
        np.lib.format.write_array_header_1_0(content, header)
        archive.writestr("conv4_1_W.npy", content.getvalue() + b"1234")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no: "),
        (b"no archive" * 100, "no: File is not a zip file"),
        (packed(arrays())[:-100], "no: File is not a zip file"),
        (packed({"conv4_1_W": np.zeros(3, np.float32)}), r"no: conv4_1_W must be float32 (3, 3, 4, 6)"),
        (wrong_shape(), "no: conv5_3_W must be float32 (3, 3, 6, 6), is float32 (2, 3, 6, 6)"),
        (claims_much(), "no: "),
        (packed(arrays(seed=1)), "no: its weights are not those of VGG16"),
    ],
    ids=["empty", "no zip", "cut", "one array", "shape", "header", "others"],
)  # fmt: skip
def test_what_is_not_vgg16_is_refused_and_nothing_is_written(server, tmp_path, content, says):
    server.content = content
    notes = []
    with pytest.raises(BadRequest, match=rf"could not be fetched: place {vgg16.WHOLE} \(553 MB\) in "):
        vgg16.fetch(tmp_path, notes.append)
    assert notes[-1].startswith(says) and list(tmp_path.iterdir()) == []


def test_a_server_that_gives_no_parts_is_not_read_to_its_end(server, tmp_path):
    server.content, server.parts = packed(arrays()), False
    notes = []
    with pytest.raises(BadRequest, match="could not be fetched"):
        vgg16.fetch(tmp_path, notes.append)
    assert notes[-1] == "no: the server gives no parts of files"


def test_damaged_weights_are_named(server, tmp_path, monkeypatch):
    path = tmp_path / vgg16.FILE
    monkeypatch.setenv("PETRI_DATA", str(tmp_path))
    save_file(expected() | {"conv4_1.bias": torch.zeros(6).half()}, path)
    for attempt in (lambda: vgg16.fetch(tmp_path, quiet), lambda: vgg.check_blocks(5)):
        with pytest.raises(BadRequest, match=rf"{vgg16.FILE} is damaged.*petri data fetch vgg16"):
            attempt()
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(BadRequest, match=rf"{vgg16.FILE} cannot be read .*petri data fetch vgg16"):
        vgg16.read(tmp_path)
    save_file(expected(), path)
    vgg.check_blocks(5)


def test_five_blocks_are_seen_through(monkeypatch):
    chance = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in vgg16.SHAPES.items():
        weights[f"{name}.weight"] = torch.randn(shape, generator=chance).half() / 32
        weights[f"{name}.bias"] = torch.randn(shape[0], generator=chance).half()
    monkeypatch.setattr(vgg16, "read", lambda root: weights)
    monkeypatch.setattr(vgg, "_weights", vgg._weights.__wrapped__)  # not those that another test was given
    rgb = torch.rand(1, 3, 32, 32, generator=chance)
    before, *later = vgg.features(rgb, ["relu3_3", "relu4_1", "relu5_3"])
    assert [tuple(one.shape) for one in later] == [(1, 512, 4, 4), (1, 512, 2, 2)]
    kernel, bias = weights["conv4_1.weight"].float(), weights["conv4_1.bias"].float()
    plain = F.conv2d(F.max_pool2d(before.float(), 2), kernel, bias, padding=1).relu()
    assert (later[0].float() - plain).abs().max() < 0.02 * plain.max()
