"""Layers of networks as matrices, held to PyTorch's own layers."""

import pytest
import torch
import torch.nn.functional as F

from petri.errors import BadRequest
from petri.repair import calibration, fills, networks
from petri.repair.calibration import Sight, recalibrated, statistics
from petri.repair.damage import mask
from petri.repair.damaged import Damaged, planes
from petri.repair.habits import Habits
from petri.repair.networks import Making


@pytest.fixture
def images():
    return torch.rand(40, 196, generator=torch.Generator().manual_seed(7))


def plain(network, images):
    """What PyTorch makes of a convolutional network."""
    values = images.view(-1, 1, 14, 14)
    for name in ("conv1", "conv2"):
        layer = network.layers[name]
        values = F.max_pool2d(F.conv2d(values, layer.weights, layer.bias).relu(), 2)
    return F.linear(values.flatten(1), network.layers["linear"].weights, network.layers["linear"].bias)


def test_a_network_says_the_same_from_each_of_its_layers_on(toy, toy_conv, images):
    torch.testing.assert_close(toy_conv.outputs(images), plain(toy_conv, images))
    for name in toy_conv.layers:
        part = toy_conv.part(name)
        torch.testing.assert_close(part.outputs(part.given(images)), plain(toy_conv, images))
    few, network = images[:, :16], toy.classifier
    first, second = network.layers.values()
    wanted = F.linear(F.linear(few, first.weights, first.bias).relu(), second.weights, second.bias)
    for name in network.layers:
        torch.testing.assert_close(network.part(name).outputs(network.part(name).given(few)), wanted)


@pytest.mark.parametrize("name", ["conv1", "conv2", "linear"])
def test_the_matrix_of_a_layer_makes_its_pre_activations(toy_conv, images, name):
    part = toy_conv.part(name)
    given = part.given(images)
    before = part.layer.before(given)
    wanted = before.flatten(2).transpose(1, 2).flatten(0, 1) if part.layer.convolves else before
    torch.testing.assert_close(part.rows(given) @ part.matrix.T + part.bias, wanted)


def test_pictures_of_layers(toy, toy_conv):
    sides = {name: (toy_conv.part(name).side, toy_conv.part(name).pictures) for name in toy_conv.layers}
    assert sides == {"conv1": ((3, 3), 1), "conv2": ((3, 3), 3), "linear": ((2, 2), 4)}
    assert (toy.side, toy.pictures) == ((4, 4), 1)
    second = toy.classifier.part("second")
    assert (second.side, second.pictures) == (None, 0)
    for part in (toy, second, *(toy_conv.part(name) for name in toy_conv.layers)):
        assert torch.equal(part.joined(part.cut(part.matrix)), part.matrix)
    assert torch.equal(toy_conv.part("conv2").cut(toy_conv.part("conv2").matrix)[4],
                       toy_conv.layers["conv2"].weights[1, 1].flatten())  # fmt: skip
    assert torch.equal(second.cut(second.matrix)[3], second.matrix[:, 3])


def test_what_the_next_layer_makes_of_a_unit(toy, toy_conv):
    assert torch.equal(toy.following, toy.classifier.layers["second"].weights)
    conv2, linear = (toy_conv.layers[name].weights for name in ("conv2", "linear"))
    assert torch.equal(toy_conv.part("conv1").following[:, 2], conv2[:, 2].flatten())
    assert torch.equal(toy_conv.part("conv2").following[:, 1].view(10, 4), linear[:, 4:8])
    assert toy_conv.part("linear").following is None


@pytest.mark.parametrize("name", ["conv1", "conv2"])
def test_units_in_another_order_are_the_same_network(toy_conv, images, name):
    order = torch.randperm(len(toy_conv.layers[name].bias), generator=torch.Generator().manual_seed(0))
    moved = toy_conv.part(name).in_order(order)
    assert torch.equal(moved.matrix, toy_conv.part(name).matrix[order])
    torch.testing.assert_close(moved.classifier.outputs(images), toy_conv.outputs(images))
    with pytest.raises(BadRequest, match="linear has no other order"):
        toy_conv.part("linear").in_order(order)


@pytest.mark.parametrize("name", ["conv1", "conv2", "linear"])
def test_statistics_of_a_layer_are_those_of_its_pre_activations(monkeypatch, toy_conv, images, name):
    monkeypatch.setattr(calibration, "TOGETHER", 16)  # groups of 16, 16 and 8 images
    part = toy_conv.part(name)
    sight, before = Sight.by(part, images), part.layer.before(part.given(images))
    axes = (0, 2, 3) if part.layer.convolves else (0,)
    stored = statistics(part, sight)
    torch.testing.assert_close(stored.mean, before.mean(axes), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(stored.deviation, before.std(axes, unbiased=False), rtol=1e-4, atol=1e-4)
    half = recalibrated(part.with_matrix(part.matrix / 2), stored, sight)
    torch.testing.assert_close(half.matrix, part.matrix, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(half.bias, part.bias, rtol=1e-4, atol=1e-3)


def test_each_picture_of_a_kernel_is_estimated_on_its_own(toy_conv, images):
    part = toy_conv.part("conv2")
    known = torch.rand(part.matrix.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    sight = Sight.by(part, images)
    damaged = Damaged.of(part, known, statistics(part, sight), sight)
    assert torch.equal(damaged.kriged[known], part.matrix[known])
    known[2, 9:18] = False  # the second picture of the third unit: nothing of it is left
    lost = Damaged.of(part, known, statistics(part, sight), sight)
    torch.testing.assert_close(lost.kriged[2, 9:18], part.matrix[known].mean().expand(9))
    assert planes(lost, ("mean", "alike")).shape == (3, 4, 27)


def test_a_zoo_of_layers_without_templates(toy, toy_conv):
    for part, pixels in ((toy_conv.part("conv2"), 9), (toy.classifier.part("second"), 10)):
        habits = Habits.of([part])
        assert habits.covariance.shape == (pixels, pixels) and habits.templates is None
        assert habits.template_bytes == 0
    assert Habits.of([toy]).templates.shape == (10, 16)


def test_a_layer_that_there_is_not_is_refused(toy_conv):
    with pytest.raises(BadRequest, match="layers conv1, conv2, linear, got 'fc1'"):
        toy_conv.part("fc1")


def test_a_convolutional_network_learns_and_is_kept(tmp_path, few_images):
    making = Making(None, 8, 3)
    (network,) = networks.kept([making], tmp_path, lambda: few_images)
    (again,) = networks.kept([making], tmp_path, lambda: pytest.fail("it is there"))
    shapes = {name: tuple(layer.weights.shape) for name, layer in again.layers.items()}
    assert making.name == "mnist-conv-8-3" and shapes == making.shapes
    assert shapes == {"conv1": (8, 1, 5, 5), "conv2": (16, 8, 5, 5), "linear": (10, 256)}
    assert torch.equal(network.outputs(few_images.test), again.outputs(few_images.test))
    assert (again.outputs(few_images.test).argmax(1) == few_images.test_labels).float().mean() > 0.5
    (tmp_path / "mnist-9-8-3.safetensors").write_bytes((tmp_path / f"{making.name}.safetensors").read_bytes())
    with pytest.raises(BadRequest, match="is not a network of 9 hidden units"):
        networks.kept([Making(9, 8, 3)], tmp_path, lambda: few_images)


def test_networks_of_earlier_versions_are_read(tmp_path):
    """Their tensors are first, first_bias, second and second_bias."""
    from safetensors.torch import save_file

    shapes = {"first": (8, 784), "first_bias": (8,), "second": (10, 8), "second_bias": (10,)}
    tensors = {name: torch.randn(shape) for name, shape in shapes.items()}
    save_file(tensors, tmp_path / "mnist-8-1-0.safetensors")
    (network,) = networks.kept([Making(8, 1, 0)], tmp_path, lambda: pytest.fail("it is there"))
    assert torch.equal(network.layers["second"].weights, tensors["second"])
    assert torch.equal(network.layers["first"].bias, tensors["first_bias"])


def test_what_soft_impute_hides_hangs_together_with_no_mask():
    for seed in range(8):
        known = mask("random", (40, 50), 0.5, seed)
        hidden = known & ~fills.hide(known)
        assert 0.05 < hidden.sum() / known.sum() < 0.15
