"""Training textures of meshes that a decoder paints: what an epoch looks at, and what it learns by."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from petri.errors import BadRequest
from petri.nca import Automaton, Harmonics, Mesh, Mlp, Noise, Spec
from petri.nca.decoder import Lppn
from petri.nca.spots import Spots
from petri.tasks import TASKS
from petri.tasks.glaze import Glazing, GlazingTerms
from petri.tasks.wear import Wearing, WearingTerms
from petri.training.meshes import make_wear_recipe

SPEC = Spec(
    space=Mesh(frame="upright"),
    senses=(Harmonics(),),
    rule=Mlp(hidden=16, layers=2),
    start=Noise(),
    decoder=Lppn(width=8, outputs=3, frequencies=0),
)
TERMS = GlazingTerms(
    mesh="sphere:4", level=4, pixels=32, edges=16, window=16, views=2, sizes=2, projections=4
)


@pytest.fixture(scope="module")
def task():
    made = Glazing(SPEC, torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)), TERMS)
    made.meet(Automaton(SPEC, generator=torch.Generator().manual_seed(1)))
    return made


def state_of(task):
    return torch.rand(1, 16, 1, task.graph.nodes, generator=torch.Generator().manual_seed(2))


def test_crops_are_parts_of_views_as_the_decoder_paints_them(task):
    state = state_of(task)
    whole = Spots(corners=task.views.corners, shares=task.views.weights)
    views = task.automaton.paint(state, whole)[0].detach().movedim(0, 1)  # [view, 3, 32, 32]
    full, half = task.sizes
    assert (full.side, full.samples, full.count) == (16, 1, 2) and (half.side, half.samples) == (16, 2)
    for crop in task._crops(state, full, torch.Generator().manual_seed(3))[0]:
        places = views.unfold(2, 16, 1).unfold(3, 16, 1)  # every crop there is
        assert ((places - crop[None, :, None, None]).abs().amax(dim=(1, 4, 5)) < 1e-5).any()
    small = torch.nn.functional.avg_pool2d(views, 2)
    (crop,) = task._crops(state, half, torch.Generator().manual_seed(3))[0]
    assert ((small - crop).abs().amax(dim=(1, 2, 3)) < 1e-5).any()


def test_a_gradient_goes_to_the_decoder_and_through_it_to_the_vertices(task):
    state = state_of(task).requires_grad_(True)
    losses = task.losses([state], {})
    assert losses["style"].shape == losses["overflow"].shape == (1,)
    losses["style"].sum().backward()
    seen = state.grad.abs().sum(dim=(0, 1, 2)) > 0
    assert 100 < seen.sum() < task.graph.nodes  # those that the crops are of
    assert all(values.grad.abs().sum() > 0 for values in task.automaton.decoder.parameters())


def test_the_same_draws_come_after_the_same_number_of_them(task):
    state = state_of(task)
    task.drawn.fill_(5)
    first = task.losses([state], {})["style"]
    other = task.losses([state], {})["style"]
    task.drawn.fill_(5)
    assert torch.equal(task.losses([state], {})["style"], first) and not torch.equal(other, first)


def test_who_paints_has_a_decoder_and_who_colours_has_none():
    exemplar = torch.rand(3, 32, 32)
    with pytest.raises(BadRequest, match="takes a decoder"):
        Glazing(dataclasses.replace(SPEC, decoder=None), exemplar, TERMS)
    with pytest.raises(BadRequest, match="only nodes are looked at here"):
        Wearing(SPEC, exemplar, WearingTerms(pixels=16, level=4, mesh="sphere:4"))
    with pytest.raises(BadRequest, match="a view of 16 edges sees more than a sphere of level 3"):
        Glazing(SPEC, exemplar, dataclasses.replace(TERMS, level=3, mesh="sphere:3"))


def test_a_recipe_with_pixels_paints_and_without_is_as_it_was():
    painted = make_wear_recipe("torus", "brick", level=5, pixels=64)
    assert painted.task == "glaze" and TASKS["glaze"] is Glazing
    assert painted.spec.decoder == Lppn(width=32, outputs=3, frequencies=0)
    assert (painted.loss.pixels, painted.loss.edges) == (64, 32)
    assert painted.spec.parameters == 9_328 + 2_851
    plain = make_wear_recipe("torus", "brick", level=5)
    assert plain.task == "wear" and plain.spec.decoder is None and plain.loss.pixels == 48
