//! Why a target does not answer, as far as its host and the network tell.

use std::io;
use std::net::SocketAddr;

use pathvane_clock::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{Config, ProbeKind};

/// Why a target may not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Its host says that nothing listens on the port.
    NothingListens,
    /// The network, or this host, says that there is no way to it.
    NoWay,
    /// Nobody says anything.
    Silence {
        /// We sign our probes, so perhaps with another key.
        keyed: bool,
        /// It was asked with ICMP.
        icmp: bool,
    },
    /// Nobody accepts a TCP connection, and nobody refuses one.
    NoConnection,
}

impl Trouble {
    /// How long the network has to complain.
    const PATIENCE: Duration = Duration::from_millis(500);

    /// Asks once more with a connected socket, to which the kernel passes on what ICMP says.
    pub(super) async fn of(config: &Config) -> Self {
        let icmp = config.kind == ProbeKind::Icmp;
        let silence = Self::Silence { keyed: config.key.is_some(), icmp };
        if icmp {
            return silence;
        }
        if config.kind == ProbeKind::Tcp {
            return Self::NoConnection;
        }
        match ask(config).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Self::NothingListens,
            Err(error) if is_no_way(&error) => Self::NoWay,
            _ => silence,
        }
    }

    /// What the operator may do.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NothingListens => {
                "start `pathvane reflector` there (for STUN a relay), say its port (TARGET:PORT), or probe with --kind icmp"
            }
            Self::NoWay => "check the address, routes (`ip route get`) and the --interface",
            Self::NoConnection => {
                "a firewall may drop connections to that port: say another (TARGET:PORT), or probe with --kind icmp"
            }
            Self::Silence { keyed: true, .. } => {
                "check that the reflector has the same key, lists our source (--allow), and that no firewall is between"
            }
            Self::Silence { icmp: true, .. } => {
                "a firewall may drop ICMP: probe with STAMP; or the host is down or far from here"
            }
            Self::Silence { .. } => {
                "check firewalls, the reflector's --allow list, and whether it wants a key (--key-file); try --kind icmp"
            }
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NothingListens => "its host says that nothing listens on that UDP port",
            Self::NoWay => "the network says that there is no way to it",
            Self::NoConnection => "connections are neither accepted nor refused",
            Self::Silence { .. } => "nobody answers, and nobody says why",
        })
    }
}

async fn ask(config: &Config) -> io::Result<()> {
    let any = super::unspecified(config.target.ip());
    let socket = UdpSocket::bind(SocketAddr::new(config.source.unwrap_or(any), 0)).await?;
    socket.bind_device(config.device.as_ref().map(String::as_bytes))?;
    socket.connect(config.target).await?;
    // Too short for a request: a reflector stays silent.
    socket.send(&[0]).await?;
    let mut reply = [0; 64];
    match timeout(Trouble::PATIENCE, socket.recv(&mut reply)).await {
        Ok(answer) => answer.map(|_| ()),
        Err(_) => Ok(()),
    }
}

fn is_no_way(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), HostUnreachable | NetworkDown | NetworkUnreachable)
}
