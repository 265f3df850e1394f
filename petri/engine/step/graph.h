// A rollout on a ring or a mesh, whose nodes are one row: cells that know their neighbours by number.

#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "rollout.h"

namespace {

constexpr int64_t PIECE = 256;  // nodes, at least, that are dealt out together

// What differs from a grid: neighbours are looked up (block.h), and on the way back each node gives what its neighbours
// are to get into `parts`, from where they fetch it: nobody writes to another's place.
template <class P>
class GraphRollout : Rollout<P> {
    using Base = Rollout<P>;
    using Base::computed;
    using Base::evolving;
    using Base::grid;
    using Base::members;
    using Base::net;
    using Base::plan;
    using Base::seeds;
    using Base::total;
    using Base::update;
    using Base::update_back;

public:
    GraphRollout(const Plan &plan_, const int64_t *seeds_, const Parameters &parameters, bool backward)
        : Base(plan_, seeds_, parameters, backward), nodes(plan_.width) {
        int64_t parts = std::max<int64_t>(1, std::min<int64_t>((LANES + plan.batch - 1) / plan.batch, nodes / PIECE));
        for (int b = 0; b < plan.batch; b++)
            for (int64_t part = 0; part < parts; part++)
                pieces.push_back({b, nodes * part / parts, nodes * (part + 1) / parts});
        lanes = std::min(LANES, int(pieces.size()));
    }

    void forward(const View &start, const View &end, float *states, uint8_t *marks) {
        int kept = marks ? int(plan.steps) + 1 : 2;
        int64_t size = grid.cells * grid.channels;
        auto state = [&](int64_t t) { return states + t % kept * size; };
        Team::run(plan.threads, [&](Team &team, int number) {
            typename P::Session session;
            (void)session;
            team.share(lanes, [&](int lane) {
                each_piece(lane, [&](const Piece &piece) { read(start, piece, states); });
            });
            for (int64_t t = 0; t < plan.steps; t++)
                team.share(lanes, [&](int lane) {
                    step(lane, t, state(t), state(t + 1), marks ? marks + t * grid.cells : nullptr, members[size_t(number)]);
                });
            team.share(lanes, [&](int lane) {
                each_piece(lane, [&](const Piece &piece) { write(end, piece, state(plan.steps)); });
            });
        });
    }

    void backward(const View &end, const View &start, const float *states, const uint8_t *marks, const Parameters &gradients) {
        int64_t size = grid.cells * grid.channels;
        Buffer<float> flows[2] = {Buffer<float>(size), Buffer<float>(size)};
        Buffer<float> parts(size * (1 + net.harmonics));
        std::vector<Sums<P>> sums;
        for (int lane = 0; lane < lanes; lane++) sums.emplace_back(net);
        Team::run(plan.threads, [&](Team &team, int number) {
            typename P::Session session;
            (void)session;
            team.share(lanes, [&](int lane) {
                each_piece(lane, [&](const Piece &piece) { read(end, piece, flows[plan.steps % 2]); });
            });
            for (int64_t t = plan.steps - 1; t >= 0; t--) {
                const uint8_t *marked = marks + t * grid.cells;
                team.share(lanes, [&](int lane) {
                    give(lane, t, states + t * size, marked, flows[(t + 1) % 2], parts, sums[size_t(lane)], members[size_t(number)]);
                });
                team.share(lanes, [&](int lane) {
                    each_piece(lane, [&](const Piece &piece) { fetch(piece, marked, parts, flows[t % 2]); });
                });
            }
            team.share(lanes, [&](int lane) {
                each_piece(lane, [&](const Piece &piece) { write(start, piece, flows[0]); });
            });
        });
        total(sums, gradients);
    }

private:
    // Nodes of one sample.
    struct Piece {
        int sample;
        int64_t first, end;
    };

    int64_t nodes;
    std::vector<Piece> pieces;
    int lanes;

    template <class Work>
    void each_piece(int lane, Work work) {
        for (size_t i = size_t(lane); i < pieces.size(); i += size_t(lanes)) work(pieces[i]);
    }

    int64_t first_cell(const Piece &piece) const { return piece.sample * nodes + piece.first; }

    void read(const View &view, const Piece &piece, float *state) const {
        const float *from = view.data + piece.sample * view.strides[0];
        float *to = state + first_cell(piece) * grid.channels;
        for (int64_t x = piece.first; x < piece.end; x++, to += grid.channels) {
            for (int c = 0; c < net.planes; c++) to[c] = from[c * view.strides[1] + x * view.strides[3]];
            for (int c = net.planes; c < grid.channels; c++) to[c] = 0.0f;
        }
    }

    void write(const View &view, const Piece &piece, const float *state) const {
        float *to = view.data + piece.sample * view.strides[0];
        const float *from = state + first_cell(piece) * grid.channels;
        for (int64_t x = piece.first; x < piece.end; x++, from += grid.channels)
            for (int c = 0; c < net.planes; c++) to[c * view.strides[1] + x * view.strides[3]] = from[c];
    }

    void step(int lane, int64_t t, const float *now, float *next, uint8_t *marks, Member<P> &member) {
        Block<P> &block = member.block;
        block.count = 0;
        each_piece(lane, [&](const Piece &piece) {
            int64_t first = first_cell(piece), count = piece.end - piece.first;
            const float *from = now + first * grid.channels;
            float *to = next + first * grid.channels;
            if (net.clamped && t == 0)  // later states are within the bound
                for (int64_t k = 0; k < count * grid.channels; k += WIDE)
                    store(to + k, evolving(k, clamp(load(from + k), net.clamp), load(from + k)));
            else
                std::memcpy(to, from, sizeof(float) * size_t(count * grid.channels));
        });
        each_piece(lane, [&](const Piece &piece) {
            int64_t first = first_cell(piece), count = piece.end - piece.first;
            uint8_t *fired = member.fired;
            uint32_t word = row_word(seeds[piece.sample], plan.start + t, 0), left = uint32_t(piece.first);
            uint64_t threshold = plan.threshold;
            bool all = net.gated;
            each_byte(count, fired, [=](int64_t x, uint8_t) {
                return uint8_t(all || pcg(uint32_t(x) + left + word) < threshold);
            });
            if (marks) {
                uint8_t unknown = net.gated ? LIVES : LIVES | FIRED;
                each_byte(count, marks + first, [=](int64_t x, uint8_t) { return (fired[x] | LIVES) & unknown; });
            }
            int listed = member.list(int(count), [&](int x) { return fired[x]; });
            for (int i = 0; i < listed; i++) {
                int64_t cell = first + member.listed[i];
                block.push(cell, cell, cell);
                if (block.full()) update(block, t, now, next, nullptr, marks);
            }
        });
        if (block.count) update(block, t, now, next, nullptr, marks);
    }

    // What each node has for itself, and for the nodes that it had read.
    void give(int lane, int64_t t, const float *now, const uint8_t *marks, const float *after, float *parts, Sums<P> &sums,
              Member<P> &member) {
        Block<P> &block = member.block;
        block.count = 0;
        each_piece(lane, [&](const Piece &piece) {
            int64_t first = first_cell(piece), count = piece.end - piece.first;
            for (int64_t cell = first; cell < first + count; cell++) {
                if (computed(marks[cell])) continue;
                float *own = parts + cell * (1 + net.harmonics) * grid.channels;
                for (int k = 0; k < grid.channels; k += WIDE) {
                    Vector v = load(after + cell * grid.channels + k), kept = v;
                    if (net.clamped && t == 0) kept = inside(load(now + cell * grid.channels + k), v, net.clamp);
                    store(own + k, evolving(k, kept, v));
                }
            }
            int listed = member.list(int(count), [&](int x) { return computed(marks[first + x]); });
            for (int i = 0; i < listed; i++) {
                int64_t cell = first + member.listed[i];
                block.push(cell, cell, cell);
                if (block.full()) update_back(block, now, marks, after, parts, sums);
            }
        });
        if (block.count) update_back(block, now, marks, after, parts, sums);
    }

    void fetch(const Piece &piece, const uint8_t *marks, const float *parts, float *before) const {
        switch (net.harmonics) {
        case 1: return fetch<1>(piece, marks, parts, before);
        case 2: return fetch<2>(piece, marks, parts, before);
        case 4: return fetch<4>(piece, marks, parts, before);
        default: return fetch<9>(piece, marks, parts, before);
        }
    }

    template <int harmonics>
    void fetch(const Piece &piece, const uint8_t *marks, const float *parts, float *before) const {
        const Graph &graph = *plan.graph;
        const int64_t stride = int64_t(1 + harmonics) * grid.channels, base = piece.sample * nodes;
        for (int64_t node = piece.first; node < piece.end; node++) {
            const float *own = parts + (base + node) * stride;
            float *to = before + (base + node) * grid.channels;
            bool moved = computed(marks[base + node]);
            for (int k = 0; k < grid.channels; k += WIDE) {
                Vector sum = load(own + k);
                if (moved)
                    UNROLLED for (int h = 0; h < harmonics; h++)
                        sum -= graph.totals[node * harmonics + h] * load(own + (1 + h) * grid.channels + k);
                for (int64_t i = graph.into_offsets[node]; i < graph.into_offsets[node + 1]; i++) {
                    int64_t reader = graph.into_rows[i];
                    if (!computed(marks[base + reader])) continue;
                    const float *from = parts + (base + reader) * stride + grid.channels + k;
                    const float *w = graph.weights + int64_t(graph.into_edges[i]) * harmonics;
                    UNROLLED for (int h = 0; h < harmonics; h++) sum += w[h] * load(from + h * grid.channels);
                }
                store(to + k, sum);
            }
        }
    }
};

}  // namespace
