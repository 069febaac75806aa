//! A voice call between the site and the cloud: one packet each 20 ms in each direction.
//!
//! Packets carry a number and the time they were sent. Forward packets leave over the path
//! that the speaker's events name, return packets over the path that the VPC chose; both
//! choices are written by others through [`Call::route`] and take effect with the next packet.

mod ledger;
mod packet;
mod stream;

pub use ledger::{Account, Ledger, Outage};
pub use packet::{PACKET_LEN, Packet};
pub use stream::{Call, Endpoints, PACKET_INTERVAL};
