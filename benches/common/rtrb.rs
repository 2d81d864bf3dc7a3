//! The ring of the crate rtrb, which works in one process: two threads.

// Two versions: which of them is faster depends on the machine, the ring and the slice.
macro_rules! version {
    ($version:ident, $rtrb:ident) => {
        pub(crate) mod $version {
            use super::super::link::{BatchLink, Ends, Link, Polled};
            use $rtrb::RingBuffer;

            pub(crate) fn ends(capacity: usize) -> Ends<impl Link + Send> {
                let rings = [(); 2].map(|()| RingBuffer::new(capacity));
                Ends::polled(
                    rings,
                    #[inline(always)]
                    |producer, message| producer.push(message).ok(),
                    #[inline(always)]
                    |consumer| consumer.pop().ok(),
                )
            }

            pub(crate) fn batches(capacity: usize) -> Ends<impl BatchLink + Send> {
                let rings = [(); 2].map(|()| RingBuffer::new(capacity));
                Ends::of(rings, |mut producer, mut consumer| {
                    Polled(
                        #[inline(always)]
                        move |rest: &[u64]| {
                            let count = producer.slots().min(rest.len());
                            let chunk = (count > 0).then(|| producer.write_chunk_uninit(count));
                            let chunk = chunk?.expect("as many slots");
                            Some(chunk.fill_from_iter(rest[..count].iter().copied()))
                        },
                        #[inline(always)]
                        move |messages: &mut [u64]| {
                            let count = consumer.slots().min(messages.len());
                            let chunk = (count > 0).then(|| consumer.read_chunk(count));
                            let chunk = chunk?.expect("as many messages");
                            let (front, back) = chunk.as_slices();
                            messages[..front.len()].copy_from_slice(front);
                            messages[front.len()..count].copy_from_slice(back);
                            chunk.commit_all();
                            Some(count)
                        },
                    )
                })
            }
        }
    };
}

version!(v0_3, rtrb);
version!(v0_4, rtrb_4);
