//! Every call that moves messages, as a table: the forms that it has, how many messages it
//! moves, and how to make it. A suite makes all calls of the table under its one condition.

mod frames;
mod records;
pub(crate) mod watch;

use std::fmt::Debug;
use std::slice;

use quoit::{ClaimError, Deadline, PopError, Shape};

use super::ends::End;
pub(crate) use records::reason;

/// How long a call waits: not at all, as long as there is a peer, or until a deadline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wait {
    Never,
    Forever,
    Until(Deadline),
}

/// How many of several messages a call moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Amount {
    One,
    /// As many as it can, at least one.
    UpTo,
    /// All, one after the other.
    All,
    /// All at once, or none.
    AtOnce,
}

/// The forms of a call.
pub(crate) const TRY: u8 = 1;
pub(crate) const WAIT: u8 = 2;
pub(crate) const TIMED: u8 = 4;
const ANY: u8 = TRY | WAIT | TIMED;

/// A call in all its forms.
pub(crate) struct Row<F> {
    name: &'static str,
    forms: u8,
    /// Of the form that does not wait, and of the others.
    amounts: [Amount; 2],
    call: F,
}

/// Publishes these messages or the first of them, and returns how many. The number selects
/// one of several ways to do the same.
pub(crate) type Write<T> = fn(
    &mut <T as Shape>::Producer,
    &[<T as Calls>::Message],
    Wait,
    usize,
) -> Result<usize, ClaimError>;

/// Takes this many messages or fewer, passes them on, and returns how many. It may have taken
/// some before an error.
pub(crate) type Read<T> = fn(
    &mut <T as Shape>::Consumer,
    usize,
    Wait,
    usize,
    &mut dyn FnMut(<T as Calls>::Message),
) -> Result<usize, PopError>;

/// A call in one of its forms.
#[derive(Clone, Copy)]
pub(crate) struct Way<F> {
    name: &'static str,
    pub(crate) wait: Wait,
    pub(crate) amount: Amount,
    pub(crate) call: F,
}

impl<F> Row<F> {
    pub(crate) const fn new(name: &'static str, forms: u8, amounts: [Amount; 2], call: F) -> Self {
        Self {
            name,
            forms,
            amounts,
            call,
        }
    }
}

/// Every call in every form among these that it has.
pub(crate) fn ways<F: Copy>(rows: &[Row<F>], waits: &[Wait]) -> Vec<Way<F>> {
    let form = |wait| match wait {
        Wait::Never => (TRY, 0),
        Wait::Forever => (WAIT, 1),
        Wait::Until(_) => (TIMED, 1),
    };
    let all = rows.iter().flat_map(|row| {
        let had = waits.iter().filter(|&&wait| row.forms & form(wait).0 != 0);
        had.map(|&wait| Way {
            name: row.name,
            wait,
            amount: row.amounts[form(wait).1],
            call: row.call,
        })
    });
    all.collect()
}

impl<F> Way<F> {
    /// The method's name.
    pub(crate) fn name(&self) -> String {
        match self.wait {
            Wait::Never => format!("try_{}", self.name),
            Wait::Forever => self.name.to_owned(),
            Wait::Until(_) => format!("{}_timeout", self.name),
        }
    }
}

/// A shape with all its calls.
pub(crate) trait Calls: Shape<Producer: End, Consumer: End> {
    type Message: Clone + Debug + PartialEq + Send + 'static;
    const WRITES: &'static [Row<Write<Self>>];
    const READS: &'static [Row<Read<Self>>];
    /// The capacity of a ring that few messages of `message` fill.
    const SMALL: u64;

    /// A message whose content follows from its number, with the same length for all.
    fn message(number: u64) -> Self::Message;

    /// The same with a length and a kind that follow from the number as well.
    fn varied(number: u64) -> Self::Message;
}

/// Publishes one message by the first call.
pub(crate) fn push<T: Calls + ?Sized>(
    producer: &mut T::Producer,
    message: &T::Message,
    wait: Wait,
) -> Result<(), ClaimError> {
    (T::WRITES[0].call)(producer, slice::from_ref(message), wait, 0).map(drop)
}

/// Takes one message by the first call.
pub(crate) fn pop<T: Calls + ?Sized>(
    consumer: &mut T::Consumer,
    wait: Wait,
) -> Result<T::Message, PopError> {
    let mut taken = None;
    (T::READS[0].call)(consumer, 1, wait, 0, &mut |message| taken = Some(message))?;
    Ok(taken.expect("a call that succeeds takes a message"))
}

/// Fills the ring with numbered messages; returns how many there are.
pub(crate) fn fill<T: Calls + ?Sized>(producer: &mut T::Producer) -> u64 {
    let fits = |number: &u64| push::<T>(producer, &T::message(*number), Wait::Never).is_ok();
    (0..).take_while(fits).count() as u64
}

/// Calls the method of this form.
macro_rules! call {
    ($wait:ident, $end:ident.$tried:ident | $plain:ident | $timed:ident($($argument:expr),*)) => {
        match $wait {
            Wait::Never => $end.$tried($($argument),*),
            Wait::Forever => $end.$plain($($argument),*),
            Wait::Until(deadline) => $end.$timed($($argument,)* deadline),
        }
    };
    ($wait:ident, $end:ident.$plain:ident | $timed:ident($($argument:expr),*)) => {
        match $wait {
            Wait::Until(deadline) => $end.$timed($($argument,)* deadline),
            _ => $end.$plain($($argument),*),
        }
    };
}
pub(crate) use call;
