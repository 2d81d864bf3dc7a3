// Pushes and pops in C++, to be counted: see counts.rs.
#include <array>
#include <cstdlib>
#include <string_view>

#include <quoit.hpp>

namespace {

constexpr int batch = 512;

// The compiler knows nothing of what is there.
template <class T> void opaque(T &place) { asm volatile("" : : "r"(&place) : "memory"); }

template <std::size_t Words> void records(std::uint64_t rounds) {
    using record = std::array<std::uint64_t, Words>;
    auto ring = quoit::ring<record>::create_anonymous(quoit::options().capacity(1024).tag("counts")).value();
    auto p = quoit::producer<record>::of(ring).value();
    auto c = quoit::consumer<record>::of(ring).value();
    record value;
    while (rounds--) {
        for (std::uint64_t i = 0; i < batch; i++) {
            value.fill(i);
            opaque(value);
            if (!p.try_push(value)) std::exit(3);
        }
        for (int i = 0; i < batch; i++) {
            if (!c.try_pop(value)) std::exit(4);
            opaque(value);
        }
    }
}

void frames(std::uint64_t rounds) {
    auto ring = quoit::ring<void>::create_anonymous(quoit::options().capacity(1 << 16)).value();
    auto p = quoit::frame_producer::of(ring).value();
    auto c = quoit::frame_consumer::of(ring).value();
    std::array<std::byte, 64> bytes;
    while (rounds--) {
        for (int i = 0; i < batch; i++) {
            bytes.fill(std::byte{7});
            opaque(bytes);
            if (!p.try_push(bytes)) std::exit(3);
        }
        for (int i = 0; i < batch; i++) {
            if (!c.try_pop(bytes)) std::exit(4);
            opaque(bytes);
        }
    }
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) return 5;
    const std::uint64_t rounds = std::strtoull(argv[2], nullptr, 10);
    if (argv[1] == std::string_view("8")) records<1>(rounds);
    else if (argv[1] == std::string_view("64")) records<8>(rounds);
    else frames(rounds);
    return 0;
}
