from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from petri.errors import BadRequest
from petri.targets import load
from petri.targets.pieces import count_pieces, farthest

RED, GREEN, BLUE, WHITE = (230, 30, 40), (20, 200, 60), (30, 60, 220), (250, 250, 250)


@pytest.fixture
def quarters():
    """32 × 32: red and green above, blue and white below."""
    image = Image.new("RGB", (32, 32), RED)
    image.paste(GREEN, (16, 0, 32, 16))
    image.paste(BLUE, (0, 16, 16, 32))
    image.paste(WHITE, (16, 16, 32, 32))
    return image


def four(target) -> np.ndarray:
    """The colours in the middle of the four quarters, in 0..255."""
    res = target.pixels.shape[1]
    a, b = res // 4, 3 * res // 4
    return 255 * np.array([target.pixels[:3, row, column] for row in (a, b) for column in (a, b)])


@pytest.mark.parametrize(
    ("mode", "suffix", "close"),
    [
        ("RGB", ".png", 0.01), ("RGB", ".bmp", 0.01), ("RGB", ".jpg", 12), ("RGB", ".tiff", 0.01),
        ("RGB", ".webp", 30), ("P", ".png", 3), ("P", ".gif", 3), ("RGBA", ".png", 0.01),
        ("CMYK", ".tiff", 1), ("YCbCr", ".tiff", 3),
    ],
)  # fmt: skip
def test_every_colour_mode_shows_its_colours(tmp_path, quarters, mode, suffix, close):
    path = tmp_path / f"picture{suffix}"
    image = quarters.convert(mode, palette=Image.Palette.ADAPTIVE) if mode == "P" else quarters.convert(mode)
    image.save(path)
    target = load(str(path), 32)
    assert target.name == path.name
    assert not target.transparent and (target.pixels[3] == 1).all()
    assert target.pixels.dtype == np.float32 and target.pixels.shape == (4, 32, 32)
    np.testing.assert_allclose(four(target), (RED, GREEN, BLUE, WHITE), atol=close)


@pytest.mark.parametrize(("mode", "suffix"), [("L", ".png"), ("1", ".png"), ("L", ".jpg"), ("LA", ".png")])
def test_grey_modes(tmp_path, mode, suffix):
    image = Image.new("L", (32, 32), 0)
    image.paste(255, (0, 0, 16, 32))
    path = tmp_path / f"grey{suffix}"
    image.convert(mode).save(path)
    target = load(str(path), 32)
    assert not target.transparent
    np.testing.assert_allclose(four(target), [[255] * 3, [0] * 3] * 2, atol=2)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_sixteen_bits_are_exact(tmp_path, dtype):
    values = np.array([[0, 257 * 10, 30000, 65535]], np.uint16).repeat(4, axis=0)
    image = Image.fromarray(values.astype(dtype)).resize((16, 16), Image.Resampling.NEAREST)
    path = tmp_path / "deep.tiff"
    image.save(path)
    target = load(str(path), 16)
    assert target.notes == ()
    np.testing.assert_allclose(target.pixels[0, 7, 1::4], [0, 10 / 255, 30000 / 65535, 1], atol=1e-6)
    np.testing.assert_array_equal(target.pixels[0], target.pixels[2])


def test_sixteen_bit_png(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((16, 16), 12345, np.uint16)).save(path)
    np.testing.assert_allclose(load(str(path), 16).pixels[:3], 12345 / 65535, atol=1e-6)


def test_sixteen_bit_png_with_a_transparent_grey(tmp_path):
    values = np.full((16, 16), 40000, np.uint16)
    values[:, :8] = 777
    # Pillow writes no such file: the chunk that names the transparent grey is put in by hand.
    path = tmp_path / "deep.png"
    Image.fromarray(values).save(path)
    data = path.read_bytes()
    body = b"tRNS" + struct.pack(">H", 777)
    chunk = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    at = data.index(b"IDAT") - 4
    path.write_bytes(data[:at] + chunk + data[at:])
    target = load(str(path), 32)
    assert target.transparent
    assert abs(target.pixels[0].max() - 40000 / 65535) < 0.01


def test_floats_are_taken_as_they_are_or_stretched(tmp_path):
    path = tmp_path / "float.tiff"
    values = np.full((16, 16), 0.3, np.float32)
    values[:, 8:] = 0.7
    Image.fromarray(values).save(path)
    target = load(str(path), 16)
    np.testing.assert_allclose(target.pixels[:3], np.broadcast_to(values, (3, 16, 16)), atol=1e-6)
    assert target.notes == ()
    values = np.full((16, 16), -5, np.float32)
    values[:, 8:] = 15
    Image.fromarray(values).save(path)
    target = load(str(path), 16)
    assert target.pixels[0, 8, 2] == 0 and target.pixels[0, 8, 13] == 1
    assert "from -5 to 15" in target.notes[0]
    values[3, 3] = np.nan
    Image.fromarray(values).save(path)
    with pytest.raises(BadRequest, match="not finite"):
        load(str(path), 16)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_fewer_bits_kept_in_sixteen(tmp_path, bits, suffix):
    top = 2**bits - 1
    values = np.array([[0, top // 4, top // 2, top]], np.uint16).repeat(4, axis=0)
    path = tmp_path / f"camera{suffix}"
    Image.fromarray(values).resize((16, 16), Image.Resampling.NEAREST).save(path)
    target = load(str(path), 16)
    np.testing.assert_allclose(target.pixels[0, 7, 1::4], values[0] / top, atol=1e-6)
    assert target.notes == (
        f"camera{suffix} holds no value above {top}: {top}, {bits} bits, is taken for white",
    )


def test_dark_pictures_and_those_of_one_colour_are_pointed_out(tmp_path, quarters):
    path = tmp_path / "dark.png"
    quarters.point(lambda value: value // 16).save(path)
    assert load(str(path), 32).notes == ("dark.png is dark: its brightest value is 6% of white",)
    Image.new("RGB", (32, 32), RED).save(path)
    assert load(str(path), 32).notes == ("dark.png is one colour throughout: there is no pattern to grow",)
    quarters.save(path)
    assert load(str(path), 32).notes == ()


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation(tmp_path, quarters, turn):
    # How a picture must be stored so that this orientation shows it upright.
    stored = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }[turn]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / "photo.png"
    (quarters if stored is None else quarters.transpose(stored)).save(path, exif=exif)
    np.testing.assert_allclose(four(load(str(path), 32)), (RED, GREEN, BLUE, WHITE), atol=0.01)


def test_of_an_animation_the_first_frame_is_taken(tmp_path, quarters):
    path = tmp_path / "moving.gif"
    quarters.save(path, save_all=True, append_images=[Image.new("RGB", (32, 32), c) for c in (RED, BLUE)])
    target = load(str(path), 32)
    np.testing.assert_allclose(four(target), (RED, GREEN, BLUE, WHITE), atol=3)
    assert target.notes == ("moving.gif holds several frames or pages: only the first is taken",)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tiff"])
def test_the_first_frame_that_shows_anything_is_taken(tmp_path, suffix):
    path = tmp_path / f"fade{suffix}"
    empty, shown, last = (Image.new("RGBA", (32, 32)) for _ in range(3))
    shown.paste((*RED, 255), (4, 4, 28, 28))
    last.paste((*BLUE, 255), (4, 4, 28, 28))
    empty.save(path, save_all=True, append_images=[shown, last], duration=100)
    target = load(str(path), 32)
    assert target.transparent
    np.testing.assert_allclose(
        target.pixels[:, 16, 16] * 255, (*RED, 255), atol=20 if suffix == ".webp" else 3
    )
    assert target.notes[0] == (
        f"fade{suffix} holds several frames or pages: the first to show anything, number 2, is taken"
    )


def test_an_animation_that_never_shows_anything(tmp_path):
    path = tmp_path / "never.png"
    empty, speck = Image.new("RGBA", (32, 32)), Image.new("RGBA", (32, 32))
    speck.putpixel((3, 3), (255, 0, 0, 0))
    empty.save(path, save_all=True, append_images=[speck])
    with pytest.raises(BadRequest, match=r"never\.png is entirely transparent"):
        load(str(path), 32)


def test_pages_are_not_counted(tmp_path, quarters, monkeypatch):
    from PIL import TiffImagePlugin

    path = tmp_path / "pages.tiff"
    quarters.save(path, save_all=True, append_images=[quarters] * 3)
    count = property(lambda self: pytest.fail("counts the pages of a file that may have 60,000"))
    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "n_frames", count)
    target = load(str(path), 32)
    np.testing.assert_allclose(four(target), (RED, GREEN, BLUE, WHITE), atol=0.01)
    assert target.notes == ("pages.tiff holds several frames or pages: only the first is taken",)


def test_a_wide_picture_is_cut_to_its_central_square(tmp_path):
    image = Image.new("RGB", (96, 32), RED)
    image.paste(GREEN, (32, 0, 64, 32))
    path = tmp_path / "wide.png"
    image.save(path)
    target = load(str(path), 48)
    np.testing.assert_allclose(target.pixels[:3].mean((1, 2)) * 255, GREEN, atol=0.01)
    assert target.notes[0] == "wide.png is 96 × 32: only its central square is grown"


@pytest.mark.parametrize("size", [1, 3, 2000])
def test_tiny_and_large_pictures_are_scaled(tmp_path, size):
    path = tmp_path / "flat.png"
    Image.new("RGB", (size, size), BLUE).save(path)
    target = load(str(path), 16)
    np.testing.assert_allclose(target.pixels[:3].mean((1, 2)) * 255, BLUE, atol=0.01)
    assert target.pixels[:3].std((1, 2)).max() < 1e-5


def test_shrinking_in_two_steps_keeps_the_picture(tmp_path):
    x = np.linspace(0, 255, 1500).astype(np.uint8)
    path = tmp_path / "ramp.png"
    Image.fromarray(
        np.stack(np.broadcast_arrays(x[None, :], x[:, None], 128), axis=-1).astype(np.uint8)
    ).save(path)
    pixels = load(str(path), 16).pixels
    across = (np.arange(16) + 0.5) / 16
    np.testing.assert_allclose(pixels[0, 5], across, atol=0.01)
    np.testing.assert_allclose(pixels[1, :, 5], across, atol=0.01)


def figure(tmp_path, draw, size=(32, 32), name="figure.png"):
    """Save a picture that is transparent but for the boxes (colour with alpha, box) in `draw`."""
    image = Image.new("RGBA", size, (255, 0, 255, 0))  # a colour hides behind the transparency
    for colour, box in draw:
        image.paste(colour, box)
    path = tmp_path / name
    image.save(path)
    return str(path)


def test_a_transparent_picture_is_a_figure_with_space_around_it(tmp_path):
    target = load(figure(tmp_path, [((*GREEN, 255), (8, 8, 24, 24))]), 64)
    assert target.transparent and target.notes == ()
    alpha = target.pixels[3]
    rows, columns = np.nonzero(alpha > 0.01)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 55, 8, 55)
    inside = target.pixels[:, 12:52, 12:52]
    np.testing.assert_allclose(inside.mean((1, 2)) * 255, (*GREEN, 255), atol=0.5)
    outside = target.pixels.copy()
    outside[:, 8:56, 8:56] = 0
    assert not outside.any()


def test_proportions_stay(tmp_path):
    alpha = load(figure(tmp_path, [((*RED, 255), (0, 10, 32, 18))]), 64).pixels[3]
    rows, columns = np.nonzero(alpha > 0.5)
    assert np.ptp(columns) + 1 == 48 and np.ptp(rows) + 1 == 12


def test_colours_are_multiplied_by_alpha_before_they_are_resampled(tmp_path):
    target = load(
        figure(tmp_path, [((200, 100, 50, 128), (2, 2, 30, 30)), ((*WHITE, 255), (14, 14, 18, 18))]), 48
    )
    assert (target.pixels[:3] <= target.pixels[3] + 1e-6).all()
    edge = target.pixels[:, 12, 24]
    np.testing.assert_allclose(edge, np.array([200, 100, 50, 255]) / 255 * 128 / 255, atol=0.01)
    # The magenta behind the transparent pixels shows nowhere, not at the edges either.
    assert (target.pixels[2] <= 0.99 * target.pixels[0] + 0.01).all()


@pytest.mark.parametrize("kind", ["palette", "grey", "LA", "webp", "gif", "rgb"])
def test_every_kind_of_transparency_counts(tmp_path, kind):
    image = Image.new("RGBA", (32, 32), (255, 255, 255, 0))
    image.paste((10, 10, 10, 255), (4, 4, 28, 28))
    path = tmp_path / "clear.png"
    if kind == "palette":
        image.quantize(4).save(path)
    elif kind == "grey":
        image.convert("L").save(path, transparency=255)
    elif kind == "rgb":
        image.convert("RGB").save(path, transparency=(255, 255, 255))
    elif kind == "LA":
        image.convert("LA").save(path)
    else:
        path = tmp_path / f"clear.{kind}"
        image.save(path)
    target = load(str(path), 32)
    assert target.transparent
    assert target.pixels[3, 16, 16] > 0.99 and target.pixels[3, 1, 1] == 0


@pytest.mark.parametrize(("alpha", "transparent"), [(255, False), (250, False), (249, True), (200, True)])
def test_an_alpha_that_nobody_sees_does_not_count(tmp_path, alpha, transparent):
    path = tmp_path / "nearly.png"
    Image.new("RGBA", (32, 32), (*RED, alpha)).save(path)
    target = load(str(path), 32)
    assert target.transparent is transparent
    if not transparent:
        np.testing.assert_allclose(target.pixels[:3].mean((1, 2)) * 255, RED, atol=0.01)


def test_growth_begins_inside_the_figure(tmp_path):
    hollow = [((*BLUE, 255), (0, 0, 32, 32)), ((0, 0, 0, 0), (6, 6, 26, 22))]
    target = load(figure(tmp_path, hollow), 64)
    x, y = target.seed
    column, row = int(x * 64), int(y * 64)
    assert (x, y) == ((column + 0.5) / 64, (row + 0.5) / 64)
    assert target.pixels[3, row, column] > 0.5
    assert column == 32 and 40 <= row <= 43  # the thick bar below is nearest
    filled = load(figure(tmp_path, [*hollow[:1], ((*RED, 200), (0, 0, 4, 4))], name="b.png"), 64)
    assert filled.seed == (32.5 / 64, 32.5 / 64)


def test_a_haze_that_nobody_sees_does_not_make_the_figure_small(tmp_path):
    clear = figure(tmp_path, [((*RED, 255), (90, 90, 111, 111))], size=(200, 200), name="clear.png")
    hazy = [((*RED, 1), (0, 0, 200, 200)), ((*RED, 255), (90, 90, 111, 111))]
    target = load(figure(tmp_path, hazy, size=(200, 200), name="haze.png"), 48)

    def width(target):
        return np.ptp(np.nonzero(target.pixels[3] > 0.5)[1]) + 1

    assert width(load(clear, 48)) == 36 and width(target) >= 32
    assert target.notes == (
        "haze.png has a faint veil around what can live (alpha above 0.1): it is left out",
    )


def test_a_soft_edge_stays(tmp_path):
    soft = [((*RED, 20), (7, 7, 25, 25)), ((*RED, 255), (8, 8, 24, 24))]
    target = load(figure(tmp_path, soft), 64)
    assert target.notes == ()
    assert 0.05 < target.pixels[3, 32, 9] < 0.12  # a pixel is 2.7 cells wide


def test_separate_pieces_are_pointed_out(tmp_path):
    two = [((*RED, 255), (0, 0, 12, 32)), ((*BLUE, 255), (20, 0, 32, 32))]
    target = load(figure(tmp_path, two), 64)
    assert target.notes == (
        "figure.png falls into 2 separate pieces: growth must find its way across the gaps",
    )


@pytest.mark.parametrize(
    ("picture", "pieces"),
    [
        (["........"], 0),
        (["#......."], 1),
        (["#..#...."], 1),  # widened by one cell each, they touch
        (["#...#..."], 2),
        (["#.......", "........", "........", "...#...."], 1),  # corners touch too
        (["#.......", "........", "........", "....#..."], 2),
        (["#...#...#", "#...#...#", "#########"], 1),  # joined only further down
        (["#########", "#...#...#", "#...#...#"], 1),
        (["#####....", "#...#....", "#.#.#....", "#...#....", "#####...#"], 2),
        (["#....#....#"] * 3, 3),
        (["...........", ".....#.....", "...........", "...........", "...........", "#...#.....#"], 4),
    ],
)  # fmt: skip
def test_pieces_are_counted(picture, pieces):
    mask = np.array([[cell == "#" for cell in row] for row in picture])
    assert count_pieces(mask) == count_pieces(mask.T) == count_pieces(mask[::-1, ::-1]) == pieces


def test_nothing_to_see(tmp_path):
    with pytest.raises(BadRequest, match=r"figure\.png is entirely transparent"):
        load(figure(tmp_path, []), 32)
    with pytest.raises(BadRequest, match=r"too faint to grow at res 32: no cell has alpha above 0\.1"):
        load(figure(tmp_path, [((*RED, 20), (4, 4, 28, 28))]), 32)


def test_a_faint_figure_begins_where_it_is_strongest(tmp_path):
    faint = [((*RED, 60), (0, 0, 32, 32)), ((*RED, 110), (0, 0, 8, 32))]
    target = load(figure(tmp_path, faint), 64)
    assert target.seed[0] == 32.5 / 64  # more than half of the strongest is enough
    faint[0] = ((*RED, 40), (0, 0, 32, 32))
    assert load(figure(tmp_path, faint), 64).seed[0] < 0.35


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".webp", ".tiff", ".bmp"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadRequest, match="cut") as error:
        load(str(path), 32)
    assert "\n" not in str(error.value)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    for name, message in (
        ("text.png", "is not an image that can be read"),
        ("empty.png", "is not an image that can be read"),
        ("missing.png", "no such file"),
        ("", "is a folder, not an image"),
    ):
        with pytest.raises(BadRequest, match=message):
            load(f"{tmp_path}/{name}", 32)
    with pytest.raises(BadRequest, match="no such file"):
        load("~nobody-of-this-name/a.png", 32)


def test_a_bomb_is_refused_before_it_is_read(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    for side in (10_000, 60_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
        path = tmp_path / "bomb.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
        with pytest.raises(BadRequest, match="too large: an image may have 89 million pixels"):
            load(str(path), 32)


def png(width: int, height: int, rows: bytes) -> bytes:
    """A grey PNG of one bit, as short as the rows that are given."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize(("width", "height"), [(1, 80_000_000), (80_000_000, 1), (1, 65_536)])
def test_a_line_of_millions_of_pixels_is_refused_before_it_is_read(tmp_path, width, height):
    path = tmp_path / "line.png"
    path.write_bytes(png(width, height, b"\0" * 12_000))
    with pytest.raises(BadRequest, match=f"too large: {width} × {height} pixels, at most 65535 along a side"):
        load(str(path), 32)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_has_no_end_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name in (str(tmp_path / "pipe.png"), "/dev/zero"):
        with pytest.raises(BadRequest, match="is a pipe or a device: put what it gives into a file first"):
            load(name, 32)


def test_kinds_that_are_not_read_are_named(tmp_path):
    for name, start, kind in (
        ("photo.heic", b"\0\0\0\x18ftypheic", "HEIC"),
        ("photo.jpg", b"\0\0\0\x1cftypmif1", "HEIC"),
        ("film.mp4", b"\0\0\0\x20ftypisom", "a film"),
        ("paper.pdf", b"%PDF-1.7", "a PDF"),
        ("next.jxl", b"\xff\x0a\0\0", "JPEG XL"),
    ):
        path = tmp_path / name
        path.write_bytes(start + bytes(100))
        with pytest.raises(BadRequest) as error:
            load(str(path), 32)
        assert str(error.value) == (
            f'"{path}" is {kind}: convert it to PNG first, such as by magick "{name}" "{path.stem}.png"'
        )


def test_paths_are_found_where_a_shell_would_find_them(tmp_path, monkeypatch, quarters):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    quarters.save(tmp_path / "a picture.png")
    (tmp_path / "a picture.png").rename(tmp_path / "bare")
    for name in ("bare", "./bare", "~/bare", str(tmp_path / "bare")):
        assert load(name, 16).name == "bare"


def test_a_picture_that_pillow_knows_but_cannot_decode_is_refused(tmp_path):
    header = struct.pack("<7I44x", 124, 0x1007, 16, 16, 0, 0, 0) + struct.pack(
        "<2I4s5I", 32, 4, b"ODD!", *[0] * 5
    )
    path = tmp_path / "odd.dds"
    path.write_bytes(b"DDS " + header + bytes(20))
    with pytest.raises(BadRequest, match=r"odd.dds\" cannot be read"):
        load(str(path), 16)


def test_how_far_growth_has_to_go_in_a_figure():
    line = np.zeros((5, 9), bool)
    line[2, 1:8] = True
    assert farthest(line, 2, 1) == 6 and farthest(line, 2, 4) == 3
    assert farthest(np.ones((7, 7), bool), 3, 3) == 3  # diagonals count as one
    ring = np.ones((9, 9), bool)
    ring[2:7, 2:7] = False  # around it, not through it
    assert farthest(ring, 0, 4) == 10
    gap = np.zeros((3, 9), bool)
    gap[1, [0, 1, 5, 6]] = True  # one cell on this side, three steps across, and one beyond
    assert farthest(gap, 1, 0) == 6
