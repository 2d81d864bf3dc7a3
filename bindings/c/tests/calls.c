/* Every call of the C ABI that the matrix does not make, and every misuse that has an
 * answer. Run under AddressSanitizer and UndefinedBehaviorSanitizer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, quoit_last_error());         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define IS(call, expected)                                                                         \
    do {                                                                                           \
        quoit_status is = (call);                                                                  \
        if (is != (expected)) {                                                                    \
            printf("%s:%d: %s is %d (%s): %s\n", __FILE__, __LINE__, #call, (int)is,               \
                   quoit_status_text(is), quoit_last_error());                                     \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define OK(call) IS(call, QUOIT_OK)

static char name[64];

static quoit_options *records(void) {
    quoit_options *options = quoit_options_new();
    CHECK(options != NULL);
    OK(quoit_options_records(options, 8, 8, "u64"));
    OK(quoit_options_capacity(options, 8));
    return options;
}

static quoit_options *frames(void) {
    quoit_options *options = quoit_options_new();
    OK(quoit_options_frames(options, NULL));
    OK(quoit_options_capacity(options, 256));
    return options;
}

struct pair {
    quoit_ring *ring;
    quoit_producer *p;
    quoit_consumer *c;
};

static struct pair open_pair(quoit_options *options) {
    struct pair pair;
    OK(quoit_create_anonymous(options, &pair.ring));
    OK(quoit_ring_producer(pair.ring, &pair.p));
    OK(quoit_ring_consumer(pair.ring, &pair.c));
    quoit_options_free(options);
    return pair;
}

static void close_pair(struct pair pair) {
    quoit_producer_free(pair.p);
    quoit_consumer_free(pair.c);
    quoit_ring_free(pair.ring);
}

static void versions_and_texts(const char *version) {
    CHECK(quoit_abi_version() == QUOIT_ABI);
    CHECK(quoit_layout_version() == 1);
    CHECK(strcmp(quoit_version(), version) == 0);
    for (int status = QUOIT_OK; status <= QUOIT_INTERNAL; status++) {
        const char *text = quoit_status_text(status);
        CHECK(strlen(text) > 8 && strcmp(text, "there is no such status") != 0);
        for (int other = QUOIT_OK; other < status; other++)
            CHECK(strcmp(text, quoit_status_text(other)) != 0);
    }
    CHECK(strcmp(quoit_status_text(-1), "there is no such status") == 0);
    CHECK(strcmp(quoit_status_text(QUOIT_INTERNAL + 1), "there is no such status") == 0);
}

static void nulls(void) {
    quoit_ring *ring;
    quoit_producer *p;
    quoit_consumer *c;
    quoit_slots slots;
    quoit_frame frame;
    quoit_frames many;
    uint64_t value = 0, found;
    size_t size;
    unsigned char *bytes;
    const void *record;
    const char *field;
    int fd;
    quoit_options *options = records();
    IS(quoit_options_records(NULL, 8, 8, "a"), QUOIT_INVALID);
    IS(quoit_options_records(options, 8, 8, NULL), QUOIT_INVALID);
    IS(quoit_options_frames(NULL, NULL), QUOIT_INVALID);
    IS(quoit_options_capacity(NULL, 8), QUOIT_INVALID);
    IS(quoit_create(options, NULL, &ring), QUOIT_INVALID);
    CHECK(ring == NULL);
    IS(quoit_create(options, name, NULL), QUOIT_INVALID);
    IS(quoit_create(NULL, name, &ring), QUOIT_INVALID);
    IS(quoit_open_descriptor(options, -1, &ring), QUOIT_INVALID);
    IS(quoit_receive(-1, options, &ring), QUOIT_INVALID);
    IS(quoit_send(0, NULL), QUOIT_INVALID);
    IS(quoit_ring_producer(NULL, &p), QUOIT_INVALID);
    IS(quoit_ring_consumer(NULL, &c), QUOIT_INVALID);
    IS(quoit_ring_unlink(NULL), QUOIT_INVALID);
    IS(quoit_ring_sync(NULL), QUOIT_INVALID);
    IS(quoit_unlink(NULL), QUOIT_INVALID);
    CHECK(quoit_ring_name(NULL) == NULL && quoit_ring_capacity(NULL) == 0);
    CHECK(quoit_ring_descriptor(NULL) == -1 && quoit_ring_incarnation(NULL) == 0);
    IS(quoit_try_push(NULL, &value, 8), QUOIT_INVALID);
    IS(quoit_push(NULL, &value, 8, 0), QUOIT_INVALID);
    IS(quoit_try_claim(NULL, 1, &slots), QUOIT_INVALID);
    IS(quoit_claim(NULL, 1, &slots, 0), QUOIT_INVALID);
    IS(quoit_commit(NULL, 1), QUOIT_INVALID);
    IS(quoit_try_push_many(NULL, &value, 8, 1, &size), QUOIT_INVALID);
    IS(quoit_try_pop(NULL, &value, 8), QUOIT_INVALID);
    IS(quoit_pop(NULL, &value, 8, 0), QUOIT_INVALID);
    IS(quoit_try_peek(NULL, &record), QUOIT_INVALID);
    IS(quoit_try_peek_many(NULL, &slots), QUOIT_INVALID);
    IS(quoit_release(NULL, 1), QUOIT_INVALID);
    IS(quoit_try_pop_many(NULL, &value, 8, 1, &size), QUOIT_INVALID);
    IS(quoit_skip_to_latest(NULL, &size), QUOIT_INVALID);
    IS(quoit_try_push_frame(NULL, 0, "", 0), QUOIT_INVALID);
    IS(quoit_push_frame(NULL, 0, "", 0, 0), QUOIT_INVALID);
    IS(quoit_try_claim_frame(NULL, 0, &bytes), QUOIT_INVALID);
    IS(quoit_commit_frame(NULL, 0, 0), QUOIT_INVALID);
    IS(quoit_try_batch_frame(NULL, 0, "", 0), QUOIT_INVALID);
    IS(quoit_commit_batch(NULL), QUOIT_INVALID);
    IS(quoit_try_peek_frame(NULL, &frame), QUOIT_INVALID);
    IS(quoit_peek_frame(NULL, &frame, 0), QUOIT_INVALID);
    IS(quoit_release_frame(NULL, &frame), QUOIT_INVALID);
    IS(quoit_try_pop_frame(NULL, &value, 8, &size, NULL), QUOIT_INVALID);
    IS(quoit_pop_frame(NULL, &value, 8, &size, NULL, 0), QUOIT_INVALID);
    IS(quoit_try_peek_frames(NULL, &many), QUOIT_INVALID);
    IS(quoit_next_frame(NULL, &many, &frame), QUOIT_INVALID);
    IS(quoit_release_frames(NULL, &many), QUOIT_INVALID);
    IS(quoit_skip_to_latest_frame(NULL, &size), QUOIT_INVALID);
    IS(quoit_producer_poll(NULL, 1), QUOIT_INVALID);
    IS(quoit_producer_wait(NULL, 1, 0), QUOIT_INVALID);
    IS(quoit_producer_moved(NULL, 0), QUOIT_INVALID);
    IS(quoit_producer_arm(NULL, 1, &fd), QUOIT_INVALID);
    IS(quoit_producer_close(NULL), QUOIT_INVALID);
    IS(quoit_producer_wait_for_peer(NULL, 0), QUOIT_INVALID);
    IS(quoit_producer_corruption(NULL, &field, &found), QUOIT_INVALID);
    IS(quoit_producer_count_dropped(NULL, 1), QUOIT_INVALID);
    CHECK(quoit_producer_len(NULL) == 0 && !quoit_producer_is_abandoned(NULL));
    IS(quoit_consumer_poll(NULL, 1), QUOIT_INVALID);
    IS(quoit_consumer_wait(NULL, 1, 0), QUOIT_INVALID);
    IS(quoit_consumer_moved(NULL), QUOIT_INVALID);
    IS(quoit_consumer_poison(NULL, 0, 0), QUOIT_INVALID);
    IS(quoit_consumer_arm(NULL, &fd), QUOIT_INVALID);
    IS(quoit_consumer_close(NULL), QUOIT_INVALID);
    IS(quoit_observer_sample(NULL, NULL), QUOIT_INVALID);
    IS(quoit_observer_info(NULL, NULL), QUOIT_INVALID);
    IS(quoit_select_wait(NULL, NULL, 0, 0, &size, NULL), QUOIT_INVALID);
    quoit_options_free(NULL);
    quoit_ring_free(NULL);
    quoit_producer_free(NULL);
    quoit_consumer_free(NULL);
    quoit_select_free(NULL);
    quoit_observer_free(NULL);
    quoit_options_free(options);
}

static void wrong_arguments(void) {
    quoit_options *empty = quoit_options_new();
    quoit_ring *ring;
    IS(quoit_create(empty, name, &ring), QUOIT_INVALID);
    CHECK(strstr(quoit_last_error(), "quoit_options_records") != NULL);
    IS(quoit_options_records(empty, 0, 1, "a"), QUOIT_INVALID);
    IS(quoit_options_records(empty, 12, 8, "a"), QUOIT_INVALID);
    IS(quoit_options_records(empty, 8, 3, "a"), QUOIT_INVALID);
    IS(quoit_options_records(empty, 8, 8, "\xff"), QUOIT_INVALID);
    IS(quoit_options_wait_strategy(empty, 4), QUOIT_INVALID);
    IS(quoit_options_doorbell(empty, 2), QUOIT_INVALID);
    IS(quoit_options_stale(empty, 3), QUOIT_INVALID);
    IS(quoit_options_fences(empty, 2), QUOIT_INVALID);
    IS(quoit_options_mode(empty, 660), QUOIT_INVALID);
    CHECK(strstr(quoit_last_error(), "octal") != NULL);
    IS(quoit_options_mode(empty, 0400), QUOIT_INVALID);
    OK(quoit_options_mode(empty, 0660));
    OK(quoit_options_frames(empty, NULL));
    IS(quoit_create(empty, name, &ring), QUOIT_INVALID_CAPACITY);
    OK(quoit_options_capacity(empty, 100));
    IS(quoit_create(empty, name, &ring), QUOIT_INVALID_CAPACITY);
    OK(quoit_options_capacity(empty, 64));
    IS(quoit_create(empty, "", &ring), QUOIT_INVALID_NAME);
    IS(quoit_open(empty, name, &ring), QUOIT_NOT_FOUND);
    CHECK(strstr(quoit_last_error(), name) != NULL);
    quoit_options_free(empty);

    /* Of the wrong size, of the wrong shape, and more than there is. */
    struct pair pair = open_pair(records());
    uint64_t value = 7;
    size_t count, len;
    quoit_slots slots;
    quoit_frame frame;
    IS(quoit_try_push(pair.p, &value, 4), QUOIT_INVALID);
    IS(quoit_try_push(pair.p, &value, 0), QUOIT_INVALID);
    IS(quoit_try_push(pair.p, NULL, 8), QUOIT_INVALID);
    IS(quoit_try_push_frame(pair.p, 0, &value, 8), QUOIT_INVALID);
    IS(quoit_commit(pair.p, 9), QUOIT_INVALID);
    IS(quoit_claim(pair.p, 9, &slots, 0), QUOIT_TOO_LONG);
    IS(quoit_producer_poll(pair.p, 9), QUOIT_TOO_LONG);
    OK(quoit_try_push(pair.p, &value, 8));
    IS(quoit_try_pop(pair.c, &value, 4), QUOIT_INVALID);
    IS(quoit_try_peek_frame(pair.c, &frame), QUOIT_INVALID);
    OK(quoit_consumer_poll(pair.c, 1));
    IS(quoit_release(pair.c, 2), QUOIT_INVALID);
    IS(quoit_consumer_wait(pair.c, 9, 0), QUOIT_TOO_MANY);
    IS(quoit_consumer_poll(pair.c, 9), QUOIT_TOO_MANY);
    quoit_producer *second;
    IS(quoit_ring_producer(pair.ring, &second), QUOIT_IN_USE);
    CHECK(second == NULL);
    IS(quoit_ring_producer_abi(pair.ring, QUOIT_ABI + 1, &second), QUOIT_ABI_MISMATCH);
    close_pair(pair);

    pair = open_pair(frames());
    IS(quoit_try_push(pair.p, &value, 8), QUOIT_INVALID);
    IS(quoit_try_push_many(pair.p, &value, 0, 1, &count), QUOIT_INVALID);
    IS(quoit_try_push_frame(pair.p, 0, NULL, 1), QUOIT_INVALID);
    IS(quoit_try_push_frame(pair.p, 0, &value, 1000), QUOIT_TOO_LONG);
    IS(quoit_commit_frame(pair.p, 0, 1), QUOIT_INVALID);
    char longest[120] = {0};
    for (int third = 0; third < 3; third++) /* no batch is longer than the ring: publish it first */
        IS(quoit_try_batch_frame(pair.p, 0, longest, 120), third < 2 ? QUOIT_OK : QUOIT_FULL);
    OK(quoit_try_push_frame(pair.p, 5, "hello", 5));
    OK(quoit_try_push_frame(pair.p, 6, NULL, 0));
    char buffer[8];
    IS(quoit_try_pop_frame(pair.c, buffer, 4, &len, NULL), QUOIT_TOO_SHORT);
    CHECK(len == 5);
    OK(quoit_try_peek_frame(pair.c, &frame));
    OK(quoit_release_frame(pair.c, &frame));
    IS(quoit_release_frame(pair.c, &frame), QUOIT_INVALID);
    IS(quoit_try_pop(pair.c, &value, 8), QUOIT_INVALID);
    close_pair(pair);
}

/* The text of an error is never that of an earlier one. */
static void last_errors(void) {
    struct pair pair = open_pair(records()), other = open_pair(frames());
    quoit_options *options = records();
    quoit_ring *ring;
    quoit_frame frame;
    quoit_frames many;
    quoit_slots slots;
    uint64_t value = 1;
    size_t count;
    int fd;
#define SAYS(call, status, part)                                                                   \
    do {                                                                                           \
        IS(quoit_open(options, name, &ring), QUOIT_NOT_FOUND);                                     \
        CHECK(strstr(quoit_last_error(), name) != NULL);                                           \
        IS(call, status);                                                                          \
        CHECK(strstr(quoit_last_error(), part) != NULL && strstr(quoit_last_error(), name) == NULL); \
    } while (0)
    SAYS(quoit_try_push(pair.p, &value, 4), QUOIT_INVALID, "records of this size");
    SAYS(quoit_try_claim(other.p, 1, &slots), QUOIT_INVALID, "records of this size");
    SAYS(quoit_try_pop_many(pair.c, &value, 4, 1, &count), QUOIT_INVALID, "records of this size");
    SAYS(quoit_commit(pair.p, 9), QUOIT_INVALID, "claim again");
    SAYS(quoit_release(pair.c, 1), QUOIT_INVALID, "peek again");
    SAYS(quoit_try_push_frame(pair.p, 0, &value, 8), QUOIT_INVALID, "does not hold frames");
    SAYS(quoit_try_peek_frames(pair.c, &many), QUOIT_INVALID, "does not hold frames");
    SAYS(quoit_commit_frame(other.p, 0, 0), QUOIT_INVALID, "claim again");
    OK(quoit_try_push_frame(other.p, 0, &value, 8));
    OK(quoit_try_peek_frame(other.c, &frame));
    OK(quoit_try_peek_frames(other.c, &many));
    OK(quoit_release_frame(other.c, &frame));
    SAYS(quoit_release_frame(other.c, &frame), QUOIT_INVALID, "peek again");
    SAYS(quoit_next_frame(other.c, &many, &frame), QUOIT_INVALID, "peek again");
    SAYS(quoit_release_frames(other.c, &many), QUOIT_INVALID, "peek again");
    /* The text has one place: an argument of printf may ask for it before the call. */
    const char *text = quoit_last_error();
    SAYS(quoit_create(options, "", &ring), QUOIT_INVALID_NAME, "cannot name a ring");
    CHECK(text == quoit_last_error() && strstr(text, "cannot name a ring") != NULL);
    char path[4000] = "/";
    memset(path + 1, 'x', sizeof path - 2);
    IS(quoit_open(options, path, &ring), QUOIT_INVALID_NAME);
    CHECK(strlen(text) == 2047 && text[2046] == 'x');
    for (size_t i = 1; i + 2 < sizeof path; i += 2) memcpy(path + i, "\xc3\xa4", 2);
    IS(quoit_open(options, path, &ring), QUOIT_INVALID_NAME); /* no half of a character */
    CHECK(strlen(text) >= 2046 && (unsigned char)text[strlen(text) - 1] == 0xa4);
    SAYS(quoit_consumer_wait(pair.c, 1, 0), QUOIT_TIMED_OUT, "");
    CHECK(quoit_last_error()[0] == 0);
    SAYS(quoit_consumer_arm(NULL, &fd), QUOIT_INVALID, "");
    CHECK(quoit_last_error()[0] == 0);
    quoit_options_free(options);
    close_pair(pair);
    close_pair(other);
}

/* A batch of nothing moves nothing, whether there is room or not. */
static void nothing(void) {
    struct pair pair = open_pair(records());
    uint64_t value = 1;
    size_t count = 9;
    for (int round = 0; round < 2; round++) {
        OK(quoit_try_push_many(pair.p, NULL, 8, 0, &count));
        CHECK(count == 0);
        count = 9;
        OK(quoit_try_pop_many(pair.c, NULL, 8, 0, &count));
        CHECK(count == 0);
        IS(quoit_try_push_many(pair.p, NULL, 8, 1, &count), QUOIT_INVALID);
        IS(quoit_try_pop_many(pair.c, NULL, 8, 1, &count), QUOIT_INVALID);
        IS(quoit_try_pop_many(pair.c, &value, 0, 1, &count), QUOIT_INVALID);
        CHECK(quoit_producer_len(pair.p) == (round ? 8 : 0));
        for (int i = 0; round == 0 && i < 8; i++) OK(quoit_try_push(pair.p, &value, 8));
    }
    close_pair(pair);
}

/* A copy stores each byte and no other one, whatever the length and the places. */
static void copies(void) {
    static unsigned char source[5000], target[5000], expected[5000];
    for (size_t i = 0; i < sizeof source; i++) source[i] = (unsigned char)(i * 31 + i / 256);
    for (size_t size = 0; size < 4200; size += size < 400 || size > 4080 ? 1 : 13) {
        for (uint32_t waits = 0; waits < 2; waits++) {
            size_t from = size % 7, to = size % 11;
            memset(target, 0xee, sizeof target);
            memset(expected, 0xee, sizeof expected);
            memcpy(expected + to, source + from, size);
            quoit_i_copy_in(target + to, source + from, size, waits);
            CHECK(memcmp(target, expected, sizeof target) == 0);
        }
    }
    quoit_i_copy_in(NULL, NULL, 0, 0);
}

/* A poll, and a batch that is longer than the known room, find what was released since. */
static void newest_room(void) {
    struct pair pair = open_pair(records());
    uint64_t values[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, found[8];
    size_t count;
    quoit_slots slots;
    OK(quoit_try_push_many(pair.p, values, 8, 4, &count));
    OK(quoit_try_pop_many(pair.c, found, 8, 3, &count));
    CHECK(count == 3 && pair.p->end - pair.p->tail == 4);
    OK(quoit_producer_poll(pair.p, 1));
    CHECK(pair.p->end - pair.p->tail == 7);
    OK(quoit_try_pop_many(pair.c, found, 8, 1, &count));
    OK(quoit_try_claim(pair.p, 9, &slots));
    CHECK(slots.count + slots.rest == 8);
    OK(quoit_try_push_many(pair.p, values, 8, 5, &count));
    CHECK(count == 5);
    OK(quoit_try_pop_many(pair.c, found, 8, 5, &count));
    OK(quoit_try_push_many(pair.p, values, 8, 9, &count));
    CHECK(count == 8);
    close_pair(pair);
}

/* A thread that waits for an answer takes the lines of the next record after a push; that of a
 * stream leaves them for the next push. */
static void lines_ahead(void) {
    quoit_options *options = records();
    OK(quoit_options_capacity(options, 64));
    struct pair pair = open_pair(options);
    uint64_t value = 1;
    for (int round = 0; round < 200; round++) {
        for (int poll = 0; poll < 70; poll++) IS(quoit_try_pop(pair.c, &value, 8), QUOIT_EMPTY);
        uint32_t hint = pair.p->hint;
        OK(quoit_try_push(pair.p, &value, 8));
        CHECK(!hint || pair.p->open != pair.p->tail || pair.p->end == pair.p->tail);
        OK(quoit_try_pop(pair.c, &value, 8));
    }
    CHECK(pair.p->hint);
    int closed = 0;
    for (int record = 0; record < 60; record++) {
        OK(quoit_try_push(pair.p, &value, 8));
        closed += pair.p->open == pair.p->tail && pair.p->end != pair.p->tail;
    }
    CHECK(pair.p->hint && closed > 0);
    close_pair(pair);
}

/* What a peek shows stays until the release, whatever later polls find: also if it is an inline copy,
 * and the next message is copied inline as well. */
static void peeks_that_stay(void) {
    struct pair pair = open_pair(frames());
    char buffer[8];
    size_t len;
    quoit_frame frame, same;
    quoit_frames many;
    for (int poll = 0; poll < 70; poll++)
        IS(quoit_try_pop_frame(pair.c, buffer, sizeof buffer, &len, NULL), QUOIT_EMPTY);
    OK(quoit_try_push_frame(pair.p, 0, "hint", 4)); /* sees that the consumer asks for inline copies */
    OK(quoit_try_pop_frame(pair.c, buffer, sizeof buffer, &len, NULL));
    OK(quoit_try_push_frame(pair.p, 1, "first", 5));
    OK(quoit_try_peek_frame(pair.c, &frame));
    CHECK(frame.data == (const unsigned char *)(pair.c->inline_words + 1));
    OK(quoit_try_push_frame(pair.p, 2, "other", 5));
    OK(quoit_try_peek_frames(pair.c, &many));
    CHECK(frame.len == 5 && frame.kind == 1 && memcmp(frame.data, "first", 5) == 0);
    OK(quoit_consumer_wait(pair.c, 32, 0));
    CHECK(memcmp(frame.data, "first", 5) == 0);
    OK(quoit_try_peek_frame(pair.c, &same));
    CHECK(same.end == frame.end && memcmp(same.data, "first", 5) == 0);
    OK(quoit_release_frame(pair.c, &frame));
    OK(quoit_try_pop_frame(pair.c, buffer, sizeof buffer, &len, NULL));
    CHECK(len == 5 && memcmp(buffer, "other", 5) == 0);
    close_pair(pair);

    pair = open_pair(records());
    uint64_t value = 1;
    const void *record;
    for (int poll = 0; poll < 70; poll++) IS(quoit_try_pop(pair.c, &value, 8), QUOIT_EMPTY);
    OK(quoit_try_push(pair.p, &value, 8));
    OK(quoit_try_pop(pair.c, &value, 8));
    OK(quoit_try_push(pair.p, &value, 8));
    OK(quoit_try_peek(pair.c, &record));
    CHECK(record == (const void *)pair.c->inline_words);
    pair.p->line[1] += 2; /* as a producer that is about to publish the next record */
    pair.p->line[2] = 2;
    OK(quoit_consumer_poll(pair.c, 1));
    CHECK(*(const uint64_t *)record == 1);
    OK(quoit_try_pop(pair.c, &value, 8));
    CHECK(value == 1);
    close_pair(pair);
}

/* What was popped before is not the inline copy of nothing. */
static void polls_for_nothing(void) {
    for (size_t size = 8; size <= 64; size += 56) {
        quoit_options *options = quoit_options_new();
        OK(quoit_options_records(options, size, 8, "u64"));
        OK(quoit_options_capacity(options, 8));
        struct pair pair = open_pair(options);
        quoit_select *select = quoit_select_new();
        quoit_interest ends[1] = {{NULL, pair.c, 0}};
        uint64_t value[8] = {0};
        size_t index;
        uint32_t what;
        for (int poll = 0; poll < 70; poll++) IS(quoit_try_pop(pair.c, value, size), QUOIT_EMPTY);
        for (uint64_t number = 0; number < 5; number++) {
            OK(quoit_consumer_poll(pair.c, 0));
            OK(quoit_consumer_wait(pair.c, 0, 0));
            value[0] = number;
            OK(quoit_try_push(pair.p, value, size));
            OK(quoit_select_wait(select, ends, 1, 0, &index, &what));
            OK(quoit_try_pop(pair.c, value, size));
            CHECK(value[0] == number);
        }
        quoit_select_free(select);
        close_pair(pair);
    }
}

/* Batches, in place, over the end of the ring. */
static void many_at_once(void) {
    struct pair pair = open_pair(records());
    uint64_t values[8] = {1, 2, 3, 4, 5, 6, 7, 8}, found[8];
    size_t count;
    for (uint64_t round = 0; round < 100; round++) {
        OK(quoit_try_push_many(pair.p, values, 8, 5, &count));
        CHECK(count == 5 && quoit_producer_len(pair.p) == 5);
        quoit_slots slots;
        OK(quoit_try_claim(pair.p, 8, &slots));
        CHECK(slots.count + slots.rest == 3);
        memcpy(slots.first, values + 5, slots.count * 8);
        memcpy(slots.second, values + 5 + slots.count, slots.rest * 8);
        OK(quoit_commit(pair.p, 3));
        IS(quoit_try_push(pair.p, values, 8), QUOIT_FULL);
        IS(quoit_push(pair.p, values, 8, 1000), QUOIT_TIMED_OUT);
        OK(quoit_try_peek_many(pair.c, &slots));
        CHECK(slots.count + slots.rest == 8 && memcmp(slots.first, values, slots.count * 8) == 0);
        OK(quoit_release(pair.c, 2));
        OK(quoit_try_pop_many(pair.c, found, 8, 5, &count));
        CHECK(count == 5 && memcmp(found, values + 2, 40) == 0);
        OK(quoit_try_pop_many(pair.c, found, 8, 5, &count));
        CHECK(count == 1 && found[0] == 8);
        IS(quoit_try_pop_many(pair.c, found, 8, 5, &count), QUOIT_EMPTY);
        CHECK(count == 0);
        OK(quoit_try_push_many(pair.p, values, 8, 3, &count));
        OK(quoit_skip_to_latest(pair.c, &count));
        CHECK(count == 2);
        OK(quoit_try_pop(pair.c, found, 8));
        CHECK(found[0] == 3);
    }
    close_pair(pair);

    pair = open_pair(frames());
    for (uint32_t round = 0; round < 200; round++) {
        unsigned char bytes[64], *payload;
        size_t len = round % 41;
        memset(bytes, (int)round, sizeof bytes);
        OK(quoit_try_batch_frame(pair.p, 1, bytes, len));
        OK(quoit_try_batch_frame(pair.p, 2, bytes, 3));
        IS(quoit_try_pop_frame(pair.c, bytes, 64, &len, NULL), QUOIT_EMPTY);
        OK(quoit_commit_batch(pair.p));
        OK(quoit_try_claim_frame(pair.p, 60, &payload));
        memset(payload, (int)round, 9);
        OK(quoit_commit_frame(pair.p, 3, 9)); /* shorter than it was claimed */
        quoit_frames many;
        quoit_frame frame;
        OK(quoit_try_peek_frames(pair.c, &many));
        OK(quoit_next_frame(pair.c, &many, &frame));
        CHECK(frame.kind == 1 && frame.len == round % 41);
        CHECK(frame.len == 0 || (frame.data[0] == (unsigned char)round));
        OK(quoit_next_frame(pair.c, &many, &frame));
        CHECK(frame.kind == 2 && frame.len == 3);
        OK(quoit_release_frames(pair.c, &many));
        OK(quoit_release_frames(pair.c, &many)); /* there is nothing left to release */
        OK(quoit_try_push_frame(pair.p, 4, bytes, 1));
        OK(quoit_skip_to_latest_frame(pair.c, &len));
        CHECK(len == 1);
        uint32_t kind;
        OK(quoit_try_pop_frame(pair.c, bytes, 64, &len, &kind));
        CHECK(kind == 4 && len == 1);
    }
    close_pair(pair);
}

static void names(void) {
    quoit_options *options = records();
    quoit_ring *ring, *other;
    quoit_producer *p;
    OK(quoit_create(options, name, &ring));
    IS(quoit_create(options, name, &other), QUOIT_ALREADY_EXISTS);
    CHECK(strcmp(quoit_ring_name(ring), name) == 0 && quoit_ring_capacity(ring) == 8);
    OK(quoit_open_or_create(options, name, &other));
    CHECK(quoit_ring_incarnation(other) == quoit_ring_incarnation(ring));
    quoit_ring_free(other);
    OK(quoit_options_capacity(options, 16));
    IS(quoit_open_or_create(options, name, &other), QUOIT_CAPACITY_MISMATCH);
    OK(quoit_open(options, name, &other));
    quoit_ring_free(other);
    OK(quoit_options_records(options, 8, 8, "i64"));
    IS(quoit_open(options, name, &other), QUOIT_SCHEMA_MISMATCH);
    OK(quoit_options_frames(options, NULL));
    IS(quoit_open(options, name, &other), QUOIT_SHAPE_MISMATCH);
    OK(quoit_ring_producer(ring, &p));
    IS(quoit_unlink(name), QUOIT_IN_USE);
    bool removed = true;

    quoit_observer *observer;
    quoit_info info;
    quoit_sample sample;
    OK(quoit_observer_open(name, &observer));
    OK(quoit_observer_info(observer, &info));
    CHECK(info.capacity == 8 && info.slot_size == 8 && info.slot_align == 8);
    CHECK(info.schema == 0xa5da13404ef9a232u && info.incarnation == quoit_ring_incarnation(ring));
    uint64_t value = 1;
    OK(quoit_try_push(p, &value, 8));
    OK(quoit_producer_count_dropped(p, 3));
    OK(quoit_observer_sample(observer, &sample));
    CHECK(sample.tail == 1 && sample.head == 0 && sample.len == 1);
    CHECK(sample.producer.is_alive && !sample.consumer.is_alive && sample.consumer.epoch == 0);
    CHECK(sample.producer.dropped == 3 && sample.producer.pid == (uint32_t)getpid());
    quoit_producer_free(p);
    OK(quoit_observer_sample(observer, &sample));
    CHECK(sample.producer.is_closed && !sample.producer.is_alive);
    quoit_observer_free(observer);

    /* Another ring takes the name. */
    OK(quoit_options_records(options, 8, 8, "u64"));
    OK(quoit_options_stale(options, QUOIT_STALE_REPLACE));
    OK(quoit_create(options, name, &other));
    IS(quoit_ring_producer(ring, &p), QUOIT_SUPERSEDED);
    quoit_ring_free(ring);
    OK(quoit_ring_unlink(other));
    OK(quoit_options_unlink_on_free(options, true));
    quoit_ring_free(other);
    OK(quoit_create(options, name, &other));
    OK(quoit_ring_producer(other, &p));
    quoit_producer_free(p);
    IS(quoit_open(options, name, &ring), QUOIT_NOT_FOUND);
    OK(quoit_options_unlink_on_free(options, false));
    quoit_ring_free(other);
    OK(quoit_create(options, name, &other));
    OK(quoit_unlink_if_stale(name, &removed)); /* it is new: a process may be about to attach */
    CHECK(!removed);
    OK(quoit_ring_producer(other, &p));
    quoit_producer_free(p);
    OK(quoit_unlink_if_stale(name, &removed));
    CHECK(removed);
    IS(quoit_unlink(name), QUOIT_NOT_FOUND);
    quoit_ring_free(other);
    quoit_options_free(options);
}

static void handoff(void) {
    int sockets[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    quoit_options *options = records();
    quoit_ring *ring, *received;
    quoit_producer *p;
    quoit_consumer *c;
    uint64_t value = 9;
    OK(quoit_create_anonymous(options, &ring));
    CHECK(quoit_ring_descriptor(ring) >= 0);
    OK(quoit_send(sockets[0], ring));
    OK(quoit_receive(sockets[1], options, &received));
    OK(quoit_ring_producer(ring, &p));
    OK(quoit_ring_consumer(received, &c));
    OK(quoit_try_push(p, &value, 8));
    OK(quoit_try_pop(c, &value, 8));
    CHECK(value == 9 && write(sockets[0], "something else..", 16) == 16);
    quoit_ring *none;
    IS(quoit_receive(sockets[1], options, &none), QUOIT_OTHER_MESSAGE);
    close(sockets[0]);
    IS(quoit_receive(sockets[1], options, &none), QUOIT_CLOSED);
    OK(quoit_open_descriptor(options, quoit_ring_descriptor(ring), &none));
    quoit_ring_free(none);
    IS(quoit_open_descriptor(options, sockets[1], &none), QUOIT_WRONG_DESCRIPTOR);
    close(sockets[1]);
    for (int closed = -1; closed <= sockets[1]; closed += sockets[1] + 1) {
        IS(quoit_open_descriptor(options, closed, &none), QUOIT_INVALID);
        IS(quoit_send(closed, ring), QUOIT_INVALID);
        IS(quoit_receive(closed, options, &none), QUOIT_INVALID);
        CHECK(strstr(quoit_last_error(), "no file is open") != NULL);
    }
    quoit_producer_free(p);
    quoit_consumer_free(c);
    quoit_ring_free(ring);
    quoit_ring_free(received);
    quoit_options_free(options);
}

static bool readable(int fd, int milliseconds) {
    struct pollfd wanted = {fd, POLLIN, 0};
    return poll(&wanted, 1, milliseconds) == 1;
}

static void descriptors(void) {
    struct pair pair = open_pair(records());
    uint64_t value = 1;
    int fd, again;
    OK(quoit_consumer_arm(pair.c, &fd));
    CHECK(!readable(fd, 0));
    OK(quoit_try_push(pair.p, &value, 8));
    CHECK(readable(fd, 10000));
    OK(quoit_try_pop(pair.c, &value, 8));
    IS(quoit_try_pop(pair.c, &value, 8), QUOIT_EMPTY);
    OK(quoit_consumer_arm(pair.c, &again));
    CHECK(again == fd && !readable(fd, 0));
    OK(quoit_try_push(pair.p, &value, 8));
    CHECK(readable(fd, 10000));
    OK(quoit_consumer_arm(pair.c, &again)); /* nothing was popped: it stays readable */
    CHECK(readable(fd, 0));
    OK(quoit_try_pop(pair.c, &value, 8));

    for (int i = 0; i < 8; i++) OK(quoit_try_push(pair.p, &value, 8));
    int room;
    OK(quoit_producer_arm(pair.p, 2, &room));
    CHECK(!readable(room, 0));
    IS(quoit_commit(pair.p, 1), QUOIT_INVALID); /* nothing was claimed since */
    IS(quoit_try_push(pair.p, &value, 8), QUOIT_FULL);
    OK(quoit_producer_arm(pair.p, 2, &room));
    OK(quoit_try_pop(pair.c, &value, 8));
    OK(quoit_try_pop(pair.c, &value, 8));
    CHECK(readable(room, 10000));
    OK(quoit_try_push(pair.p, &value, 8));

    /* A producer that closed is reported once, after its unread messages, to the first other call. */
    OK(quoit_consumer_poll(pair.c, 1));
    OK(quoit_release(pair.c, 7));
    OK(quoit_consumer_arm(pair.c, &fd));
    CHECK(!readable(fd, 0));
    quoit_producer_free(pair.p);
    CHECK(readable(fd, 10000));
    OK(quoit_consumer_arm(pair.c, &fd));
    OK(quoit_consumer_arm(pair.c, &fd));
    CHECK(readable(fd, 0));
    IS(quoit_try_pop(pair.c, &value, 8), QUOIT_ABANDONED);
    OK(quoit_consumer_arm(pair.c, &fd));
    CHECK(!readable(fd, 0));
    OK(quoit_ring_producer(pair.ring, &pair.p));
    CHECK(readable(fd, 10000));
    close_pair(pair);
}

/* A wait for room that the ring never has would never end, and that for a frame counts its header. */
static void room(void) {
    struct pair pair = open_pair(records());
    quoit_select *select = quoit_select_new();
    quoit_interest ends[1] = {{pair.p, NULL, 9}};
    size_t index;
    uint32_t what;
    uint64_t value = 1;
    int fd;
    IS(quoit_producer_arm(pair.p, 9, &fd), QUOIT_TOO_LONG);
    IS(quoit_select_wait(select, ends, 1, 0, &index, &what), QUOIT_TOO_LONG);
    IS(quoit_producer_wait(pair.p, 9, 0), QUOIT_TOO_LONG);
    ends[0].wanted = 8;
    OK(quoit_select_wait(select, ends, 1, 0, &index, &what));
    OK(quoit_producer_arm(pair.p, 8, &fd));
    CHECK(readable(fd, 10000));
    for (int record = 0; record < 8; record++) OK(quoit_try_push(pair.p, &value, 8));
    ends[0].wanted = 0; /* a full ring has no room, however little is wanted */
    IS(quoit_select_wait(select, ends, 1, 0, &index, &what), QUOIT_TIMED_OUT);
    OK(quoit_producer_arm(pair.p, 0, &fd));
    CHECK(!readable(fd, 0) && quoit_frame_room(pair.p, 8) == 0 && quoit_frame_room(NULL, 8) == 0);
    close_pair(pair);

    pair = open_pair(frames());
    CHECK(quoit_frame_room(pair.p, 121) == 0 && quoit_frame_room(pair.p, 120) == 128);
    for (size_t len = 0; len <= 120; len++) { /* at each place, with and without padding */
        unsigned char bytes[120] = {0};
        for (int round = 0; round < 64; round++) {
            ends[0] = (quoit_interest){pair.p, NULL, quoit_frame_room(pair.p, len)};
            quoit_status is_ready = quoit_select_wait(select, ends, 1, 0, &index, &what);
            CHECK(is_ready == QUOIT_OK || is_ready == QUOIT_TIMED_OUT);
            IS(quoit_try_push_frame(pair.p, 0, bytes, len), is_ready == QUOIT_OK ? QUOIT_OK : QUOIT_FULL);
            size_t popped;
            if (is_ready != QUOIT_OK) OK(quoit_try_pop_frame(pair.c, bytes, 120, &popped, NULL));
        }
    }
    quoit_select_free(select);
    close_pair(pair);
}

/* Whatever is known, the next call of an armed endpoint comes to the library, which disarms it. */
static void armed_ends_know_nothing(void) {
    struct pair pair = open_pair(records());
    uint64_t value = 1;
    int fd;
    for (int record = 0; record < 3; record++) OK(quoit_try_push(pair.p, &value, 8));
    OK(quoit_try_pop(pair.c, &value, 8));
    CHECK(pair.c->tail - pair.c->head == 2 && pair.p->end - pair.p->tail == 5);
    OK(quoit_consumer_arm(pair.c, &fd));
    CHECK(readable(fd, 10000) && pair.c->tail == pair.c->head && pair.c->open == pair.c->head);
    OK(quoit_try_pop(pair.c, &value, 8));
    CHECK(pair.c->tail - pair.c->head == 1);
    OK(quoit_producer_arm(pair.p, 1, &fd));
    CHECK(readable(fd, 10000) && pair.p->end == pair.p->tail && pair.p->open == pair.p->tail);
    OK(quoit_try_push(pair.p, &value, 8));
    CHECK(pair.p->end != pair.p->tail);
    close_pair(pair);
}

/* What is claimed, peeked or in a batch stays so while its endpoint is armed. Its commit or release
 * comes to the library, which disarms the endpoint. */
static void armed_ends_keep_what_they_hold(void) {
    struct pair pair = open_pair(records());
    uint64_t value = 1;
    const void *record;
    quoit_slots slots;
    int fd;
    OK(quoit_claim(pair.p, 2, &slots, 0));
    OK(quoit_producer_arm(pair.p, 1, &fd));
    OK(quoit_commit(pair.p, 2));
    CHECK(pair.p->end - pair.p->tail == 6 && quoit_producer_len(pair.p) == 2);
    OK(quoit_producer_arm(pair.p, 1, &fd));
    IS(quoit_commit(pair.p, 7), QUOIT_INVALID);
    OK(quoit_try_peek(pair.c, &record));
    OK(quoit_consumer_arm(pair.c, &fd));
    CHECK(readable(fd, 10000));
    OK(quoit_release(pair.c, 1));
    CHECK(pair.c->tail - pair.c->head == 1);
    OK(quoit_consumer_arm(pair.c, &fd));
    IS(quoit_release(pair.c, 2), QUOIT_INVALID);
    OK(quoit_try_pop(pair.c, &value, 8));
    /* It was disarmed: a message makes no descriptor readable. */
    OK(quoit_consumer_arm(pair.c, &fd));
    CHECK(!readable(fd, 0));
    close_pair(pair);

    pair = open_pair(frames());
    unsigned char *payload;
    quoit_frame frame;
    quoit_frames many;
    OK(quoit_try_batch_frame(pair.p, 1, "one", 3));
    OK(quoit_try_batch_frame(pair.p, 2, "two", 3));
    OK(quoit_producer_arm(pair.p, 8, &fd));
    OK(quoit_commit_batch(pair.p));
    OK(quoit_try_claim_frame(pair.p, 5, &payload));
    memcpy(payload, "three", 5);
    OK(quoit_producer_arm(pair.p, 8, &fd));
    OK(quoit_commit_frame(pair.p, 3, 5));
    OK(quoit_try_peek_frame(pair.c, &frame));
    CHECK(frame.len == 3 && memcmp(frame.data, "one", 3) == 0);
    OK(quoit_consumer_arm(pair.c, &fd));
    OK(quoit_release_frame(pair.c, &frame));
    OK(quoit_try_peek_frames(pair.c, &many));
    OK(quoit_next_frame(pair.c, &many, &frame));
    OK(quoit_consumer_arm(pair.c, &fd));
    OK(quoit_next_frame(pair.c, &many, &frame));
    CHECK(frame.kind == 3 && memcmp(frame.data, "three", 5) == 0);
    OK(quoit_release_frames(pair.c, &many));
    IS(quoit_try_peek_frame(pair.c, &frame), QUOIT_EMPTY);
    close_pair(pair);
}

static void selects(void) {
    struct pair first = open_pair(records()), second = open_pair(frames());
    quoit_select *select = quoit_select_new();
    quoit_interest ends[2] = {{NULL, first.c, 0}, {NULL, second.c, 0}};
    size_t index;
    uint32_t what;
    uint64_t value = 5;
    IS(quoit_select_wait(select, ends, 2, 1000000, &index, &what), QUOIT_TIMED_OUT);
    IS(quoit_select_wait(select, ends, 0, 0, &index, &what), QUOIT_INVALID);
    OK(quoit_try_push_frame(second.p, 0, "abc", 3));
    OK(quoit_select_wait(select, ends, 2, QUOIT_FOREVER, &index, &what));
    CHECK(index == 1 && what == QUOIT_SELECTED_READY);
    quoit_frame frame;
    OK(quoit_try_peek_frame(second.c, &frame));
    OK(quoit_release_frame(second.c, &frame));
    OK(quoit_try_push(first.p, &value, 8));
    OK(quoit_select_wait(select, ends, 2, QUOIT_FOREVER, &index, &what));
    CHECK(index == 0 && what == QUOIT_SELECTED_READY);
    OK(quoit_try_pop(first.c, &value, 8));
    quoit_producer_free(first.p);
    OK(quoit_select_wait(select, ends, 2, QUOIT_FOREVER, &index, &what));
    CHECK(index == 0 && what == QUOIT_SELECTED_ABANDONED);
    OK(quoit_ring_producer(first.ring, &first.p));
    OK(quoit_select_wait(select, ends, 2, QUOIT_FOREVER, &index, &what));
    CHECK(index == 0 && what == QUOIT_SELECTED_ATTACHED);
    quoit_interest twice[2] = {{NULL, first.c, 0}, {NULL, first.c, 0}};
    IS(quoit_select_wait(select, twice, 2, 0, &index, &what), QUOIT_INVALID);
    quoit_interest both[1] = {{first.p, first.c, 1}};
    IS(quoit_select_wait(select, both, 1, 0, &index, &what), QUOIT_INVALID);
    quoit_interest room[1] = {{first.p, NULL, 8}};
    OK(quoit_select_wait(select, room, 1, 0, &index, &what));
    CHECK(what == QUOIT_SELECTED_READY);
    quoit_select_free(select);
    close_pair(first);
    close_pair(second);
}

static void closing(void) {
    struct pair pair = open_pair(records());
    uint64_t value = 3;
    OK(quoit_try_push(pair.p, &value, 8));
    OK(quoit_producer_close(pair.p));
    IS(quoit_try_push(pair.p, &value, 8), QUOIT_ABANDONED);
    OK(quoit_pop(pair.c, &value, 8, QUOIT_FOREVER));
    IS(quoit_pop(pair.c, &value, 8, QUOIT_FOREVER), QUOIT_ABANDONED);
    CHECK(quoit_consumer_is_abandoned(pair.c) && quoit_consumer_peer_epoch(pair.c) == 1);
    IS(quoit_consumer_wait_for_peer(pair.c, 1000), QUOIT_TIMED_OUT);
    close_pair(pair);
}

static quoit_status commit_two(quoit_producer *p) {
    quoit_slots slots;
    OK(quoit_try_claim(p, 2, &slots));
    return quoit_commit(p, 2);
}

static quoit_status push_a_frame(quoit_producer *p) { return quoit_try_push_frame(p, 1, "frame", 5); }

static quoit_status commit_two_frames(quoit_producer *p) {
    for (int i = 0; i < 2; i++) OK(quoit_try_batch_frame(p, 1, "frame", 5));
    return quoit_commit_batch(p);
}

/* What a child could not publish does not move its position. */
static void positions_of_children(void) {
    const struct {
        quoit_options *(*ring)(void);
        quoit_status (*publish)(quoit_producer *);
    } forms[] = {{records, commit_two}, {frames, push_a_frame}, {frames, commit_two_frames}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct pair pair = open_pair(forms[i].ring());
        pid_t child = fork();
        if (child == 0) {
            IS(forms[i].publish(pair.p), QUOIT_ABANDONED);
            CHECK(pair.p->tail == 0);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        close_pair(pair);
    }
}

/* A child holds no role, and its copies change nothing. */
static void forking(void) {
    struct pair pair = open_pair(records());
    uint64_t value = 4;
    OK(quoit_try_push(pair.p, &value, 8));
    pid_t child = fork();
    if (child == 0) {
        IS(quoit_try_push(pair.p, &value, 8), QUOIT_ABANDONED);
        CHECK(pair.p->tail == 1);
        close_pair(pair);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    OK(quoit_try_pop(pair.c, &value, 8));
    IS(quoit_try_pop(pair.c, &value, 8), QUOIT_EMPTY);
    OK(quoit_try_push(pair.p, &value, 8));
    OK(quoit_try_pop(pair.c, &value, 8));

    /* A crash is reported once, to the first call other than an arm. */
    quoit_producer_free(pair.p);
    child = fork();
    if (child == 0) {
        quoit_options *options = records();
        OK(quoit_open_descriptor(options, quoit_ring_descriptor(pair.ring), &pair.ring));
        OK(quoit_ring_producer(pair.ring, &pair.p));
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    int fd;
    OK(quoit_consumer_arm(pair.c, &fd));
    for (int again = 0; again < 3; again++) {
        CHECK(readable(fd, 10000));
        OK(quoit_consumer_arm(pair.c, &fd));
    }
    CHECK(readable(fd, 0) && quoit_consumer_is_abandoned(pair.c));
    OK(quoit_consumer_arm(pair.c, &fd));
    CHECK(!readable(fd, 0));
    pair.p = NULL;
    close_pair(pair);
}

/* Also after a check that has failed. */
static void clean(void) {
    char path[128];
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    unlink(path);
}

// The argument is the version of the library.
int main(int argc, char **argv) {
    CHECK(argc == 2);
    atexit(clean);
    snprintf(name, sizeof name, "quoit-bindings-calls-%d", (int)getpid());
    versions_and_texts(argv[1]);
    nulls();
    wrong_arguments();
    last_errors();
    nothing();
    copies();
    newest_room();
    lines_ahead();
    peeks_that_stay();
    polls_for_nothing();
    many_at_once();
    names();
    handoff();
    descriptors();
    room();
    armed_ends_know_nothing();
    armed_ends_keep_what_they_hold();
    selects();
    closing();
    forking();
    positions_of_children();
    return 0;
}
