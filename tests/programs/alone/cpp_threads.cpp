// C++ threads: one waits for a promise, one for a condition with a limit, one has thrown into its future; what belongs to a
// thread is destroyed with it.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include "gate.h"
}

static std::atomic<int> destroyed;

struct Counted {
    std::string text{"of a thread's own, too long to be kept within the object itself"};
    ~Counted() { destroyed += text.size() > 20; }
};

static thread_local Counted counted;

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    std::promise<std::vector<int>> promise;
    auto heard = std::async(std::launch::async, [future = promise.get_future()]() mutable {
        int sum = counted.text.empty();
        for (int value : future.get()) sum += value;
        return sum;
    });
    auto thrown = std::async(std::launch::async, []() -> int { throw std::runtime_error("over there"); });
    std::mutex mutex;
    std::condition_variable condition;
    bool open = false;
    std::thread waiting([&] {
        std::unique_lock<std::mutex> lock(mutex);
        CHECK(condition.wait_for(lock, std::chrono::hours(1), [&] { return open; }));
        CHECK(!counted.text.empty());
    });
    gate(1);
    try {
        thrown.get();
        CHECK(!"it throws");
    } catch (const std::runtime_error &error) {
        CHECK(std::string(error.what()) == "over there");
    }
    gate(2);
    promise.set_value({1, 2, 39});
    CHECK(heard.get() == 42);
    {
        std::lock_guard<std::mutex> lock(mutex);
        open = true;
    }
    condition.notify_all();
    waiting.join();
    CHECK(destroyed == 2);
    return done();
}
