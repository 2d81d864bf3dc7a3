//! The ring of the crate rtrb, which works in one process: two threads.

// Two versions: which of them is faster depends on the machine, the ring and the slice.
macro_rules! version {
    ($version:ident, $rtrb:ident) => {
        pub(crate) mod $version {
            use std::sync::{Arc, Mutex};

            use super::super::batches::BatchLink;
            use super::super::interleaved::Side;
            use super::super::link::Link;
            use $rtrb as rtrb;

            /// One thread's endpoint of a ring in each direction.
            #[derive(Debug)]
            pub(crate) struct RtrbLink {
                producer: rtrb::Producer<u64>,
                consumer: rtrb::Consumer<u64>,
            }

            /// Both endpoints, until each thread has taken its own.
            #[derive(Debug, Clone)]
            pub(crate) struct Ends(Arc<Mutex<[Option<RtrbLink>; 2]>>);

            impl Ends {
                pub(crate) fn new(capacity: usize) -> Self {
                    let (there, far) = rtrb::RingBuffer::new(capacity);
                    let (back, near) = rtrb::RingBuffer::new(capacity);
                    let lead = RtrbLink {
                        producer: there,
                        consumer: near,
                    };
                    let partner = RtrbLink {
                        producer: back,
                        consumer: far,
                    };
                    Self(Arc::new(Mutex::new([Some(lead), Some(partner)])))
                }

                pub(crate) fn link(&self) -> impl FnMut(Side) -> RtrbLink + use<> {
                    let ends = self.clone();
                    move |side| {
                        let mut ends = ends
                            .0
                            .lock()
                            .expect("no thread panics while it holds the lock");
                        ends[side as usize].take().expect("each thread opens once")
                    }
                }
            }

            impl Link for RtrbLink {
                #[inline(always)]
                fn send(&mut self, message: u64) {
                    while self.producer.push(message).is_err() {
                        std::hint::spin_loop();
                    }
                }

                #[inline(always)]
                fn receive(&mut self) -> u64 {
                    loop {
                        match self.consumer.pop() {
                            Ok(message) => return message,
                            Err(_) => std::hint::spin_loop(),
                        }
                    }
                }
            }

            impl BatchLink for RtrbLink {
                #[inline(always)]
                fn send(&mut self, mut messages: &[u64]) {
                    while !messages.is_empty() {
                        let count = self.producer.slots().min(messages.len());
                        if count == 0 {
                            std::hint::spin_loop();
                            continue;
                        }
                        let (now, later) = messages.split_at(count);
                        let chunk = self.producer.write_chunk_uninit(count);
                        chunk
                            .expect("as many slots")
                            .fill_from_iter(now.iter().copied());
                        messages = later;
                    }
                }

                #[inline(always)]
                fn receive(&mut self, messages: &mut [u64]) -> usize {
                    loop {
                        let count = self.consumer.slots().min(messages.len());
                        if count == 0 {
                            std::hint::spin_loop();
                            continue;
                        }
                        let chunk = self.consumer.read_chunk(count).expect("as many messages");
                        let (front, back) = chunk.as_slices();
                        messages[..front.len()].copy_from_slice(front);
                        messages[front.len()..count].copy_from_slice(back);
                        chunk.commit_all();
                        return count;
                    }
                }
            }
        }
    };
}

version!(v0_3, rtrb);
version!(v0_4, rtrb_4);
