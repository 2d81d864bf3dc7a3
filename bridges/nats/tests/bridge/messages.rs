//! Messages with a number and a checksum.

use std::ops::Range;

use quoit::{FrameConsumer, PopError};

use crate::server::{HANG, Server};

/// The payload of a message: its number, what follows from it, and a checksum.
pub(crate) fn payload(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while bytes.len() < len.max(16) - 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state as u8);
    }
    let sum = checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// The number of a message whose checksum is right.
pub(crate) fn number(bytes: &[u8]) -> Result<u64, String> {
    let Some((rest, sum)) = bytes.split_last_chunk::<8>() else {
        return Err(format!("a message of {} bytes", bytes.len()));
    };
    if checksum(rest) != u64::from_le_bytes(*sum) {
        return Err("the checksum is wrong".to_owned());
    }
    match rest.first_chunk::<8>() {
        Some(number) => Ok(u64::from_le_bytes(*number)),
        None => Err("too short".to_owned()),
    }
}

/// FNV-1a.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The length of a message: mostly short, sometimes long.
pub(crate) fn len(number: u64) -> usize {
    match number % 97 {
        0 => 2000,
        rest => 16 + rest as usize,
    }
}

/// The numbers of the next frames, this many.
pub(crate) fn take(consumer: &mut FrameConsumer, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut bytes = Vec::new();
    while numbers.len() < count {
        bytes.clear();
        match consumer.pop_into_timeout(&mut bytes, HANG) {
            Ok(_) => {}
            // The next bridge is about to come.
            Err(PopError::Abandoned) => {
                consumer.wait_for_peer_timeout(HANG).expect("a bridge");
                continue;
            }
            Err(error) => panic!("after {} messages: {error}", numbers.len()),
        }
        numbers.push(number(&bytes).expect("a whole message"));
    }
    numbers
}

pub(crate) fn publish(server: &Server, numbers: Range<u64>) {
    server.block_on(async |jetstream| {
        for number in numbers {
            let sent = jetstream.publish("S.a", payload(number, 64).into());
            sent.await.expect("sent").await.expect("stored");
        }
    });
}
