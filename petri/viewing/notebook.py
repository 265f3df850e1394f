"""A model alive in a notebook."""

from __future__ import annotations

import html

from petri.modelfile import Model

HEIGHT = 680  # pixels


def alive(model: Model) -> str:
    """HTML of a frame with the whole page in it, for one model; it needs no server and no network."""
    from petri.shaders import manifest
    from petri.shaders.html import page

    entry = manifest.entry(model, name=model.target, file="")
    content = page({model.target: model}, [entry])
    # Without an origin of its own, the frame cannot touch the notebook around it.
    return (
        f'<iframe srcdoc="{html.escape(content)}" title="{html.escape(model.target)}, alive" '
        f'sandbox="allow-scripts allow-downloads" width="100%" height="{HEIGHT}" style="border: 0"></iframe>'
    )
