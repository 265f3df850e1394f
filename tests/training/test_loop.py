import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from petri import modelfile
from petri.errors import BadRequest, RunFailed
from petri.targets import load
from petri.tasks import grown
from petri.training import loop
from petri.training.presets import make_recipe
from petri.training.runs import columns

CPU = torch.device("cpu")


class Watcher:
    """Keeps what a run says."""

    def __init__(self):
        self.notes, self.seen = [], []

    def note(self, text):
        self.notes.append(text)

    def progress(self, progress):
        self.seen.append(progress)


def tiny(**settings):
    phases = [{"res": 16, "epochs": 60, "batch": 2, "steps": [4, 8]}]
    file = {"phases": phases, "spec": {"hidden": 16}, "pool": {"size": 4}, "hold": 3}
    recipe = make_recipe(load("circle", 16), "circle", res=16, file=file)
    return dataclasses.replace(recipe, **settings)


def spoil(trainer):
    trainer.weights["rule.weights.0"].data[0, 0] = float("nan")


@pytest.mark.parametrize("report_every", [0.0, 1e9])
def test_a_run_that_diverges_goes_back_says_so_and_ends_well(tmp_path, monkeypatch, report_every):
    monkeypatch.setattr(
        loop, "REPORT_EVERY", report_every
    )  # metrics read at once, or none before it goes back
    run, trainer = loop.start(tiny(), tmp_path, None, CPU)
    watcher, spoiled = Watcher(), []

    def stop():
        if trainer.epoch == 55 and not spoiled:
            spoiled.append(True)
            spoil(trainer)
        return False

    rows = []
    result = loop.train(run, trainer, watcher, stop=stop, record=rows.append)
    assert watcher.notes == ["the loss was no longer finite: back to epoch 50, with half the learning rate"]
    assert result.finished and result.outcome.loss.loss == result.outcome.loss.loss
    epochs = [int(line.split(",")[0]) for line in run.path("metrics.csv").read_text().splitlines()[1:]]
    assert epochs == list(range(1, 61))
    assert run.read_checkpoint(trainer.tensors_at)[1] == 60 and len(run.rows) == 60
    assert len(modelfile.read(run.path("model.safetensors")).training["recipe"]["phases"]) == 1


def test_a_run_beyond_repair_fails_and_keeps_its_checkpoint(tmp_path):
    run, trainer = loop.start(tiny(), tmp_path, None, CPU)
    before = run.path("checkpoint.safetensors").read_bytes()
    with pytest.raises(
        RunFailed, match=r"no longer finite in epoch 1, again after 3 returns .*; begin anew with --recipe"
    ):
        spoil(trainer)
        trainer.guard.good["weights.rule.weights.0"].fill_(float("nan"))
        loop.train(run, trainer, Watcher())
    assert run.path("checkpoint.safetensors").read_bytes() == before


def test_a_checkpoint_with_weights_that_are_not_finite_is_survived(tmp_path):
    run, trainer = loop.start(tiny(), tmp_path, None, CPU)
    for _ in range(52):
        trainer.train_epoch()
    spoil(trainer)
    run.rows = [(1.0,) * 10] * 52
    run.write_checkpoint(trainer.tensors(), 52, 1.0)
    run.close()
    run, trainer, _ = loop.resume(run.folder, CPU)
    watcher = Watcher()
    assert loop.train(run, trainer, watcher).finished
    assert watcher.notes == ["the loss was no longer finite: back to epoch 50, with half the learning rate"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch": 1}, None),  # nothing in a checkpoint depends on it
        ({"res": 17}, "target.16 is not known"),
        ({"epochs": 1}, "is of epoch 2, the recipe has 1"),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused_by_name(tmp_path, change, said):
    run, trainer = loop.start(tiny(), tmp_path, None, CPU)
    run.rows = [(1.0,) * 10] * 2
    run.write_checkpoint(trainer.tensors(), 2, 1.0)
    run.close()
    phase = dataclasses.replace(run.recipe.phases[0], **change)
    run.path("recipe.toml").write_text(tiny(phases=(phase,)).to_toml())
    if said is None:
        loop.resume(run.folder, CPU)[0].close()
    else:
        with pytest.raises(BadRequest, match=said):
            loop.resume(run.folder, CPU)


@pytest.mark.parametrize(
    ("change", "field"), [({"target": "cross", "name": "cross"}, "target"), ({"seed": 9}, "seed")]
)
def test_a_checkpoint_of_another_run_is_refused_though_its_tensors_fit(tmp_path, change, field):
    run, _ = loop.start(tiny(), tmp_path, "one", CPU)
    other, _ = loop.start(tiny(**change), tmp_path, "other", CPU)
    for each in (run, other):
        each.close()
    run.path("checkpoint.safetensors").write_bytes(other.path("checkpoint.safetensors").read_bytes())
    with pytest.raises(BadRequest, match=f"of another recipe: its {field} is not that of"):
        loop.resume(run.folder, CPU)


def test_a_damaged_generator_in_a_checkpoint_is_one_line(tmp_path):
    run, trainer = loop.start(tiny(), tmp_path, None, CPU)
    tensors = {**trainer.tensors(), "chance": torch.full_like(trainer.tensors()["chance"], 255)}
    run.write_checkpoint(tensors, 0, 0.0)
    run.close()
    with pytest.raises(BadRequest, match=r"checkpoint\.safetensors is damaged: .*mt19937"):
        loop.resume(run.folder, CPU)


def lines(run):
    return [int(line.split(",")[0]) for line in run.path("metrics.csv").read_text().splitlines()[1:]]


@pytest.mark.parametrize("finished", [False, True])
def test_metrics_that_a_killed_run_left_short_are_whole_again_after_resuming(tmp_path, monkeypatch, finished):
    """Killed between its last checkpoint and metrics.csv, or finished before that was written again."""
    recipe = tiny()
    recipe = dataclasses.replace(recipe, phases=(dataclasses.replace(recipe.phases[0], epochs=3),))
    run, trainer = loop.start(recipe, tmp_path, None, CPU)
    assert lines(run) == []
    monkeypatch.setattr(run, "write_metrics", lambda: None)
    if finished:
        loop.train(run, trainer, Watcher())
    else:
        loop._train_epochs(run, trainer, Watcher(), 0.0, lambda: False, loop.unrecorded)
        run.close()
    assert lines(run) == []
    again, trainer, seconds = loop.resume(run.folder, CPU)
    assert loop.train(again, trainer, Watcher(), seconds=seconds).finished
    assert lines(again) == [1, 2, 3]
    with pytest.raises(BadRequest, match="is finished: 3 of 3 epochs"):
        loop.resume(run.folder, CPU)


def test_checkpoints_come_by_time_and_a_full_disk_does_not_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY", 0.0)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    run, trainer = loop.start(tiny(), tmp_path, None, CPU)
    written, whole = [], run.write_checkpoint

    def write(tensors, epoch, seconds):
        written.append(epoch)
        if epoch == 3:
            raise OSError(28, "No space left on device")
        whole(tensors, epoch, seconds)

    monkeypatch.setattr(run, "write_checkpoint", write)
    watcher = Watcher()
    assert loop.train(run, trainer, watcher).finished
    assert written == list(range(1, 61))
    assert watcher.notes == ["no checkpoint now (No space left on device); the last one is whole"]


@pytest.mark.parametrize("done", [2, 3])
def test_a_run_resumed_from_disk_within_its_second_phase_ends_with_the_same_bits(tmp_path, done):
    first = dataclasses.replace(tiny().phases[0], epochs=2)
    recipe = tiny(phases=(first, dataclasses.replace(first, res=24, epochs=3)))
    run, whole = loop.start(recipe, tmp_path, "whole", CPU)
    loop.train(run, whole, Watcher())
    run, trainer = loop.start(recipe, tmp_path, "cut", CPU)
    loop.train(run, trainer, Watcher(), stop=lambda: trainer.epoch == done)
    run, trainer, seconds = loop.resume(run.folder, CPU)
    assert trainer.epoch == done
    loop.train(run, trainer, Watcher(), seconds=seconds)
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, trainer.tensors()[name]), name


def test_a_checkpoint_that_lacks_a_tensor_is_refused_by_name(tmp_path):
    run, _ = loop.start(tiny(), tmp_path, None, CPU)
    run.close()
    path = run.path("checkpoint.safetensors")
    tensors = load_file(path)
    del tensors["average.rule.weights.0"]
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata)
    with pytest.raises(BadRequest, match=r"average\.rule\.weights\.0 is missing"):
        loop.resume(run.folder, CPU)


def test_the_room_that_a_run_needs_is_that_of_its_largest_phase(tmp_path, monkeypatch):
    asked = []
    create = loop.Run.create
    monkeypatch.setattr(loop.Run, "create", lambda *a, room: asked.append(room) or create(*a, room=room))
    small = tiny()
    large = dataclasses.replace(small, phases=(*small.phases, dataclasses.replace(small.phases[0], res=64)))
    for recipe in (small, large):
        loop.start(recipe, tmp_path, None, CPU)[0].close()
    assert asked[1] - asked[0] == pytest.approx(2 * 4 * 16 * (64**2 - 16**2) * 4, rel=0.1)


def test_tensorboard_forgets_what_a_return_took_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from petri.training.tensorboard import recorder

    names = columns(tiny())
    with recorder(tmp_path, names, 0) as record:
        for value, epochs in ((1.0, range(1, 6)), (2.0, range(3, 9))):
            for epoch in epochs:
                record((epoch, *[value] * 9))
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (step, 1.0 if step < 3 else 2.0) for step in range(1, 9)
    ]


def test_tensorboard_gets_every_epoch(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from petri.training.tensorboard import recorder

    run, trainer = loop.start(tiny(), tmp_path, None, CPU)
    with recorder(run.path("tensorboard"), run.columns, 0) as record:
        loop.train(run, trainer, Watcher(), record=record)
    events = EventAccumulator(str(run.path("tensorboard")))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 61))
    losses = [float(line.split(",")[1]) for line in run.path("metrics.csv").read_text().splitlines()[1:]]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(losses, rel=1e-4)


def test_a_long_growth_of_a_large_grid_is_filmed_in_fewer_pictures(tmp_path, monkeypatch):
    counts = []

    def count(path, frames, fps):
        counts.append(len(frames))

    monkeypatch.setattr(grown.images, "save_animation", count)
    for room in (10**9, 7 * 256**2 * 4):  # of four pictures
        monkeypatch.setattr(grown, "GROWTH_BYTES", room)
        run, trainer = loop.start(tiny(), tmp_path, None, CPU)
        loop.finish(run, trainer, 0.0)
        run.close()
    assert counts == [7, 5]  # of eleven steps, with the first: every second, every third; the last is shown


@pytest.fixture
def white_disc(tmp_path):
    """A recipe for a white figure, of two epochs."""
    path = tmp_path / "disc.png"
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).ellipse((8, 8, 55, 55), fill="white")
    image.save(path)
    phases = [{"res": 16, "epochs": 2, "batch": 2, "steps": [4, 8]}]
    file = {"phases": phases, "spec": {"hidden": 16}, "pool": {"size": 4}, "hold": 3}
    return make_recipe(load(str(path), 16), str(path), res=16, file=file)


def corners(path):
    """How a picture or a film is stored, and each picture's colour where a figure is not."""
    with Image.open(path) as read:
        mode, colours = read.mode, []
        for number in range(getattr(read, "n_frames", 1)):
            read.seek(number)
            colours.append(read.convert("RGBA").getpixel((0, 0)))
        return mode, np.array(colours)


@pytest.mark.parametrize(
    ("asked", "kept", "drawn", "shown"),
    [
        ("auto", "#000000", (0, 0, 0, 255), [0, 0, 0]),
        ("#ff0000", "#ff0000", (255, 0, 0, 255), [255, 0, 0]),
        ("transparent", "#000000", (0, 0, 0, 0), [0, 0, 0]),
    ],
)
def test_all_pictures_of_a_run_are_on_one_ground(tmp_path, white_disc, asked, kept, drawn, shown):
    run, trainer = loop.start(white_disc, tmp_path, "run", CPU, ground=asked)
    watcher = Watcher()
    loop.train(run, trainer, watcher)
    for name in ("target.png", "grown.png"):
        mode, colours = corners(run.path(name))
        assert mode == ("RGBA" if asked == "transparent" else "RGB") and colours.tolist() == [list(drawn)]
    _, growth = corners(run.path("growth.webp"))
    assert abs(growth[:, :3] - drawn[:3]).max() <= 3 and (growth[:, 3] == drawn[3]).all()
    assert watcher.seen[-1].picture[0, 0].tolist() == shown  # a terminal has no alpha
    assert modelfile.read(run.path("model.safetensors")).training["ground"] == kept


def test_a_plane_has_no_ground(tmp_path):
    run, trainer = loop.start(tiny(), tmp_path, None, CPU)
    loop.train(run, trainer, Watcher(), stop=lambda: True)
    assert "ground" not in modelfile.read(run.path("model.safetensors")).training


@pytest.mark.parametrize("asked", ["#ff0000", "transparent"])
def test_a_resumed_run_keeps_its_ground(tmp_path, white_disc, asked):
    run, _ = loop.start(white_disc, tmp_path, "run", CPU, ground=asked)
    run.close()
    run, _, _ = loop.resume(run.folder, CPU)
    assert run.ground == asked
    run.close()


def test_a_run_of_version_0_1_gets_a_ground_when_it_is_resumed(tmp_path, white_disc):
    run, _ = loop.start(white_disc, tmp_path, "run", CPU, ground="#ff0000")
    run.close()
    path = run.path("checkpoint.safetensors")
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    del metadata["ground"]
    save_file(load_file(path), path, metadata)
    run, _, _ = loop.resume(run.folder, CPU)
    assert run.ground == "#000000"
    run.close()


@pytest.mark.parametrize("lost", [["checkpoint.safetensors", "metrics.csv", "target.png"], ["target.png"]])
def test_a_run_killed_while_it_began_is_begun_by_resuming_it(tmp_path, lost):
    run, whole = loop.start(tiny(), tmp_path, "whole", CPU)
    result = loop.train(run, whole, Watcher(), stop=lambda: whole.epoch == 5)
    run, _ = loop.start(tiny(), tmp_path, "cut", CPU)
    run.close()
    for name in lost:
        run.path(name).unlink()
    run, trainer, seconds = loop.resume(run.folder, CPU)
    assert (trainer.epoch, seconds) == (0, 0.0)
    loop.train(run, trainer, Watcher(), stop=lambda: trainer.epoch == 5)
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, trainer.tensors()[name]), name
    for name in result.files:
        assert run.path(name).is_file(), name
    assert run.path("target.png").read_bytes() == (tmp_path / "whole" / "target.png").read_bytes()
