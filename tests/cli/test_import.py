"""petri import: what is read is written, tried, and said in a line."""

import json

import numpy as np
import pytest
from atlases import atlas

from petri import modelfile


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """A file of raw numbers, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weave.bin"
    path.write_bytes(np.linspace(-0.1, 0.1, 5856, dtype="<f4").tobytes())
    return path


def test_raw_numbers_are_imported_tried_and_written(petri, raw, tmp_path):
    said = petri("import", "raw", raw, "--offset", 0.25)
    assert said.startswith("weave.safetensors · sobel+laplacian · 96 hidden · 2 layers")
    model = modelfile.read(tmp_path / "weave.safetensors")
    assert model.spec.colour_offset == 0.25 and model.task == "texture"
    assert model.training["convention"]["offset"] == 0.25
    assert "is there already: choose another --out" in petri("import", "raw", raw, code=2)
    assert "holds 5,856 numbers" in petri("import", "raw", raw, "--channels", 16, "--out", "b", code=2)
    for option, wrong in (("--order", "rows"), ("--axes", "xz"), ("--padding", "mirror"), ("--divisor", 0)):
        said = petri("import", "raw", raw, option, wrong, "--out", "b", code=2)
        assert said.count("\n") == 1 and option[2:] in said and not (tmp_path / "b").exists()


def test_a_model_that_does_nothing_is_told_and_written(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing.bin").write_bytes(bytes(4 * 5856))
    said = petri("import", "raw", "nothing.bin")
    assert "It was tried: after 128 steps the plane is still of one colour; its authors may have" in said
    assert (tmp_path / "nothing.safetensors").is_file()


def test_an_atlas_is_listed_and_one_of_it_imported(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.json").write_text(json.dumps(atlas()[0]))
    lines = petri("import", "textures", "models.json").splitlines()
    assert [line.split() for line in lines[:3]] == [["0", "spots"], ["1", "lines"], ["2", "knots"]]
    assert lines[3] == "Import one:  petri import textures models.json --name spots"
    petri("import", "textures", "models.json", "--index", 1)
    petri("import", "textures", "models.json", "--name", "knots", "--out", "k")
    assert modelfile.read(tmp_path / "lines.safetensors").target == "lines"
    assert modelfile.read(tmp_path / "k").target == "knots"
    for options, message in [
        (("--index", 3), "the index must be in 0..2, got 3"),
        (("--name", "knot"), "has no texture 'knot', did you mean \"knots\"?"),
        (("--name", "knots", "--index", 1), "both say which texture"),
    ]:
        said = petri("import", "textures", "models.json", *options, code=2)
        assert message in said and said.count("\n") == 1
