/* An endpoint of the matrix in C: peer.rs says what the arguments are. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <quoit.h>

#define PATIENCE 20000000000u
#define FIXED 24

struct record {
    uint64_t number;
    uint64_t words[4];
};

static int produces, is_frames, is_in_place, is_asleep, is_takeover;
static uint64_t count;

static uint64_t mix(uint64_t number) {
    uint64_t product = number * 0x9e3779b97f4a7c15u;
    return product ^ product >> 29;
}

static struct record record(uint64_t number) {
    struct record r = {number, {mix(number + 1), mix(number + 2), mix(number + 3), mix(number + 4)}};
    return r;
}

static size_t frame_len(uint64_t number) {
    return is_takeover ? FIXED : 8 + mix(number) % 120;
}

static void fill(uint64_t number, unsigned char *bytes, size_t len) {
    memcpy(bytes, &number, 8);
    for (size_t i = 8; i < len; i++) bytes[i] = (unsigned char)(number + i);
}

static void pause_sometimes(uint64_t number) {
    struct timespec moment = {0, 100000};
    if (is_asleep && produces && !is_takeover && number == count / 2)
        while (getchar() != EOF) {}
    if (is_asleep && number % (produces ? 61 : 257) == 0) nanosleep(&moment, NULL);
}

static uint64_t number_at(uint64_t position) {
    if (!is_takeover) return 0;
    return is_frames ? position / (FIXED + 8) : position;
}

static void expect(int is_right, const char *what, uint64_t number) {
    if (is_right) return;
    printf("%s, message %llu: %s\n", what, (unsigned long long)number, quoit_last_error());
    exit(1);
}

static void fail(quoit_status status, const char *field) {
    if (status == QUOIT_CORRUPT) {
        printf("corrupt %s\n", field);
        exit(3);
    }
    printf("%s\n", quoit_status_text(status));
    exit(1);
}

static quoit_status push_one(quoit_producer *p, uint64_t number) {
    struct record r = record(number);
    if (!is_frames && !is_in_place) return quoit_push(p, &r, sizeof r, PATIENCE);
    if (!is_frames) {
        quoit_slots slots;
        quoit_status status = quoit_claim(p, 1, &slots, PATIENCE);
        if (status != QUOIT_OK) return status;
        memcpy(slots.first, &r, sizeof r);
        return quoit_commit(p, 1);
    }
    unsigned char bytes[256];
    size_t len = frame_len(number);
    uint32_t kind = (uint32_t)mix(number);
    if (!is_in_place) {
        fill(number, bytes, len);
        return quoit_push_frame(p, kind, bytes, len, PATIENCE);
    }
    unsigned char *payload;
    quoit_status status = quoit_claim_frame(p, len, &payload, PATIENCE);
    if (status != QUOIT_OK) return status;
    fill(number, payload, len);
    return quoit_commit_frame(p, kind, len);
}

static void produce(quoit_ring *ring) {
    quoit_producer *p;
    expect(quoit_ring_producer(ring, &p) == QUOIT_OK, "the role", 0);
    for (uint64_t number = number_at(p->tail); number < count;) {
        quoit_status status = push_one(p, number);
        if (status == QUOIT_OK) {
            pause_sometimes(++number);
        } else if (status == QUOIT_ABANDONED && is_takeover) {
            expect(quoit_producer_wait_for_peer(p, PATIENCE) == QUOIT_OK, "no consumer", number);
        } else {
            const char *field;
            uint64_t found;
            quoit_producer_corruption(p, &field, &found);
            fail(status, field);
        }
    }
    quoit_producer_free(p);
}

static quoit_status pop_one(quoit_consumer *c, uint64_t number) {
    struct record r, expected = record(number);
    if (!is_frames) {
        quoit_status status;
        if (is_in_place) {
            const void *found;
            status = quoit_try_peek(c, &found);
            if (status == QUOIT_EMPTY || status == QUOIT_ABANDONED) {
                status = quoit_consumer_wait(c, 1, PATIENCE);
                if (status == QUOIT_OK) status = quoit_try_peek(c, &found);
            }
            if (status != QUOIT_OK) return status;
            memcpy(&r, found, sizeof r);
            status = quoit_release(c, 1);
        } else {
            status = quoit_pop(c, &r, sizeof r, PATIENCE);
        }
        if (status == QUOIT_OK) expect(memcmp(&r, &expected, sizeof r) == 0, "a record", number);
        return status;
    }
    unsigned char buffer[256], wanted[256];
    size_t len;
    uint32_t kind;
    quoit_status status;
    if (is_in_place) {
        quoit_frame frame;
        status = quoit_peek_frame(c, &frame, PATIENCE);
        if (status != QUOIT_OK) return status;
        len = frame.len;
        kind = frame.kind;
        expect(len <= sizeof buffer, "a length", number);
        memcpy(buffer, frame.data, len);
        status = quoit_release_frame(c, &frame);
    } else {
        status = quoit_pop_frame(c, buffer, sizeof buffer, &len, &kind, PATIENCE);
    }
    if (status != QUOIT_OK) return status;
    fill(number, wanted, frame_len(number));
    expect(len == frame_len(number) && kind == (uint32_t)mix(number), "a header", number);
    expect(memcmp(buffer, wanted, len) == 0, "a payload", number);
    return QUOIT_OK;
}

static void consume(quoit_ring *ring) {
    quoit_consumer *c;
    expect(quoit_ring_consumer(ring, &c) == QUOIT_OK, "the role", 0);
    uint64_t number = number_at(c->head);
    while (number < count || !is_takeover) {
        quoit_status status = pop_one(c, number);
        if (status == QUOIT_OK) {
            pause_sometimes(++number);
        } else if (status == QUOIT_ABANDONED && !is_takeover) {
            break;
        } else if (status == QUOIT_ABANDONED) {
            expect(quoit_consumer_wait_for_peer(c, PATIENCE) == QUOIT_OK, "no producer", number);
        } else {
            const char *field;
            uint64_t found;
            quoit_consumer_corruption(c, &field, &found);
            fail(status, field);
        }
    }
    expect(number == count, "the end", number);
    quoit_consumer_free(c);
}

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    produces = strcmp(argv[1], "produce") == 0;
    is_frames = strcmp(argv[2], "frames") == 0;
    is_in_place = strcmp(argv[3], "in-place") == 0;
    is_asleep = strcmp(argv[4], "asleep") == 0;
    is_takeover = strcmp(argv[5], "takeover") == 0;
    count = strtoull(argv[7], NULL, 10);
    quoit_options *options = quoit_options_new();
    if (is_frames) quoit_options_frames(options, "matrix/1");
    else quoit_options_records(options, sizeof(struct record), _Alignof(struct record), "matrix/1");
    quoit_options_wait_strategy(options, is_asleep ? QUOIT_WAIT_PARK : QUOIT_WAIT_SPIN);
    if (is_asleep) quoit_options_spin(options, 0);
    quoit_ring *ring;
    expect(quoit_open(options, argv[6], &ring) == QUOIT_OK, "the ring", 0);
    quoit_options_free(options);
    if (produces) produce(ring);
    else consume(ring);
    quoit_ring_free(ring);
    return 0;
}
