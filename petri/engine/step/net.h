// The weights, rearranged.

#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "grid.h"
#include "interface.h"
#include "products.h"
#include "vectors.h"

namespace {

// Where a sense reads: floats from a cell to each of its taps, row by row.
inline std::vector<int64_t> offsets(const Sense &sense, const Grid &grid) {
    std::vector<int64_t> found;
    int far = sense.size / 2;
    for (int y = -far; y <= far; y++)
        for (int x = -far; x <= far; x++)
            found.push_back((int64_t(y) * grid.pitch + x) * sense.dilation * grid.channels);
    return found;
}

// Depthwise taps.
struct Stencil {
    int filters, first;  // how many, and the number of the first of them among those of all stencils
    bool trained;
    int size;
    std::vector<int> taps;        // by their number; of a fixed stencil those alone that are not zero in all filters
    std::vector<int64_t> places;  // of these taps
    Buffer<float> weights;        // [filters, taps, padded]

    Stencil(const Sense &sense, int first_, const float *from, int planes, const Grid &grid)
        : filters(sense.width), first(first_), trained(sense.trained != 0), size(sense.size) {
        std::vector<int64_t> all = offsets(sense, grid);
        int area = size * size;
        for (int tap = 0; tap < area; tap++) {
            bool used = trained;
            for (int f = 0; f < filters; f++) used = used || from[f * area + tap] != 0.0f;
            if (!used) continue;
            taps.push_back(tap);
            places.push_back(all[size_t(tap)]);
        }
        weights = Buffer<float>(int64_t(filters) * count() * grid.channels);
        for (int f = 0; f < filters; f++)
            for (int c = 0; c < planes; c++)
                for (int t = 0; t < count(); t++)
                    weights[at(f, t, grid) + c] = from[(int64_t(c) * filters + f) * area + taps[size_t(t)]];
    }

    int count() const { return int(taps.size()); }
    int64_t at(int filter, int tap, const Grid &grid) const { return (int64_t(filter) * count() + tap) * grid.channels; }
};

// A full convolution: what is around a cell, tap by tap and within a tap plane by plane, times a matrix.
template <class P>
struct Convolution {
    int real, width, inner;  // features: how many, as sensed, and as the depth of a product
    int area, depth, inputs;  // taps; inputs as the depth of a product, and as columns
    int first, column;        // where its features begin, as laid out here and as PyTorch has them
    std::vector<int64_t> places;
    Buffer<typename P::Unit> weights, weights_back;  // [depth, width], [inner, inputs]
    Buffer<float> bias;
};

constexpr int SLOPE = 3;        // harmonics of order 1
constexpr float SMALL = 1e-3f;  // as in harmonics.py

// Features are kept filter by filter (in PyTorch channel by channel), so that a filter's channels are one vector,
// and behind them come those of the convolutions.
// The report's banks have a way of their own. The far one's identity repeats the near one's: where both are fixed,
// one feature stands for both and their weights are added.
template <class P>
struct Net {
    int channels, planes, evolving, padded;  // that evolve, that are perceived; both rounded up
    int filters, features, hidden, outputs;  // as laid out here
    bool deep, residual, gated, report, far, trained, clamped;
    float clamp, sensed_bound, hidden_bound, change_bound;
    bool sensed_bounded, hidden_bounded, change_bounded;
    int real_filters, real_hidden, real_outputs, real_features;
    int used_outputs, used_features;  // those laid out that hold more than zeros, in multiples of 16
    int first_far;                    // filter
    const Graph *graph;               // null of a grid
    bool invariants;                  // what is sensed there is made of the harmonics, of which these are gathered
    int harmonics;
    std::vector<Stencil> stencils;
    std::vector<Convolution<P>> convolutions;
    std::vector<int> columns;  // PyTorch's number of each feature; -1 if there is none
    Buffer<typename P::Unit> first, middle, last, first_back, middle_back, last_back;
    Buffer<float> bias_first, bias_middle, bias_last;

    Net(const Plan &plan, const Grid &grid, const Parameters &from, bool backward)
        : channels(plan.channels), planes(plan.channels + plan.fixed), evolving(int(round_up(channels, 16))),
          padded(grid.channels), deep(plan.layers == 3), residual(plan.residual != 0), gated(plan.gated != 0),
          clamp(plan.clamp), sensed_bound(plan.sensed_bound), hidden_bound(plan.hidden_bound),
          change_bound(plan.change_bound), real_hidden(plan.hidden), real_outputs(channels + gated), graph(plan.graph) {
        clamped = std::isfinite(clamp);
        sensed_bounded = std::isfinite(sensed_bound);
        hidden_bounded = std::isfinite(hidden_bound);
        change_bounded = std::isfinite(change_bound);
        real_filters = 0;
        int count = 0;
        for (; count < plan.senses && plan.sense[count].kind == STENCIL; count++) {
            stencils.emplace_back(plan.sense[count], real_filters, from.sense_weights[count], planes, grid);
            real_filters += stencils.back().filters;
        }
        if (graph) real_filters = plan.sense[0].width;
        invariants = graph && plan.sense[0].kind == INVARIANTS;
        harmonics = invariants ? 1 + SLOPE : real_filters - 1;
        report = is_reports(plan, from, count);
        trained = report && stencils[0].trained;
        far = report && count == 2;
        filters = real_filters - folds();
        first_far = trained ? 3 : 2;
        used_features = filters * padded;
        real_features = real_filters * planes;
        for (; count < plan.senses && plan.sense[count].kind == CONVOLUTION; count++)
            add_convolution(plan.sense[count], from.sense_weights[count], from.sense_biases[count], grid, backward);
        features = int(round_up(used_features, P::MULTIPLE));
        hidden = int(round_up(real_hidden, P::MULTIPLE));
        used_outputs = int(round_up(std::max(real_outputs, evolving), 16));
        outputs = int(round_up(used_outputs, P::MULTIPLE));
        for (int k = 0; k < features; k++) columns.push_back(perceived(k));
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
    }

    // Whether the far identity is folded into the near one.
    bool folds() const { return far && !trained; }

private:
    int perceived(int k) const {
        if (k < filters * padded) {
            int f = k / padded, c = k % padded;
            if (folds() && f >= 3) f++;  // 3 is the far identity's number
            return c < planes ? c * real_filters + f : -1;
        }
        for (const Convolution<P> &conv : convolutions)
            if (k >= conv.first && k < conv.first + conv.real) return conv.column + k - conv.first;
        return -1;
    }

    float first_weight(const float *w, int k, int h) const {
        int column = columns[size_t(k)];
        if (column < 0) return 0.0f;
        const float *row = w + int64_t(h) * real_features;
        return row[column] + (folds() && k < padded ? row[column + 3] : 0.0f);
    }

    // Whether the stencils are those of the report: Sobel's or a trained bank of that size, and no other, or Sobel's
    // from two cells away.
    static bool is_reports(const Plan &plan, const Parameters &from, int count) {
        auto is = [&](int number, int dilation, bool may_be_trained) {
            const Sense &sense = plan.sense[number];
            if (sense.size != 3 || sense.width != 3 || sense.dilation != dilation) return false;
            if (sense.trained) return may_be_trained;
            static constexpr float SLOPES[27] = {0,      0,    0,     0,     1,      0,     0,      0,    0,
                                                 -0.125, 0,    0.125, -0.25, 0,      0.25,  -0.125, 0,    0.125,
                                                 -0.125, -0.25, -0.125, 0,   0,      0,     0.125,  0.25, 0.125};
            return std::equal(SLOPES, SLOPES + 27, from.sense_weights[number]);
        };
        return (count == 1 || (count == 2 && is(1, 2, false))) && is(0, 1, true);
    }

    void add_convolution(const Sense &sense, const float *from, const float *bias, const Grid &grid, bool backward) {
        convolutions.emplace_back();
        Convolution<P> &conv = convolutions.back();
        conv.real = sense.width;
        conv.width = int(round_up(conv.real, 16));
        conv.inner = int(round_up(conv.real, P::MULTIPLE));
        conv.area = sense.size * sense.size;
        conv.depth = int(round_up(conv.area * planes, P::MULTIPLE));
        conv.inputs = int(round_up(conv.area * planes, 16));
        conv.first = used_features;
        conv.column = real_features;
        used_features += conv.width;
        real_features += conv.real;
        conv.places = offsets(sense, grid);
        auto weight = [&](int k, int j) {
            if (k >= conv.area * planes || j >= conv.real) return 0.0f;
            return from[(int64_t(j) * planes + k % planes) * conv.area + k / planes];
        };
        conv.weights = pack(conv.depth, conv.width, weight);
        conv.bias = widen(bias, conv.real, conv.width);
        if (backward) conv.weights_back = pack(conv.inner, conv.inputs, [&](int j, int k) { return weight(k, j); });
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

}  // namespace
