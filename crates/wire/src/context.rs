//! What a session has negotiated, as far as the bytes depend on it.

use crate::FamilySet;

/// Whether a peer belongs to our own AS (RFC 4271 section 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKind {
    /// The peer is in our AS (IBGP).
    Internal,
    /// The peer is in another AS (EBGP).
    External,
}

/// How to read what a peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecodeContext {
    /// Internal or external; decides which attributes the peer may send.
    pub peer: PeerKind,
    /// Both sides speak four-octet AS numbers (RFC 6793).
    pub four_octet_as: bool,
    /// The families negotiated; NLRI of others is skipped.
    pub families: FamilySet,
    /// The families in which the peer sends path identifiers (RFC 7911).
    pub add_path: FamilySet,
    /// The families whose next hop may be of the other protocol (RFC 8950; IPv4 only).
    pub extended_next_hop: FamilySet,
}

/// How to write what a peer will read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncodeContext {
    /// Internal or external; LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST go to internal peers only.
    pub peer: PeerKind,
    /// Both sides speak four-octet AS numbers (RFC 6793).
    pub four_octet_as: bool,
    /// The families in which we send path identifiers (RFC 7911).
    pub add_path: FamilySet,
    /// The families whose next hop may be of the other protocol (RFC 8950; IPv4 only).
    pub extended_next_hop: FamilySet,
    /// The longest message the peer takes: [`crate::MAX_LEN`] or [`crate::MAX_LEN_EXTENDED`].
    pub max_len: usize,
}
