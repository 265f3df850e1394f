// A rollout, forward and backward.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "block.h"
#include "fire.h"
#include "grid.h"
#include "interface.h"
#include "net.h"
#include "team.h"
#include "vectors.h"

namespace {

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
        : plan(plan_), grid(plan_), net(plan_, grid, parameters, backward_), seeds(seeds_), backward_pass(backward_) {
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
                    read_row(start, grid, net.planes, band.sample, y, row(states, band.sample, y));
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
                    write_row(end, grid, net.planes, band.sample, y, row(state(plan.steps), band.sample, y));
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
                    read_row(end, grid, net.planes, band.sample, y, to);
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
                    write_row(start, grid, net.planes, band.sample, y, from);
                });
            });
        });
        total(sums, gradients);
    }

protected:
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

    // Whether there is a cell in column x of a row, by the first fixed plane.
    bool exists(const float *row, int x) const { return row[int64_t(x) * grid.channels + net.channels] > ALIVE; }

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
                for (int64_t k = 0; k < length; k += WIDE)
                    store(to + k, evolving(k, clamp(load(from + k), net.clamp), load(from + k)));
            else
                std::memcpy(to, from, sizeof(float) * size_t(length));
            if (plan.masked)
                for (int x = 0; x < grid.width; x++)
                    if (!exists(from, x)) std::memset(to + int64_t(x) * grid.channels, 0, sizeof(float) * size_t(net.channels));
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
            if (plan.masked) {
                const float *cells = now + first * grid.channels;
                for (int x = 0; x < grid.width; x++) {
                    uint8_t there = exists(cells, x);
                    fired[x] &= there;
                    if (marks) marks[mark + x] *= there;
                }
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
        const bool clamped = net.clamped, bounded = net.change_bounded;
        for (int i = 0; i < block.count; i++) {
            const float *change = block.change + i * net.outputs;
            if (net.gated) {
                if (!gate_fires(change[net.channels], word(block.marks[i], t))) continue;
                if (marks) marks[block.marks[i]] |= FIRED;
            }
            // Beyond the channels a gate's logit may stand; fixed planes stay as they are, and what is behind them empty.
            const float *from = now + block.cells[i] * grid.channels;
            float *to = next + block.cells[i] * grid.channels;
            for (int k = 0; k < net.channels; k += WIDE) {
                Vector v = load(change + k);
                v = load(from + k) + (bounded ? clamp(v, net.change_bound) : v);
                store(to + k, clamped ? clamp(v, net.clamp) : v);
            }
            for (int k = net.channels; k < grid.channels; k++) to[k] = from[k];
            for (int k = 0, end = held(from); k < end; k++) to[k] = from[k];
            if (looked) looked[block.looks[i]] = to[ALPHA] > ALIVE;
        }
        block.count = 0;
    }

    // How many channels of a cell no step changes.
    int held(const float *cell) const { return plan.held && cell[net.channels] == 1.0f ? plan.held : 0; }

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
            if (!lives[x]) std::memset(cells + int64_t(x) * grid.channels, 0, sizeof(float) * size_t(net.channels));
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
    // the clamp stopped them; fixed planes do neither), the others begin at zero.
    void start_band(const Band &band, int64_t t, const float *now, const uint8_t *marks, const float *after, float *before) const {
        std::memset(before + band.gradient * grid.channels, 0,
                    sizeof(float) * size_t(band.rows + 2 * grid.border) * size_t(grid.pitch) * size_t(grid.channels));
        for (int row = 0; row < band.rows; row++) {
            int64_t mark = grid.mark(band.sample, band.top + row), first = grid.gradient(band, row, 0) * grid.channels;
            const float *state = now + grid.cell(band.sample, band.top + row, 0) * grid.channels;
            for (int x = 0; x < grid.width; x++) {
                bool lives = marks[mark + x] & LIVES;
                if (computed(marks[mark + x]) || (!lives && !plan.fixed)) continue;
                for (int k = x * grid.channels; k < (x + 1) * grid.channels; k += WIDE) {
                    Vector v = load(after + first + k), kept = lives ? v : Vector{};
                    if (net.clamped && t == 0) kept = inside(load(state + k), kept, net.clamp);
                    store(before + first + k, evolving(k, kept, v));
                }
            }
        }
    }

    // Of a vector that begins at float k of a row of cells: `v` in the channels that evolve, `other` in fixed planes.
    Vector evolving(int64_t k, Vector v, Vector other) const {
        return plan.fixed ? leading(net.channels - int(k % grid.channels), v, other) : v;
    }

    void update_back(Block<P> &block, const float *now, const uint8_t *marks, const float *after, float *before,
                     Sums<P> &sums) {
        block.propose(now, net.clamped || net.gated || net.change_bounded);
        const bool clamped = net.clamped, bounded = net.change_bounded;
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
            const int keeps = held(state);
            float gate = 0.0f;
            for (int k = net.evolving; k < grid.channels; k += WIDE) store(kept + k, load(flow + k));
            for (int k = 0; k < net.evolving; k += WIDE) {
                Vector v = load(flow + k), old = load(state + k);
                if (clamped) {
                    Vector more = load(change + k);
                    v = inside(fired ? old + (bounded ? clamp(more, net.change_bound) : more) : old, v, net.clamp);
                }
                store(kept + k, evolving(k, v, load(flow + k)));
                if (fired) {
                    if (bounded) v = inside(load(change + k), v, net.change_bound);
                    v = leading(keeps - k, Vector{}, evolving(k, v, Vector{}));
                    P::put(back + k, v);
                    add(sums.bias_last + k, v);
                } else {
                    P::put(back + k, Vector{});
                }
            }
            if (!net.gated) continue;
            // Straight through: the cell fired or not, and the gradient is that of its chance to.
            for (int c = keeps; c < net.channels; c++) gate += kept[c] * std::min(std::max(change[c], -net.change_bound), net.change_bound);
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
        auto total_of = [&](auto part, int64_t at) {
            float all = 0.0f;
            for (auto &lane : sums) all += part(lane)[at];
            return all;
        };
        auto sum = [&](Buffer<float> Sums<P>::*part, int64_t at) {
            return total_of([&](const Sums<P> &lane) { return (const float *)(lane.*part); }, at);
        };
        auto sum_of = [&](std::vector<Buffer<float>> Sums<P>::*part, size_t number, int64_t at) {
            return total_of([&](const Sums<P> &lane) { return (const float *)(lane.*part)[number]; }, at);
        };
        int end = plan.layers - 1;
        for (int h = 0; h < net.real_hidden; h++) {
            float *row = to.weights[0] + int64_t(h) * net.real_features;
            for (int k = 0; k < net.used_features; k++) {
                int column = net.columns[size_t(k)];
                if (column < 0) continue;
                row[column] = sum(&Sums<P>::first, int64_t(k) * net.hidden + h);
                if (net.folds() && k < net.padded) row[column + 3] = row[column];
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
        for (size_t number = 0; number < net.stencils.size(); number++) {
            const Stencil &stencil = net.stencils[number];
            if (!stencil.trained) continue;
            for (int c = 0; c < net.planes; c++)
                for (int f = 0; f < stencil.filters; f++)
                    for (int tap = 0; tap < stencil.count(); tap++)
                        to.sense_weights[number][(int64_t(c) * stencil.filters + f) * stencil.count() + tap] =
                            sum_of(&Sums<P>::stencils, number, stencil.at(f, tap, grid) + c);
        }
        for (size_t number = 0; number < net.convolutions.size(); number++) {
            const Convolution<P> &conv = net.convolutions[number];
            float *weights = to.sense_weights[net.stencils.size() + number];
            for (int k = 0; k < conv.area * net.planes; k++)
                for (int j = 0; j < conv.real; j++)
                    weights[(int64_t(j) * net.planes + k % net.planes) * conv.area + k / net.planes] =
                        sum_of(&Sums<P>::convolutions, number, int64_t(k) * conv.inner + j);
            for (int j = 0; j < conv.real; j++)
                to.sense_biases[net.stencils.size() + number][j] = sum_of(&Sums<P>::conv_biases, number, j);
        }
    }
};

}  // namespace
