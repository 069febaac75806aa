//! The little of rtnetlink that Pathvane speaks: links, routes, rules, next-hop objects.
//!
//! Own encoding rather than a crate (`docs/adr/0005-kernel-routes.md`): next-hop objects are in
//! none, and reading only the attributes that matter, each by its length, keeps a newer kernel's
//! additions from turning into parse errors. Byte order is the host's, as netlink's is.
//!
//! The kernel handles a request inside `send` and queues the answer before that returns, so
//! [`Socket`] needs no readiness; only the multicast [`Socket::receive`] of events does.

mod link;
mod message;
mod next_hop;
mod route;
mod rule;
mod socket;

pub(crate) use link::Link;
pub(crate) use message::{Batch, Body, Header};
pub(crate) use next_hop::{Member, NextHop};
pub(crate) use route::{Route, RouteKey, Target};
pub(crate) use rule::Rule;
pub(crate) use socket::{Dump, Refusal, Socket};

/// The protocol number by which routes, rules and next-hop objects are marked ours (`rtm_protocol`).
///
/// Not 186 (`bgp`), which other BGP daemons on the host use and sweep.
pub(crate) const OURS: u8 = 80;

/// The main routing table.
pub(crate) const MAIN_TABLE: u32 = 254;

/// The gateway need not be on a connected prefix (`RTNH_F_ONLINK`).
const ON_LINK: u32 = 4;

/// `AF_INET` or `AF_INET6`.
fn family(ipv6: bool) -> u8 {
    if ipv6 { libc::AF_INET6 as u8 } else { libc::AF_INET as u8 }
}

/// Message types of linux/rtnetlink.h.
pub(crate) mod kind {
    pub(crate) const ERROR: u16 = 2;
    pub(crate) const DONE: u16 = 3;
    pub(crate) const NEW_LINK: u16 = 16;
    pub(crate) const DEL_LINK: u16 = 17;
    pub(crate) const GET_LINK: u16 = 18;
    pub(crate) const NEW_ADDRESS: u16 = 20;
    pub(crate) const DEL_ADDRESS: u16 = 21;
    pub(crate) const NEW_ROUTE: u16 = 24;
    pub(crate) const DEL_ROUTE: u16 = 25;
    pub(crate) const GET_ROUTE: u16 = 26;
    pub(crate) const NEW_RULE: u16 = 32;
    pub(crate) const DEL_RULE: u16 = 33;
    pub(crate) const GET_RULE: u16 = 34;
    pub(crate) const NEW_NEXT_HOP: u16 = 104;
    pub(crate) const DEL_NEXT_HOP: u16 = 105;
    pub(crate) const GET_NEXT_HOP: u16 = 106;
}

/// Request flags of linux/netlink.h.
pub(crate) mod flag {
    pub(crate) const REQUEST: u16 = 0x1;
    pub(crate) const ACK: u16 = 0x4;
    pub(crate) const DUMP: u16 = 0x300;
    pub(crate) const REPLACE: u16 = 0x100;
    pub(crate) const EXCLUSIVE: u16 = 0x200;
    pub(crate) const CREATE: u16 = 0x400;
    /// On a dump's answer: what is dumped changed meanwhile.
    pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;
    /// On an error: the request is not echoed.
    pub(crate) const CAPPED: u16 = 0x100;
}

/// Multicast groups, as bits of a socket's address.
pub(crate) mod group {
    pub(crate) const LINK: u32 = 1 << 0;
    pub(crate) const IPV4_ADDRESS: u32 = 1 << 4;
    pub(crate) const IPV4_ROUTE: u32 = 1 << 6;
    pub(crate) const IPV6_ADDRESS: u32 = 1 << 8;
    pub(crate) const IPV6_ROUTE: u32 = 1 << 10;
}
