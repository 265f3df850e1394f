"""What a user types of senses, fixed planes and starts: bad input is one line, and nothing is written."""

from __future__ import annotations

import pytest
from safetensors import safe_open

BAD = [
    ("--perception=sobbel", "unknown sense 'sobbel' in 'sobbel', did you mean \"sobel\"?"),
    ("--perception=conv3+convo5", 'did you mean "conv5d2"?'),
    ("--perception=atention3", 'did you mean "attention3"?'),
    ("--perception=conv4", "the size of a convolution must be odd, so that it has a centre, got 4"),
    ("--perception=attention33", "the size of attention must be a whole number in 1..31, got 33"),
    ("--perception=conv17", "a sense of 17×17 cells is larger than the grid, 16×16"),
    ("--perception=learned17", "a sense of 17×17 cells is larger than the grid, 16×16"),
    ("--perception=residual3d2", "'residual3d2' has no place for a dilation (d2)"),
    ("--perception=deformable3d2w8", "'deformable3d2w8' has no place for a dilation (d2)"),
    ("--perception=learned3d2", "'learned3d2' can have a size alone, such as learned5"),
    ("--perception=conv3d0", "the dilation of a convolution must be a whole number in 1..16, got 0"),
    ("--perception=conv3+", "unknown sense '' in 'conv3+'"),
    ("--perception=conv" + "9" * 5000, "unknown sense 'conv99"),
    ("--perception=conv３", "unknown sense 'conv３'"),
    ("--perception=stencil3", "unknown sense 'stencil3'"),
    ("--set=spec.senses=conw3", 'did you mean "conv3"?'),
    ("--set=spec.senses=[]", "senses must be a name or at least one sense, got ()"),
    ("--set=spec.senses=[3]", "sense 1 must be a table, got 3"),
    ('--set=spec.senses=[{kind="cnv"}]', "sense 1 is of an unknown kind 'cnv', did you mean \"conv\"?"),
    ('--set=spec.senses=[{kind="conv", size=4}]', "the size of a convolution must be odd"),
    ('--set=spec.senses=[{kind="residual", dilation=2}]', "(residual) has an unknown field 'dilation'"),
    ('--set=spec.senses=[{kind="stencil", filters=["sobel"]}]', "each filter of a stencil must be one of"),
    ("--set=spec.fixed=65", "fixed must be a whole number in 0..64, got 65"),
    ("--set=spec.start.kind=given", "the Spec's start is given: pass the state"),
    ("--set=spec.start.kind=nose", "start is of an unknown kind 'nose', did you mean \"noise\"?"),
    ("--set=spec.start=noise", "start must be a table, got 'noise'"),
    ("--set=spec.rule.hidden_bound=0", "hidden_bound must be in (0, 1e+06], got 0"),
    ("--engine=native --perception=attention3", "the native engine cannot take this rollout: "),
    ("--engine=native --perception=residual3", "the native engine cannot take this rollout: "),
]


@pytest.mark.parametrize(("typed", "said"), BAD, ids=[typed[:45] for typed, _ in BAD])
def test_bad_senses_are_one_line_and_nothing_is_written(petri, tmp_path, monkeypatch, typed, said):
    monkeypatch.chdir(tmp_path)
    options = typed.split(" --")
    options[1:] = ["--" + option for option in options[1:]]
    printed = petri("grow", "circle", "--res", "16", "--epochs", "1", *options, code=2)
    *introduced, line = printed.strip().splitlines()
    assert said in line and line.startswith("petri: ")
    assert len(introduced) == 0, introduced
    assert not list(tmp_path.iterdir())


TINY = ["--res=16", "--hidden=16", "--layers=2", "--epochs=2", "--set=phases.steps=[4, 8]"]


@pytest.mark.parametrize("perception", ["conv3+conv5d2", "attention3"])
def test_a_figure_is_grown_with_other_senses(petri, tmp_path, monkeypatch, perception):
    monkeypatch.chdir(tmp_path)
    # Two epochs grow no figure, which is what the exit code says.
    printed = petri("grow", "emoji:🦎", "--perception", perception, *TINY, "--name=run", code=1)
    assert perception in printed
    assert f'senses = "{perception}"' in (tmp_path / "runs/run/recipe.toml").read_text()
    with safe_open(tmp_path / "runs/run/model.safetensors", "pt") as file:
        assert any(name.startswith("perception.0.") for name in file.keys())  # noqa: SIM118
    petri("play", "runs/run", "--out", "grown.png")
    assert (tmp_path / "grown.png").is_file()


def test_another_kind_of_start_brings_its_own_fields(petri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = ["--set=spec.start.kind=noise", "--set=spec.start.level=0.5"]
    assert "starts from noise" in petri("grow", "circle", *TINY, *start, "--name=run")
    assert "level = 0.5" in (tmp_path / "runs/run/recipe.toml").read_text()
