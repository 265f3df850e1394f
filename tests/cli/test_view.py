"""`petri view`: what is served, to whom, what a run that is training shows, and what an export holds."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from petri import modelfile, models, viewer
from petri.errors import BadRequest
from petri.modelfile import Model
from petri.nca import Automaton, Spec
from petri.training.recipe import Phase, Recipe
from petri.training.runs import Run
from petri.viewing.export import export
from petri.viewing.following import Follower
from petri.viewing.server import Server
from petri.viewing.site import build
from petri.viewing.specimens import gather

SPEC = Spec.of(channels=8, hidden=16, layers=2, perception="sobel")
PHASE = Phase(res=16, epochs=40, batch=2, steps=(4, 8))
RECIPE = Recipe(target="dot", name="dot", spec=SPEC, phases=(PHASE,))


@pytest.fixture
def write_model(tmp_path, random_automaton):
    def write(name, **spec):
        path = tmp_path / "models" / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        automaton = random_automaton(Spec.of(**{"channels": 8, "hidden": 16, "layers": 2, **spec}))
        training = {"recipe": {"phases": [{"res": 16, "steps": [4, 8]}]}}
        modelfile.write(path, Model(automaton=automaton, target=name, training=training))
        return path

    return write


@pytest.fixture
def serve():
    """Serve models in this process; ask for paths exactly as they are written."""
    servers = []

    def start(*places):
        server = Server(0)
        server.site = build(gather([str(place) for place in places])[0])
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)

        def ask(path, method="GET", **headers):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
            connection.request(method, path, headers={"Host": "127.0.0.1", **headers})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer, content

        return ask

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def manifest_of(ask):
    return json.loads(ask("/manifest.json")[1])["models"]


def test_the_page_and_its_models_are_served_and_nothing_else(serve, write_model):
    path = write_model("dot")
    ask = serve(path)
    for address, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/lib/dish.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/dot.webp", "image/webp"),
        ("/manifest.json", "application/json"),
    ):
        answer, content = ask(address)
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
        assert int(answer.headers["Content-Length"]) == len(content)
    assert ask("/")[1] == (viewer.ROOT / "index.html").read_bytes()
    answer, content = ask("/dot.safetensors?again")
    assert content == path.read_bytes() and answer.headers["Content-Type"] == "application/octet-stream"
    # Neither what lies beside the page, nor above it, nor what the system holds.
    for address in (
        "/__init__.py",
        "/README.md",
        "/lib/step.c",
        "/lib",
        "/lib/",
        "/../pyproject.toml",
        "/lib/../app.js",
        "/%2e%2e/pyproject.toml",
        "/..%2fpyproject.toml",
        "/lib%2f..%2fapp.js",
        "/..\\pyproject.toml",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/etc/passwd",
        "/dot.safetensors/..",
        "/dot%00.safetensors",
        "/other.safetensors",
    ):
        answer, content = ask(address)
        assert (answer.status, content) == (404, b"404 Not Found"), address


def test_a_page_of_another_name_is_refused(serve, write_model):
    ask = serve(write_model("dot"))
    assert ask("/manifest.json", Host="evil.example")[0].status == 403
    assert ask("/manifest.json", Host="evil.example:80")[0].status == 403
    assert ask("/manifest.json", Host="localhost:1")[0].status == 200


def test_only_get_and_head(serve, write_model):
    ask = serve(write_model("dot"))
    whole, content = ask("/app.js")
    head, nothing = ask("/app.js", "HEAD")
    assert head.status == 200 and nothing == b""
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] == str(len(content))
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer, _ = ask("/app.js", method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET / HTTP/1.1", 200),
        ("GET /none HTTP/1.1", 404),
        ("POST / HTTP/1.1", 405),
        ("BREW / HTTP/1.1", 501),
        ("GET", 400),
        ("GET / HTTP/nine", 400),
        ("GET / HTTP/9.9", 505),
        (f"GET /{'a' * 70_000} HTTP/1.1", 414),
        ("GET / HTTP/1.1\r\n" + "\r\n".join(f"X-{number}: 1" for number in range(200)), 431),
    ],
    ids=lambda value: str(value)[:20],
)
def test_every_answer_has_the_policy_and_no_page_of_another_may_frame_it(request_line, status):
    with Server(0) as server:
        server.site = build(gather(["circle"])[0])
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as client:
            client.sendall(f"{request_line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(client)
            answer.begin()
            content = answer.read()
        server.shutdown()
    assert answer.status == status
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if status != 200:
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert content.startswith(str(status).encode()) and b"<" not in content


def test_two_hundred_clients_at_once_are_all_answered():
    with Server(0) as server, contextlib.ExitStack() as clients:
        address = ("127.0.0.1", server.server_port)
        # Nobody accepts them yet: they wait in the queue, which holds as many as the system allows.
        limit = Path("/proc/sys/net/core/somaxconn")
        if not limit.exists() or int(limit.read_text()) < 256:
            pytest.skip("this system holds no queue of 200")
        waiting = [clients.enter_context(socket.create_connection(address, timeout=20)) for _ in range(200)]
        for client in waiting:
            client.sendall(b"GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        assert [client.recv(12) for client in waiting] == [b"HTTP/1.1 404"] * 200
        server.shutdown()


def test_what_has_not_changed_is_not_sent_again(serve, write_model):
    ask = serve(write_model("dot"))
    tag = ask("/app.js")[0].headers["ETag"]
    answer, content = ask("/app.js", **{"If-None-Match": tag})
    assert (answer.status, content) == (304, b"")
    assert ask("/app.js", **{"If-None-Match": '"another"'})[0].status == 200


def test_it_listens_on_this_machine_alone(write_model):
    with Server(0) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadRequest, match=rf"^port {port} is in use: choose another --port"):
            Server(port)


def test_names_are_unique_and_survive_the_way_to_the_page(serve, write_model, tmp_path):
    odd = "a & b? #1 <img src=x onerror=alert(1)> 100% 🦎"
    first = write_model(odd)
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / first.name.upper().replace(".SAFETENSORS", ".safetensors")
    second.write_bytes(first.read_bytes())
    ask = serve(first, second)
    entries = manifest_of(ask)
    assert [entry["name"] for entry in entries] == [odd, f"{second.stem}-2"]
    assert entries[0]["title"] == odd
    for entry in entries:
        assert ask("/" + entry["file"])[1] == first.read_bytes()


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1"])
def test_a_run_whose_checkpoint_was_edited_is_one_line(tmp_path, seconds):
    run = Run.create(tmp_path, "it", RECIPE, room=0)
    run.rows = [(1.0,) * len(run.columns)]
    automaton = Automaton(SPEC)
    weights = {f"weights.{name}": values.detach() for name, values in modelfile.weights(automaton).items()}
    run.write_checkpoint(weights, 1, 1.0)
    run.close()
    path = run.path("checkpoint.safetensors")
    assert Follower(run.folder).snapshot().epoch == 1
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata | {"seconds": seconds})
    with pytest.raises(BadRequest, match=r"is not a checkpoint of this run: seconds must be in"):
        Follower(run.folder).snapshot()


def test_a_folder_shows_its_models_and_names_the_broken_ones(write_model, tmp_path):
    write_model("good")
    folder = write_model("other").parent
    (folder / "broken.safetensors").write_bytes(b"nothing")
    (folder / ".good-12345678.safetensors").write_bytes(b"being written")
    specimens, problems, _ = gather([str(folder)])
    assert [specimen.name for specimen in specimens] == ["good", "other"]
    assert len(problems) == 1 and "broken.safetensors is not a model file" in problems[0]


def test_without_names_the_shipped_models_are_shown():
    assert [specimen.name for specimen in gather([])[0]] == models.names()


def test_no_model_is_one_line(petri, tmp_path):
    (tmp_path / "empty").mkdir()
    said = petri("view", tmp_path / "empty", code=2)
    assert "has no model" in said and len(said.strip().splitlines()) == 1
    assert 'did you mean "circle"' in petri("view", "cirle", code=2)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    assert "is not a model file" in petri("view", broken, code=2)


@pytest.fixture
def run(tmp_path):
    """A run in training: `save(epoch, loss)` writes a checkpoint as training does, and gives its weights."""
    made = Run.create(tmp_path, "dot", RECIPE, room=0)
    made.ground = "#123456"

    def save(epoch, loss):
        automaton = Automaton(SPEC)
        for values in automaton.parameters():
            values.data.uniform_(-1, 1, generator=torch.Generator().manual_seed(epoch))
        made.rows = [(number + 1, loss) + (0.0,) * 8 for number in range(epoch)]
        tensors = {f"weights.{name}": value.detach() for name, value in automaton.named_parameters()}
        made.write_checkpoint(tensors | {"pool.states": torch.zeros(4)}, epoch, 1.5)
        return dict(automaton.named_parameters())

    save.folder = made.folder
    yield save
    made.close()


def test_a_run_is_followed_from_checkpoint_to_checkpoint(serve, run):
    ask = serve(run.folder)
    (entry,) = manifest_of(ask)
    assert entry["name"] == entry["title"] == "dot" and entry["golden"] is None

    def state():
        return json.loads(ask("/" + entry["follow"])[1])

    def served(folder):
        (folder / "served").write_bytes(ask("/" + entry["file"])[1])
        return modelfile.read(folder / "served")

    assert state() == {"version": "0", "epoch": 0, "epochs": 40, "loss": None}
    assert served(run.folder).training["epochs"] == 0  # it can be looked at from the first moment
    versions = {"0"}
    for epoch, loss in ((3, 0.5), (7, 0.25)):
        weights = run(epoch, loss)
        now = state()
        assert (now["epoch"], now["loss"]) == (epoch, loss)
        assert now["version"] not in versions
        versions.add(now["version"])
        tag = ask("/" + entry["follow"])[0].headers["ETag"]
        assert ask("/" + entry["follow"], **{"If-None-Match": tag})[0].status == 304
        model = served(run.folder)
        assert model.training["ground"] == "#123456"
        assert model.automaton.spec == SPEC and model.res == 16
        for name, value in model.automaton.named_parameters():
            assert torch.equal(value, weights[name])


def test_averaged_weights_are_preferred(run):
    run(2, 0.5)
    path = run.folder / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    averages = {"average." + name.removeprefix("weights."): value + 1 for name, value in tensors.items()}
    kept = {name: value for name, value in averages.items() if "rule" in name}
    save_file(tensors | kept, path, metadata)
    for name, value in Follower(run.folder).model().automaton.named_parameters():
        assert torch.equal(value.data, tensors[f"weights.{name}"] + 1)


def test_a_damaged_checkpoint_is_said_and_the_server_goes_on(serve, run):
    run(2, 0.5)
    ask = serve(run.folder)
    (run.folder / "checkpoint.safetensors").write_bytes(b"nothing")
    answer, said = ask("/dot.run.json")
    assert answer.status == 503 and b"is not a checkpoint of this run" in said
    run(3, 0.5)
    assert ask("/dot.run.json")[0].status == 200


def test_a_finished_run_shows_its_model(run):
    model = Follower(run.folder).model()
    training = {"recipe": {"phases": [{"res": 16}]}, "epochs": 40, "loss": {"loss": 0.5}}
    path = run.folder / "model.safetensors"
    modelfile.write(path, Model(automaton=model.automaton, target="dot", training=training))
    (specimen,), *_ = gather([str(run.folder)])
    assert specimen.run is None and specimen.name == "dot" and specimen.model.training == training
    training["epochs"] = 39  # of an earlier stop
    modelfile.write(path, Model(automaton=model.automaton, target="dot", training=training))
    assert gather([str(run.folder)])[0][0].run is not None


def test_an_export_is_the_site(petri, write_model, tmp_path):
    folder = write_model("a").parent
    write_model("b & c")
    out = tmp_path / "site"
    assert "2 models" in petri("view", folder, "--export", out)
    for entry in json.loads((out / "manifest.json").read_text())["models"]:
        assert (out / unquote(entry["file"])).read_bytes() == (
            folder / f"{entry['name']}.safetensors"
        ).read_bytes()
        picture = Image.open(out / unquote(entry["thumbnail"]))  # a file: a policy may forbid data: URIs
        assert picture.format == "WEBP" and picture.size == (96, 96)
    wanted = {path.relative_to(viewer.ROOT) for path in viewer.ROOT.rglob("*.js")}
    assert {path.relative_to(out) for path in out.rglob("*.js")} == wanted
    assert not [path for path in out.rglob("*") if path.suffix in (".py", ".md", ".c") or "__" in path.name]
    # Again, with one model less: what is no longer part of it goes, what the user put there stays.
    (folder / "b & c.safetensors").unlink()
    (out / "CNAME").write_text("petri.example")
    petri("view", folder, "--export", out)
    assert not list(out.glob("b & c.*")) and (out / "a.safetensors").exists() and (out / "a.webp").exists()
    assert (out / "CNAME").read_text() == "petri.example"


def test_an_export_of_a_run_is_its_last_checkpoint(petri, run, tmp_path):
    weights = run(3, 0.5)
    petri("view", run.folder, "--export", tmp_path / "site")
    (entry,) = json.loads((tmp_path / "site" / "manifest.json").read_text())["models"]
    assert "follow" not in entry and entry["golden"] and not list((tmp_path / "site").glob("*.run.json"))
    for name, value in modelfile.read(tmp_path / "site" / "dot.safetensors").automaton.named_parameters():
        assert torch.equal(value, weights[name])


def test_an_export_never_replaces_what_is_none(petri, write_model, tmp_path):
    path = write_model("a")
    (tmp_path / "site").mkdir()
    petri("view", path, "--export", tmp_path / "site")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    assert "is not empty and no earlier export" in petri("view", path, "--export", tmp_path / "mine", code=2)
    assert [(path.name, path.read_text()) for path in (tmp_path / "mine").iterdir()] == [
        ("index.html", "mine")
    ]
    assert "is a file" in petri("view", path, "--export", path, code=2)


def test_an_earlier_manifest_cannot_point_out_of_its_folder(write_model, tmp_path):
    site = build(gather([str(write_model("a"))])[0])
    out = tmp_path / "site"
    export(site, out)
    manifest = json.loads((out / "manifest.json").read_text())
    (tmp_path / "precious.safetensors").write_text("mine")
    (out / "precious.txt").write_text("mine")
    (tmp_path / "precious.webp").write_text("mine")
    manifest["models"] += [
        {"file": "../precious.safetensors", "thumbnail": "../precious.webp"},
        {"file": "precious.txt", "thumbnail": "data:image/webp;base64,UklG/precious.txt"},
    ]
    (out / "manifest.json").write_text(json.dumps(manifest))
    export(site, out)
    kept = tmp_path / "precious.safetensors", tmp_path / "precious.webp", out / "precious.txt"
    assert [path.read_text() for path in kept] == ["mine"] * 3


def test_a_broken_model_among_good_ones_is_named_and_the_exit_code_says_so(petri, write_model, tmp_path):
    folder = write_model("good").parent
    (folder / "broken.safetensors").write_bytes(b"nothing")
    said = petri("view", folder, "--export", tmp_path / "site", code=1)
    assert "broken.safetensors is not a model file" in said and "1 model" in said
    assert (tmp_path / "site" / "good.safetensors").exists()


def test_a_run_that_has_not_begun_is_waited_for(petri, run, tmp_path, monkeypatch):
    from nca_cli import view

    hidden, waits = run.folder.rename(tmp_path / "later"), []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            run.folder.mkdir()
            (run.folder / ".lock").touch()
        if len(waits) == 4:
            (run.folder / ".lock").unlink()
            run.folder.rmdir()
            hidden.rename(run.folder)

    def serve(server):
        assert json.loads(server.site["manifest.json"].read())["models"][0]["follow"]
        raise KeyboardInterrupt

    monkeypatch.setattr(view, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    monkeypatch.setattr(Server, "serve_forever", serve)
    said = petri("view", run.folder, "--port", 0, "--no-open", code=130)
    assert f"waiting for {run.folder}, which is not there yet" in said and "1 of them training" in said
    assert len(waits) == 4
    # Not for ever, and not for what cannot be a run.
    monkeypatch.setattr(view, "PATIENCE", 0)
    assert "there is no model" in petri("view", tmp_path / "nowhere", code=2)
    assert "waiting" not in petri("view", tmp_path / "nowhere.safetensors", code=2)
    assert "waiting" not in petri("view", tmp_path / "nowhere", "--export", tmp_path / "site", code=2)


def test_the_command_serves_until_ctrl_c(write_model):
    process = subprocess.Popen(
        [sys.executable, "-m", "petri", "view", str(write_model("dot")), "--port", "0", "--no-open"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    line = process.stdout.readline()
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)/ · 1 model ", line)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/manifest.json")
    assert json.loads(connection.getresponse().read())["models"][0]["name"] == "dot"
    process.send_signal(signal.SIGINT)  # with a connection still open
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "")
    connection.close()
