// An endpoint of the bench in C++: end.rs says what the arguments are.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string_view>
#include <vector>

#include <sched.h>

#include <quoit.hpp>

namespace {

std::uint64_t number = 0; // of the last message
std::byte frame[1024];

// Moves this many messages, and returns the median of its batches, in nanoseconds a message.
template <class Move> double measure(std::uint64_t count, std::uint64_t batch, Move move) {
    std::vector<double> batches;
    for (std::uint64_t left = count / batch; left > 0; left--) {
        const auto begin = std::chrono::steady_clock::now();
        for (std::uint64_t i = 0; i < batch; i++) move();
        const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
        batches.push_back(spent.count() / static_cast<double>(batch));
    }
    std::nth_element(batches.begin(), batches.begin() + static_cast<long>(batches.size() / 2), batches.end());
    return batches[batches.size() / 2];
}

void expect(std::uint64_t found, std::uint64_t expected) {
    if (found == expected) return;
    std::cerr << "message " << expected << " is " << found << '\n';
    std::exit(1);
}

// Serves the counts on standard input.
template <class Move> void serve(std::uint64_t batch, Move move) {
    std::puts("ready"), std::fflush(stdout);
    for (std::uint64_t count; std::cin >> count;)
        std::printf("%f\n", measure(count, batch, move)), std::fflush(stdout);
}

} // namespace

int main(int argc, char **argv) try {
    if (argc != 6) return 2;
    const std::string_view side = argv[1], task = argv[2];
    const std::string name = argv[3];
    const std::uint64_t batch = std::strtoull(argv[4], nullptr, 10);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(std::strtoul(argv[5], nullptr, 10), &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) return std::perror("sched_setaffinity"), 1;
    using producer = quoit::producer<std::uint64_t>;
    using consumer = quoit::consumer<std::uint64_t>;
    if (task == "stream" && side == "lead") {
        auto in = consumer::open(name).value();
        serve(batch, [&] {
            std::uint64_t found;
            in.pop(found).or_throw();
            expect(found, ++number);
        });
    } else if (task == "stream") {
        auto out = producer::open(name).value();
        serve(batch, [&] { out.push(++number).or_throw(); });
    } else if (task == "frames" && side == "lead") {
        auto in = quoit::frame_consumer::open(name).value();
        serve(batch, [&] {
            if (in.pop(frame).value().len != sizeof frame) std::exit(1);
            std::uint64_t found;
            std::memcpy(&found, frame, sizeof found);
            expect(found, ++number);
        });
    } else if (task == "frames") {
        auto out = quoit::frame_producer::open(name).value();
        serve(batch, [&] {
            std::memcpy(frame, &++number, sizeof number);
            out.push(frame).or_throw();
        });
    } else if (side == "lead") {
        auto out = producer::open(name).value();
        auto in = consumer::open(name + "-back").value();
        serve(batch, [&] {
            std::uint64_t found;
            out.push(++number).or_throw();
            in.pop(found).or_throw();
            expect(found, number);
        });
    } else {
        auto in = consumer::open(name).value();
        auto out = producer::open(name + "-back").value();
        serve(batch, [&] {
            std::uint64_t found;
            in.pop(found).or_throw();
            out.push(found).or_throw();
        });
    }
} catch (const quoit::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
