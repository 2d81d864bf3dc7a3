// Market data from Rust to C++: market_data NAME, after `market_data.rs`.
#include <iostream>

#include <quoit.hpp>

struct Tick {
    std::uint64_t sequence;
    double price;
    std::uint32_t size;
    std::uint32_t instrument;
};
static_assert(sizeof(Tick) == 24);
template <> inline constexpr bool quoit::has_no_padding<Tick> = true; // 8 + 8 + 4 + 4

int main(int argc, char **argv) try {
    using namespace std::chrono_literals;
    if (argc != 2) return std::cerr << "usage: market_data NAME\n", 2;
    auto how = quoit::options().capacity(4096).tag("tick/1").wait_strategy(quoit::wait::park);
    auto consumer = quoit::consumer<Tick>::open_or_create(argv[1], std::move(how)).value();
    std::uint64_t count = 0;
    double sum = 0;
    consumer.wait_for_peer(10s).or_throw();
    for (;;) {
        // All that is there, where it lies; released at the end of the scope.
        if (auto ticks = consumer.try_peek_many()) {
            for (auto part : {ticks->first(), ticks->second()})
                for (const Tick &tick : part) sum += tick.price * tick.size, count++;
            continue;
        }
        const quoit::status status = consumer.ready(1s);
        if (status == QUOIT_ABANDONED) break; // the producer has ended
        if (status != QUOIT_TIMED_OUT) status.or_throw();
    }
    std::cout << count << " ticks, turnover " << sum << '\n';
} catch (const quoit::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
