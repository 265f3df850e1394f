import pytest
import torch
import torch.nn.functional as F

from petri.dni import ways
from petri.dni.blending import beta, blend
from petri.dni.trainer import NetworkTrainer

BETA = 0.7


@pytest.fixture
def trained(digits, recipe):
    """A network whose graders predict something, and a batch."""

    def make(**changes):
        trainer = NetworkTrainer(recipe(zero_init=False, **changes), digits, seed=3, graded=True)
        return trainer.network, trainer.graders, digits.train.images[:32], digits.train.labels[:32]

    return make


def autograd(network, images, labels):
    """Gradients of the parameters and of the hidden activations, by autograd alone."""
    signal, hidden = images, []
    for index, layer in enumerate(network.layers):
        signal = F.linear(signal, layer.weight, layer.bias)
        if index < len(network.layers) - 1:
            signal = signal.relu()
            hidden.append(signal)
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(F.cross_entropy(signal, labels), [*parameters, *hidden])
    return gradients[: len(parameters)], gradients[len(parameters) :]


def given(network):
    return [parameter.grad.clone() for parameter in network.parameters()]


def predicted(network, graders, images, labels):
    """What the graders predict at each activation of a plain forward pass."""
    signal, found = images, []
    for index in network.hidden:
        signal = network.layer(index, signal)
        found.append(graders.predict(index, signal, labels, learning=False).gradient)
    return found


@pytest.mark.parametrize("way", [ways.clean, ways.chained])
def test_at_beta_0_the_gradients_are_those_of_backpropagation_bit_for_bit(trained, way):
    network, graders, images, labels = trained()
    back = way(network, graders, images, labels, beta=0.0, learning=True)
    expected, hidden = autograd(network, images, labels)
    assert all(torch.equal(a, b) for a, b in zip(given(network), expected, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(back.targets, hidden, strict=True))


def test_the_clean_way_shows_every_grader_the_gradient_of_backpropagation(trained):
    network, graders, images, labels = trained()
    back = ways.clean(network, graders, images, labels, beta=BETA, learning=True)
    _, hidden = autograd(network, images, labels)
    assert len(back.targets) == 3
    assert all(torch.equal(a, b) for a, b in zip(back.targets, hidden, strict=True))


def test_the_clean_way_gives_each_layer_its_own_blend(trained):
    network, graders, images, labels = trained()
    ways.clean(network, graders, images, labels, beta=BETA, learning=False)
    _, hidden = autograd(network, images, labels)
    synthetic = predicted(network, graders, images, labels)
    signal = images
    for index in network.hidden:
        layer = network.layers[index]
        output = network.layer(index, signal)
        mixed = (1 - BETA) * hidden[index] + BETA * synthetic[index]
        assert mixed.abs().sum() > 0
        for parameter, expected in zip(
            (layer.weight, layer.bias),
            torch.autograd.grad(output, (layer.weight, layer.bias), mixed),
            strict=True,
        ):
            assert torch.allclose(parameter.grad, expected, rtol=1e-5, atol=1e-9)
        signal = output.detach()


def test_the_chained_way_hands_the_blend_on_to_the_graders_below(trained):
    network, graders, images, labels = trained()
    back = ways.chained(network, graders, images, labels, beta=BETA, learning=True)
    _, hidden = autograd(network, images, labels)
    synthetic = predicted(network, graders, images, labels)
    expected = hidden[2]
    assert torch.equal(back.targets[2], expected)
    activations = [images]
    for index in network.hidden:
        activations.append(network.layer(index, activations[-1].detach()))
    for index in (1, 0):  # the blend above, back through the one layer between, by its mask and weights
        mixed = (1 - BETA) * expected + BETA * synthetic[index + 1]
        expected = (mixed * (activations[index + 2] > 0)) @ network.layers[index + 1].weight
        assert torch.allclose(back.targets[index], expected, rtol=1e-4, atol=1e-9)
        assert not torch.allclose(back.targets[index], hidden[index], rtol=1e-2)


def test_decoupled_layers_are_given_what_their_grader_predicts_and_nothing_from_above(trained):
    network, graders, images, labels = trained()
    back = ways.decoupled(network, graders, images, labels, learning=True)
    before = given(network)
    _, hidden = autograd(network, images, labels)
    synthetic = predicted(network, graders, images, labels)
    assert torch.equal(back.targets[2], hidden[2])  # the loss lies right above it
    output = network.layer(1, network.layer(0, images).detach().requires_grad_())
    expected = torch.autograd.grad(output, network.layers[1].weight, synthetic[1])[0]
    assert torch.allclose(network.layers[1].weight.grad, expected, rtol=1e-5, atol=1e-9)
    # Other labels change nothing below the last layer: no news of the loss comes down in this step.
    ways.decoupled(network, graders, images, labels.roll(1), learning=True)
    after = given(network)
    assert all(torch.equal(a, b) for a, b in zip(before[:-2], after[:-2], strict=True))
    assert not torch.equal(before[-2], after[-2])


def test_true_gradients_are_those_of_autograd(trained):
    network, _, images, labels = trained()
    _, hidden = autograd(network, images, labels)
    found = ways.true_gradients(network, images, labels)
    assert all(torch.equal(a, b) for a, b in zip(found, hidden, strict=True))


def test_beta_rises_in_a_straight_line_and_stops():
    assert [beta(t, beta_max=0.8, warm_up=5) for t in (0, 1, 3.5, 4, 4.5, 9)] == [0, 0.2, 0.7, 0.8, 0.8, 0.8]
    assert beta(0, beta_max=0.8, warm_up=0) == 0.8


def test_blending():
    true, synthetic = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 2.0])
    assert torch.allclose(blend(true, synthetic, 0.25), torch.tensor([1.5, -1.0]))
    assert blend(true, torch.tensor([torch.nan, torch.inf]), 0) is true
