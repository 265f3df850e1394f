import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw

from petri.evaluation import evaluate
from petri.evaluation import sheet as sheets
from petri.evaluation.sheet import GAP, GROUND, TILE


@pytest.fixture(scope="module")
def found(painter, white):
    return evaluate(painter(), white, seeds=2)


def places(drawn, picture):
    """Where a picture of 16 cells a side lies in a sheet, as columns and rows of pixels."""
    wanted = picture.repeat(TILE // 16, axis=0).repeat(TILE // 16, axis=1)
    pixels = np.asarray(drawn)
    step = TILE + GAP
    return [
        (column, top)
        for column in range(sheets.COLUMNS)
        for left in (GAP + column * step, column * step + sheets.NEAR)  # alone, or second of a pair
        for top in range(pixels.shape[0] - TILE)
        if np.array_equal(pixels[top, left : left + TILE], wanted[0])
        and np.array_equal(pixels[top : top + TILE, left : left + TILE], wanted)
    ]


def test_the_pictures_are_on_it(found):
    drawn = sheets.draw([("white", found)])
    for look in found.growth[:3]:
        assert places(drawn, look.picture), look.steps
    damaged = [places(drawn, one.damaged_picture) for one in found.regeneration]
    assert [place[0][0] for place in damaged] == [0, 2, 4, 6]
    assert len({place[0][1] for place in damaged}) == 1  # one row
    # A cell's square is whole: nothing is blurred.
    colours = {
        tuple(colour)
        for colour in np.asarray(drawn)[damaged[0][0][1] :][:TILE, GAP : GAP + TILE].reshape(-1, 3)
    }
    assert colours == {(0, 0, 0), (255, 255, 255)}


def test_models_stand_one_under_another(found):
    one, two = sheets.draw([("a", found)]), sheets.draw([("a", found), ("b", found)])
    assert two.width == one.width and two.height == 2 * one.height - GAP
    pixels = np.asarray(two)
    high = one.height - GAP
    assert (pixels[0] == GROUND).all() and (pixels[high : high + GAP] == GROUND).all()
    below = pixels[high + 60 : high * 2]  # under the name
    assert np.array_equal(pixels[60:high], below)


def test_symbols_that_no_text_font_has_are_named():
    assert sheets._legible("emoji:🦎 ×½±") == "emoji:lizard ×½±"


def test_figures_that_are_not_finite_do_not_keep_it_from_being_drawn(painter, white):
    exploded = evaluate(painter(change=3e38, clamp=None), white, seeds=2)
    assert sheets.draw([("exploded", exploded)]).height > 500


def test_a_sheet_is_written_whole_or_not_at_all(found, tmp_path):
    sheets.save(tmp_path / "a.png", [("white", found)])
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(AttributeError):
        sheets.save(tmp_path / "a.png", [("white", dataclasses.replace(found, loss=None))])
    assert (tmp_path / "a.png").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_a_white_figure_and_its_target_can_be_seen(painter, tmp_path):
    disc = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(disc).ellipse((8, 8, 55, 55), fill="white")
    disc.save(tmp_path / "disc.png")
    found = evaluate(painter(living=True), str(tmp_path / "disc.png"), seeds=2, res=16)
    first = found.growth[0]
    assert first.target[0, 0].tolist() == first.picture[0, 0].tolist() == [0, 0, 0]
    assert first.target[8, 8].tolist() == [255, 255, 255]
    circle = found.regeneration[0].damaged_picture
    assert {0, 255} == set(np.unique(circle))  # what was cut away shows
