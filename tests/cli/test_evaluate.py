import json
import sys

import numpy as np
import pytest
from PIL import Image

from petri import modelfile
from petri.__main__ import main
from petri.modelfile import Model
from petri.nca import Automaton, Spec


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `petri evaluate`; what it said on stdout and on stderr."""

    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["petri", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert end.value.code == code, said.out + said.err
        return said.out, said.err

    return run


@pytest.fixture
def tiny(tmp_path):
    """The path of a model that never changes anything, on 16×16 cells."""
    training = {"recipe": {"phases": [{"res": 16, "steps": [4, 8]}]}}
    model = Model(automaton=Automaton(Spec.of(hidden=16, layers=2)), target="circle", training=training)
    modelfile.write(tmp_path / "tiny.safetensors", model)
    return tmp_path / "tiny.safetensors"


def test_the_figure_is_the_one_that_grow_printed_and_stored(run, petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "logo.png")
    options = ["--res", 16, "--hidden", 16, "--epochs", 3]
    printed = petri("grow", "logo.png", *options, "--set", "phases.steps=[4, 8]", "--set", "phases.batch=2")
    out, _ = run("runs/logo-16", "--json")
    found = json.loads(out)["models"][0]
    stored = modelfile.read(tmp_path / "runs" / "logo-16" / "model.safetensors").training["loss"]
    assert {"pattern", "stability", "overflow", "loss", "steps", "hold"} <= set(stored)
    assert {name: found["loss"]["rgb"][name] for name in stored} == stored
    assert f"{found['loss']['rgb']['loss']:.4f}" in printed
    # Away from its recipe, the model knows only the picture's name.
    (tmp_path / "runs" / "logo-16" / "model.safetensors").rename(tmp_path / "moved.safetensors")
    _, err = run("moved.safetensors", code=2)
    assert "--target" in err
    again, _ = run("moved.safetensors", "--json", "--target", "logo.png")
    assert json.loads(again)["models"][0]["drift"] == found["drift"]


def test_json_is_all_there_is_on_stdout_and_its_keys_stay(run, tiny, tmp_path):
    out, err = run(tiny, "--json", "--seeds", 2, "--sheet", tmp_path / "a.png")
    found = json.loads(out)
    assert list(found) == ["schema", "models", "failed"] and found["schema"] == 1 and found["failed"] == []
    (model,) = found["models"]
    assert list(model) == [
        "model", "target", "architecture", "res", "seeds", "shows", "loss", "drift", "regeneration", "sizes"
    ]  # fmt: skip
    assert model["model"] == str(tiny) and model["target"] == "circle" and model["seeds"] == 2
    assert list(model["loss"]) == ["rgb", "rgba", "seen"]
    assert list(model["loss"]["rgb"]) == [
        "steps", "hold", "pattern", "stability", "overflow", "loss",
        "pattern_spread", "stability_spread", "overflow_spread", "loss_spread",
    ]  # fmt: skip
    measured = ["steps", "loss", "spread", "standing", "seeds", "worst", "median"]
    assert [list(look) for look in model["drift"]] == [measured] * 5
    assert [list(look) for look in model["sizes"]] == [["res", "steps", "loss", "spread"]] * 2
    for one in model["regeneration"]:
        assert list(one) == [
            "kind", "damaged_at", "healed_at", "before", "damaged", "healed", "undamaged", "percent", "why",
            "percent_spread", "psnr", "vgg16",
        ]  # fmt: skip
        assert list(one["before"]) == ["loss", "spread"]
    assert "a.png" in err and Image.open(tmp_path / "a.png").format == "PNG"


def test_the_table_has_it_all(run, tiny):
    out, _ = run(tiny, "--seeds", 2)
    for words in (
        "circle on 16×16 cells", "RGBA", "pattern, after 8 steps", "stability, after 40", "overflow",
        "2,000", "scatter", "300 steps later", "it had not grown", "32×32",
    ):  # fmt: skip
        assert words in out, words
    assert "the report" not in out  # its losses are of 256², which says nothing of 16²
    assert max(map(len, out.splitlines()[1:])) <= 80


def test_a_broken_model_is_named_and_the_others_are_measured(run, tiny, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(tiny.read_bytes()[:100])
    out, err = run(broken, tiny, "nobody", "--json", "--seeds", 2, "--sheet", tmp_path / "a.png", code=1)
    found = json.loads(out)
    assert [model["model"] for model in found["models"]] == [str(tiny)]
    assert [failed["model"] for failed in found["failed"]] == [str(broken), "nobody"]
    assert "is not a model file" in found["failed"][0]["error"]
    lines = [line for line in err.splitlines() if line.startswith("petri:")]
    assert len(lines) == 2 and str(broken) in lines[0] and "nobody" in lines[1]
    assert (tmp_path / "a.png").is_file()
    out, err = run(tiny, broken, "--seeds", 2, code=1)
    assert "it had not grown" in out and str(broken) in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument"),
        (["nobody"], "there is no model 'nobody'"),
        (["[/x].safetensors"], "there is no model '[/x].safetensors'"),
        (["spirl"], 'did you mean "spiral"'),
        (["circle", "--target", "spirl"], 'did you mean "spiral"'),
        (["circle", "--seeds", "1"], "--seeds"),
        (["circle", "--res", "8"], "--res"),
        (["circle", "--device", "tpu"], "device must be one of"),
        (["circle", "--sheet", "a.gif"], "--sheet must end in .png, got 'a.gif'"),
        (["circle", "--sheet", "nowhere/a.png"], "there is no folder nowhere"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    out, err = run(*arguments, code=2)
    assert out == "" and said in err and len(err.strip().splitlines()) == 1, err
    assert not list(tmp_path.iterdir())


def test_what_lies_among_the_runs_and_is_no_model_is_skipped_with_a_count(run, petri, tiny, tmp_path):
    runs = tmp_path / "runs"
    (runs / "it").mkdir(parents=True)
    tiny.rename(runs / "it" / "model.safetensors")
    petri("dni", "mnist", "--data", "mini", "--epochs", 1, "--widths", "16", "--out", runs)
    Image.new("RGB", (8, 8)).save(runs / "circle-64-front.png")
    (runs / "ablate-circle-32.json").write_text("{}")
    (runs / "studies.db").write_bytes(b"SQLite format 3\0")
    (runs / "empty").mkdir()
    places = sorted(runs.iterdir())
    out, err = run(*places, "--json", "--seeds", 2)
    found = json.loads(out)
    assert [model["model"] for model in found["models"]] == [str(runs / "it")] and found["failed"] == []
    assert "skipped 5 that are no models: " in err and "and 2 more" in err and "petri:" not in err
    assert "none of the 2 is a model" in run(runs / "studies.db", runs / "empty", code=2)[1]
    assert "is not a model file" in run(runs / "studies.db", code=2)[1]
    for said in (
        petri("view", *places, "--export", tmp_path / "site"),
        petri("shader-gen", *places, "--out", tmp_path / "shaders"),
    ):
        assert "skipped 5 that are no models: " in said and "petri:" not in said
    assert "it.safetensors" in {path.name for path in (tmp_path / "site").iterdir()}
    (runs / "damaged.safetensors").write_bytes(b"nothing")
    _, err = run(runs / "it", runs / "damaged.safetensors", "--seeds", 2, code=1)
    assert "damaged.safetensors is not a model file" in err
