/* quoit: a lock-free ring buffer in shared memory, for two processes. The C ABI.
 *
 * cbindgen makes this file of bindings/c/src; a test compares the two. What has to be
 * fast is in quoit_inline.h, which this file includes at its end. bindings/c/README.md
 * says how to use both.
 *
 * Every handle belongs to one thread at a time. A call with a null pointer returns
 * QUOIT_INVALID. No call lets a panic through: QUOIT_INTERNAL says that there was one.
 */

#ifndef QUOIT_H
#define QUOIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The version of this header's structs and functions.
#define QUOIT_ABI 1

// A timeout that never expires.
#define QUOIT_FOREVER UINT64_MAX

// Wait by spinning; the only system call checks that the peer is alive.
#define QUOIT_WAIT_SPIN 0

// Spin, then yield the processor.
#define QUOIT_WAIT_YIELD 1

// Spin, then sleep: the default.
#define QUOIT_WAIT_PARK 2

// As park, but wakes just before a message if messages arrive evenly.
#define QUOIT_WAIT_ADAPTIVE 3

// Sleep on futexes: the default.
#define QUOIT_DOORBELL_FUTEX 0

// Sleep on POSIX semaphores.
#define QUOIT_DOORBELL_SEMAPHORE 1

// Take over a ring that no process holds: the default.
#define QUOIT_STALE_TAKE_OVER 0

// Replace a ring that no process holds.
#define QUOIT_STALE_REPLACE 1

// Fail with QUOIT_ALREADY_EXISTS.
#define QUOIT_STALE_FAIL 2

// The endpoint that sleeps pays for the fence: the default.
#define QUOIT_FENCES_ASYMMETRIC 0

// Both pay, and no barrier of another process interrupts this one.
#define QUOIT_FENCES_SYMMETRIC 1

// The header of a frame is impossible.
#define QUOIT_FIELD_FRAME_LENGTH 0

// There is padding where none can be.
#define QUOIT_FIELD_PADDING 1

// The tail leaves less than a header.
#define QUOIT_FIELD_TAIL 2

// The endpoint has something to do.
#define QUOIT_SELECTED_READY 0

// The peer of the endpoint has closed or crashed; reported once.
#define QUOIT_SELECTED_ABANDONED 1

// Another peer has attached.
#define QUOIT_SELECTED_ATTACHED 2

// The result of a call.
typedef enum quoit_status {
  // Success.
  QUOIT_OK = 0,
  // The ring is full.
  QUOIT_FULL = 1,
  // The ring is empty, or all frames were visited.
  QUOIT_EMPTY = 2,
  // The timeout has expired.
  QUOIT_TIMED_OUT = 3,
  // The peer has closed or crashed, and no message, or no room, is left.
  QUOIT_ABANDONED = 4,
  // The ring was unlinked or replaced.
  QUOIT_SUPERSEDED = 5,
  // The message never fits into this ring.
  QUOIT_TOO_LONG = 6,
  // The buffer is shorter than the next frame, which stays in the ring.
  QUOIT_TOO_SHORT = 7,
  // The ring never holds this many.
  QUOIT_TOO_MANY = 8,
  // Memory of the ring holds an impossible value.
  QUOIT_CORRUPT = 9,
  // A pointer is null, or an argument does not fit the ring.
  QUOIT_INVALID = 10,
  // There is no ring of that name.
  QUOIT_NOT_FOUND = 11,
  // There is a ring of that name.
  QUOIT_ALREADY_EXISTS = 12,
  // A process holds the role or the ring.
  QUOIT_IN_USE = 13,
  // The file is not a ring.
  QUOIT_NOT_A_RING = 14,
  // The descriptor is not that of an anonymous ring.
  QUOIT_WRONG_DESCRIPTOR = 15,
  // The ring or the message has another version.
  QUOIT_VERSION_MISMATCH = 16,
  // The ring holds frames, and not records, or the other way around.
  QUOIT_SHAPE_MISMATCH = 17,
  // The ring holds other records: size, alignment or tag differ.
  QUOIT_SCHEMA_MISMATCH = 18,
  // The ring has another capacity.
  QUOIT_CAPACITY_MISMATCH = 19,
  // The ring sleeps on what this build cannot wake, or what this call cannot wait for.
  QUOIT_DOORBELL_MISMATCH = 20,
  // There is not enough memory.
  QUOIT_NO_MEMORY = 21,
  // The limit on the size of files is too low.
  QUOIT_FILE_SIZE_LIMIT = 22,
  // A system call failed.
  QUOIT_IO = 23,
  // No ring can have that name.
  QUOIT_INVALID_NAME = 24,
  // No ring can have that capacity.
  QUOIT_INVALID_CAPACITY = 25,
  // Header and library are of different versions.
  QUOIT_ABI_MISMATCH = 26,
  // The kernel or this process cannot do that.
  QUOIT_UNSUPPORTED = 27,
  // The thread that waits for descriptors has ended.
  QUOIT_REACTOR_DIED = 28,
  // The other side of the socket is closed.
  QUOIT_CLOSED = 29,
  // The message on the socket is not a ring.
  QUOIT_OTHER_MESSAGE = 30,
  // The library has a bug: it panicked, and the message is on standard error.
  QUOIT_INTERNAL = 31,
} quoit_status;

// Observes a ring without a role, and changes nothing.
typedef struct quoit_observer quoit_observer;

// How a ring is created and opened; what it holds must be set. Frees nothing of a ring.
typedef struct quoit_options quoit_options;

// A ring that was created or opened, before a role is taken. It may be freed while its
// endpoints live.
typedef struct quoit_ring quoit_ring;

// Waits until one of several endpoints is ready. Pass the same endpoints in the same order to
// each wait.
typedef struct quoit_select quoit_select;

// The endpoint that writes, as the fast path sees it. Its fields belong to
// quoit_inline.h; a program reads none but `tail`, its position.
typedef struct quoit_producer {
  // The next position to write.
  uint64_t tail;
  // The end of the room that is known.
  uint64_t end;
  // The end of the slots whose cache lines were taken.
  uint64_t open;
  // The capacity less one.
  uint64_t mask;
  // The data of the ring.
  uint8_t *data;
  // The shared tail, the mark and the words of the inline copy.
  uint64_t *line;
  // The sleep word of the consumer.
  const uint32_t *peer;
  // Bytes of a record; 0 for frames.
  uint64_t slot_size;
  // Records whose lines are fetched together.
  uint64_t per_group;
  // Records of a line, if they divide it; 1 otherwise.
  uint64_t per_line;
  // Bytes of the longest frame; 0 for records.
  uint64_t max_frame;
  // Bytes of the frame that was claimed last, plus 1; 0 for none.
  uint64_t claimed;
  // Bytes of the batch that is not published yet.
  uint64_t pending;
  // What the sleep word holds while it asks for nothing.
  uint32_t calm;
  // Whether the consumer asks for inline copies.
  uint32_t hint;
  // Words of a record's inline copy; 0 if it does not fit.
  uint32_t inline_words;
  // Whether each of the recent polls found room for many.
  uint32_t is_stream;
} quoit_producer;

// The endpoint that reads, as the fast path sees it. Its fields belong to
// quoit_inline.h; a program reads none but `head`, its position.
typedef struct quoit_consumer {
  // The next position to read.
  uint64_t head;
  // The tail as last seen.
  uint64_t tail;
  // The end of the records whose cache lines were asked for.
  uint64_t open;
  // The capacity less one.
  uint64_t mask;
  // The data of the ring.
  uint8_t *data;
  // The shared head.
  uint64_t *line;
  // The sleep word of the producer.
  const uint32_t *peer;
  // Bytes of a record; 0 for frames.
  uint64_t slot_size;
  // Records whose lines are fetched together.
  uint64_t per_group;
  // Records of a line, if they divide it; 1 otherwise.
  uint64_t per_line;
  // The position of the message that was copied inline, times 2, plus 1; 0 for none.
  uint64_t inline_mark;
  // That message.
  uint64_t inline_words[6];
  // What the sleep word holds while it asks for nothing.
  uint32_t calm;
  // Whether each of the recent polls found many.
  uint32_t is_stream;
} quoit_consumer;

// One of the endpoints: one of the two pointers is null.
typedef struct quoit_interest {
  // Ready as soon as there is room.
  struct quoit_producer *producer;
  // Ready as soon as there is a message.
  struct quoit_consumer *consumer;
  // How much room, in records or bytes: quoit_frame_room says it of a frame. 0 is as 1.
  uint64_t wanted;
} quoit_interest;

// What a ring is.
typedef struct quoit_info {
  // Records, or bytes for frames.
  uint64_t capacity;
  // Bytes of a record; 0 for frames.
  uint64_t slot_size;
  // Its alignment; 8 for frames.
  uint64_t slot_align;
  // Fingerprint of size, alignment and tag.
  uint64_t schema;
  // Distinguishes this ring from others of the same name.
  uint64_t incarnation;
  // Bytes of the whole ring.
  uint64_t length;
} quoit_info;

// The state that an endpoint has stored, and whether a process holds its role.
typedef struct quoit_endpoint_state {
  // How often the role was taken.
  uint64_t epoch;
  // Nanoseconds since 1970 at which it was taken.
  uint64_t since;
  // Sleeps.
  uint64_t parks;
  // Wake-ups that it has sent.
  uint64_t wakes;
  // Sleeps that only a timeout ended.
  uint64_t rescues;
  // Messages that were refused or skipped.
  uint64_t dropped;
  // The id of the process in its own PID namespace.
  uint32_t pid;
  // Whether a process holds the role.
  bool is_alive;
  // Whether the last holder has closed.
  bool is_closed;
  // Whether it sleeps.
  bool is_asleep;
} quoit_endpoint_state;

// Where both endpoints are.
typedef struct quoit_sample {
  // The next position to write.
  uint64_t tail;
  // The next position to read.
  uint64_t head;
  // What is unread.
  uint64_t len;
  // The one that writes.
  struct quoit_endpoint_state producer;
  // The one that reads.
  struct quoit_endpoint_state consumer;
} quoit_sample;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// A text that says what to do about a status, valid until the program ends. An unknown status
// has a text as well.
const char *quoit_status_text(int32_t status);

// The details of the last failed call of this thread, where the status alone does not suffice. Empty if
// there are none. The place is the same for as long as the thread runs: the next failure replaces the
// text.
const char *quoit_last_error(void);

// Has quoit_last_error say why an argument was refused. For quoit_inline.h. Returns QUOIT_INVALID.
enum quoit_status quoit_invalid(const char *why) __attribute__((cold));

// The ABI of this library: compare it with QUOIT_ABI of the header.
uint32_t quoit_abi_version(void);

// The layout version of the rings that this library knows.
uint32_t quoit_layout_version(void);

// The version of this library, as in "0.1.0".
const char *quoit_version(void);

// Options with every default. Free them with quoit_options_free.
struct quoit_options *quoit_options_new(void);

// Frees options. Null is ignored.
void quoit_options_free(struct quoit_options *options);

// The ring holds records of this size and alignment. The tag is text that both programs
// agree on, as in "tick/3"; a Rust program sets it by RingOptions::schema_tag, or has its
// type's name.
enum quoit_status quoit_options_records(struct quoit_options *options,
                                        size_t size,
                                        size_t align,
                                        const char *tag);

// The ring holds frames. The tag may be null for the usual one.
enum quoit_status quoit_options_frames(struct quoit_options *options, const char *tag);

// The capacity of a new ring: records, or bytes for frames; a power of two.
enum quoit_status quoit_options_capacity(struct quoit_options *options, uint64_t capacity);

// The mode of a new ring's file, from 0600, the default, to 0777.
enum quoit_status quoit_options_mode(struct quoit_options *options, uint32_t mode);

// Whether every page is mapped immediately.
enum quoit_status quoit_options_prefault(struct quoit_options *options, bool prefault);

// Whether the memory is locked.
enum quoit_status quoit_options_lock_memory(struct quoit_options *options, bool lock_memory);

// What to do with a ring that no process holds: QUOIT_STALE_...
enum quoit_status quoit_options_stale(struct quoit_options *options, uint32_t policy);

// Whether an endpoint that is freed after the other one removes the name of the ring. Set it
// in both programs: the endpoint that closes last removes the name.
enum quoit_status quoit_options_unlink_on_free(struct quoit_options *options, bool unlink);

// What the endpoints of a new ring sleep on: QUOIT_DOORBELL_...
enum quoit_status quoit_options_doorbell(struct quoit_options *options, uint32_t doorbell);

// How this process waits: QUOIT_WAIT_...
enum quoit_status quoit_options_wait_strategy(struct quoit_options *options, uint32_t strategy);

// How long this process spins before it yields or sleeps, in nanoseconds.
enum quoit_status quoit_options_spin(struct quoit_options *options, uint64_t nanoseconds);

// How often a waiting endpoint checks that its peer is alive, in nanoseconds.
enum quoit_status quoit_options_peer_check(struct quoit_options *options, uint64_t nanoseconds);

// Which endpoint pays for a fence: QUOIT_FENCES_...
enum quoit_status quoit_options_fences(struct quoit_options *options, uint32_t fences);

// The first position of a new ring, for tests of the wrap; a multiple of 8 for frames.
enum quoit_status quoit_options_first_position(struct quoit_options *options, uint64_t position);

// Creates a ring: its name is free, or the options replace a ring that no process holds.
enum quoit_status quoit_create(const struct quoit_options *options,
                               const char *name,
                               struct quoit_ring **ring);

// Opens a ring of any capacity.
enum quoit_status quoit_open(const struct quoit_options *options,
                             const char *name,
                             struct quoit_ring **ring);

// Opens a ring, or creates it if there is none.
enum quoit_status quoit_open_or_create(const struct quoit_options *options,
                                       const char *name,
                                       struct quoit_ring **ring);

// Creates a ring without a name; quoit_send hands it to another process.
enum quoit_status quoit_create_anonymous(const struct quoit_options *options,
                                         struct quoit_ring **ring);

// Opens the ring of a descriptor from another process. It stays the caller's.
enum quoit_status quoit_open_descriptor(const struct quoit_options *options,
                                        int descriptor,
                                        struct quoit_ring **ring);

// Sends a ring without a name over a Unix stream socket to another process.
enum quoit_status quoit_send(int socket_fd, const struct quoit_ring *ring);

// Receives a ring that another process has sent. Waits for as long as the socket does.
enum quoit_status quoit_receive(int socket_fd,
                                const struct quoit_options *options,
                                struct quoit_ring **ring);

// Frees the handle; the ring stays. Null is ignored.
void quoit_ring_free(struct quoit_ring *ring);

// The name of the ring, as it was given. Lives as long as the handle.
const char *quoit_ring_name(const struct quoit_ring *ring);

// Records, or bytes for frames. 0 for null.
uint64_t quoit_ring_capacity(const struct quoit_ring *ring);

// A random number that distinguishes this ring from others of the same name. 0 for null.
uint64_t quoit_ring_incarnation(const struct quoit_ring *ring);

// The descriptor of a ring without a name, which stays the ring's; -1 for others.
int quoit_ring_descriptor(const struct quoit_ring *ring);

// Waits until the ring is on its disk.
enum quoit_status quoit_ring_sync(const struct quoit_ring *ring);

// Removes the name of the ring. No process may hold a role.
enum quoit_status quoit_ring_unlink(const struct quoit_ring *ring);

// Removes a ring by its name. No process may hold a role.
enum quoit_status quoit_unlink(const char *name);

// Removes a ring by its name if it was in use and no process holds a role; `removed` may be null.
enum quoit_status quoit_unlink_if_stale(const char *name, bool *removed);

// Polls for room, for records or bytes. Wait-free, no system call.
enum quoit_status quoit_producer_poll(struct quoit_producer *producer, uint64_t wanted);

// Waits for room, for records or bytes. May sleep.
enum quoit_status quoit_producer_wait(struct quoit_producer *producer,
                                      uint64_t wanted,
                                      uint64_t timeout_ns);

// Does what the consumer's sleep word asks for after a publish of these units: perhaps a wake. For
// quoit_inline.h. QUOIT_ABANDONED in a forked child, where nothing was published.
enum quoit_status quoit_producer_moved(struct quoit_producer *producer, uint64_t units);

// Whether a consumer of this thread has waited since the last such question: there is time to take
// the lines of the next record while the last one is in flight. For quoit_inline.h.
bool quoit_producer_was_idle(struct quoit_producer *producer);

// A descriptor for an event loop: readable as soon as there is room for this many records
// or bytes, or the consumer has closed or crashed, until the next other call on this
// producer. Call it again before each wait of the loop. The descriptor is the producer's,
// and stays the same. quoit_frame_room says how many bytes a frame needs. QUOIT_TOO_LONG: the
// ring never has that much room.
enum quoit_status quoit_producer_arm(struct quoit_producer *producer,
                                     uint64_t wanted,
                                     int *descriptor);

// What is unread, in records, or bytes for frames. A snapshot. 0 for null.
uint64_t quoit_producer_len(struct quoit_producer *producer);

// Whether a consumer attached, and has closed or crashed since. Makes a system call.
bool quoit_producer_is_abandoned(struct quoit_producer *producer);

// Whether the ring was unlinked or replaced. Makes a system call.
bool quoit_producer_is_superseded(struct quoit_producer *producer);

// How often a consumer has attached.
uint64_t quoit_producer_peer_epoch(struct quoit_producer *producer);

// Which ring this is.
uint64_t quoit_producer_incarnation(struct quoit_producer *producer);

// Waits until a consumer is attached. May sleep.
enum quoit_status quoit_producer_wait_for_peer(struct quoit_producer *producer,
                                               uint64_t timeout_ns);

// What has poisoned the endpoint: the field, and the value that it cannot have. The field
// is null for a healthy endpoint, and otherwise lives as long as the program.
enum quoit_status quoit_producer_corruption(struct quoit_producer *producer,
                                            const char **field,
                                            uint64_t *found);

// Counts messages that this program refused or skipped, for quoit_observer_sample and
// quoit stat.
enum quoit_status quoit_producer_count_dropped(struct quoit_producer *producer, uint64_t messages);

// Closes the endpoint and keeps its role: the consumer sees what it sees when the endpoint is
// freed.
enum quoit_status quoit_producer_close(struct quoit_producer *producer);

// Closes the endpoint and frees its role. Null is ignored.
void quoit_producer_free(struct quoit_producer *producer);

// quoit_ring_producer, for code that no header was compiled into.
enum quoit_status quoit_ring_producer_abi(const struct quoit_ring *ring,
                                          uint32_t abi,
                                          struct quoit_producer **producer);

// Polls for this many records or bytes. Wait-free, no system call.
enum quoit_status quoit_consumer_poll(struct quoit_consumer *consumer, uint64_t wanted);

// Waits for this many records or bytes. May sleep.
enum quoit_status quoit_consumer_wait(struct quoit_consumer *consumer,
                                      uint64_t wanted,
                                      uint64_t timeout_ns);

// Does what the producer's sleep word asks for after a release: perhaps a wake. For
// quoit_inline.h.
enum quoit_status quoit_consumer_moved(struct quoit_consumer *consumer);

// Poisons the endpoint: its fast path has found an impossible value. For quoit_inline.h.
// Returns QUOIT_CORRUPT.
enum quoit_status quoit_consumer_poison(struct quoit_consumer *consumer,
                                        uint32_t field,
                                        uint64_t found);

// A descriptor for an event loop: readable as soon as there is a message, or the producer
// has closed or crashed, until the next other call on this consumer. Call it again before
// each wait of the loop. The descriptor is the consumer's, and stays the same.
enum quoit_status quoit_consumer_arm(struct quoit_consumer *consumer, int *descriptor);

// What is unread, in records, or bytes for frames. A snapshot. 0 for null.
uint64_t quoit_consumer_len(struct quoit_consumer *consumer);

// Whether a producer attached, and has closed or crashed since. Makes a system call.
bool quoit_consumer_is_abandoned(struct quoit_consumer *consumer);

// Whether the ring was unlinked or replaced. Makes a system call.
bool quoit_consumer_is_superseded(struct quoit_consumer *consumer);

// How often a producer has attached.
uint64_t quoit_consumer_peer_epoch(struct quoit_consumer *consumer);

// Which ring this is.
uint64_t quoit_consumer_incarnation(struct quoit_consumer *consumer);

// Waits until a producer is attached. May sleep.
enum quoit_status quoit_consumer_wait_for_peer(struct quoit_consumer *consumer,
                                               uint64_t timeout_ns);

// What has poisoned the endpoint: the field, and the value that it cannot have. The field
// is null for a healthy endpoint, and otherwise lives as long as the program.
enum quoit_status quoit_consumer_corruption(struct quoit_consumer *consumer,
                                            const char **field,
                                            uint64_t *found);

// Counts messages that this program refused or skipped, for quoit_observer_sample and
// quoit stat.
enum quoit_status quoit_consumer_count_dropped(struct quoit_consumer *consumer, uint64_t messages);

// Closes the endpoint and keeps its role: the producer sees what it sees when the endpoint is
// freed.
enum quoit_status quoit_consumer_close(struct quoit_consumer *consumer);

// Closes the endpoint and frees its role. Null is ignored.
void quoit_consumer_free(struct quoit_consumer *consumer);

// quoit_ring_consumer, for code that no header was compiled into.
enum quoit_status quoit_ring_consumer_abi(const struct quoit_ring *ring,
                                          uint32_t abi,
                                          struct quoit_consumer **consumer);

// Creates a select. Free it with quoit_select_free.
struct quoit_select *quoit_select_new(void);

// Frees a select. Null is ignored.
void quoit_select_free(struct quoit_select *select);

// Waits until one of the endpoints is ready, or its peer has closed, crashed or attached again. Stores
// the place of that endpoint and what happened: QUOIT_SELECTED_READY, QUOIT_SELECTED_ABANDONED or
// QUOIT_SELECTED_ATTACHED. QUOIT_TOO_LONG: one of the rings never has the room that is wanted. May
// sleep.
enum quoit_status quoit_select_wait(struct quoit_select *select,
                                    struct quoit_interest *ends,
                                    size_t count,
                                    uint64_t timeout_ns,
                                    size_t *index,
                                    uint32_t *what);

// Opens a ring to observe it.
enum quoit_status quoit_observer_open(const char *name, struct quoit_observer **observer);

// Frees an observer. Null is ignored.
void quoit_observer_free(struct quoit_observer *observer);

// What the ring is.
enum quoit_status quoit_observer_info(const struct quoit_observer *observer,
                                      struct quoit_info *info);

// Where both endpoints are, what they count, and whether they live.
enum quoit_status quoit_observer_sample(const struct quoit_observer *observer,
                                        struct quoit_sample *sample);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QUOIT_H */

#include "quoit_inline.h" /* IWYU pragma: export */
