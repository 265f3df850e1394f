"""How a classifier is measured, on made-up pictures whose votes are known."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from specs import tells_brightness

from petri.datasets import own
from petri.datasets.pictures import Labelled, Pictures
from petri.errors import BadRequest
from petri.evaluation import confusion, recognition
from petri.evaluation.classes import classify, others, told
from petri.nca.colours import COLOURS, UNDECIDED


def pictures(*brightness):
    """An object of four cells in each, all of one brightness; a pair is of two halves."""
    images = torch.zeros(len(brightness), 1, 16, 16, dtype=torch.uint8)
    for image, one in zip(images, brightness, strict=True):
        image[0, 8, 6:10] = torch.tensor(one if isinstance(one, tuple) else (one,) * 4, dtype=torch.uint8)
    return images


def test_each_figure_is_what_it_says():
    # A cell's votes come to rest at 1.1 for "dim", and at twice its brightness for "bright".
    model = tells_brightness()
    images = pictures(60, 255, 255, (255, 120, 120, 120), 90)
    part = Labelled(images, torch.tensor([0, 1, 0, 0, 0]))
    found = classify(model.automaton, part, model.classes, marks=(8, 14), swap=None)
    assert [reading.steps for reading in found.readings] == [8, 14]
    for reading in found.readings:
        assert reading.pictures == 3 / 5  # the third is called bright; the fourth is, in the mean
        assert reading.majority == 4 / 5  # but most of its cells are dim
        assert reading.cells == (4 + 4 + 0 + 3 + 4) / 20
        assert reading.agreement == pytest.approx((1 + 1 + 1 + 3 / 4 + 1) / 5)
    assert found.confusion == ((2, 2), (0, 1)) and found.asked == 14 and found.pictures == 5
    assert found.to_fields()["confusion"] == [[2, 2], [0, 1]] and found.to_fields()["swap"] is None


def test_a_batch_is_measured_as_its_pictures_one_by_one():
    model = tells_brightness()
    part = Labelled(pictures(60, 255, (255, 100, 255, 100), 200), torch.tensor([0, 1, 1, 0]))
    whole = classify(model.automaton, part, model.classes, marks=(3, 9), swap=None)
    twice = Labelled(part.images.repeat(100, 1, 1, 1), part.labels.repeat(100))  # more than a batch
    many = classify(model.automaton, twice, model.classes, marks=(3, 9), swap=None)
    assert many.pictures == 400 and many.readings[1].pictures == pytest.approx(
        whole.readings[1].pictures, 0.05
    )


def test_pictures_are_swapped_for_others_that_show_something_else():
    assert others(torch.tensor([0, 0, 1, 0])).tolist() == [2, 2, 3, 2]
    assert others(torch.tensor([1, 1])).tolist() == [0, 1]
    model = tells_brightness()
    part = Labelled(pictures(60, 255), torch.tensor([0, 1]))
    found = classify(model.automaton, part, model.classes, marks=(4,), swap=16)
    assert (found.swap.steps, found.swap.before) == (16, 1.0)
    assert (found.swap.after, found.swap.recovery) == (1.0, 100.0)
    assert math.isnan(type(found.swap)(5, 0.0, 0.5).recovery)


def test_what_a_picture_is_told_to_be():
    model = tells_brightness()
    state = model.automaton.seed_state(16, fixed=pictures((255, 255, 255, 100))[0] / 255)
    assert told(model.rollout(state, 6, seed=3)[0], model.spec) == (1, 0.75)


def test_other_classes_and_other_planes_are_refused():
    model = tells_brightness()
    part = Labelled(pictures(1, 2), torch.tensor([0, 1]))
    with pytest.raises(BadRequest, match="the model tells dim, bright apart, x shows cat, dog"):
        recognition.check_fits(model, Pictures("x", "x", ("cat", "dog"), part, part, part))
    colour = Labelled(part.images.expand(-1, 3, -1, -1), part.labels)
    with pytest.raises(BadRequest, match="the model sees 1 planes, a picture of x has 3"):
        recognition.check_fits(model, Pictures("x", "x", model.classes, colour, colour, colour))


def test_the_confusion_matrix_is_drawn(tmp_path):
    model = tells_brightness()
    part = Labelled(pictures(60, 255), torch.tensor([0, 1]))
    confusion.save(tmp_path / "c.png", classify(model.automaton, part, model.classes, marks=(4,), swap=None))
    with Image.open(tmp_path / "c.png") as image:
        assert image.width > 200 and len(set(image.convert("L").tobytes())) > 20


def save(path, pixels):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return path


def test_a_picture_of_ones_own_is_made_to_fit_and_that_is_said(tmp_path):
    exact = np.zeros((4, 6))
    exact[1:3, 2:5] = 200
    planes, notes = own.read(save(tmp_path / "a.png", exact), 1, (4, 6))
    assert notes == [] and np.allclose(planes[0] * 255, exact)
    large = np.zeros((40, 20))
    large[10:30, 5:15] = 255
    planes, notes = own.read(save(tmp_path / "b.png", large), 1, (8, 8))
    assert notes == ["b.png has 20 × 40 pixels: made 8 × 8"]
    assert not planes[0, :, :2].any() and not planes[0, :, 6:].any() and planes[0, 3, 4] == 1
    planes, notes = own.read(save(tmp_path / "c.png", 255 - exact), 1, (4, 6))
    assert notes == ["c.png is dark on bright: inverted"] and np.allclose(planes[0] * 255, exact)
    for ink, name in ((0, "dark.png"), (255, "bright.png")):  # on nothing, as a drawing program leaves it
        clear = np.full((4, 6, 4), ink)
        clear[..., 3] = exact
        planes, notes = own.read(save(tmp_path / name, clear), 1, (4, 6))
        assert np.allclose(planes[0] * 255, exact) and len(notes) == (ink == 0)
    colour = np.zeros((4, 4, 3))
    colour[1, 2] = 255, 0, 51
    planes, _ = own.read(save(tmp_path / "d.png", colour), 3, (4, 4))
    assert np.allclose(planes[:, 1, 2], [1, 0, 0.2])


def test_a_photograph_of_paper_is_turned_as_it_was_taken_and_its_ground_made_black(tmp_path):
    exact = np.zeros((8, 8))
    exact[1, 2:7] = exact[1:6, 5] = 255
    paper = np.linspace(150, 200, 8)[None] * np.ones((8, 1))  # lit from the right
    taken = Image.fromarray(np.rot90(np.where(exact > 0, 30, paper)).astype(np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    taken.save(tmp_path / "photo.png", exif=turned)
    planes, notes = own.read(tmp_path / "photo.png", 1, (8, 8))
    assert np.array_equal(planes[0] > own.EMPTY, exact > 0) and planes.max() == 1
    assert notes == [
        "photo.png is dark on bright: inverted",
        "photo.png has a ground that is not black: what is no brighter than its edge is left out",
    ]


@pytest.mark.parametrize(
    "paper, ink, dark", [(120, 10, True), (90, 0, True), (120, 250, False), (60, 255, False)]
)
def test_ink_is_told_by_its_ground(tmp_path, paper, ink, dark):
    exact = np.zeros((8, 8), bool)
    exact[1, 2:7] = exact[1:6, 5] = True
    planes, notes = own.read(save(tmp_path / "a.png", np.where(exact, ink, paper)), 1, (8, 8))
    assert np.array_equal(planes[0] > own.EMPTY, exact) and planes.max() == 1
    assert any("inverted" in note for note in notes) == dark


def test_faint_ink_on_paper_that_is_lit_in_its_middle_is_ink(tmp_path):
    paper = np.full((8, 8), 150)
    paper[1:7, 1:7] = 215
    paper[3, 2:6] = 100
    planes, notes = own.read(save(tmp_path / "a.png", paper), 1, (8, 8))
    assert np.array_equal(planes[0] > own.EMPTY, paper == 100) and "inverted" in notes[0]


def test_a_picture_of_sixteen_bits_is_as_grey_as_one_of_eight(tmp_path):
    grey = np.zeros((6, 6), np.uint16)
    grey[2:4, 1:5] = 120, 160, 200, 255
    Image.fromarray(grey * 257).save(tmp_path / "deep.png")
    planes, notes = own.read(tmp_path / "deep.png", 1, (6, 6))
    assert notes == [] and np.allclose(planes[0] * 255, grey)


def test_an_empty_drawing_and_no_picture_are_refused(tmp_path):
    for grey in (0, 20, 100, 128, 200, 255):
        with pytest.raises(BadRequest, match=r"there is nothing in .*a\.png: no part of it differs"):
            own.read(save(tmp_path / "a.png", np.full((8, 8), grey)), 1, (8, 8))
    with pytest.raises(BadRequest, match="no such file"):
        own.read(tmp_path / "none.png", 1, (8, 8))
    (tmp_path / "t.png").write_text("no")
    with pytest.raises(BadRequest, match="is not an image that can be read"):
        own.read(tmp_path / "t.png", 1, (8, 8))


# Machado, Oliveira and Fernandes 2009, severity 1: what is seen with one kind of cone missing.
MISSING = {
    "none": np.eye(3),
    "L": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "M": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "S": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


@pytest.mark.parametrize("cones", MISSING)
def test_any_two_colours_are_told_apart_by_everyone(cones):
    colours = [bytes.fromhex(colour[1:]) for colour in (*COLOURS, UNDECIDED, "#000000")]
    values = np.array([list(colour) for colour in colours]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(MISSING[cones]).T, 0, 1)
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.072175],
        [0.0193339, 0.119192, 0.9503041],
    ]
    xyz = seen @ np.array(to_xyz).T / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 1e3 * np.eye(len(lab))
    assert apart.min() > 27
