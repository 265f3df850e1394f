"""Which number of a sense's weights reads which neighbour, and what an impulse brings out."""

from __future__ import annotations

import itertools

import pytest
import torch

from petri.nca import Attention, Conv, Deformable, Grid, Mlp, Residual, Spec, Stencil
from petri.nca.perception import Perception

HEIGHT, WIDTH, PLANES = 7, 8, 5
# A number of its own for every plane and cell.
STATE = torch.arange(1.0, 1 + PLANES * HEIGHT * WIDTH).view(1, PLANES, HEIGHT, WIDTH)


def perception(*senses, padding="zero", rule=None):
    """Of 4 channels and a fixed plane, all weights 0."""
    spec = Spec(senses=senses, channels=4, fixed=1, space=Grid(padding=padding), rule=rule or Mlp(hidden=16))
    made = Perception(spec).requires_grad_(False)
    for values in made.parameters():
        values.zero_()
    return made


def neighbour(plane, down, right, padding):
    """What each cell finds so many rows below and columns to the right of it, cell by cell."""
    found = torch.zeros(HEIGHT, WIDTH)
    for y, x in itertools.product(range(HEIGHT), range(WIDTH)):
        row, column = y + down, x + right
        if padding == "wrap":
            found[y, x] = STATE[0, plane, row % HEIGHT, column % WIDTH]
        elif 0 <= row < HEIGHT and 0 <= column < WIDTH:
            found[y, x] = STATE[0, plane, row, column]
    return found


@pytest.mark.parametrize("padding", ["zero", "wrap"])
@pytest.mark.parametrize(("size", "dilation"), [(1, 1), (3, 1), (3, 2), (5, 2)])
def test_a_weight_of_a_convolution_reads_one_plane_of_one_neighbour(size, dilation, padding):
    sensing = perception(Conv(size=size, dilation=dilation, width=3), padding=padding)
    weight, far = sensing.get_parameter("0.weight"), size // 2
    assert weight.shape == (3, PLANES, size, size)
    for number, (row, column) in enumerate(itertools.product(range(size), repeat=2)):
        feature, plane = number % 3, number % PLANES
        weight.zero_()
        weight[feature, plane, row, column] = 1.0
        seen = sensing(STATE)[0]
        expected = torch.zeros(3, HEIGHT, WIDTH)
        expected[feature] = neighbour(plane, (row - far) * dilation, (column - far) * dilation, padding)
        assert torch.equal(seen, expected), (row, column)


def test_a_convolution_adds_its_bias_and_is_never_negative():
    sensing = perception(Conv(width=3))
    sensing.get_parameter("0.bias").copy_(torch.tensor([-1.0, 0.0, 2.0]))
    assert sensing(STATE)[0, :, 3, 3].tolist() == [0.0, 0.0, 2.0]


@pytest.mark.parametrize(("size", "dilation"), [(3, 1), (5, 3)])
def test_a_weight_of_a_trained_bank_reads_one_neighbour_of_its_own_plane(size, dilation):
    bank = Stencil(filters=("sobel_y", "identity"), size=size, dilation=dilation, trained=True)
    sensing, far = perception(bank), size // 2
    weight = sensing.get_parameter("0.bank")
    assert weight.shape == (2 * PLANES, 1, size, size)
    for plane, filter, row, column in [(0, 0, 0, 0), (1, 1, 0, size - 1), (4, 0, size - 1, 0), (2, 1, 1, 2)]:
        weight.zero_()
        weight[2 * plane + filter, 0, row, column] = 1.0
        expected = torch.zeros(2 * PLANES, HEIGHT, WIDTH)
        expected[2 * plane + filter] = neighbour(
            plane, (row - far) * dilation, (column - far) * dilation, "zero"
        )
        assert torch.equal(sensing(STATE)[0], expected)


# What the cells around an impulse of 1 sense of it, in eighths, row by row.
ANSWERS = {
    "identity": [[0, 0, 0], [0, 8, 0], [0, 0, 0]],
    "sobel_x": [[1, 0, -1], [2, 0, -2], [1, 0, -1]],  # to the left of it values grow to the right
    "sobel_y": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],  # above it they grow downwards
    "laplacian": [[1, 2, 1], [2, -12, 2], [1, 2, 1]],
}


@pytest.mark.parametrize(("size", "dilation"), [(3, 1), (3, 3), (5, 1), (7, 2)])
@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_filter_answers_to_an_impulse(name, size, dilation):
    impulse = torch.zeros(1, PLANES, 9, 10)
    impulse[0, 2, 4, 5] = 8.0
    sensing = perception(Stencil(filters=(name,), size=size, dilation=dilation))
    expected = torch.zeros(PLANES, 9, 10)
    rows, columns = (slice(n - dilation, n + dilation + 1, dilation) for n in (4, 5))
    expected[2, rows, columns] = torch.tensor(ANSWERS[name], dtype=torch.float32)
    assert torch.equal(sensing(impulse)[0], expected)


def test_features_are_in_the_order_of_planes_then_stencils_then_the_other_senses():
    sensing = perception(
        Conv(size=1, width=2),
        Stencil(filters=("identity",)),
        Stencil(filters=("sobel_x", "identity"), dilation=2),
    )
    sensing.get_parameter("0.bias").copy_(torch.tensor([0.25, 0.5]))
    cell = sensing(torch.ones(1, PLANES, 5, 5))[0, :, 2, 2].tolist()
    assert cell == [1.0, 0.0, 1.0] * PLANES + [0.25, 0.5]


@pytest.mark.parametrize("padding", ["zero", "wrap"])
@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, -1), (-1, 2), (2, 1), (-9, 9)])
def test_a_tap_that_is_moved_reads_there(down, right, padding):
    """Also beyond the edge: no more than 8/4 cells from where it was."""
    sensing = perception(Deformable(width=1), padding=padding)
    guide, tap = sensing.get_parameter("0.guide_bias"), 5  # the middle row's third
    guide[tap], guide[9 + tap] = down, right
    sensing.get_parameter("0.weight")[0, 2 * 9 + tap] = 1.0  # of the third plane
    limit = {-9: -2, 9: 2}
    expected = neighbour(2, limit.get(down, down), 1 + limit.get(right, right), padding)
    torch.testing.assert_close(sensing(STATE)[0, 0], expected, rtol=0, atol=1e-3)


def test_a_tap_reads_between_cells_and_is_weighed():
    sensing = perception(Deformable(size=1, width=1), padding="wrap")
    sensing.get_parameter("0.guide_bias").copy_(torch.tensor([0.25, -0.5, 1.0]))
    sensing.get_parameter("0.weight").fill_(1.0)
    rows = [
        sum(neighbour(plane, down, right, "wrap") for plane in range(PLANES) for right in (-1, 0)) / 2
        for down in (0, 1)
    ]
    expected = (0.75 * rows[0] + 0.25 * rows[1]) * 2 * torch.tensor(1.0).sigmoid()
    torch.testing.assert_close(sensing(STATE)[0, 0], expected)


@pytest.mark.parametrize("padding", ["zero", "wrap"])
def test_attention_without_a_preference_is_the_mean_of_all_around(padding):
    """Beyond the edge lie cells of value 0, which have their share."""
    sensing = perception(Attention(heads=1, width=1), padding=padding)
    sensing.get_parameter("0.values")[0, 3] = 1.0
    sensing.get_parameter("0.out").fill_(1.0)
    everywhere = itertools.product((-1, 0, 1), repeat=2)
    expected = sum(neighbour(3, down, right, padding) for down, right in everywhere) / 9
    torch.testing.assert_close(sensing(STATE)[0, 0], expected)


def test_a_position_of_attention_is_the_neighbour_there():
    sensing = perception(Attention(size=3, dilation=2, heads=2, width=2), padding="wrap")
    sensing.get_parameter("0.values")[0, 1] = sensing.get_parameter("0.values")[1, 2] = 1.0
    sensing.get_parameter("0.out")[:, :, 0, 0] = torch.eye(2)
    sensing.get_parameter("0.positions")[0, 1] = 200.0  # above
    sensing.get_parameter("0.positions")[1, 3] = 200.0  # to the left
    seen = sensing(STATE)[0]
    assert torch.equal(seen[0], neighbour(1, -2, 0, "wrap")) and torch.equal(
        seen[1], neighbour(2, 0, -2, "wrap")
    )


def test_attention_prefers_the_key_that_agrees():
    sensing = perception(Attention(heads=1, width=1))
    state = torch.zeros(1, PLANES, 3, 3)
    state[0, 0] = 1.0  # asks
    state[0, 1, 0, 2] = 50.0  # answers, at the upper right
    state[0, 2, 0, 2] = 3.0  # and has this to say
    for name, plane in (("queries", 0), ("keys", 1), ("values", 2)):
        sensing.get_parameter(f"0.{name}")[0, plane] = 1.0
    sensing.get_parameter("0.out").fill_(1.0)
    heard = [[0.0, 3.0, 3.0], [0.0, 3.0, 3.0], [0.0, 0.0, 0.0]]
    assert sensing(state)[0, 0].tolist() == heard


def test_a_residual_sense_passes_on_what_came_in():
    sensing = perception(Residual(width=PLANES))
    assert torch.equal(sensing(STATE), STATE) and not sensing(-STATE).any()
    widened = perception(Residual(width=2))
    widened.get_parameter("0.past")[1, 3] = 1.0
    widened.get_parameter("0.past_bias").fill_(0.5)
    assert torch.equal(widened(STATE)[0, 1], STATE[0, 3] + 0.5) and (widened(STATE)[0, 0] == 0.5).all()


def test_a_residual_sense_reads_what_the_first_convolution_found():
    sensing = perception(Residual(width=2))
    sensing.get_parameter("0.first")[1, 4, 0, 2] = 1.0  # from above and the right
    sensing.get_parameter("0.second")[0, 1, 2, 2] = 1.0  # of the cell below and to the right
    reached = neighbour(4, 0, 2, "zero")
    reached[-1] = 0.0  # no cell is below the last row
    assert torch.equal(sensing(STATE)[0, 0], reached)


@pytest.mark.parametrize("padding", ["zero", "wrap"])
@pytest.mark.parametrize("name", ["conv3+conv5d2", "attention3", "attention5d2", "deformable3", "residual3"])
def test_bfloat16_products_are_close(name, padding, random_automaton):
    automaton = random_automaton(Spec.of(perception=name, channels=4, fixed=1, hidden=16, padding=padding))
    with torch.no_grad():
        exact, rough = (
            automaton.rollout(STATE / STATE.max(), 1, precision=precision, engine="torch")
            for precision in ("float32", "bfloat16")
        )
    assert rough.dtype == torch.float32 and not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.03)


@pytest.mark.parametrize("channels", [4, 21])
@pytest.mark.parametrize("padding", ["zero", "wrap"])
@pytest.mark.parametrize(
    "senses",
    [
        (Conv(width=8), Conv(size=5, dilation=2, width=40)),
        (Stencil(dilation=2, trained=True), Stencil(size=5, dilation=3, trained=True)),
        (Attention(size=5, dilation=2, width=16), Deformable(width=8)),
        (Residual(width=8),),
    ],
    ids=["conv", "stencil", "attention, deformable", "residual"],
)
def test_gradients_of_bfloat16_products_are_close(senses, padding, channels, random_automaton):
    """PyTorch takes those of dilated convolutions from memory that nobody wrote, unless it is helped."""
    spec = Spec(senses=senses, channels=channels, fixed=1, space=Grid(padding=padding), rule=Mlp(hidden=16))
    automaton, found = random_automaton(spec), []
    state = torch.rand(8, spec.planes, 32, 32, generator=torch.Generator().manual_seed(1))
    for precision in ("float32", "bfloat16"):
        lost = [torch.full((2**18,), torch.nan) for _ in range(8)]
        del lost
        given = state.clone().requires_grad_()
        after = automaton.rollout(given, 1, precision=precision, engine="torch")
        learned = [given, *automaton.perception.parameters()]
        found.append(torch.autograd.grad(after.square().sum(), learned))
    for exact, rough in zip(*found, strict=True):
        assert torch.cosine_similarity(exact.flatten(), rough.flatten(), dim=0) > 0.98


@pytest.mark.parametrize("name", ["conv3", "conv5d2", "attention5d2", "deformable3", "residual3", "learned5"])
def test_on_a_torus_no_cell_is_at_the_edge(name, random_automaton):
    spec = Spec.of(
        perception=name, channels=5, hidden=16, padding="wrap", living=True, fire_rate=1.0, layers=2
    )
    automaton = random_automaton(spec).double()
    roll = {"shifts": (3, -2), "dims": (2, 3)}
    state = STATE.double() / STATE.max() - 0.5
    with torch.no_grad():
        moved = automaton.rollout(state.roll(**roll), 2, engine="torch")
        stayed = automaton.rollout(state, 2, engine="torch")
    torch.testing.assert_close(moved, stayed.roll(**roll), rtol=0, atol=1e-11)
    assert not torch.equal(stayed, state)
