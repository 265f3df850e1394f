from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import pytest

from petri.errors import BadRequest
from petri.targets import PATTERNS, load, sheet
from petri.targets.render import render, samples

# At 64 cells: the mean, the cell in row 9 and column 40, the cell in row 50 and column 13.
RECORDED = {
    "spiral": ((0.2508, 0.4193, 0.4304), (0.177, 0.7701, 0.7005), (0.15, 0.7525, 0.7775)),
    "voronoi": ((0.48, 0.4567, 0.4518), (0.2, 0.62, 0.6), (0.958, 0.6587, 0.4193)),
    "checkerboard": ((0.75, 0.505, 0.34), (0.9, 0.08, 0.6), (0.6, 0.93, 0.08)),
    "braid": ((0.2401, 0.2602, 0.2792), (0.7507, 0.1581, 0.1581), (0.7539, 0.1587, 0.1587)),
    "circle": ((0.3709, 0.2797, 0.1122), (0.035, 0.04, 0.085), (0.035, 0.04, 0.085)),
    "mandelbrot": ((0.3763, 0.5083, 0.5603), (0.9377, 0.8936, 0.6727), (0.2384, 0.6248, 0.8496)),
    "topo": ((0.2328, 0.4511, 0.6558), (0.8776, 0.9474, 0.9574), (0.6235, 0.7808, 0.853)),
    "cross": ((0.3209, 0.3244, 0.3553), (0.035, 0.04, 0.085), (0.035, 0.04, 0.085)),
    "rings": ((0.4079, 0.2499, 0.4219), (0.72, 0.18, 0.55), (0.6374, 0.1631, 0.4939)),
}


@functools.cache
def rgb(name: str, res: int) -> np.ndarray:
    """Rows, columns, colours."""
    return np.moveaxis(load(name, res).pixels[:3], 0, 2)


def blocks(picture: np.ndarray, side: int) -> np.ndarray:
    res = picture.shape[0] // side
    return picture.reshape(res, side, res, side, -1).mean(axis=(1, 3))


def test_there_are_nine_and_each_is_described():
    assert list(PATTERNS) == list(RECORDED)
    assert all(pattern.description and "\n" not in pattern.description for pattern in PATTERNS.values())


def test_listing_costs_no_numpy_no_pillow_no_torch():
    code = (
        "import sys, petri.targets as t; assert len(t.PATTERNS) == 9;"
        "assert not {'numpy', 'PIL', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_opaque_in_range_and_the_recorded_one(name):
    target = load(name, 64)
    assert target.name == name and not target.transparent and target.seed == (0.5, 0.5)
    assert target.pixels.shape == (4, 64, 64) and target.pixels.dtype == np.float32
    assert (target.pixels[3] == 1).all()
    assert target.pixels.min() >= 0 and target.pixels.max() <= 1
    picture = np.moveaxis(target.pixels[:3], 0, 2)
    mean, one, other = RECORDED[name]
    np.testing.assert_allclose(picture.mean((0, 1)), mean, atol=1e-4)
    np.testing.assert_allclose(picture[9, 40], one, atol=1e-4)
    np.testing.assert_allclose(picture[50, 13], other, atol=1e-4)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_same_picture_at_half_the_size_is_the_mean_of_blocks(name):
    small, large = rgb(name, 64), rgb(name, 128)
    np.testing.assert_allclose(small, blocks(large, 2), atol=2e-6)


@pytest.mark.parametrize("name", PATTERNS)
def test_odd_sizes_show_the_same_picture(name):
    res = (17, 63, 100)[list(PATTERNS).index(name) % 3]
    odd = rgb(name, res)
    np.testing.assert_allclose(odd.mean((0, 1)), rgb(name, 64).mean((0, 1)), atol=4e-3)
    # Corner by corner too: nothing is shifted or cut off.
    half = res // 2
    whole = rgb(name, 128)
    np.testing.assert_allclose(odd[:half, :half].mean((0, 1)), whole[:64, :64].mean((0, 1)), atol=0.06)
    np.testing.assert_allclose(odd[-half:, :half].mean((0, 1)), whole[-64:, :64].mean((0, 1)), atol=0.06)


def test_edges_between_cells_are_smoothed():
    edge = rgb("circle", 63)[..., 0]
    between = (edge > 0.05) & (edge < 0.94)
    assert 100 < between.sum() < 63 * 6  # around the rim and nowhere else
    assert len(np.unique(edge[between].round(3))) > 10


@pytest.mark.parametrize(
    ("res", "sub"), [(16, 64), (48, 22), (64, 16), (128, 8), (512, 2), (1000, 2), (4096, 2)]
)
def test_every_cell_has_several_samples(res, sub):
    assert samples(res) == sub


def test_rendering_in_chunks_changes_nothing(monkeypatch):
    whole = render(PATTERNS["rings"].paint, 40)
    monkeypatch.setattr("petri.targets.render.CHUNK", 1)
    np.testing.assert_array_equal(whole, render(PATTERNS["rings"].paint, 40))


def test_rows_and_columns_are_not_swapped():
    picture = render(lambda x, y: np.stack([x, y, 0 * x], axis=-1), 16)
    np.testing.assert_allclose(picture[0, 15], (31 / 32, 1 / 32, 0), atol=1e-6)


def test_checkerboard_has_exactly_eight_by_eight_squares():
    picture = rgb("checkerboard", 64)
    squares = picture.reshape(8, 8, 8, 8, 3)
    assert (squares == squares[:, :1, :, :1]).all()  # no cell of a square differs from its first
    magenta = (picture[..., 0] > picture[..., 1]).sum()
    assert magenta == 64 * 64 / 2
    corner, right, below = picture[0, 0], picture[0, 8], picture[8, 0]
    assert corner[2] > 0.5 > corner[1] and right[1] > 0.8
    np.testing.assert_array_equal(right, below)


def test_spiral_has_two_like_arms_and_unwinds_clockwise():
    picture = rgb("spiral", 64)
    np.testing.assert_allclose(picture, picture[::-1, ::-1], atol=1e-5)  # half a turn
    assert np.abs(picture - picture[:, ::-1]).max() > 0.5
    paint = PATTERNS["spiral"].paint
    # Walking out along one arm, with y down: a quarter turn clockwise is half a pitch further out.
    turn = np.arange(0.5, 2.0, 0.05)
    radius = 0.145 * 2 * turn
    inside = radius < 0.45
    x, y = (0.5 + f(2 * np.pi * turn) * radius for f in (np.cos, np.sin))
    assert paint(x[inside], y[inside]).max(axis=-1).min() > 0.6
    assert paint(x[inside], 1 - y[inside]).max(axis=-1).min() < 0.1


def test_voronoi_has_sixteen_cells_of_their_own_colour():
    from petri.targets.voronoi import COLOURS, SEEDS, paint

    at_seeds = paint(SEEDS[:, 0], SEEDS[:, 1])
    np.testing.assert_allclose(at_seeds, COLOURS, atol=1e-9)
    assert len({tuple(colour) for colour in COLOURS}) == 16
    a, b = SEEDS[5], SEEDS[6]
    middle = (a + b) / 2  # half-way between neighbours
    assert paint(middle[:1], middle[1:]).max() < 0.1


def test_voronoi_edges_are_as_far_as_the_plain_definition_says():
    from petri.targets.voronoi import COLOURS, EDGE, SEEDS, WIDTH, paint

    for x, y in ((0.31, 0.77), (0.5, 0.5), (0.13, 0.29), (0.74, 0.41), (0.52, 0.66)):
        point = np.array((x, y))
        own = min(SEEDS, key=lambda seed: ((point - seed) ** 2).sum())
        edge = min(
            ((point - seed) ** 2 - (point - own) ** 2).sum() / (2 * np.linalg.norm(seed - own))
            for seed in SEEDS
            if (seed != own).any()
        )
        t = min(max((edge - 0.004) / (WIDTH - 0.004), 0), 1)
        light = t * t * (3 - 2 * t)
        colour = COLOURS[[(seed == own).all() for seed in SEEDS].index(True)]
        expected = np.array(EDGE) * (1 - light) + colour * light
        np.testing.assert_allclose(paint(point[:1], point[1:])[0], expected, atol=1e-9)


def test_braid_strands_pass_over_and_under_in_turn():
    from petri.targets.braid import SWAY, TWISTS, paint

    def middle(strand, y):
        return 0.5 + SWAY * np.sin(2 * np.pi * (TWISTS * y + strand / 3))

    y = np.linspace(0, 1, 20001)
    for one in range(3):
        above = []
        for other in {0, 1, 2} - {one}:
            apart = middle(one, y) - middle(other, y)
            above += [(y[i], one, other) for i in np.flatnonzero(np.diff(np.sign(apart)))]
        order = []
        for at, strand, other in sorted(above):
            colour = paint(np.array([middle(strand, at)]), np.array([at]))[0]
            assert colour.argmax() in (strand, other) and colour.max() > 0.5
            order.append(bool(colour.argmax() == strand))
        assert len(order) == 4
        assert order == [order[0], not order[0]] * 2  # over, under, over, under


def test_the_braid_at_the_top_is_red_in_the_middle_and_blue_on_the_left():
    picture = rgb("braid", 48)
    assert picture[3, 14].argmax() == 2
    assert picture[3, 30].argmax() == 0
    assert picture[16, 14].argmax() == 1
    assert picture[:, :3].max() < 0.1  # dark ground


def test_circle_and_cross_cover_what_they_should():
    disc = (rgb("circle", 256)[..., 0] - 0.035) / (0.96 - 0.035)
    assert abs(disc.mean() - np.pi * 0.34**2) < 1e-4
    cross = rgb("cross", 64)[..., 0] > 0.5
    assert cross.sum() == 2 * 48 * 16 - 16 * 16
    np.testing.assert_array_equal(cross, cross.T)


def test_mandelbrot_points_to_the_left_and_knows_the_set():
    from petri.targets.mandelbrot import CENTRE, INSIDE, WIDTH, paint

    def at(c: complex) -> np.ndarray:
        return paint(np.array([(c.real - CENTRE) / WIDTH + 0.5]), np.array([0.5 - c.imag / WIDTH]))[0]

    for c in (0, -1, -1.3, 0.3 + 0.5j, -0.12 + 0.75j):
        np.testing.assert_array_equal(at(complex(c)), INSIDE)
    for c in (0.5, 1j + 0.1, -1.6 + 0.5j):
        assert at(complex(c)).max() > 0.3
    picture = rgb("mandelbrot", 64)
    np.testing.assert_allclose(picture, picture[::-1], atol=1e-5)
    dark = picture.max(-1) < 0.1
    assert dark[:, 32:].sum() > 2 * dark[:, :32].sum()


def test_topo_is_blue_and_has_few_bands():
    from petri.targets.topo import BANDS, paint

    x, y = np.meshgrid(np.linspace(0, 1, 200), np.linspace(0, 1, 200))
    colours = paint(x, y)
    assert (colours[..., 2] > colours[..., 0]).all()
    tones = colours[..., 0] / colours[..., 2]  # shading darkens all channels alike
    assert len(np.unique(tones.round(6))) == BANDS


def test_noise_is_what_the_published_hash_gives():
    from petri.targets.noise import gradient_noise, pcg

    def plain(v: int) -> int:
        a = (v * 747796405 + 2891336453) % 2**32
        w = ((a >> ((a >> 28) + 4)) ^ a) * 277803737 % 2**32
        return (w >> 22) ^ w

    values = [0, 1, 2**31, 2**32 - 1, 123456789]
    assert pcg(np.array(values, np.uint32)).tolist() == [plain(v) for v in values]
    lattice = np.arange(5.0)
    assert np.abs(gradient_noise(lattice, lattice, 3)).max() < 1e-12  # zero where the gradients sit
    x, y = np.random.default_rng(0).random((2, 1000)) * 5
    value = gradient_noise(x, y, 3)
    assert 0.3 < np.abs(value).max() < 1
    np.testing.assert_allclose(value[:7], gradient_noise(x[:7], y[:7], 3), atol=1e-12)  # point by point


def test_rings_go_from_warm_to_cool():
    picture = rgb("rings", 64)
    np.testing.assert_allclose(picture, np.swapaxes(picture, 0, 1), atol=1e-5)
    ring_2, ring_4 = picture[32, 32 + 16], picture[32, 63]
    assert ring_2[0] > 0.8 > ring_2[2]
    assert ring_4[2] > 0.8 > ring_4[0]


def test_sheet_shows_all_nine():
    picture = sheet(48)
    assert picture.mode == "RGB" and picture.width < picture.height < 2 * picture.width
    values = np.asarray(picture)
    assert values[0, 0].tolist() == [24, 25, 27]
    assert (values == (230, 20, 153)).all(-1).sum() == 48 * 48 // 2  # checkerboard, whole


@pytest.mark.parametrize("res", [15, 8, 4097, 0, -64, 64.0, "64", True, None])
def test_sizes_out_of_range_are_refused(res):
    with pytest.raises(BadRequest, match=r"res must be a whole number in 16\.\.4096, got "):
        load("circle", res)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(BadRequest, match='unknown target "sprial", did you mean "spiral"'):
        load("sprial", 64)
    for name in ("", "qqqqqqq", "x" * 5000, "a\0b"):
        with pytest.raises(BadRequest, match="unknown target"):
            load(name, 64)


def test_a_pattern_wins_over_a_file_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "circle").write_text("not an image")
    assert load("circle", 16).name == "circle"
    with pytest.raises(BadRequest, match="not an image"):
        load("./circle", 16)
