//! How the connections of one peer are set up.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::SockRef;

use crate::config::Secret;
use crate::os_error::OsError;
use crate::sys;

/// DSCP CS6, network control, as a TOS or traffic class octet (RFC 4594 section 3.2).
const CS6: u32 = 0xC0;

/// Unsent bytes above which a socket is not writable: what was handed to TCP cannot be
/// overtaken by better news, so little is handed over ahead of time.
const NOT_SENT_LOW_WATER: u32 = 16 * 1024;

/// Connection set-up of one peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The peer's address and the port that it is dialled at.
    pub peer: SocketAddr,
    /// Our address; chosen by the kernel if `None`.
    pub local: Option<IpAddr>,
    /// The interface that the connection is bound to.
    pub interface: Option<String>,
    /// How far away the peer may be.
    pub hops: Hops,
    /// The TCP MD5 key (RFC 2385).
    pub password: Option<Secret>,
    /// The longest hold time that the session may negotiate; zero means none.
    pub hold_time: Duration,
    /// When unacknowledged data closes the connection (RFC 793 section 3.8); raised to
    /// [`Self::hold_time`], which it is by default, as TCP is not to give up before BGP does.
    pub user_timeout: Option<Duration>,
}

/// How many routers may stand between us and the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hops {
    /// Segments leave with this TTL and arrive with any: 1 keeps an external session on its link.
    Limit(u8),
    /// Segments leave with TTL 255 and are dropped if they crossed this many links or more
    /// beyond the first, so 1 = directly connected (GTSM, RFC 5082).
    Security(u8),
}

impl Hops {
    /// The TTL that segments leave with.
    fn ttl(self) -> u8 {
        match self {
            Self::Limit(ttl) => ttl,
            Self::Security(_) => u8::MAX,
        }
    }

    /// The least TTL that segments may arrive with.
    pub(super) fn min_ttl(self) -> Option<u8> {
        match self {
            Self::Limit(_) => None,
            Self::Security(hops) => Some(u8::MAX - hops.saturating_sub(1)),
        }
    }
}

impl Options {
    /// The user timeout in force; `None` leaves the kernel's default.
    fn effective_user_timeout(&self) -> Option<Duration> {
        let timeout = self.user_timeout.unwrap_or_default().max(self.hold_time);
        (!timeout.is_zero()).then_some(timeout)
    }

    /// Sets everything that dialled and accepted connections have in common.
    ///
    /// The send buffer is left to the kernel's autotuning: how much of it may be unsent is
    /// bounded by `TCP_NOTSENT_LOWAT`, how much may be in flight should follow the link.
    pub(super) fn apply(&self, socket: &impl AsFd) -> Result<(), OsError> {
        let fd = socket.as_fd();
        let socket = SockRef::from(&fd);
        let failed = |what: &str, source| OsError::new(format!("{what} for {}", self.peer), source);

        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes())).map_err(|error| {
                let missing = error.raw_os_error() == Some(libc::ENODEV);
                let error = failed(&format!("bind to interface {interface}"), error);
                if missing { error } else { error.with_remedy("needs CAP_NET_RAW") }
            })?;
        }
        let ipv6 = self.peer.is_ipv6();
        let ttl = u32::from(self.hops.ttl());
        if ipv6 { socket.set_unicast_hops_v6(ttl) } else { socket.set_ttl_v4(ttl) }
            .map_err(|error| failed("set the TTL", error))?;
        if let Some(min) = self.hops.min_ttl() {
            sys::set_min_ttl(fd, ipv6, min).map_err(|error| failed("set TTL security", error))?;
        }
        if ipv6 { socket.set_tclass_v6(CS6) } else { socket.set_tos_v4(CS6) }
            .map_err(|error| failed("set DSCP CS6", error))?;
        socket.set_tcp_nodelay(true).map_err(|error| failed("set TCP_NODELAY", error))?;
        socket
            .set_tcp_notsent_lowat(NOT_SENT_LOW_WATER)
            .map_err(|error| failed("set TCP_NOTSENT_LOWAT", error))?;
        if let Some(timeout) = self.effective_user_timeout() {
            socket
                .set_tcp_user_timeout(Some(timeout))
                .map_err(|error| failed("set TCP_USER_TIMEOUT", error))?;
        }
        Ok(())
    }

    /// Removes the peer's MD5 key from a listening socket.
    pub(super) fn remove_password(&self, socket: &impl AsFd) -> Result<(), OsError> {
        self.remove_password_of(socket, None)
    }

    /// The same for all peers whose addresses share the first `prefix` bits of this one's.
    pub(super) fn remove_password_of(
        &self,
        socket: &impl AsFd,
        prefix: Option<u8>,
    ) -> Result<(), OsError> {
        let doing = || format!("remove the TCP MD5 key of {}", self.peer);
        match sys::set_md5_key(socket.as_fd(), self.peer.ip(), prefix, &[]) {
            // The listener never had one.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            outcome => outcome.map_err(|error| OsError::new(doing(), error)),
        }
    }

    /// Sets the peer's MD5 key, if it has one, on a connecting or listening socket.
    pub(super) fn apply_password(&self, socket: &impl AsFd) -> Result<(), OsError> {
        self.apply_password_to(socket, None)
    }

    /// The same for all peers whose addresses share the first `prefix` bits of this one's.
    pub(super) fn apply_password_to(
        &self,
        socket: &impl AsFd,
        prefix: Option<u8>,
    ) -> Result<(), OsError> {
        let Some(password) = &self.password else { return Ok(()) };
        let key = password.expose().as_bytes();
        sys::set_md5_key(socket.as_fd(), self.peer.ip(), prefix, key).map_err(|error| {
            let unsupported = error.raw_os_error() == Some(libc::ENOPROTOOPT);
            let error = OsError::new(format!("set the TCP MD5 key of {}", self.peer), error);
            if unsupported {
                error.with_remedy("this kernel was built without CONFIG_TCP_MD5SIG")
            } else {
                error
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(hold_time: u64, user_timeout: Option<u64>) -> Options {
        Options {
            peer: "192.0.2.1:179".parse().expect("an address"),
            local: None,
            interface: None,
            hops: Hops::Limit(1),
            password: None,
            hold_time: Duration::from_secs(hold_time),
            user_timeout: user_timeout.map(Duration::from_secs),
        }
    }

    #[test]
    fn tcp_never_gives_up_before_the_hold_time() {
        let timeout = |hold, user| options(hold, user).effective_user_timeout();
        assert_eq!(timeout(90, None), Some(Duration::from_secs(90)));
        assert_eq!(timeout(90, Some(5)), Some(Duration::from_secs(90)));
        assert_eq!(timeout(90, Some(120)), Some(Duration::from_secs(120)));
        assert_eq!(timeout(0, Some(20)), Some(Duration::from_secs(20)));
        assert_eq!(timeout(0, None), None);
    }

    #[test]
    fn ttl_security_accepts_what_crossed_fewer_links() {
        assert_eq!(Hops::Security(1).min_ttl(), Some(255));
        assert_eq!(Hops::Security(3).min_ttl(), Some(253));
        assert_eq!(Hops::Security(3).ttl(), 255);
        assert_eq!(Hops::Limit(2).min_ttl(), None);
        assert_eq!(Hops::Limit(2).ttl(), 2);
    }
}
