import base64
import gzip
import json
import re

import numpy as np
import pytest

from petri import modelfile
from petri.modelfile import Model
from petri.models import find
from petri.nca import Spec
from petri.shaders import glsl
from petri.shaders.pack import pack

RECIPE = {"recipe": {"phases": [{"res": 16, "steps": [4, 8]}], "pool": {"damage": 3}}}


@pytest.fixture
def write(tmp_path, random_automaton):
    def write(path, *, target="spiral", training=RECIPE, **fields):
        automaton = random_automaton(Spec.of(**{"hidden": 16, "layers": 2} | fields), change=0.1)
        path = tmp_path / path
        path.parent.mkdir(parents=True, exist_ok=True)
        modelfile.write(path, Model(automaton=automaton, target=target, training=training))
        return path

    return write


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def inlined(page):
    return json.loads(
        re.search(r'<script type="application/json" id="petri-models">(.*?)</script>', page, re.S)[1]
    )


def test_a_folder_of_models(petri, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [write("models/a b.safetensors"), write("models/c.safetensors", living=True, seed=(0.25, 1.0))]
    write("models/d.safetensors", training={})
    said = petri("shader-gen", "models")
    assert "shaders/manifest.json" in said
    names = ["a b", "c", "d"]
    made = [f"{name}.{kind}" for name in names for kind in ("safetensors", "weights")]
    kinds = ["dilated-16-2.frag", "dilated-16-2-living.frag", "dilated-16-2-living.life.frag"]
    assert files(tmp_path / "shaders") == sorted([*made, *kinds, "manifest.json"])
    manifest = json.loads((tmp_path / "shaders/manifest.json").read_text())
    assert (manifest["format"], manifest["schema"]) == ("petri-manifest", "1")
    assert [entry["name"] for entry in manifest["models"]] == names
    assert [entry["file"] for entry in manifest["models"]] == [
        "a%20b.safetensors",
        "c.safetensors",
        "d.safetensors",
    ]
    assert [entry["heals"] for entry in manifest["models"]] == [True, True, None]
    assert [entry["ground"] for entry in manifest["models"]] == [None, "#ffffff", None]
    assert [entry["shader"] for entry in manifest["models"]] == [kinds[0], kinds[1], kinds[0]]
    assert [entry["life"] for entry in manifest["models"]] == [None, kinds[2], None]
    for path, entry in zip(paths, manifest["models"], strict=False):
        model = modelfile.read(path)
        assert Spec.from_fields(entry["spec"]) == model.automaton.spec
        assert (entry["res"], entry["steps"], entry["bytes"]) == (16, 8, path.stat().st_size)
        assert (tmp_path / "shaders" / path.name).read_bytes() == path.read_bytes()
        weights = np.fromfile(tmp_path / "shaders" / f"{entry['name']}.weights", "<f4")
        shape = (entry["weights"]["height"], entry["weights"]["width"], 4)
        assert np.array_equal(weights.reshape(shape), pack(model.automaton))
        assert (tmp_path / "shaders" / entry["shader"]).read_text() == glsl.step_shader(model.automaton.spec)
        assert entry["thumbnail"].startswith("data:image/webp;base64,") and len(entry["thumbnail"]) < 20_000
    before = {path: path.read_bytes() for path in (tmp_path / "shaders").iterdir()}
    petri("shader-gen", "models")
    assert before == {path: path.read_bytes() for path in (tmp_path / "shaders").iterdir()}


def test_one_page_is_all_that_is_written_if_it_is_all_that_is_asked_for(petri, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write("m/a.safetensors")
    petri("shader-gen", "m", "--html", "page.html")
    assert files(tmp_path) == ["m", "page.html"]
    page = (tmp_path / "page.html").read_text()
    assert inlined(page)["models"][0]["bytes"] == path.stat().st_size
    assert "style.css" not in page and "app.js" not in page.replace("// app.js", "")
    petri("shader-gen", "m", "--html", "page.html", "--out", "folder")
    assert files(tmp_path) == ["folder", "m", "page.html"]


NASTY = "</script><script>alert(\"1\")</script> & 'x' <!-- é"


def test_names_are_escaped(petri, write, tmp_path):
    write("m/a'b&c #1%.safetensors", target=NASTY, training={"note": NASTY, "loss": float("nan")})
    petri("shader-gen", tmp_path / "m", "--html", tmp_path / "p.html", "--out", tmp_path / "o", "--embed")
    page = (tmp_path / "p.html").read_text()
    assert "alert(" in page and "<script>alert" not in page and page.count("</script>") == 3
    entry = inlined(page)["models"][0]
    assert entry["title"] == entry["training"]["note"] == NASTY and entry["training"]["loss"] is None
    snippet = (tmp_path / "o/embed.html").read_text()
    assert 'src="a%27b%26c%20%231%25.safetensors"' in snippet and 'label="a&#x27;b&amp;c #1%"' in snippet


def test_a_broken_model_is_named_and_the_others_are_done(petri, write, tmp_path):
    write("m/a.safetensors")
    (tmp_path / "m/b.safetensors").write_bytes(b"not a model")
    write("m/c.safetensors")
    said = petri("shader-gen", tmp_path / "m", "--out", tmp_path / "o", code=1)
    assert said.count("petri:") == 1 and "b.safetensors is not a model file" in said
    names = [entry["name"] for entry in json.loads((tmp_path / "o/manifest.json").read_text())["models"]]
    assert names == ["a", "c"]


def test_nothing_to_do_is_refused(petri, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([tmp_path / "empty"], "has no model"),
        (["nobody"], "there is no model 'nobody'"),
        (["circle", "--html", tmp_path], "it is a folder"),
        (["circle", "--html", tmp_path / "no/page.html"], "there is no folder"),
    ):
        said = petri("shader-gen", *arguments, "--out", tmp_path / "out", code=2)
        assert message in said and said.count("petri:") == 1
    assert files(tmp_path) == ["empty"]


def test_a_folder_that_cannot_be_written_is_refused(petri, write, tmp_path):
    path = write("a.safetensors")
    (tmp_path / "taken").write_text("a file")
    assert "cannot write to" in petri("shader-gen", path, "--out", tmp_path / "taken", code=2)


def test_half_a_letter_in_a_model_file_does_not_spoil_the_manifest(petri, write, tmp_path):
    write("m/odd.safetensors", training=RECIPE | {"note": "\ud800"})
    write("m/plain.safetensors", target="emoji:🦎")
    petri("shader-gen", tmp_path / "m", "--out", tmp_path / "o", "--html", tmp_path / "page.html")
    for models in (
        json.loads((tmp_path / "o/manifest.json").read_text())["models"],
        inlined((tmp_path / "page.html").read_text())["models"],
    ):
        assert [one["title"] for one in models] == ["spiral", "emoji:🦎"]


def test_a_model_too_large_for_shadertoy_is_named_and_the_others_are_done(petri, write, tmp_path):
    wide = {"recipe": {"phases": [{"res": 256}]}}
    write("m/large.safetensors", hidden=256, layers=3, training=wide)
    write("m/small.safetensors")
    said = petri("shader-gen", tmp_path / "m", "--out", tmp_path / "o", "--shadertoy", code=1)
    assert "the weights of large take" in said and "room for 4096" in said and "was trained on" not in said
    assert [name for name in files(tmp_path / "o") if "shadertoy" in name] == ["small.shadertoy.txt"]


def test_a_model_that_no_browser_computes_comes_as_a_film(petri, write, tmp_path):
    write("m/attentive.safetensors", perception="attention3")
    write("m/given.safetensors", fixed=2)
    write("m/plain.safetensors", perception="conv3")
    said = petri(
        "shader-gen", tmp_path / "m", "--out", tmp_path / "o", "--html", tmp_path / "p.html", "--shadertoy",
        code=1,
    )  # fmt: skip
    reason = "a browser computes senses of the kind stencil or conv or harmonics or invariants, not attention"
    assert f"attentive is nothing for Shadertoy: {reason}" in said
    assert "given is nothing for Shadertoy: nobody can give the fixed planes there that it needs" in said
    made = {name for name in files(tmp_path / "o") if name.startswith("attentive")}
    assert made == {"attentive.safetensors", "attentive.film.webp"}
    entry = json.loads((tmp_path / "o/manifest.json").read_text())["models"][0]
    assert (entry["obstacle"], entry["film"], entry["golden"]) == (reason, "attentive.film.webp", None)
    assert not {"shader", "weights"} & entry.keys()
    film = (tmp_path / "o/attentive.film.webp").read_bytes()
    inside = inlined((tmp_path / "p.html").read_text())["models"][0]["film"]
    assert base64.b64decode(inside.removeprefix("data:image/webp;base64,")) == film
    assert "plain.shadertoy.txt" in files(tmp_path / "o")


def test_a_model_of_a_grid_that_shadertoy_has_no_room_for_is_named_and_written(petri, write, tmp_path):
    write("m/wide.safetensors", training={"recipe": {"target": "spiral", "phases": [{"res": 256}]}})
    write("m/small.safetensors")
    said = petri("shader-gen", tmp_path / "m", "--out", tmp_path / "o", "--shadertoy")
    assert "wide was trained on 256×256 cells, Shadertoy has room for 160×160" in said
    assert "small was trained" not in said
    assert "Grid: 160 x 160 cells" in (tmp_path / "o/wide.shadertoy.txt").read_text()


def test_the_nine_patterns_fit_in_a_page_of_a_megabyte_bit_for_bit(petri, tmp_path):
    from petri.tasks.catalogue import TABLE_4

    (tmp_path / "m").mkdir()
    for name in TABLE_4:
        model = modelfile.read(find(name))
        model.training["recipe"]["phases"][-1]["res"] = 32  # its thumbnail is soon grown
        modelfile.write(tmp_path / f"m/{name}.safetensors", model)
    petri("shader-gen", tmp_path / "m", "--html", tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 1_000_000
    entries = inlined((tmp_path / "page.html").read_text())["models"]
    assert sorted(entry["name"] for entry in entries) == sorted(TABLE_4)
    for entry in entries:
        content = gzip.decompress(
            base64.b64decode(entry["file"].removeprefix("data:application/gzip;base64,"))
        )
        assert content == (tmp_path / f"m/{entry['name']}.safetensors").read_bytes()
