"""GLSL from a Spec: the viewer's templates, filled in.

The templates lie in `viewer/lib/*.glsl.js`, where the page reads them too; the two give the same text.
"""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from typing import Any

from petri.nca import Cell, Spec
from petri.nca.rule import BOUNDS, Mlp
from petri.nca.senses import Conv, Stencil
from petri.shaders.decoder import given, layer_places
from petri.shaders.lanes import LANES
from petri.shaders.pack import layout
from petri.viewer import text

TARGETS = 4  # render targets that every WebGL2 has
_WORD = re.compile(r"//#(\w+) ?(!?\w+)?")
_NAME = re.compile(r"\{\{(\w+)\}\}")


def step_shader(spec: Spec) -> str:
    """The fragment shader of a step, for WebGL2; what it reads is said in it."""
    return resolve(template("step"), values(spec))


def life_shader(spec: Spec) -> str:
    """The fragment shader of the living mask, the second pass of a step."""
    return resolve(template("life"), values(spec))


def decoder_shader(spec: Spec) -> str:
    """The fragment shader of what a decoder paints; its weights are in the step's texture."""
    return resolve(template("decoder"), _decoder_values(spec))


def name(spec: Spec) -> str:
    """A file name for the shader of an architecture, such as `dilated-64-3-residual`.

    Two Specs have the same name exactly if they have the same shaders: all that tells them apart is where a
    rollout starts and how its colours are shown.
    """
    rule = spec.rule
    senses = spec.perception.translate(str.maketrans("+(,", "-..", ")"))
    words = [senses, str(rule.hidden), str(rule.layers)]
    words += ["residual"] * rule.residual + ["gated"] * rule.gated + ["living"] * spec.living
    words += ["masked"] * spec.masked
    words += ["wrap"] * (spec.space.padding == "wrap")
    words += [f"{spec.channels}ch"] * (spec.channels != 16) + [f"{spec.fixed}fixed"] * (spec.fixed > 0)
    words += [f"{bound.partition('_')[0]}{_bound(rule, bound)}" for bound in BOUNDS if _bound(rule, bound)]
    if not rule.gated and spec.fire_rate != 0.5:
        words.append("always" if spec.fire_rate == 1 else f"fire{fire_threshold(spec):08x}")
    if spec.clamp != 1.0:
        words.append("unbounded" if spec.clamp is None else f"clamp{spec.clamp!r}")
    if spec.decoder:
        frequencies = spec.decoder.frequencies
        words.append(
            f"lppn{spec.decoder.layers}x{spec.decoder.width}" + f"f{frequencies}" * (frequencies != 1)
        )
        words += ["maps-" + "".join(name[0] for name in spec.decoder.maps)] * bool(spec.decoder.maps)
    return "-".join(words)


def fire_threshold(spec: Spec) -> int:
    """A cell fires where its word is below this: `floor(fire_rate · 2³²)`."""
    return int((spec.fire_rate or 0.0) * 4294967296.0)


def _decoder_values(spec: Spec) -> dict[str, Any]:
    """What the decoder's template can say of a Spec."""
    places, decoder = layer_places(spec), spec.decoder
    assert decoder is not None, "who asks has one"
    *sines, last = places
    arrays = ["given"] + ["odd", "even"] * decoder.layers
    return (
        values(spec)
        | {
            "block": False,
            "at": layout(spec).decoder,
            "given": given(spec),
            "quads": sines[-1].quads,
            "living": spec.living,
            "triangles": False,  # the page alone draws surfaces
            "turning": decoder.frequencies > 0,
            "frequencies": decoder.frequencies,
            "sines": [
                {
                    "begin": place.begin,
                    "stride": place.stride,
                    "before": place.before,
                    "from": before,
                    "to": after,
                }
                for place, before, after in zip(sines, arrays, arrays[1:], strict=False)
            ],
            "last": last.begin,
            "from_last": arrays[decoder.layers],
            "material": bool(decoder.maps),
            "stride_last": last.stride,
            "albedo": "albedo" in decoder.maps,
            "sloped_by_height": "height" in decoder.maps and "normal" not in decoder.maps,
        }
    )


def values(spec: Spec, *, shadertoy: bool = False) -> dict[str, Any]:
    """What the templates can say of a Spec."""
    places, rule = layout(spec), spec.rule
    banks, convolutions = _senses(spec)
    hidden, change = _bound(rule, "hidden_bound"), _bound(rule, "change_bound")
    return {
        # GLSL is ASCII; and where a rollout starts is no part of a step.
        "description": dataclasses.replace(spec, start=Cell())
        .describe()
        .replace(" · ", ", ")
        .replace("×", "x"),
        "channels": spec.channels,
        "fixed": spec.fixed,
        "groups": places.groups,
        "layers": places.layers,
        "filters": places.filters,
        "features": places.features,
        "hidden": rule.hidden,
        "second": places.second,
        "output": places.output,
        "width": places.end,
        "columns": places.width,
        "below": places.below,
        "targets": min(places.groups, TARGETS),
        "several": places.groups > TARGETS,
        "wrap": spec.space.padding == "wrap",
        "reach": max(sense.reach for sense in spec.senses),
        "banks": banks,
        "convolutions": convolutions,
        "slopes": any(bank["sloped"] for bank in banks),
        "curved": any(bank["curved"] for bank in banks),
        "owning": bool(convolutions) or any(bank["trained"] for bank in banks),
        "sensed_bounded": rule.sensed_bound is not None,
        "sensed_bound": _bound(rule, "sensed_bound"),
        "active": f"clamp(sum, 0.0, {hidden})" if hidden else "max(sum, 0.0)",
        "change": f"clamp(change, -{change}, {change})" if change else "change",
        "three": rule.layers == 3,
        "residual": rule.residual,
        "gated": rule.gated,
        "sometimes": spec.fire_rate is not None and spec.fire_rate < 1,
        "threshold": "" if rule.gated else fire_threshold(spec),
        "clamped": spec.clamp is not None,
        "clamp": "" if spec.clamp is None else repr(spec.clamp),
        "given": spec.masked,
        "masked": ", before the living mask" if spec.living else "",
        "shadertoy": shadertoy,
    }


def _bound(rule: Mlp, name: str) -> str:
    """A bound of the rule, as a number in GLSL; empty if there is none."""
    bound = getattr(rule, name)
    return "" if bound is None else repr(bound)


def _senses(spec: Spec) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the templates can say of each stencil and of each convolution."""
    places = layout(spec)
    banks, convolutions = [], []
    for sense, place in zip(spec.senses, places.senses, strict=True):
        assert isinstance(sense, (Stencil, Conv)), "another kind is an obstacle, named before"
        first, taps = place.first, sense.size**2
        common = {
            "first": first,
            "at": place.at,
            "size": sense.size,
            "dilation": sense.dilation,
            "taps": taps,
            "far": sense.size // 2,
        }
        if isinstance(sense, Conv):
            quads = -(-sense.width // LANES)
            convolutions.append(
                common | {"quads": quads, "units": LANES * quads, "weights": place.at + quads}
            )
            continue
        fixed = {
            "identity": "cell(at, group)",
            "sobel_x": f"inX{first}",
            "sobel_y": f"inY{first}",
            "laplacian": f"laplacian(at, group, {sense.dilation})",
        }
        banks.append(
            common
            | {
                "trained": sense.trained,
                "sloped": not sense.trained and any(name.startswith("sobel") for name in sense.filters),
                "curved": not sense.trained and "laplacian" in sense.filters,
                "sums": [
                    {
                        "slot": first + number,
                        "value": fixed[name],
                        "at": place.at + number * places.layers * taps,
                    }
                    for number, name in enumerate(sense.filters)
                ],
            }
        )
    return banks, convolutions


@cache
def template(kind: str) -> str:
    """The template `step`, `core` (what a cell does in a step, a part of it), `life` or `decoder`."""
    source = text(f"lib/{'step' if kind == 'core' else kind}.glsl.js")
    opening = "export const core = `" if kind == "core" else "export default `"
    body = source.partition(opening)[2].partition("\n`;")[0].replace("\\`", "`") + "\n"
    return body.replace("{{core}}\n", template("core")) if kind == "step" else body


def resolve(template: str, values: dict[str, Any]) -> str:
    """Fill in a template; `viewer/lib/step.glsl.js` says what its four kinds of line mean."""
    return "\n".join(_filled(template.split("\n"), values))


def _filled(lines: list[str], values: dict[str, Any]) -> list[str]:
    kept: list[str] = []
    at = 0
    while at < len(lines):
        match = _WORD.fullmatch(lines[at])
        if not match:
            kept.append(_NAME.sub(lambda found: str(values.get(found[1], found[0])), lines[at]))
        else:
            body, otherwise, at = _block(lines, at)
            word, name = match.groups()
            if word == "if":
                chosen = not values[name[1:]] if name.startswith("!") else values[name]
                kept += _filled(body if chosen else otherwise, values)
            else:
                each = values[name]
                for more in [{"i": i} for i in range(each)] if isinstance(each, int) else each:
                    kept += _filled(body, values | more)
        at += 1
    return kept


def _block(lines: list[str], begin: int) -> tuple[list[str], list[str], int]:
    """The lines of the block that begins at a line, those behind its `else`, and where it ends."""
    depth, split = 0, None
    for at in range(begin, len(lines)):
        match = _WORD.fullmatch(lines[at])
        word = match[1] if match else ""
        if word in ("if", "each"):
            depth += 1
        elif word == "else" and depth == 1:
            split = at
        elif word == "end":
            depth -= 1
            if depth == 0:
                middle = at if split is None else split
                return lines[begin + 1 : middle], lines[middle + 1 : at], at
    raise ValueError("a template's block has no end")
