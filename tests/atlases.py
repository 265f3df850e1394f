"""A made-up atlas of textures, as they are published."""

import base64
import io

import numpy as np
from PIL import Image


def atlas(names=("spots", "lines", "knots"), seed=3, across=(2, 3)):
    """A made-up atlas of some textures and the weights in it, float64, by name."""
    chance = np.random.default_rng(seed)
    layers, weights = [], {name: [] for name in names}
    for number, (rows, outputs, scale) in enumerate([(49, 96, 2.0), (97, 12, 1.25)]):
        columns, tile = across[number], outputs // 4
        down = -(-len(names) // columns)
        pixels = np.zeros((down * rows, columns * tile, 4), np.uint8)
        for index, name in enumerate(names):
            values = chance.integers(0, 256, (rows, outputs), dtype=np.uint8)
            place = (slice(index // columns * rows, None), slice(index % columns * tile, None))
            pixels[place][:rows, :tile] = values.reshape(rows, tile, 4)
            weights[name].append((values.astype(float) - 127) / 255 * scale)
        content = io.BytesIO()
        Image.fromarray(pixels, "RGBA").save(content, format="PNG")
        data = "data:image/PNG;base64," + base64.b64encode(content.getvalue()).decode()
        layers.append({"scale": scale, "data": data, "shape": [rows, outputs], "layout": [columns, down]})
    return {"model_names": list(names), "layers": layers}, weights
