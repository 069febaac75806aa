//! Probe packets and their state machines: packets in, samples out.
//!
//! - [`Sender`]: one stream of probes (a path to a target), STAMP, ICMP echo, STUN or TCP: its
//!   schedule, its packets, the matching of replies, loss by timeout.
//! - [`stamp`]: the packets of RFC 8762, authenticated or not, with the SSID and the extensions of
//!   RFC 8972; [`reflect`] and the reflector's [`Sessions`].
//! - [`icmp`]: echo request and reply for IPv4 and IPv6.
//! - [`bfd`]: control packets, sessions and their demultiplexing (RFC 5880, 5881, 5883).
//! - [`stun`]: binding requests and responses (RFC 8489).
//!
//! Promises: any bytes may come from the network; none panics, and none makes memory grow.
//! A probe allocates nothing. Time and seed are passed in; the same inputs give the same outputs.
//!
//! Does not know: sockets, clocks, what a sample is worth (`pathvane-score`), BGP.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod bfd;
pub mod icmp;
mod reflect;
mod ring;
mod sample;
mod schedule;
mod sender;
mod sessions;
pub mod stamp;
pub mod stun;
mod time;
mod ways;

pub use reflect::{Reflected, Stamps, reflect};
pub use sample::{Counters, Lost, OneWay, Remarked, Sample, Seen};
pub use sender::{Config, Kind, Sender};
pub use sessions::{SessionKey, Sessions};
pub use time::{Timestamp, WireTime};
pub use ways::{Comparison, Ways};
