// The living mask in GLSL: a template like step.glsl.js.
export default `#version 300 es
// petri: the living mask, the second pass of a step: a cell lives where the largest alpha of its 3x3
// neighbourhood is above 0.1, and stays only if it lives before the step and after it.
//   {{description}}
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray before;    // the state before the step
uniform sampler2DArray after;     // and after it, not yet masked
//#if several
uniform int firstGroup;           // a pass writes at most {{targets}} groups
//#else
const int firstGroup = 0;
//#end

//#each targets
layout(location = {{i}}) out vec4 next{{i}};
//#end

// A cell's alpha; layer 0 holds RGB and alpha.
float alpha(sampler2DArray state, ivec2 at) {
    ivec2 size = textureSize(state, 0).xy;
//#if wrap
    at = (at + size) % size;
//#else
    if (any(lessThan(at, ivec2(0))) || any(greaterThanEqual(at, size))) {
        return 0.0;               // beyond the edge lie empty cells
    }
//#end
    return texelFetch(state, ivec3(at, 0), 0).a;
}

bool alive(sampler2DArray state, ivec2 at) {
    float most = 0.0;
    for (int tap = 0; tap < 9; tap++) {
        most = max(most, alpha(state, at + ivec2(tap % 3 - 1, tap / 3 - 1)));
    }
    return most > 0.1;
}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    bool lives = alive(before, at) && alive(after, at);
//#each targets
    next{{i}} = lives ? texelFetch(after, ivec3(at, firstGroup + {{i}}), 0) : vec4(0.0);
//#end
}
`;
