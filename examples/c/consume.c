// Consumes a quoit ring of frames. It shows that src/layout.md suffices to write a client: it uses nothing else.
// For programs, take bindings/c. This one sleeps on a futex or a semaphore, as the ring says.
//     cc -std=c11 -O2 -pthread examples/c/consume.c -o target/consume && target/consume quoit-frames
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
enum { SUPERSEDED = 128, TAIL = 4096, PRODUCER = 4224, HEAD = 8192, CONSUMER = 8320, DATA = 16384 };
enum { MY_WORD = 12288, PEERS_WORD = 12416, MY_SEMAPHORE = 12544, PEERS_SEMAPHORE = 12672, DROWSY = 0, PARKED = 2 };
#define AT(bits, offset) ((_Atomic uint##bits##_t *)(ring + (offset)))
#define LOAD(bits, offset) atomic_load_explicit(AT(bits, offset), memory_order_acquire)
#define STORE(bits, offset, value) atomic_store_explicit(AT(bits, offset), value, memory_order_release)
static unsigned char *ring;
static uint64_t capacity, head, frames, checksum = 0xcbf29ce484222325; // FNV-1a
static uint32_t doorbell; // the kind
static int role; // the descriptor that holds the lock for as long as this process lives
static struct stat file; // the one that the name referred to at first
static void check(int holds, const char *or) { if (!holds) exit((fprintf(stderr, "error: %s\n", or), 2)); }
static int named(const char *name) { // a descriptor of what has the name
    return strchr(name, '/') ? open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : shm_open(name, O_RDWR | O_NONBLOCK, 0);
}
static int refers_here(const char *name) { // so does an error
    struct stat now;
    int fd = named(name), gone = fd < 0 && errno == ENOENT;
    int other = fd >= 0 && fstat(fd, &now) == 0 && (now.st_dev != file.st_dev || now.st_ino != file.st_ino);
    if (fd >= 0) close(fd);
    return !gone && !other;
}
static int opened(const char *name) {
    struct stat first = file;
    int fd = named(name);
    check(fd >= 0 && fstat(fd, &file) == 0, "there is no ring of that name");
    check(!first.st_ino || (file.st_ino == first.st_ino && file.st_dev == first.st_dev), "superseded: start again");
    return fd;
}
static int lock(int command, off_t byte) { // F_OFD_SETLK: whether it is ours now; F_OFD_GETLK: whether it is free
    struct flock it = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(role, command, &it) == 0 && (command == F_OFD_SETLK || it.l_type == F_UNLCK);
}
static union { sem_t semaphore; uint64_t words[4]; } fresh; // what the second word of a semaphore looks like
static sem_t *semaphore(size_t offset) { // none in a ring of futexes, or if another process has written to it
    return doorbell && LOAD(64, offset + 8) == fresh.words[1] ? (sem_t *)(ring + offset) : NULL;
}
static void wake(int in_any_case) { // after each store of the head
    uint32_t parked = (atomic_thread_fence(memory_order_seq_cst), PARKED);
    if (!atomic_compare_exchange_strong(AT(32, PEERS_WORD), &parked, DROWSY) && !in_any_case) return;
    if (semaphore(PEERS_SEMAPHORE)) sem_post(semaphore(PEERS_SEMAPHORE));
    else syscall(SYS_futex, AT(32, PEERS_WORD), FUTEX_WAKE, 1, NULL, NULL, 0);
}
static int sleeps_through(long nanoseconds) { // whether it may have ended without a wake
    struct timespec end, span = {.tv_nsec = nanoseconds};
    for (int i = 0; i < 64 && semaphore(MY_SEMAPHORE) && sem_trywait(semaphore(MY_SEMAPHORE)) == 0; i++) {}
    atomic_exchange(AT(32, MY_WORD), PARKED), atomic_thread_fence(memory_order_seq_cst);
    int result = 0;
    if (LOAD(64, TAIL) == head && !(LOAD(64, PRODUCER) & 1)) {
        STORE(64, CONSUMER + 24, LOAD(64, CONSUMER + 24) + 1); // parks, shown by quoit stat
        clock_gettime(CLOCK_MONOTONIC, &end);
        if ((end.tv_nsec += nanoseconds) >= 1000000000) end.tv_sec += 1, end.tv_nsec -= 1000000000;
        if (semaphore(MY_SEMAPHORE)) result = sem_clockwait(semaphore(MY_SEMAPHORE), CLOCK_MONOTONIC, &end);
        else result = syscall(SYS_futex, AT(32, MY_WORD), FUTEX_WAIT, PARKED, &span, NULL, 0);
    }
    atomic_exchange(AT(32, MY_WORD), DROWSY);
    return result != 0;
}
static void read_to(uint64_t tail) {
    for (int padded = 0; head != tail;) {
        uint64_t left = tail - head, place = head & (capacity - 1), rest = capacity - place;
        uint64_t len = (uint32_t)LOAD(64, DATA + place), padding = len == UINT32_MAX; // to the end of the lap
        uint64_t size = padding ? rest : (8 + len + 7) & ~7ull;
        check(left <= capacity && size <= left && size <= rest, "the ring is corrupt");
        check(!padding || (!padded && rest < left), "the ring is corrupt"); // a frame follows, published together with it
        padded = padding;
        unsigned char *byte = ring + DATA + place + 8, *end = byte + (padding ? 0 : len);
        while (byte < end) checksum = (checksum ^ *byte++) * 0x100000001b3;
        head += size, frames += !padding;
    }
    STORE(64, HEAD, head), wake(0);
}
static volatile sig_atomic_t asked; // the signal that asked it to end
static void ask(int number) { asked = number; }
static void listen_to(int number) { // unless it is ignored, as nohup does
    struct sigaction now, then = {.sa_handler = ask};
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler != SIG_IGN) sigaction(number, &then, NULL);
}
int main(int argc, char **argv) {
    for (int fd = 0; fd >= 0 && fd <= 2;) // else a ring could get the number of a closed stream, and then the output
        if ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) > 2) close(fd);
    check(argc == 2, "usage: consume NAME");
    int fd = opened(argv[1]);
    check(S_ISREG(file.st_mode), "it is not a quoit ring");
    uint64_t magic = 0; // read: to load it through a mapping could allocate memory in a file that is not a ring
    check(pread(fd, &magic, 8, 0) == 8 && magic == 0x1a0a0d74696f7571 && file.st_size > DATA, "it is not a quoit ring");
    ring = mmap(NULL, file.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(ring != MAP_FAILED && LOAD(64, 0) == 0x1a0a0d74696f7571 && LOAD(32, 8) == 1, "it is not a quoit ring");
    check(LOAD(32, 12) == 2 && LOAD(64, 40) == 0xf253c7f18dd08cee, "it does not hold frames of the default schema");
    capacity = LOAD(64, 16), doorbell = LOAD(32, 36), sem_init(&fresh.semaphore, 1, 0);
    uint64_t length = LOAD(64, 64);
    check(capacity >= 64 && !(capacity & (capacity - 1)) && length <= (uint64_t)file.st_size, "it is corrupt");
    check(length > DATA && capacity <= length - DATA && LOAD(64, 24) == 1 && LOAD(32, 32) == 8, "it is corrupt");
    check(!LOAD(32, SUPERSEDED), "superseded: start again");
    check(!doorbell || doorbell == (1 | 1 << 8 | (uint32_t)sizeof(sem_t) << 16), "its doorbell is unknown, or another C library's");
    role = opened(argv[1]);
    for (int i = 0; !lock(F_OFD_SETLK, HEAD); i++) check(i < 100 && usleep(1000) == 0, "it already has a consumer");
    check(close(opened(argv[1])) == 0 && !LOAD(32, SUPERSEDED), "superseded: start again"); // before the lock was ours
    head = LOAD(64, HEAD);
    check(LOAD(64, TAIL) - head <= capacity && head % 8 == 0, "its positions are corrupt");
    listen_to(SIGINT), listen_to(SIGTERM), listen_to(SIGHUP);
    STORE(64, CONSUMER + 16, time(NULL) * 1000000000ull), STORE(32, CONSUMER + 8, getpid()), STORE(32, CONSUMER + 12, 0);
    STORE(64, CONSUMER, ((LOAD(64, CONSUMER) >> 1) + 1) << 1); // a new epoch
    atomic_exchange(AT(32, MY_WORD), DROWSY), wake(1);
    long longest = syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0 ? 100000000 : 1000000;
    const char *gone = NULL; // set before the last poll of the tail, so that the last frames are read
    for (uint64_t tail; !asked && ((tail = LOAD(64, TAIL)) != head || !gone);) {
        if (tail != head) read_to(tail);
        else if (LOAD(64, PRODUCER) & 1) gone = "closed";
        else if (!sleeps_through(longest)) continue;
        else if (!LOAD(64, PRODUCER)) check(refers_here(argv[1]), "superseded: start again"); // no producer can attach
        else if (lock(F_OFD_GETLK, TAIL)) gone = "crashed";
    }
    STORE(64, CONSUMER, LOAD(64, CONSUMER) | 1), wake(1); // closes; the end of the process frees the lock
    if (asked) signal(asked, SIG_DFL), raise(asked);
    int said = printf("%lu frames, checksum %016lx, producer %s\n", frames, checksum, gone);
    check(said > 0 && fflush(stdout) == 0, "standard output cannot be written");
}
