// Sobel's slopes, and their transpose.

#pragma once

#include "vectors.h"

namespace {

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

}  // namespace
