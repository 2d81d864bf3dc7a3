// Reads the pictures of camera.rs, always the newest, in place: camera NAME, then the
// camera. It waits until a viewer is attached.
#include <cstring>
#include <iostream>

#include <quoit.hpp>

struct metadata {
    std::uint64_t number;
    std::uint64_t taken; // nanoseconds since 1970
};
constexpr std::size_t picture = 1920 * 1080;

int main(int argc, char **argv) try {
    using namespace std::chrono_literals;
    if (argc != 2) return std::cerr << "usage: camera NAME\n", 2;
    auto how = quoit::options().capacity(16 << 20).prefault().unlink_on_close();
    auto camera = quoit::frame_consumer::open_or_create(argv[1], std::move(how)).value();
    std::size_t seen = 0, skipped = 0;
    std::uint64_t last = 0;
    for (;;) {
        const quoit::status status = camera.ready(60s); // sleeps until there is a picture
        if (status == QUOIT_ABANDONED) break;           // the camera has ended
        status.or_throw();
        skipped += camera.skip_to_latest().value();
        auto frame = camera.peek().value(); // released at the end of the scope
        const auto bytes = frame.bytes();
        if (bytes.size() != sizeof(metadata) + picture) throw std::runtime_error("a picture is cut off");
        metadata about;
        std::memcpy(&about, bytes.data(), sizeof about);
        const auto shade = static_cast<std::byte>(about.number);
        if (bytes[sizeof about] != shade || bytes.back() != shade) throw std::runtime_error("a picture is torn");
        last = about.number;
        seen++;
    }
    std::cout << seen << " pictures, " << skipped << " skipped, the last is " << last << '\n';
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
