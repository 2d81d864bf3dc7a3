//! Waiting: how an end spins, yields, sleeps, and asks whether its peer lives.

mod backoff;
mod liveness;
mod pacing;
mod sleep;

pub use self::backoff::WaitStrategy;
pub(crate) use self::backoff::{LivenessTimer, Step, WaitConfig, WaitLoop};
pub(crate) use self::liveness::{
    is_left_alone, is_peer_held, is_stopped, is_superseded, peer_gone,
};
pub(crate) use self::pacing::Pacing;
pub(crate) use self::sleep::{Kernel, Parkable, fall_asleep, park, wake_up};

use crate::doorbell;

/// The kernel of this machine.
pub(crate) struct System;

impl Kernel for System {
    fn barrier(&self) -> bool {
        doorbell::barrier()
    }

    fn now(&self) -> u64 {
        doorbell::now()
    }
}
