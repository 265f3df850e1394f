"""The step on a GPU, in Triton: one kernel a step forward, or two with the living mask, and a few backward.

A cell's planes lie side by side. There is a row for each cell of all samples, and a program takes a block of
rows. Widths are padded with zeros to what a product of tiles needs: `WIDE` planes, `OUT` outputs of the rule,
`HIDDEN` units, `FELT` features of a part of a convolution.

A cell's features come in parts: filters of stencils, each over all planes, then convolutions in parts of
their width. Which cells a part reads is a table of taps, so that one kernel takes any senses side by side:

- `table`: rows and columns to a tap's cell, and its part;
- `firsts`: of each part its first tap, and at the end the number of all.

This module needs Triton; `petri.engine.fused` imports it when it is wanted.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Numbers of which Triton is to make no kernels apart where they are 1 or multiples of 16: what is tried on a
# tiny grid is then what takes every other.
SIZES = ("count", "height", "width", "share", "STRIDE", "threshold")


@triton.jit
def pcg(word):
    """The hash of `petri.nca.fire.pcg`, of uint32."""
    a = word * 747796405 + 2891336453
    w = ((a >> ((a >> 28) + 4)) ^ a) * 277803737
    return (w >> 22) ^ w


@triton.jit
def rows(pointer, cells, there, WIDTH: tl.constexpr, COLUMNS: tl.constexpr):
    """Columns, from the first, of the rows of cells; 0 where there is none."""
    columns = tl.arange(0, COLUMNS)[None, :]
    return tl.load(pointer + cells.to(tl.int64)[:, None] * WIDTH + columns, mask=there[:, None], other=0)


@triton.jit
def put(pointer, cells, there, values, WIDTH: tl.constexpr, COLUMNS: tl.constexpr):
    """Write what `rows` reads."""
    places = pointer + cells.to(tl.int64)[:, None] * WIDTH + tl.arange(0, COLUMNS)[None, :]
    tl.store(places, values.to(pointer.dtype.element_ty), mask=there[:, None])


@triton.jit
def matrix(pointer, ROWS: tl.constexpr, COLUMNS: tl.constexpr, WIDTH: tl.constexpr):
    """A tile of weights; `WIDTH` columns lie from row to row."""
    return tl.load(pointer + tl.arange(0, ROWS)[:, None] * WIDTH + tl.arange(0, COLUMNS)[None, :])


@triton.jit
def product(left, right, sums):
    """A product of tiles of the weights' type, added to float32 sums."""
    return tl.dot(left.to(right.dtype), right, sums, input_precision="ieee")


@triton.jit
def within(values, bound):
    """Values clamped to ±bound; what is no number stays none, so that it is noticed."""
    return tl.where(values > bound, bound, tl.where(values < -bound, -bound, values))


@triton.jit
def active(values, bound):
    """Between 0 and a bound."""
    return tl.where(values > bound, bound, tl.where(values < 0, 0.0, values))


@triton.jit
def neighbour(cells, height, width, down, right, WRAP: tl.constexpr):
    """The cells so far away, and whether there are such; on a grid that wraps no way is negative."""
    inside = cells % (height * width)
    y, x = inside // width + down, inside % width + right
    if WRAP:
        y, x = y % height, x % width
    there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return cells - inside + y * width + x, there


@triton.jit
def reader(cells, height, width, down, right, WRAP: tl.constexpr):
    """The cells by which these are read through a tap; the way back of `neighbour`."""
    if WRAP:
        return neighbour(cells, height, width, height - down, width - right, WRAP)
    else:
        return neighbour(cells, height, width, -down, -right, WRAP)


@triton.jit
def filtered(
    state, part, table, firsts, taps, cells, here, height, width,
    WIDE: tl.constexpr, WRAP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """What cells sense by one filter of a stencil, `[BLOCK, WIDE]`."""
    felt = tl.zeros([BLOCK, WIDE], tl.float32)
    for tap in range(tl.load(firsts + part), tl.load(firsts + part + 1)):
        down, right = tl.load(table + 3 * tap), tl.load(table + 3 * tap + 1)
        other, there = neighbour(cells, height, width, down, right, WRAP)
        weight = tl.load(taps + tap * WIDE + tl.arange(0, WIDE))
        felt += weight[None, :] * rows(state, other, there & here, WIDE, WIDE)
    return felt


@triton.jit
def convolved(
    state, part, table, firsts, filters, filter_biases, cells, here, height, width, STENCILS: tl.constexpr,
    TAPS: tl.constexpr, WIDE: tl.constexpr, FELT: tl.constexpr, WRAP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """What cells sense by one part of a convolution, behind its activation, `[BLOCK, FELT]`."""
    columns = tl.arange(0, FELT)
    felt = tl.zeros([BLOCK, FELT], tl.float32) + tl.load(filter_biases + part * FELT + columns)[None, :]
    for tap in range(tl.load(firsts + STENCILS + part), tl.load(firsts + STENCILS + part + 1)):
        down, right = tl.load(table + 3 * tap), tl.load(table + 3 * tap + 1)
        other, there = neighbour(cells, height, width, down, right, WRAP)
        weights = matrix(filters + (tap - TAPS) * WIDE * FELT, WIDE, FELT, FELT)
        felt = product(rows(state, other, there & here, WIDE, WIDE), weights, felt)
    return tl.where(felt < 0, 0.0, felt)


@triton.jit
def first_layer(
    state, felt, table, firsts, taps, filters, filter_biases, weights, biases, cells, here, height, width,
    sensed_bound, hidden_bound, STENCILS: tl.constexpr, CONVS: tl.constexpr, TAPS: tl.constexpr,
    WIDE: tl.constexpr, FELT: tl.constexpr, HIDDEN: tl.constexpr, WRAP: tl.constexpr, BLOCK: tl.constexpr,
    KEPT: tl.constexpr,
):  # fmt: skip
    """The first hidden layer, `[BLOCK, HIDDEN]`; `KEPT` says that `felt` has what convolutions sense."""
    hidden = tl.zeros([BLOCK, HIDDEN], tl.float32) + tl.load(biases + tl.arange(0, HIDDEN))[None, :]
    for part in range(STENCILS):
        sensed = filtered(state, part, table, firsts, taps, cells, here, height, width, WIDE, WRAP, BLOCK)
        tile = matrix(weights + part * WIDE * HIDDEN, WIDE, HIDDEN, HIDDEN)
        hidden = product(within(sensed, sensed_bound), tile, hidden)
    if CONVS > 0:
        for part in range(CONVS):
            if KEPT:
                sensed = rows(felt + part * FELT, cells, here, CONVS * FELT, FELT).to(tl.float32)
            else:
                sensed = convolved(
                    state, part, table, firsts, filters, filter_biases, cells, here, height, width,
                    STENCILS, TAPS, WIDE, FELT, WRAP, BLOCK,
                )  # fmt: skip
            tile = matrix(weights + (STENCILS * WIDE + part * FELT) * HIDDEN, FELT, HIDDEN, HIDDEN)
            hidden = product(within(sensed, sensed_bound), tile, hidden)
    return active(hidden, hidden_bound)


@triton.jit
def second_layer(
    hidden, weights, biases, tile, hidden_bound,
    HIDDEN: tl.constexpr, TILE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """So many units of the second hidden layer, `[BLOCK, TILE]`, and the weights that lead to them."""
    leading = matrix(weights + tile * TILE, HIDDEN, TILE, HIDDEN)
    above = tl.zeros([BLOCK, TILE], tl.float32)
    above += tl.load(biases + tile * TILE + tl.arange(0, TILE))[None, :]
    return active(product(hidden, leading, above), hidden_bound), leading


@triton.jit
def proposed(
    hidden, middle, middle_bias, last, last_bias, hidden_bound, HIDDEN: tl.constexpr, TILE: tl.constexpr,
    OUT: tl.constexpr, DEEP: tl.constexpr, RESIDUAL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """What the rule makes of its first hidden layer, `[BLOCK, OUT]`, not bounded."""
    out = tl.zeros([BLOCK, OUT], tl.float32) + tl.load(last_bias + tl.arange(0, OUT))[None, :]
    if RESIDUAL or not DEEP:
        out = product(hidden, matrix(last, HIDDEN, OUT, OUT), out)
    if DEEP:
        for tile in range(HIDDEN // TILE):
            above, _ = second_layer(hidden, middle, middle_bias, tile, hidden_bound, HIDDEN, TILE, BLOCK)
            out = product(above, matrix(last + tile * TILE * OUT, TILE, OUT, OUT), out)
    return out


@triton.jit(do_not_specialize=SIZES)
def forward(
    before, after, marks, words, table, firsts, taps, filters, filter_biases, first, first_bias, middle,
    middle_bias, last, last_bias, count, height, width, threshold, clamp, sensed_bound, hidden_bound,
    change_bound, CHANNELS: tl.constexpr, PLANES: tl.constexpr, HELD: tl.constexpr, GATED: tl.constexpr,
    MASKED: tl.constexpr, WRAP: tl.constexpr, STENCILS: tl.constexpr, CONVS: tl.constexpr,
    TAPS: tl.constexpr, WIDE: tl.constexpr, FELT: tl.constexpr, HIDDEN: tl.constexpr, TILE: tl.constexpr,
    OUT: tl.constexpr, DEEP: tl.constexpr, RESIDUAL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A step, but for the living mask; `marks` has 1 where a cell fired."""
    cells = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = cells < count
    hidden = first_layer(
        before, before, table, firsts, taps, filters, filter_biases, first, first_bias, cells, here, height,
        width, sensed_bound, hidden_bound, STENCILS, CONVS, TAPS, WIDE, FELT, HIDDEN, WRAP, BLOCK, False,
    )  # fmt: skip
    out = proposed(
        hidden, middle, middle_bias, last, last_bias, hidden_bound, HIDDEN, TILE, OUT, DEEP, RESIDUAL, BLOCK
    )
    columns = tl.arange(0, OUT)[None, :]
    inside = cells % (height * width)
    word = tl.load(words + cells // (height * width), mask=here, other=0).to(tl.uint32)
    word = pcg((inside // width).to(tl.uint32) + word)
    word = pcg((inside % width).to(tl.uint32) + word).to(tl.int64)
    if GATED:
        logit = tl.sum(tl.where(columns == PLANES, out, 0.0), axis=1)
        fired = word < (tl.sigmoid(logit) * 4294967296.0).to(tl.int64)
    else:
        fired = word < threshold
    stored = here[:, None] & (columns < WIDE)
    places = cells.to(tl.int64)[:, None] * WIDE + columns
    state = tl.load(before + places, mask=stored, other=0)
    moved = within(state + within(out, change_bound) * fired.to(tl.float32)[:, None], clamp)
    if MASKED:
        plane = tl.sum(tl.where(columns == CHANNELS, state, 0.0), axis=1)
        moved = moved * (plane > 0.1).to(tl.float32)[:, None]
    if HELD > 0:
        plane = tl.sum(tl.where(columns == CHANNELS, state, 0.0), axis=1)
        moved = tl.where((plane == 1.0)[:, None] & (columns < HELD), state, moved)
    tl.store(after + places, tl.where(columns < CHANNELS, moved, state), mask=stored)
    tl.store(marks + cells, fired.to(tl.uint8), mask=here)


@triton.jit
def alive(state, cells, here, height, width, WIDE: tl.constexpr, WRAP: tl.constexpr, BLOCK: tl.constexpr):
    """Cells with enough alpha around them."""
    most = tl.zeros([BLOCK], tl.float32)
    for near in range(9):
        down, right = near // 3 - 1, near % 3 - 1
        if WRAP:
            down, right = (down + height) % height, (right + width) % width
        other, there = neighbour(cells, height, width, down, right, WRAP)
        most = tl.maximum(most, tl.load(state + other.to(tl.int64) * WIDE + 3, mask=there & here, other=0))
    return most > 0.1


@triton.jit(do_not_specialize=SIZES)
def live(
    before, moved, after, marks, count, height, width,
    CHANNELS: tl.constexpr, WIDE: tl.constexpr, WRAP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The living mask: what has moved, and 0 where a cell did not live before or does not after."""
    cells = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = cells < count
    lives = alive(before, cells, here, height, width, WIDE, WRAP, BLOCK)
    lives = lives & alive(moved, cells, here, height, width, WIDE, WRAP, BLOCK)
    state = rows(moved, cells, here, WIDE, WIDE)
    evolves = tl.arange(0, WIDE)[None, :] < CHANNELS
    state = tl.where(evolves, state * lives.to(tl.float32)[:, None], state)
    put(after, cells, here, state, WIDE, WIDE)
    fired = tl.load(marks + cells, mask=here, other=0)
    tl.store(marks + cells, fired + 2 * lives.to(tl.uint8), mask=here)


@triton.jit(do_not_specialize=SIZES)
def feel(
    state, felt, table, firsts, filters, filter_biases, count, height, width, STENCILS: tl.constexpr,
    CONVS: tl.constexpr, TAPS: tl.constexpr, WIDE: tl.constexpr, FELT: tl.constexpr, WRAP: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Keep what convolutions sense, `[cells, CONVS · FELT]`, for the way back."""
    cells = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = cells < count
    part = tl.program_id(1)
    sensed = convolved(
        state, part, table, firsts, filters, filter_biases, cells, here, height, width, STENCILS, TAPS, WIDE,
        FELT, WRAP, BLOCK,
    )  # fmt: skip
    put(felt + part * FELT, cells, here, sensed, CONVS * FELT, FELT)


@triton.jit(do_not_specialize=SIZES)
def backward(
    before, flow, marks, felt, direct, out_flow, units, unit_flow, above_units, above_flow, felt_flow, table,
    firsts, taps, filters, filter_biases, first, first_bias, middle, middle_bias, last, last_bias, count,
    height, width, clamp, sensed_bound, hidden_bound, change_bound, CHANNELS: tl.constexpr,
    PLANES: tl.constexpr, HELD: tl.constexpr, GATED: tl.constexpr, LIVING: tl.constexpr,
    MASKED: tl.constexpr, WRAP: tl.constexpr, STENCILS: tl.constexpr, CONVS: tl.constexpr,
    TAPS: tl.constexpr, WIDE: tl.constexpr, FELT: tl.constexpr, HIDDEN: tl.constexpr, TILE: tl.constexpr,
    OUT: tl.constexpr, DEEP: tl.constexpr, RESIDUAL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """From the gradient of the state after a step to those of what the rule was given and made of it.

    Writes the gradient that goes past the rule (`direct`), and of the products: what goes in (`units`,
    `above_units`) and the gradients of what comes out (`unit_flow`, `above_flow`, `out_flow`, `felt_flow`).
    """
    cells = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = cells < count
    hidden = first_layer(
        before, felt, table, firsts, taps, filters, filter_biases, first, first_bias, cells, here, height,
        width, sensed_bound, hidden_bound, STENCILS, CONVS, TAPS, WIDE, FELT, HIDDEN, WRAP, BLOCK, True,
    )  # fmt: skip
    out = proposed(
        hidden, middle, middle_bias, last, last_bias, hidden_bound, HIDDEN, TILE, OUT, DEEP, RESIDUAL, BLOCK
    )

    # From the state after the step to the rule's outputs.
    columns = tl.arange(0, OUT)[None, :]
    evolves = columns < CHANNELS
    stored = here[:, None] & (columns < WIDE)
    places = cells.to(tl.int64)[:, None] * WIDE + columns
    state = tl.load(before + places, mask=stored, other=0)
    coming = tl.load(flow + places, mask=stored, other=0)
    mark = tl.load(marks + cells, mask=here, other=0)
    fired = (mark & 1).to(tl.float32)[:, None]
    change = within(out, change_bound)
    moved = state + change * fired
    moving = tl.where(evolves & (moved >= -clamp) & (moved <= clamp), coming, 0.0)
    if LIVING:
        moving = moving * (mark >> 1).to(tl.float32)[:, None]
    if MASKED:
        plane = tl.sum(tl.where(columns == CHANNELS, state, 0.0), axis=1)
        moving = moving * (plane > 0.1).to(tl.float32)[:, None]
    past = tl.where(evolves, moving, coming)
    if HELD > 0:
        plane = tl.sum(tl.where(columns == CHANNELS, state, 0.0), axis=1)
        held = (plane == 1.0)[:, None] & (columns < HELD)
        moving = tl.where(held, 0.0, moving)
        past = tl.where(held, coming, past)
    tl.store(direct + places, past, mask=stored)
    flowing = tl.where((out >= -change_bound) & (out <= change_bound), moving * fired, 0.0)
    if GATED:  # straight-through: as if a cell fired by its probability
        logit = tl.sum(tl.where(columns == PLANES, out, 0.0), axis=1)
        chance = tl.sigmoid(logit)
        slope = tl.sum(moving * change, axis=1) * chance * (1.0 - chance)
        flowing = tl.where(columns == PLANES, slope[:, None], flowing)
    put(out_flow, cells, here, flowing, OUT, OUT)

    # Through the hidden layers.
    below = tl.zeros([BLOCK, HIDDEN], tl.float32)
    if RESIDUAL or not DEEP:
        below = product(flowing, tl.trans(matrix(last, HIDDEN, OUT, OUT)), below)
    if DEEP:
        for tile in range(HIDDEN // TILE):
            above, leading = second_layer(
                hidden, middle, middle_bias, tile, hidden_bound, HIDDEN, TILE, BLOCK
            )
            ahead = tl.trans(matrix(last + tile * TILE * OUT, TILE, OUT, OUT))
            back = product(flowing, ahead, tl.zeros([BLOCK, TILE], tl.float32))
            back = tl.where((above > 0) & (above < hidden_bound), back, 0.0)
            put(above_units + tile * TILE, cells, here, above, HIDDEN, TILE)
            put(above_flow + tile * TILE, cells, here, back, HIDDEN, TILE)
            below = product(back, tl.trans(leading), below)
    below = tl.where((hidden > 0) & (hidden < hidden_bound), below, 0.0)
    put(units, cells, here, hidden, HIDDEN, HIDDEN)
    put(unit_flow, cells, here, below, HIDDEN, HIDDEN)

    # To what was sensed.
    for part in range(STENCILS):
        sensed = filtered(before, part, table, firsts, taps, cells, here, height, width, WIDE, WRAP, BLOCK)
        weights = tl.trans(matrix(first + part * WIDE * HIDDEN, WIDE, HIDDEN, HIDDEN))
        back = product(below, weights, tl.zeros([BLOCK, WIDE], tl.float32))
        back = tl.where((sensed >= -sensed_bound) & (sensed <= sensed_bound), back, 0.0)
        put(felt_flow + part * WIDE, cells, here, back, STENCILS * WIDE + CONVS * FELT, WIDE)
    if CONVS > 0:
        for part in range(CONVS):
            sensed = rows(felt + part * FELT, cells, here, CONVS * FELT, FELT).to(tl.float32)
            weights = tl.trans(matrix(first + (STENCILS * WIDE + part * FELT) * HIDDEN, FELT, HIDDEN, HIDDEN))
            back = product(below, weights, tl.zeros([BLOCK, FELT], tl.float32))
            back = tl.where((sensed > 0) & (sensed <= sensed_bound), back, 0.0)
            put(
                felt_flow + STENCILS * WIDE + part * FELT, cells, here, back,
                STENCILS * WIDE + CONVS * FELT, FELT,
            )  # fmt: skip


@triton.jit(do_not_specialize=SIZES)
def gather(
    felt_flow, before, table, firsts, taps, filters, count, height, width, STENCILS: tl.constexpr,
    CONVS: tl.constexpr, TAPS: tl.constexpr, WIDE: tl.constexpr, FELT: tl.constexpr, WRAP: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Add to the gradient of a state what comes back from all the cells that sense it."""
    cells = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = cells < count
    sums = rows(before, cells, here, WIDE, WIDE)
    for tap in range(TAPS):
        down, right = tl.load(table + 3 * tap), tl.load(table + 3 * tap + 1)
        other, there = reader(cells, height, width, down, right, WRAP)
        part = tl.load(table + 3 * tap + 2)
        weight = tl.load(taps + tap * WIDE + tl.arange(0, WIDE))
        flow = rows(felt_flow + part * WIDE, other, there & here, STENCILS * WIDE + CONVS * FELT, WIDE)
        sums += weight[None, :] * flow.to(tl.float32)
    if CONVS > 0:
        for tap in range(TAPS, tl.load(firsts + STENCILS + CONVS)):
            down, right = tl.load(table + 3 * tap), tl.load(table + 3 * tap + 1)
            other, there = reader(cells, height, width, down, right, WRAP)
            start = STENCILS * WIDE + tl.load(table + 3 * tap + 2) * FELT
            flow = rows(felt_flow + start, other, there & here, STENCILS * WIDE + CONVS * FELT, FELT)
            weights = matrix(filters + (tap - TAPS) * WIDE * FELT, WIDE, FELT, FELT)
            sums = product(flow, tl.trans(weights), sums)
    put(before, cells, here, sums, WIDE, WIDE)


@triton.jit(do_not_specialize=SIZES)
def outer(
    left, right, sums, bias_sums, state, table, firsts, taps, count, share, height, width, bound,
    STRIDE, LEFT: tl.constexpr, RIGHT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    FILTERED: tl.constexpr, BIASED: tl.constexpr, WRAP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add to a weight matrix's gradient: what went in, `[cells, LEFT]`, times that of what came out.

    Each program takes a tile of it over a share of the cells, and has sums of its own, `STRIDE` numbers after
    those of the share before; they are added up at the end, always in the same order. `FILTERED` says that
    what went in is what stencils sense, once more.
    """
    row, column, own = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    across = column * COLUMNS + tl.arange(0, COLUMNS)
    places = sums + own.to(tl.int64) * STRIDE
    places += (row * ROWS + tl.arange(0, ROWS))[:, None] * RIGHT + across[None, :]
    bias_places = bias_sums + own * RIGHT + across
    total, bias_total = tl.load(places), tl.load(bias_places)
    for start in range(own * share, tl.minimum(own * share + share, count), BLOCK):
        cells = start + tl.arange(0, BLOCK)
        here = cells < count
        if FILTERED:
            given = filtered(state, row, table, firsts, taps, cells, here, height, width, ROWS, WRAP, BLOCK)
        else:
            given = rows(left + row * ROWS, cells, here, LEFT, ROWS).to(tl.float32)
        flow = rows(right + column * COLUMNS, cells, here, RIGHT, COLUMNS)
        total = product(tl.trans(within(given, bound).to(flow.dtype)), flow, total)
        bias_total += tl.sum(flow.to(tl.float32), axis=0)
    tl.store(places, total)
    if BIASED and row == 0:
        tl.store(bias_places, bias_total)


@triton.jit(do_not_specialize=SIZES)
def taps_gradient(
    state, felt_flow, sums, table, count, share, height, width, STENCILS: tl.constexpr, CONVS: tl.constexpr,
    TAPS: tl.constexpr, WIDE: tl.constexpr, FELT: tl.constexpr, WRAP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add to the gradients of stencils' taps, `[TAPS, WIDE]`; sums are kept as in `outer`."""
    tap, own = tl.program_id(0), tl.program_id(1)
    down, right = tl.load(table + 3 * tap), tl.load(table + 3 * tap + 1)
    part = tl.load(table + 3 * tap + 2)
    places = sums + (own * TAPS + tap) * WIDE + tl.arange(0, WIDE)
    total = tl.load(places)
    for start in range(own * share, tl.minimum(own * share + share, count), BLOCK):
        cells = start + tl.arange(0, BLOCK)
        here = cells < count
        other, there = neighbour(cells, height, width, down, right, WRAP)
        flow = rows(felt_flow + part * WIDE, cells, here, STENCILS * WIDE + CONVS * FELT, WIDE)
        total += tl.sum(rows(state, other, there & here, WIDE, WIDE) * flow.to(tl.float32), axis=0)
    tl.store(places, total)


@triton.jit(do_not_specialize=SIZES)
def filters_gradient(
    state, felt_flow, sums, bias_sums, table, firsts, count, share, height, width, STENCILS: tl.constexpr,
    CONVS: tl.constexpr, TAPS: tl.constexpr, WIDE: tl.constexpr, FELT: tl.constexpr, WRAP: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Add to the gradients of convolutions' weights, `[taps, WIDE, FELT]`, and biases; as in `outer`."""
    number, own = tl.program_id(0), tl.program_id(1)
    tap = TAPS + number
    down, right = tl.load(table + 3 * tap), tl.load(table + 3 * tap + 1)
    part = tl.load(table + 3 * tap + 2)
    places = sums + (own.to(tl.int64) * tl.num_programs(0) + number) * WIDE * FELT
    places += tl.arange(0, WIDE)[:, None] * FELT + tl.arange(0, FELT)[None, :]
    bias_places = bias_sums + (own * CONVS + part) * FELT + tl.arange(0, FELT)
    total, bias_total = tl.load(places), tl.load(bias_places)
    for start in range(own * share, tl.minimum(own * share + share, count), BLOCK):
        cells = start + tl.arange(0, BLOCK)
        here = cells < count
        other, there = neighbour(cells, height, width, down, right, WRAP)
        columns = felt_flow + STENCILS * WIDE + part * FELT
        flow = rows(columns, cells, here, STENCILS * WIDE + CONVS * FELT, FELT)
        read = rows(state, other, there & here, WIDE, WIDE)
        total = product(tl.trans(read.to(flow.dtype)), flow, total)
        bias_total += tl.sum(flow.to(tl.float32), axis=0)
    tl.store(places, total)
    if tl.load(firsts + STENCILS + part) == tap:  # one tap of a part speaks for its biases
        tl.store(bias_places, bias_total)
