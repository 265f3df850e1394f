// The step in GLSL: a template that shader.js here, and petri/shaders/glsl.py in Python, fill in from a Spec.
// Lines `//#if name`, `//#if !name`, `//#else`, `//#end` choose; `//#each count` repeats what it holds with
// {{i}} = 0, 1, …; {{name}} is replaced by its value.
export default `#version 300 es
// petri: one step of an automaton, every cell at once.
//   {{description}}
//   {{channels}} channels, four to a texture: {{groups}} layers. Texel (x, y) is the cell in column x of row y; row 0 is the top.
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;

uniform sampler2DArray state;    // layer g holds channels 4g .. 4g+3
uniform sampler2D weights;       // see "The rule"
uniform uint seed;               // of the rollout
uniform uint stepNumber;         // counted from 0 since the rollout began
//#if several
uniform int firstGroup;          // a pass writes at most {{targets}} groups, the guaranteed number of targets
//#end

//#each targets
layout(location = {{i}}) out vec4 next{{i}};
//#end

const int GROUPS = {{groups}};
const int FEATURES = {{features}};  // vec4s that a cell senses: {{filters}} a group
const int HIDDEN = {{hidden}};
const int TARGETS = {{targets}};  // groups that are written
//#if !several
const int firstGroup = 0;
//#end

{{core}}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec4 change[TARGETS];
    bool fired = proposes(at, change);
//#each targets
    next{{i}} = settled(cell(at, firstGroup + {{i}}), change[{{i}}], fired);
//#end
}
`;

// What a cell does, whatever the textures are called: shared with the text for Shadertoy, which supplies
// FEATURES, HIDDEN and the like, and its own cell() and weight().
export const core = `//#if !shadertoy
vec4 weight(int column, int row) {
    return texelFetch(weights, ivec2(column, row), 0);
}

// Four channels of a cell.
vec4 cell(ivec2 at, int group) {
    ivec2 size = textureSize(state, 0).xy;
//#if wrap
    at = (at + 2 * size) % size;    // a neighbour is at most two cells beyond the edge
//#else
    if (any(lessThan(at, ivec2(0))) || any(greaterThanEqual(at, size))) {
        return vec4(0.0);           // beyond the edge lie empty cells
    }
//#end
    return texelFetch(state, ivec3(at, group), 0);
}

//#end
// ---- Perception: itself and its slopes in x (to the right) and y (downwards), in vec4s ordered (group, filter).

vec4 sensed[FEATURES];

//#if slopes
// Sobel / 8, from neighbours that are \`reach\` cells away.
void slopes(ivec2 at, int group, int reach, out vec4 inX, out vec4 inY) {
    vec4 northWest = cell(at + reach * ivec2(-1, -1), group);
    vec4 north     = cell(at + reach * ivec2( 0, -1), group);
    vec4 northEast = cell(at + reach * ivec2( 1, -1), group);
    vec4 west      = cell(at + reach * ivec2(-1,  0), group);
    vec4 east      = cell(at + reach * ivec2( 1,  0), group);
    vec4 southWest = cell(at + reach * ivec2(-1,  1), group);
    vec4 south     = cell(at + reach * ivec2( 0,  1), group);
    vec4 southEast = cell(at + reach * ivec2( 1,  1), group);
    inX = (northEast - northWest + 2.0 * (east - west) + southEast - southWest) / 8.0;
    inY = (southWest - northWest + 2.0 * (south - north) + southEast - northEast) / 8.0;
}

//#end
void perceive(ivec2 at) {
    for (int group = 0; group < GROUPS; group++) {
        int i = {{filters}} * group;
//#if trained
        // The trained bank: a row a filter below the rule's, nine taps a group from the top left on.
        vec4 around[9];
        for (int tap = 0; tap < 9; tap++) {
            around[tap] = cell(at + ivec2(tap % 3 - 1, tap / 3 - 1), group);
        }
        for (int f = 0; f < 3; f++) {
            vec4 sum = vec4(0.0);
            for (int tap = 0; tap < 9; tap++) {
                sum += weight(9 * group + tap, HIDDEN + 1 + f) * around[tap];
            }
            sensed[i + f] = sum;
        }
//#else
        sensed[i] = cell(at, group);
        slopes(at, group, 1, sensed[i + 1], sensed[i + 2]);
//#end
//#if dilated
        sensed[i + 3] = cell(at, group);
        slopes(at, group, 2, sensed[i + 4], sensed[i + 5]);
//#end
    }
}

// ---- The rule. Row j of the weights belongs to hidden unit j of every layer, in vec4s:
//   [0, {{features}})    from what is sensed to unit j, a lane a channel
//   [{{features}}]       biases of unit j: of hidden layer 1, of hidden layer 2; from unit j to the gate
//#if three
//   [{{second}}, {{output}})   from hidden layer 1 to unit j of hidden layer 2, a lane a unit
//#end
//   [{{output}}, {{width}})   from unit j to the channels
// and row {{hidden}} holds the biases of the channels, then of the gate.

// Units 4q .. 4q+3 of hidden layer 1.
vec4 firstLayer(int q) {
    int j = 4 * q;
    vec4 sum = vec4(weight({{features}}, j).x, weight({{features}}, j + 1).x,
                    weight({{features}}, j + 2).x, weight({{features}}, j + 3).x);
    for (int i = 0; i < FEATURES; i++) {
        vec4 s = sensed[i];
        sum += vec4(dot(weight(i, j), s), dot(weight(i, j + 1), s),
                    dot(weight(i, j + 2), s), dot(weight(i, j + 3), s));
    }
    return max(sum, 0.0);
}

//#if three
vec4 hidden[HIDDEN / 4];

// Units 4q .. 4q+3 of hidden layer 2.
vec4 secondLayer(int q) {
    int j = 4 * q;
    vec4 sum = vec4(weight({{features}}, j).y, weight({{features}}, j + 1).y,
                    weight({{features}}, j + 2).y, weight({{features}}, j + 3).y);
    for (int i = 0; i < HIDDEN / 4; i++) {
        vec4 h = hidden[i];
        int column = {{second}} + i;
        sum += vec4(dot(weight(column, j), h), dot(weight(column, j + 1), h),
                    dot(weight(column, j + 2), h), dot(weight(column, j + 3), h));
    }
//#if residual
    return max(sum, 0.0) + hidden[q];
//#else
    return max(sum, 0.0);
//#end
}

//#end
// ---- Who fires: a hash of the cell's place, the seed and the step, the same integers everywhere.

// PCG-RXS-M-XS-32 (O'Neill 2014; as a hash: Jarzynski and Olano 2020).
uint pcg(uint v) {
    uint a = v * 747796405u + 2891336453u;
    uint w = ((a >> ((a >> 28u) + 4u)) ^ a) * 277803737u;
    return (w >> 22u) ^ w;
}

uint fireWord(ivec2 at) {
    return pcg(uint(at.x) + pcg(uint(at.y) + pcg(seed + pcg(stepNumber))));
}

// Whether the cell fires, and how its channels would change if it does.
bool proposes(ivec2 at, out vec4 change[TARGETS]) {
    for (int k = 0; k < TARGETS; k++) {
        change[k] = weight(firstGroup + k, HIDDEN);
    }
//#if sometimes
    if (fireWord(at) >= {{threshold}}u) {  // floor(fire rate * 2^32)
        return false;  // it stays as it is: nothing to compute
    }
//#end
    perceive(at);
//#if three
    for (int q = 0; q < HIDDEN / 4; q++) {
        hidden[q] = firstLayer(q);
    }
//#end
//#if gated
    float gate = weight(GROUPS, HIDDEN).x;
//#end
    for (int q = 0; q < HIDDEN / 4; q++) {
//#if three
        vec4 units = secondLayer(q);
//#else
        vec4 units = firstLayer(q);
//#end
        for (int lane = 0; lane < 4; lane++) {
            int j = 4 * q + lane;
            for (int k = 0; k < TARGETS; k++) {
                change[k] += units[lane] * weight({{output}} + firstGroup + k, j);
            }
//#if gated
            gate += units[lane] * weight({{features}}, j).z;
//#end
        }
    }
//#if gated
    // The gate is the cell's own probability to fire; times 2^32 it is still exact in a float.
    float below = 4294967296.0 / (1.0 + exp(-gate));
    return below >= 4294967296.0 || fireWord(at) < uint(below);
//#else
    return true;
//#end
}

// The cell after the step{{masked}}.
vec4 settled(vec4 before, vec4 change, bool fired) {
    vec4 after = fired ? before + change : before;
//#if clamped
    return clamp(after, -{{clamp}}, {{clamp}});
//#else
    return after;
//#end
}
`;
