//! What all four endpoints have in common.

use std::fmt::Debug;

use quoit::{
    Consumer, Corrupt, Deadline, FrameConsumer, FrameProducer, PeerError, Producer, Record,
};

macro_rules! end {
    ($($getter:ident: $type:ty),* $(,)?) => {
        pub(crate) trait End: Debug + Send + 'static {
            $(fn $getter(&self) -> $type;)*
            fn close(&mut self);
            fn count_dropped(&mut self, messages: u64);
            fn wait_for_peer_timeout(&mut self, timeout: Deadline) -> Result<(), PeerError>;
        }

        macro_rules! methods {
            () => {
                $(fn $getter(&self) -> $type {
                    self.$getter()
                })*

                fn close(&mut self) {
                    self.close();
                }

                fn count_dropped(&mut self, messages: u64) {
                    self.count_dropped(messages);
                }

                fn wait_for_peer_timeout(&mut self, timeout: Deadline) -> Result<(), PeerError> {
                    self.wait_for_peer_timeout(timeout)
                }
            };
        }
    };
}

end! {
    position: u64,
    len: u64,
    capacity: u64,
    is_empty: bool,
    is_abandoned: bool,
    is_superseded: bool,
    peer_epoch: u64,
    corruption: Option<Corrupt>,
}

impl<T: Record> End for Producer<T> {
    methods!();
}

impl<T: Record> End for Consumer<T> {
    methods!();
}

impl End for FrameProducer {
    methods!();
}

impl End for FrameConsumer {
    methods!();
}
