//! Which of several endpoints is reported, and the types of a set.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use quoit::{Interest, Select, Selectable, Selected};

use super::{Consumer, Duration, event, heap, heap_pairs};

crate::common::suite::tests! {
    rings_that_are_ready_take_turns,
    a_ring_that_is_always_ready_starves_no_other,
    any_slice_of_endpoints_can_be_waited_for,
    neither_a_select_nor_a_wait_allocates,
}

/// The index of an endpoint that is ready.
fn ready<S: Selectable>(select: &mut Select, ends: &mut [S]) -> usize {
    match event(select, ends) {
        Selected::Ready(index) => index,
        other => panic!("{other:?}"),
    }
}

fn rings_that_are_ready_take_turns() {
    let (mut producers, mut consumers) = heap_pairs(5);
    for producer in &mut producers {
        producer.try_push_slice(&[0; 64]).expect("there is room");
    }
    let mut select = Select::new();
    let mut turns = [0; 5];
    for _ in 0..100 {
        let index = ready(&mut select, &mut consumers);
        consumers[index].try_pop().expect("it is ready");
        turns[index] += 1;
    }
    assert_eq!(turns, [20; 5]);
}

fn a_ring_that_is_always_ready_starves_no_other() {
    let (mut producers, mut consumers) = heap_pairs(3);
    producers[0].try_push(0).expect("there is room");
    let mut select = Select::new();
    for number in 0..100 {
        for producer in &mut producers[1..] {
            producer.try_push(number).expect("there is room");
        }
        let mut answers = [0; 3].map(|_| {
            let index = ready(&mut select, &mut consumers);
            if index > 0 {
                assert_eq!(consumers[index].try_pop(), Ok(number));
            }
            index
        });
        answers.sort();
        assert_eq!(answers, [0, 1, 2], "each is reported once in three waits");
    }
}

/// An endpoint with other data.
struct Feed {
    venue: &'static str,
    numbers: Consumer<u64>,
}

impl Selectable for Feed {
    fn interest(&mut self) -> Interest<'_> {
        self.numbers.interest()
    }
}

fn any_slice_of_endpoints_can_be_waited_for() {
    let (mut producers, consumers) = heap_pairs(2);
    producers[1].try_push(7).expect("there is room");
    let venues = ["north", "south"].into_iter();
    let feeds = venues.zip(consumers);
    let feeds = feeds.map(|(venue, numbers)| Feed { venue, numbers });
    let mut feeds: Vec<_> = feeds.collect();
    let mut select = Select::new();
    let index = ready(&mut select, &mut feeds);
    assert_eq!(feeds[index].venue, "south");
    let [north, south] = &mut feeds[..] else {
        panic!("there are two");
    };
    let mut borrowed = [&mut south.numbers, &mut north.numbers];
    assert_eq!(ready(&mut select, &mut borrowed), 0);
    let (log, mut lines) = heap::<[u8]>();
    drop(log);
    assert_eq!(
        event(&mut select, &mut [&mut lines]),
        Selected::Abandoned(0)
    );
    assert_eq!(ready(&mut select, &mut producers), 1);
}

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: it is the system's allocator, and a counter.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + 1);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn neither_a_select_nor_a_wait_allocates() {
    assert!(size_of::<Select>() <= 2112, "{}", size_of::<Select>());
    let (mut producers, mut consumers) = heap_pairs(Select::MAX_ENDS);
    producers[100].try_push(1).expect("there is room");
    drop(producers.remove(50));
    let before = ALLOCATED.get();
    let mut select = Select::new();
    assert_eq!(event(&mut select, &mut consumers), Selected::Abandoned(50));
    assert_eq!(ready(&mut select, &mut consumers), 100);
    assert_eq!(consumers[100].try_pop(), Ok(1));
    let slept = select.wait(&mut consumers, Duration::from_millis(1));
    assert!(slept.is_err(), "{slept:?}");
    assert_eq!(ALLOCATED.get(), before);
}
