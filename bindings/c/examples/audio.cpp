// Audio blocks from C++ to Rust without a system call: audio NAME COUNT, then `audio.rs`.
//
// The reader spins, so that no push has to wake it, and the callback neither waits, nor
// allocates, nor throws.
#include <array>
#include <cstdlib>
#include <iostream>
#include <thread>

#include <quoit.hpp>

using block = std::array<float, 128>;
template <> inline constexpr bool quoit::has_no_padding<block> = true;

// What an audio API calls for each block. False if the reader is late: the block is dropped.
bool callback(quoit::producer<block> &producer, float phase) noexcept {
    auto slot = producer.try_claim();
    if (!slot) return (void)producer.count_dropped(1), false;
    for (std::size_t i = 0; i < 128; i++) (**slot)[i] = phase + static_cast<float>(i);
    return slot->commit().ok();
}

int main(int argc, char **argv) try {
    using namespace std::chrono_literals;
    if (argc != 3) return std::cerr << "usage: audio NAME COUNT\n", 2;
    auto how = quoit::options().capacity(16).tag("audio/1").prefault();
    auto producer = quoit::producer<block>::open_or_create(argv[1], std::move(how)).value();
    producer.wait_for_peer(10s).or_throw();
    const int count = std::atoi(argv[2]);
    int sent = 0;
    while (sent < count) {
        if (callback(producer, static_cast<float>(sent))) sent++;
        else if (producer.is_abandoned()) return std::cerr << "the reader has ended\n", 1;
        std::this_thread::sleep_for(10us); // the sound card's clock, sped up
    }
    std::cout << sent << " blocks\n";
} catch (const quoit::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
