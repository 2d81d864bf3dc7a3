//! shaq: its ring for one producer and one consumer, in a file in shared memory.
//! Busy polling with `try_write` and `try_read`.

use std::error::Error;
use std::fs::OpenOptions;
use std::path::Path;

use shaq::spsc::{Consumer, Producer, minimum_file_size};

use crate::common::link::Link;
use crate::pair::Pair;

pub(crate) struct End {
    producer: Producer<u64>,
    consumer: Consumer<u64>,
}

pub(crate) fn pair(directory: &Path, capacity: usize) -> Result<Pair<End>, Box<dyn Error>> {
    let (there, far) = ring(&directory.join("shaq-there"), capacity)?;
    let (back, near) = ring(&directory.join("shaq-back"), capacity)?;
    let end = |producer, consumer| End { producer, consumer };
    Ok(Pair::new(end(there, near), end(back, far)))
}

fn ring(path: &Path, capacity: usize) -> Result<(Producer<u64>, Consumer<u64>), Box<dyn Error>> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(path)?;
    let size = minimum_file_size::<u64>(capacity).next_multiple_of(4096);
    // SAFETY: the file is new, no other process has it, and every value of a number is valid.
    let producer =
        unsafe { Producer::create(&file, size) }.map_err(|error| format!("{error:?}"))?;
    // SAFETY: as above, and there is no other consumer.
    let consumer = unsafe { Consumer::join(&file) }.map_err(|error| format!("{error:?}"))?;
    Ok((producer, consumer))
}

impl Link for End {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        while self.producer.try_write(message).is_err() {
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            match self.consumer.try_read() {
                Some(message) => return message,
                None => std::hint::spin_loop(),
            }
        }
    }
}
