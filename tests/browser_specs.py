"""Specs of all kinds that a browser computes: what the tests of the page's steps are made with."""

from petri.nca import Cell, Conv, Given, Grid, Mlp, Noise, Spec, Stencil, Uniform

CORNER = Cell(x=1.0, y=0.0)  # no axis can be taken for the other, or for its mirror image
WRAP = Grid(padding="wrap")
SMALL = Mlp(hidden=16, layers=2)

KINDS = [
    Spec(channels=4, senses=(Conv(width=16),), rule=SMALL, start=CORNER),
    Spec(
        channels=6, fixed=3, senses=(Conv(size=5, dilation=2, width=10),), rule=SMALL, space=WRAP, living=True
    ),
    Spec(fixed=5, senses=(Conv(width=80), Conv(size=5, dilation=2, width=80)), rule=Mlp(hidden=80, layers=2)),
    Spec(
        channels=5,
        senses=(Conv(size=7, dilation=4, width=3),),
        rule=Mlp(hidden=16),
        space=WRAP,
        start=Noise(),
    ),
    Spec(
        channels=18,
        fixed=9,
        senses=(Conv(size=1, width=5), Stencil(size=5, trained=True), Conv(width=6), Stencil(dilation=2)),
        rule=Mlp(hidden=16, residual=True, gated=True),
        living=True,
    ),
    Spec(
        channels=12,
        senses=(Stencil(filters=("identity", "sobel_x", "sobel_y", "laplacian")),),
        rule=Mlp(hidden=96, layers=2, sensed_bound=0.7, hidden_bound=0.4, change_bound=0.0625),
        space=WRAP,
        start=Noise(level=0.3),
        clamp=1.5,
    ),
    Spec(
        channels=7,
        senses=(
            Stencil(filters=("laplacian", "sobel_y"), dilation=3),
            Stencil(filters=("sobel_x",), size=5),
            Stencil(filters=("laplacian", "identity"), size=7, dilation=2, trained=True),
        ),
        rule=Mlp(hidden=16, residual=True, hidden_bound=0.3),
        start=Uniform(value=-0.35),
        fire_rate=0.7,
    ),
    Spec(channels=4, fixed=1, senses=(Stencil(size=7, trained=True),), rule=SMALL, space=WRAP, start=Given()),
    Spec(
        channels=4,
        fixed=64,
        senses=(Stencil(filters=("identity",)), Conv(width=6)),
        rule=Mlp(hidden=16, gated=True, change_bound=0.03, sensed_bound=2.5),
        start=Given(),
        clamp=None,
    ),
]
