//! What a voice packet looks like: a G.711 frame's worth of bytes, the first of which tell when and what.

use pathvane_clock::Instant;

use crate::links::Direction;

/// RTP header (12 octets) and 20 ms of G.711 (160 octets).
pub const PACKET_LEN: usize = 172;

const MARK: [u8; 4] = *b"pvVC";

/// One voice packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Which way it goes.
    pub direction: Direction,
    /// Counts from 0 in each direction.
    pub seq: u32,
    /// When it was sent.
    pub sent: Instant,
}

impl Packet {
    /// The packet's bytes.
    pub fn encode(&self) -> [u8; PACKET_LEN] {
        let mut bytes = [0; PACKET_LEN];
        bytes[..4].copy_from_slice(&MARK);
        bytes[4] = self.direction as u8;
        bytes[8..12].copy_from_slice(&self.seq.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.sent.as_nanos().to_be_bytes());
        bytes
    }

    /// The packet in `bytes`, if it is one of ours.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != PACKET_LEN || bytes[..4] != MARK {
            return None;
        }
        let direction = Direction::BOTH.into_iter().find(|d| *d as u8 == bytes[4])?;
        let seq = u32::from_be_bytes(bytes[8..12].try_into().ok()?);
        let sent = Instant::from_nanos(u64::from_be_bytes(bytes[12..20].try_into().ok()?));
        Some(Self { direction, seq, sent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_and_nothing_else() {
        let packet =
            Packet { direction: Direction::Return, seq: 70_000, sent: Instant::from_secs(5) };
        let bytes = packet.encode();
        assert_eq!(Packet::decode(&bytes), Some(packet));
        assert_eq!(Packet::decode(&bytes[..PACKET_LEN - 1]), None);
        let mut foreign = bytes;
        foreign[0] ^= 1;
        assert_eq!(Packet::decode(&foreign), None);
        let mut lost_way = bytes;
        lost_way[4] = 9;
        assert_eq!(Packet::decode(&lost_way), None);
    }
}
