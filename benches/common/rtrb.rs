//! The ring of the crate rtrb, which works in one process: two threads.

// Two versions: which of them is faster depends on the machine, the ring and the slice.
macro_rules! version {
    ($version:ident, $rtrb:ident) => {
        pub(crate) mod $version {
            use super::super::ends::Ends;
            use super::super::exchange::Link;
            use super::super::polling::{retry, retry_all};
            use $rtrb::{Consumer, Producer, RingBuffer};

            /// One thread's endpoint of a ring in each direction.
            #[derive(Debug)]
            pub(crate) struct End {
                producer: Producer<u64>,
                consumer: Consumer<u64>,
            }

            pub(crate) fn ends(capacity: usize) -> Ends<End> {
                let rings = [(); 2].map(|()| RingBuffer::new(capacity));
                Ends::of(rings, |producer, consumer| End { producer, consumer })
            }

            impl Link for End {
                #[inline(always)]
                fn send(&mut self, message: u64) {
                    retry(|| self.producer.push(message).ok());
                }

                #[inline(always)]
                fn receive(&mut self) -> u64 {
                    retry(|| self.consumer.pop().ok())
                }

                #[inline(always)]
                fn send_all(&mut self, messages: &[u64]) {
                    retry_all(messages, |rest| {
                        let count = self.producer.slots().min(rest.len());
                        let chunk = (count > 0).then(|| self.producer.write_chunk_uninit(count));
                        let chunk = chunk?.expect("as many slots");
                        Some(chunk.fill_from_iter(rest[..count].iter().copied()))
                    });
                }

                #[inline(always)]
                fn receive_all(&mut self, messages: &mut [u64]) -> usize {
                    retry(|| {
                        let count = self.consumer.slots().min(messages.len());
                        let chunk = (count > 0).then(|| self.consumer.read_chunk(count));
                        let chunk = chunk?.expect("as many messages");
                        let (front, back) = chunk.as_slices();
                        messages[..front.len()].copy_from_slice(front);
                        messages[front.len()..count].copy_from_slice(back);
                        chunk.commit_all();
                        Some(count)
                    })
                }
            }
        }
    };
}

version!(v0_3, rtrb);
version!(v0_4, rtrb_4);
