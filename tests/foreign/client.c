// A client from src/layout.md alone: both roles, records (i64) and frames, both doorbells, names.
// In place of "layout.c", a test puts the C blocks of layout.md, in their order.
//
//     client create|replace NAME records|frames CAPACITY futex|semaphore FIRST
//     client unlink NAME
//     client produce|consume NAME records|frames UNTIL [steps]
//
// Every message is computed from its position, so each endpoint can be verified after any
// previous holder. `produce` and `consume` continue until the position UNTIL, also when
// their peers are killed. `steps`: each line of standard input is a message.
#include "layout.c"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

static const uint64_t MAGIC = 0x1a0a0d74696f7571, FNV = 0xcbf29ce484222325;
enum { RECORDS = 1, FRAMES = 2, SUPERSEDED_AT = 128, PRODUCER = 4096, CONSUMER = 8192, DATA = 16384, LONGEST = 200 };
#define GET(bits, ring, at) atomic_load_explicit(BITS_##bits(ring, at), memory_order_acquire)
#define BITS_64(ring, at) word(ring, at)
#define BITS_32(ring, at) half(ring, at)

static void fail(const char *why) {
    fprintf(stderr, "error: %s\n", why);
    exit(2);
}

static void check(int holds, const char *or) {
    if (!holds) fail(or);
}

// ---- the content of a ring

static uint32_t shape_of(const char *word) { return strcmp(word, "frames") == 0 ? FRAMES : RECORDS; }

static uint64_t schema(uint64_t size, uint64_t align, const char *tag) {
    uint64_t hash = FNV;
    unsigned char bytes[16];
    memcpy(bytes, &size, 8);
    memcpy(bytes + 8, &align, 8);
    for (int i = 0; i < 16; i++) hash = (hash ^ bytes[i]) * 0x100000001b3;
    for (; *tag; tag++) hash = (hash ^ (unsigned char)*tag) * 0x100000001b3;
    return hash;
}

struct kind { uint64_t slot_size, schema; uint32_t slot_align; };

static struct kind kind_of(uint32_t shape) {
    if (shape == FRAMES) return (struct kind){1, schema(1, 8, "frames"), 8};
    return (struct kind){8, schema(8, 8, "i64"), 8};
}

static uint32_t semaphores(void) { return 1 | 1 << 8 | (uint32_t)sizeof(sem_t) << 16; }

// ---- messages that are computed from their position

static uint64_t mixed(uint64_t position) { return (position + 1) * 0x9e3779b97f4a7c15; }

static uint32_t frame_at(uint64_t position, unsigned char *bytes) {
    uint64_t state = mixed(position);
    uint32_t len = (uint32_t)((state >> 32) % (LONGEST + 1));
    for (uint32_t i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1;
        bytes[i] = (unsigned char)(state >> 56);
    }
    return len;
}

// ---- names and opening

struct opened {
    char path[300];
    int file;
    uint64_t length;
    uint32_t shape;
    struct end end;
};

static void path_of(const char *name, char *path, size_t size) {
    int length = snprintf(path, size, strchr(name, '/') ? "%s" : "/dev/shm/%s", name);
    check(length > 0 && (size_t)length < size, "the name is too long");
}

enum found { FOUND, NOWHERE, OVER };

static int take_locks(struct opened *ring, int fd) { // 0: taken, 1: busy, 2: the name refers to another file; closing fd frees them
    static const off_t bytes[] = {0, PRODUCER, CONSUMER};
    short found;
    for (int i = 0; i < 3; i++) {
        int tries = 0;
        while (lock_byte(fd, F_OFD_SETLK, F_WRLCK, bytes[i], &found) != 0) {
            check(errno == EAGAIN || errno == EACCES, "a byte cannot be locked");
            if (i > 0 || tries++ == 100) return 1;
            usleep(1000);
        }
    }
    int refers = refers_here(ring->path, ring->file);
    check(refers >= 0, "the name cannot be examined");
    return refers == 1 ? 0 : 2;
}

static int lock_file(struct opened *ring) { // -1 if the name refers to another file
    struct stat here, there;
    int fd = open(ring->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return -1;
    check(fstat(fd, &there) == 0 && fstat(ring->file, &here) == 0, "a file cannot be examined");
    if (there.st_dev == here.st_dev && there.st_ino == here.st_ino) return fd;
    close(fd);
    return -1;
}

static void give_back(int fd) {
    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    fcntl(fd, F_OFD_SETLK, &all);
    close(fd);
}

static void close_ring(struct opened *ring) {
    munmap(ring->end.ring.base, ring->length);
    close(ring->file);
}

// With shape 0 any content is accepted, as for unlinking.
static enum found open_ring(const char *name, uint32_t shape, struct opened *ring) {
    struct stat data;
    memset(ring, 0, sizeof *ring);
    path_of(name, ring->path, sizeof ring->path);
    ring->file = open(ring->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (ring->file < 0 && errno == ENOENT) return NOWHERE;
    check(ring->file >= 0 && fstat(ring->file, &data) == 0, "the ring cannot be opened");
    check(S_ISREG(data.st_mode) && data.st_size > DATA, "it is not a ring");
    ring->length = (uint64_t)data.st_size;
    void *base = mmap(NULL, ring->length, PROT_READ | PROT_WRITE, MAP_SHARED, ring->file, 0);
    check(base != MAP_FAILED, "the ring cannot be mapped");
    struct ring *r = &ring->end.ring;
    r->base = base;
    check(GET(64, r, 0) == MAGIC && GET(32, r, 8) == 1, "it is not a ring of this layout");
    if (shape != 0) {
        struct kind kind = kind_of(shape);
        uint64_t slot_size = GET(64, r, 24), length = GET(64, r, 64), least;
        r->capacity = GET(64, r, 16);
        ring->shape = GET(32, r, 12);
        ring->end.doorbell = GET(32, r, 36);
        check(ring->shape == shape && GET(64, r, 40) == kind.schema, "it holds something else");
        check(slot_size == kind.slot_size && GET(32, r, 32) == kind.slot_align, "its slots are corrupt");
        check(r->capacity >= (shape == FRAMES ? 64 : 1) && !(r->capacity & (r->capacity - 1)), "its capacity is corrupt");
        check(!__builtin_mul_overflow(r->capacity, slot_size, &least) && !__builtin_add_overflow(least, DATA, &least) &&
              least <= length && length <= ring->length, "its length is corrupt");
        check(ring->end.doorbell == 0 || ring->end.doorbell == semaphores(), "its doorbell is unknown");
    }
    if (GET(32, r, SUPERSEDED_AT) == 0) return FOUND;
    int fd = lock_file(ring);
    if (fd >= 0) {
        int held = take_locks(ring, fd) == 0;
        int lives = held && GET(32, r, SUPERSEDED_AT) == 0; // the holder of the locks could not remove the name
        if (held && !lives) unlink(ring->path);
        give_back(fd);
        if (lives) return FOUND;
    }
    close_ring(ring);
    return OVER;
}

static void open_patiently(const char *name, uint32_t shape, struct opened *ring) {
    enum found found = OVER;
    for (int tries = 0; tries < 1000 && (found = open_ring(name, shape, ring)) == OVER; tries++) usleep(500);
    check(found != NOWHERE, "there is no ring of that name");
    check(found == FOUND, "superseded");
}

// ---- creating, replacing, unlinking

static int make(const char *path, uint32_t shape, uint64_t capacity, uint32_t doorbell, uint64_t first) {
    char directory[300];
    snprintf(directory, sizeof directory, "%s", path);
    char *last = strrchr(directory, '/');
    *(last == directory ? last + 1 : last) = 0;
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    struct stat data;
    struct kind kind = kind_of(shape);
    check(fd >= 0 && fchmod(fd, 0600) == 0 && fstat(fd, &data) == 0, "no file without a name");
    uint64_t block = (uint64_t)data.st_blksize, length = DATA + capacity * kind.slot_size;
    length = (length + block - 1) / block * block;
    check(posix_fallocate(fd, 0, (off_t)length) == 0, "no memory");
    void *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    check(base != MAP_FAILED, "the new ring cannot be mapped");
    struct ring ring = {.base = base}, *r = &ring;
    uint64_t incarnation;
    struct timespec now;
    check(getrandom(&incarnation, 8, 0) == 8 && clock_gettime(CLOCK_REALTIME, &now) == 0, "no random numbers");
    atomic_store(half(r, 8), 1);
    atomic_store(half(r, 12), shape);
    atomic_store(word(r, 16), capacity);
    atomic_store(word(r, 24), kind.slot_size);
    atomic_store(half(r, 32), kind.slot_align);
    atomic_store(half(r, 36), doorbell);
    atomic_store(word(r, 40), kind.schema);
    atomic_store(word(r, 48), incarnation);
    atomic_store(word(r, 56), (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
    atomic_store(word(r, 64), length);
    atomic_store(word(r, 4096), first);
    atomic_store(word(r, 8192), first);
    if (doorbell != 0)
        check(sem_init((sem_t *)(ring.base + 12544), 1, 0) == 0 && sem_init((sem_t *)(ring.base + 12672), 1, 0) == 0,
              "no semaphores");
    atomic_store_explicit(word(r, 0), MAGIC, memory_order_release);
    munmap(base, length);
    return fd;
}

static int link_to(int fd, const char *path) {
    char source[64];
    snprintf(source, sizeof source, "/proc/thread-self/fd/%d", fd);
    return linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

// Supersedes the ring that has the name. `fd` gets the name; with -1 the name is removed. Returns the result.
static const char *end_life(const char *name, int fd) {
    struct opened ring;
    for (int tries = 0; tries < 1000; tries++) {
        enum found found = open_ring(name, 0, &ring);
        if (found == NOWHERE) return "there is no ring of that name";
        if (found == OVER) continue;
        int lock = lock_file(&ring), busy = lock < 0 ? 2 : take_locks(&ring, lock), taken = 0;
        if (busy == 0) {
            _Atomic uint32_t *superseded = half(&ring.end.ring, SUPERSEDED_AT);
            atomic_store(superseded, 1);
            if (fd < 0) taken = unlink(ring.path) == 0;
            else {
                char temporary[320];
                uint64_t random;
                check(getrandom(&random, 8, 0) == 8, "no random numbers");
                int directory = (int)(strrchr(ring.path, '/') - ring.path);
                snprintf(temporary, sizeof temporary, "%.*s/.quoit-%016lx.new", directory, ring.path, random);
                check(link_to(fd, temporary) == 0, "no temporary name");
                taken = rename(temporary, ring.path) == 0;
                if (!taken) unlink(temporary);
            }
            if (!taken) atomic_store(superseded, 0);
        }
        if (lock >= 0) give_back(lock);
        close_ring(&ring);
        if (busy == 0) return taken ? "done" : "the name cannot be taken";
        if (busy == 1) return "in use";
    }
    return "superseded";
}

// ---- the two roles

static struct opened ring;

static void take(const char *name, uint32_t shape, size_t own) {
    enum taken taken = SUPERSEDED;
    for (int tries = 0; tries < 1000 && taken == SUPERSEDED; tries++) {
        open_patiently(name, shape, &ring);
        ring.end.own = own;
        ring.end.peer = own == PRODUCER ? CONSUMER : PRODUCER;
        taken = take_role(&ring.end, ring.path, ring.file, shape);
        if (taken == SUPERSEDED) close_ring(&ring);
    }
    check(taken != IN_USE, "in use");
    check(taken != CORRUPT, "its positions are corrupt");
    check(taken == TAKEN, "the role cannot be taken");
}

// 1 pushed, 0 full, -1 corrupt
static int push_frame(struct ring *r, const unsigned char *payload, uint32_t len, uint32_t kind) {
    uint64_t unread = r->position - atomic_load_explicit(word(r, 8192), memory_order_acquire);
    uint64_t place = r->position & (r->capacity - 1), rest = r->capacity - place;
    uint64_t size = (8 + (uint64_t)len + 7) & ~(uint64_t)7, padding = size > rest ? rest : 0;
    if (unread > r->capacity) return -1;
    if (padding + size > r->capacity - unread) return 0;
    if (padding) {
        atomic_store_explicit(word(r, DATA + place), UINT32_MAX, memory_order_relaxed);
        place = 0;
    }
    unsigned char *data = r->base + DATA + place + 8;
    memcpy(data, payload, len);
    memset(data + len, 0, size - 8 - len);
    atomic_store_explicit(word(r, DATA + place), len | (uint64_t)kind << 32, memory_order_relaxed);
    r->position += padding + size;
    atomic_store_explicit(word(r, 4096), r->position, memory_order_release);
    return 1;
}

static int produce_one(struct end *e) {
    unsigned char bytes[LONGEST];
    uint64_t position = e->ring.position;
    if (ring.shape == RECORDS) return try_push(&e->ring, (int64_t)mixed(position));
    return push_frame(&e->ring, bytes, frame_at(position, bytes), (uint32_t)position);
}

static int consume_one(struct end *e) {
    unsigned char bytes[LONGEST];
    uint64_t position = e->ring.position;
    if (ring.shape == RECORDS) {
        int64_t value;
        int found = try_pop(&e->ring, &value);
        check(found != 1 || (uint64_t)value == mixed(position), "a wrong record");
        return found;
    }
    struct frame frame;
    int found = peek_frame(&e->ring, &frame);
    if (found != 1) return found;
    uint32_t len = frame_at(position, bytes);
    check(frame.len == len && frame.kind == (uint32_t)position && memcmp(frame.payload, bytes, len) == 0, "a wrong frame");
    release_to(&e->ring, frame.end);
    return 1;
}

static void run(int producing, uint64_t until, int steps) {
    struct end *e = &ring.end;
    char line[16];
    uint64_t short_naps = mixed((uint64_t)getpid()) >> 32;
    while ((int64_t)(until - e->ring.position) > 0) {
        if (steps && !fgets(line, sizeof line, stdin)) break;
        int done;
        do {
            uint64_t seen = atomic_load_explicit(word(&e->ring, e->peer), memory_order_acquire);
            done = producing ? produce_one(e) : consume_one(e);
            check(done >= 0, "the ring is corrupt");
            if (done) wake(e, 0);
            else if (park(e, seen)) check(refers_here(ring.path, ring.file) != 0, "superseded");
        } while (!done);
        if (!steps && ++short_naps % 256 == 0) usleep((useconds_t)(short_naps >> 8) % 128); // lets the peer sleep
    }
    leave(e);
}

int main(int argc, char **argv) {
    check(argc >= 3, "usage: client COMMAND NAME ...");
    const char *command = argv[1], *name = argv[2];
    int creates = strcmp(command, "create") == 0, produces = strcmp(command, "produce") == 0;
    if (creates || strcmp(command, "replace") == 0) {
        check(argc == 7, "usage: client create|replace NAME SHAPE CAPACITY DOORBELL FIRST");
        char path[300];
        path_of(name, path, sizeof path);
        uint32_t doorbell = strcmp(argv[5], "semaphore") == 0 ? semaphores() : 0;
        int fd = make(path, shape_of(argv[3]), strtoull(argv[4], NULL, 10), doorbell, strtoull(argv[6], NULL, 10));
        if (creates) check(link_to(fd, path) == 0, "there is a ring of that name");
        else puts(end_life(name, fd));
        return 0;
    }
    if (strcmp(command, "unlink") == 0) {
        puts(end_life(name, -1));
        return 0;
    }
    check(argc >= 5 && (produces || strcmp(command, "consume") == 0), "usage: client produce|consume NAME SHAPE UNTIL");
    take(name, shape_of(argv[3]), produces ? PRODUCER : CONSUMER);
    puts("attached");
    fflush(stdout);
    run(produces, strtoull(argv[4], NULL, 10), argc > 5);
    return 0;
}
