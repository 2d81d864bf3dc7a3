/* Pushes and pops in C, to be counted: see counts.rs. */
#include <stdlib.h>
#include <string.h>

#include <quoit.h>

#define BATCH 512

/* The compiler knows nothing of what is there. */
#define OPAQUE(place) __asm__ volatile("" : : "r"(place) : "memory")

static void ring_of(quoit_options *options, uint64_t capacity, quoit_producer **p, quoit_consumer **c) {
    quoit_ring *ring;
    quoit_options_capacity(options, capacity);
    if (quoit_create_anonymous(options, &ring) != QUOIT_OK) exit(1);
    if (quoit_ring_producer(ring, p) != QUOIT_OK || quoit_ring_consumer(ring, c) != QUOIT_OK) exit(2);
}

#define RECORDS(words)                                                                             \
    static void records_##words(uint64_t rounds) {                                                 \
        quoit_options *options = quoit_options_new();                                              \
        quoit_options_records(options, 8 * words, 8, "counts");                                    \
        quoit_producer *p;                                                                         \
        quoit_consumer *c;                                                                         \
        ring_of(options, 1024, &p, &c);                                                            \
        uint64_t record[words];                                                                    \
        while (rounds--) {                                                                         \
            for (uint64_t i = 0; i < BATCH; i++) {                                                 \
                for (int word = 0; word < words; word++) record[word] = i;                         \
                OPAQUE(record);                                                                    \
                if (quoit_try_push(p, record, sizeof record) != QUOIT_OK) exit(3);                 \
            }                                                                                      \
            for (uint64_t i = 0; i < BATCH; i++) {                                                 \
                if (quoit_try_pop(c, record, sizeof record) != QUOIT_OK) exit(4);                  \
                OPAQUE(record);                                                                    \
            }                                                                                      \
        }                                                                                          \
    }
RECORDS(1)
RECORDS(8)

static void frames(uint64_t rounds) {
    quoit_options *options = quoit_options_new();
    quoit_options_frames(options, NULL);
    quoit_producer *p;
    quoit_consumer *c;
    ring_of(options, 1 << 16, &p, &c);
    unsigned char bytes[64];
    size_t len;
    uint32_t kind;
    while (rounds--) {
        for (int i = 0; i < BATCH; i++) {
            memset(bytes, 7, sizeof bytes);
            OPAQUE(bytes);
            if (quoit_try_push_frame(p, 0, bytes, sizeof bytes) != QUOIT_OK) exit(3);
        }
        for (int i = 0; i < BATCH; i++) {
            if (quoit_try_pop_frame(c, bytes, sizeof bytes, &len, &kind) != QUOIT_OK) exit(4);
            OPAQUE(bytes);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 5;
    uint64_t rounds = strtoull(argv[2], NULL, 10);
    if (strcmp(argv[1], "8") == 0) records_1(rounds);
    else if (strcmp(argv[1], "64") == 0) records_8(rounds);
    else frames(rounds);
    return 0;
}
