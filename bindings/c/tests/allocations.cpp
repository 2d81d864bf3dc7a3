// After the endpoints were opened, nothing is allocated: this program counts.
#include <cerrno>
#include <cstdio>

#include <quoit.hpp>

extern "C" void *__libc_malloc(std::size_t);
extern "C" void *__libc_calloc(std::size_t, std::size_t);
extern "C" void *__libc_realloc(void *, std::size_t);

namespace {
unsigned long allocations;
}

extern "C" void *malloc(std::size_t size) { return allocations++, __libc_malloc(size); }
extern "C" void *calloc(std::size_t n, std::size_t size) { return allocations++, __libc_calloc(n, size); }
extern "C" void *realloc(void *old, std::size_t size) { return allocations++, __libc_realloc(old, size); }

int main() {
    using namespace std::chrono_literals;
    auto ring = quoit::ring<std::uint64_t>::create_anonymous(quoit::options().capacity(8)).value();
    auto p = quoit::producer<std::uint64_t>::of(ring).value();
    auto c = quoit::consumer<std::uint64_t>::of(ring).value();
    auto frames = quoit::ring<void>::create_anonymous(quoit::options().capacity(512)).value();
    auto fp = quoit::frame_producer::of(frames).value();
    auto fc = quoit::frame_consumer::of(frames).value();
    const auto opened = allocations;
    if (opened == 0) return std::puts("the allocations are not counted"), 1;
    std::uint64_t value = 0, sum = 0;
    std::array<std::byte, 64> bytes{};
    for (std::uint64_t i = 0; i < 1000; i++) {
        p.try_push(i).or_throw();
        c.pop(value, 1s).or_throw();
        sum += value;
        (void)c.try_pop(value);
        (void)c.pop(value, 1us);
        if (auto claim = p.claim(3)) claim->commit().or_throw();
        if (auto peek = c.try_peek_many()) sum += peek->size();
        while (p.try_push(i)) {}
        (void)p.push(i, 1us);
        (void)c.skip_to_latest();
        (void)c.try_pop(value);
        fp.push(bytes, 1).or_throw();
        if (auto claim = fp.claim(40)) claim->commit().or_throw();
        if (auto frame = fc.peek()) sum += frame->bytes().size();
        (void)fc.pop(bytes);
        (void)fc.try_pop(bytes);
        fp.try_batch(bytes).or_throw();
        fp.commit_batch().or_throw();
        (void)fc.drain([&](std::span<const std::byte> frame, std::uint32_t) { sum += frame.size(); });
    }
    const auto during = allocations - opened;
    std::printf("%lu allocations after opening, sum %llu\n", during, static_cast<unsigned long long>(sum));
    if (sum != 499500 + 1000 * (3 + 64 + 64)) return std::puts("that is not the sum"), 1;
    return during == 0 ? 0 : 1;
}
