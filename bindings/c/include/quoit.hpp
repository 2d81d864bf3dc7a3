// quoit for C++20: header-only, above quoit.h.
//
// Endpoints are move-only and close in their destructor; a guard releases what it shows in
// place at the end of its scope. Nothing here throws unless you call value() or or_throw():
// calls return a status, or a result that holds a value or a status. Without exceptions these two
// print the text, and abort. Their text is that of the thread's last failure: call them before
// another call fails. Nothing allocates after an endpoint was opened, but its first arm and texts of
// errors.
//
// An endpoint belongs to one thread at a time. One that was moved from returns QUOIT_INVALID, 0,
// false or nothing from each call, and can be assigned to. A guard lives no longer than its endpoint,
// which is a variable, and what a guard shows no longer than the guard.
#ifndef QUOIT_HPP
#define QUOIT_HPP

#if !defined(__cpp_concepts)
#error "quoit.hpp needs C++20: compile with -std=c++20, or use quoit.h"
#else

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#if defined(__cpp_exceptions)
#include <stdexcept>
#endif

#include "quoit.h"

namespace quoit {

/// The result of a call. `if (s)` is true for success.
class [[nodiscard]] status {
public:
    constexpr status(quoit_status code = QUOIT_OK) noexcept : code_(code) {}
    constexpr quoit_status code() const noexcept { return code_; }
    constexpr bool ok() const noexcept { return code_ == QUOIT_OK; }
    constexpr explicit operator bool() const noexcept { return ok(); }
    /// What to do about it.
    const char *text() const noexcept { return quoit_status_text(code_); }
    /// Throws an error, if it is one.
    inline void or_throw() const;

    friend constexpr bool operator==(status, status) noexcept = default;
    friend constexpr bool operator==(status s, quoit_status code) noexcept { return s.code_ == code; }

private:
    quoit_status code_;
};

#if defined(__cpp_exceptions)
/// A failure, for programs that throw. Its text says what to do.
class error : public std::runtime_error {
public:
    error(quoit::status status, const std::string &text) : std::runtime_error(text), status_(status) {}
    quoit::status status() const noexcept { return status_; }

private:
    quoit::status status_;
};
#endif

/// The text of the last failure of this thread whose status alone does not suffice.
inline std::string last_error() { return quoit_last_error(); }

namespace detail {

/// Statuses that no call has a text of: that of an earlier failure is not theirs.
constexpr bool is_plain(quoit_status code) noexcept {
    return code == QUOIT_FULL || code == QUOIT_EMPTY || code == QUOIT_ABANDONED || code == QUOIT_TOO_LONG ||
           code == QUOIT_TOO_SHORT || code == QUOIT_TOO_MANY;
}

[[noreturn]] inline void fail(status failed) {
    const char *last = quoit_last_error();
    const bool says_more = !is_plain(failed.code()) && *last != '\0';
    const char *text = says_more ? last : failed.text();
#if defined(__cpp_exceptions)
    throw error(failed, text);
#else
    std::fprintf(stderr, "quoit: %s\n", text);
    std::abort();
#endif
}

/// Whether the C calls see all of it: a zero byte ends their text.
inline status whole(const std::string &text) noexcept {
    if (text.find('\0') == text.npos) return {};
    return quoit_invalid("a name and a tag have no zero byte; give one without");
}

/// Of any duration, which may be more nanoseconds than 64 bits hold, less than none, or no number.
template <class Rep, class Period>
constexpr std::uint64_t nanoseconds(std::chrono::duration<Rep, Period> time) noexcept {
    const double count = std::chrono::duration<double, std::nano>(time).count();
    if (!(count > 0)) return 0;
    return count < 0x1p63 ? static_cast<std::uint64_t>(count) : QUOIT_FOREVER;
}

template <auto Free> struct deleter {
    template <class T> void operator()(T *handle) const noexcept { Free(handle); }
};

} // namespace detail

inline void status::or_throw() const {
    if (!ok()) detail::fail(*this);
}

/// A value, or why there is none.
template <class T> class [[nodiscard]] result {
public:
    result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::move(value)) {}
    result(quoit::status failed) noexcept : status_(failed) {}
    result(quoit_status failed) noexcept : status_(failed) {}

    bool ok() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return ok(); }
    quoit::status status() const noexcept { return status_; }
    /// The value. Throws a quoit::error if there is none.
    T &value() & {
        if (!ok()) detail::fail(status_);
        return *value_;
    }
    const T &value() const & {
        if (!ok()) detail::fail(status_);
        return *value_;
    }
    T value() && {
        if (!ok()) detail::fail(status_);
        return std::move(*value_);
    }
    /// The value, which must be there.
    T &operator*() & noexcept { return *value_; }
    const T &operator*() const & noexcept { return *value_; }
    T &&operator*() && noexcept { return std::move(*value_); }
    T *operator->() noexcept { return &*value_; }
    const T *operator->() const noexcept { return &*value_; }

private:
    std::optional<T> value_;
    quoit::status status_;
};

/// How long a call waits: any duration. A negative one is none, one of more than 292 years forever.
class time_limit {
public:
    template <class Rep, class Period>
    constexpr time_limit(std::chrono::duration<Rep, Period> time) noexcept : nanoseconds_(detail::nanoseconds(time)) {}
    constexpr std::uint64_t nanoseconds() const noexcept { return nanoseconds_; }

private:
    std::uint64_t nanoseconds_;
};

/// Waits without a timeout.
inline constexpr time_limit forever = std::chrono::nanoseconds::max();

/// A record has no padding, whose bytes would be what the stack held. The compiler cannot
/// tell for a type with floating-point members: specialise this to `true` for one that has
/// none, as in `template <> inline constexpr bool quoit::has_no_padding<Tick> = true;`.
template <class T>
inline constexpr bool has_no_padding =
    std::has_unique_object_representations_v<T> || std::same_as<T, float> || std::same_as<T, double>;
template <class T, std::size_t N> inline constexpr bool has_no_padding<T[N]> = has_no_padding<T>;

template <class T>
concept record = std::is_trivially_copyable_v<T> && std::is_object_v<T> && !std::is_const_v<T> && alignof(T) <= 4096;

/// The tag of a type in Rust, for those that both languages have.
template <class T> constexpr const char *default_tag() noexcept {
    if constexpr (std::same_as<T, float>) return "f32";
    else if constexpr (std::same_as<T, double>) return "f64";
    else if constexpr (std::is_integral_v<T> && !std::same_as<T, bool> && sizeof(T) <= 8) {
        if constexpr (std::is_signed_v<T>)
            return sizeof(T) == 8 ? "i64" : sizeof(T) == 4 ? "i32" : sizeof(T) == 2 ? "i16" : "i8";
        else return sizeof(T) == 8 ? "u64" : sizeof(T) == 4 ? "u32" : sizeof(T) == 2 ? "u16" : "u8";
    } else return nullptr;
}

enum class wait : std::uint32_t {
    spin = QUOIT_WAIT_SPIN,
    yield = QUOIT_WAIT_YIELD,
    park = QUOIT_WAIT_PARK,
    adaptive = QUOIT_WAIT_ADAPTIVE
};
enum class doorbell : std::uint32_t { futex = QUOIT_DOORBELL_FUTEX, semaphore = QUOIT_DOORBELL_SEMAPHORE };
enum class stale : std::uint32_t {
    take_over = QUOIT_STALE_TAKE_OVER,
    replace = QUOIT_STALE_REPLACE,
    fail = QUOIT_STALE_FAIL
};
enum class fences : std::uint32_t { asymmetric = QUOIT_FENCES_ASYMMETRIC, symmetric = QUOIT_FENCES_SYMMETRIC };

/// How a ring is created and opened.
class options {
public:
    options() : handle_(quoit_options_new()) {}

    /// Records, or bytes for frames; a power of two.
    options &&capacity(std::uint64_t n) && { return std::move(set(quoit_options_capacity(get(), n))); }
    /// The tag of the record, the same in both programs, as in "tick/3".
    options &&tag(std::string tag) && {
        if (failed_.ok()) failed_ = detail::whole(tag);
        return tag_ = std::move(tag), std::move(*this);
    }
    options &&mode(std::uint32_t mode) && { return std::move(set(quoit_options_mode(get(), mode))); }
    options &&prefault(bool yes = true) && { return std::move(set(quoit_options_prefault(get(), yes))); }
    options &&lock_memory(bool yes = true) && { return std::move(set(quoit_options_lock_memory(get(), yes))); }
    /// The endpoint that closes last removes the name. Set it in both programs.
    options &&unlink_on_close(bool yes = true) && { return std::move(set(quoit_options_unlink_on_free(get(), yes))); }
    options &&wait_strategy(wait w) && {
        return std::move(set(quoit_options_wait_strategy(get(), static_cast<std::uint32_t>(w))));
    }
    options &&sleep_on(doorbell d) && {
        return std::move(set(quoit_options_doorbell(get(), static_cast<std::uint32_t>(d))));
    }
    options &&stale_policy(stale s) && {
        return std::move(set(quoit_options_stale(get(), static_cast<std::uint32_t>(s))));
    }
    options &&fence(fences f) && { return std::move(set(quoit_options_fences(get(), static_cast<std::uint32_t>(f)))); }
    options &&spin(time_limit time) && { return std::move(set(quoit_options_spin(get(), time.nanoseconds()))); }
    options &&peer_check(time_limit time) && {
        return std::move(set(quoit_options_peer_check(get(), time.nanoseconds())));
    }

    template <class T> status holds_records() {
        static_assert(record<T>, "a record is trivially copyable, and aligned to 4096 bytes at most");
        static_assert(has_no_padding<T>,
                      "a record has no padding: add members where it would have some; if it has none, and members of "
                      "floating point, specialise quoit::has_no_padding");
        const char *tag = tag_ ? tag_->c_str() : default_tag<T>();
        if (tag == nullptr) return quoit_invalid("this record has no tag; set options::tag to that of the other program");
        return failed_ ? quoit_options_records(get(), sizeof(T), alignof(T), tag) : failed_;
    }
    status holds_frames() {
        return failed_ ? quoit_options_frames(get(), tag_ ? tag_->c_str() : nullptr) : failed_;
    }
    quoit_options *get() const noexcept { return handle_.get(); }

private:
    options &set(quoit_status status) {
        if (failed_.ok()) failed_ = status;
        return *this;
    }

    std::unique_ptr<quoit_options, detail::deleter<quoit_options_free>> handle_;
    std::optional<std::string> tag_;
    status failed_;
};

/// Removes a ring by its name. No process may hold a role.
inline status unlink(const std::string &name) noexcept {
    const status s = detail::whole(name);
    return s ? status(quoit_unlink(name.c_str())) : s;
}

/// A ring, before a role is taken, of records of type T, or of frames if T is void.
template <class T> class ring {
public:
    static result<ring> create(const std::string &name, options &&how) { return make_named(how, quoit_create, name); }
    static result<ring> open(const std::string &name, options &&how = {}) { return make_named(how, quoit_open, name); }
    static result<ring> open_or_create(const std::string &name, options &&how) {
        return make_named(how, quoit_open_or_create, name);
    }
    static result<ring> create_anonymous(options &&how) { return make(how, quoit_create_anonymous); }
    static result<ring> open_descriptor(int descriptor, options &&how = {}) {
        return make(how, quoit_open_descriptor, descriptor);
    }
    /// Receives a ring that another process has sent over a Unix stream socket.
    static result<ring> receive(int socket, options &&how = {}) {
        if (status s = prepare(how); !s) return s;
        quoit_ring *handle = nullptr;
        if (status s = quoit_receive(socket, how.get(), &handle); !s) return s;
        return ring(handle);
    }
    /// Sends a ring without a name.
    status send(int socket) const noexcept { return quoit_send(socket, get()); }

    std::string name() const {
        const char *name = quoit_ring_name(get());
        return name == nullptr ? std::string() : name;
    }
    std::uint64_t capacity() const noexcept { return quoit_ring_capacity(get()); }
    std::uint64_t incarnation() const noexcept { return quoit_ring_incarnation(get()); }
    int descriptor() const noexcept { return quoit_ring_descriptor(get()); }
    status sync() const noexcept { return quoit_ring_sync(get()); }
    status unlink() const noexcept { return quoit_ring_unlink(get()); }
    const quoit_ring *get() const noexcept { return handle_.get(); }

private:
    explicit ring(quoit_ring *handle) noexcept : handle_(handle) {}

    static status prepare(options &how) {
        if constexpr (std::is_void_v<T>) return how.holds_frames();
        else return how.template holds_records<T>();
    }
    template <class Open> static result<ring> make_named(options &how, Open open, const std::string &name) {
        if (status s = detail::whole(name); !s) return s;
        return make(how, open, name.c_str());
    }
    template <class Open, class... Where> static result<ring> make(options &how, Open open, Where... where) {
        if (status s = prepare(how); !s) return s;
        quoit_ring *handle = nullptr;
        if (status s = open(how.get(), where..., &handle); !s) return s;
        return ring(handle);
    }

    std::unique_ptr<quoit_ring, detail::deleter<quoit_ring_free>> handle_;
};

namespace detail {

/// What went wrong with the bytes of a ring.
struct corruption {
    const char *field;
    std::uint64_t found;
};

/// How often a name is opened again, if another process replaces its ring in between.
inline constexpr int tries = 10;

template <class End, class T> result<End> take(result<ring<T>> opened) {
    if (!opened) return opened.status();
    return End::of(*opened);
}

template <class End, class Open> result<End> take_again(Open open) {
    for (int left = tries;; left--) {
        auto end = take<End>(open());
        if (end || end.status() != QUOIT_SUPERSEDED || left == 0) return end;
    }
}

/// The methods of both producers.
template <class Derived, class T> class writes {
public:
    std::uint64_t position() const noexcept { return handle_ ? handle_->tail : 0; }
    std::uint64_t capacity() const noexcept { return handle_ ? handle_->mask + 1 : 0; }
    std::uint64_t len() const noexcept { return quoit_producer_len(get()); }
    bool is_abandoned() const noexcept { return quoit_producer_is_abandoned(get()); }
    bool is_superseded() const noexcept { return quoit_producer_is_superseded(get()); }
    std::uint64_t peer_epoch() const noexcept { return quoit_producer_peer_epoch(get()); }
    std::uint64_t incarnation() const noexcept { return quoit_producer_incarnation(get()); }
    status wait_for_peer(time_limit time = forever) noexcept {
        return quoit_producer_wait_for_peer(get(), time.nanoseconds());
    }
    status count_dropped(std::uint64_t messages) noexcept { return quoit_producer_count_dropped(get(), messages); }
    status close() noexcept { return quoit_producer_close(get()); }
    std::optional<corruption> corrupt() const noexcept {
        corruption c{};
        (void)quoit_producer_corruption(get(), &c.field, &c.found);
        return c.field == nullptr ? std::nullopt : std::optional(c);
    }
    /// A descriptor that is readable as soon as there is room, until the next other call.
    result<int> arm(std::uint64_t wanted = 1) noexcept {
        int descriptor = -1;
        if (status s = quoit_producer_arm(get(), wanted, &descriptor); !s) return s;
        return descriptor;
    }
    quoit_producer *get() const noexcept { return handle_.get(); }

    static result<Derived> of(const ring<T> &ring) {
        quoit_producer *handle = nullptr;
        if (status s = quoit_ring_producer(ring.get(), &handle); !s) return s;
        Derived end;
        end.handle_.reset(handle);
        return end;
    }

protected:
    std::unique_ptr<quoit_producer, deleter<quoit_producer_free>> handle_;
};

/// The methods of both consumers.
template <class Derived, class T> class reads {
public:
    std::uint64_t position() const noexcept { return handle_ ? handle_->head : 0; }
    std::uint64_t capacity() const noexcept { return handle_ ? handle_->mask + 1 : 0; }
    std::uint64_t len() const noexcept { return quoit_consumer_len(get()); }
    bool is_abandoned() const noexcept { return quoit_consumer_is_abandoned(get()); }
    bool is_superseded() const noexcept { return quoit_consumer_is_superseded(get()); }
    std::uint64_t peer_epoch() const noexcept { return quoit_consumer_peer_epoch(get()); }
    std::uint64_t incarnation() const noexcept { return quoit_consumer_incarnation(get()); }
    status wait_for_peer(time_limit time = forever) noexcept {
        return quoit_consumer_wait_for_peer(get(), time.nanoseconds());
    }
    status count_dropped(std::uint64_t messages) noexcept { return quoit_consumer_count_dropped(get(), messages); }
    status close() noexcept { return quoit_consumer_close(get()); }
    std::optional<corruption> corrupt() const noexcept {
        corruption c{};
        (void)quoit_consumer_corruption(get(), &c.field, &c.found);
        return c.field == nullptr ? std::nullopt : std::optional(c);
    }
    /// Waits for a message, and takes none.
    status ready(time_limit time = forever) noexcept {
        if (handle_ && handle_->tail != handle_->head) return {};
        return quoit_consumer_wait(get(), 1, time.nanoseconds());
    }
    /// A descriptor that is readable as soon as there is a message, until the next other call.
    result<int> arm() noexcept {
        int descriptor = -1;
        if (status s = quoit_consumer_arm(get(), &descriptor); !s) return s;
        return descriptor;
    }
    quoit_consumer *get() const noexcept { return handle_.get(); }

    static result<Derived> of(const ring<T> &ring) {
        quoit_consumer *handle = nullptr;
        if (status s = quoit_ring_consumer(ring.get(), &handle); !s) return s;
        Derived end;
        end.handle_.reset(handle);
        return end;
    }

protected:
    std::unique_ptr<quoit_consumer, deleter<quoit_consumer_free>> handle_;
};

/// How every endpoint is opened by name.
template <class Derived, class T> struct opens {
    static result<Derived> create(const std::string &name, options &&how) {
        return take<Derived>(ring<T>::create(name, std::move(how)));
    }
    static result<Derived> open(const std::string &name, options &&how = {}) {
        return take_again<Derived>([&] { return ring<T>::open(name, std::move(how)); });
    }
    static result<Derived> open_or_create(const std::string &name, options &&how) {
        return take_again<Derived>([&] { return ring<T>::open_or_create(name, std::move(how)); });
    }
};

inline std::uint64_t position(const quoit_producer *end) noexcept { return end->tail; }
inline std::uint64_t position(const quoit_consumer *end) noexcept { return end->head; }

/// A guard that moves with its owner. It is in force until the endpoint moves on.
template <class Handle> class guarded {
public:
    guarded(guarded &&other) noexcept : end_(std::exchange(other.end_, nullptr)), position_(other.position_) {}
    guarded &operator=(guarded &&) = delete;

protected:
    explicit guarded(Handle *end) noexcept : end_(end), position_(position(end)) {}
    /// The endpoint, once; null if another call has moved it.
    Handle *take_end() noexcept {
        Handle *end = std::exchange(end_, nullptr);
        return end != nullptr && position(end) == position_ ? end : nullptr;
    }
    Handle *end_;

private:
    std::uint64_t position_;
};

template <class T> T *as_records(void *bytes) noexcept { return static_cast<T *>(bytes); }

} // namespace detail

/// Slots that were claimed. commit() publishes them; otherwise nothing is published.
template <class T> class claimed : detail::guarded<quoit_producer> {
public:
    claimed(quoit_producer *end, const quoit_slots &slots) noexcept : guarded(end), slots_(slots) {}
    claimed(claimed &&) = default;

    std::size_t size() const noexcept { return slots_.count + slots_.rest; }
    /// The slots before the end of the ring, and those at its beginning.
    std::span<T> first() const noexcept { return {detail::as_records<T>(slots_.first), slots_.count}; }
    std::span<T> second() const noexcept { return {detail::as_records<T>(slots_.second), slots_.rest}; }
    T &operator*() const noexcept { return *detail::as_records<T>(slots_.first); }
    T *operator->() const noexcept { return detail::as_records<T>(slots_.first); }
    status commit() noexcept { return commit_first(size()); }
    status commit_first(std::size_t count) noexcept {
        if (count > size()) return quoit_i_no_claim();
        quoit_producer *end = this->take_end();
        return end == nullptr ? quoit_i_no_claim() : quoit_commit(end, count);
    }

private:
    quoit_slots slots_;
};

/// Records in place, which are released at the end of the scope.
template <class T> class peeked : detail::guarded<quoit_consumer> {
public:
    peeked(quoit_consumer *end, const quoit_slots &slots) noexcept : guarded(end), slots_(slots) {}
    peeked(peeked &&) = default;
    ~peeked() { (void)release(); }

    std::size_t size() const noexcept { return slots_.count + slots_.rest; }
    /// The records before the end of the ring, and those at its beginning.
    std::span<const T> first() const noexcept { return {detail::as_records<const T>(slots_.first), slots_.count}; }
    std::span<const T> second() const noexcept { return {detail::as_records<const T>(slots_.second), slots_.rest}; }
    const T &operator*() const noexcept { return *detail::as_records<const T>(slots_.first); }
    const T *operator->() const noexcept { return detail::as_records<const T>(slots_.first); }
    status release() noexcept { return release_first(size()); }
    /// Releases the first records, and leaves the others in the ring.
    status release_first(std::size_t count) noexcept {
        if (count > size()) return quoit_i_no_peek();
        if (this->end_ == nullptr) return QUOIT_OK;
        quoit_consumer *end = this->take_end();
        return end == nullptr ? quoit_i_no_peek() : quoit_release(end, count);
    }
    /// Leaves all of them in the ring.
    void keep() noexcept { this->end_ = nullptr; }

private:
    quoit_slots slots_;
};

/// The endpoint that writes records.
template <class T> class producer : public detail::writes<producer<T>, T>, public detail::opens<producer<T>, T> {
    static_assert(record<T>, "a record is trivially copyable, and aligned to 4096 bytes at most");
    friend detail::writes<producer<T>, T>;
    producer() = default;

public:
    [[gnu::always_inline]] status try_push(const T &value) noexcept {
        if (!this->handle_) [[unlikely]] return quoit_i_no_records();
        return quoit_i_push(this->handle_.get(), &value, sizeof(T));
    }
    [[gnu::always_inline]] status push(const T &value, time_limit time = forever) noexcept {
        quoit_producer *end = this->handle_.get();
        if (end == nullptr) [[unlikely]] return quoit_i_no_records();
        // The size of a record is that of T: quoit_push would compare them.
        const quoit_status pushed = quoit_i_push(end, &value, sizeof(T));
        if (pushed != QUOIT_FULL && pushed != QUOIT_ABANDONED) [[likely]] return pushed;
        return quoit_i_push_later(end, &value, sizeof(T), time.nanoseconds());
    }
    /// Pushes as many as there is room for; returns how many.
    result<std::size_t> try_push(std::span<const T> values) noexcept {
        std::size_t count = 0;
        if (status s = quoit_try_push_many(this->get(), values.data(), sizeof(T), values.size(), &count); !s) return s;
        return count;
    }
    /// Claims up to `count` slots.
    result<claimed<T>> try_claim(std::size_t count = 1) & noexcept {
        quoit_slots slots;
        if (status s = quoit_try_claim(this->get(), count, &slots); !s) return s;
        return claimed<T>(this->get(), slots);
    }
    /// Claims exactly `count` slots, and waits for them.
    result<claimed<T>> claim(std::size_t count = 1, time_limit time = forever) & noexcept {
        quoit_slots slots;
        if (status s = quoit_claim(this->get(), count, &slots, time.nanoseconds()); !s) return s;
        return claimed<T>(this->get(), slots);
    }
};

/// The endpoint that reads records.
template <class T> class consumer : public detail::reads<consumer<T>, T>, public detail::opens<consumer<T>, T> {
    static_assert(record<T>, "a record is trivially copyable, and aligned to 4096 bytes at most");
    friend detail::reads<consumer<T>, T>;
    consumer() = default;

public:
    [[gnu::always_inline]] status try_pop(T &value) noexcept {
        if (!this->handle_) [[unlikely]] return quoit_i_no_records();
        return quoit_i_pop(this->handle_.get(), &value, sizeof(T));
    }
    status pop(T &value, time_limit time = forever) noexcept {
        return quoit_pop(this->get(), &value, sizeof(T), time.nanoseconds());
    }
    /// Pops as many as there are and fit; returns how many.
    result<std::size_t> try_pop(std::span<T> values) noexcept {
        std::size_t count = 0;
        if (status s = quoit_try_pop_many(this->get(), values.data(), sizeof(T), values.size(), &count); !s) return s;
        return count;
    }
    /// The next record, in place.
    result<peeked<T>> try_peek() & noexcept {
        const void *found = nullptr;
        if (status s = quoit_try_peek(this->get(), &found); !s) return s;
        auto *bytes = const_cast<unsigned char *>(static_cast<const unsigned char *>(found));
        return peeked<T>(this->get(), {bytes, 1, bytes, 0});
    }
    result<peeked<T>> peek(time_limit time = forever) & noexcept {
        if (status s = this->ready(time); !s) return s;
        return try_peek();
    }
    /// Every record that is there now, in place.
    result<peeked<T>> try_peek_many() & noexcept {
        quoit_slots slots;
        if (status s = quoit_try_peek_many(this->get(), &slots); !s) return s;
        return peeked<T>(this->get(), slots);
    }
    /// Releases all records but the newest; returns how many.
    result<std::size_t> skip_to_latest() noexcept {
        std::size_t count = 0;
        if (status s = quoit_skip_to_latest(this->get(), &count); !s) return s;
        return count;
    }
};

/// A frame that was claimed. commit() publishes it; otherwise nothing is published.
class claimed_frame : detail::guarded<quoit_producer> {
public:
    claimed_frame(quoit_producer *end, std::span<std::byte> bytes) noexcept : guarded(end), bytes_(bytes) {}
    claimed_frame(claimed_frame &&) = default;

    std::span<std::byte> bytes() const noexcept { return bytes_; }
    status commit(std::uint32_t kind = 0) noexcept { return commit_first(bytes_.size(), kind); }
    status commit_first(std::size_t len, std::uint32_t kind = 0) noexcept {
        if (len > bytes_.size()) return quoit_i_no_claim();
        quoit_producer *end = this->take_end();
        // Another claim may be in another place.
        if (end == nullptr || end->claimed != bytes_.size() + 1) return quoit_i_no_claim();
        return quoit_commit_frame(end, kind, len);
    }

private:
    std::span<std::byte> bytes_;
};

/// A frame in place, which is released at the end of the scope.
class peeked_frame : detail::guarded<quoit_consumer> {
public:
    peeked_frame(quoit_consumer *end, const quoit_frame &frame) noexcept : guarded(end), frame_(frame) {}
    peeked_frame(peeked_frame &&) = default;
    ~peeked_frame() { (void)release(); }

    std::span<const std::byte> bytes() const noexcept { return std::as_bytes(std::span(frame_.data, frame_.len)); }
    std::uint32_t kind() const noexcept { return frame_.kind; }
    status release() noexcept {
        if (this->end_ == nullptr) return QUOIT_OK;
        quoit_consumer *end = this->take_end();
        return end == nullptr ? quoit_i_no_peek() : quoit_release_frame(end, &frame_);
    }
    /// Leaves it in the ring.
    void keep() noexcept { end_ = nullptr; }

private:
    quoit_frame frame_;
};

/// Length and kind of a frame that was popped.
struct popped {
    std::size_t len;
    std::uint32_t kind;
};

/// The endpoint that writes frames.
class frame_producer : public detail::writes<frame_producer, void>, public detail::opens<frame_producer, void> {
    friend detail::writes<frame_producer, void>;
    frame_producer() = default;

public:
    std::size_t max_frame_len() const noexcept { return handle_ ? handle_->max_frame : 0; }
    status try_push(std::span<const std::byte> payload, std::uint32_t kind = 0) noexcept {
        return quoit_try_push_frame(get(), kind, payload.data(), payload.size());
    }
    status push(std::span<const std::byte> payload, std::uint32_t kind = 0,
                time_limit time = forever) noexcept {
        return quoit_push_frame(get(), kind, payload.data(), payload.size(), time.nanoseconds());
    }
    result<claimed_frame> try_claim(std::size_t len) & noexcept {
        unsigned char *payload = nullptr;
        if (status s = quoit_try_claim_frame(get(), len, &payload); !s) return s;
        return claimed_frame(get(), std::as_writable_bytes(std::span(payload, len)));
    }
    /// Claims a frame, and waits for room.
    result<claimed_frame> claim(std::size_t len, time_limit time = forever) & noexcept {
        unsigned char *payload = nullptr;
        if (status s = quoit_claim_frame(get(), len, &payload, time.nanoseconds()); !s) return s;
        return claimed_frame(get(), std::as_writable_bytes(std::span(payload, len)));
    }
    /// Adds a frame to the batch that commit_batch() publishes at once. Another push or claim before that
    /// forgets the batch.
    status try_batch(std::span<const std::byte> payload, std::uint32_t kind = 0) noexcept {
        return quoit_try_batch_frame(get(), kind, payload.data(), payload.size());
    }
    status commit_batch() noexcept { return quoit_commit_batch(get()); }
    /// A descriptor that is readable as soon as there is room for a frame of `len` bytes, until the next
    /// other call. One that is too long is ready as soon as there is any: the push says why.
    result<int> arm(std::size_t len = 0) noexcept {
        return writes<frame_producer, void>::arm(quoit_frame_room(get(), len));
    }
};

/// The endpoint that reads frames.
class frame_consumer : public detail::reads<frame_consumer, void>, public detail::opens<frame_consumer, void> {
    friend detail::reads<frame_consumer, void>;
    frame_consumer() = default;

public:
    result<popped> try_pop(std::span<std::byte> buffer) noexcept {
        popped p{};
        if (status s = quoit_try_pop_frame(get(), buffer.data(), buffer.size(), &p.len, &p.kind); !s) return s;
        return p;
    }
    result<popped> pop(std::span<std::byte> buffer, time_limit time = forever) noexcept {
        popped p{};
        status s = quoit_pop_frame(get(), buffer.data(), buffer.size(), &p.len, &p.kind, time.nanoseconds());
        if (!s) return s;
        return p;
    }
    /// The next frame, in place.
    result<peeked_frame> try_peek() & noexcept {
        quoit_frame frame;
        if (status s = quoit_try_peek_frame(get(), &frame); !s) return s;
        return peeked_frame(get(), frame);
    }
    result<peeked_frame> peek(time_limit time = forever) & noexcept {
        quoit_frame frame;
        if (status s = quoit_peek_frame(get(), &frame, time.nanoseconds()); !s) return s;
        return peeked_frame(get(), frame);
    }
    /// Shows every frame that is there now to `visit(bytes, kind)`, then releases them with
    /// one store; returns how many. Nothing is released if `visit` throws.
    template <class Visit> result<std::size_t> drain(Visit visit) {
        quoit_frames frames;
        quoit_frame frame;
        if (status s = quoit_try_peek_frames(get(), &frames); !s) return s;
        status s;
        while ((s = quoit_next_frame(get(), &frames, &frame)))
            visit(std::as_bytes(std::span(frame.data, frame.len)), frame.kind);
        if (s != QUOIT_EMPTY) return s;
        const std::size_t count = frames.count;
        if (s = quoit_release_frames(get(), &frames); !s) return s;
        return count;
    }
    /// Releases all frames but the newest; returns how many.
    result<std::size_t> skip_to_latest() noexcept {
        std::size_t count = 0;
        if (status s = quoit_skip_to_latest_frame(get(), &count); !s) return s;
        return count;
    }
};

} // namespace quoit

#endif // C++20

#endif
