// Products of small matrices, in float32 or bfloat16.
//
// C[rows, columns] (+)= A[rows, depth] B[depth, columns], with C in float. A and B are made of "units": one
// float, or a pair of bfloat16 that are neighbours along the depth, which is what the dot-product instructions
// take. Where the depth runs over the cells of a block (the weights' gradients), pairs of cells are interleaved.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "vectors.h"

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#define HAS_BFLOAT16 1
#endif
#if defined(HAS_BFLOAT16) && defined(__AMX_BF16__) && defined(__AMX_TILE__) && defined(__linux__)
#define HAS_TILES 1
#endif
#if defined(HAS_BFLOAT16)
#include <immintrin.h>
#endif

namespace {

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

}  // namespace
