//! The bare cache line: one line in each direction, which contains the message itself. It
//! is the least that two processors need to communicate. Round trips are compared with it.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::link::{End, Link, Open, retry};
use super::memory;

/// Two lines, each time in another file, as `Rings::links` does. Two consecutive messages differ.
pub(crate) fn wire(directory: &Path) -> Open<impl Link + use<>> {
    let directory = directory.to_owned();
    let mut turn = 0;
    Open::new(move |side| {
        turn += 1;
        let path = directory.join(format!("bare-{turn}"));
        // The lines are on two pages, like the ring's tails.
        let ways = memory::wire(&path, 8192, [0, 4096]);
        let [out, back] = ways.expect("a file of two pages").side(side);
        let mut last = 0;
        End(
            #[inline(always)]
            move |message| out.word(0).store(message, Ordering::Release),
            #[inline(always)]
            move || {
                last = retry(|| {
                    let message = back.word(0).load(Ordering::Acquire);
                    (message != last).then_some(message)
                });
                last
            },
        )
    })
}
