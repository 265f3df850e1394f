// The step in GLSL: a template that shader.js here, and petri/shaders/glsl.py in Python, fill in from a Spec.
// Lines `//#if name`, `//#if !name`, `//#else`, `//#end` choose; `//#each name` repeats what it holds, for a number with
// {{i}} = 0, 1, …, for a list with the values of each of its entries; {{name}} is replaced by its value.
export default `#version 300 es
// petri: one step of an automaton, every cell at once.
//   {{description}}
//   {{channels}} channels, four to a texture: {{groups}} layers. Texel (x, y) is the cell in column x of row y; row 0 is the top.
//#if fixed
//   Behind them lie planes that are sensed and never change, {{fixed}} of them: {{layers}} layers in all.
//#end
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
const int LAYERS = {{layers}};  // that are sensed
const int FEATURES = {{features}};  // vec4s that a cell senses: {{filters}} a layer, and of convolutions
const int HIDDEN = {{hidden}};
const int TARGETS = {{targets}};  // groups that are written
//#if !several
const int firstGroup = 0;
//#end

{{core}}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
//#if given
    if (!(cell(at, GROUPS).x > 0.1)) {  // the first fixed plane says that there is no cell
//#each targets
        next{{i}} = vec4(0.0);
//#end
        return;
    }
//#end
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
    at = (at + {{reach}} * size) % size;    // a neighbour is at most {{reach}} cells beyond the edge
//#else
    if (any(lessThan(at, ivec2(0))) || any(greaterThanEqual(at, size))) {
        return vec4(0.0);           // beyond the edge lie empty cells
    }
//#end
    return texelFetch(state, ivec3(at, group), 0);
}

//#end
// ---- Perception, in vec4s: of every layer all filters, then the features of convolutions.

vec4 sensed[FEATURES];

//#if slopes
// Sobel / 8: slopes in x (to the right) and y (downwards), from neighbours that are \`reach\` cells away.
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
//#if curved
// The Laplacian of nine cells / 8: 1 at the corners, 2 at the sides, -12 in the middle.
vec4 laplacian(ivec2 at, int group, int reach) {
    vec4 corners = vec4(0.0);
    vec4 sides = vec4(0.0);
    for (int sign = -1; sign <= 1; sign += 2) {
        corners += cell(at + reach * ivec2(sign, -1), group) + cell(at + reach * ivec2(sign, 1), group);
        sides += cell(at + reach * ivec2(sign, 0), group) + cell(at + reach * ivec2(0, sign), group);
    }
    return (corners + 2.0 * sides - 12.0 * cell(at, group)) / 8.0;
}

//#end
//#if owning
// What the senses have of their own: texel after texel in the rows below those of the rule.
vec4 own(int texel) {
    return weight(texel % {{columns}}, {{below}} + texel / {{columns}});
}

//#end
void perceive(ivec2 at) {
//#if filters
    for (int group = 0; group < LAYERS; group++) {
        int i = {{filters}} * group;
//#each banks
//#if trained
        // A trained bank: filter after filter, layer after layer, its taps from the top left on.
//#each sums
        vec4 sum{{slot}} = vec4(0.0);
//#end
        for (int tap = 0; tap < {{taps}}; tap++) {
            vec4 there = cell(at + {{dilation}} * ivec2(tap % {{size}} - {{far}}, tap / {{size}} - {{far}}), group);
//#each sums
            sum{{slot}} += own({{at}} + {{taps}} * group + tap) * there;
//#end
        }
//#each sums
        sensed[i + {{slot}}] = sum{{slot}};
//#end
//#else
//#if sloped
        vec4 inX{{first}}, inY{{first}};
        slopes(at, group, {{dilation}}, inX{{first}}, inY{{first}});
//#end
//#each sums
        sensed[i + {{slot}}] = {{value}};
//#end
//#end
//#end
    }
//#end
//#each convolutions
    // A convolution: its biases, then of each tap, unit and layer the weights.
    for (int q = 0; q < {{quads}}; q++) {
        sensed[{{first}} + q] = own({{at}} + q);
    }
    for (int tap = 0; tap < {{taps}}; tap++) {
        ivec2 there = at + {{dilation}} * ivec2(tap % {{size}} - {{far}}, tap / {{size}} - {{far}});
        for (int group = 0; group < LAYERS; group++) {
            vec4 seen = cell(there, group);
            if (seen == vec4(0.0)) {
                continue;  // it adds nothing
            }
            int texel = {{weights}} + {{units}} * LAYERS * tap + group;
            for (int q = 0; q < {{quads}}; q++) {
                sensed[{{first}} + q] += vec4(dot(own(texel), seen), dot(own(texel + LAYERS), seen),
                                              dot(own(texel + 2 * LAYERS), seen), dot(own(texel + 3 * LAYERS), seen));
                texel += 4 * LAYERS;
            }
        }
    }
    for (int q = 0; q < {{quads}}; q++) {
        sensed[{{first}} + q] = max(sensed[{{first}} + q], 0.0);
    }
//#end
//#if sensed_bounded
    for (int i = 0; i < FEATURES; i++) {
        sensed[i] = clamp(sensed[i], -{{sensed_bound}}, {{sensed_bound}});
    }
//#end
}

// ---- The rule. Row j of the weights belongs to hidden unit j of every layer, in vec4s:
//   [0, {{features}})    from what is sensed to unit j
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
    return {{active}};
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
    return {{active}} + hidden[q];
//#else
    return {{active}};
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
    vec4 after = fired ? before + {{change}} : before;
//#if clamped
    return clamp(after, -{{clamp}}, {{clamp}});
//#else
    return after;
//#end
}
`;
