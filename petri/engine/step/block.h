// A block of cells: what they sense, how they want to change, and the way back.

#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "grid.h"
#include "net.h"
#include "slopes.h"
#include "vectors.h"

namespace {

// Sums of the weights' gradients: [features, hidden], [hidden, hidden], [outputs, hidden], biases; and of the senses:
// a stencil's [filters, taps, padded] if it is trained, a convolution's [inputs, inner] and its biases.
template <class P>
struct Sums {
    Buffer<float> first, middle, last, bias_first, bias_middle, bias_last;
    std::vector<Buffer<float>> stencils, convolutions, conv_biases;

    explicit Sums(const Net<P> &net)
        : first(int64_t(net.features) * net.hidden), middle(net.deep ? int64_t(net.hidden) * net.hidden : 0),
          last(int64_t(net.outputs) * net.hidden), bias_first(net.hidden), bias_middle(net.hidden),
          bias_last(net.outputs) {
        for (const Stencil &stencil : net.stencils)
            stencils.emplace_back(stencil.trained ? int64_t(stencil.filters) * stencil.count() * net.padded : 0);
        for (const Convolution<P> &conv : net.convolutions) {
            convolutions.emplace_back(int64_t(conv.inputs) * conv.inner);
            conv_biases.emplace_back(conv.width);
        }
    }
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
    std::vector<Buffer<Element>> around;                   // [cells, depth]: what a convolution reads
    Buffer<Element> sensed, hidden1, above, hidden2;       // `above` is the second ReLU, before the residual
    Buffer<Element> sensed_open, hidden1_open, above_open; // above zero where a bound (and a ReLU) lets gradients through
    Buffer<float> change;                                  // [cells, outputs]: the update, and the gate's logit
    Buffer<float> wide;                                    // [CHUNK, whatever is widest]: a product's result
    Buffer<Element> change_back, back1, back2;             // gradients
    std::vector<Buffer<Element>> around_back;              // [cells, inner]: of a convolution's features
    Buffer<float> skip;                                    // gradient that goes around the second layer
    Buffer<float> kept;                                    // [cells, padded]: gradient of the state's old value
    Buffer<float> slope, lengths, products;                // of a node's channels, where invariants are sensed
    Buffer<Unit> room_a, room_b, room_c;

    Block(const Net<P> &net_, int64_t pitch_, bool backward) : net(net_), pitch(pitch_) {
        int widest = std::max({net.features, net.hidden, net.outputs});
        for (const Convolution<P> &conv : net.convolutions) {
            widest = std::max(widest, conv.depth);
            around.emplace_back(BLOCK * conv.depth + WIDE);
        }
        sensed = Buffer<Element>(BLOCK * net.features);
        if (net.sensed_bounded) sensed_open = Buffer<Element>(BLOCK * net.features);
        if (net.hidden_bounded) hidden1_open = Buffer<Element>(BLOCK * net.hidden);
        if (net.hidden_bounded && net.deep) above_open = Buffer<Element>(BLOCK * net.hidden);
        hidden1 = Buffer<Element>(BLOCK * net.hidden);
        if (net.deep) above = Buffer<Element>(BLOCK * net.hidden);
        if (net.residual) hidden2 = Buffer<Element>(BLOCK * net.hidden);
        change = Buffer<float>(BLOCK * net.outputs);
        if (net.invariants) {
            slope = Buffer<float>(SLOPE * net.padded);
            lengths = Buffer<float>(net.padded);
            products = Buffer<float>(net.padded);
        }
        wide = Buffer<float>(CHUNK * widest + WIDE);
        if (!backward) return;
        change_back = Buffer<Element>(BLOCK * net.outputs);
        back1 = Buffer<Element>(BLOCK * net.hidden);
        if (net.deep) back2 = Buffer<Element>(BLOCK * net.hidden);
        if (net.residual) skip = Buffer<float>(BLOCK * net.hidden);
        kept = Buffer<float>(BLOCK * net.padded);
        for (const Convolution<P> &conv : net.convolutions) around_back.emplace_back(BLOCK * conv.inner);
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
        if (net.graph)
            sense_neighbours(state);
        else if (!net.report)
            for (const Stencil &stencil : net.stencils) sense(stencil, state);
        else if (net.trained)
            net.far ? sense<true, true>(state) : sense<true, false>(state);
        else
            net.far ? sense<false, true>(state) : sense<false, false>(state);
        for (size_t number = 0; number < net.convolutions.size(); number++) {
            const Convolution<P> &conv = net.convolutions[number];
            gather(conv, state, around[number]);
            layer(around[number], conv.depth, conv.weights, conv.width, conv.width,
                  [&](int from, int to) { activate(conv, from, to); });
        }
        if (net.sensed_bounded) bound_sensed();
        layer(sensed, net.features, net.first, net.hidden, net.hidden, [&](int from, int to) {
            activate(from, to, net.bias_first, hidden1, hidden1_open, nullptr, nullptr);
        });
        if (net.deep)
            layer(hidden1, net.hidden, net.middle, net.hidden, net.hidden, [&](int from, int to) {
                activate(from, to, net.bias_middle, above, above_open, hidden1, net.residual ? (Element *)hidden2 : nullptr);
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
                through_relu(from, to, net.hidden_bounded ? above_open : above, back2, sums.bias_middle, nullptr);
            else
                through_relu(from, to, net.hidden_bounded ? hidden1_open : hidden1, back1, sums.bias_first, nullptr);
        });
        if (net.deep) {
            layer(back2, net.hidden, net.middle_back, net.hidden, net.hidden, [&](int from, int to) {
                through_relu(from, to, net.hidden_bounded ? hidden1_open : hidden1, back1, sums.bias_first,
                             net.residual ? (const float *)skip : nullptr);
            });
            P::gradient(hidden1, net.hidden, net.hidden, back2, net.hidden, sums.middle, n, room_a, room_b, room_c);
        }
        P::gradient(change_back, net.outputs, net.used_outputs, top(), net.hidden, sums.last, n, room_a, room_b, room_c);
        P::gradient(sensed, net.features, net.used_features, back1, net.hidden, sums.first, n, room_a, room_b, room_c);
        layer(back1, net.hidden, net.first_back, net.features, net.used_features, [&](int from, int to) {
            if (net.sensed_bounded) through_bound(from, to);
            for (size_t number = 0; number < net.convolutions.size(); number++)
                through_relu(net.convolutions[number], from, to, around_back[number], sums.conv_biases[number]);
            to = std::min(to, count);
            if (net.graph) {
                hand_out(from, to, state, gradient);
            } else if (!net.report) {
                keep(from, to, gradient);
                for (size_t number = 0; number < net.stencils.size(); number++) {
                    unsense(net.stencils[number], from, to, gradient);
                    if (net.stencils[number].trained)
                        taps_gradient(net.stencils[number], from, to, state, sums.stencils[number]);
                }
            } else if (net.trained) {
                net.far ? unsense<true, true>(from, to, gradient) : unsense<true, false>(from, to, gradient);
                for (int k = 0; k < net.padded; k += WIDE) bank_gradient(from, to, state, sums.stencils[0], k);
            } else {
                net.far ? unsense<false, true>(from, to, gradient) : unsense<false, false>(from, to, gradient);
            }
        });
        for (size_t number = 0; number < net.convolutions.size(); number++) {
            const Convolution<P> &conv = net.convolutions[number];
            P::gradient(around[number], conv.depth, conv.inputs, around_back[number], conv.inner, sums.convolutions[number], n,
                        room_a, room_b, room_c);
            layer(around_back[number], conv.inner, conv.weights_back, conv.inputs, conv.inputs,
                  [&](int from, int to) { scatter(conv, from, std::min(to, count), gradient); });
        }
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

    // What a node of a graph senses.
    void sense_neighbours(const float *state) {
        if (net.invariants) return sense_invariants(state);
        switch (net.harmonics) {
        case 1: return sense_neighbours<1>(state);
        case 2: return sense_neighbours<2>(state);
        case 4: return sense_neighbours<4>(state);
        default: return sense_neighbours<9>(state);
        }
    }

    template <int harmonics>
    void sense_neighbours(const float *state) {
        for (int i = 0; i < count; i++) {
            Element *to = sensed + int64_t(i) * net.features;
            neighbourhood<harmonics>(state, i, [&](int k, Vector value, const Vector *sum) {
                P::put(to + k, value);
                for (int h = 0; h < harmonics; h++) P::put(to + (1 + h) * net.padded + k, sum[h]);
            });
        }
    }

    // A node's own value, and what each harmonic makes of the differences to its neighbours: use(channel, value, sums).
    template <int harmonics, class Use>
    void neighbourhood(const float *state, int i, Use use) const {
        const Graph &graph = *net.graph;
        int64_t node = cells[i] % pitch;
        const float *own = state + cells[i] * net.padded, *sample = own - node * net.padded;
        for (int k = 0; k < net.padded; k += WIDE) {
            Vector sum[harmonics] = {}, value = load(own + k);
            for (int64_t e = graph.offsets[node]; e < graph.offsets[node + 1]; e++) {
                Vector apart = load(sample + int64_t(graph.neighbours[e]) * net.padded + k) - value;
                UNROLLED for (int h = 0; h < harmonics; h++) sum[h] += apart * graph.weights[e * harmonics + h];
            }
            use(k, value, sum);
        }
    }

    // The slope's length, and its product with the next channel's; see `Invariants` in harmonics.py.
    void sense_invariants(const float *state) {
        for (int i = 0; i < count; i++) {
            Element *to = sensed + int64_t(i) * net.features;
            neighbourhood<1 + SLOPE>(state, i, [&](int k, Vector value, const Vector *sum) {
                P::put(to + k, value);
                P::put(to + net.padded + k, sum[0]);
                for (int d = 0; d < SLOPE; d++) store(slope + d * net.padded + k, sum[1 + d]);
            });
            for (int c = 0; c < net.planes; c++) {
                lengths[c] = root(c) - SMALL;
                products[c] = 0.0f;
                for (int d = 0; d < SLOPE; d++) products[c] += slope[d * net.padded + c] * slope[d * net.padded + next(c)];
            }
            for (int k = 0; k < net.padded; k += WIDE) {
                P::put(to + 2 * net.padded + k, load(lengths + k));
                P::put(to + 3 * net.padded + k, load(products + k));
            }
        }
    }

    // Of a channel: the one whose slope its own is multiplied with, and a length that is never 0.
    int next(int c) const { return c + 1 < net.planes ? c + 1 : 0; }
    float root(int c) const {
        float sum = SMALL * SMALL;
        for (int d = 0; d < SLOPE; d++) sum += slope[d * net.padded + c] * slope[d * net.padded + c];
        return std::sqrt(sum);
    }

    // The way back begins: what a node gets itself, and then what each harmonic of its differences gets.
    void hand_out(int first, int end, const float *state, float *parts) {
        for (int i = first; i < end; i++) {
            const float *from = wide + (i - first) * net.features;
            float *to = parts + looks[i] * (1 + net.harmonics) * net.padded;
            if (net.invariants)
                through_invariants(i, from, state, to);
            else
                std::copy(from, from + net.filters * net.padded, to);
            for (int k = 0; k < net.padded; k += WIDE) add(to + k, load(kept + i * net.padded + k));
        }
    }

    // From what the invariants get to what the harmonics get that they are made of.
    void through_invariants(int i, const float *from, const float *state, float *to) {
        std::copy(from, from + 2 * net.padded, to);
        neighbourhood<1 + SLOPE>(state, i, [&](int k, Vector, const Vector *sum) {
            for (int d = 0; d < SLOPE; d++) store(slope + d * net.padded + k, sum[1 + d]);
        });
        const float *length = from + 2 * net.padded, *product = from + 3 * net.padded;
        for (int d = 0; d < SLOPE; d++) {
            const float *s = slope + d * net.padded;
            float *flow = to + (2 + d) * net.padded;
            std::fill(flow, flow + net.padded, 0.0f);
            for (int c = 0; c < net.planes; c++) {
                flow[c] += length[c] * s[c] / root(c) + product[c] * s[next(c)];
                flow[next(c)] += product[c] * s[c];
            }
        }
    }

    // What a stencil senses, all filters of a tap at once.
    void sense(const Stencil &stencil, const float *state) {
        switch (stencil.filters) {
        case 1: return sense<1>(stencil, state);
        case 2: return sense<2>(stencil, state);
        case 3: return sense<3>(stencil, state);
        default: return sense<4>(stencil, state);
        }
    }

    template <int filters>
    void sense(const Stencil &stencil, const float *state) {
        int64_t next = int64_t(stencil.count()) * net.padded;  // from a filter's weights to the next one's
        for (int i = 0; i < count; i++) {
            const float *s = state + cells[i] * net.padded;
            Element *to = sensed + int64_t(i) * net.features + stencil.first * net.padded;
            for (int k = 0; k < net.padded; k += WIDE) {
                Vector sum[filters] = {};
                const float *w = stencil.weights + k;
                for (int64_t place : stencil.places) {
                    Vector near = load(s + place + k);
                    UNROLLED for (int f = 0; f < filters; f++) sum[f] += near * load(w + f * next);
                    w += net.padded;
                }
                for (int f = 0; f < filters; f++) P::put(to + f * net.padded + k, sum[f]);
            }
        }
    }

    // Its transpose: each cell gives to the neighbours it had read.
    void unsense(const Stencil &stencil, int first, int end, float *gradient) {
        switch (stencil.filters) {
        case 1: return unsense<1>(stencil, first, end, gradient);
        case 2: return unsense<2>(stencil, first, end, gradient);
        case 3: return unsense<3>(stencil, first, end, gradient);
        default: return unsense<4>(stencil, first, end, gradient);
        }
    }

    template <int filters>
    void unsense(const Stencil &stencil, int first, int end, float *gradient) {
        int64_t next = int64_t(stencil.count()) * net.padded;
        for (int i = first; i < end; i++) {
            float *g = gradient + looks[i] * net.padded;
            const float *from = wide + (i - first) * net.features + stencil.first * net.padded;
            for (int k = 0; k < net.padded; k += WIDE) {
                Vector flow[filters];
                for (int f = 0; f < filters; f++) flow[f] = load(from + f * net.padded + k);
                const float *w = stencil.weights + k;
                for (int64_t place : stencil.places) {
                    Vector sum = flow[0] * load(w);
                    UNROLLED for (int f = 1; f < filters; f++) sum += flow[f] * load(w + f * next);
                    add(g + place + k, sum);
                    w += net.padded;
                }
            }
        }
    }

    // The gradient of the taps: at each tap, the sum over cells of what was read times the feature's gradient.
    void taps_gradient(const Stencil &stencil, int first, int end, const float *state, float *sums) {
        for (int f = 0; f < stencil.filters; f++)
            for (int64_t place : stencil.places) {
                for (int k = 0; k < net.padded; k += WIDE) {
                    Vector sum = load(sums + k);
                    for (int i = first; i < end; i++)
                        sum += load(state + cells[i] * net.padded + place + k) *
                               load(wide + (i - first) * net.features + (stencil.first + f) * net.padded + k);
                    store(sums + k, sum);
                }
                sums += net.padded;
            }
    }

    // Give the cells' own gradient to them.
    void keep(int first, int end, float *gradient) {
        for (int i = first; i < end; i++)
            for (int k = 0; k < net.padded; k += WIDE) add(gradient + looks[i] * net.padded + k, load(kept + i * net.padded + k));
    }

    // What a convolution reads of the cells, packed: what a vector writes too much is zero or written over by the next.
    void gather(const Convolution<P> &conv, const float *state, Element *to) {
        const int planes = net.planes;
        for (int i = 0; i < count; i++) {
            const float *s = state + cells[i] * net.padded;
            Element *at = to + int64_t(i) * conv.depth;
            for (int64_t place : conv.places) {
                const float *near = s + place;
                for (int k = 0; k < planes; k += WIDE) P::put(at + k, load(near + k));
                at += planes;
            }
        }
    }

    // The transpose of `gather`.
    void scatter(const Convolution<P> &conv, int first, int end, float *gradient) {
        const int planes = net.planes, whole = planes / WIDE * WIDE;
        for (int i = first; i < end; i++) {
            float *g = gradient + looks[i] * net.padded;
            const float *from = wide + int64_t(i - first) * conv.inputs;
            for (int64_t place : conv.places) {
                float *near = g + place;
                for (int k = 0; k < whole; k += WIDE) add(near + k, load(from + k));
                if (whole < planes) add(near + whole, leading(planes - whole, load(from + whole), Vector{}));
                from += planes;
            }
        }
    }

    // A convolution's features.
    void activate(const Convolution<P> &conv, int first, int end) {
        for (int i = first; i < end; i++)
            for (int k = 0; k < conv.width; k += WIDE)
                P::put(sensed + int64_t(i) * net.features + conv.first + k,
                       relu(load(wide + (i - first) * conv.width + k) + load(conv.bias + k)));
    }

    void through_relu(const Convolution<P> &conv, int first, int end, Element *to, float *bias) {
        const Element *active = (net.sensed_bounded ? sensed_open : sensed) + conv.first;
        for (int k = 0; k < conv.width; k += WIDE) {
            Vector sum = load(bias + k);
            for (int i = first; i < end; i++) {
                Vector v = load(wide + (i - first) * net.features + conv.first + k);
                v = P::get(active + int64_t(i) * net.features + k) > 0.0f ? v : Vector{};
                P::put(to + int64_t(i) * conv.inner + k, v);
                sum += v;
            }
            store(bias + k, sum);
        }
    }

    void bound_sensed() {
        for (int i = 0; i < rows(); i++)
            for (int k = 0; k < net.used_features; k += WIDE) {
                int64_t at = int64_t(i) * net.features + k;
                Vector v = P::get(sensed + at);
                // A convolution's feature is above zero where its ReLU lets gradients through, as the bound is to.
                P::put(sensed_open + at, inside(v, k < net.filters * net.padded ? spread(1.0f) : v, net.sensed_bound));
                P::put(sensed + at, clamp(v, net.sensed_bound));
            }
    }

    // The stencils' gradients, where the bound lets them through.
    void through_bound(int first, int end) {
        for (int i = first; i < end; i++)
            for (int k = 0; k < net.filters * net.padded; k += WIDE) {
                float *at = wide + (i - first) * net.features + k;
                store(at, P::get(sensed_open + int64_t(i) * net.features + k) > 0.0f ? load(at) : Vector{});
            }
    }

    // The report's banks, fused and without their zeros.
    template <bool trained, bool far>
    void sense(const float *state) {
        int64_t right = net.padded, down = pitch * net.padded;
        const float *bank = net.stencils[0].weights;
        for (int i = 0; i < count; i++) {
            const float *s = state + cells[i] * net.padded;
            Element *to = sensed + int64_t(i) * net.features;
            for (int k = 0; k < net.padded; k += WIDE, s += WIDE, to += WIDE) {
                Vector x, y;
                if (trained) {
                    Vector sum[3] = {};
                    for (int tap = 0; tap < 9; tap++) {
                        Vector near = load(s + (tap / 3 - 1) * down + (tap % 3 - 1) * right);
                        for (int f = 0; f < 3; f++) sum[f] += near * load(bank + (f * 9 + tap) * net.padded + k);
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
        const float *bank = net.stencils[0].weights;
        for (int i = first; i < end; i++) {
            float *g = gradient + looks[i] * net.padded;
            const float *from = wide + (i - first) * net.features, *own = kept + i * net.padded;
            for (int k = 0; k < net.padded; k += WIDE, g += WIDE, from += WIDE, own += WIDE) {
                Vector centre = load(own);
                if (trained) {
                    Vector f0 = load(from), f1 = load(from + net.padded), f2 = load(from + 2 * net.padded);
                    if (far) centre += load(from + 3 * net.padded);
                    for (int tap = 0; tap < 9; tap++) {
                        const float *b = bank + tap * net.padded + k;
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

    // wide + bias, through a ReLU and the bound, to `to`; and, with what lies below added, to `total`.
    void activate(int first, int end, const float *bias, Element *to, Element *open, const Element *below, Element *total) {
        if (net.hidden_bounded)
            activate<true>(first, end, bias, to, open, below, total);
        else
            activate<false>(first, end, bias, to, open, below, total);
    }

    template <bool bounded>
    void activate(int first, int end, const float *bias, Element *to, Element *open, const Element *below, Element *total) {
        for (int i = first; i < end; i++)
            for (int k = 0; k < net.hidden; k += WIDE) {
                int64_t at = int64_t(i) * net.hidden + k;
                Vector v = relu(load(wide + (i - first) * net.hidden + k) + load(bias + k));
                if (bounded) {
                    P::put(open + at, inside(v, v, net.hidden_bound));
                    v = clamp(v, net.hidden_bound);
                }
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

}  // namespace
