//! iceoryx2: publish and subscribe, one publisher and one subscriber each way,
//! nothing overwritten. Busy polling with `send_copy` and `receive`.

use std::error::Error;
use std::path::Path;

use iceoryx2::prelude::*;

use crate::CAPACITY;
use crate::common::bench::MEMORY;
use crate::common::link::{End, Link, Open, Side, retry};
use crate::links::Wire;

/// Each process creates its own node, with its files in `place`. Names in shared memory begin with
/// its name.
pub(crate) fn wire(place: &Path) -> Wire<impl Link + use<>> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    let root = place.to_str().ok_or("the path is not UTF-8")?;
    let names = place.strip_prefix(MEMORY)?.to_string_lossy();
    let prefix = names.replace('/', "_");
    let root = iceoryx2::prelude::Path::new(root.as_bytes())?;
    config.global.set_root_path(&root);
    config.global.prefix = FileName::new(prefix.as_bytes())?;
    Ok(Open::new(move |side| {
        open(&config, side).expect("iceoryx2 opens its services")
    }))
}

fn open(config: &Config, side: Side) -> Result<impl Link + use<>, Box<dyn Error>> {
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
    let (publisher, subscriber) = (publisher.create()?, into.subscriber_builder().create()?);
    let send = move |message| {
        let sent = publisher.send_copy(message);
        sent.expect("the partner is attached");
    };
    let receive = move || {
        let _node = &node;
        let sample = retry(|| subscriber.receive().expect("the partner is attached"));
        *sample
    };
    Ok(End(send, receive))
}
