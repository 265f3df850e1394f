// GLSL from a Spec: the templates filled in. petri/shaders/glsl.py does the same; the two give the same text.

import { describeSpec, fireThreshold } from "./spec.js";
import step, { core } from "./step.glsl.js";
import life from "./life.glsl.js";
import { layout } from "./pack.js";

export const TARGETS = 4; // render targets that every WebGL2 has

/** The fragment shader of a step. */
export function stepShader(spec) {
  return resolve(step.replace("{{core}}\n", () => core), values(spec));
}

/** The fragment shader of the living mask, the second pass of a step. */
export function lifeShader(spec) {
  return resolve(life, values(spec));
}

/** What the templates can say of a Spec. */
function values(spec) {
  const { features, second, output, end } = layout(spec);
  return {
    description: describeSpec(spec).replaceAll(" · ", ", "), // GLSL is ASCII
    channels: spec.channels,
    groups: spec.groups,
    filters: spec.dilated ? 6 : 3,
    features,
    hidden: spec.hidden,
    second,
    output,
    width: end,
    targets: Math.min(spec.groups, TARGETS),
    several: spec.groups > TARGETS,
    wrap: spec.padding === "wrap",
    trained: spec.trainsBank,
    dilated: spec.dilated,
    slopes: spec.dilated || !spec.trainsBank,
    three: spec.layers === 3,
    residual: spec.residual,
    gated: spec.gated,
    sometimes: !spec.gated && spec.fire_rate < 1,
    threshold: spec.gated ? "" : fireThreshold(spec),
    clamped: spec.clamp !== null,
    clamp: spec.clamp === null ? "" : Number.isInteger(spec.clamp) ? `${spec.clamp}.0` : String(spec.clamp),
    masked: spec.living ? ", before the living mask" : "",
    shadertoy: false,
  };
}

/** Fill in a template; see step.glsl.js for its four kinds of line. */
function resolve(template, values) {
  const lines = template.split("\n");
  let at = 0;
  const block = (used) => {
    const kept = [];
    while (at < lines.length) {
      const line = lines[at++];
      const [, word, name] = /^\/\/#(\w+) ?(!?\w+)?$/.exec(line) ?? [];
      if (word === "if") {
        const chosen = name.startsWith("!") ? !values[name.slice(1)] : values[name];
        const [yes, ended] = block(used && chosen);
        const no = ended === "else" ? block(used && !chosen)[0] : [];
        kept.push(...(chosen ? yes : no));
      } else if (word === "each") {
        const [body] = block(used);
        for (let i = 0; i < values[name]; i++) kept.push(...body.map((each) => each.replaceAll("{{i}}", i)));
      } else if (word) {
        return [kept, word];
      } else {
        kept.push(line.replace(/\{\{(\w+)\}\}/g, (whole, key) => (key in values ? String(values[key]) : whole)));
      }
    }
    return [kept, "end"];
  };
  return block(true)[0].join("\n");
}
