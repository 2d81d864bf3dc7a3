//! The checks of the models, tested: each check here must report a model that is wrong on
//! purpose.

use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::thread::{spawn, yield_now};

use crate::harness::model::Model;
use crate::harness::reached::State;
use crate::sync::{AtomicU64, PUBLISH, READY};

/// A model that must fail, and a part of its message.
struct Alarm {
    says: &'static str,
    model: Model<()>,
}

const ALARMS: &[Alarm] = &[
    Alarm {
        says: "loom would miss interleavings",
        model: Model {
            scenario: &|&()| {
                let word = AtomicU64::new(0);
                word.store(1, PUBLISH);
                word.load(READY);
            },
            ..Model::EMPTY
        },
    },
    Alarm {
        says: "two writers",
        model: Model {
            scenario: &|&()| {
                let word = Rc::new(AtomicU64::new(0));
                let other = Rc::clone(&word);
                let writer = spawn(move || other.store(1, PUBLISH));
                word.store(2, PUBLISH);
                writer.join().expect("the writer returns");
            },
            ..Model::EMPTY
        },
    },
    Alarm {
        says: "more often than loom remembers",
        model: Model {
            scenario: &|&()| {
                let word = AtomicU64::new(0);
                (1..=7).for_each(|value| word.store(value, PUBLISH));
            },
            ..Model::EMPTY
        },
    },
    Alarm {
        says: "Causality violation",
        model: Model {
            scenario: &|&()| {
                let cell = Rc::new(UnsafeCell::new(0));
                let other = Rc::clone(&cell);
                let reader = spawn(move || other.with(|_| ()));
                cell.with_mut(|_| ());
                reader.join().expect("the reader returns");
            },
            ..Model::EMPTY
        },
    },
    Alarm {
        says: "exceeded maximum number of branches",
        model: Model {
            scenario: &|&()| {
                let word = AtomicU64::new(0);
                while word.load(READY) == 0 {
                    yield_now();
                }
            },
            ..Model::EMPTY
        },
    },
    Alarm {
        says: "1 executions, below the floor of 2",
        model: Model {
            floor: 2,
            ..Model::EMPTY
        },
    },
    Alarm {
        says: "never full",
        model: Model {
            states: &[State::Full],
            ..Model::EMPTY
        },
    },
];

/// Runs every model that must fail.
pub(crate) fn judge() -> Result<String, String> {
    for Alarm { says, model } in ALARMS {
        match model.verify(&()) {
            Err(reason) if reason.contains(says) => {}
            other => return Err(format!("expected \"{says}\", got {other:?}")),
        }
    }
    Ok(format!("{} alarms went off", ALARMS.len()))
}
