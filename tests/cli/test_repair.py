"""petri repair and petri check."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from petri.repair import plan
from petri.repair.networks import Making
from petri.repair.variants import VARIANTS


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A damaged file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    weights = torch.randn(20, 1, generator=torch.Generator().manual_seed(0)) @ torch.ones(1, 30)
    weights[torch.rand(20, 30, generator=torch.Generator().manual_seed(1)) < 0.2] = torch.nan
    weights[4] = torch.nan
    save_file({"fc.weight": weights, "fc.bias": torch.ones(20)}, "model.safetensors")
    return tmp_path / "model.safetensors"


def test_check_then_repair_then_check(petri, model):
    said = petri("check", "model.safetensors", code=1)
    assert "fc.weight" in said and "are NaN" in said and "damaged; 2 tensors" in said
    assert "petri repair model.safetensors --nan" in said
    said = petri("repair", "model.safetensors", "--nan")
    assert "fc.weight" in said and "nothing is left of 1 row;" in said and "estimates" in said
    assert "nothing wrong; 2 tensors, 620 numbers" in petri("check", "model-repaired.safetensors")
    said = petri("repair", "file", "model.safetensors", "--nan", code=2)
    assert "is there already" in said


def test_a_mask_of_one_layer(petri, model):
    mask = np.zeros((20, 30), np.uint8)
    mask[0] = 1
    np.save("mask.npy", mask)
    petri(
        "repair",
        "model.safetensors",
        "--damaged",
        "mask.npy",
        "--layer",
        "fc.weight",
        "--out",
        "new.safetensors",
    )
    found = load_file("new.safetensors")["fc.weight"]
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.safetensors"], "say what is damaged: --damaged MASK or --nan"),
        (["model.safetensors", "--nan", "--damaged", "x"], "one of them"),
        (["model.safetensors", "--nan", "--layer", "fc.wieght"], 'did you mean "fc.weight"'),
        (["nothing.safetensors", "--nan"], "there is no safetensors file nothing.safetensors"),
        (["mnist", "--rates", "0.5,1.5"], "between 0 and 1"),
        (["mnist", "--rates", "half"], "--rates must be numbers"),
        (["mnist", "--variants", "magic"], "each of the variants must be one of"),
    ],
)
def test_what_cannot_be_done_is_said(petri, model, words, said):
    assert said in petri("repair", *words, code=2)


def test_an_empty_file_is_no_model(petri, model, tmp_path):
    (tmp_path / "empty.safetensors").touch()
    assert "empty.safetensors is empty" in petri("check", "empty.safetensors", code=2)
    said = petri("repair", "empty.safetensors", "--nan", code=2)
    assert "it is empty; petri check tells more" in said


def test_a_small_comparison_leaves_its_files_and_goes_on(petri, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "judged", lambda data="mnist", layer="first": [Making(8, 1, 1000, data)])
    monkeypatch.setitem(
        VARIANTS, "functional", replace(VARIANTS["functional"], epochs=2, batch=4, steps=(2, 3))
    )
    asked = ["--data", "mini", "--zoo", 1, "--masks", 1, "--variants", "functional"]
    said = petri("repair", "mnist", *asked, "--rates", "0.5,0.9")
    for name in ("curve-mini.png", "bytes-mini.png", "units-mini.png", "results-mini.json"):
        assert name in said and (tmp_path / "runs/repair" / name).is_file()
    assert Image.open(tmp_path / "runs/repair/units-mini.png").width > 300
    assert "against kriging + recalibration" in said and "functional + recalibration" in said
    found = json.loads(petri("repair", "mnist", *asked, "--rates", "0.9", "--json"))
    assert {line["rate"] for line in found["lines"]} == {0.9} and len(found["verdicts"]) == 1
    assert "of another recipe" in petri("repair", "mnist", *asked, "--zoo", 2, code=2)
