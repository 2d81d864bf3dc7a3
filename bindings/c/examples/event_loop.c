/* A ring in an event loop: event_loop NAME prints frames that come, as `quoit send NAME`
 * sends them, and lines that are typed. It ends with the program that sends. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <quoit.h>

static void check(quoit_status status) {
    if (status == QUOIT_OK) return;
    fprintf(stderr, "%s\n%s\n", quoit_status_text(status), quoit_last_error());
    exit(1);
}

int main(int argc, char **argv) {
    quoit_options *options = quoit_options_new();
    quoit_ring *ring;
    quoit_consumer *consumer;
    if (argc != 2) return fputs("usage: event_loop NAME\n", stderr), 2;
    check(quoit_options_frames(options, NULL));
    check(quoit_options_capacity(options, 1 << 16));
    check(quoit_open_or_create(options, argv[1], &ring));
    check(quoit_ring_consumer(ring, &consumer));
    /* A producer that has ended before is not waited for; the next one is. */
    uint64_t ended = quoit_consumer_is_abandoned(consumer) ? quoit_consumer_peer_epoch(consumer) : 0;
    for (;;) {
        struct pollfd ends[2] = {{0, POLLIN, 0}, {-1, POLLIN, 0}};
        check(quoit_consumer_arm(consumer, &ends[0].fd)); /* before each wait */
        ends[1].fd = STDIN_FILENO;
        if (poll(ends, 2, -1) < 0) break;
        quoit_frame frame;
        quoit_status status;
        while ((status = quoit_try_peek_frame(consumer, &frame)) == QUOIT_OK) {
            printf("%.*s\n", (int)frame.len, (const char *)frame.data);
            check(quoit_release_frame(consumer, &frame));
        }
        if (status == QUOIT_ABANDONED && quoit_consumer_peer_epoch(consumer) != ended) break;
        if (status != QUOIT_ABANDONED && status != QUOIT_EMPTY) check(status); /* or it stays readable */
        if (ends[1].revents == 0) continue;
        char line[256];
        ssize_t typed = read(STDIN_FILENO, line, sizeof line);
        if (typed <= 0) break;
        printf("%.*s", (int)typed, line);
    }
    quoit_consumer_free(consumer);
    quoit_ring_free(ring);
    quoit_options_free(options);
    return 0;
}
