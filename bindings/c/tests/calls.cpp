// The calls of quoit.hpp that the matrix does not make: guards, batches, moves, errors. Run under
// AddressSanitizer and UndefinedBehaviorSanitizer.
#include <array>
#include <cstdio>
#include <numeric>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include <quoit.hpp>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, quoit_last_error());    \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

namespace {

using namespace std::chrono_literals;
using records = quoit::ring<std::uint64_t>;
using producer = quoit::producer<std::uint64_t>;
using consumer = quoit::consumer<std::uint64_t>;

static_assert(!std::is_copy_constructible_v<producer> && std::is_nothrow_move_constructible_v<producer>);
static_assert(!std::is_copy_constructible_v<consumer> && std::is_nothrow_move_assignable_v<consumer>);
static_assert(!std::is_copy_constructible_v<quoit::peeked_frame>);
static_assert(std::string_view(quoit::default_tag<char>()) == "i8");
static_assert(std::string_view(quoit::default_tag<unsigned long>()) == "u64");
static_assert(quoit::default_tag<bool>() == nullptr && quoit::default_tag<long double>() == nullptr);
static_assert(quoit::has_no_padding<double[3]> && !quoit::has_no_padding<long double>);

std::string name() { return "quoit-bindings-cpp-" + std::to_string(getpid()); }

void guards_of_records() {
    auto ring = records::create_anonymous(quoit::options().capacity(8)).value();
    auto p = producer::of(ring).value();
    auto c = consumer::of(ring).value();
    for (std::uint64_t round = 0; round < 20; round++) { // over the end of the ring
        if (auto claim = p.try_claim(5)) **claim = 77;   // forgotten
        CHECK(c.try_peek().status() == QUOIT_EMPTY && p.len() == 0);
        auto claim = p.claim(5).value();
        auto moved = std::move(claim);
        std::iota(moved.first().begin(), moved.first().end(), 0);
        std::iota(moved.second().begin(), moved.second().end(), moved.first().size());
        CHECK(claim.commit() == QUOIT_INVALID && moved.commit_first(6) == QUOIT_INVALID);
        CHECK(moved.commit_first(4) && moved.commit() == QUOIT_INVALID && p.len() == 4);
        {
            auto peek = c.peek().value();
            CHECK(*peek == 0);
            peek.keep();
        }
        CHECK(p.len() == 4);
        {
            auto peek = c.try_peek_many().value();
            auto other = std::move(peek);
            CHECK(other.size() == 4 && peek.release() && p.len() == 4);
            CHECK(other.release_first(1) && p.len() == 3);
        }
        CHECK(c.try_peek().value().release() && p.len() == 2);
        { (void)c.try_peek().value(); }
        CHECK(p.len() == 1);
        const std::array<std::uint64_t, 9> many{1, 2, 3, 4, 5, 6, 7, 8, 9};
        CHECK(p.try_push(std::span(many)).value() == 7);
        CHECK(c.skip_to_latest().value() == 7);
        std::array<std::uint64_t, 9> found{};
        CHECK(c.try_pop(std::span(found)).value() == 1 && found[0] == 7);
        CHECK(c.try_pop(std::span(found)).status() == QUOIT_EMPTY);
        CHECK(c.ready(1us) == QUOIT_TIMED_OUT && p.position() == c.position());
    }
}

void guards_of_frames() {
    auto ring = quoit::ring<void>::create_anonymous(quoit::options().capacity(512)).value();
    auto p = quoit::frame_producer::of(ring).value();
    auto c = quoit::frame_consumer::of(ring).value();
    const std::array<std::byte, 20> payload{std::byte{1}, std::byte{2}};
    CHECK(p.max_frame_len() == 248 && p.try_claim(249).status() == QUOIT_TOO_LONG);
    for (int round = 0; round < 60; round++) {
        if (auto claim = p.try_claim(20)) claim->bytes()[0] = std::byte{9}; // forgotten
        CHECK(c.try_peek().status() == QUOIT_EMPTY);
        auto claim = p.claim(40).value();
        std::memcpy(claim.bytes().data(), payload.data(), payload.size());
        CHECK(claim.commit_first(20, 5) && claim.commit() == QUOIT_INVALID);
        {
            auto frame = c.peek().value();
            CHECK(frame.kind() == 5 && std::ranges::equal(frame.bytes(), payload));
            frame.keep();
        }
        { auto frame = c.try_peek().value(); }
        CHECK(c.try_peek().status() == QUOIT_EMPTY);
        for (std::uint32_t kind = 0; kind < 3; kind++) CHECK(p.try_batch(payload, kind));
        CHECK(c.try_peek().status() == QUOIT_EMPTY && p.commit_batch());
        CHECK(c.skip_to_latest().value() == 2);
        std::array<std::byte, 19> small;
        CHECK(c.try_pop(small).status() == QUOIT_TOO_SHORT);
        std::vector<std::uint32_t> kinds;
        CHECK(c.drain([&](std::span<const std::byte>, std::uint32_t kind) { kinds.push_back(kind); }).value() == 1);
        CHECK(kinds == std::vector<std::uint32_t>{2} && c.try_pop(small).status() == QUOIT_EMPTY);
    }
    // A visit that throws releases nothing.
    CHECK(p.push(payload));
    try {
        (void)c.drain([](auto...) { throw 1; });
        CHECK(false);
    } catch (int) {
    }
    CHECK(c.try_peek());
}

void errors() {
    CHECK(producer::open(name()).status() == QUOIT_NOT_FOUND);
    try {
        producer::open(name()).value();
        CHECK(false);
    } catch (const quoit::error &error) {
        CHECK(error.status() == QUOIT_NOT_FOUND && std::string_view(error.what()).find(name()) != std::string::npos);
    }
    try {
        quoit::status(QUOIT_FULL).or_throw();
        CHECK(false);
    } catch (const quoit::error &error) {
        CHECK(error.what() == std::string_view(quoit_status_text(QUOIT_FULL)));
    }
    // The first option that does not fit.
    auto refused = records::create(name(), quoit::options().capacity(8).wait_strategy(quoit::wait{9}));
    CHECK(refused.status() == QUOIT_INVALID);
    struct untold {
        std::uint32_t number;
    };
    CHECK(quoit::ring<untold>::create(name(), quoit::options().capacity(8)).status() == QUOIT_INVALID);
    CHECK(producer::create(name(), quoit::options().capacity(9)).status() == QUOIT_INVALID_CAPACITY);
}

void names_and_ends() {
    auto p = producer::create(name(), quoit::options().capacity(8).unlink_on_close()).value();
    CHECK(producer::open(name()).status() == QUOIT_IN_USE);
    auto c = consumer::open(name(), quoit::options().unlink_on_close()).value();
    CHECK(p.incarnation() == c.incarnation() && p.peer_epoch() == 1 && c.capacity() == 8);
    auto moved = std::move(p);
    CHECK(moved.try_push(3) && c.len() == 1);
    const int descriptor = c.arm().value();
    CHECK(descriptor >= 0 && c.arm().value() == descriptor && moved.arm().value() != descriptor);
    CHECK(moved.close() && moved.try_push(4) == QUOIT_ABANDONED);
    std::uint64_t value = 0;
    CHECK(c.pop(value) && value == 3 && c.pop(value) == QUOIT_ABANDONED && c.is_abandoned() && !c.corrupt());
    CHECK(quoit::unlink(name()) == QUOIT_IN_USE);
    { auto last = std::move(moved); }
    CHECK(!c.is_superseded());
    { auto last = std::move(c); }
    CHECK(consumer::open(name()).status() == QUOIT_NOT_FOUND);
}

void handoff() {
    int sockets[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    auto ring = records::create_anonymous(quoit::options().capacity(8)).value();
    CHECK(ring.send(sockets[0]));
    auto received = records::receive(sockets[1]).value();
    CHECK(received.incarnation() == ring.incarnation() && received.descriptor() != ring.descriptor());
    auto p = producer::of(ring).value();
    auto c = consumer::of(records::open_descriptor(received.descriptor()).value()).value();
    std::uint64_t value = 0;
    CHECK(p.push(5) && c.pop(value) && value == 5);
    close(sockets[0]);
    CHECK(records::receive(sockets[1]).status() == QUOIT_CLOSED);
    close(sockets[1]);
}

} // namespace

int main() {
    guards_of_records();
    guards_of_frames();
    errors();
    names_and_ends();
    handoff();
    return 0;
}
