// Threads that work through numbered parts and wait for each other.

#pragma once

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace {

// Threads that live for one rollout (starting one costs some 20 microseconds, a rollout milliseconds): nothing
// stays behind that a fork could break, and nothing is shared with torch's own pool.
class Team {
public:
    // Run work(team, member) on every thread; fewer threads if the system gives no more.
    template <class Work>
    static void run(int wanted, Work work) {
        Team team;
        std::vector<std::thread> others;
        others.reserve(size_t(wanted));
        for (int i = 1; i < wanted; i++) {
            try {
                others.emplace_back([&team, &work, i] {
                    while (team.members.load(std::memory_order_acquire) == 0) std::this_thread::yield();
                    work(team, i);
                });
            } catch (const std::system_error &) {
                break;
            }
        }
        team.members.store(int(others.size()) + 1, std::memory_order_release);
        work(team, 0);
        for (auto &other : others) other.join();
    }

    // Deal numbers below `count` out to the threads, and wait until all are done.
    template <class Work>
    void share(int count, Work work) {
        for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) work(i);
        meet();
    }

private:
    std::atomic<int> members{0}, arrived{0}, next{0};
    std::atomic<unsigned> round{0};

    void meet() {
        unsigned now = round.load(std::memory_order_acquire);
        if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == members.load(std::memory_order_relaxed)) {
            arrived.store(0, std::memory_order_relaxed);
            next.store(0, std::memory_order_relaxed);
            round.store(now + 1, std::memory_order_release);
            return;
        }
        // The others are a few microseconds away, unless somebody else has their processor.
        for (int spins = 0; round.load(std::memory_order_acquire) == now; spins++)
            if (spins > 2000) std::this_thread::yield();
    }
};

}  // namespace
