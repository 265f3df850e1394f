// What Python hands over; native.py mirrors it.

#pragma once

#include <cstdint>

extern "C" {

// What a cell senses with: depthwise taps, a full convolution with a ReLU, the harmonics of a graph, or what of the
// slope there does not turn.
struct Sense {
    int32_t kind;            // STENCIL or CONVOLUTION; HARMONICS or INVARIANTS, which stand alone
    int32_t size, dilation;  // cells along a side, and from tap to tap
    int32_t width;           // filters of a stencil, features of a convolution, 1 + harmonics, 4 of invariants
    int32_t trained;         // yes or no
};

// The nodes of a ring or a mesh: of each the neighbours that it reads, and what each harmonic gives to each edge's
// difference; and the other way about, of each node the edges that it is read by.
struct Graph {
    const int64_t *offsets;     // [nodes + 1]
    const int32_t *neighbours;  // [edges]
    const float *weights;       // [edges, harmonics]
    const float *totals;        // [nodes, harmonics]: of a node's edges
    const int64_t *into_offsets;
    const int32_t *into_rows, *into_edges;  // [edges]: who reads it, and by which edge
};

// A bound that there is none of is infinite.
struct Plan {
    int32_t channels, fixed;  // planes of a state: those that evolve, and behind them those that do not
    int32_t held;             // of the channels, from the first: unchanged where the first fixed plane is 1
    int32_t hidden, layers;
    int32_t residual, gated, living, masked, wrap;  // yes or no
    float clamp, sensed_bound, hidden_bound, change_bound;
    int32_t senses;
    const Sense *sense;  // the stencils first
    uint64_t threshold;  // a cell fires if its word is below; 2^32 always fires
    int32_t batch, height, width;
    int64_t start, steps;
    int32_t threads;
    int32_t products;    // SINGLE, BFLOAT16 or TILES
    const Graph *graph;  // null of a grid; else the nodes are one row
};

// The parameters, as PyTorch holds them, or room for their gradients. The last layer is number layers - 1.
struct Parameters {
    float *weights[3], *biases[3];
    float *const *sense_weights;  // [filters * planes, 1, size, size] or [features, planes, size, size]
    float *const *sense_biases;   // of a convolution: [features]
};

// A batch in any layout: [batch, channel, row, column], strides counted in floats.
struct View {
    float *data;
    int64_t strides[4];
};
}

namespace {

enum Products { SINGLE = 0, BFLOAT16 = 1, TILES = 2 };
enum Kind { STENCIL = 0, CONVOLUTION = 1, HARMONICS = 2, INVARIANTS = 3 };

}  // namespace
