// Exceptions in flight: a gate within a catch, one within a destructor that runs while the stack is unwound, and one that is
// thrown again after a restart; thread_local objects, futures, and a condition variable with a span of time.
#include <chrono>
#include <condition_variable>
#include <exception>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "gate.h"

static int ended_threads;

struct Counter {
    int value = 3;
    ~Counter() { ended_threads += value; }
};
static thread_local Counter counter;

struct Passes {
    ~Passes() { gate(1); }
};

static void throw_through() {
    Passes passes;
    throw std::runtime_error("through a gate");
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    std::promise<int> promise;
    std::mutex mutex;
    std::condition_variable condition;
    std::thread thread([&] {
        counter.value = 4;
        int got = promise.get_future().get();
        std::unique_lock<std::mutex> lock(mutex);
        bool told = condition.wait_for(lock, std::chrono::milliseconds(50), [] { return false; });
        CHECK(!told && got == 42 && counter.value == 4);
    });
    std::exception_ptr kept;
    try {
        throw_through();
    } catch (const std::exception &error) {
        CHECK(error.what() == std::string("through a gate"));
        CHECK(std::uncaught_exceptions() == 0);
        gate(2);
        CHECK(error.what() == std::string("through a gate"));
        kept = std::current_exception();
    }
    bool caught = false;
    try {
        std::rethrow_exception(kept);
    } catch (const std::runtime_error &) {
        caught = true;
    }
    CHECK(caught);
    promise.set_value(42);
    thread.join();
    CHECK(ended_threads == 4);
    return done();
}
