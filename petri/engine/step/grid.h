// The cells of a batch, with a border around each grid, dealt out in bands and lanes.

#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "interface.h"
#include "vectors.h"

namespace {

constexpr int ALPHA = 3;
constexpr float ALIVE = 0.1f;
constexpr int LANES = 16;     // enough for the threads of a laptop; more cost memory for their sums
constexpr int BAND_ROWS = 8;  // at least: less, and most of a band would be halo
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
        : batch(plan.batch), height(plan.height), width(plan.width), border(plan.graph ? 0 : reach(plan)),
          pitch(width + 2 * border), channels(int(round_up(plan.channels + plan.fixed, 16))), wrap(plan.wrap != 0),
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

    // Cells to the farthest that a sense reads.
    static int reach(const Plan &plan) {
        int farthest = 1;
        for (int i = 0; i < plan.senses; i++) farthest = std::max(farthest, plan.sense[i].size / 2 * plan.sense[i].dilation);
        return farthest;
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

}  // namespace
