/* quoit: the fast path. quoit.h includes this file; include that one.
 *
 * Everything here is inline, and makes no system call but the wake of a peer that sleeps
 * (quoit_producer_moved, quoit_consumer_moved). Calls with a timeout wait in the library, and
 * may sleep there. It moves the own position in the public struct and in the ring, and calls
 * the library where there is nothing to do or the peer must be woken. README.md lists which
 * code stores to which field.
 *
 * For GCC and Clang, C11 and C++.
 */
#ifndef QUOIT_INLINE_H
#define QUOIT_INLINE_H

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUOIT_LIKELY(condition) __builtin_expect(!!(condition), 1)

#define QUOIT_PADDING UINT32_MAX

/* Takes the producer's role, at the position where the last producer stopped. */
static inline quoit_status quoit_ring_producer(const quoit_ring *ring, quoit_producer **producer) {
    return quoit_ring_producer_abi(ring, QUOIT_ABI, producer);
}

/* Takes the consumer's role, at the position where the last consumer stopped. */
static inline quoit_status quoit_ring_consumer(const quoit_ring *ring, quoit_consumer **consumer) {
    return quoit_ring_consumer_abi(ring, QUOIT_ABI, consumer);
}

/* The slots of a claim or a peek: `count` records at `first`, and `rest` more at `second`,
 * which is the beginning of the ring. */
typedef struct quoit_slots {
    unsigned char *first;
    size_t count;
    unsigned char *second;
    size_t rest;
} quoit_slots;

/* A frame in place. It is valid until it is released. */
typedef struct quoit_frame {
    const unsigned char *data;
    uint32_t len;
    uint32_t kind;
    uint64_t position; /* of the frame, with the padding before it */
    uint64_t end;      /* the position after it */
} quoit_frame;

/* Frames that one poll has found, to be visited one after the other. */
typedef struct quoit_frames {
    uint64_t begin;
    uint64_t next;
    uint64_t end;
    uint64_t count;
} quoit_frames;

/* ---- What the public calls are made of. They check no arguments. ---- */

/* Stores the tail, which moves by `units`, and checks whether the consumer sleeps. */
static inline __attribute__((always_inline)) quoit_status quoit_i_move_tail(quoit_producer *p, uint64_t tail,
                                                                            uint64_t units) {
    uint64_t *line = p->line;
    const uint32_t *peer = p->peer;
    p->tail = tail;
    /* publish -> ready: the bytes are visible before the position. */
    __atomic_store_n(line, tail, __ATOMIC_RELEASE);
    /* awake -> drowsy: the position is stored before the word is loaded. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (QUOIT_LIKELY(__atomic_load_n(peer, __ATOMIC_RELAXED) == p->calm)) return QUOIT_OK;
    return quoit_producer_moved(p, units);
}

static inline quoit_status quoit_i_publish(quoit_producer *p, uint64_t units) {
    return quoit_i_move_tail(p, p->tail + units, units);
}

/* The same for one message that is also copied into the tail's line. */
static inline quoit_status quoit_i_publish_inline(quoit_producer *p, uint64_t units,
                                                  const uint64_t *words, uint32_t count) {
    uint64_t *line = p->line;
    /* ride -> check: the position goes ahead of its words. */
    __atomic_store_n(line + 1, (p->tail + units) << 1 | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (uint32_t i = 0; i < count; i++) __atomic_store_n(line + 2 + i, words[i], __ATOMIC_RELAXED);
    return quoit_i_publish(p, units);
}

/* Room for this many records or bytes. */
static inline quoit_status quoit_i_room(quoit_producer *p, uint64_t wanted) {
    if (QUOIT_LIKELY(wanted <= p->end - p->tail)) return QUOIT_OK;
    return quoit_producer_poll(p, wanted);
}

/* Whether this many units were claimed, or added to the batch. Nothing is known of an armed endpoint:
 * a call of the library disarms it. */
static inline int quoit_i_has_room(quoit_producer *p, uint64_t units) {
    if (!QUOIT_LIKELY(units <= p->end - p->tail)) (void)quoit_producer_len(p);
    return units <= p->end - p->tail;
}

static inline unsigned char *quoit_i_slot(unsigned char *data, uint64_t mask, uint64_t position,
                                          size_t size) {
    return data + (position & mask) * size;
}

/* The slots of `count` records from a position on. */
static inline quoit_slots quoit_i_slots(unsigned char *data, uint64_t mask, uint64_t position,
                                        size_t count, size_t size) {
    uint64_t index = position & mask, before_wrap = mask + 1 - index;
    quoit_slots slots;
    slots.first = data + index * size;
    slots.count = count < before_wrap ? count : (size_t)before_wrap;
    slots.second = data;
    slots.rest = count - slots.count;
    return slots;
}

#if defined(__x86_64__)
typedef float quoit_i_lanes __attribute__((vector_size(16)));
typedef quoit_i_lanes quoit_i_half __attribute__((aligned(1), may_alias));

/* Copies 16 bytes, with two loads. */
static inline void quoit_i_copy_half(unsigned char *target, const unsigned char *source) {
    quoit_i_lanes half;
    __asm__ volatile(
#ifdef __AVX__
        "vmovq %1, %0\n\tvmovhps %2, %0, %0"
#else
        "movq %1, %0\n\tmovhps %2, %0"
#endif
        : "=&x"(half)
        : "m"(*(const unsigned char(*)[8])source), "m"(*(const unsigned char(*)[8])(source + 8)));
    *(quoit_i_half *)(void *)target = half;
}

/* Copies 8 bytes, with one load: the compiler knows nothing of the word, and merges no two. */
static inline void quoit_i_copy_word(unsigned char *target, const unsigned char *source) {
    uint64_t word;
    memcpy(&word, source, 8);
    __asm__("" : "+r"(word));
    memcpy(target, &word, 8);
}

/* Copies 16 bytes or more, eight with each load. The last may overlap those before. */
static inline void quoit_i_copy_by_eight(unsigned char *target, const unsigned char *source, size_t size) {
    if (size > 48) {
        size_t done = 0;
        for (; done + 64 <= size; done += 64) {
            quoit_i_copy_half(target + done, source + done);
            quoit_i_copy_half(target + done + 16, source + done + 16);
            quoit_i_copy_half(target + done + 32, source + done + 32);
            quoit_i_copy_half(target + done + 48, source + done + 48);
        }
        for (; done < size; done += 16) {
            size_t at = done < size - 16 ? done : size - 16;
            quoit_i_copy_half(target + at, source + at);
        }
        return;
    }
    quoit_i_copy_word(target, source);
    quoit_i_copy_word(target + 8, source + 8);
    if (size >= 24) quoit_i_copy_word(target + 16, source + 16);
    if (size >= 32) quoit_i_copy_word(target + 24, source + 24);
    if (size >= 40) quoit_i_copy_word(target + 32, source + 32);
    if (size % 8 != 0 || size == 48) quoit_i_copy_word(target + size - 8, source + size - 8);
}
#endif

/* Copies what the program has perhaps only just written. In a stream, such stores wait until those
 * to the lines of the message before are done, and a wide load of their bytes waits for all of them. A load
 * of eight bytes takes them from the store. For a consumer that waits, no store is late, and a long
 * message is copied with wide loads, which are fewer. */
static inline void quoit_i_copy_in(unsigned char *target, const void *source, size_t size,
                                   uint32_t peer_waits) {
#if defined(__x86_64__)
    if (size >= 16 && size <= 4096 && (size <= 256 || !peer_waits)) {
        quoit_i_copy_by_eight(target, (const unsigned char *)source, size);
        return;
    }
#else
    (void)peer_waits;
#endif
    if (size != 0) memcpy(target, source, size);
}

/* Takes the cache line at `address` from the consumer's processor, and changes nothing in it. A
 * prefetch does not do that for a line that this processor has, but only to be read. */
static inline void quoit_i_take_line(unsigned char *address) {
#if defined(__x86_64__)
    __asm__ volatile("orb $0, %0" : "+m"(*address) : : "cc");
#elif defined(__aarch64__)
    unsigned byte;
    __asm__ volatile("prfm pstl1keep, %0\n\tldrb %w1, %0\n\tstrb %w1, %0" : "+Q"(*address), "=&r"(byte));
#else
#error "quoit runs on x86-64 and aarch64"
#endif
}

/* Records of a group from a position on, of those that are known: whole lines, unless that leaves
 * none. */
static inline uint64_t quoit_i_group(uint64_t position, uint64_t known, uint64_t per_group,
                                     uint64_t per_line) {
    uint64_t units = known < per_group ? known : per_group;
    uint64_t beyond = (position + units) & (per_line - 1);
    return beyond < units ? units - beyond : units;
}

/* Whether the records that are known are a part of a line, on whose rest the peer is at work. */
static inline int quoit_i_is_scrap(uint64_t position, uint64_t known, uint64_t per_line) {
    return known < per_line - (position & (per_line - 1));
}

/* Takes the lines of some bytes, or asks for them. Little is between one line and the next, so that
 * the transfers overlap. Four in a row were faster on a processor far from the consumer's. */
static inline void quoit_i_lines_between(unsigned char *at, unsigned char *end, int takes) {
    do {
        if (takes) quoit_i_take_line(at);
        else __builtin_prefetch(at);
        if (takes && at + 256 < end) {
            quoit_i_take_line(at + 64);
            quoit_i_take_line(at + 128);
            quoit_i_take_line(at + 192);
            at += 192;
        }
        at += 64 - (uintptr_t)at % 64;
    } while (at < end);
}

/* The same for records of the ring, up to as many lines as are worth it. */
static inline void quoit_i_lines(unsigned char *data, const quoit_slots *slots, size_t size, int takes) {
    uint64_t most = 17 * 64, first = slots->count * size, rest = slots->rest * size;
    if (first > most) first = most;
    if (rest > most - first) rest = most - first;
    quoit_i_lines_between(slots->first, slots->first + first, takes);
    if (rest != 0) quoit_i_lines_between(data, data + rest, takes);
}

/* Takes the lines of a group of slots together, so that the transfers overlap. */
static inline void quoit_i_take_lines(quoit_producer *p) {
    uint64_t units = quoit_i_group(p->tail, p->end - p->tail, p->per_group, p->per_line);
    quoit_slots slots = quoit_i_slots(p->data, p->mask, p->tail, units, p->slot_size);
    quoit_i_lines(p->data, &slots, p->slot_size, 1);
    p->open = p->tail + units;
}

/* Opens the next slots. In a stream, the rest of a line that the consumer is at work on waits for
 * the next poll. */
static __attribute__((noinline, unused)) quoit_status quoit_i_go_on(quoit_producer *p) {
    uint64_t known = p->end - p->tail;
    if (known == 0 || (p->is_stream && quoit_i_is_scrap(p->tail, known, p->per_line))) {
        quoit_status status = quoit_producer_poll(p, 1);
        if (status != QUOIT_OK) return status;
    }
    quoit_i_take_lines(p);
    return QUOIT_OK;
}

/* After a record to a consumer that waits: opens the next slots, if the thread has time. */
static __attribute__((noinline, unused)) void quoit_i_prepare(quoit_producer *p) {
    if (p->end != p->tail && quoit_producer_was_idle(p)) quoit_i_take_lines(p);
}

/* Whether the next slot is free, and its line was taken. */
static inline int quoit_i_is_open(const quoit_producer *p) {
    return (int64_t)(p->open - p->tail) > 0;
}

/* The slot was written: also copies the record inline, if it fits, and opens the next slots. */
static inline quoit_status quoit_i_push_to_waiting(quoit_producer *p, const void *record, size_t size) {
    quoit_status status;
    if (size > 48 || p->inline_words == 0) {
        status = quoit_i_publish(p, 1);
    } else {
        uint64_t words[6] = {0};
        memcpy(words, record, size);
        status = quoit_i_publish_inline(p, 1, words, (uint32_t)((size + 7) / 8));
    }
    if (!quoit_i_is_open(p)) quoit_i_prepare(p);
    return status;
}

/* The position is loaded once: a store to the slot may be to any place, for the compiler. */
static inline __attribute__((always_inline)) quoit_status quoit_i_push(quoit_producer *p, const void *record,
                                                                       size_t size) {
    uint64_t tail = p->tail;
    if (!QUOIT_LIKELY((int64_t)(p->open - tail) > 0)) {
        quoit_status status = quoit_i_go_on(p);
        if (status != QUOIT_OK) return status;
    }
    uint32_t hint = p->hint;
    quoit_i_copy_in(quoit_i_slot(p->data, p->mask, tail, size), record, size, hint);
    if (QUOIT_LIKELY(!hint)) return quoit_i_move_tail(p, tail + 1, 1);
    return quoit_i_push_to_waiting(p, record, size);
}

/* Stores the head, and checks whether the producer sleeps. */
static inline quoit_status quoit_i_release(quoit_consumer *c, uint64_t units) {
    uint64_t *line = c->line;
    const uint32_t *peer = c->peer;
    uint64_t head = c->head + units;
    c->head = head;
    /* reclaim -> free: reading is over before the room is reused. */
    __atomic_store_n(line, head, __ATOMIC_RELEASE);
    /* awake -> drowsy: the position is stored before the word is loaded. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (QUOIT_LIKELY(__atomic_load_n(peer, __ATOMIC_RELAXED) == c->calm)) return QUOIT_OK;
    return quoit_consumer_moved(c);
}

/* Whether this many units were found. Nothing is known of an armed endpoint, as in quoit_i_has_room. */
static inline int quoit_i_has_seen(quoit_consumer *c, uint64_t units) {
    if (!QUOIT_LIKELY(units <= c->tail - c->head)) (void)quoit_consumer_len(c);
    return units <= c->tail - c->head;
}

/* Copies out of the ring, once: what the compiler does later, it does with the copy. */
static inline void quoit_i_copy_out(void *target, const void *source, size_t size) {
    memcpy(target, source, size);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline int quoit_i_is_inline(const quoit_consumer *c) {
    return c->inline_mark == (c->head << 1 | 1);
}

/* Asks for the lines of a group of seen records together, so that the transfers overlap. Of very
 * many the processor fetches the lines ahead by itself. */
static __attribute__((noinline, unused)) void quoit_i_open_seen(quoit_consumer *c) {
    const uint64_t size = c->slot_size;
    uint64_t units = c->tail - c->head;
    if (units * size <= 8192) {
        units = quoit_i_group(c->head, units, c->per_group, c->per_line);
        quoit_slots slots = quoit_i_slots(c->data, c->mask, c->head, units, size);
        quoit_i_lines(c->data, &slots, size, 0);
    }
    c->open = c->head + units;
}

/* Whether the next record was seen, and its line was asked for. */
static inline int quoit_i_is_open_to_read(const quoit_consumer *c) {
    return (int64_t)(c->open - c->head) > 0;
}

/* Opens the next records, at least one, or finds the inline copy of one. In a stream, the rest of
 * a line that the producer is at work on waits for the next poll. */
static __attribute__((noinline, unused)) quoit_status quoit_i_read_on(quoit_consumer *c) {
    uint64_t seen = c->tail - c->head;
    if (seen == 0 || (c->is_stream && quoit_i_is_scrap(c->head, seen, c->per_line))) {
        quoit_status status = quoit_consumer_poll(c, 1);
        if (status != QUOIT_OK) return status;
    }
    if (!quoit_i_is_inline(c)) quoit_i_open_seen(c);
    return QUOIT_OK;
}

/* Pops the record that was found outside of the fast path. If there is an inline copy, the line of
 * the slot stays with the producer. */
static inline quoit_status quoit_i_pop_found(quoit_consumer *c, void *record, size_t size) {
    if (size <= sizeof c->inline_words && quoit_i_is_inline(c)) memcpy(record, c->inline_words, size);
    else quoit_i_copy_out(record, quoit_i_slot(c->data, c->mask, c->head, size), size);
    return quoit_i_release(c, 1);
}

static inline quoit_status quoit_i_pop(quoit_consumer *c, void *record, size_t size) {
    if (QUOIT_LIKELY(quoit_i_is_open_to_read(c))) {
        quoit_i_copy_out(record, quoit_i_slot(c->data, c->mask, c->head, size), size);
        return quoit_i_release(c, 1);
    }
    quoit_status status = quoit_i_read_on(c);
    return status == QUOIT_OK ? quoit_i_pop_found(c, record, size) : status;
}

/* Makes sure that there is a record. */
static inline quoit_status quoit_i_find(quoit_consumer *c) {
    return QUOIT_LIKELY(quoit_i_is_open_to_read(c)) ? QUOIT_OK : quoit_i_read_on(c);
}

static inline uint64_t quoit_i_frame_size(uint64_t len) {
    return (len + 15) & ~(uint64_t)7;
}

static inline uint64_t *quoit_i_word(unsigned char *data, uint64_t offset) {
    return (uint64_t *)(void *)(data + offset);
}

/* Where a frame of this length goes after `ahead` bytes that are not published yet. */
typedef struct quoit_i_place {
    uint64_t padding;
    uint64_t offset;
    uint64_t units;
} quoit_i_place;

static inline quoit_i_place quoit_i_place_of(const quoit_producer *p, uint64_t ahead, uint64_t len) {
    uint64_t size = quoit_i_frame_size(len), offset = (p->tail + ahead) & p->mask;
    uint64_t rest = p->mask + 1 - offset;
    quoit_i_place place;
    int fits = size <= rest;
    place.padding = fits ? 0 : rest;
    place.offset = fits ? offset : 0;
    place.units = place.padding + size;
    return place;
}

/* Before a frame is published: forgets the one that is claimed, and the batch. Both begin where
 * this frame does. */
static inline void quoit_i_forget(quoit_producer *p) {
    if (!QUOIT_LIKELY((p->claimed | p->pending) == 0)) p->claimed = p->pending = 0;
}

/* Stores padding, header and the zeros after the payload. */
static inline void quoit_i_seal(quoit_producer *p, quoit_i_place place, uint32_t kind, uint64_t len) {
    unsigned char *data = p->data;
    if (place.padding != 0)
        __atomic_store_n(quoit_i_word(data, p->mask + 1 - place.padding), QUOIT_PADDING, __ATOMIC_RELAXED);
    uint64_t rest = (0 - len) & 7;
    memset(data + place.offset + 8 + len, 0, rest);
    __atomic_store_n(quoit_i_word(data, place.offset), len | (uint64_t)kind << 32, __ATOMIC_RELAXED);
}

/* Publishes a frame that is in its place; inline as well, if it is short. */
static inline quoit_status quoit_i_publish_frame(quoit_producer *p, quoit_i_place place, uint64_t len) {
    if (QUOIT_LIKELY(!p->hint) || len > 40) return quoit_i_publish(p, place.units);
    uint64_t words[6], size = quoit_i_frame_size(len);
    memcpy(words, p->data + place.offset, size);
    return quoit_i_publish_inline(p, place.units, words, (uint32_t)(size / 8));
}

/* Poisons the endpoint. */
static inline quoit_status quoit_i_corrupt(quoit_consumer *c, uint32_t field, uint64_t found) {
    (void)quoit_consumer_poison(c, field, found);
    return QUOIT_CORRUPT; /* a constant: so the compiler sees that no frame was found */
}

/* The frame at a position below `end`. */
static inline quoit_status quoit_i_parse(quoit_consumer *c, uint64_t position, uint64_t end,
                                         quoit_frame *frame) {
    uint64_t at = position, left = end - position, header;
    for (int is_padded = 0;; is_padded = 1) {
        uint64_t offset = at & c->mask, rest = c->mask + 1 - offset;
        if (left < 8) return quoit_i_corrupt(c, QUOIT_FIELD_TAIL, end);
        header = __atomic_load_n(quoit_i_word(c->data, offset), __ATOMIC_RELAXED);
        uint32_t len = (uint32_t)header;
        if (QUOIT_LIKELY(len != QUOIT_PADDING)) {
            uint64_t size = quoit_i_frame_size(len);
            if (size > left || size > rest)
                return quoit_i_corrupt(c, QUOIT_FIELD_FRAME_LENGTH, len);
            frame->data = c->data + offset + 8;
            frame->len = len;
            frame->kind = (uint32_t)(header >> 32);
            frame->position = position;
            frame->end = at + size;
            return QUOIT_OK;
        }
        if (is_padded || left <= rest) return quoit_i_corrupt(c, QUOIT_FIELD_PADDING, len);
        at += rest;
        left -= rest;
    }
}

/* The frame at the head. */
static inline quoit_status quoit_i_find_frame(quoit_consumer *c, quoit_frame *frame) {
    if (c->tail == c->head) {
        quoit_status status = quoit_consumer_poll(c, 1);
        if (status != QUOIT_OK) return status;
        if (!quoit_i_is_inline(c)) {
            /* The lines after the last byte are the producer's. */
            uint64_t last = c->tail - c->head - 1;
            for (uint64_t ahead = 64; ahead < 1088 && ahead < last + 64; ahead += 64)
                __builtin_prefetch(c->data + ((c->head + (ahead < last ? ahead : last)) & c->mask));
        }
    }
    if (quoit_i_is_inline(c)) {
        frame->len = (uint32_t)c->inline_words[0];
        frame->kind = (uint32_t)(c->inline_words[0] >> 32);
        frame->data = (const unsigned char *)(c->inline_words + 1);
        frame->position = c->head;
        frame->end = c->head + quoit_i_frame_size(frame->len);
        return QUOIT_OK;
    }
    return quoit_i_parse(c, c->head, c->tail, frame);
}

/* Refuses an argument, and says why for quoit_last_error. */
static inline quoit_status quoit_i_refuse(const char *why) {
    (void)quoit_invalid(why);
    return QUOIT_INVALID; /* a constant: so the compiler sees that nothing was found */
}

static inline quoit_status quoit_i_no_records(void) {
    return quoit_i_refuse("a pointer is null, or the ring does not hold records of this size; "
                          "pass an endpoint of such a ring");
}

static inline quoit_status quoit_i_no_frames(void) {
    return quoit_i_refuse("a pointer is null, or the ring does not hold frames; pass an endpoint of such a ring");
}

static inline quoit_status quoit_i_no_claim(void) {
    return quoit_i_refuse("this was not claimed, or another call has ended the claim; claim again");
}

static inline quoit_status quoit_i_no_peek(void) {
    return quoit_i_refuse("this was not peeked, or another call has ended the peek; peek again");
}

/* ---- Records ---- */

/* Pushes a record if there is room now. `size` is that of the ring's records; with a size
 * that the compiler knows, it is a few instructions. */
static inline __attribute__((always_inline)) quoit_status quoit_try_push(quoit_producer *producer, const void *record,
                                                                         size_t size) {
    if (producer == NULL || record == NULL || size != producer->slot_size || size == 0)
        return quoit_i_no_records();
    return quoit_i_push(producer, record, size);
}

/* Waits for room, and pushes a record. */
static __attribute__((noinline, unused)) quoit_status quoit_i_push_later(quoit_producer *p, const void *record,
                                                                         size_t size, uint64_t timeout_ns) {
    quoit_status status = quoit_producer_wait(p, 1, timeout_ns);
    return status == QUOIT_OK ? quoit_i_push(p, record, size) : status;
}

/* Pushes a record, and waits for room up to `timeout_ns`, or QUOIT_FOREVER. */
static inline __attribute__((always_inline)) quoit_status quoit_push(quoit_producer *producer, const void *record,
                                                                     size_t size, uint64_t timeout_ns) {
    quoit_status status = quoit_try_push(producer, record, size);
    if (QUOIT_LIKELY(status != QUOIT_FULL && status != QUOIT_ABANDONED)) return status;
    return quoit_i_push_later(producer, record, size, timeout_ns);
}

/* Claims up to `count` slots, as many as are free now, at least one; `count` is 0 or more.
 * quoit_commit publishes them; a claim that is not committed publishes nothing. */
static inline quoit_status quoit_try_claim(quoit_producer *producer, size_t count, quoit_slots *slots) {
    if (producer == NULL || slots == NULL || producer->slot_size == 0) return quoit_i_no_records();
    if (count == 1 ? !quoit_i_is_open(producer) : count > producer->end - producer->tail) {
        quoit_status status = count == 1 ? quoit_i_go_on(producer) : quoit_producer_poll(producer, 1);
        if (status != QUOIT_OK) return status;
    }
    uint64_t room = producer->end - producer->tail;
    if (count > room) count = (size_t)room;
    *slots = quoit_i_slots(producer->data, producer->mask, producer->tail, count, producer->slot_size);
    return QUOIT_OK;
}

/* Claims exactly `count` slots, and waits for room. */
static inline quoit_status quoit_claim(quoit_producer *producer, size_t count, quoit_slots *slots,
                                       uint64_t timeout_ns) {
    if (producer == NULL || slots == NULL || producer->slot_size == 0) return quoit_i_no_records();
    if (count > producer->end - producer->tail) {
        quoit_status status = quoit_producer_wait(producer, count, timeout_ns);
        if (status != QUOIT_OK) return status;
    }
    *slots = quoit_i_slots(producer->data, producer->mask, producer->tail, count, producer->slot_size);
    return QUOIT_OK;
}

/* Publishes the first `count` slots of a claim. */
static inline quoit_status quoit_commit(quoit_producer *producer, size_t count) {
    if (producer == NULL || producer->slot_size == 0) return quoit_i_no_records();
    if (!quoit_i_has_room(producer, count)) return quoit_i_no_claim();
    if (count == 0) return QUOIT_OK;
    if (count == 1 && producer->hint && producer->inline_words != 0) {
        uint64_t words[6] = {0};
        size_t size = (size_t)producer->slot_size;
        if (size <= sizeof words) {
            memcpy(words, quoit_i_slot(producer->data, producer->mask, producer->tail, size), size);
            return quoit_i_publish_inline(producer, 1, words, producer->inline_words);
        }
    }
    return quoit_i_publish(producer, count);
}

/* Pushes as many of `count` records as there is room for now, with one publish; stores how
 * many. */
static inline quoit_status quoit_try_push_many(quoit_producer *producer, const void *records,
                                               size_t size, size_t count, size_t *pushed) {
    quoit_slots slots;
    if (producer == NULL || pushed == NULL || size != producer->slot_size || size == 0 ||
        (records == NULL && count != 0))
        return quoit_i_no_records();
    *pushed = 0;
    if (count == 0) return QUOIT_OK;
    /* Hides how many there are of which object: GCC would warn of the copies that this excludes. */
    __asm__("" : "+r"(records), "+r"(count));
    quoit_status status = quoit_try_claim(producer, count, &slots);
    if (status != QUOIT_OK) return status;
    const unsigned char *rest = (const unsigned char *)records + slots.count * size;
    quoit_i_copy_in(slots.first, records, slots.count * size, producer->hint);
    quoit_i_copy_in(slots.second, rest, slots.rest * size, producer->hint);
    status = quoit_commit(producer, slots.count + slots.rest);
    if (status == QUOIT_OK) *pushed = slots.count + slots.rest;
    return status;
}

/* Pops a record if there is one now. */
static inline quoit_status quoit_try_pop(quoit_consumer *consumer, void *record, size_t size) {
    if (consumer == NULL || record == NULL || size != consumer->slot_size || size == 0)
        return quoit_i_no_records();
    return quoit_i_pop(consumer, record, size);
}

/* Pops a record, and waits for one up to `timeout_ns`, or QUOIT_FOREVER. */
static inline quoit_status quoit_pop(quoit_consumer *consumer, void *record, size_t size,
                                     uint64_t timeout_ns) {
    if (consumer == NULL || record == NULL || size != consumer->slot_size || size == 0)
        return quoit_i_no_records();
    if (consumer->tail == consumer->head) {
        quoit_status status = quoit_consumer_wait(consumer, 1, timeout_ns);
        if (status != QUOIT_OK) return status;
        if (!quoit_i_is_inline(consumer)) quoit_i_open_seen(consumer);
        return quoit_i_pop_found(consumer, record, size);
    }
    return quoit_i_pop(consumer, record, size);
}

/* Finds the next record in place, if there is one now. quoit_release frees its slot. The
 * producer can change it while it is read, if it breaks the rules. */
static inline quoit_status quoit_try_peek(quoit_consumer *consumer, const void **record) {
    if (consumer == NULL || record == NULL || consumer->slot_size == 0) return quoit_i_no_records();
    quoit_status status = quoit_i_find(consumer);
    if (status != QUOIT_OK) return status;
    *record = quoit_i_is_inline(consumer)
                  ? (const void *)consumer->inline_words
                  : quoit_i_slot(consumer->data, consumer->mask, consumer->head, consumer->slot_size);
    return QUOIT_OK;
}

/* Finds every record that is there now, at least one, in place. */
static inline quoit_status quoit_try_peek_many(quoit_consumer *consumer, quoit_slots *slots) {
    if (consumer == NULL || slots == NULL || consumer->slot_size == 0) return quoit_i_no_records();
    quoit_status status = quoit_consumer_poll(consumer, 1);
    if (status != QUOIT_OK) return status;
    *slots = quoit_i_slots(consumer->data, consumer->mask, consumer->head,
                           (size_t)(consumer->tail - consumer->head), consumer->slot_size);
    return QUOIT_OK;
}

/* Releases the first `count` records that a peek or a poll has found. */
static inline quoit_status quoit_release(quoit_consumer *consumer, size_t count) {
    if (consumer == NULL || consumer->slot_size == 0) return quoit_i_no_records();
    if (!quoit_i_has_seen(consumer, count)) return quoit_i_no_peek();
    return count == 0 ? QUOIT_OK : quoit_i_release(consumer, count);
}

/* Pops as many records as there are now, at most `count`, with one release; stores how
 * many. */
static inline quoit_status quoit_try_pop_many(quoit_consumer *consumer, void *records, size_t size,
                                              size_t count, size_t *popped) {
    if (consumer == NULL || popped == NULL || size != consumer->slot_size || size == 0 ||
        (records == NULL && count != 0))
        return quoit_i_no_records();
    *popped = 0;
    if (count == 0) return QUOIT_OK;
    if (count > consumer->tail - consumer->head) {
        quoit_status status = quoit_consumer_poll(consumer, 1);
        if (status != QUOIT_OK) return status;
    }
    uint64_t unread = consumer->tail - consumer->head;
    if (count > unread) count = (size_t)unread;
    quoit_slots slots = quoit_i_slots(consumer->data, consumer->mask, consumer->head, count, size);
    quoit_i_copy_out(records, slots.first, slots.count * size);
    quoit_i_copy_out((unsigned char *)records + slots.count * size, slots.second, slots.rest * size);
    *popped = count;
    return quoit_i_release(consumer, count);
}

/* Releases every record that is there now but the newest; stores how many. */
static inline quoit_status quoit_skip_to_latest(quoit_consumer *consumer, size_t *skipped) {
    quoit_slots slots;
    if (skipped == NULL) return quoit_i_no_records();
    quoit_status status = quoit_try_peek_many(consumer, &slots);
    if (status != QUOIT_OK) return status;
    *skipped = slots.count + slots.rest - 1;
    return quoit_release(consumer, *skipped);
}

/* ---- Frames ---- */

/* Pushes a frame if there is room now. `payload` may be null if `len` is 0. */
static inline quoit_status quoit_try_push_frame(quoit_producer *producer, uint32_t kind,
                                                const void *payload, size_t len) {
    if (producer == NULL || producer->slot_size != 0 || (payload == NULL && len != 0))
        return quoit_i_no_frames();
    if (len > producer->max_frame) return QUOIT_TOO_LONG;
    quoit_i_place place = quoit_i_place_of(producer, 0, len);
    quoit_status status = quoit_i_room(producer, place.units);
    if (status != QUOIT_OK) return status;
    unsigned char *data = producer->data;
    quoit_i_forget(producer);
    if (len > 40) {
        quoit_i_copy_in(data + place.offset + 8, payload, len, producer->hint);
        quoit_i_seal(producer, place, kind, len);
        return quoit_i_publish(producer, place.units);
    }
    uint64_t words[6] = {0}, size = quoit_i_frame_size(len);
    words[0] = len | (uint64_t)kind << 32;
    if (len != 0) memcpy(words + 1, payload, len);
    if (place.padding != 0)
        __atomic_store_n(quoit_i_word(data, producer->mask + 1 - place.padding), QUOIT_PADDING,
                         __ATOMIC_RELAXED);
    for (uint64_t i = 0; i < size / 8; i++)
        __atomic_store_n(quoit_i_word(data, place.offset) + i, words[i], __ATOMIC_RELAXED);
    if (QUOIT_LIKELY(!producer->hint)) return quoit_i_publish(producer, place.units);
    return quoit_i_publish_inline(producer, place.units, words, (uint32_t)(size / 8));
}

/* Pushes a frame, and waits for room up to `timeout_ns`, or QUOIT_FOREVER. */
static inline quoit_status quoit_push_frame(quoit_producer *producer, uint32_t kind,
                                            const void *payload, size_t len, uint64_t timeout_ns) {
    quoit_status status = quoit_try_push_frame(producer, kind, payload, len);
    if (status != QUOIT_FULL && status != QUOIT_ABANDONED) return status;
    status = quoit_producer_wait(producer, quoit_i_place_of(producer, 0, len).units, timeout_ns);
    return status == QUOIT_OK ? quoit_try_push_frame(producer, kind, payload, len) : status;
}

/* Bytes of room that a frame of `len` bytes needs at the place where it would go now, for
 * quoit_producer_wait, quoit_producer_arm and quoit_interest. 0 for null, and for a frame that is too
 * long, which the push then says. */
static inline uint64_t quoit_frame_room(const quoit_producer *producer, size_t len) {
    if (producer == NULL || producer->slot_size != 0 || len > producer->max_frame) return 0;
    return quoit_i_place_of(producer, 0, len).units;
}

/* Claims a frame of `len` bytes, to be filled in place, if there is room now. A claim that
 * is not committed publishes nothing. */
static inline quoit_status quoit_try_claim_frame(quoit_producer *producer, size_t len,
                                                 unsigned char **payload) {
    if (producer == NULL || payload == NULL || producer->slot_size != 0) return quoit_i_no_frames();
    if (len > producer->max_frame) return QUOIT_TOO_LONG;
    quoit_i_place place = quoit_i_place_of(producer, 0, len);
    quoit_status status = quoit_i_room(producer, place.units);
    if (status != QUOIT_OK) return status;
    producer->claimed = len + 1;
    producer->pending = 0;
    *payload = producer->data + place.offset + 8;
    return QUOIT_OK;
}

/* Claims a frame, and waits for room up to `timeout_ns`, or QUOIT_FOREVER. */
static inline quoit_status quoit_claim_frame(quoit_producer *producer, size_t len,
                                             unsigned char **payload, uint64_t timeout_ns) {
    quoit_status status = quoit_try_claim_frame(producer, len, payload);
    if (status != QUOIT_FULL && status != QUOIT_ABANDONED) return status;
    status = quoit_producer_wait(producer, quoit_i_place_of(producer, 0, len).units, timeout_ns);
    return status == QUOIT_OK ? quoit_try_claim_frame(producer, len, payload) : status;
}

/* Publishes the first `len` bytes of the frame that was claimed last, unless another frame was
 * pushed since. */
static inline quoit_status quoit_commit_frame(quoit_producer *producer, uint32_t kind, size_t len) {
    if (producer == NULL || producer->slot_size != 0) return quoit_i_no_frames();
    if (len >= producer->claimed) return quoit_i_no_claim();
    quoit_i_place place = quoit_i_place_of(producer, 0, producer->claimed - 1);
    if (!quoit_i_has_room(producer, place.units)) return quoit_i_no_claim();
    producer->claimed = 0;
    quoit_i_seal(producer, place, kind, len);
    place.units = place.padding + quoit_i_frame_size(len);
    return quoit_i_publish_frame(producer, place, len);
}

/* Adds a frame to the batch that quoit_commit_batch publishes, if there is room now. QUOIT_FULL leaves
 * the batch as it is: publish it, then wait for room. A push or a claim of another frame before that
 * forgets the batch. */
static inline quoit_status quoit_try_batch_frame(quoit_producer *producer, uint32_t kind,
                                                 const void *payload, size_t len) {
    if (producer == NULL || producer->slot_size != 0 || (payload == NULL && len != 0))
        return quoit_i_no_frames();
    if (len > producer->max_frame) return QUOIT_TOO_LONG;
    quoit_i_place place = quoit_i_place_of(producer, producer->pending, len);
    quoit_status status = quoit_i_room(producer, producer->pending + place.units);
    /* The batch is too long then, and not the frame. */
    if (status != QUOIT_OK) return status == QUOIT_TOO_LONG ? QUOIT_FULL : status;
    producer->claimed = 0;
    quoit_i_copy_in(producer->data + place.offset + 8, payload, len, producer->hint);
    quoit_i_seal(producer, place, kind, len);
    producer->pending += place.units;
    return QUOIT_OK;
}

/* Publishes the batch at once; an empty one publishes nothing. */
static inline quoit_status quoit_commit_batch(quoit_producer *producer) {
    if (producer == NULL || producer->slot_size != 0) return quoit_i_no_frames();
    uint64_t units = producer->pending;
    producer->pending = 0;
    if (!quoit_i_has_room(producer, units)) return quoit_i_no_claim();
    return units == 0 ? QUOIT_OK : quoit_i_publish(producer, units);
}

/* Finds the next frame in place, if there is one now. quoit_release_frame frees its room.
 * The producer can change it while it is read, if it breaks the rules. */
static inline quoit_status quoit_try_peek_frame(quoit_consumer *consumer, quoit_frame *frame) {
    if (consumer == NULL || frame == NULL || consumer->slot_size != 0) return quoit_i_no_frames();
    return quoit_i_find_frame(consumer, frame);
}

/* Finds the next frame in place, and waits for one up to `timeout_ns`, or QUOIT_FOREVER. */
static inline quoit_status quoit_peek_frame(quoit_consumer *consumer, quoit_frame *frame,
                                            uint64_t timeout_ns) {
    quoit_status status = quoit_try_peek_frame(consumer, frame);
    if (status != QUOIT_EMPTY && status != QUOIT_ABANDONED) return status;
    status = quoit_consumer_wait(consumer, 1, timeout_ns);
    return status == QUOIT_OK ? quoit_i_find_frame(consumer, frame) : status;
}

/* Releases the frame that a peek has found. It is the next one, or nothing happens. */
static inline quoit_status quoit_release_frame(quoit_consumer *consumer, const quoit_frame *frame) {
    if (consumer == NULL || frame == NULL || consumer->slot_size != 0) return quoit_i_no_frames();
    uint64_t units = frame->end - consumer->head;
    if (frame->position != consumer->head || !quoit_i_has_seen(consumer, units) || units % 8 != 0)
        return quoit_i_no_peek();
    return quoit_i_release(consumer, units);
}

/* Pops a frame into a buffer of `size` bytes, if there is one now; stores its length and its
 * kind, which may be null. QUOIT_TOO_SHORT leaves the frame in the ring, and stores its
 * length as well. */
static inline quoit_status quoit_try_pop_frame(quoit_consumer *consumer, void *buffer, size_t size,
                                               size_t *len, uint32_t *kind) {
    quoit_frame frame;
    if (consumer == NULL || len == NULL || (buffer == NULL && size != 0) || consumer->slot_size != 0)
        return quoit_i_no_frames();
    quoit_status status = quoit_i_find_frame(consumer, &frame);
    if (status != QUOIT_OK) return status;
    *len = frame.len;
    if (kind != NULL) *kind = frame.kind;
    if (frame.len > size) return QUOIT_TOO_SHORT;
    if (frame.len != 0) quoit_i_copy_out(buffer, frame.data, frame.len);
    return quoit_i_release(consumer, frame.end - consumer->head);
}

/* Pops a frame, and waits for one up to `timeout_ns`, or QUOIT_FOREVER. */
static inline quoit_status quoit_pop_frame(quoit_consumer *consumer, void *buffer, size_t size,
                                           size_t *len, uint32_t *kind, uint64_t timeout_ns) {
    quoit_status status = quoit_try_pop_frame(consumer, buffer, size, len, kind);
    if (status != QUOIT_EMPTY && status != QUOIT_ABANDONED) return status;
    status = quoit_consumer_wait(consumer, 1, timeout_ns);
    return status == QUOIT_OK ? quoit_try_pop_frame(consumer, buffer, size, len, kind) : status;
}

/* Begins to visit the frames that are there now, at least one. */
static inline quoit_status quoit_try_peek_frames(quoit_consumer *consumer, quoit_frames *frames) {
    if (consumer == NULL || frames == NULL || consumer->slot_size != 0) return quoit_i_no_frames();
    quoit_status status = quoit_consumer_poll(consumer, 1);
    if (status != QUOIT_OK) return status;
    frames->begin = frames->next = consumer->head;
    frames->end = consumer->tail;
    frames->count = 0;
    return QUOIT_OK;
}

/* Visits the next frame, in place; QUOIT_EMPTY after the last. */
static inline quoit_status quoit_next_frame(quoit_consumer *consumer, quoit_frames *frames,
                                            quoit_frame *frame) {
    if (consumer == NULL || frames == NULL || frame == NULL || consumer->slot_size != 0)
        return quoit_i_no_frames();
    if (frames->begin != consumer->head) return quoit_i_no_peek();
    if (frames->next == frames->end) return QUOIT_EMPTY;
    quoit_status status = quoit_i_parse(consumer, frames->next, frames->end, frame);
    if (status != QUOIT_OK) return status;
    frames->next = frame->end;
    frames->count++;
    return QUOIT_OK;
}

/* Releases the frames that were visited. */
static inline quoit_status quoit_release_frames(quoit_consumer *consumer, quoit_frames *frames) {
    if (consumer == NULL || frames == NULL || consumer->slot_size != 0) return quoit_i_no_frames();
    if (frames->begin != consumer->head) return quoit_i_no_peek();
    uint64_t units = frames->next - frames->begin;
    if (!quoit_i_has_seen(consumer, units)) return quoit_i_no_peek();
    frames->begin = frames->next;
    return units == 0 ? QUOIT_OK : quoit_i_release(consumer, units);
}

/* Releases every frame that is there now but the newest; stores how many. */
static inline quoit_status quoit_skip_to_latest_frame(quoit_consumer *consumer, size_t *skipped) {
    quoit_frames frames;
    quoit_frame frame;
    if (skipped == NULL) return quoit_i_no_frames();
    quoit_status status = quoit_try_peek_frames(consumer, &frames);
    if (status != QUOIT_OK) return status;
    uint64_t newest = frames.begin;
    while ((status = quoit_next_frame(consumer, &frames, &frame)) == QUOIT_OK) newest = frame.position;
    if (status != QUOIT_EMPTY) return status;
    *skipped = (size_t)frames.count - 1;
    frames.next = newest;
    return quoit_release_frames(consumer, &frames);
}

#ifdef __cplusplus
}
#endif

#endif
