"""What is printed as a table can be read on a terminal of 80 columns."""

import pytest

from nca_cli import ablate
from petri import console, modelfile, models
from petri.training.ablation import PARTS, Outcome


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(console.out, "width", 80, raising=False)


def test_the_models_are_a_line_or_two_each(petri):
    lines = petri("models").splitlines()
    assert len(lines) < 2 * len(models.names()) + 5
    for name in models.names():
        (line,) = [line for line in lines if line.startswith(name + " ")]
        model = modelfile.read(models.find(name))
        cell = f"{model.spec.perception} · {model.spec.rule.hidden}×{model.spec.rule.layers}"
        assert ("mesh " if model.spec.space.on_graph else "²") in line
        assert cell in line or (model.classes and model.spec.perception in line)
        assert model.training.get("imported") or model.task == "wear" or model.classes or "%" in line
    assert any("10 classes, 9" in line for line in lines)
    assert max(map(len, lines[:-2])) <= 80 and "…" not in "".join(lines)


def test_an_ablation_keeps_its_numbers_and_its_names(capsys):
    costs = (0.0123, 0.0321, 0.0213), (1234.0, 1200.0, 1300.0), (1230e6, 1200e6, 1300e6)
    names = [f"without {part}" for part in PARTS]
    ablate._show([Outcome("as it is", *costs), *(Outcome(name, *costs) for name in names)])
    lines = capsys.readouterr().out.splitlines()
    for name in names:
        (line,) = [line for line in lines if line.startswith(name + " ")]
        assert "0.0219 ± 0.0099" in line and "1,234 (1,200–1,300)" in line and "1,230" in line
    assert max(map(len, lines)) <= 80 and "…" not in "".join(lines)


def test_numbers_are_never_broken_and_texts_are(capsys):
    made = console.table("", "loss", "verdict", text=("verdict",))
    made.add_row("learned+dilated · 128 hidden · 3 layers residual", "0.0123 ± 0.0012", "told apart " * 7)
    console.out.print(made)
    lines = capsys.readouterr().out.splitlines()
    assert "0.0123 ± 0.0012" in lines[1] and len(lines) > 2 and max(map(len, lines)) <= 80
    assert "".join(lines).count("apart") == 7
