"""An epoch of a texture as petri's trainer does it, and the loss alone."""

import torch
from serve import CHANNELS, TEXTURE, serve

from petri.nca import Spec
from petri.tasks.texture import TextureTerms, Weaving
from petri.training.recipe import Optimisation, Phase, PoolUse, Recipe
from petri.training.trainer import Trainer

side, steps, hidden, projections, sizes = TEXTURE
torch.manual_seed(0)
spec = Spec.of(
    channels=CHANNELS,
    perception="learned+dilated",
    hidden=hidden,
    layers=2,
    padding="wrap",
    start={"kind": "noise"},
    colour_offset=0.5,
    clamp=None,
)
terms = TextureTerms(projections=projections, sizes=sizes)
recipe = Recipe(
    target="noise",
    name="noise",
    task="texture",
    spec=spec,
    phases=(Phase(res=side, epochs=1000, batch=1, turns=2, steps=(steps, steps)),),
    loss=terms,
    pool=PoolUse(size=4),
    optimiser=Optimisation(warm_up=0.0),  # in which rollouts would be shorter
    hold=0,
)
task = Weaving(spec, torch.rand(3, side, side), terms)
trainer = Trainer(recipe, task, torch.device("cpu"))
chance = torch.Generator().manual_seed(0)


def loss():
    """The loss alone, forward and backward."""
    rgb = torch.rand(1, 3, side, side, requires_grad=True)
    task.styles[0](rgb, chance).sum().backward()


serve({"loss": loss, "epoch": trainer.train_epoch})
