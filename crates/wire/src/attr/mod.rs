//! Path attributes: one module each, one row each in a table.
//!
//! A row says how an attribute is called, which flags it must have, what becomes of it when it is
//! malformed (RFC 7606 section 7), and how it is read and written. NEXT_HOP, MP_REACH_NLRI and
//! MP_UNREACH_NLRI have no row: they differ where all other attributes are equal, so
//! [`crate::UpdateView`] reads them.

mod aggregator;
mod aigp;
mod as4;
mod as_path;
mod atomic_aggregate;
mod attrs;
mod carried;
mod check;
mod cluster_list;
mod communities;
mod ext_communities;
mod flags;
mod large_communities;
mod local_pref;
mod med;
mod origin;
mod originator_id;
mod otc;
mod raw;
mod set;
mod unknown;

use bytes::BytesMut;

use crate::{Disposition, EncodeContext, FaultReason};

pub use aggregator::Aggregator;
pub use as_path::{AsPath, Segment, SegmentKind};
pub use attrs::Attrs;
pub use check::Checked;
pub use communities::{Communities, Community};
pub use ext_communities::{ExtCommunities, ExtCommunity};
pub use flags::{AttrFlags, CodeSet};
pub use large_communities::{LargeCommunities, LargeCommunity};
pub use origin::Origin;
pub use raw::{RawAttr, RawAttrs, each};
pub use set::SortedSet;
pub use unknown::UnknownAttr;

pub(crate) use raw::{Tlv, split_before, tlv};

use check::Draft;

/// Attribute type codes (IANA, BGP Path Attributes).
pub mod code {
    /// ORIGIN (RFC 4271 section 5.1.1).
    pub const ORIGIN: u8 = 1;
    /// AS_PATH (RFC 4271 section 5.1.2).
    pub const AS_PATH: u8 = 2;
    /// NEXT_HOP (RFC 4271 section 5.1.3).
    pub const NEXT_HOP: u8 = 3;
    /// MULTI_EXIT_DISC (RFC 4271 section 5.1.4).
    pub const MED: u8 = 4;
    /// LOCAL_PREF (RFC 4271 section 5.1.5).
    pub const LOCAL_PREF: u8 = 5;
    /// ATOMIC_AGGREGATE (RFC 4271 section 5.1.6).
    pub const ATOMIC_AGGREGATE: u8 = 6;
    /// AGGREGATOR (RFC 4271 section 5.1.7).
    pub const AGGREGATOR: u8 = 7;
    /// COMMUNITIES (RFC 1997).
    pub const COMMUNITIES: u8 = 8;
    /// ORIGINATOR_ID (RFC 4456).
    pub const ORIGINATOR_ID: u8 = 9;
    /// CLUSTER_LIST (RFC 4456).
    pub const CLUSTER_LIST: u8 = 10;
    /// MP_REACH_NLRI (RFC 4760).
    pub const MP_REACH_NLRI: u8 = 14;
    /// MP_UNREACH_NLRI (RFC 4760).
    pub const MP_UNREACH_NLRI: u8 = 15;
    /// EXTENDED COMMUNITIES (RFC 4360).
    pub const EXT_COMMUNITIES: u8 = 16;
    /// AS4_PATH (RFC 6793).
    pub const AS4_PATH: u8 = 17;
    /// AS4_AGGREGATOR (RFC 6793).
    pub const AS4_AGGREGATOR: u8 = 18;
    /// AIGP (RFC 7311).
    pub const AIGP: u8 = 26;
    /// LARGE_COMMUNITY (RFC 8092).
    pub const LARGE_COMMUNITIES: u8 = 32;
    /// OTC, Only to Customer (RFC 9234).
    pub const OTC: u8 = 35;
}

/// Everything this crate knows about one attribute.
pub(crate) struct Row {
    code: u8,
    name: &'static str,
    /// The Optional and Transitive bits it must have.
    flags: AttrFlags,
    /// What becomes of it, or of the UPDATE, if the flags are others.
    wrong_flags: Disposition,
    /// What becomes of it, or of the UPDATE, if the value is malformed.
    malformed: Disposition,
    /// External peers may not send it, and we do not send it to them.
    internal_only: bool,
    /// Peers with four-octet AS numbers may not send it (RFC 6793 section 6).
    two_octet_only: bool,
    decode: fn(&mut Draft<'_>, &[u8]) -> Result<(), FaultReason>,
    encode: fn(&Attrs, &EncodeContext, &mut BytesMut),
}

impl Row {
    /// A well-known attribute that withdraws the routes when it is malformed.
    const fn well_known(
        code: u8,
        name: &'static str,
        decode: fn(&mut Draft<'_>, &[u8]) -> Result<(), FaultReason>,
        encode: fn(&Attrs, &EncodeContext, &mut BytesMut),
    ) -> Row {
        Row {
            code,
            name,
            flags: AttrFlags::TRANSITIVE,
            wrong_flags: Disposition::TreatAsWithdraw,
            malformed: Disposition::TreatAsWithdraw,
            internal_only: false,
            two_octet_only: false,
            decode,
            encode,
        }
    }

    const fn flags(self, flags: AttrFlags) -> Row {
        Row { flags, ..self }
    }

    const fn internal_only(self) -> Row {
        Row { internal_only: true, ..self }
    }

    const fn two_octet_only(self) -> Row {
        Row { two_octet_only: true, ..self }
    }

    const fn discard_malformed(self) -> Row {
        Row { malformed: Disposition::AttributeDiscard, ..self }
    }

    const fn discard_wrong_flags(self) -> Row {
        Row { wrong_flags: Disposition::AttributeDiscard, ..self }
    }
}

/// Optional, and passed on by those who do not know it.
const OPTIONAL_TRANSITIVE: AttrFlags = AttrFlags::OPTIONAL.union(AttrFlags::TRANSITIVE);

/// One row for each attribute, in the order of their codes, which is the order of sending.
static TABLE: [Row; 15] = [
    origin::ROW,
    as_path::ROW,
    med::ROW,
    local_pref::ROW,
    atomic_aggregate::ROW,
    aggregator::ROW,
    communities::ROW,
    originator_id::ROW,
    cluster_list::ROW,
    ext_communities::ROW,
    as4::PATH_ROW,
    as4::AGGREGATOR_ROW,
    aigp::ROW,
    large_communities::ROW,
    otc::ROW,
];

fn row(code: u8) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code == code)
}

/// The attributes that [`crate::UpdateView`] reads.
const OF_UPDATE: [(u8, &str); 3] = [
    (code::NEXT_HOP, "NEXT_HOP"),
    (code::MP_REACH_NLRI, "MP_REACH_NLRI"),
    (code::MP_UNREACH_NLRI, "MP_UNREACH_NLRI"),
];

fn is_of_update(code: u8) -> bool {
    OF_UPDATE.iter().any(|(of_update, _)| *of_update == code)
}

/// The name of an attribute as its RFC spells it; `None` for a code that is not registered.
pub fn name(code: u8) -> Option<&'static str> {
    let of_update = || OF_UPDATE.iter().find(|(of_update, _)| *of_update == code);
    row(code)
        .map(|row| row.name)
        .or_else(|| of_update().map(|(_, name)| *name))
        .or_else(|| carried::name(code))
}
