//! What is built on the endpoints: async, `Select`, descriptors, streams, calls, observers.

#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "futures")]
mod futures;
mod observer;
mod pipes;
mod pollable;
#[cfg(feature = "futures")]
mod reactor;
mod rpc;
mod select;
#[cfg(feature = "shared_memory")]
mod shared_memory;

common::suite::suite! {
    #[cfg(feature = "futures")] futures,
    #[cfg(feature = "futures")] futures::dropped,
    #[cfg(feature = "futures")] futures::endings,
    #[cfg(feature = "futures")] futures::refusals,
    #[cfg(feature = "futures")] futures::sinks,
    observer,
    pipes,
    pollable,
    #[cfg(feature = "futures")] reactor,
    rpc,
    select,
    #[cfg(feature = "shared_memory")] shared_memory,
}
