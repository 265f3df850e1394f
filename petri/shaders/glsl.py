"""GLSL from a Spec: the viewer's templates, filled in.

The templates lie in `viewer/lib/*.glsl.js`, where the page reads them too; the two give the same text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from petri.nca import Spec
from petri.shaders.pack import layout
from petri.viewer import text

TARGETS = 4  # render targets that every WebGL2 has
_WORD = re.compile(r"//#(\w+) ?(!?\w+)?")


def step_shader(spec: Spec) -> str:
    """The fragment shader of a step, for WebGL2; what it reads is said in it."""
    return resolve(template("step"), values(spec))


def life_shader(spec: Spec) -> str:
    """The fragment shader of the living mask, the second pass of a step."""
    return resolve(template("life"), values(spec))


def name(spec: Spec) -> str:
    """A file name for the shader of an architecture, such as `dilated-64-3-residual`.

    Two Specs have the same name exactly if they have the same shaders: all that tells them apart is where
    their seed lies.
    """
    words = [spec.perception.replace("+", "-"), str(spec.rule.hidden), str(spec.rule.layers)]
    words += ["residual"] * spec.rule.residual + ["gated"] * spec.rule.gated + ["living"] * spec.living
    words += ["wrap"] * (spec.space.padding == "wrap")
    words += [f"{spec.channels}ch"] * (spec.channels != 16)
    if not spec.rule.gated and spec.fire_rate != 0.5:
        words.append("always" if spec.fire_rate == 1 else f"fire{fire_threshold(spec):08x}")
    if spec.clamp != 1.0:
        words.append("unbounded" if spec.clamp is None else f"clamp{spec.clamp!r}")
    return "-".join(words)


def fire_threshold(spec: Spec) -> int:
    """A cell fires where its word is below this: `floor(fire_rate · 2³²)`."""
    return int((spec.fire_rate or 0.0) * 4294967296.0)


def values(spec: Spec, *, shadertoy: bool = False) -> dict[str, Any]:
    """What the templates can say of a Spec."""
    places = layout(spec)
    return {
        "description": spec.describe().replace(" · ", ", "),  # GLSL is ASCII
        "channels": spec.channels,
        "groups": places.groups,
        "filters": places.filters,
        "features": places.features,
        "hidden": spec.rule.hidden,
        "second": places.second,
        "output": places.output,
        "width": places.end,
        "targets": min(places.groups, TARGETS),
        "several": places.groups > TARGETS,
        "wrap": spec.space.padding == "wrap",
        "trained": getattr(spec.senses[0], "trained", False),
        "dilated": len(spec.senses) > 1,
        "slopes": len(spec.senses) > 1 or not getattr(spec.senses[0], "trained", False),
        "three": spec.rule.layers == 3,
        "residual": spec.rule.residual,
        "gated": spec.rule.gated,
        "sometimes": spec.fire_rate is not None and spec.fire_rate < 1,
        "threshold": "" if spec.rule.gated else fire_threshold(spec),
        "clamped": spec.clamp is not None,
        "clamp": "" if spec.clamp is None else repr(spec.clamp),
        "masked": ", before the living mask" if spec.living else "",
        "shadertoy": shadertoy,
    }


@cache
def template(kind: str) -> str:
    """The template `step`, `core` (what a cell does in a step, a part of it) or `life`."""
    source = text(f"lib/{'life' if kind == 'life' else 'step'}.glsl.js")
    opening = "export const core = `" if kind == "core" else "export default `"
    body = source.partition(opening)[2].partition("\n`;")[0].replace("\\`", "`") + "\n"
    return body.replace("{{core}}\n", template("core")) if kind == "step" else body


def resolve(template: str, values: dict[str, Any]) -> str:
    """Fill in a template; `viewer/lib/step.glsl.js` says what its four kinds of line mean."""
    lines = iter(template.split("\n"))

    def block() -> tuple[list[str], str]:
        kept: list[str] = []
        for line in lines:
            match = _WORD.fullmatch(line)
            word, key = match.groups() if match else ("", "")
            if word == "if":
                chosen = not values[key[1:]] if key.startswith("!") else values[key]
                yes, ended = block()
                no = block()[0] if ended == "else" else []
                kept += yes if chosen else no
            elif word == "each":
                body = block()[0]
                for i in range(values[key]):
                    kept += [each.replace("{{i}}", str(i)) for each in body]
            elif word:
                return kept, word
            else:
                kept.append(re.sub(r"\{\{(\w+)\}\}", _value, line))
        return kept, "end"

    def _value(match: re.Match[str]) -> str:
        return str(values[match[1]]) if match[1] in values else match[0]

    return "\n".join(block()[0])
