from __future__ import annotations

import numpy as np
import pytest
from PIL import features

from petri.errors import BadRequest
from petri.targets import emoji, load


@pytest.fixture(scope="module")
def noto():
    if emoji.find_font() is None:
        pytest.skip("the font Noto Color Emoji is not installed")


@pytest.fixture
def no_font(monkeypatch):
    monkeypatch.setattr(emoji, "find_font", lambda: None)


def test_the_bundled_emoji_need_no_font(no_font):
    assert len(emoji.bundled().split()) == 9
    for character in emoji.bundled().split():
        target = load(f"emoji:{character}", 48)
        assert target.name == f"emoji:{character}" and target.transparent and target.notes == ()
        assert 0.15 < (target.pixels[3] > 0.5).mean() < 0.6
        assert not target.pixels[:, :6].any() and not target.pixels[:, :, -6:].any()


def test_the_bundle_is_small_and_licensed():
    files = list(emoji.BUNDLED.iterdir())
    assert sum(file.stat().st_size for file in files) < 64 * 1024
    assert "SIL OPEN FONT LICENSE Version 1.1" in (emoji.BUNDLED / "LICENSE.txt").read_text()


def test_the_lizard_is_green_and_its_head_is_on_the_left_above(no_font):
    pixels = load("emoji:🦎", 64).pixels
    assert pixels[1].mean() > 1.5 * max(pixels[0].mean(), pixels[2].mean())
    alpha = pixels[3]
    assert alpha[8:24, 12:28].mean() > 4 * alpha[8:24, 36:52].mean()  # a head, and none on the right


def test_variation_selectors_do_not_matter(no_font):
    one, other = load("emoji:❄", 32), load("emoji:❄\ufe0f", 32)
    assert one.name == other.name == "emoji:❄"
    np.testing.assert_array_equal(one.pixels, other.pixels)


def test_without_the_font_the_rest_is_refused(no_font):
    with pytest.raises(BadRequest, match=r'"🐋" needs the font Noto Color Emoji.*🦎'):
        load("emoji:🐋", 48)


@pytest.mark.parametrize("name", ["", " ", "\ufe0f", "lizard", "A1", "🦎" * 40])
def test_what_is_no_emoji_is_answered_with_those_at_hand(name):
    with pytest.raises(BadRequest, match=r"emoji: must be followed by one emoji, got .*🦎"):
        load(f"emoji:{name}", 48)


def test_an_emoji_from_the_font(noto):
    target = load("emoji:🐋", 48)
    assert target.transparent and target.pixels[2].mean() > target.pixels[0].mean()
    assert abs(load("emoji:🦎", 48).pixels - load("emoji:🦎", 48).pixels).max() == 0


@pytest.mark.parametrize("name", ["日", "\U0010fffe", "!?", "🦎🦋"])
def test_what_the_font_has_not_is_refused(noto, name):
    with pytest.raises(BadRequest, match=name[0] if name != "!?" else "!"):
        load(f"emoji:{name}", 48)


@pytest.mark.parametrize("name", ["👩‍🚀", "🇫🇷", "👍🏽"])
def test_sequences_are_one_picture(noto, name):
    if not features.check("raqm"):
        pytest.skip("this Pillow has no raqm to join characters")
    target = load(f"emoji:{name}", 48)
    columns = np.nonzero(target.pixels[3].max(0) > 0.5)[0]
    rows = np.nonzero(target.pixels[3].max(1) > 0.5)[0]
    assert np.ptp(columns) < 2 * np.ptp(rows)


def test_sequences_without_raqm_are_refused(noto, monkeypatch):
    monkeypatch.setattr(emoji.features, "check", lambda name: False)
    with pytest.raises(BadRequest, match="sequence of 3 characters"):
        load("emoji:👩‍🚀", 48)


def test_a_font_without_bitmaps_is_refused(tmp_path, monkeypatch):
    broken = tmp_path / "NotoColorEmoji-broken.ttf"  # of a known name, Pillow would find another
    broken.write_bytes(b"\0" * 100)
    monkeypatch.setattr(emoji, "find_font", lambda: broken)
    with pytest.raises(BadRequest, match=r"NotoColorEmoji-broken\.ttf.*cannot be used"):
        load("emoji:🐋", 48)


def test_text_is_bright_on_dark_and_the_same_at_every_size():
    small, large = load("text:Hi", 64), load("text:Hi", 128)
    assert not small.transparent and small.name == "text:Hi" and (small.pixels[3] == 1).all()
    assert small.pixels[:3, 0].max() < 0.1 and small.pixels[:3].max() > 0.9
    np.testing.assert_allclose(small.pixels, large.pixels.reshape(4, 64, 2, 64, 2).mean((2, 4)), atol=1e-5)


def test_text_is_upright_and_fits_with_a_margin():
    bright = load("text:L", 64).pixels[0] > 0.5
    rows, columns = np.nonzero(bright)
    assert 4 <= rows.min() <= 6 and 57 <= rows.max() <= 59  # 0.84 of the height
    assert bright[rows.max(), columns.max()] and not bright[rows.min(), columns.max()]
    middle = (columns.min() + columns.max()) / 2
    assert abs(middle - 31.5) < 1


def test_lines_are_broken_where_asked():
    one = load("text:HHHH", 64).pixels[0] > 0.5
    two = load(r"text:HH\nHH", 64).pixels[0] > 0.5
    assert np.ptp(np.nonzero(two)[0]) > 1.5 * np.ptp(np.nonzero(one)[0])
    assert (two.any(1)[20:44] == 0).any()  # a gap between the lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be followed by something to read"),
        (r" \n ", "must be followed by something to read"),
        ("日本", r'the font has no "日" \(U\+65E5\)'),
        ("a\tb\x07", r"the font has no .*\(U\+0007\)"),
        ("the quick brown fox", "too long for res 48: its capitals would be .* at least 6 are needed"),
        (r"a\nb\nc\nd\ne\nf\ng", "too long for res 48"),
    ],
)
def test_text_that_cannot_be_drawn_is_refused(text, message):
    with pytest.raises(BadRequest, match=message):
        load(f"text:{text}", 48)
