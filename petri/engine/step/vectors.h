// Vectors, through the compiler's portable types, and memory for them.

#pragma once

#include <cstdint>
#include <memory>

namespace {

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
typedef int32_t Integers __attribute__((vector_size(WIDE * sizeof(int32_t))));
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

// The gradient of a clamp: v where the clamped value had been within the bound (the bound itself is).
inline Vector inside(Vector value, Vector v, float bound) {
    v = value > bound ? Vector{} : v;
    return value < -bound ? Vector{} : v;
}

// The values of `v` at the first `count` places, and behind them those of `other`.
inline Vector leading(int count, Vector v, Vector other) {
    Integers place;
    for (int i = 0; i < WIDE; i++) place[i] = i;
    return place < count ? v : other;
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

}  // namespace
