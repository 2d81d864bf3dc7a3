// The calls of quoit.hpp that the matrix does not make: guards, batches, moves, errors. Run under
// AddressSanitizer and UndefinedBehaviorSanitizer.
#include <array>
#include <cstdio>
#include <limits>
#include <numeric>
#include <vector>

#include <poll.h>
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

// A duration of any kind is a timeout.
using std::chrono::duration;
constexpr std::uint64_t wait(quoit::time_limit time) { return time.nanoseconds(); }
static_assert(wait(1ns) == 1 && wait(5ms) == 5'000'000 && wait(std::chrono::days(1)) == 86'400'000'000'000);
static_assert(wait(-1ns) == 0 && wait(std::chrono::hours::min()) == 0 && wait(0s) == 0);
static_assert(wait(quoit::forever) == QUOIT_FOREVER && wait(std::chrono::hours::max()) == QUOIT_FOREVER);
static_assert(wait(std::chrono::nanoseconds::max()) == QUOIT_FOREVER && wait(std::chrono::years(300)) == QUOIT_FOREVER);
static_assert(wait(std::chrono::years(200)) < QUOIT_FOREVER && wait(duration<double>(0.25)) == 250'000'000);
static_assert(wait(duration<double>(std::numeric_limits<double>::infinity())) == QUOIT_FOREVER);
static_assert(wait(duration<double>(std::numeric_limits<double>::quiet_NaN())) == 0);
static_assert(wait(duration<std::int64_t, std::ratio<1, 3>>(3)) == 1'000'000'000);
static_assert(wait(duration<std::int8_t, std::pico>(127)) == 0);

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
            CHECK(other.release_first(5) == QUOIT_INVALID && other.release_first(1) && p.len() == 3);
        }
        { // of others it has shown nothing
            auto peek = c.try_peek().value();
            CHECK(peek.release_first(2) == QUOIT_INVALID && p.len() == 3);
        }
        CHECK(p.len() == 2);
        { (void)c.try_peek().value(); }
        CHECK(p.len() == 1);
        const std::array<std::uint64_t, 9> many{1, 2, 3, 4, 5, 6, 7, 8, 9};
        const auto pushed = p.try_push(std::span(many));
        CHECK(pushed.value() == 7 && *pushed == 7);
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

// A guard is in force until its endpoint moves on: it publishes and releases nothing of a later call.
void guards_after_other_calls() {
    auto ring = records::create_anonymous(quoit::options().capacity(8)).value();
    auto p = producer::of(ring).value();
    auto c = consumer::of(ring).value();
    {
        auto claim = p.try_claim().value();
        *claim = 9;
        CHECK(p.push(1) && claim.commit() == QUOIT_INVALID && p.len() == 1);
        auto first = p.try_claim(2).value(), second = p.try_claim(1).value();
        CHECK(second.commit() && first.commit() == QUOIT_INVALID && p.len() == 2);
    }
    std::uint64_t value = 0;
    {
        auto peek = c.try_peek().value(), again = c.try_peek().value();
        CHECK(c.pop(value) && value == 1 && peek.release() == QUOIT_INVALID);
    }
    CHECK(p.len() == 1);
    // To arm the endpoint moves nothing.
    {
        auto claim = p.try_claim().value();
        *claim = 2;
        CHECK(p.arm() && claim.commit() && p.len() == 2);
        auto peek = c.try_peek_many().value();
        CHECK(c.arm() && peek.size() == 2);
    }
    CHECK(p.len() == 0);

    auto frames = quoit::ring<void>::create_anonymous(quoit::options().capacity(512)).value();
    auto fp = quoit::frame_producer::of(frames).value();
    auto fc = quoit::frame_consumer::of(frames).value();
    const std::array<std::byte, 8> pushed{std::byte{1}};
    auto claim = fp.try_claim(8).value();
    CHECK(fp.push(pushed, 1) && claim.commit(2) == QUOIT_INVALID && quoit_commit_frame(fp.get(), 2, 0) == QUOIT_INVALID);
    auto small = fp.try_claim(8).value(), large = fp.try_claim(100).value();
    CHECK(small.commit() == QUOIT_INVALID && large.commit_first(101) == QUOIT_INVALID && large.commit_first(0, 3));
    // A batch that an exception has left is forgotten by the next push or claim.
    CHECK(fp.try_batch(std::span(pushed), 4) && fp.push(pushed, 5) && fp.commit_batch());
    CHECK(fp.try_batch(pushed, 6) && fp.try_claim(8).value().commit(7) && fp.commit_batch());
    auto late = fp.try_claim(8).value();
    CHECK(fp.try_batch(pushed, 8) && late.commit(9) == QUOIT_INVALID && fp.commit_batch());
    {
        auto frame = fc.try_peek().value();
        std::array<std::byte, 8> buffer;
        CHECK(frame.kind() == 1 && fc.try_pop(buffer).value().kind == 1 && buffer == pushed);
        CHECK(frame.release() == QUOIT_INVALID);
    }
    std::vector<std::uint32_t> kinds;
    CHECK(fc.drain([&](auto, std::uint32_t kind) { kinds.push_back(kind); }));
    CHECK((kinds == std::vector<std::uint32_t>{3, 5, 7, 8}));
}

// An exception in the middle of a claim, a peek or a batch changes nothing.
void guards_and_exceptions() {
    auto ring = records::create_anonymous(quoit::options().capacity(8)).value();
    auto p = producer::of(ring).value();
    auto c = consumer::of(ring).value();
    CHECK(p.push(1));
    for (int round = 0; round < 20; round++) {
        try {
            auto claim = p.claim(3).value();
            *claim = 7;
            throw round;
        } catch (int) {
        }
        try {
            auto peek = c.peek().value();
            peek.keep();
            throw round;
        } catch (int) {
        }
        CHECK(p.len() == 1);
    }
    try { // a peek that was not kept is released when its scope ends, however that is
        auto peek = c.peek().value();
        throw 1;
    } catch (int) {
    }
    CHECK(p.len() == 0);
}

void spans_of_nothing() {
    auto ring = records::create_anonymous(quoit::options().capacity(8)).value();
    auto p = producer::of(ring).value();
    auto c = consumer::of(ring).value();
    for (std::uint64_t pushed = 0; pushed <= 8; pushed += 8) { // empty, and full
        CHECK(p.try_push(std::span<const std::uint64_t>()).value() == 0 && p.len() == pushed);
        CHECK(c.try_pop(std::span<std::uint64_t>()).value() == 0 && p.len() == pushed);
        CHECK(p.try_claim(0).value().size() == 0 && p.claim(0).value().commit() && p.len() == pushed);
        const std::vector<std::uint64_t> all(8);
        if (pushed == 0) CHECK(p.try_push(std::span(all)).value() == 8);
    }
    auto frames = quoit::ring<void>::create_anonymous(quoit::options().capacity(64)).value();
    auto fp = quoit::frame_producer::of(frames).value();
    auto fc = quoit::frame_consumer::of(frames).value();
    for (int round = 0; round < 20; round++) {
        CHECK(fp.push(std::span<const std::byte>(), 1) && fp.try_batch({}, 2) && fp.commit_batch());
        auto claim = fp.claim(0).value();
        CHECK(claim.bytes().empty() && claim.commit(3));
        CHECK(fc.try_pop(std::span<std::byte>()).value().kind == 1 && fc.try_peek().value().bytes().empty());
        CHECK(fc.pop({}).value().kind == 3 && fc.try_pop({}).status() == QUOIT_EMPTY);
    }
}

template <class End> void moved_from(End &end) {
    CHECK(end.position() == 0 && end.capacity() == 0 && end.len() == 0 && end.peer_epoch() == 0);
    CHECK(end.incarnation() == 0 && !end.is_abandoned() && !end.is_superseded() && end.get() == nullptr);
    CHECK(end.wait_for_peer() == QUOIT_INVALID && end.count_dropped(1) == QUOIT_INVALID && !end.corrupt());
    CHECK(end.close() == QUOIT_INVALID && end.arm().status() == QUOIT_INVALID);
}

// Of whatever was moved from, each call has an answer.
void what_was_moved_from() {
    auto ring = records::create_anonymous(quoit::options().capacity(8)).value();
    auto p = producer::of(ring).value();
    auto c = consumer::of(ring).value();
    auto p2 = std::move(p);
    auto c2 = std::move(c);
    std::uint64_t value = 0;
    std::array<std::uint64_t, 2> many{};
    moved_from(p), moved_from(c);
    CHECK(p.try_push(1) == QUOIT_INVALID && p.push(1) == QUOIT_INVALID);
    CHECK(p.try_push(std::span<const std::uint64_t>(many)).status() == QUOIT_INVALID);
    CHECK(p.try_claim().status() == QUOIT_INVALID && p.claim().status() == QUOIT_INVALID);
    CHECK(c.try_pop(value) == QUOIT_INVALID && c.pop(value) == QUOIT_INVALID && c.ready() == QUOIT_INVALID);
    CHECK(c.try_pop(std::span(many)).status() == QUOIT_INVALID && c.try_peek().status() == QUOIT_INVALID);
    CHECK(c.peek().status() == QUOIT_INVALID && c.try_peek_many().status() == QUOIT_INVALID);
    CHECK(c.skip_to_latest().status() == QUOIT_INVALID);
    // It can be assigned to: the endpoint that it had closes.
    p = std::move(p2);
    CHECK(p.push(5) && c2.pop(value) && value == 5 && p2.push(6) == QUOIT_INVALID);
    c = std::move(c2);
    CHECK(p.push(7) && c.pop(value) && value == 7);
    auto other = records::create_anonymous(quoit::options().capacity(8)).value();
    p = producer::of(other).value();
    CHECK(c.pop(value) == QUOIT_ABANDONED);

    auto ring2 = std::move(ring);
    CHECK(ring.name().empty() && ring.capacity() == 0 && ring.incarnation() == 0 && ring.descriptor() == -1);
    CHECK(ring.send(0) == QUOIT_INVALID && ring.sync() == QUOIT_INVALID && ring.unlink() == QUOIT_INVALID);
    CHECK(producer::of(ring).status() == QUOIT_INVALID && consumer::of(ring).status() == QUOIT_INVALID);
    auto how = quoit::options().capacity(8);
    auto how2 = std::move(how);
    CHECK(records::create_anonymous(std::move(how)).status() == QUOIT_INVALID);
    CHECK(records::create_anonymous(std::move(how2).peer_check(std::chrono::hours::max()).spin(-1s)));

    auto frames = quoit::ring<void>::create_anonymous(quoit::options().capacity(64)).value();
    auto fp = quoit::frame_producer::of(frames).value();
    auto fc = quoit::frame_consumer::of(frames).value();
    auto fp2 = std::move(fp);
    auto fc2 = std::move(fc);
    moved_from(fp), moved_from(fc);
    CHECK(fp.max_frame_len() == 0 && fp.try_push({}) == QUOIT_INVALID && fp.push({}) == QUOIT_INVALID);
    CHECK(fp.try_claim(1).status() == QUOIT_INVALID && fp.claim(1).status() == QUOIT_INVALID);
    CHECK(fp.try_batch({}) == QUOIT_INVALID && fp.commit_batch() == QUOIT_INVALID);
    CHECK(fc.try_pop({}).status() == QUOIT_INVALID && fc.pop({}).status() == QUOIT_INVALID);
    CHECK(fc.try_peek().status() == QUOIT_INVALID && fc.peek().status() == QUOIT_INVALID);
    CHECK(fc.drain([](auto...) {}).status() == QUOIT_INVALID && fc.skip_to_latest().status() == QUOIT_INVALID);
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
    // Not the text of an earlier failure.
    const auto says = [](const char *part, auto call) {
        CHECK(producer::open(name()).status() == QUOIT_NOT_FOUND);
        try {
            call();
            CHECK(false);
        } catch (const quoit::error &error) {
            const std::string_view text = error.what();
            CHECK(text.find(part) != text.npos && text.find(name()) == text.npos);
        }
    };
    auto ring = records::create_anonymous(quoit::options().capacity(8)).value();
    auto p = producer::of(ring).value();
    auto c = consumer::of(ring).value();
    auto frames = quoit::ring<void>::create_anonymous(quoit::options().capacity(64)).value();
    auto fp = quoit::frame_producer::of(frames).value();
    says("claim again", [&] {
        auto claim = p.try_claim().value();
        p.push(1).or_throw();
        claim.commit().or_throw();
    });
    says("peek again", [&] {
        auto peek = c.try_peek().value(), again = c.try_peek().value();
        again.release().or_throw();
        peek.release().or_throw();
    });
    says("claim again", [&] {
        auto claim = fp.try_claim(8).value();
        fp.push(std::span<const std::byte>()).or_throw();
        claim.commit().or_throw();
    });
    says("timeout", [&] { (void)c.peek(0s).value(); });
    says("split it", [&] { (void)fp.try_claim(100).value(); });
    says("records of this size", [&] {
        auto moved = std::move(p);
        p.try_push(1).or_throw();
    });
    // The first option that does not fit.
    auto refused = records::create(name(), quoit::options().capacity(8).wait_strategy(quoit::wait{9}));
    CHECK(refused.status() == QUOIT_INVALID);
    struct untold {
        std::uint32_t number;
    };
    says("options::tag", [] { (void)quoit::ring<untold>::create(name(), quoit::options().capacity(8)).value(); });
    CHECK(producer::create(name(), quoit::options().capacity(9)).status() == QUOIT_INVALID_CAPACITY);
    // Not the ring whose name the zero byte ends.
    const std::string uncut = name() + 'x', cut = uncut + '\0' + 'x';
    auto named = records::create(uncut, quoit::options().capacity(8).tag("")).value();
    says("no zero byte", [&] { quoit::unlink(cut).or_throw(); });
    says("no zero byte", [&] { (void)records::open(cut).value(); });
    says("no zero byte", [&] { (void)records::open_or_create(cut, quoit::options().capacity(8)).value(); });
    says("no zero byte", [&] { (void)records::create_anonymous(quoit::options().capacity(8).tag(cut)).value(); });
    // An empty tag is not that of the type.
    CHECK(records::open(uncut).status() == QUOIT_SCHEMA_MISMATCH && records::open(uncut, quoit::options().tag("")));
    CHECK(named.unlink());
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

// A descriptor for a frame waits for its header and padding as well.
void room_for_a_frame() {
    auto ring = quoit::ring<void>::create_anonymous(quoit::options().capacity(256)).value();
    auto p = quoit::frame_producer::of(ring).value();
    auto c = quoit::frame_consumer::of(ring).value();
    const std::array<std::byte, 100> payload{};
    std::array<std::byte, 100> buffer;
    const auto readable = [](int descriptor) {
        pollfd wanted{descriptor, POLLIN, 0};
        return poll(&wanted, 1, 0) == 1;
    };
    while (p.try_push(std::span(payload).first(40))) {} // 48 bytes each, 16 are left
    for (int pops = 0; pops < 20; pops++) {
        const bool is_ready = readable(p.arm(payload.size()).value());
        const auto pushed = p.try_push(payload);
        CHECK(is_ready == pushed.ok() && (pushed || pushed == QUOIT_FULL));
        CHECK(c.try_pop(buffer));
    }
    CHECK(readable(p.arm(1000).value()) && p.push(std::span(payload), 0, 0s).ok());
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
    guards_after_other_calls();
    guards_and_exceptions();
    spans_of_nothing();
    what_was_moved_from();
    errors();
    names_and_ends();
    room_for_a_frame();
    handoff();
    return 0;
}
