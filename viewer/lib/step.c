// The step on the processor, in WebAssembly SIMD: every kind of Spec, single precision, only the cells that fire.
// Compiled by `make wasm` into step.wasm.js. State and weights lie as on the GPU: see pack.js.
#include <stdint.h>
#include <wasm_simd128.h>

enum { BLOCK = 16, VECTORS = BLOCK / 4, MOST_CHANNELS = 64, MOST_SENSED = 6 * MOST_CHANNELS, MOST_HIDDEN = 512 };

// What a step needs to know of the Spec; wasm.js fills it in, in this order.
static struct {
    int32_t width, height, groups, filters, trained, hidden, layers, residual, gated, living, wrap;
    int32_t features, second, output, columns;  // places in the weights, in texels; columns: texels a row
    int32_t always;                             // every cell fires
    uint32_t threshold;                         // else those whose word is below it
    float clamp;                                // infinite for no bound
} spec;

void *settings(void) { return &spec; }

static float sensed[MOST_SENSED][BLOCK];  // a row a feature, ordered (group, filter, lane); a column a cell
static float units[2][MOST_HIDDEN][BLOCK];
static float change[MOST_CHANNELS + 1][BLOCK];  // the last used row is the gate

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
    if (spec.wrap) {
        y = (y + 2 * spec.height) % spec.height;
        x = (x + 2 * spec.width) % spec.width;
    } else if (y < 0 || y >= spec.height || x < 0 || x >= spec.width) {
        return -1;
    }
    return y * spec.width + x;
}

static v128_t four(const float *layer, int at) {
    return at < 0 ? wasm_f32x4_const_splat(0) : wasm_v128_load(layer + 4 * at);
}

static void put(int feature, int column, v128_t values) {
    sensed[feature][column] = wasm_f32x4_extract_lane(values, 0);
    sensed[feature + 1][column] = wasm_f32x4_extract_lane(values, 1);
    sensed[feature + 2][column] = wasm_f32x4_extract_lane(values, 2);
    sensed[feature + 3][column] = wasm_f32x4_extract_lane(values, 3);
}

// The nine cells around one, `reach` away, from the top left on.
static void neighbours(int at, int reach, int places[9]) {
    int y = at / spec.width, x = at % spec.width;
    for (int tap = 0; tap < 9; tap++) {
        places[tap] = place(y + reach * (tap / 3 - 1), x + reach * (tap % 3 - 1));
    }
}

// Sobel / 8: slopes in x, to the right, and in y, downwards.
static void slopes(const float *layer, const int at[9], int feature, int column) {
    v128_t nw = four(layer, at[0]), n = four(layer, at[1]), ne = four(layer, at[2]);
    v128_t w = four(layer, at[3]), e = four(layer, at[5]);
    v128_t sw = four(layer, at[6]), s = four(layer, at[7]), se = four(layer, at[8]);
    v128_t two = wasm_f32x4_const_splat(2), eighth = wasm_f32x4_const_splat(0.125f);
    v128_t x = wasm_f32x4_add(wasm_f32x4_sub(ne, nw), wasm_f32x4_sub(se, sw));
    v128_t y = wasm_f32x4_add(wasm_f32x4_sub(sw, nw), wasm_f32x4_sub(se, ne));
    x = wasm_f32x4_add(x, wasm_f32x4_mul(two, wasm_f32x4_sub(e, w)));
    y = wasm_f32x4_add(y, wasm_f32x4_mul(two, wasm_f32x4_sub(s, n)));
    put(feature, column, wasm_f32x4_mul(x, eighth));
    put(feature + 4, column, wasm_f32x4_mul(y, eighth));
}

static void perceive(const float *state, const float *weights, int at, int column) {
    int near[9], far[9];
    neighbours(at, 1, near);
    neighbours(at, 2, far);
    const int area = spec.width * spec.height;
    for (int group = 0; group < spec.groups; group++) {
        const float *layer = state + 4 * area * group;
        const int feature = 4 * spec.filters * group;
        if (spec.trained) {
            for (int filter = 0; filter < 3; filter++) {
                const float *taps = weights + 4 * ((spec.hidden + 1 + filter) * spec.columns + 9 * group);
                v128_t sum = wasm_f32x4_const_splat(0);
                for (int tap = 0; tap < 9; tap++) {
                    sum = wasm_f32x4_add(
                        sum, wasm_f32x4_mul(wasm_v128_load(taps + 4 * tap), four(layer, near[tap])));
                }
                put(feature + 4 * filter, column, sum);
            }
        } else {
            put(feature, column, four(layer, at));
            slopes(layer, near, feature + 4, column);
        }
        if (spec.filters == 6) {
            put(feature + 12, column, four(layer, at));
            slopes(layer, far, feature + 16, column);
        }
    }
}

// Two weighted sums over `count` rows of a block at once: each row is loaded for both.
static inline void pair(const float *a, const float *b, int stride, float biasA, float biasB,
                        float (*in)[BLOCK], int count, v128_t sums[2][VECTORS]) {
    for (int v = 0; v < VECTORS; v++) {
        sums[0][v] = wasm_f32x4_splat(biasA);
        sums[1][v] = wasm_f32x4_splat(biasB);
    }
    for (int i = 0; i < count; i++) {
        v128_t forA = wasm_v128_load32_splat(a + i * stride), forB = wasm_v128_load32_splat(b + i * stride);
        for (int v = 0; v < VECTORS; v++) {
            v128_t row = wasm_v128_load(in[i] + 4 * v);
            sums[0][v] = wasm_f32x4_add(sums[0][v], wasm_f32x4_mul(forA, row));
            sums[1][v] = wasm_f32x4_add(sums[1][v], wasm_f32x4_mul(forB, row));
        }
    }
}

// A hidden layer; `column` is where its weights begin, `lane` which of the three numbers at `features` its bias is.
static void layer(const float *weights, int column, int lane, float (*in)[BLOCK], int count, float (*out)[BLOCK],
                  float (*added)[BLOCK]) {
    const v128_t zero = wasm_f32x4_const_splat(0);
    for (int j = 0; j < spec.hidden; j += 2) {
        const float *a = weights + 4 * j * spec.columns, *b = a + 4 * spec.columns;
        v128_t sums[2][VECTORS];
        pair(a + 4 * column, b + 4 * column, 1, a[4 * spec.features + lane], b[4 * spec.features + lane], in, count,
             sums);
        for (int k = 0; k < 2; k++) {
            for (int v = 0; v < VECTORS; v++) {
                v128_t unit = wasm_f32x4_max(sums[k][v], zero);
                if (added) unit = wasm_f32x4_add(unit, wasm_v128_load(added[j + k] + 4 * v));
                wasm_v128_store(out[j + k] + 4 * v, unit);
            }
        }
    }
}

// What a block of cells proposes, from what it senses.
static void rule(const float *weights) {
    layer(weights, 0, 0, sensed, 4 * spec.features, units[0], 0);
    float(*last)[BLOCK] = units[0];
    if (spec.layers == 3) {
        layer(weights, spec.second, 1, units[0], spec.hidden, units[1], spec.residual ? units[0] : 0);
        last = units[1];
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

static v128_t bounded(v128_t values) {
    v128_t most = wasm_f32x4_splat(spec.clamp);
    return wasm_f32x4_max(wasm_f32x4_min(values, most), wasm_f32x4_neg(most));
}

static void advance(const float *from, float *to, const float *weights, const int *cells, const uint32_t *words,
                    int count) {
    const int area = spec.width * spec.height;
    for (int column = 0; column < count; column++) perceive(from, weights, cells[column], column);
    rule(weights);
    for (int column = 0; column < count; column++) {
        if (spec.gated && !gateOpens(change[4 * spec.groups][column], words[column])) continue;
        for (int group = 0; group < spec.groups; group++) {
            int at = 4 * (area * group + cells[column]);
            float(*rows)[BLOCK] = change + 4 * group;
            v128_t more = wasm_f32x4_make(rows[0][column], rows[1][column], rows[2][column], rows[3][column]);
            wasm_v128_store(to + at, bounded(wasm_f32x4_add(wasm_v128_load(from + at), more)));
        }
    }
}

// Alpha above 0.1 in the 3x3 neighbourhood; layer 0 holds RGB and alpha.
static int alive(const float *state, int at) {
    int near[9];
    neighbours(at, 1, near);
    for (int tap = 0; tap < 9; tap++) {
        if (near[tap] >= 0 && state[4 * near[tap] + 3] > 0.1f) return 1;
    }
    return 0;
}

// Take one step. `lives` has room for a byte a cell.
void step(const float *from, float *to, const float *weights, uint8_t *lives, uint32_t seed, uint32_t number) {
    const int area = spec.width * spec.height;
    for (int at = 0; at < 4 * area * spec.groups; at += 4) {
        wasm_v128_store(to + at, bounded(wasm_v128_load(from + at)));
    }
    int cells[BLOCK], count = 0;
    uint32_t words[BLOCK];
    for (int y = 0, at = 0; y < spec.height; y++) {
        const uint32_t row = pcg(y + pcg(seed + pcg(number)));
        for (int x = 0; x < spec.width; x++, at++) {
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
