//! Connection collision detection (RFC 4271 section 6.8, RFC 6286 section 2.3).

use pathvane_wire::{Asn, BgpId};

use crate::link::Direction;

/// Of two connections with one peer, the direction of the one to keep: that initiated by the
/// speaker with the higher BGP Identifier, or with equal ones by that with the larger AS
/// number. Both sides come to the same answer.
pub(crate) fn survivor(local: (BgpId, Asn), remote: (BgpId, Asn)) -> Direction {
    if local > remote { Direction::Outbound } else { Direction::Inbound }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_identifier_then_larger_as_keeps_its_own_connection() {
        let low = (BgpId(0x0a00_0001), Asn(4_200_000_000));
        let high = (BgpId(0xc000_0201), Asn(65_001));
        assert_eq!(survivor(low, high), Direction::Inbound);
        assert_eq!(survivor(high, low), Direction::Outbound);
        let same_id = (low.0, Asn(65_001));
        assert_eq!(survivor(low, same_id), Direction::Outbound);
        assert_eq!(survivor(same_id, low), Direction::Inbound);
    }
}
