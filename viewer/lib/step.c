// The step on the processor, in WebAssembly SIMD: every kind that spec.js knows, single precision, only the
// cells that fire; and what a decoder paints.
// Compiled by `make wasm` into step.wasm.js. State and weights lie as on the GPU: see pack.js.
#include <stdint.h>
#include <wasm_simd128.h>

#define INLINE static inline __attribute__((always_inline))

enum { BLOCK = 16, VECTORS = BLOCK / 4, MOST_CHANNELS = 64, MOST_HIDDEN = 512 };
// As spec.js and pack.js have them.
enum { MOST_HARMONICS = 9, MOST_PLANES = 128, MOST_FEATURES = 4 * 2048, MOST_SENSES = 32, LARGEST = 31 };
enum { MOST_WIDTH = 512, MOST_GIVEN = MOST_CHANNELS + 4 * 16 };  // of a decoder; a vec4 a frequency
enum { IDENTITY, SOBEL_X, SOBEL_Y, LAPLACIAN, FILTERS };

// A sense; a convolution has no filters.
struct sense {
    int32_t size, dilation, trained, count;
    int32_t filters[FILTERS];
    int32_t first;  // its first filter or, of a convolution, its first vec4 of features
    int32_t quads;  // vec4s of a convolution's features
    int32_t at;     // where what it has of its own begins, in texels of the weights
};

// What a step needs to know of the Spec; wasm.js fills it in, in this order.
static struct {
    // Of a ring or a mesh: each node's neighbours in compressed rows, and what the harmonics give to each of them. Of a
    // grid they are null. The nodes are one row.
    const int32_t *offsets, *neighbours;
    const float *pulls;
    int32_t harmonics;
    int32_t channels, planes;  // of invariants: that evolve, and with the fixed ones; planes is 0 of harmonics
    int32_t width, height, groups, depth;  // depth: layers of the state, the groups and those of fixed planes
    int32_t filters, hidden, layers, residual, gated, living, masked, wrap;
    int32_t features, second, output, columns;  // places in the weights, in texels; columns: texels a row
    int32_t always;                             // every cell fires
    int32_t decoder, sines, quads, frequencies;  // where the decoder begins, its layers of sines, vec4s of each
    uint32_t threshold;                         // else those whose word is below it
    float clamp, sensedBound, hiddenBound, changeBound;  // infinite for no bound
    int32_t count;
    struct sense senses[MOST_SENSES];
} spec;

void *settings(void) { return &spec; }

static _Alignas(64) float sensed[MOST_FEATURES][BLOCK];  // a row a feature, ordered as in the weights; a column a cell
static _Alignas(64) float around[MOST_PLANES][BLOCK];  // one tap of each cell: a row a plane, a column a cell
static _Alignas(64) float units[2][MOST_HIDDEN][BLOCK];
static _Alignas(64) float change[MOST_CHANNELS + 1][BLOCK];  // the last used row is the gate

static uint32_t pcg(uint32_t v) {
    uint32_t a = v * 747796405u + 2891336453u;
    uint32_t w = ((a >> ((a >> 28) + 4)) ^ a) * 277803737u;
    return (w >> 22) ^ w;
}

uint32_t fireWord(uint32_t x, uint32_t y, uint32_t seed, uint32_t step) {
    return pcg(x + pcg(y + pcg(seed + pcg(step))));
}

// Where a cell lies, or -1 beyond the edge.
static int place(int y, int x) {
    if (y < 0 || y >= spec.height || x < 0 || x >= spec.width) {
        if (!spec.wrap) return -1;
        y = ((y % spec.height) + spec.height) % spec.height;
        x = ((x % spec.width) + spec.width) % spec.width;
    }
    return y * spec.width + x;
}

static v128_t four(const float *layer, int at) {
    return at < 0 ? wasm_f32x4_const_splat(0) : wasm_v128_load(layer + 4 * at);
}

// Four values of a cell, in a column of four rows.
static void put(float (*rows)[BLOCK], int column, v128_t values) {
    rows[0][column] = wasm_f32x4_extract_lane(values, 0);
    rows[1][column] = wasm_f32x4_extract_lane(values, 1);
    rows[2][column] = wasm_f32x4_extract_lane(values, 2);
    rows[3][column] = wasm_f32x4_extract_lane(values, 3);
}

// The cells around one that taps read, from the top left on.
INLINE void neighbours(int at, int size, int dilation, int *places) {
    const int far = size / 2 * dilation;
    int top = at / spec.width - far, left = at % spec.width - far;
    const int within = top >= 0 && left >= 0 && top + 2 * far < spec.height && left + 2 * far < spec.width;
    const int first = top * spec.width + left;
    for (int row = 0; row < size; row++) {
        for (int column = 0; column < size; column++) {
            *places++ = within ? first + dilation * (row * spec.width + column)
                               : place(top + dilation * row, left + dilation * column);
        }
    }
}

// Sobel / 8: slopes in x, to the right, and in y, downwards.
static inline void slopes(const float *layer, const int at[9], v128_t *inX, v128_t *inY) {
    v128_t nw = four(layer, at[0]), n = four(layer, at[1]), ne = four(layer, at[2]);
    v128_t w = four(layer, at[3]), e = four(layer, at[5]);
    v128_t sw = four(layer, at[6]), s = four(layer, at[7]), se = four(layer, at[8]);
    v128_t two = wasm_f32x4_const_splat(2), eighth = wasm_f32x4_const_splat(0.125f);
    v128_t x = wasm_f32x4_add(wasm_f32x4_sub(ne, nw), wasm_f32x4_sub(se, sw));
    v128_t y = wasm_f32x4_add(wasm_f32x4_sub(sw, nw), wasm_f32x4_sub(se, ne));
    x = wasm_f32x4_add(x, wasm_f32x4_mul(two, wasm_f32x4_sub(e, w)));
    y = wasm_f32x4_add(y, wasm_f32x4_mul(two, wasm_f32x4_sub(s, n)));
    *inX = wasm_f32x4_mul(x, eighth);
    *inY = wasm_f32x4_mul(y, eighth);
}

// The Laplacian of nine cells / 8: 1 at the corners, 2 at the sides, -12 in the middle.
static v128_t laplacian(const float *layer, const int at[9]) {
    static const float taps[9] = {0.125f, 0.25f, 0.125f, 0.25f, -1.5f, 0.25f, 0.125f, 0.25f, 0.125f};
    v128_t sum = wasm_f32x4_const_splat(0);
    for (int tap = 0; tap < 9; tap++) {
        sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_f32x4_splat(taps[tap]), four(layer, at[tap])));
    }
    return sum;
}

// The fixed filters of a block of cells.
static void filter(const struct sense *sense, const float *state, const int *cells, int count) {
    const int area = spec.width * spec.height;
    int near[BLOCK][9], rows[FILTERS] = {-1, -1, -1, -1};  // where each filter's features lie, in a layer's
    for (int f = 0; f < sense->count; f++) rows[sense->filters[f]] = 4 * (sense->first + f);
    const int sloped = rows[SOBEL_X] >= 0 || rows[SOBEL_Y] >= 0;
    for (int column = 0; column < count; column++) neighbours(cells[column], 3, sense->dilation, near[column]);
    for (int group = 0; group < spec.depth; group++) {
        const float *layer = state + 4 * area * group;
        float(*features)[BLOCK] = sensed + 4 * spec.filters * group;
        for (int column = 0; column < count; column++) {
            v128_t inX, inY;
            if (rows[IDENTITY] >= 0) put(features + rows[IDENTITY], column, four(layer, cells[column]));
            if (sloped) slopes(layer, near[column], &inX, &inY);
            if (rows[SOBEL_X] >= 0) put(features + rows[SOBEL_X], column, inX);
            if (rows[SOBEL_Y] >= 0) put(features + rows[SOBEL_Y], column, inY);
            if (rows[LAPLACIAN] >= 0) put(features + rows[LAPLACIAN], column, laplacian(layer, near[column]));
        }
    }
}

static int taken[LARGEST * LARGEST];  // where the taps of a cell lie

// Trained filters of a cell.
static void bank(const struct sense *sense, const float *state, const float *weights, int at, int column) {
    const int area = spec.width * spec.height, taps = sense->size * sense->size;
    neighbours(at, sense->size, sense->dilation, taken);
    for (int group = 0; group < spec.depth; group++) {
        const float *layer = state + 4 * area * group;
        v128_t sums[FILTERS];
        for (int f = 0; f < sense->count; f++) sums[f] = wasm_f32x4_const_splat(0);
        for (int tap = 0; tap < taps; tap++) {
            v128_t there = four(layer, taken[tap]);
            for (int f = 0; f < sense->count; f++) {
                const float *own = weights + 4 * (sense->at + (f * spec.depth + group) * taps + tap);
                sums[f] = wasm_f32x4_add(sums[f], wasm_f32x4_mul(wasm_v128_load(own), there));
            }
        }
        float(*rows)[BLOCK] = sensed + 4 * (spec.filters * group + sense->first);
        for (int f = 0; f < sense->count; f++) put(rows + 4 * f, column, sums[f]);
    }
}

// Two weighted sums over `count` rows of a block at once: each row is loaded for both.
INLINE void add(const float *a, const float *b, int stride, float (*in)[BLOCK], int count,
                v128_t sums[2][VECTORS]) {
    for (int i = 0; i < count; i++) {
        v128_t forA = wasm_v128_load32_splat(a + i * stride), forB = wasm_v128_load32_splat(b + i * stride);
        for (int v = 0; v < VECTORS; v++) {
            v128_t row = wasm_v128_load(in[i] + 4 * v);
            sums[0][v] = wasm_f32x4_add(sums[0][v], wasm_f32x4_mul(forA, row));
            sums[1][v] = wasm_f32x4_add(sums[1][v], wasm_f32x4_mul(forB, row));
        }
    }
}

// The same, from two biases on.
INLINE void pair(const float *a, const float *b, int stride, float biasA, float biasB, float (*in)[BLOCK],
                 int count, v128_t sums[2][VECTORS]) {
    for (int v = 0; v < VECTORS; v++) {
        sums[0][v] = wasm_f32x4_splat(biasA);
        sums[1][v] = wasm_f32x4_splat(biasB);
    }
    add(a, b, stride, in, count, sums);
}

// A convolution over a block of cells, tap after tap.
static void convolve(const struct sense *sense, const float *state, const float *weights, const int *cells, int count) {
    const int area = spec.width * spec.height, size = sense->size, far = size / 2;
    const int units = 4 * sense->quads, lanes = 4 * spec.depth;
    const float *own = weights + 4 * sense->at;
    float(*rows)[BLOCK] = sensed + 4 * sense->first;
    for (int unit = 0; unit < units; unit++) {
        for (int v = 0; v < VECTORS; v++) wasm_v128_store(rows[unit] + 4 * v, wasm_f32x4_splat(own[unit]));
    }
    own += units;
    for (int tap = 0; tap < size * size; tap++, own += units * lanes) {
        for (int column = 0; column < count; column++) {
            const int y = cells[column] / spec.width + sense->dilation * (tap / size - far);
            const int x = cells[column] % spec.width + sense->dilation * (tap % size - far);
            const int there = place(y, x);
            for (int group = 0; group < spec.depth; group++) {
                put(around + 4 * group, column, four(state + 4 * area * group, there));
            }
        }
        for (int unit = 0; unit < units; unit += 2) {
            v128_t sums[2][VECTORS];
            for (int k = 0; k < 2; k++) {
                for (int v = 0; v < VECTORS; v++) sums[k][v] = wasm_v128_load(rows[unit + k] + 4 * v);
            }
            add(own + unit * lanes, own + (unit + 1) * lanes, 1, around, lanes, sums);
            for (int k = 0; k < 2; k++) {
                for (int v = 0; v < VECTORS; v++) wasm_v128_store(rows[unit + k] + 4 * v, sums[k][v]);
            }
        }
    }
    for (int unit = 0; unit < units; unit++) {
        for (int v = 0; v < VECTORS; v++) {
            v128_t value = wasm_v128_load(rows[unit] + 4 * v);
            wasm_v128_store(rows[unit] + 4 * v, wasm_f32x4_max(value, wasm_f32x4_const_splat(0)));
        }
    }
}

static float slope[3][MOST_PLANES];  // of one node: along y, z and x, of each plane in its lane

// What of the slope does not turn with the mesh: its length, and its product with the next plane's slope.
static void settle(int column) {
    const v128_t small = wasm_f32x4_const_splat(1e-3f), square = wasm_f32x4_const_splat(1e-6f);
    for (int group = 0; group < spec.depth; group++) {
        v128_t sum = wasm_f32x4_const_splat(0);
        for (int axis = 0; axis < 3; axis++) {
            v128_t one = wasm_v128_load(slope[axis] + 4 * group);
            sum = wasm_f32x4_add(sum, wasm_f32x4_mul(one, one));
        }
        v128_t length = wasm_f32x4_sub(wasm_f32x4_sqrt(wasm_f32x4_add(sum, square)), small);
        put(sensed + 4 * (spec.filters * group + 2), column, length);
    }
    // Fixed planes begin a layer.
    const int gap = 4 * spec.groups - spec.channels;
    for (int plane = 0; plane < spec.planes; plane++) {
        const int next = (plane + 1) % spec.planes;
        const int own = plane + (plane < spec.channels ? 0 : gap), other = next + (next < spec.channels ? 0 : gap);
        float sum = 0;
        for (int axis = 0; axis < 3; axis++) sum += slope[axis][own] * slope[axis][other];
        sensed[4 * (spec.filters * (own / 4) + 3) + own % 4][column] = sum;
    }
}

// A node itself, and the differences to its neighbours, weighed by each harmonic of where they lie.
static void gather(const float *state, int at, int column) {
    const int area = spec.width, kinds = spec.harmonics;
    for (int group = 0; group < spec.depth; group++) {
        const float *layer = state + 4 * area * group;
        const v128_t own = four(layer, at);
        v128_t sums[MOST_HARMONICS];
        for (int k = 0; k < kinds; k++) sums[k] = wasm_f32x4_const_splat(0);
        for (int edge = spec.offsets[at]; edge < spec.offsets[at + 1]; edge++) {
            const v128_t apart = wasm_f32x4_sub(four(layer, spec.neighbours[edge]), own);
            const float *pulls = spec.pulls + kinds * edge;
            for (int k = 0; k < kinds; k++) {
                sums[k] = wasm_f32x4_add(sums[k], wasm_f32x4_mul(wasm_f32x4_splat(pulls[k]), apart));
            }
        }
        float(*rows)[BLOCK] = sensed + 4 * spec.filters * group;
        put(rows, column, own);
        if (!spec.planes) {
            for (int k = 0; k < kinds; k++) put(rows + 4 * (1 + k), column, sums[k]);
            continue;
        }
        put(rows + 4, column, sums[0]);
        for (int axis = 0; axis < 3; axis++) wasm_v128_store(slope[axis] + 4 * group, sums[1 + axis]);
    }
    if (spec.planes) settle(column);
}

static v128_t within(v128_t values, float bound) {
    v128_t most = wasm_f32x4_splat(bound);
    return wasm_f32x4_max(wasm_f32x4_min(values, most), wasm_f32x4_neg(most));
}

// Keep rows within a bound.
static void bind(float (*rows)[BLOCK], int count, float bound) {
    if (bound == __builtin_inff()) return;
    for (int row = 0; row < count; row++) {
        for (int v = 0; v < BLOCK; v += 4) {
            wasm_v128_store(rows[row] + v, within(wasm_v128_load(rows[row] + v), bound));
        }
    }
}

// What a block of cells senses.
static void perceive(const float *state, const float *weights, const int *cells, int count) {
    for (int i = 0; i < spec.count; i++) {
        const struct sense *sense = spec.senses + i;
        if (spec.offsets) {
            for (int column = 0; column < count; column++) gather(state, cells[column], column);
            continue;
        }
        if (!sense->count) {
            convolve(sense, state, weights, cells, count);
            continue;
        }
        if (!sense->trained) {
            filter(sense, state, cells, count);
            continue;
        }
        for (int column = 0; column < count; column++) bank(sense, state, weights, cells[column], column);
    }
    bind(sensed, 4 * spec.features, spec.sensedBound);
}

// A hidden layer; `column` is where its weights begin, `lane` which of the three numbers at `features` its bias is.
static void layer(const float *weights, int column, int lane, float (*in)[BLOCK], int count, float (*out)[BLOCK]) {
    const v128_t zero = wasm_f32x4_const_splat(0);
    for (int j = 0; j < spec.hidden; j += 2) {
        const float *a = weights + 4 * j * spec.columns, *b = a + 4 * spec.columns;
        v128_t sums[2][VECTORS];
        pair(a + 4 * column, b + 4 * column, 1, a[4 * spec.features + lane], b[4 * spec.features + lane], in, count,
             sums);
        for (int k = 0; k < 2; k++) {
            for (int v = 0; v < VECTORS; v++) wasm_v128_store(out[j + k] + 4 * v, wasm_f32x4_max(sums[k][v], zero));
        }
    }
    bind(out, spec.hidden, spec.hiddenBound);
}

// What a block of cells proposes, from what it senses.
static void rule(const float *weights) {
    layer(weights, 0, 0, sensed, 4 * spec.features, units[0]);
    float(*last)[BLOCK] = units[0];
    if (spec.layers == 3) {
        last = units[1];
        layer(weights, spec.second, 1, units[0], spec.hidden, last);
        for (int j = 0; spec.residual && j < spec.hidden; j++) {
            for (int v = 0; v < BLOCK; v += 4) {
                v128_t sum = wasm_f32x4_add(wasm_v128_load(last[j] + v), wasm_v128_load(units[0][j] + v));
                wasm_v128_store(last[j] + v, sum);
            }
        }
    }
    const int stride = 4 * spec.columns;
    const float *biases = weights + stride * spec.hidden, *outputs = weights + 4 * spec.output;
    v128_t sums[2][VECTORS];
    for (int channel = 0; channel < 4 * spec.groups; channel += 2) {
        pair(outputs + channel, outputs + channel + 1, stride, biases[channel], biases[channel + 1], last, spec.hidden,
             sums);
        for (int k = 0; k < 2; k++) {
            for (int v = 0; v < VECTORS; v++) wasm_v128_store(change[channel + k] + 4 * v, sums[k][v]);
        }
    }
    bind(change, 4 * spec.groups, spec.changeBound);
    if (spec.gated) {
        const float *gate = weights + 4 * spec.features + 2;
        float bias = biases[4 * spec.groups];
        pair(gate, gate, stride, bias, bias, last, spec.hidden, sums);
        for (int v = 0; v < VECTORS; v++) wasm_v128_store(change[4 * spec.groups] + 4 * v, sums[0][v]);
    }
}

// e to the power of x, for x in -100..100, as exact as a float can be.
static double exponential(double x) {
    int whole = (int)(x * 1.4426950408889634 + (x < 0 ? -0.5 : 0.5));
    double rest = x - whole * 0.6931471805599453, term = 1, sum = 1;
    for (int n = 1; n < 14; n++) sum += term *= rest / n;
    union { uint64_t bits; double value; } power = {(uint64_t)(1023 + whole) << 52};
    return sum * power.value;
}

// Whether a cell with this word fires, given the logit of its probability.
static int gateOpens(float logit, uint32_t word) {
    double bounded = logit > -100 ? (logit < 100 ? logit : 100) : -100;  // -100 also for what is no number
    float chance = (float)(1 / (1 + exponential(-bounded)));
    return word < (uint64_t)((double)chance * 4294967296.0);
}

static void advance(const float *from, float *to, const float *weights, const int *cells, const uint32_t *words,
                    int count) {
    const int area = spec.width * spec.height;
    perceive(from, weights, cells, count);
    rule(weights);
    for (int column = 0; column < count; column++) {
        if (spec.gated && !gateOpens(change[4 * spec.groups][column], words[column])) continue;
        for (int group = 0; group < spec.groups; group++) {
            int at = 4 * (area * group + cells[column]);
            float(*rows)[BLOCK] = change + 4 * group;
            v128_t more = wasm_f32x4_make(rows[0][column], rows[1][column], rows[2][column], rows[3][column]);
            wasm_v128_store(to + at, within(wasm_f32x4_add(wasm_v128_load(from + at), more), spec.clamp));
        }
    }
}

// Alpha above 0.1 in the 3x3 neighbourhood, or in a node and its neighbours; layer 0 holds RGB and alpha.
static int alive(const float *state, int at) {
    if (spec.offsets) {
        int lives = state[4 * at + 3] > 0.1f;
        for (int edge = spec.offsets[at]; !lives && edge < spec.offsets[at + 1]; edge++) {
            lives = state[4 * spec.neighbours[edge] + 3] > 0.1f;
        }
        return lives;
    }
    int near[9];
    neighbours(at, 3, 1, near);
    for (int tap = 0; tap < 9; tap++) {
        if (near[tap] >= 0 && state[4 * near[tap] + 3] > 0.1f) return 1;
    }
    return 0;
}

// Take one step. `lives` has room for a byte a cell. Layers of fixed planes are not written: both states hold them.
void step(const float *from, float *to, const float *weights, uint8_t *lives, uint32_t seed, uint32_t number) {
    const int area = spec.width * spec.height;
    for (int at = 0; at < 4 * area * spec.groups; at += 4) {
        wasm_v128_store(to + at, within(wasm_v128_load(from + at), spec.clamp));
    }
    const float *given = from + 4 * area * spec.groups;  // the first fixed plane, in the first of four lanes
    int cells[BLOCK], count = 0;
    uint32_t words[BLOCK];
    for (int y = 0, at = 0; y < spec.height; y++) {
        const uint32_t row = pcg(y + pcg(seed + pcg(number)));
        for (int x = 0; x < spec.width; x++, at++) {
            if (spec.masked && !(given[4 * at] > 0.1f)) {
                for (int group = 0; group < spec.groups; group++) {
                    wasm_v128_store(to + 4 * (area * group + at), wasm_f32x4_const_splat(0));
                }
                continue;
            }
            uint32_t word = pcg(x + row);
            if (!spec.gated && !spec.always && word >= spec.threshold) continue;
            cells[count] = at;
            words[count++] = word;
            if (count == BLOCK) {
                advance(from, to, weights, cells, words, count);
                count = 0;
            }
        }
    }
    if (count) advance(from, to, weights, cells, words, count);
    if (!spec.living) return;
    for (int at = 0; at < area; at++) lives[at] = alive(from, at) && alive(to, at);
    for (int group = 0; group < spec.groups; group++) {
        for (int at = 0; at < area; at++) {
            if (!lives[at]) wasm_v128_store(to + 4 * (area * group + at), wasm_f32x4_const_splat(0));
        }
    }
}

// ---- The decoder: see decoder.js for where its layers lie.

static _Alignas(64) float given[MOST_GIVEN][BLOCK];  // the state at a point, and where in its patch that lies
static _Alignas(64) float waves[2][MOST_WIDTH][BLOCK];

// Sines, by the polynomial that decoder.glsl.js has.
static v128_t wave(v128_t angle) {
    const v128_t half = wasm_f32x4_const_splat(0.5f);
    v128_t turns = wasm_f32x4_floor(wasm_f32x4_add(wasm_f32x4_mul(angle, wasm_f32x4_const_splat(0.318309886f)), half));
    v128_t x = wasm_f32x4_sub(angle, wasm_f32x4_mul(turns, wasm_f32x4_const_splat(3.140625f)));
    x = wasm_f32x4_sub(x, wasm_f32x4_mul(turns, wasm_f32x4_const_splat(9.67653590e-4f)));
    static const float terms[4] = {2.59990321e-6f, -1.98065471e-4f, 8.33301635e-3f, -0.166666571f};
    v128_t square = wasm_f32x4_mul(x, x), sum = wasm_f32x4_const_splat(0);
    for (int i = 0; i < 4; i++) sum = wasm_f32x4_add(wasm_f32x4_mul(sum, square), wasm_f32x4_splat(terms[i]));
    v128_t sine = wasm_f32x4_add(x, wasm_f32x4_mul(wasm_f32x4_mul(x, square), sum));
    v128_t even = wasm_f32x4_mul(wasm_f32x4_const_splat(2), wasm_f32x4_floor(wasm_f32x4_mul(turns, half)));
    v128_t sign = wasm_f32x4_sub(turns, even);  // 1 for an odd number of half turns
    return wasm_f32x4_sub(sine, wasm_f32x4_mul(wasm_f32x4_add(sign, sign), sine));
}

// Four channels of a state between its cells; of a line there are the cells before and after it, and the share of the
// one after it.
static v128_t between(const float *layer, const float *column, const float *row) {
    v128_t sum = wasm_f32x4_const_splat(0);
    for (int below = 0; below < 2; below++) {
        for (int right = 0; right < 2; right++) {
            if (row[below] < 0 || column[right] < 0) continue;  // beyond the edge
            const float share = (right ? column[2] : 1 - column[2]) * (below ? row[2] : 1 - row[2]);
            v128_t there = wasm_v128_load(layer + 4 * ((int)row[below] * spec.width + (int)column[right]));
            sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_f32x4_splat(share), there));
        }
    }
    return sum;
}

// What is given of a point, in its column of the block.
static void give(const float *state, const float *column, const float *row, int point) {
    for (int group = 0; group < spec.groups; group++) {
        put(given + 4 * group, point, between(state + 4 * spec.width * spec.height * group, column, row));
    }
    float(*where)[BLOCK] = given + 4 * spec.groups;
    if (!spec.frequencies) put(where, point, wasm_f32x4_make(row[3], column[3], 0, 0));
    for (int k = 1; k <= spec.frequencies; k++, where += 4) {
        const float pi = 3.14159265f, down = pi * k * row[3], right = pi * k * column[3];
        put(where, point, wave(wasm_f32x4_make(down, right, down + pi / 2, right + pi / 2)));
    }
}

// What the layers make of a block of points.
static void ask(const float *weights, float (*said)[BLOCK]) {
    float(*in)[BLOCK] = given;
    int before = 4 * (spec.groups + (spec.frequencies ? spec.frequencies : 1));
    weights += 4 * spec.decoder;
    for (int layer = 0; layer <= spec.sines; layer++) {
        const int last = layer == spec.sines, quads = last ? 1 : spec.quads;
        float(*out)[BLOCK] = last ? said : waves[layer % 2];
        for (int unit = 0; unit < 4 * quads; unit += 2) {
            const float *own = weights + 4 * (1 + before) * (unit / 4) + unit % 4;
            v128_t sums[2][VECTORS];
            pair(own + 4, own + 5, 4, own[0], own[1], in, before, sums);
            for (int k = 0; k < 2; k++) {
                for (int v = 0; v < VECTORS; v++) {
                    wasm_v128_store(out[unit + k] + 4 * v, last ? sums[k][v] : wave(sums[k][v]));
                }
            }
        }
        weights += 4 * (1 + before) * quads;
        before = 4 * quads;
        in = out;
    }
}

// Paint the points where some rows and columns meet, four numbers a line as in raster.js: RGB, multiplied by alpha, and
// alpha; not bounded. Where nothing lives there is nothing.
void paint(const float *state, const float *weights, const float *columns, const float *rows, int across, int down,
           float *painted) {
    int points[BLOCK], count = 0;
    float said[4][BLOCK];
    for (int at = 0; at <= across * down; at++) {
        if (at < across * down) {
            const float *column = columns + 4 * (at % across), *row = rows + 4 * (at / across);
            if (spec.living && !(wasm_f32x4_extract_lane(between(state, column, row), 3) > 0.1f)) {
                wasm_v128_store(painted + 4 * at, wasm_f32x4_const_splat(0));
                continue;
            }
            give(state, column, row, count);
            points[count++] = at;
            if (count < BLOCK) continue;
        }
        if (!count) continue;
        ask(weights, said);
        for (int point = 0; point < count; point++) {
            v128_t colour = wasm_f32x4_make(said[0][point], said[1][point], said[2][point],
                                            spec.living ? said[3][point] : 1);
            wasm_v128_store(painted + 4 * points[point], colour);
        }
        count = 0;
    }
}
