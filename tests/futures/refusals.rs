//! What cannot be waited for in async code, and what still can.

use std::io;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use quoit::{AsyncError, Consumer, DoorbellKind, Producer, RingOptions};

use super::common::child::{Child, say};
use super::common::names::RingName;
use super::{assert_no_rescues, poll_once};

pub(super) fn a_semaphore_ring_is_refused() {
    let options = RingOptions::new(8).doorbell(DoorbellKind::Semaphore);
    let (producer, consumer) = options.heap::<u64>().expect("a ring");
    let error = consumer.into_async().expect_err("a semaphore");
    assert!(matches!(error, AsyncError::NotAFutex));
    assert!(error.to_string().contains("DoorbellKind::Futex"));
    let error = io::Error::from(producer.into_async().expect_err("a semaphore"));
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

pub(super) fn the_hundred_and_twenty_eighth_end_is_refused() {
    let end = || {
        let (_, consumer) = RingOptions::new(8).heap::<u64>().expect("a ring");
        consumer.into_async()
    };
    let mut ends = Vec::new();
    for _ in 0..127 {
        ends.push(end().expect("one of 127"));
    }
    let error = end().expect_err("one too many");
    assert!(matches!(error, AsyncError::TooManyEnds));
    assert!(error.to_string().contains("127"), "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::QuotaExceeded);
    // All of them lie down, and all are woken.
    for end in &mut ends {
        let gone = futures_executor::block_on(end.next());
        assert_eq!(gone, None);
    }
    ends.pop();
    end().expect("there is room again");
}

/// Has the kernel say that it does not know this call.
fn without(call: libc::c_long) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(LOAD, 0, 0, 0), // the call's number
        step(IS, 0, 1, u32::try_from(call).expect("a number")),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the call takes numbers only.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: program and steps live through the call.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// Is refused, and says why.
pub(super) fn process_without_waitv(_: &[String]) {
    without(libc::SYS_futex_waitv);
    let (producer, _consumer) = RingOptions::new(8).heap::<u64>().expect("a ring");
    let error = producer.into_async().expect_err("no such call");
    assert!(matches!(error, AsyncError::Unsupported(_)));
    say(&error);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
}

pub(super) fn a_kernel_that_cannot_wait_for_many_is_refused() {
    let child = Child::start("process_without_waitv", &[]);
    let error = child.says();
    assert!(error.contains("Linux 5.16"), "{error}");
    child.succeeds();
}

/// Reads what comes, with pauses.
pub(super) fn process_without_barriers(arguments: &[String]) {
    without(libc::SYS_membarrier);
    let consumer = Consumer::<u64>::open(&arguments[0]).expect("the role is free");
    let mut consumer = consumer.into_async().expect("an async end");
    say("ready");
    for number in 0..5000 {
        if number % 1000 == 0 {
            assert!(poll_once(pin!(consumer.pop())).is_pending());
            say("more");
        }
        let next = futures_executor::block_on(consumer.next());
        assert_eq!(next, Some(Ok(number)));
    }
}

pub(super) fn a_kernel_without_barriers_will_do() {
    let name = RingName::new("no-barriers");
    let ring = RingOptions::new(8).create::<u64>(&name).expect("a ring");
    let mut producer: Producer<u64> = ring.producer().expect("the role is free");
    let child = Child::start("process_without_barriers", &[name.as_str()]);
    child.expect("ready");
    for number in 0..5000 {
        if number % 1000 == 0 {
            child.expect("more");
            thread::sleep(Duration::from_millis(5));
        }
        producer.push(number).expect("a reader");
    }
    child.succeeds();
    assert_no_rescues(&name);
}
