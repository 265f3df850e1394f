"""Golden values: a few cells of a short growth, for anyone's machine to compare itself with."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from petri.nca import Automaton, Spec, opening_state
from petri.nca.decoder import Raster
from petri.nca.fire import fire_words, sample_seeds
from petri.nca.life import ALPHA, THRESHOLD
from petri.nca.padding import pad
from petri.nca.spots import Spots

HEIGHT, WIDTH = 17, 23  # neither square nor even: what is transposed or shifted shows
STEPS = (1, 8, 32)  # after which values are kept; the last is enough for every edge to be felt
ROWS, COLUMNS = (0, 6, 8, 16), (0, 9, 11, 22)
NODES = 24  # of a ring or a mesh
MARGIN = 2e-6  # to a threshold: nearer than this, a rounding decides whether a cell fires or lives
SEEDS = 20  # that are tried
SCALE = 5  # pixels to a cell of what a decoder paints: not even, so that none lies between two cells
POINTS = 48  # of them that are kept
CLEAR = 1e-3  # least distance of the alpha there from that of a living cell


@torch.no_grad()
def golden(
    automaton: Automaton,
    *,
    grid: tuple[int, int] | None = None,
    faces: np.ndarray | None = None,
    condition: int | None = None,
) -> dict[str, Any]:
    """What the page's `verify` compares with: growth on a small grid, computed by PyTorch in float32.

    The rollout's seed is the first that brings no cell within `MARGIN` of a threshold on its way, so that the
    values do not hang on a rounding; the last one tried, if there is none.

    Args:
        automaton: what grows; of a mesh it has its graph.
        grid: of a ring or a mesh, 1 and its nodes.
        faces: of a mesh, on which a decoder paints, its triangles `[faces, 3]`.
        condition: the fixed plane that is 1, of an automaton of several targets; all are empty if None.

    Returns:
        `width`, `height`, `seed`, `steps`, `cells` (row and column of each) and `values`, base64 of float32
        `[step, cell, channel]`, little-endian; of a classifier also `fixed`, `[plane, height, width]`. If
        there is a decoder, also `painted`: `width` and `height` of a picture, `pixels` (row and column of
        each) and `values` `[step, pixel, 3 or 4]`; on a mesh `corners` of the triangle of each point,
        `shares`, how near it lies to them, `[point, 3]`, and `values`.
    """
    spec = automaton.spec
    largest = max(sense.size for sense in spec.senses)
    height, width = grid or (max(HEIGHT, largest), max(WIDTH, largest))
    fixed = picture(spec, height, width) if spec.classes else None
    for seed in range(SEEDS):
        state = opening_state(automaton.spec, height, width, seed=seed, condition=condition, fixed=fixed)
        states, clear = [], True
        for step in range(STEPS[-1]):
            clear = clear and margin(automaton, state, seed=seed, step=step) > MARGIN
            state = automaton.rollout(state, 1, seed=seed, start=step, engine="torch")
            if step + 1 in STEPS:
                states.append(state)
        if clear:
            break
    cells = [(row, column) for row in ROWS for column in COLUMNS] if grid is None else _reached(states[-1])
    rows, columns = torch.tensor(cells).T
    kept = [state[0, : spec.channels, rows, columns].T for state in states]
    return {
        "width": width,
        "height": height,
        "seed": seed,
        "steps": STEPS,
        "cells": cells,
        "values": _text(torch.stack(kept)),
        **({"painted": _painted(automaton, states, faces)} if automaton.decoder else {}),
        **({} if fixed is None else {"fixed": _text(fixed)}),
    }


def _reached(state: Tensor) -> list[tuple[int, int]]:
    """Some of the nodes that growth has come to, and the first and the last of all."""
    nodes = state.shape[-1]
    found = state[0, :, 0].abs().amax(dim=0).nonzero()[:, 0].tolist() or [0]
    chosen = {found[round(at * (len(found) - 1) / (NODES - 1))] for at in range(NODES)}
    return [(0, node) for node in sorted(chosen | {0, nodes - 1})]


def picture(spec: Spec, height: int, width: int) -> Tensor:
    """What a classifier is to look at, `[plane, height, width]` in 0..1: noise, the same everywhere."""
    words = torch.cat(
        [fire_words(sample_seeds(0, 1), plane, height, width)[0] for plane in range(spec.fixed)]
    )
    return (words >> 8).float() * 2.0**-24


def _painted(automaton: Automaton, states: list[Tensor], faces: np.ndarray | None) -> dict[str, Any]:
    """Some points of what is painted of states."""
    return _pixels(automaton, states) if faces is None else _spots(automaton, states, faces)


def _spots(automaton: Automaton, states: list[Tensor], faces: np.ndarray) -> dict[str, Any]:
    """Some points all over a mesh, in all parts of their triangles."""
    chosen = torch.linspace(0, len(faces) - 1, POINTS).round().long()
    corners = torch.from_numpy(faces)[chosen]
    words = fire_words(sample_seeds(0, 1), 0, POINTS, 3)[0, 0]
    parts = ((words >> 8).double() + 1) * 2.0**-24
    shares = (parts / parts.sum(dim=1, keepdim=True)).float()
    spots = Spots(corners=corners, shares=shares)
    seen = torch.stack([automaton.paint(state, spots)[0].T for state in states])
    return {"corners": corners.tolist(), "shares": _text(shares), "values": _text(seen)}


def _pixels(automaton: Automaton, states: list[Tensor]) -> dict[str, Any]:
    """Some pixels of a picture, whose alpha is in none of the states near that of a living cell."""
    height, width = (SCALE * side for side in states[0].shape[-2:])
    raster = Raster.of(height, width)
    alphas = torch.stack([automaton.between(state[:, ALPHA : ALPHA + 1], raster)[0, 0] for state in states])
    clear = (alphas - THRESHOLD).abs().amin(dim=0) > CLEAR
    lives = clear & (alphas[-1] > THRESHOLD)
    # Where something is seen, if anything is; all over it, and no two in a line.
    found = (lives if lives.any() else clear).nonzero()
    chosen = found[torch.linspace(0, len(found) - 1, POINTS).round().long()] if len(found) else found
    seen = torch.stack(
        [automaton.paint(state, raster)[0][:, chosen[:, 0], chosen[:, 1]].T for state in states]
    )
    return {"width": width, "height": height, "pixels": chosen.tolist(), "values": _text(seen)}


def _text(values: Tensor) -> str:
    """Numbers as base64 of float32, little-endian."""
    return base64.b64encode(values.float().contiguous().numpy().astype("<f4").tobytes()).decode()


def margin(automaton: Automaton, state: Tensor, *, seed: int, step: int) -> float:
    """How near a cell comes to a threshold in a step, of its gate or of the living mask.

    Args:
        automaton: what decides.
        state: before the step, `[1, channel, height, width]`.
        seed: of the rollout.
        step: its number.

    Returns:
        The least distance: a probability if gated, alpha if there is the living mask; 1 if there is neither.
    """
    spec, distances = automaton.spec, [1.0]
    if spec.rule.gated:
        graph = automaton.graph_of(state.shape[-1])
        sensed = automaton.perception(state) if graph is None else automaton.perception(state, graph)
        chance = automaton.rule(sensed)[:, -1:].sigmoid().double()
        words = fire_words(sample_seeds(seed, 1, device=state.device), step, *state.shape[-2:])
        distances.append(float((words / 2.0**32 - chance).abs().min()))
    if spec.living:
        bare = Automaton(dataclasses.replace(spec, living=False), graph=automaton.graph)
        bare.load_state_dict(automaton.state_dict())
        for each in (state, bare.rollout(state, 1, seed=seed, start=step, engine="torch")):
            alpha = each[:, ALPHA : ALPHA + 1]
            if spec.space.on_graph:
                most = alpha  # a node lives by one of these
            else:
                most = torch.nn.functional.max_pool2d(pad(alpha, 1, spec.space.padding), 3, stride=1)
            distances.append(float((most - THRESHOLD).abs().min()))
    return min(distances)
