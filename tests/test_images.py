import numpy as np
import pytest
import torch
from PIL import Image

from petri import images
from petri.errors import BadRequest
from petri.ground import TRANSPARENT, WHITE
from petri.nca import Automaton, Spec

FRAMES = [np.full((10, 12, 3), (20 * i, 255 - 20 * i, 60), np.uint8) for i in range(6)]


@pytest.mark.parametrize(
    ("ground", "seen", "behind"),
    [
        (WHITE, [191, 255, 0], [255, 255, 255]),
        ("#40ff80", [96, 255, 0], [64, 255, 128]),
        (TRANSPARENT, [128, 255, 0, 128], [0, 0, 0, 0]),
    ],
)
def test_colours_are_on_the_ground_only_where_alpha_counts(ground, seen, behind):
    state = torch.zeros(16, 2, 2)
    state[:4, 0, 1] = torch.tensor([0.25, 0.5, -1.0, 0.5])
    plain = images.picture(Automaton(Spec.of()), state, ground)
    assert plain[0, 1].tolist() == [64, 128, 0] and plain[1, 0].tolist() == [0, 0, 0]
    living = images.picture(Automaton(Spec.of(living=True)), state, ground)
    assert living[0, 1].tolist() == seen and living[1, 0].tolist() == behind


def test_each_cell_becomes_a_square():
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = images.enlarge(rgb, 3)
    assert large.shape == (6, 6, 3) and (large[3:, :3] == rgb[1, 0]).all()


@pytest.mark.parametrize(("ending", "kind"), [(".gif", "GIF"), (".webp", "WEBP"), (".apng", "PNG")])
def test_an_animation_can_be_read_back(tmp_path, ending, kind):
    path = tmp_path / f"a{ending}"
    images.save_animation(path, FRAMES, fps=20)
    with Image.open(path) as read:
        assert read.format == kind and read.n_frames == len(FRAMES) and read.size == (12, 10)
        for number in (0, 5):
            read.seek(number)
            shown = np.asarray(read.convert("RGB")).astype(int)
            assert abs(shown - FRAMES[number]).max() <= 8
            assert read.info["duration"] == (2000 if number == 5 else 50)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{ending}"]


@pytest.mark.parametrize("ending", [".webp", ".apng"])
def test_an_animation_stays_transparent(tmp_path, ending):
    frames = [np.zeros((10, 12, 4), np.uint8) for _ in range(4)]
    for number, frame in enumerate(frames):  # a bar moves over nothing, half seen through
        frame[:, 3 * number : 3 * number + 2] = (250, 10, 10, 128)
    path = tmp_path / f"a{ending}"
    images.save_animation(path, frames, fps=20)
    with Image.open(path) as read:
        assert read.n_frames == 4
        for number, frame in enumerate(frames):
            read.seek(number)
            shown = np.asarray(read.convert("RGBA")).astype(int)
            assert np.array_equal(shown[..., 3], frame[..., 3])
            assert abs(shown - frame)[frame[..., 3] > 0].max() <= 8


def test_mp4_can_be_read_back(tmp_path):
    av = pytest.importorskip("av", reason="MP4 is an optional extra")
    path = tmp_path / "a.mp4"
    images.save_animation(path, [frame[:9, :11] for frame in FRAMES], fps=20)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == len(FRAMES) + 40 and frames[0].shape == (10, 12, 3)
    assert abs(frames[-1].astype(int) - FRAMES[-1]).max() < 12


@pytest.mark.parametrize(("fps", "milliseconds"), [(20, 50), (30, 30), (60, 20)])
def test_a_gif_keeps_to_hundredths_that_browsers_play(tmp_path, fps, milliseconds):
    images.save_animation(tmp_path / "a.gif", FRAMES, fps=fps)
    with Image.open(tmp_path / "a.gif") as read:
        assert read.info["duration"] == milliseconds


@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0), (51, 102, 153)])
def test_the_ground_of_a_gif_is_exact(tmp_path, ground):
    y, x = np.mgrid[:48, :48] - 24
    frames = []
    for number in range(8):  # something soft, of more shades than a GIF has, grows on it
        alpha = np.clip(1 - np.hypot(x, y) / 22 * (2 - number / 8), 0, 1)[..., None]
        figure = np.array([1, 0.5, 0.1]) * (0.5 + 0.5 * np.sin(x / 5 + number))[..., None]
        frames.append((alpha * figure * 255 + (1 - alpha) * ground).round().astype(np.uint8))
    images.save_animation(tmp_path / "a.gif", frames, fps=20)
    with Image.open(tmp_path / "a.gif") as read:
        for number in (0, 7):
            read.seek(number)
            assert read.convert("RGB").getpixel((0, 0)) == ground


@pytest.mark.parametrize("name", ["a.tiff", "a", "gif"])
def test_an_ending_that_cannot_be_written_is_refused(tmp_path, name):
    with pytest.raises(BadRequest, match="must end in one of"):
        images.check_name(tmp_path / name, WHITE)


@pytest.mark.parametrize("name", ["a.gif", "a.mp4", "a.GIF"])
def test_what_cannot_be_transparent_is_refused(tmp_path, name):
    with pytest.raises(BadRequest, match=rf"{name} cannot be transparent: name it .png .webp .apng"):
        images.check_name(tmp_path / name, TRANSPARENT)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.apng"])
def test_what_can_be_transparent_is_not_refused(tmp_path, name):
    images.check_name(tmp_path / name, TRANSPARENT)
