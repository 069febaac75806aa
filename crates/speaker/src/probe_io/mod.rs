//! Sockets for probe streams: where probes leave, replies arrive, and the kernel tells when.
//!
//! A [`ProbeSocket`] carries any number of streams that share a source, an interface and a mark.
//! It never blocks, allocates nothing per probe (TCP's apart), and works for one hot loop:
//! [`ProbeSocket::drain_sent`] (so that departures precede replies), [`ProbeSocket::recv_batch`],
//! [`ProbeSocket::try_send`]. A [`Watch`] over all sockets tells which have something, and wakes the task.
//!
//! Times are the kernel's where it gives them, on the engine's monotonic scale ([`KernelClock`]).

mod clock;
mod connects;
mod message;
mod open;
mod socket;
#[cfg(test)]
mod tests;
mod watch;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use clock::{KernelClock, Stamp};
pub(crate) use message::{Inbox, Message, send_from};
pub use open::{Carrier, Spec};
pub(crate) use open::{apply, enable_stamps, receive_class, receive_details};
pub use socket::{Counters, Datagram, ProbeSocket, SharedInbox};
pub use watch::{Waiting, Watch};

/// The address of the same family with which the kernel chooses the source.
pub(crate) fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
