import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from petri import console, models

SHIPPED = models.names()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_plays_by_name(petri, tmp_path, name):
    said = petri("play", name, "--steps", 4, "--res", 16, "--out", tmp_path / "a.png")
    assert "a.png" in said and Image.open(tmp_path / "a.png").size == (512, 512)


def test_some_models_are_shipped():
    assert {"circle", "spiral"} <= set(SHIPPED)


def test_size_and_zoom_are_those_of_the_file(petri, tmp_path):
    petri("play", "circle", "--steps", 6, "--res", 20, "--zoom", 3, "--out", tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as read:
        assert read.size == (60, 60)


def test_damage_cuts_a_hole_half_way(petri, tmp_path):
    for name, extra in (("whole", []), ("cut", ["--damage"])):
        petri(
            "play",
            "circle",
            "--steps",
            60,
            "--res",
            48,
            "--zoom",
            1,
            "--out",
            tmp_path / f"{name}.apng",
            *extra,
        )

    def frame(name, number):
        with Image.open(tmp_path / f"{name}.apng") as read:
            read.seek(number)
            return np.asarray(read.convert("RGB")).astype(int)

    assert np.array_equal(frame("whole", 15), frame("cut", 15))  # step 30
    gone = (frame("cut", 16) == 0).all(axis=2) & (frame("whole", 15) != 0).any(axis=2)
    assert 0.1 < gone.mean() < 0.26


def test_without_colours_the_terminal_gets_shades(monkeypatch):
    monkeypatch.setattr(console, "out", Console(no_color=True))
    ramp = np.repeat(np.linspace(0, 255, 20).astype(np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0)
    lines = console.half_blocks(ramp, 20, 10).plain.splitlines()
    assert len(lines) == 2 and lines[0] == lines[1]
    assert lines[0][0] == " " and lines[0][-1] == "@" and len(set(lines[0])) == len(console.SHADES)
