from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from petri import console, modelfile, models
from petri.published import read_distill

SHIPPED = models.names()
SIZES = {  # how a small picture is asked for, and its size; of the others with --res 16
    "harlequin": (("--pixels", 32), (128, 32)),
    "mesh-scales": (("--pixels", 32), (128, 32)),
    "lizard-painted": (("--res", 16), (128, 128)),
    "logo-painted": (("--pixels", 64), (64, 64)),
    "mnist": ((), (504, 504)),
    "scales-painted": (("--res", 16), (128, 128)),
}
PUBLISHED = Path(__file__).parents[1] / "data" / "distill"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_plays_by_name(petri, tmp_path, name):
    size, shown = SIZES.get(name, (("--res", 16), (512, 512)))
    said = petri("play", name, "--steps", 4, *size, "--out", tmp_path / "a.png")
    assert "a.png" in said and Image.open(tmp_path / "a.png").size == shown


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


@pytest.fixture
def lizard(tmp_path):
    """A published figure, whose file names no ground."""
    path = tmp_path / "lizard.safetensors"
    modelfile.write(path, read_distill(PUBLISHED / "ex1_lizard.json"))
    return path


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ((), (255, 255, 255, 255)),
        (("--ground", "black"), (0, 0, 0, 255)),
        (("--ground", "#336699"), (51, 102, 153, 255)),
        (("--ground", "transparent"), (0, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("ending", [".png", ".apng", ".webp"])
def test_a_figure_is_on_the_ground_asked_for(petri, tmp_path, lizard, asked, seen, ending):
    path = tmp_path / f"a{ending}"
    petri("play", lizard, "--steps", 4, "--size", 16, "--zoom", 1, *asked, "--out", path)
    with Image.open(path) as read:
        for number in range(getattr(read, "n_frames", 1)):
            read.seek(number)
            found = np.array(read.convert("RGBA").getpixel((0, 0)), int)
            assert found[3] == seen[3] and abs(found - seen).max() <= (3 if ending == ".webp" else 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ground", "transparent", "--out", "a.gif"), "a.gif cannot be transparent"),
        (("--ground", "transparent"), "a terminal cannot be transparent: give --out FILE"),
        (("--ground", "green"), "must be auto, white, black, #rrggbb or transparent, got 'green'"),
    ],
)
def test_a_ground_that_cannot_be_had_is_one_line(petri, lizard, arguments, said):
    words = petri("play", lizard, *arguments, code=2)
    assert said in words and len(words.strip().splitlines()) == 1


def test_a_plane_has_no_ground_to_choose(petri, tmp_path):
    said = petri("play", "circle", "--ground", "black", "--out", tmp_path / "a.png", code=2)
    assert "circle fills its whole grid" in said and not (tmp_path / "a.png").exists()
    said = petri("grow", "circle", "--ground", "black", "--dry-run", code=2)
    assert "circle fills its whole grid" in said


def test_without_colours_the_terminal_gets_shades(monkeypatch):
    monkeypatch.setattr(console, "out", Console(no_color=True))
    ramp = np.repeat(np.linspace(0, 255, 20).astype(np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0)
    lines = console.half_blocks(ramp, 20, 10).plain.splitlines()
    assert len(lines) == 2 and lines[0] == lines[1]
    assert lines[0][0] == " " and lines[0][-1] == "@" and len(set(lines[0])) == len(console.SHADES)


def test_memory_at_an_end_is_one_line_with_advice(petri, tmp_path, monkeypatch):
    def film(*_, **__):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
        yield

    monkeypatch.setattr("petri.film.film", film)
    said = petri("play", "circle", "--out", tmp_path / "a.png", code=1)
    assert said.strip() == "petri: not enough memory: lower --res, --steps or --zoom"
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("petri.memory.installed", lambda: 10**9)
    said = petri("play", "circle", "--res", 4096, "--zoom", 1, "--out", tmp_path / "a.png", code=2)
    assert "growing 4096×4096 cells wants about" in said and said.count("\n") == 1


def test_memory_at_an_end_is_explained_by_every_command(petri, monkeypatch):
    def read(path):
        raise MemoryError

    monkeypatch.setattr("petri.modelfile.read", read)
    said = petri("evaluate", "circle", code=1)
    assert said.strip() == "petri: not enough memory: ask for a smaller grid, or for less at once"


def test_a_tile_of_a_texture_fits_itself(petri, tmp_path):
    path = tmp_path / "tile.png"
    said = petri("play", "woven", "--tile", path, "--res", 40, "--steps", 150)
    assert "tile.png" in said
    with Image.open(path) as read:
        assert read.size == (40, 40)  # a pixel a cell
        tile = np.asarray(read.convert("RGB")).astype(float)
    for axis in (0, 1):
        steps = np.abs(tile - np.roll(tile, 1, axis=axis)).mean(axis=(1 - axis, 2))
        seam, inside = steps[0], steps[1:]
        assert inside.min() <= seam <= inside.max()  # the seam is a line like any other
        far = np.abs(tile - np.roll(tile, 20, axis=axis)).mean(axis=(1 - axis, 2))
        assert far.mean() > 1.2 * inside.mean()  # which lines of two places are not


def test_what_is_no_tile_is_refused(petri, tmp_path):
    for arguments, message in [
        (("spiral", "--tile", "a.png"), "spiral is no texture: its edges do not fit each other"),
        (("woven", "--tile", "a.gif"), "a tile is a .png, got a.gif"),
        (("woven", "--tile", "a.png", "--out", "b.png"), "leave out --out and --zoom"),
        (("woven", "--tile", "a.png", "--zoom", 2), "leave out --out and --zoom"),
    ]:
        assert message in petri("play", *arguments, code=2)
