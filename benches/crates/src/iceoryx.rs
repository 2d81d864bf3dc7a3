//! iceoryx2: publish and subscribe, one publisher and one subscriber each way,
//! nothing overwritten. Busy polling with `send_copy` and `receive`.

use std::error::Error;
use std::path::Path;

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

use crate::CAPACITY;
use crate::common::exchange::Link;
use crate::common::interleaved::Side;
use crate::common::polling::retry;

pub(crate) struct End {
    publisher: Publisher<ipc::Service, u64, ()>,
    subscriber: Subscriber<ipc::Service, u64, ()>,
    _node: Node<ipc::Service>,
}

/// Each process creates its own node, with its files in `directory`. Names in shared memory
/// begin with `prefix`.
pub(crate) fn wire(
    directory: &Path,
    prefix: &str,
) -> Result<impl FnMut(Side) -> End + use<>, Box<dyn Error>> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    let root = directory.to_str().ok_or("the path is not UTF-8")?;
    config
        .global
        .set_root_path(&iceoryx2::prelude::Path::new(root.as_bytes())?);
    config.global.prefix = FileName::new(prefix.as_bytes())?;
    Ok(move |side| End::open(&config, side).expect("iceoryx2 opens its services"))
}

impl End {
    fn open(config: &Config, side: Side) -> Result<Self, Box<dyn Error>> {
        let node = NodeBuilder::new()
            .config(config)
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<ipc::Service>()?;
        let service = |name: &str| -> Result<_, Box<dyn Error>> {
            let builder = node.service_builder(&ServiceName::new(name)?);
            let builder = builder.publish_subscribe::<u64>();
            Ok(builder
                .enable_safe_overflow(false)
                .subscriber_max_buffer_size(CAPACITY)
                .open_or_create()?)
        };
        let [out, into] = side.ways([service("there")?, service("back")?]);
        let publisher = out.publisher_builder();
        let publisher = publisher.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered);
        Ok(Self {
            publisher: publisher.create()?,
            subscriber: into.subscriber_builder().create()?,
            _node: node,
        })
    }
}

impl Link for End {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let sent = self.publisher.send_copy(message);
        sent.expect("the partner is attached");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        retry(|| {
            let sample = self.subscriber.receive();
            sample
                .expect("the partner is attached")
                .map(|sample| *sample)
        })
    }
}
