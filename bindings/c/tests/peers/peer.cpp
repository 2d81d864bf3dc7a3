// An endpoint of the matrix in C++: peer.rs says what the arguments are.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <quoit.hpp>

using namespace std::chrono_literals;

namespace {

constexpr auto patience = 20s;
constexpr std::size_t fixed = 24;

struct record {
    std::uint64_t number;
    std::array<std::uint64_t, 4> words;
    friend bool operator==(const record &, const record &) = default;
};

bool produces, is_frames, is_in_place, is_asleep, is_takeover;
std::uint64_t count;

std::uint64_t mix(std::uint64_t number) {
    const std::uint64_t product = number * 0x9e3779b97f4a7c15u;
    return product ^ product >> 29;
}

record make(std::uint64_t number) {
    return {number, {mix(number + 1), mix(number + 2), mix(number + 3), mix(number + 4)}};
}

std::size_t frame_len(std::uint64_t number) { return is_takeover ? fixed : 8 + mix(number) % 120; }

void fill(std::uint64_t number, std::span<std::byte> bytes) {
    std::memcpy(bytes.data(), &number, 8);
    for (std::size_t i = 8; i < bytes.size(); i++) bytes[i] = static_cast<std::byte>(number + i);
}

void pause_sometimes(std::uint64_t number) {
    if (is_asleep && produces && !is_takeover && number == count / 2)
        while (std::getchar() != EOF) {}
    if (is_asleep && number % (produces ? 61 : 257) == 0) std::this_thread::sleep_for(100us);
}

std::uint64_t number_at(std::uint64_t position) {
    if (!is_takeover) return 0;
    return is_frames ? position / (fixed + 8) : position;
}

void expect(bool is_right, const char *what, std::uint64_t number) {
    if (is_right) return;
    std::printf("%s, message %llu\n", what, static_cast<unsigned long long>(number));
    std::exit(1);
}

template <class End> void fail(quoit::status status, End &end) {
    if (auto corrupt = end.corrupt(); status == QUOIT_CORRUPT && corrupt) {
        std::printf("corrupt %s\n", corrupt->field);
        std::exit(3);
    }
    std::printf("%s\n", status.text());
    std::exit(1);
}

quoit::status push_one(quoit::producer<record> &p, std::uint64_t number) {
    if (!is_in_place) return p.push(make(number), patience);
    auto claim = p.claim(1, patience);
    if (!claim) return claim.status();
    *(*claim) = make(number);
    return claim->commit();
}

quoit::status push_one(quoit::frame_producer &p, std::uint64_t number) {
    const auto kind = static_cast<std::uint32_t>(mix(number));
    const std::size_t len = frame_len(number);
    if (is_in_place) {
        auto claim = p.claim(len, patience);
        if (!claim) return claim.status();
        fill(number, claim->bytes());
        return claim->commit(kind);
    }
    std::array<std::byte, 256> buffer;
    const auto bytes = std::span(buffer).first(len);
    fill(number, bytes);
    return p.push(bytes, kind, patience);
}

quoit::status pop_one(quoit::consumer<record> &c, std::uint64_t number) {
    record found;
    if (is_in_place) {
        auto peek = c.peek(patience);
        if (!peek) return peek.status();
        found = **peek;
    } else if (auto status = c.pop(found, patience); !status) {
        return status;
    }
    expect(found == make(number), "a record", number);
    return {};
}

quoit::status pop_one(quoit::frame_consumer &c, std::uint64_t number) {
    std::array<std::byte, 256> buffer, wanted;
    const auto expected = std::span(wanted).first(frame_len(number));
    fill(number, expected);
    const auto check = [&](std::span<const std::byte> bytes, std::uint32_t kind) {
        expect(kind == static_cast<std::uint32_t>(mix(number)) && bytes.size() == expected.size(), "a header", number);
        expect(std::memcmp(bytes.data(), expected.data(), bytes.size()) == 0, "a payload", number);
    };
    if (is_in_place) {
        auto frame = c.peek(patience);
        if (!frame) return frame.status();
        check(frame->bytes(), frame->kind());
        return {};
    }
    auto popped = c.pop(buffer, patience);
    if (!popped) return popped.status();
    check(std::span(buffer).first(popped->len), popped->kind);
    return {};
}

template <class Producer> void produce(Producer p) {
    for (std::uint64_t number = number_at(p.position()); number < count;) {
        const quoit::status status = push_one(p, number);
        if (status) pause_sometimes(++number);
        else if (status == QUOIT_ABANDONED && is_takeover) p.wait_for_peer(patience).or_throw();
        else fail(status, p);
    }
}

template <class Consumer> void consume(Consumer c) {
    std::uint64_t number = number_at(c.position());
    while (number < count || !is_takeover) {
        const quoit::status status = pop_one(c, number);
        if (status) pause_sometimes(++number);
        else if (status == QUOIT_ABANDONED && !is_takeover) break;
        else if (status == QUOIT_ABANDONED) c.wait_for_peer(patience).or_throw();
        else fail(status, c);
    }
    expect(number == count, "the end", number);
}

quoit::options how() {
    auto options = quoit::options().tag("matrix/1");
    if (is_asleep) return std::move(options).wait_strategy(quoit::wait::park).spin(0ns);
    return std::move(options).wait_strategy(quoit::wait::spin);
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    const auto is = [&](int at, std::string_view word) { return argv[at] == word; };
    produces = is(1, "produce");
    is_frames = is(2, "frames");
    is_in_place = is(3, "in-place");
    is_asleep = is(4, "asleep");
    is_takeover = is(5, "takeover");
    count = std::strtoull(argv[7], nullptr, 10);
    if (produces && is_frames) produce(quoit::frame_producer::open(argv[6], how()).value());
    else if (produces) produce(quoit::producer<record>::open(argv[6], how()).value());
    else if (is_frames) consume(quoit::frame_consumer::open(argv[6], how()).value());
    else consume(quoit::consumer<record>::open(argv[6], how()).value());
    return 0;
}
