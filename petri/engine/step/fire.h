// Who fires: petri.nca.fire.

#pragma once

#include <cstdint>

namespace {

inline uint32_t pcg(uint32_t value) {
    uint32_t a = value * 747796405u + 2891336453u;
    uint32_t w = ((a >> ((a >> 28) + 4)) ^ a) * 277803737u;
    return (w >> 22) ^ w;
}

inline uint32_t row_word(int64_t seed, int64_t step, int y) {
    return pcg(uint32_t(y) + pcg(uint32_t(seed) + pcg(uint32_t(step))));
}

}  // namespace
