"""What a texture is to be like: squares of pictures, and what no texture can be learned from."""

import numpy as np
import pytest
from PIL import Image

from petri.errors import BadRequest
from petri.targets import PICTURES, exemplar, load, travels


@pytest.fixture
def photo(tmp_path):
    """The path of a picture of 96 × 64 pixels: red grows to the right, green downwards."""
    y, x = np.mgrid[:64, :96]
    pixels = np.stack([2 * x, 3 * y, np.full_like(x, 10)], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_the_largest_square_is_taken_from_the_middle(photo):
    found = exemplar.load(photo, 32)
    assert found.name == "photo.png" and found.box == (16, 0, 80, 64)
    assert found.pixels.shape == (3, 32, 32) and found.pixels.dtype == np.float32
    assert found.pixels[0, 0, 0] * 255 == pytest.approx(2 * 16.5, abs=2)
    assert "64² of the 96 × 64 pixels of photo.png, 2 along a cell" in found.notes


def test_scale_and_crop_say_which_pixels_a_cell_covers(photo):
    found = exemplar.load(photo, 16, scale=1, crop=(1, 0.5))
    assert found.box == (80, 24, 96, 40)
    wanted = np.mgrid[24:40, 80:96]
    assert np.allclose(found.pixels[:2] * 255, np.stack([2 * wanted[1], 3 * wanted[0]]), atol=0.01)


def test_other_squares_have_little_in_common_with_it(photo):
    found = exemplar.load(photo, 16, scale=2, crop=(0, 0))  # 32² at the top left
    others = list(found.others())
    assert len(others) == 8 and all(other.shape == (3, 16, 16) for other in others)
    assert not any(np.array_equal(other, found.pixels) for other in others)
    assert list(exemplar.load(photo, 16, scale=4).others()) == []  # all of its height: no room for half


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"res": 64, "scale": 2}, "it is smaller than the 128² that 2 a cell would need"),
        ({"res": 96}, "it is enlarged"),
    ],
)
def test_a_picture_that_is_too_small_is_said_to_be(photo, how, words):
    assert words in exemplar.load(photo, **how).notes[-1]


def test_what_is_transparent_is_white(tmp_path):
    Image.fromarray(np.tile([[[255, 0, 0, 255], [0, 0, 0, 0]]], (16, 8, 1)).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    found = exemplar.load(str(tmp_path / "a.png"), 16)
    assert np.array_equal(found.pixels[:, 0, :2], [[1, 1], [0, 1], [0, 1]])
    assert "white" in found.notes[0]


@pytest.mark.parametrize("name", ["spiral", "text:Hi", "emoji:🦎"])
def test_what_has_no_pixels_of_its_own_is_drawn(name):
    found = exemplar.load(name, 32)
    assert found.pixels.shape == (3, 32, 32) and list(found.others()) == []
    assert found.pixels.min() >= 0 and found.pixels.max() <= 1
    with pytest.raises(BadRequest, match="a scale and a crop are of a picture in a file"):
        exemplar.load(name, 32, scale=2)


def test_an_animation_says_which_picture_it_is(tmp_path, photo):
    frames = [Image.open(photo).rotate(turn) for turn in (0, 90)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert "only the first" in exemplar.load(str(tmp_path / "a.gif"), 16).notes[0]


@pytest.mark.parametrize(
    ("size", "colour", "words"),
    [
        ((1, 1), None, "is 1 × 1 pixels: a texture needs 16 along a side"),
        ((40, 8), None, "is 40 × 8 pixels"),
        ((40, 40), (9, 9, 9), "is one colour throughout: there is no texture in it"),
    ],
)
def test_no_texture_is_in_what_is_too_small_or_one_colour(tmp_path, size, colour, words):
    picture = Image.new("RGB", size, colour or (1, 2, 3))
    picture.save(tmp_path / "a.png")
    with pytest.raises(BadRequest, match=words):
        exemplar.load(str(tmp_path / "a.png"), 32)


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "logo"])
def test_pictures_that_come_along_have_other_squares_to_judge_by(name):
    found = exemplar.load(name, 32, scale=2.5)
    assert found.name == name and found.pixels.shape == (3, 32, 32)
    assert len(list(found.others())) == 8
    plane = load(name, 32)
    assert plane.name == name and not plane.transparent and travels(name)
