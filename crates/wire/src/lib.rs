//! BGP messages to and from bytes: RFC 4271 with multiprotocol unicast routes, four-octet AS
//! numbers, ADD-PATH, extended messages and revised error handling.
//!
//! # What it promises
//!
//! - No input panics, loops or grows memory beyond its own size: every parser is total.
//! - Each fault of a peer has exactly one outcome, decided here: a [`Notification`] with the codes
//!   and data of RFC 4271 section 6, or a [`Disposition`] of RFC 7606. Several faults combine with `max`.
//! - [`UpdateView::parse`] is one pass without allocation; attributes are decoded only on demand
//!   ([`RawAttrs::check`]), so that a set of attributes seen before need not be parsed again.
//! - `decode(encode(m)) == m`, and what was accepted keeps its meaning through decode and encode.
//!
//! # What it does not know
//!
//! Sockets, sessions, time and routes. The negotiated facts come in as [`DecodeContext`] and
//! [`EncodeContext`]; whether an AS path loops, or a next hop is reachable, is asked elsewhere.
//!
//! # The way in
//!
//! [`frame`] cuts a message from a byte stream; its [`Kind`] says which of [`Open::decode`],
//! [`UpdateView::parse`], [`Notification::decode`] and [`RouteRefresh::decode`] reads the body.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::cast_possible_truncation))]

extern crate alloc;

pub mod attr;
mod capability;
mod context;
mod disposition;
mod family;
mod frame;
mod ids;
mod next_hop;
mod nlri;
mod notification;
mod open;
mod pack;
mod parse;
mod refresh;
mod update;

pub use attr::{
    Aggregator, AsPath, AttrFlags, Attrs, Checked, CodeSet, Communities, Community, ExtCommunities,
    ExtCommunity, LargeCommunities, LargeCommunity, Origin, RawAttr, RawAttrs, Segment,
    SegmentKind, SortedSet, UnknownAttr,
};
pub use capability::{
    AddPathMode, Capability, GrFamily, GracefulRestart, LongLivedFamily, NextHopEncoding, Role,
};
pub use context::{DecodeContext, EncodeContext, PeerKind};
pub use disposition::{Disposition, Fault, FaultReason, Invalid, Octets};
pub use family::{Family, FamilySet};
pub use frame::{Frame, HEADER_LEN, Kind, MAX_LEN, MAX_LEN_EXTENDED, encode_keepalive, frame};
pub use ids::{Asn, BgpId};
pub use next_hop::NextHop;
pub use nlri::{Nlri, NlriIter};
pub use notification::{
    Notification, cease, code, fsm, header, open_error, refresh_error, update_error,
};
pub use open::Open;
pub use pack::{Packed, Unsendable, encode_announcements, encode_end_of_rib, encode_withdrawals};
pub use refresh::{RefreshSubtype, RouteRefresh};
pub use update::{Reach, Reset, UpdateView};
