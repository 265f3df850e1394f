// The step of an automaton, forward and backward, for the CPU.
//
// The definition is petri.nca.Automaton.step; this is the same step, several times as fast:
//   - a rollout of many steps is one call, by threads that meet once (or, with the living mask, twice) a step;
//   - the state is kept cell by cell (all channels of a cell together) with a border around the grid, so that a
//     neighbour is an offset and nothing is checked at the edge;
//   - only the cells that fire are computed: they are gathered into blocks that stay in cache, perceive, and
//     run through the rule as small matrix products;
//   - the backward pass keeps the states (and a byte a cell and step for who fired and who lived), computes
//     the rest again, and skips the same cells.
//
// Cells are dealt out in "bands" (rows of one sample) and bands in "lanes". A lane is worked on by one thread
// at a time, in a fixed order, and has its own sums of the weights' gradients, added up in the order of the
// lanes: the result has the same bits whichever thread did what, and however many there are.
//
// Nothing here knows PyTorch: plain C functions, called with raw pointers (native.py).

// interface.h: what Python hands over. vectors.h, products.h: arithmetic. grid.h, fire.h: cells and chance. net.h: the
// weights. slopes.h, block.h: cells computed together. team.h: threads. rollout.h: all steps. graph.h: the same on rings and meshes.

#include <cstdint>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "interface.h"
#include "products.h"
#include "graph.h"
#include "rollout.h"

namespace {

// Ask for large pages: the first touch of each page costs as much as a few cells' step, and the states of a
// rollout are a gigabyte of fresh memory.
void prefer_large_pages(void *from, size_t bytes) {
#ifdef MADV_HUGEPAGE
    uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE)), start = (uintptr_t(from) + page - 1) / page * page;
    uintptr_t end = (uintptr_t(from) + bytes) / page * page;
    if (end > start) madvise(reinterpret_cast<void *>(start), end - start, MADV_HUGEPAGE);  // advice: may be ignored
#else
    (void)from;
    (void)bytes;
#endif
}

template <class Work>
int with_products(const Plan &plan, Work work) {
    try {
        switch (plan.products) {
        case SINGLE: work(Single{}); return 0;
#ifdef HAS_BFLOAT16
        case BFLOAT16: work(Half{}); return 0;
#endif
#ifdef HAS_TILES
        case TILES: work(Tiles{}); return 0;
#endif
        default: return 2;
        }
    } catch (const std::bad_alloc &) {
        return 1;
    }
}

}  // namespace

extern "C" {

// The fastest products this processor has: a number of `Products`.
int petri_products() {
#ifdef HAS_TILES
    // Linux wants to be asked before a process uses the tiles (ARCH_REQ_XCOMP_PERM of feature 18, their data).
    if (syscall(SYS_arch_prctl, 0x1023, 18) == 0) return TILES;
#endif
#ifdef HAS_BFLOAT16
    return BFLOAT16;
#else
    return SINGLE;
#endif
}

// Floats of one state as it is kept: [batch, rows, columns, channels] with borders.
int64_t petri_state_floats(const Plan *plan) {
    Grid grid(*plan);
    return grid.cells * grid.channels;
}

// states: steps + 1 states to keep for the backward pass, or room for two; marks: a byte a cell and step, or null.
// Returns 0, 1 (no memory) or 2 (no such products here).
int petri_forward(const Plan *plan, const int64_t *seeds, const Parameters *parameters, const View *start, const View *end,
                  float *states, uint8_t *marks) {
    prefer_large_pages(states, sizeof(float) * size_t(petri_state_floats(plan)) * size_t(marks ? plan->steps + 1 : 2));
    return with_products(*plan, [&](auto products) {
        if (plan->graph)
            GraphRollout<decltype(products)>(*plan, seeds, *parameters, false).forward(*start, *end, states, marks);
        else
            Rollout<decltype(products)>(*plan, seeds, *parameters, false).forward(*start, *end, states, marks);
    });
}

// From the gradient of the last state to those of the first (start) and of the parameters.
int petri_backward(const Plan *plan, const int64_t *seeds, const Parameters *parameters, const View *end, const View *start,
                   const float *states, const uint8_t *marks, const Parameters *gradients) {
    return with_products(*plan, [&](auto products) {
        if (plan->graph)
            GraphRollout<decltype(products)>(*plan, seeds, *parameters, true).backward(*end, *start, states, marks, *gradients);
        else
            Rollout<decltype(products)>(*plan, seeds, *parameters, true).backward(*end, *start, states, marks, *gradients);
    });
}
}
