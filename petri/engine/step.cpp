// The step of an automaton, forward and backward, for the CPU.
//
// The definition is petri.nca.Automaton.step; this is the same step, several times as fast:
//   - a rollout of many steps is one call, by threads that meet once (or, with the living mask, twice) a step;
//   - the state is kept cell by cell (all channels of a cell together) with a border around the grid, so that a
//     neighbour is an offset and nothing is checked at the edge;
//   - only the cells that fire are computed: they are gathered into blocks that stay in cache, perceive, and
//     run through the rule as small matrix products;
//   - the backward pass keeps the states (and a byte a cell and step for who fired and who lived), computes
//     the rest again, and skips the same cells.
//
// Cells are dealt out in "bands" (rows of one sample) and bands in "lanes". A lane is worked on by one thread
// at a time, in a fixed order, and has its own sums of the weights' gradients, added up in the order of the
// lanes: the result has the same bits whichever thread did what, and however many there are.
//
// Nothing here knows PyTorch: plain C functions, called with raw pointers (native.py).

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#define HAS_BFLOAT16 1
#endif
#if defined(HAS_BFLOAT16) && defined(__AMX_BF16__) && defined(__AMX_TILE__) && defined(__linux__)
#define HAS_TILES 1
#endif

// ---------------------------------------------------------------- what Python hands over (native.py mirrors it)

extern "C" {

struct Plan {
    int32_t channels, hidden, layers;
    int32_t residual, gated, living, wrap, far, trained;  // yes or no
    int32_t clamped;
    float bound;         // of the clamp
    uint64_t threshold;  // a cell fires if its word is below; 2^32 always fires
    int32_t batch, height, width;
    int64_t start, steps;
    int32_t threads;
    int32_t products;  // SINGLE, BFLOAT16 or TILES
};

// The parameters, as PyTorch holds them, or room for their gradients. The last layer is number layers - 1.
struct Parameters {
    float *bank;  // [3 * channels, 1, 3, 3]
    float *weights[3], *biases[3];
};

// A batch in any layout: [batch, channel, row, column], strides counted in floats.
struct View {
    float *data;
    int64_t strides[4];
};
}

namespace {

enum Products { SINGLE = 0, BFLOAT16 = 1, TILES = 2 };

// ---------------------------------------------------------------- vectors, through the compiler's portable types

#if defined(__AVX512F__)
constexpr int WIDE = 16;
constexpr int TILE_ROWS = 8, TILE_VECTORS = 3;  // accumulators of a product: 24 of 32 registers
#elif defined(__AVX__)
constexpr int WIDE = 8;
constexpr int TILE_ROWS = 4, TILE_VECTORS = 3;  // 12 of 16
#else
constexpr int WIDE = 4;
constexpr int TILE_ROWS = 4, TILE_VECTORS = 4;  // 16 of 32 (NEON)
#endif

typedef float Vector __attribute__((vector_size(WIDE * sizeof(float))));
typedef float Anywhere __attribute__((vector_size(WIDE * sizeof(float)), aligned(4), may_alias));

inline Vector load(const float *from) { return *reinterpret_cast<const Anywhere *>(from); }
inline void store(float *to, Vector v) { *reinterpret_cast<Anywhere *>(to) = v; }
inline Vector spread(float x) { return x - Vector{}; }
inline void add(float *to, Vector v) { store(to, load(to) + v); }

// Comparisons are written so that a NaN stays one, as in PyTorch.
inline Vector relu(Vector v) { return v < 0.0f ? Vector{} : v; }
inline Vector clamp(Vector v, float bound) {
    v = v > bound ? spread(bound) : v;
    return v < -bound ? spread(-bound) : v;
}

// to[x] = value(x, to[x]). Bytes may alias anything, so a compiler dares little in a loop that writes them; here it is
// told that `to` is nobody else's, and the bound is a copy.
template <class Value>
inline void each_byte(int64_t count, uint8_t *__restrict to, Value value) {
    for (int64_t x = 0; x < count; x++) to[x] = value(x, to[x]);
}

inline int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// Memory that starts on a cache line and is zero.
template <class T>
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(int64_t count) {
        size_t bytes = size_t(round_up(count * int64_t(sizeof(T)), 64)) + 64;
        whole.reset(new char[bytes]());
        start = reinterpret_cast<T *>((reinterpret_cast<uintptr_t>(whole.get()) + 63) / 64 * 64);
    }
    operator T *() const { return start; }

private:
    std::unique_ptr<char[]> whole;
    T *start = nullptr;
};

// ---------------------------------------------------------------- who fires (petri.nca.fire)

inline uint32_t pcg(uint32_t value) {
    uint32_t a = value * 747796405u + 2891336453u;
    uint32_t w = ((a >> ((a >> 28) + 4)) ^ a) * 277803737u;
    return (w >> 22) ^ w;
}

inline uint32_t row_word(int64_t seed, int64_t step, int y) {
    return pcg(uint32_t(y) + pcg(uint32_t(seed) + pcg(uint32_t(step))));
}

// ---------------------------------------------------------------- the grid

constexpr int ALPHA = 3;
constexpr float ALIVE = 0.1f;
constexpr int LANES = 16;     // enough for the threads of a laptop; more cost memory for their sums
constexpr int BAND_ROWS = 8;  // at least: a band's neighbours must hold all of its halo
constexpr int BLOCK = 64;     // cells that are computed together
constexpr int CHUNK = 32;     // and those of them whose sums in float, four times as large, lie in cache at once

enum Mark : uint8_t { FIRED = 1, LIVES = 2 };

struct Band {
    int sample, top, rows;
    int64_t gradient;  // where its rows begin in the gradient buffers, in cells
};

struct Grid {
    int batch, height, width, border, pitch, channels;  // channels: of a cell in memory
    bool wrap;
    int64_t sample_cells, cells;  // with borders
    std::vector<Band> bands;
    int lanes;
    int64_t gradient_cells = 0;

    Grid(const Plan &plan)
        : batch(plan.batch), height(plan.height), width(plan.width), border(plan.far ? 2 : 1),
          pitch(width + 2 * border), channels(int(round_up(plan.channels, 16))), wrap(plan.wrap != 0),
          sample_cells(int64_t(height + 2 * border) * pitch), cells(sample_cells * batch) {
        int parts = std::max(1, std::min((LANES + batch - 1) / batch, height / BAND_ROWS));
        for (int b = 0; b < batch; b++)
            for (int part = 0; part < parts; part++) {
                int top = int(int64_t(height) * part / parts);
                int rows = int(int64_t(height) * (part + 1) / parts) - top;
                bands.push_back({b, top, rows, gradient_cells});
                gradient_cells += int64_t(rows + 2 * border) * pitch;
            }
        lanes = std::min(LANES, int(bands.size()));
    }

    int64_t cell(int b, int y, int x) const { return b * sample_cells + int64_t(y + border) * pitch + x + border; }
    int64_t mark(int b, int y) const { return (int64_t(b) * height + y) * width; }

    // Where a row of a band lies in the gradient buffers; rows -border..rows+border-1.
    int64_t gradient(const Band &band, int row, int x) const {
        return band.gradient + int64_t(row + border) * pitch + x + border;
    }
};

// A row was written: renew the cells beyond the edge that mirror it (wrap) or lie next to it (zero).
// `plane` is one sample with a border; a cell has `size` values.
template <class T>
void renew_border(T *plane, int y, int height, int width, int border, int size, bool wrap) {
    int64_t pitch = int64_t(width + 2 * border) * size;
    T *row = plane + (y + border) * pitch;
    size_t bytes = sizeof(T) * size_t(size);
    for (int k = 0; k < border; k++) {
        T *left = row + int64_t(k) * size, *right = row + int64_t(border + width + k) * size;
        if (wrap) {
            int before = ((k - border) % width + width) % width;
            std::memcpy(left, row + int64_t(border + before) * size, bytes);
            std::memcpy(right, row + int64_t(border + k % width) * size, bytes);
        } else {
            std::memset(left, 0, bytes);
            std::memset(right, 0, bytes);
        }
    }
    for (int k = -border; k < height + border; k = k == -1 ? height : k + 1) {
        T *beyond = plane + (k + border) * pitch;
        if (wrap && ((k % height) + height) % height == y)
            std::memcpy(beyond, row, sizeof(T) * size_t(pitch));
        else if (!wrap && y == (k < 0 ? 0 : height - 1))
            std::memset(beyond, 0, sizeof(T) * size_t(pitch));
    }
}

// ---------------------------------------------------------------- products
//
// C[rows, columns] (+)= A[rows, depth] B[depth, columns], with C in float. A and B are made of "units": one
// float, or a pair of bfloat16 that are neighbours along the depth, which is what the dot-product instructions
// take. Where the depth runs over the cells of a block (the weights' gradients), pairs of cells are interleaved.

// The sums must stay in registers, so these loops may not be left as loops.
#if defined(__GNUC__)
#define UNROLLED _Pragma("GCC unroll 16")
#else
#define UNROLLED
#endif

template <class P, int rows, int vectors>
inline void tile(const typename P::Unit *a, int64_t a_row, int64_t a_depth, const typename P::Unit *b, int64_t ldb,
                 float *c, int64_t ldc, int depth, bool more) {
    Vector sum[rows][vectors];
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int j = 0; j < vectors; j++) sum[i][j] = more ? load(c + i * ldc + j * WIDE) : Vector{};
    for (int r = 0; r < depth; r++) {
        typename P::Units right[vectors];
        UNROLLED for (int j = 0; j < vectors; j++) right[j] = P::units(b + r * ldb + j * WIDE);
        UNROLLED for (int i = 0; i < rows; i++) {
            typename P::Units left = P::same(a[i * a_row + r * a_depth]);
            UNROLLED for (int j = 0; j < vectors; j++) sum[i][j] = P::dot(sum[i][j], left, right[j]);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int j = 0; j < vectors; j++) store(c + i * ldc + j * WIDE, sum[i][j]);
}

// rows and columns are multiples of 16.
template <class P>
void vector_product(const typename P::Unit *a, int64_t a_row, int64_t a_depth, const typename P::Unit *b, int64_t ldb,
                    float *c, int64_t ldc, int rows, int columns, int depth, bool more) {
    for (int n = 0; n < columns;) {
        int left = (columns - n) / WIDE;
        int step = left >= TILE_VECTORS ? TILE_VECTORS : left >= 2 ? 2 : 1;
        for (int m = 0; m < rows; m += TILE_ROWS) {
            const typename P::Unit *from = a + m * a_row;
            float *to = c + m * ldc + n;
            if (step == TILE_VECTORS)
                tile<P, TILE_ROWS, TILE_VECTORS>(from, a_row, a_depth, b + n, ldb, to, ldc, depth, more);
            else if (step == 2)
                tile<P, TILE_ROWS, 2>(from, a_row, a_depth, b + n, ldb, to, ldc, depth, more);
            else
                tile<P, TILE_ROWS, 1>(from, a_row, a_depth, b + n, ldb, to, ldc, depth, more);
        }
        n += step * WIDE;
    }
}

// Everything in float32.
struct Single {
    using Element = float;
    using Unit = float;
    using Units = Vector;
    static constexpr int PER_UNIT = 1;
    static constexpr int MULTIPLE = 16;  // of cells in a block and of every width

    struct Session {};  // what a thread must set up

    static Units units(const Unit *from) { return load(from); }
    static Units same(Unit x) { return spread(x); }
    static Vector dot(Vector sum, Units a, Units b) { return sum + a * b; }

    static Vector get(const Element *from) { return load(from); }
    static void put(Element *to, Vector v) { store(to, v); }
    static Element round(float x) { return x; }

    // A: [rows, depth] elements. Only the first `used` columns of C are computed: widths are rounded up.
    static void product(const Element *a, const Unit *b, float *c, int rows, int columns, int depth, int used) {
        vector_product<Single>(a, depth, 1, b, columns, c, columns, rows, used, depth, false);
    }

    // C[m, n] += the sum over cells of A[cell, m] B[cell, n], for the first `used` of the m; the rooms are for
    // what must be rearranged.
    static void gradient(const Element *a, int m, int used, const Element *b, int n, float *c, int cells, Unit *, Unit *,
                         Unit *) {
        vector_product<Single>(a, 1, m, b, n, c, n, used, n, cells, true);
    }
};

#ifdef HAS_BFLOAT16

inline uint16_t nearest_bfloat16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    if (std::isnan(x)) return 0x7FC0;
    return uint16_t((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

// bfloat16 pairs, summed in float32 (AVX512-BF16).
struct Half {
    using Element = uint16_t;
    using Unit = uint32_t;
    using Units = __m512bh;
    static constexpr int PER_UNIT = 2;
    static constexpr int MULTIPLE = 16;

    struct Session {};

    static Units units(const Unit *from) { return (Units)_mm512_loadu_si512(from); }
    static Units same(Unit x) { return (Units)_mm512_set1_epi32(int(x)); }
    static Vector dot(Vector sum, Units a, Units b) { return (Vector)_mm512_dpbf16_ps((__m512)sum, a, b); }

    static Vector get(const Element *from) {
        __m256i half = _mm256_loadu_si256((const __m256i *)from);
        return (Vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
    }
    static void put(Element *to, Vector v) {
        _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh((__m512)v));
    }
    static Element round(float x) { return nearest_bfloat16(x); }

    static void product(const Element *a, const Unit *b, float *c, int rows, int columns, int depth, int used) {
        vector_product<Half>((const Unit *)a, depth / 2, 1, b, columns, c, columns, rows, used, depth / 2, false);
    }

    // Interleave pairs of cells: [cells, width] elements to [cells / 2, width] units.
    static void pair(const Element *from, int cells, int width, Unit *to) {
        alignas(64) static constexpr uint16_t ORDER[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                           8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
        __m512i order = _mm512_load_si512(ORDER);
        for (int i = 0; i < cells; i += 2)
            for (int k = 0; k < width; k += 16) {
                __m256i low = _mm256_loadu_si256((const __m256i *)(from + int64_t(i) * width + k));
                __m256i high = _mm256_loadu_si256((const __m256i *)(from + int64_t(i + 1) * width + k));
                __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
                _mm512_storeu_si512(to + int64_t(i / 2) * width + k, _mm512_permutexvar_epi16(order, both));
            }
    }

    static void gradient(const Element *a, int m, int used, const Element *b, int n, float *c, int cells, Unit *room_a,
                         Unit *room_b, Unit *) {
        pair(a, cells, m, room_a);
        pair(b, cells, n, room_b);
        vector_product<Half>(room_a, 1, m, room_b, n, c, n, used, n, cells / 2, true);
    }
};

#endif
#ifdef HAS_TILES

// The same with matrix tiles (AMX-BF16): 16 rows x 32 elements times 32 elements x 16 columns in one instruction.
struct Tiles : Half {
    static constexpr int MULTIPLE = 32;

    // Tile registers, all 16 rows of 64 bytes. Without this the instructions trap; kept by the thread that asks.
    struct Session {
        Session() {
            struct alignas(64) {
                uint8_t palette = 1, start = 0, reserved[14] = {};
                uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
                uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
            } config;
            _tile_loadconfig(&config);
        }
        ~Session() { _tile_release(); }
    };

    // rows and columns are multiples of 16, depth (in units) too: blocks of 2 x 2 tiles, fewer at the ends.
    static void tiles(const Unit *a, int64_t lda, const Unit *b, int64_t ldb, float *c, int64_t ldc, int rows, int columns,
                      int depth, bool more) {
        for (int n = 0; n < columns; n += 32)
            for (int m = 0; m < rows; m += 32) {
                bool right = n + 16 < columns, below = m + 16 < rows;
                float *to = c + m * ldc + n;
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
                if (more) {
                    _tile_loadd(0, to, ldc * 4);
                    if (right) _tile_loadd(1, to + 16, ldc * 4);
                    if (below) _tile_loadd(2, to + 16 * ldc, ldc * 4);
                    if (right && below) _tile_loadd(3, to + 16 * ldc + 16, ldc * 4);
                }
                for (int r = 0; r < depth; r += 16) {
                    _tile_loadd(4, a + m * lda + r, lda * 4);
                    _tile_loadd(6, b + r * ldb + n, ldb * 4);
                    _tile_dpbf16ps(0, 4, 6);
                    if (right) {
                        _tile_loadd(7, b + r * ldb + n + 16, ldb * 4);
                        _tile_dpbf16ps(1, 4, 7);
                    }
                    if (below) {
                        _tile_loadd(5, a + (m + 16) * lda + r, lda * 4);
                        _tile_dpbf16ps(2, 5, 6);
                        if (right) _tile_dpbf16ps(3, 5, 7);
                    }
                }
                _tile_stored(0, to, ldc * 4);
                if (right) _tile_stored(1, to + 16, ldc * 4);
                if (below) _tile_stored(2, to + 16 * ldc, ldc * 4);
                if (right && below) _tile_stored(3, to + 16 * ldc + 16, ldc * 4);
            }
    }

    static void product(const Element *a, const Unit *b, float *c, int rows, int columns, int depth, int used) {
        tiles((const Unit *)a, depth / 2, b, columns, c, columns, rows, used, depth / 2, false);
    }

    // [rows, width] units to [width, rows]; both are multiples of 16.
    static void transpose(const Unit *from, int rows, int width, Unit *to) {
        for (int r = 0; r < rows; r += 16)
            for (int k = 0; k < width; k += 16) square(from + int64_t(r) * width + k, width, to + int64_t(k) * rows + r, rows);
    }

    // 16 x 16 units: after four rounds of exchanging halves, quarters, eighths and neighbours, rows are columns.
    static void square(const Unit *from, int64_t ldf, Unit *to, int64_t ldt) {
        __m512i v[16], w[16];
        for (int i = 0; i < 16; i++) v[i] = _mm512_loadu_si512(from + i * ldf);
        for (int i = 0; i < 16; i += 2) {
            w[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
            w[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
        }
        for (int i = 0; i < 16; i += 4) {
            v[i] = _mm512_unpacklo_epi64(w[i], w[i + 2]);
            v[i + 1] = _mm512_unpackhi_epi64(w[i], w[i + 2]);
            v[i + 2] = _mm512_unpacklo_epi64(w[i + 1], w[i + 3]);
            v[i + 3] = _mm512_unpackhi_epi64(w[i + 1], w[i + 3]);
        }
        for (int i = 0; i < 4; i++) {
            w[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
            w[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xDD);
            w[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
            w[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xDD);
        }
        for (int i = 0; i < 8; i++) {
            _mm512_storeu_si512(to + i * ldt, _mm512_shuffle_i32x4(w[i], w[i + 8], 0x88));
            _mm512_storeu_si512(to + (i + 8) * ldt, _mm512_shuffle_i32x4(w[i], w[i + 8], 0xDD));
        }
    }

    static void gradient(const Element *a, int m, int used, const Element *b, int n, float *c, int cells, Unit *room_a,
                         Unit *room_b, Unit *room_c) {
        pair(a, cells, m, room_c);
        transpose(room_c, cells / 2, m, room_a);
        pair(b, cells, n, room_b);
        tiles(room_a, cells / 2, room_b, n, c, n, used, n, cells / 2, true);
    }
};

#endif

// ---------------------------------------------------------------- the weights, rearranged

// Features are kept filter by filter (in PyTorch channel by channel), so that a filter's channels are one vector.
// The far bank's identity repeats the near one's: where both are fixed, one feature stands for both and
// their weights are added.
template <class P>
struct Net {
    int channels, padded, filters, features, hidden, outputs;  // the last four as laid out here
    bool deep, residual, gated, far, trained, clamped;
    float bound;
    int real_hidden, real_outputs, real_features;
    int used_outputs, used_features;  // those laid out that hold more than zeros, in multiples of 16
    int first_far;  // filter
    Buffer<typename P::Unit> first, middle, last, first_back, middle_back, last_back;
    Buffer<float> bias_first, bias_middle, bias_last;
    Buffer<float> bank;  // [3, 9, padded], if trained

    Net(const Plan &plan, const Parameters &from, bool backward)
        : channels(plan.channels), padded(int(round_up(channels, 16))), deep(plan.layers == 3),
          residual(plan.residual != 0), gated(plan.gated != 0), far(plan.far != 0), trained(plan.trained != 0),
          clamped(plan.clamped != 0), bound(plan.bound), real_hidden(plan.hidden), real_outputs(channels + gated),
          real_features(channels * (far ? 6 : 3)) {
        filters = !far ? 3 : trained ? 6 : 5;
        first_far = trained ? 3 : 2;
        features = int(round_up(filters * padded, P::MULTIPLE));
        hidden = int(round_up(real_hidden, P::MULTIPLE));
        outputs = int(round_up(std::max(real_outputs, padded), P::MULTIPLE));
        used_features = filters * padded;
        used_outputs = int(round_up(std::max(real_outputs, padded), 16));
        int end = plan.layers - 1;
        auto w_first = [&](int k, int h) { return h < real_hidden ? first_weight(from.weights[0], k, h) : 0.0f; };
        auto w_middle = [&](int k, int h) {
            return h < real_hidden && k < real_hidden ? from.weights[1][int64_t(h) * real_hidden + k] : 0.0f;
        };
        auto w_last = [&](int k, int o) {
            return o < real_outputs && k < real_hidden ? from.weights[end][int64_t(o) * real_hidden + k] : 0.0f;
        };
        first = pack(features, hidden, w_first);
        if (deep) middle = pack(hidden, hidden, w_middle);
        last = pack(hidden, outputs, w_last);
        bias_first = widen(from.biases[0], real_hidden, hidden);
        if (deep) bias_middle = widen(from.biases[1], real_hidden, hidden);
        bias_last = widen(from.biases[end], real_outputs, outputs);
        if (backward) {
            first_back = pack(hidden, features, [&](int h, int k) { return w_first(k, h); });
            if (deep) middle_back = pack(hidden, hidden, [&](int h, int k) { return w_middle(k, h); });
            last_back = pack(outputs, hidden, [&](int o, int k) { return w_last(k, o); });
        }
        if (trained) {
            bank = Buffer<float>(3 * 9 * padded);
            for (int f = 0; f < 3; f++)
                for (int c = 0; c < channels; c++)
                    for (int tap = 0; tap < 9; tap++)
                        bank[(f * 9 + tap) * padded + c] = from.bank[(int64_t(c) * 3 + f) * 9 + tap];
        }
    }

    // PyTorch's number of filter f, within a channel: where the far identity is folded into the near one, its
    // number, 3, is nobody's.
    int filter(int f) const { return far && !trained && f >= 3 ? f + 1 : f; }

private:
    float first_weight(const float *w, int k, int h) const {
        int f = k / padded, c = k % padded;
        if (f >= filters || c >= channels) return 0.0f;
        const float *row = w + int64_t(h) * real_features + c * (far ? 6 : 3);
        return row[filter(f)] + (far && !trained && f == 0 ? row[3] : 0.0f);
    }

    template <class Weight>
    static Buffer<typename P::Unit> pack(int depth, int columns, Weight weight) {
        Buffer<typename P::Unit> packed(int64_t(depth) / P::PER_UNIT * columns);
        typename P::Element *elements = reinterpret_cast<typename P::Element *>((typename P::Unit *)packed);
        for (int k = 0; k < depth; k++)
            for (int n = 0; n < columns; n++)
                elements[(int64_t(k / P::PER_UNIT) * columns + n) * P::PER_UNIT + k % P::PER_UNIT] = P::round(weight(k, n));
        return packed;
    }

    static Buffer<float> widen(const float *bias, int real, int size) {
        Buffer<float> wide(size);
        std::copy(bias, bias + real, (float *)wide);
        return wide;
    }
};

// ---------------------------------------------------------------- perception and its transpose

// The two Sobel slopes at a cell, for neighbours at the given offsets (in floats).
inline void slopes(const float *s, int64_t right, int64_t down, Vector &x, Vector &y) {
    Vector a = load(s - down - right), b = load(s - down), c = load(s - down + right);
    Vector d = load(s - right), e = load(s + right);
    Vector f = load(s + down - right), g = load(s + down), h = load(s + down + right);
    Vector falling = h - a, rising = c - f;  // the two diagonals belong to both slopes
    x = (falling + rising + 2.0f * (e - d)) * 0.125f;
    y = (falling - rising + 2.0f * (g - b)) * 0.125f;
}

// Hand a gradient of the two slopes back to the neighbours.
inline void spread_slopes(float *g, int64_t right, int64_t down, Vector x, Vector y) {
    x *= 0.125f;
    y *= 0.125f;
    Vector both = x + y, apart = x - y;
    add(g - down - right, -both);
    add(g - down, -2.0f * y);
    add(g - down + right, apart);
    add(g - right, -2.0f * x);
    add(g + right, 2.0f * x);
    add(g + down - right, -apart);
    add(g + down, 2.0f * y);
    add(g + down + right, both);
}

// ---------------------------------------------------------------- a block of cells

// Sums of the weights' gradients: [features, hidden], [hidden, hidden], [outputs, hidden], biases, bank.
template <class P>
struct Sums {
    Buffer<float> first, middle, last, bias_first, bias_middle, bias_last, bank;

    explicit Sums(const Net<P> &net)
        : first(int64_t(net.features) * net.hidden), middle(net.deep ? int64_t(net.hidden) * net.hidden : 0),
          last(int64_t(net.outputs) * net.hidden), bias_first(net.hidden), bias_middle(net.hidden),
          bias_last(net.outputs), bank(net.trained ? 27 * net.padded : 0) {}
};

template <class P>
struct Block {
    using Element = typename P::Element;
    using Unit = typename P::Unit;

    const Net<P> &net;
    int64_t pitch;
    int count = 0;
    int64_t cells[BLOCK], marks[BLOCK];  // where each cell lies in the state and among the marks
    int64_t looks[BLOCK];                // forward: where among the alphas; backward: in the gradients
    Buffer<Element> sensed, hidden1, above, hidden2;       // `above` is the second ReLU, before the residual
    Buffer<float> change;                                  // [cells, outputs]: the update, and the gate's logit
    Buffer<float> wide;                                    // [CHUNK, hidden or features]: a product's result
    Buffer<Element> change_back, back1, back2;             // gradients
    Buffer<float> skip;                                    // gradient that goes around the second layer
    Buffer<float> kept;                                    // [cells, padded]: gradient of the state's old value
    Buffer<Unit> room_a, room_b, room_c;

    Block(const Net<P> &net_, int64_t pitch_, bool backward) : net(net_), pitch(pitch_) {
        int widest = std::max({net.features, net.hidden, net.outputs});
        sensed = Buffer<Element>(BLOCK * net.features);
        hidden1 = Buffer<Element>(BLOCK * net.hidden);
        if (net.deep) above = Buffer<Element>(BLOCK * net.hidden);
        if (net.residual) hidden2 = Buffer<Element>(BLOCK * net.hidden);
        change = Buffer<float>(BLOCK * net.outputs);
        wide = Buffer<float>(CHUNK * widest);
        if (!backward) return;
        change_back = Buffer<Element>(BLOCK * net.outputs);
        back1 = Buffer<Element>(BLOCK * net.hidden);
        if (net.deep) back2 = Buffer<Element>(BLOCK * net.hidden);
        if (net.residual) skip = Buffer<float>(BLOCK * net.hidden);
        kept = Buffer<float>(BLOCK * net.padded);
        room_a = Buffer<Unit>(BLOCK * widest);
        room_b = Buffer<Unit>(BLOCK * widest);
        room_c = Buffer<Unit>(BLOCK * widest);
    }

    bool full() const { return count == BLOCK; }
    void push(int64_t cell, int64_t mark, int64_t look) {
        cells[count] = cell;
        marks[count] = mark;
        looks[count++] = look;
    }

    // Cells to compute: the last few are leftovers of earlier blocks, and nobody reads them.
    int rows() const { return int(round_up(count, P::MULTIPLE)); }

    // What the cells perceive and how they want to change. Not inlined: forward and backward must run the
    // very same instructions, as the backward pass has to find the same cells firing and clamped.
    __attribute__((noinline)) void propose(const float *state, bool to_the_end) {
        if (net.trained)
            net.far ? sense<true, true>(state) : sense<true, false>(state);
        else
            net.far ? sense<false, true>(state) : sense<false, false>(state);
        layer(sensed, net.features, net.first, net.hidden, net.hidden, [&](int from, int to) {
            activate(from, to, net.bias_first, hidden1, nullptr, nullptr);
        });
        if (net.deep)
            layer(hidden1, net.hidden, net.middle, net.hidden, net.hidden, [&](int from, int to) {
                activate(from, to, net.bias_middle, above, hidden1, net.residual ? (Element *)hidden2 : nullptr);
            });
        if (!to_the_end) return;
        P::product(top(), net.last, change, rows(), net.outputs, net.hidden, net.used_outputs);
        for (int i = 0; i < count; i++)
            for (int k = 0; k < net.used_outputs; k += WIDE) add(change + i * net.outputs + k, load(net.bias_last + k));
    }

    // Hand `change_back` and `kept` back through the rule: to the weights' sums and, through the perception,
    // to the state's gradient.
    void spread_back(const float *state, float *gradient, Sums<P> &sums) {
        int n = rows();
        layer(change_back, net.outputs, net.last_back, net.hidden, net.hidden, [&](int from, int to) {
            if (net.residual) std::copy((float *)wide, wide + (to - from) * net.hidden, skip + from * net.hidden);
            if (net.deep)
                through_relu(from, to, above, back2, sums.bias_middle, nullptr);
            else
                through_relu(from, to, hidden1, back1, sums.bias_first, nullptr);
        });
        if (net.deep) {
            layer(back2, net.hidden, net.middle_back, net.hidden, net.hidden, [&](int from, int to) {
                through_relu(from, to, hidden1, back1, sums.bias_first, net.residual ? (const float *)skip : nullptr);
            });
            P::gradient(hidden1, net.hidden, net.hidden, back2, net.hidden, sums.middle, n, room_a, room_b, room_c);
        }
        P::gradient(change_back, net.outputs, net.used_outputs, top(), net.hidden, sums.last, n, room_a, room_b, room_c);
        P::gradient(sensed, net.features, net.used_features, back1, net.hidden, sums.first, n, room_a, room_b, room_c);
        layer(back1, net.hidden, net.first_back, net.features, net.used_features, [&](int from, int to) {
            to = std::min(to, count);
            if (net.trained) {
                net.far ? unsense<true, true>(from, to, gradient) : unsense<true, false>(from, to, gradient);
                for (int k = 0; k < net.padded; k += WIDE) bank_gradient(from, to, state, sums.bank, k);
            } else {
                net.far ? unsense<false, true>(from, to, gradient) : unsense<false, false>(from, to, gradient);
            }
        });
    }

private:
    const Element *top() const { return net.residual ? hidden2 : net.deep ? above : hidden1; }

    // A matrix product, chunk by chunk: its result is in `wide` when use(first cell, one past the last) is called.
    template <class Use>
    void layer(const Element *from, int depth, const Unit *weights, int columns, int used, Use use) {
        for (int i = 0; i < rows(); i += CHUNK) {
            int end = std::min(i + CHUNK, rows());
            P::product(from + int64_t(i) * depth, weights, wide, end - i, columns, depth, used);
            use(i, end);
        }
    }

    template <bool trained, bool far>
    void sense(const float *state) {
        int64_t right = net.padded, down = pitch * net.padded;
        for (int i = 0; i < count; i++) {
            const float *s = state + cells[i] * net.padded;
            Element *to = sensed + int64_t(i) * net.features;
            for (int k = 0; k < net.padded; k += WIDE, s += WIDE, to += WIDE) {
                Vector x, y;
                if (trained) {
                    Vector sum[3] = {};
                    for (int tap = 0; tap < 9; tap++) {
                        Vector near = load(s + (tap / 3 - 1) * down + (tap % 3 - 1) * right);
                        for (int f = 0; f < 3; f++) sum[f] += near * load(net.bank + (f * 9 + tap) * net.padded + k);
                    }
                    for (int f = 0; f < 3; f++) P::put(to + f * net.padded, sum[f]);
                    if (far) P::put(to + 3 * net.padded, load(s));
                } else {
                    slopes(s, right, down, x, y);
                    P::put(to, load(s));
                    P::put(to + net.padded, x);
                    P::put(to + 2 * net.padded, y);
                }
                if (far) {
                    slopes(s, 2 * right, 2 * down, x, y);
                    P::put(to + (net.first_far + 1) * net.padded, x);
                    P::put(to + (net.first_far + 2) * net.padded, y);
                }
            }
        }
    }

    // The transpose of `sense`: each cell gives to the neighbours it had read.
    template <bool trained, bool far>
    void unsense(int first, int end, float *gradient) {
        int64_t right = net.padded, down = pitch * net.padded;
        for (int i = first; i < end; i++) {
            float *g = gradient + looks[i] * net.padded;
            const float *from = wide + (i - first) * net.features, *own = kept + i * net.padded;
            for (int k = 0; k < net.padded; k += WIDE, g += WIDE, from += WIDE, own += WIDE) {
                Vector centre = load(own);
                if (trained) {
                    Vector f0 = load(from), f1 = load(from + net.padded), f2 = load(from + 2 * net.padded);
                    if (far) centre += load(from + 3 * net.padded);
                    for (int tap = 0; tap < 9; tap++) {
                        const float *b = net.bank + tap * net.padded + k;
                        add(g + (tap / 3 - 1) * down + (tap % 3 - 1) * right,
                            f0 * load(b) + f1 * load(b + 9 * net.padded) + f2 * load(b + 18 * net.padded));
                    }
                } else {
                    centre += load(from);
                    spread_slopes(g, right, down, load(from + net.padded), load(from + 2 * net.padded));
                }
                add(g, centre);
                if (far)
                    spread_slopes(g, 2 * right, 2 * down, load(from + (net.first_far + 1) * net.padded),
                                  load(from + (net.first_far + 2) * net.padded));
            }
        }
    }

    void bank_gradient(int first, int end, const float *state, float *sums, int k) {
        int64_t right = net.padded, down = pitch * net.padded;
        Vector sum[3][9];
        for (int f = 0; f < 3; f++)
            for (int tap = 0; tap < 9; tap++) sum[f][tap] = load(sums + (f * 9 + tap) * net.padded + k);
        for (int i = first; i < end; i++) {
            const float *s = state + cells[i] * net.padded + k, *from = wide + (i - first) * net.features + k;
            Vector f0 = load(from), f1 = load(from + net.padded), f2 = load(from + 2 * net.padded);
            for (int tap = 0; tap < 9; tap++) {
                Vector near = load(s + (tap / 3 - 1) * down + (tap % 3 - 1) * right);
                sum[0][tap] += near * f0;
                sum[1][tap] += near * f1;
                sum[2][tap] += near * f2;
            }
        }
        for (int f = 0; f < 3; f++)
            for (int tap = 0; tap < 9; tap++) store(sums + (f * 9 + tap) * net.padded + k, sum[f][tap]);
    }

    // wide + bias, through a ReLU, to `to`; and, with what lies below added, to `total`.
    void activate(int first, int end, const float *bias, Element *to, const Element *below, Element *total) {
        for (int i = first; i < end; i++)
            for (int k = 0; k < net.hidden; k += WIDE) {
                int64_t at = int64_t(i) * net.hidden + k;
                Vector v = relu(load(wide + (i - first) * net.hidden + k) + load(bias + k));
                P::put(to + at, v);
                if (total) P::put(total + at, v + P::get(below + at));
            }
    }

    // wide (and `more`), where the activation was above zero, to `to` and to the bias's sum.
    void through_relu(int first, int end, const Element *active, Element *to, float *bias, const float *more) {
        int k = 0;
        for (; k + 4 * WIDE <= net.hidden; k += 4 * WIDE) through_relu_columns<4>(first, end, k, active, to, bias, more);
        for (; k < net.hidden; k += WIDE) through_relu_columns<1>(first, end, k, active, to, bias, more);
    }

    template <int vectors>
    void through_relu_columns(int first, int end, int column, const Element *active, Element *to, float *bias,
                              const float *more) {
        Vector sum[vectors];
        for (int j = 0; j < vectors; j++) sum[j] = load(bias + column + j * WIDE);
        for (int i = first; i < end; i++)
            for (int j = 0; j < vectors; j++) {
                int k = column + j * WIDE;
                int64_t at = int64_t(i) * net.hidden + k;
                Vector v = load(wide + (i - first) * net.hidden + k);
                if (more) v += load(more + at);
                v = P::get(active + at) > 0.0f ? v : Vector{};
                P::put(to + at, v);
                sum[j] += v;
            }
        for (int j = 0; j < vectors; j++) store(bias + column + j * WIDE, sum[j]);
    }
};

// ---------------------------------------------------------------- threads

// Threads that live for one rollout (starting one costs some 20 microseconds, a rollout milliseconds): nothing
// stays behind that a fork could break, and nothing is shared with torch's own pool.
class Team {
public:
    // Run work(team, member) on every thread; fewer threads if the system gives no more.
    template <class Work>
    static void run(int wanted, Work work) {
        Team team;
        std::vector<std::thread> others;
        others.reserve(size_t(wanted));
        for (int i = 1; i < wanted; i++) {
            try {
                others.emplace_back([&team, &work, i] {
                    while (team.members.load(std::memory_order_acquire) == 0) std::this_thread::yield();
                    work(team, i);
                });
            } catch (const std::system_error &) {
                break;
            }
        }
        team.members.store(int(others.size()) + 1, std::memory_order_release);
        work(team, 0);
        for (auto &other : others) other.join();
    }

    // Deal numbers below `count` out to the threads, and wait until all are done.
    template <class Work>
    void share(int count, Work work) {
        for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) work(i);
        meet();
    }

private:
    std::atomic<int> members{0}, arrived{0}, next{0};
    std::atomic<unsigned> round{0};

    void meet() {
        unsigned now = round.load(std::memory_order_acquire);
        if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == members.load(std::memory_order_relaxed)) {
            arrived.store(0, std::memory_order_relaxed);
            next.store(0, std::memory_order_relaxed);
            round.store(now + 1, std::memory_order_release);
            return;
        }
        // The others are a few microseconds away, unless somebody else has their processor.
        for (int spins = 0; round.load(std::memory_order_acquire) == now; spins++)
            if (spins > 2000) std::this_thread::yield();
    }
};

// ---------------------------------------------------------------- a rollout

void read_row(const View &view, const Grid &grid, int channels, int b, int y, float *to) {
    const float *from = view.data + b * view.strides[0] + y * view.strides[2];
    for (int x = 0; x < grid.width; x++, to += grid.channels) {
        for (int c = 0; c < channels; c++) to[c] = from[c * view.strides[1] + x * view.strides[3]];
        for (int c = channels; c < grid.channels; c++) to[c] = 0.0f;
    }
}

void write_row(const View &view, const Grid &grid, int channels, int b, int y, const float *from) {
    float *to = view.data + b * view.strides[0] + y * view.strides[2];
    for (int c = 0; c < channels; c++)
        for (int x = 0; x < grid.width; x++)
            to[c * view.strides[1] + x * view.strides[3]] = from[int64_t(x) * grid.channels + c];
}

// The living mask's view of a state: a byte a cell, whether its alpha is enough, with a border of 2.
struct Alphas {
    static constexpr int BORDER = 2;
    int height, width;
    int64_t pitch, sample;
    bool wrap;
    Buffer<uint8_t> enough;

    explicit Alphas(const Grid &grid)
        : height(grid.height), width(grid.width), pitch(width + 2 * BORDER), sample(pitch * (height + 2 * BORDER)),
          wrap(grid.wrap), enough(sample * grid.batch) {}

    uint8_t *row(int b, int y) const { return enough + b * sample + (y + BORDER) * pitch + BORDER; }
    void finish_row(int b, int y) { renew_border((uint8_t *)enough + b * sample, y, height, width, BORDER, 1, wrap); }

    // near[x]: whether any cell within `reach` of (x, y) has enough alpha. `room`: width + 4 bytes.
    template <int reach>
    void near(int b, int y, uint8_t *room, uint8_t *near) const {
        const uint8_t *from = row(b, y) - BORDER;
        const int64_t line = pitch;
        each_byte(line, room, [=](int64_t x, uint8_t) {
            uint8_t any = 0;
            for (int k = -reach; k <= reach; k++) any |= from[k * line + x];
            return any;
        });
        each_byte(width, near, [=](int64_t x, uint8_t) {
            uint8_t any = 0;
            for (int k = -reach; k <= reach; k++) any |= room[x + BORDER + k];
            return any;
        });
    }
};

void fire_row(const Plan &plan, uint32_t word, uint8_t *fired) {
    if (plan.threshold > 0xFFFFFFFFu) {
        std::memset(fired, 1, size_t(plan.width));
        return;
    }
    uint32_t threshold = uint32_t(plan.threshold);
    each_byte(plan.width, fired, [=](int64_t x, uint8_t) { return pcg(uint32_t(x) + word) < threshold; });
}

inline bool gate_fires(float logit, uint32_t word) {
    float chance = 1.0f / (1.0f + std::exp(-logit));
    return word < uint64_t(chance * 4294967296.0f);
}

// What a thread needs beside the shared buffers.
template <class P>
struct Member {
    Block<P> block;
    Buffer<uint8_t> fired, near, room;  // of a row
    Buffer<int> listed;                 // cells of a row that are to be computed

    Member(const Net<P> &net, const Grid &grid, bool backward)
        : block(net, grid.pitch, backward), fired(grid.width), near(grid.width), room(grid.width + 2 * Alphas::BORDER),
          listed(grid.width + 1) {}

    // List the cells of a row that `wanted` holds for, and return their number. Without a branch: which cells
    // fire is what no processor can foresee.
    template <class Wanted>
    int list(int width, Wanted wanted) {
        int count = 0, *to = listed;
        for (int x = 0; x < width; x++) {
            to[count] = x;
            count += wanted(x);
        }
        return count;
    }
};

template <class P>
class Rollout {
public:
    Rollout(const Plan &plan_, const int64_t *seeds_, const Parameters &parameters, bool backward_)
        : plan(plan_), grid(plan_), net(plan_, parameters, backward_), seeds(seeds_), backward_pass(backward_) {
        for (int i = 0; i < std::max(1, plan.threads); i++) members.emplace_back(net, grid, backward_pass);
    }

    // states: room for all (saved) or two states, bordered; marks: a byte a cell and step, or null.
    void forward(const View &start, const View &end, float *states, uint8_t *marks) {
        int kept = marks ? int(plan.steps) + 1 : 2;
        int64_t size = grid.cells * grid.channels;
        auto state = [&](int64_t t) { return states + t % kept * size; };
        std::vector<Alphas> before;
        std::unique_ptr<Alphas> after;
        if (plan.living) {
            before.emplace_back(grid);
            before.emplace_back(grid);
            after.reset(new Alphas(grid));
        }
        Team::run(plan.threads, [&](Team &team, int number) {
            typename P::Session session;
            (void)session;
            Member<P> &member = members[size_t(number)];
            team.share(grid.lanes, [&](int lane) {
                each_row(lane, [&](const Band &band, int y) {
                    read_row(start, grid, plan.channels, band.sample, y, row(states, band.sample, y));
                    finish_row(states, band.sample, y);
                    if (plan.living) look(before[0], states, band.sample, y);
                });
            });
            for (int64_t t = 0; t < plan.steps; t++) {
                uint8_t *marked = marks ? marks + t * plan.batch * plan.height * plan.width : nullptr;
                const Alphas *alphas = plan.living ? &before[size_t(t % 2)] : nullptr;
                team.share(grid.lanes, [&](int lane) {
                    step(lane, t, state(t), state(t + 1), alphas, after.get(), marked, member);
                    each_row(lane, [&](const Band &band, int y) {
                        if (plan.living)
                            after->finish_row(band.sample, y);
                        else
                            finish_row(state(t + 1), band.sample, y);
                    });
                });
                if (plan.living)
                    team.share(grid.lanes, [&](int lane) {
                        each_row(lane, [&](const Band &band, int y) {
                            bury_row(band.sample, y, *alphas, *after, before[size_t((t + 1) % 2)], state(t + 1), marked, member);
                            finish_row(state(t + 1), band.sample, y);
                        });
                    });
            }
            team.share(grid.lanes, [&](int lane) {
                each_row(lane, [&](const Band &band, int y) {
                    write_row(end, grid, plan.channels, band.sample, y, row(state(plan.steps), band.sample, y));
                });
            });
        });
    }

    void backward(const View &end, const View &start, const float *states, const uint8_t *marks, const Parameters &gradients) {
        int64_t size = grid.cells * grid.channels;
        Buffer<float> flows[2] = {Buffer<float>(grid.gradient_cells * grid.channels),
                                  Buffer<float>(grid.gradient_cells * grid.channels)};
        std::vector<Sums<P>> sums;
        for (int lane = 0; lane < grid.lanes; lane++) sums.emplace_back(net);
        Team::run(plan.threads, [&](Team &team, int number) {
            typename P::Session session;
            (void)session;
            Member<P> &member = members[size_t(number)];
            team.share(grid.lanes, [&](int lane) {
                each_row(lane, [&](const Band &band, int y) {
                    float *to = flows[plan.steps % 2] + grid.gradient(band, y - band.top, 0) * grid.channels;
                    read_row(end, grid, plan.channels, band.sample, y, to);
                });
            });
            for (int64_t t = plan.steps - 1; t >= 0; t--)
                team.share(grid.lanes, [&](int lane) {
                    step_back(lane, t, states + t * size, marks + t * plan.batch * plan.height * plan.width,
                              flows[(t + 1) % 2], flows[t % 2], sums[size_t(lane)], member);
                });
            team.share(grid.lanes, [&](int lane) {
                for (size_t i = size_t(lane); i < grid.bands.size(); i += size_t(grid.lanes)) collect(grid.bands[i], flows[0]);
                each_row(lane, [&](const Band &band, int y) {
                    const float *from = flows[0] + grid.gradient(band, y - band.top, 0) * grid.channels;
                    write_row(start, grid, plan.channels, band.sample, y, from);
                });
            });
        });
        total(sums, gradients);
    }

private:
    const Plan &plan;
    Grid grid;
    Net<P> net;
    const int64_t *seeds;
    bool backward_pass;
    std::vector<Member<P>> members;

    template <class Work>
    void each_row(int lane, Work work) {
        for (size_t i = size_t(lane); i < grid.bands.size(); i += size_t(grid.lanes))
            for (int y = grid.bands[i].top; y < grid.bands[i].top + grid.bands[i].rows; y++) work(grid.bands[i], y);
    }

    float *row(float *state, int b, int y) const { return state + grid.cell(b, y, 0) * grid.channels; }

    void finish_row(float *state, int b, int y) const {
        renew_border(state + b * grid.sample_cells * grid.channels, y, grid.height, grid.width, grid.border, grid.channels,
                     grid.wrap);
    }

    // Which cells of a row have enough alpha.
    void look(Alphas &alphas, const float *state, int b, int y) const {
        const float *cells = state + grid.cell(b, y, 0) * grid.channels;
        uint8_t *enough = alphas.row(b, y);
        for (int x = 0; x < grid.width; x++) enough[x] = cells[int64_t(x) * grid.channels + ALPHA] > ALIVE;
        alphas.finish_row(b, y);
    }

    // One step of a lane's cells. With the living mask, the cells that are computed are those within reach of
    // alpha: what the neighbours of a living cell do may keep it alive.
    void step(int lane, int64_t t, const float *now, float *next, const Alphas *alphas, Alphas *alphas_next, uint8_t *marks,
              Member<P> &member) {
        Block<P> &block = member.block;
        each_row(lane, [&](const Band &band, int y) {
            const float *from = now + grid.cell(band.sample, y, 0) * grid.channels;
            float *to = row(next, band.sample, y);
            int64_t length = int64_t(grid.width) * grid.channels;
            if (net.clamped && t == 0)  // later states are within the bound
                for (int64_t k = 0; k < length; k += WIDE) store(to + k, clamp(load(from + k), net.bound));
            else
                std::memcpy(to, from, sizeof(float) * size_t(length));
            if (alphas)  // the clamp leaves enough alpha enough
                std::memcpy(alphas_next->row(band.sample, y), alphas->row(band.sample, y), size_t(grid.width));
        });
        uint8_t *looked = alphas ? (uint8_t *)alphas_next->enough : nullptr;
        block.count = 0;
        each_row(lane, [&](const Band &band, int y) {
            uint8_t *fired = member.fired, *near = member.near;
            if (net.gated)
                std::memset(fired, 1, size_t(grid.width));
            else
                fire_row(plan, row_word(seeds[band.sample], plan.start + t, y), fired);
            int64_t first = grid.cell(band.sample, y, 0), mark = grid.mark(band.sample, y);
            int64_t look = alphas ? alphas_next->row(band.sample, y) - looked : 0;
            if (marks) {
                uint8_t unknown = net.gated ? LIVES : LIVES | FIRED;
                each_byte(grid.width, marks + mark, [=](int64_t x, uint8_t) { return (fired[x] | LIVES) & unknown; });
            }
            if (alphas) {
                alphas->template near<2>(band.sample, y, member.room, near);
                each_byte(grid.width, fired, [=](int64_t x, uint8_t fires) { return fires & near[x]; });
            }
            int count = member.list(grid.width, [&](int x) { return fired[x]; });
            for (int i = 0; i < count; i++) {
                int x = member.listed[i];
                block.push(first + x, mark + x, look + x);
                if (block.full()) update(block, t, now, next, looked, marks);
            }
        });
        if (block.count) update(block, t, now, next, looked, marks);
    }

    void update(Block<P> &block, int64_t t, const float *now, float *next, uint8_t *looked, uint8_t *marks) {
        block.propose(now, true);
        for (int i = 0; i < block.count; i++) {
            const float *change = block.change + i * net.outputs;
            if (net.gated) {
                if (!gate_fires(change[net.channels], word(block.marks[i], t))) continue;
                if (marks) marks[block.marks[i]] |= FIRED;
            }
            // Beyond the real channels a gate's logit may stand; those of the state stay empty.
            const float *from = now + block.cells[i] * grid.channels;
            float *to = next + block.cells[i] * grid.channels;
            for (int k = 0; k < net.channels; k += WIDE) {
                Vector v = load(from + k) + load(change + k);
                store(to + k, net.clamped ? clamp(v, net.bound) : v);
            }
            for (int k = net.channels; k < grid.channels; k++) to[k] = 0.0f;
            if (looked) looked[block.looks[i]] = to[ALPHA] > ALIVE;
        }
        block.count = 0;
    }

    uint32_t word(int64_t mark, int64_t t) const {
        int x = int(mark % grid.width), y = int(mark / grid.width % grid.height);
        return pcg(uint32_t(x) + row_word(seeds[mark / grid.width / grid.height], plan.start + t, y));
    }

    // Empty the cells that were not alive before the step or are not after it.
    void bury_row(int b, int y, const Alphas &before, const Alphas &after, Alphas &then, float *next, uint8_t *marks,
                  Member<P> &member) {
        uint8_t *lives = member.fired, *are = member.near, *enough = then.row(b, y);
        before.template near<1>(b, y, member.room, lives);
        after.template near<1>(b, y, member.room, are);
        each_byte(grid.width, lives, [=](int64_t x, uint8_t were) { return were & are[x]; });
        const uint8_t *had = after.row(b, y);
        each_byte(grid.width, enough, [=](int64_t x, uint8_t) { return had[x] & lives[x]; });
        then.finish_row(b, y);
        if (marks)
            each_byte(grid.width, marks + grid.mark(b, y), [=](int64_t x, uint8_t mark) { return mark * lives[x]; });
        float *cells = row(next, b, y);
        for (int x = 0; x < grid.width; x++)
            if (!lives[x]) std::memset(cells + int64_t(x) * grid.channels, 0, sizeof(float) * size_t(grid.channels));
    }

    // One step of a lane's cells, backward: from the gradient of the state after it to that of the state before.
    void step_back(int lane, int64_t t, const float *now, const uint8_t *marks, float *after, float *before, Sums<P> &sums,
                   Member<P> &member) {
        Block<P> &block = member.block;
        block.count = 0;
        for (size_t i = size_t(lane); i < grid.bands.size(); i += size_t(grid.lanes)) {
            const Band &band = grid.bands[i];
            collect(band, after);
            start_band(band, t, now, marks, after, before);
        }
        each_row(lane, [&](const Band &band, int y) {
            int64_t first = grid.cell(band.sample, y, 0), mark = grid.mark(band.sample, y);
            int64_t gradient = grid.gradient(band, y - band.top, 0);
            int count = member.list(grid.width, [&](int x) { return computed(marks[mark + x]); });
            for (int i = 0; i < count; i++) {
                int x = member.listed[i];
                block.push(first + x, mark + x, gradient + x);
                if (block.full()) update_back(block, now, marks, after, before, sums);
            }
        });
        if (block.count) update_back(block, now, marks, after, before, sums);
    }

    // Cells whose rule has a gradient: through a gate also those that did not fire.
    bool computed(uint8_t mark) const { return net.gated ? (mark & LIVES) != 0 : mark == (LIVES | FIRED); }

    // Add to a band's rows what was meant for them but was left beyond an edge: in the halos of the sample's
    // bands (its own too, if the grid wraps) and in the columns of the border.
    void collect(const Band &band, float *flow) const {
        int length = grid.pitch * grid.channels;
        for (const Band &other : grid.bands) {
            if (other.sample != band.sample) continue;
            for (int k = -grid.border; k < other.rows + grid.border; k = k == -1 ? other.rows : k + 1) {
                int y = other.top + k;
                if (grid.wrap) y = (y % grid.height + grid.height) % grid.height;
                if (y < band.top || y >= band.top + band.rows) continue;
                const float *from = flow + grid.gradient(other, k, -grid.border) * grid.channels;
                float *to = flow + grid.gradient(band, y - band.top, -grid.border) * grid.channels;
                for (int i = 0; i < length; i += WIDE) add(to + i, load(from + i));
            }
        }
        if (!grid.wrap) return;
        for (int row = 0; row < band.rows; row++)
            for (int k = -grid.border; k < grid.width + grid.border; k = k == -1 ? grid.width : k + 1) {
                int x = (k % grid.width + grid.width) % grid.width;
                const float *from = flow + grid.gradient(band, row, k) * grid.channels;
                float *to = flow + grid.gradient(band, row, x) * grid.channels;
                for (int i = 0; i < grid.channels; i += WIDE) add(to + i, load(from + i));
            }
    }

    // Begin a band's gradient before the step: cells that are not computed keep theirs (unless they died or
    // the clamp stopped them), the others begin at zero.
    void start_band(const Band &band, int64_t t, const float *now, const uint8_t *marks, const float *after, float *before) const {
        std::memset(before + band.gradient * grid.channels, 0,
                    sizeof(float) * size_t(band.rows + 2 * grid.border) * size_t(grid.pitch) * size_t(grid.channels));
        for (int row = 0; row < band.rows; row++) {
            int64_t mark = grid.mark(band.sample, band.top + row), first = grid.gradient(band, row, 0) * grid.channels;
            const float *state = now + grid.cell(band.sample, band.top + row, 0) * grid.channels;
            for (int x = 0; x < grid.width; x++) {
                if (!(marks[mark + x] & LIVES) || computed(marks[mark + x])) continue;
                for (int k = x * grid.channels; k < (x + 1) * grid.channels; k += WIDE) {
                    Vector v = load(after + first + k);
                    if (net.clamped && t == 0) v = inside(load(state + k), v);
                    store(before + first + k, v);
                }
            }
        }
    }

    // The gradient of a clamp: v where the clamped value had been within the bound (the bound itself is).
    Vector inside(Vector value, Vector v) const {
        v = value > net.bound ? Vector{} : v;
        return value < -net.bound ? Vector{} : v;
    }

    void update_back(Block<P> &block, const float *now, const uint8_t *marks, const float *after, float *before,
                     Sums<P> &sums) {
        block.propose(now, net.clamped || net.gated);
        for (int i = 0; i < block.rows(); i++) {
            typename P::Element *back = block.change_back + i * net.outputs;
            if (i >= block.count) {
                std::memset(back, 0, sizeof *back * size_t(net.outputs));
                continue;
            }
            const float *state = now + block.cells[i] * grid.channels, *change = block.change + i * net.outputs;
            const float *flow = after + block.looks[i] * grid.channels;
            float *kept = block.kept + i * grid.channels;
            bool fired = marks[block.marks[i]] & FIRED;
            float gate = 0.0f;
            for (int k = 0; k < grid.channels; k += WIDE) {
                Vector v = load(flow + k);
                if (net.clamped) v = inside(fired ? load(state + k) + load(change + k) : load(state + k), v);
                store(kept + k, v);
                if (fired) {
                    P::put(back + k, v);
                    add(sums.bias_last + k, v);
                } else {
                    P::put(back + k, Vector{});
                }
            }
            if (!net.gated) continue;
            // Straight through: the cell fired or not, and the gradient is that of its chance to.
            for (int c = 0; c < net.channels; c++) gate += kept[c] * change[c];
            float chance = 1.0f / (1.0f + std::exp(-change[net.channels]));
            gate *= chance * (1.0f - chance);
            back[net.channels] = P::round(gate);
            sums.bias_last[net.channels] += gate;
        }
        block.spread_back(now, before, sums);
        block.count = 0;
    }

    // Add the lanes up, in their order, and write the gradients as PyTorch lays the parameters out.
    void total(std::vector<Sums<P>> &sums, const Parameters &to) const {
        auto sum = [&](Buffer<float> Sums<P>::*part, int64_t at) {
            float all = 0.0f;
            for (auto &lane : sums) all += (lane.*part)[at];
            return all;
        };
        int end = plan.layers - 1;
        for (int h = 0; h < net.real_hidden; h++) {
            for (int f = 0; f < net.filters; f++)
                for (int c = 0; c < net.channels; c++) {
                    float all = sum(&Sums<P>::first, int64_t(f * net.padded + c) * net.hidden + h);
                    float *row = to.weights[0] + int64_t(h) * net.real_features + c * (net.far ? 6 : 3);
                    row[net.filter(f)] = all;
                    if (net.far && !net.trained && f == 0) row[3] = all;
                }
            if (net.deep)
                for (int k = 0; k < net.real_hidden; k++)
                    to.weights[1][int64_t(h) * net.real_hidden + k] = sum(&Sums<P>::middle, int64_t(k) * net.hidden + h);
            for (int o = 0; o < net.real_outputs; o++)
                to.weights[end][int64_t(o) * net.real_hidden + h] = sum(&Sums<P>::last, int64_t(o) * net.hidden + h);
            to.biases[0][h] = sum(&Sums<P>::bias_first, h);
            if (net.deep) to.biases[1][h] = sum(&Sums<P>::bias_middle, h);
        }
        for (int o = 0; o < net.real_outputs; o++) to.biases[end][o] = sum(&Sums<P>::bias_last, o);
        if (net.trained)
            for (int c = 0; c < net.channels; c++)
                for (int f = 0; f < 3; f++)
                    for (int tap = 0; tap < 9; tap++)
                        to.bank[(int64_t(c) * 3 + f) * 9 + tap] = sum(&Sums<P>::bank, (f * 9 + tap) * net.padded + c);
    }
};

// Ask for large pages: the first touch of each page costs as much as a few cells' step, and the states of a
// rollout are a gigabyte of fresh memory.
void prefer_large_pages(void *from, size_t bytes) {
#ifdef MADV_HUGEPAGE
    uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE)), start = (uintptr_t(from) + page - 1) / page * page;
    uintptr_t end = (uintptr_t(from) + bytes) / page * page;
    if (end > start) madvise(reinterpret_cast<void *>(start), end - start, MADV_HUGEPAGE);  // advice: may be ignored
#else
    (void)from;
    (void)bytes;
#endif
}

template <class Work>
int with_products(const Plan &plan, Work work) {
    try {
        switch (plan.products) {
        case SINGLE: work(Single{}); return 0;
#ifdef HAS_BFLOAT16
        case BFLOAT16: work(Half{}); return 0;
#endif
#ifdef HAS_TILES
        case TILES: work(Tiles{}); return 0;
#endif
        default: return 2;
        }
    } catch (const std::bad_alloc &) {
        return 1;
    }
}

}  // namespace

// ---------------------------------------------------------------- the interface

extern "C" {

// The fastest products this processor has: a number of `Products`.
int petri_products() {
#ifdef HAS_TILES
    // Linux wants to be asked before a process uses the tiles (ARCH_REQ_XCOMP_PERM of feature 18, their data).
    if (syscall(SYS_arch_prctl, 0x1023, 18) == 0) return TILES;
#endif
#ifdef HAS_BFLOAT16
    return BFLOAT16;
#else
    return SINGLE;
#endif
}

// Floats of one state as it is kept: [batch, rows, columns, channels] with borders.
int64_t petri_state_floats(const Plan *plan) {
    Grid grid(*plan);
    return grid.cells * grid.channels;
}

// states: steps + 1 states to keep for the backward pass, or room for two; marks: a byte a cell and step, or null.
// Returns 0, 1 (no memory) or 2 (no such products here).
int petri_forward(const Plan *plan, const int64_t *seeds, const Parameters *parameters, const View *start, const View *end,
                  float *states, uint8_t *marks) {
    prefer_large_pages(states, sizeof(float) * size_t(petri_state_floats(plan)) * size_t(marks ? plan->steps + 1 : 2));
    return with_products(*plan, [&](auto products) {
        Rollout<decltype(products)>(*plan, seeds, *parameters, false).forward(*start, *end, states, marks);
    });
}

// From the gradient of the last state to those of the first (start) and of the parameters.
int petri_backward(const Plan *plan, const int64_t *seeds, const Parameters *parameters, const View *end, const View *start,
                   const float *states, const uint8_t *marks, const Parameters *gradients) {
    return with_products(*plan, [&](auto products) {
        Rollout<decltype(products)>(*plan, seeds, *parameters, true).backward(*end, *start, states, marks, *gradients);
    });
}
}
