//! Room in the kernel for what arrives while we do something else.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};

/// Asks for `octets` of a socket's receive buffer: beyond the system's limit where we may (CAP_NET_ADMIN), else
/// up to it (`net.core.rmem_max`).
pub(crate) fn enlarge(socket: &impl AsFd, octets: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &octets).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &octets)?;
    }
    Ok(())
}
