//! Counts the instructions of each call, and checks that none allocates. These figures do
//! not depend on the machine, so the gate checks them.
//!
//! ```text
//! cargo install gungraun-runner --version 0.20.0 --locked       once; the system provides valgrind
//! cargo bench --manifest-path benches/instructions/Cargo.toml
//! ```
//!
//! Each case makes 1024 calls on a ring that becomes neither full nor empty. The limit of a
//! case is its recorded count plus a tenth. If a change is meant to cost more, or costs
//! less, replace the count by the new one: `Instructions` in the output. The counts were
//! recorded with Rust 1.95.0, in one codegen unit, so that inlining does not depend on the
//! path of the sources. The C library's copies use the variant for every x86-64 processor.

use std::hint::black_box;

use gungraun::prelude::*;
use gungraun::{Callgrind, Dhat, DhatMetric, EventKind};
use quoit::{
    Claim, Consumer, Frame, FrameClaim, FrameConsumer, FrameProducer, Peek, Producer, RingOptions,
    WaitStrategy,
};

/// The number of calls of each case.
const CALLS: usize = 1024;
/// The number of messages of a batch.
const BATCH: usize = 64;

/// Allows at most a tenth more instructions than recorded, and no allocation.
fn recorded(instructions: u64) -> LibraryBenchmarkConfig {
    let limit = instructions + instructions / 10;
    let mut config = LibraryBenchmarkConfig::default();
    config
        .tool(Callgrind::default().hard_limits([(EventKind::Ir, limit)]))
        .tool(Dhat::default().hard_limits([(DhatMetric::TotalBlocks, 0)]))
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.hwcaps=-AVX2,-ERMS,-AVX_Fast_Unaligned_Load",
        );
    config
}

/// The endpoints, and a batch.
type Ends<const WORDS: usize, T = [u64; WORDS]> = (Producer<T>, Consumer<T>, Vec<T>);
/// The endpoints, and a payload.
type Frames = (FrameProducer, FrameConsumer, Box<[u8; 1024]>);

/// What the endpoints do before the calls: numbers of pushes and pops.
type Before = &'static [(usize, usize)];

const NOTHING: Before = &[];
const FILL: Before = &[(2 * CALLS, 1)];
/// The producer then writes to lines that were read.
const A_LAP: Before = &[(4096, 4096), (1, 0)];

fn records<const WORDS: usize>(before: Before) -> Ends<WORDS> {
    records_of(&RingOptions::new(4096), before)
}

/// The same with sleep words that say that neither endpoint sleeps, as in a stream.
fn working(before: Before) -> Ends<1> {
    let options = RingOptions::new(4096).wait_strategy(WaitStrategy::Spin);
    records_of(&options, before)
}

fn records_of<const WORDS: usize>(options: &RingOptions, before: Before) -> Ends<WORDS> {
    let ends = options.heap::<[u64; WORDS]>();
    let (mut producer, mut consumer) = ends.expect("a fitting capacity");
    for &(pushes, pops) in before {
        (0..pushes).for_each(|_| producer.try_push([7; WORDS]).expect("there is room"));
        (0..pops).for_each(|_| _ = black_box(consumer.try_pop().expect("there are messages")));
    }
    (producer, consumer, vec![[7; WORDS]; BATCH])
}

/// Frames of this length.
fn frames(len: usize, before: Before) -> Frames {
    let ends = RingOptions::new(1 << 22).heap::<[u8]>();
    let (mut producer, mut consumer) = ends.expect("a fitting capacity");
    let mut payload = Box::new([7; 1024]);
    for &(pushes, pops) in before {
        (0..pushes).for_each(|_| producer.try_push(&payload[..len]).expect("there is room"));
        (0..pops).for_each(|_| _ = consumer.try_pop(&mut *payload).expect("there are messages"));
    }
    (producer, consumer, payload)
}

/// A group of cases. Each has its endpoints, the calls, and the recorded instructions. Dropping the
/// endpoints is not counted.
macro_rules! cases {
    ($group:ident: $($name:ident: $ends:ty = $make:expr; $calls:expr; $recorded:literal;)*) => {
        $(
            #[library_benchmark]
            #[bench::counted(args = ($make), config = recorded($recorded))]
            fn $name(mut ends: $ends) -> $ends {
                $calls(&mut ends);
                black_box(ends)
            }
        )*

        library_benchmark_group!(name = $group, benchmarks = [$($name),*]);
    };
}

cases! { records_of_words:
    push_8: Ends<1> = records(NOTHING); push; 53_561;
    stream_push_8: Ends<1> = working(NOTHING); push; 26_937;
    stream_pop_8: Ends<1> = working(FILL); pop; 24_868;
    second_lap_push_8: Ends<1> = records(A_LAP); push; 54_656;
    second_lap_push_64: Ends<8> = records(A_LAP); push; 87_970;
    push_64: Ends<8> = records(NOTHING); push; 75_068;
    pop_8: Ends<1> = records(FILL); pop; 43_300;
    pop_64: Ends<8> = records(FILL); pop; 54_560;
    push_1024: Ends<128> = records(NOTHING); push; 589_114;
    pop_1024: Ends<128> = records(FILL); pop; 724_260;
    ride_8: Ends<1> = records(NOTHING); there_and_off; 231_926;
    ride_32: Ends<4> = records(NOTHING); there_and_off; 284_170;
    claim_8: Ends<1> = records(NOTHING); claim; 49_461;
    claim_64: Ends<8> = records(NOTHING); claim; 64_822;
    peek_8: Ends<1> = records(FILL); peek; 41_248;
    peek_64: Ends<8> = records(FILL); peek; 46_368;
    push_or_wait_8: Ends<1> = working(NOTHING); push_or_wait; 25_922;
    pop_or_wait_8: Ends<1> = working(FILL); pop_or_wait; 24_868;
    claim_or_wait_8: Ends<1> = records(NOTHING); claim_or_wait; 47_415;
    peek_or_wait_8: Ends<1> = records(FILL); peek_or_wait; 41_248;
    push_by_64_8: Ends<1> = records(NOTHING); push_by_64; 4_210;
    push_by_64_64: Ends<8> = records(NOTHING); push_by_64; 19_202;
    pop_by_64_8: Ends<1> = records(FILL); pop_by_64; 3_358;
    pop_by_64_64: Ends<8> = records(FILL); pop_by_64; 14_194;
}

cases! { frames_of_bytes:
    push_frame_8: Frames = frames(0, NOTHING); push_frame::<8>; 123_165;
    push_frame_64: Frames = frames(0, NOTHING); push_frame::<64>; 146_717;
    pop_frame_8: Frames = frames(8, FILL); pop_frame; 122_147;
    pop_frame_64: Frames = frames(64, FILL); pop_frame; 135_459;
    push_frame_1024: Frames = frames(0, NOTHING); push_frame::<1024>; 451_869;
    second_lap_push_frame_1024: Frames = frames(1016, A_LAP); push_frame::<1024>; 555_293;
    pop_frame_1024: Frames = frames(1024, FILL); pop_frame; 339_107;
    claim_frame_8: Frames = frames(0, NOTHING); claim_frame::<8>; 118_051;
    claim_frame_64: Frames = frames(0, NOTHING); claim_frame::<64>; 138_531;
    peek_frame_8: Frames = frames(8, FILL); peek_frame; 70_949;
    peek_frame_64: Frames = frames(64, FILL); peek_frame; 70_949;
    pop_frame_or_wait_8: Frames = frames(8, FILL); pop_frame_or_wait; 127_267;
    claim_frame_or_wait_8: Frames = frames(0, NOTHING); claim_frame_or_wait::<8>; 120_098;
    peek_frame_or_wait_8: Frames = frames(8, FILL); peek_frame_or_wait; 68_899;
}

/// Functions that make a call that often.
macro_rules! calls {
    ($($(#[$text:meta])*
       $name:ident$(<$size:ident>)?($ends:ident: $type:ty), $times:expr => $call:expr;)*) => {$(
        $(#[$text])*
        fn $name$(<const $size: usize>)?($ends: &mut $type) {
            for _ in 0..$times {
                let _ = black_box($call);
            }
        }
    )*};
}

calls! {
    push<WORDS>(ends: Ends<WORDS>), CALLS => ends.0.try_push(black_box([7; WORDS]));
    push_or_wait<WORDS>(ends: Ends<WORDS>), CALLS => ends.0.push(black_box([7; WORDS]));
    pop<WORDS>(ends: Ends<WORDS>), CALLS => ends.1.try_pop();
    pop_or_wait<WORDS>(ends: Ends<WORDS>), CALLS => ends.1.pop();
    /// An empty poll, a push and a pop: with an inline copy, once the consumer has requested
    /// it.
    there_and_off<WORDS>(ends: Ends<WORDS>), CALLS => {
        let _ = black_box(ends.1.try_pop());
        let _ = black_box(ends.0.try_push(black_box([7; WORDS])));
        ends.1.try_pop()
    };
    claim<WORDS>(ends: Ends<WORDS>), CALLS => if let Ok(claim) = ends.0.try_claim() { write(claim) };
    claim_or_wait<WORDS>(ends: Ends<WORDS>), CALLS => if let Ok(claim) = ends.0.claim() { write(claim) };
    peek<WORDS>(ends: Ends<WORDS>), CALLS => if let Ok(peek) = ends.1.try_peek() { read(peek) };
    peek_or_wait<WORDS>(ends: Ends<WORDS>), CALLS => if let Ok(peek) = ends.1.peek() { read(peek) };
    push_by_64<WORDS>(ends: Ends<WORDS>), CALLS / BATCH => ends.0.try_push_slice(black_box(&ends.2));
    pop_by_64<WORDS>(ends: Ends<WORDS>), CALLS / BATCH => ends.1.try_pop_slice(black_box(&mut ends.2));

    push_frame<LEN>(ends: Frames), CALLS => ends.0.try_push(black_box(&ends.2[..LEN]));
    pop_frame(ends: Frames), CALLS => ends.1.try_pop(black_box(&mut *ends.2));
    pop_frame_or_wait(ends: Frames), CALLS => ends.1.pop(black_box(&mut *ends.2));
    claim_frame<LEN>(ends: Frames), CALLS => {
        if let Ok(claim) = ends.0.try_claim(black_box(LEN)) { fill(claim, &ends.2[..LEN]) }
    };
    claim_frame_or_wait<LEN>(ends: Frames), CALLS => {
        if let Ok(claim) = ends.0.claim(black_box(LEN)) { fill(claim, &ends.2[..LEN]) }
    };
    peek_frame(ends: Frames), CALLS => if let Ok(frame) = ends.1.try_peek() { look(frame) };
    peek_frame_or_wait(ends: Frames), CALLS => if let Ok(frame) = ends.1.peek() { look(frame) };
}

#[inline(always)]
fn write<const WORDS: usize>(mut claim: Claim<[u64; WORDS]>) {
    claim.write(black_box([7; WORDS]));
    claim.commit();
}

#[inline(always)]
fn read<const WORDS: usize>(peek: Peek<[u64; WORDS]>) {
    black_box(peek.read());
    peek.release();
}

#[inline(always)]
fn fill(mut claim: FrameClaim, payload: &[u8]) {
    claim.copy_from_slice(black_box(payload));
    claim.commit();
}

#[inline(always)]
fn look(frame: Frame) {
    black_box(frame.as_ptr());
    frame.release();
}

main!(library_benchmark_groups = records_of_words, frames_of_bytes);
