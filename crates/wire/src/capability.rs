//! Capabilities of the OPEN message (RFC 5492): what each side can do.

use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};
use nom::Parser;
use nom::combinator::{all_consuming, map};
use nom::multi::many0;
use nom::number::complete::{be_u8, be_u16, be_u32};

use crate::parse::Parsed;
use crate::{Asn, Family};

const MULTIPROTOCOL: u8 = 1;
const ROUTE_REFRESH: u8 = 2;
const EXTENDED_NEXT_HOP: u8 = 5;
const EXTENDED_MESSAGES: u8 = 6;
const ROLE: u8 = 9;
const GRACEFUL_RESTART: u8 = 64;
const FOUR_OCTET_AS: u8 = 65;
const ADD_PATH: u8 = 69;
const ENHANCED_ROUTE_REFRESH: u8 = 70;
const LONG_LIVED: u8 = 71;

/// One capability. What cannot be read as its code says is kept verbatim as `Unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Routes of a family (RFC 4760 section 8).
    Multiprotocol(Family),
    /// ROUTE-REFRESH (RFC 2918).
    RouteRefresh,
    /// Demarcated ROUTE-REFRESH (RFC 7313).
    EnhancedRouteRefresh,
    /// Messages of up to 65535 octets (RFC 8654).
    ExtendedMessages,
    /// Next hops of another protocol than the routes (RFC 8950).
    ExtendedNextHop(Vec<NextHopEncoding>),
    /// What the sender is to the receiver (RFC 9234 section 4.1).
    Role(Role),
    /// Graceful restart (RFC 4724, RFC 8538).
    GracefulRestart(GracefulRestart),
    /// Long-lived graceful restart; no families if the sender only helps others (RFC 9494).
    LongLived(Vec<LongLivedFamily>),
    /// The sender's AS number in four octets (RFC 6793).
    FourOctetAs(Asn),
    /// Several paths for one prefix (RFC 7911).
    AddPath(Vec<(Family, AddPathMode)>),
    /// Any other, as it came.
    Unknown {
        /// Capability code.
        code: u8,
        /// The value, at most 255 octets.
        value: Vec<u8>,
    },
}

/// A family whose next hop may be encoded as one of another protocol (RFC 8950 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NextHopEncoding {
    /// The family of the routes.
    pub family: Family,
    /// The Address Family Identifier of the next hop.
    pub next_hop_afi: u16,
}

impl NextHopEncoding {
    /// IPv4 unicast routes with IPv6 next hops.
    pub const IPV4_OVER_IPV6: NextHopEncoding =
        NextHopEncoding { family: Family::IPV4_UNICAST, next_hop_afi: 2 };
}

/// What the sender offers around its restarts (RFC 4724 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GracefulRestart {
    /// The R bit: the sender has just restarted.
    pub restarting: bool,
    /// The N bit: a NOTIFICATION, too, starts a graceful restart (RFC 8538).
    pub notification: bool,
    /// How long to wait for the sender to come back, in seconds, at most 4095.
    pub restart_time: u16,
    /// The families whose routes are to be kept; none if the sender only helps others.
    pub families: Vec<GrFamily>,
}

/// One family of a graceful restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrFamily {
    /// The family.
    pub family: Family,
    /// The F bit: forwarding went on during the last restart.
    pub forwarding: bool,
}

/// One family of a long-lived graceful restart (RFC 9494 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LongLivedFamily {
    /// The family.
    pub family: Family,
    /// The F bit: forwarding went on during the last restart.
    pub forwarding: bool,
    /// How long to keep the sender's stale routes after its restart time, in seconds; 24 bits.
    pub stale_time: u32,
}

/// Which way several paths for one prefix may go (RFC 7911 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddPathMode {
    /// The sender of the capability can receive them.
    Receive,
    /// It can send them.
    Send,
    /// Both.
    Both,
}

impl AddPathMode {
    const fn from_code(code: u8) -> Option<AddPathMode> {
        Some(match code {
            1 => AddPathMode::Receive,
            2 => AddPathMode::Send,
            3 => AddPathMode::Both,
            _ => return None,
        })
    }

    const fn code(self) -> u8 {
        match self {
            AddPathMode::Receive => 1,
            AddPathMode::Send => 2,
            AddPathMode::Both => 3,
        }
    }

    /// Whether the sender of the capability can receive several paths.
    pub const fn receives(self) -> bool {
        matches!(self, AddPathMode::Receive | AddPathMode::Both)
    }

    /// Whether the sender of the capability can send several paths.
    pub const fn sends(self) -> bool {
        matches!(self, AddPathMode::Send | AddPathMode::Both)
    }
}

/// What one side of an external session is to the other (RFC 9234 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Role(pub u8);

impl Role {
    /// The sender provides transit to the receiver.
    pub const PROVIDER: Role = Role(0);
    /// The sender is a route server.
    pub const ROUTE_SERVER: Role = Role(1);
    /// The sender is a route server's client.
    pub const ROUTE_SERVER_CLIENT: Role = Role(2);
    /// The sender buys transit of the receiver.
    pub const CUSTOMER: Role = Role(3);
    /// Each side sends its own and its customers' routes.
    pub const PEER: Role = Role(4);

    /// Whether a session may be between this role and `other` (RFC 9234 section 4.2).
    pub const fn fits(self, other: Role) -> bool {
        matches!((self.0, other.0), (0, 3) | (3, 0) | (1, 2) | (2, 1) | (4, 4))
    }

    /// The name, as configurations write it.
    pub const fn name(self) -> &'static str {
        match self {
            Role::PROVIDER => "provider",
            Role::ROUTE_SERVER => "rs",
            Role::ROUTE_SERVER_CLIENT => "rs-client",
            Role::CUSTOMER => "customer",
            Role::PEER => "peer",
            _ => "unknown",
        }
    }
}

impl Capability {
    /// The capability code.
    pub const fn code(&self) -> u8 {
        match self {
            Capability::Multiprotocol(_) => MULTIPROTOCOL,
            Capability::RouteRefresh => ROUTE_REFRESH,
            Capability::EnhancedRouteRefresh => ENHANCED_ROUTE_REFRESH,
            Capability::ExtendedMessages => EXTENDED_MESSAGES,
            Capability::ExtendedNextHop(_) => EXTENDED_NEXT_HOP,
            Capability::Role(_) => ROLE,
            Capability::GracefulRestart(_) => GRACEFUL_RESTART,
            Capability::LongLived(_) => LONG_LIVED,
            Capability::FourOctetAs(_) => FOUR_OCTET_AS,
            Capability::AddPath(_) => ADD_PATH,
            Capability::Unknown { code, .. } => *code,
        }
    }

    /// Reads a value; one that is not as its code demands stays `Unknown`.
    pub(crate) fn decode(code: u8, value: &[u8]) -> Capability {
        let known = match code {
            MULTIPROTOCOL => whole(multiprotocol, value),
            ROUTE_REFRESH => value.is_empty().then_some(Capability::RouteRefresh),
            ENHANCED_ROUTE_REFRESH => value.is_empty().then_some(Capability::EnhancedRouteRefresh),
            EXTENDED_MESSAGES => value.is_empty().then_some(Capability::ExtendedMessages),
            EXTENDED_NEXT_HOP => whole(extended_next_hop, value),
            ROLE => whole(role, value),
            GRACEFUL_RESTART => whole(graceful_restart, value),
            LONG_LIVED => whole(long_lived, value),
            FOUR_OCTET_AS => whole(four_octet_as, value),
            ADD_PATH => whole(add_path, value),
            _ => None,
        };
        known.unwrap_or_else(|| Capability::Unknown { code, value: value.to_vec() })
    }

    /// Appends code, length and value; `false`, and nothing appended, if the value is longer than
    /// its length field can say.
    pub(crate) fn encode(&self, out: &mut BytesMut) -> bool {
        let mut value = BytesMut::new();
        self.put_value(&mut value);
        let Ok(len) = u8::try_from(value.len()) else { return false };
        out.put_u8(self.code());
        out.put_u8(len);
        out.put_slice(&value);
        true
    }

    fn put_value(&self, out: &mut BytesMut) {
        match self {
            Capability::Multiprotocol(family) => {
                out.put_u16(family.afi);
                out.put_u16(u16::from(family.safi));
            }
            Capability::RouteRefresh
            | Capability::EnhancedRouteRefresh
            | Capability::ExtendedMessages => {}
            Capability::ExtendedNextHop(encodings) => {
                for encoding in encodings {
                    out.put_u16(encoding.family.afi);
                    out.put_u16(u16::from(encoding.family.safi));
                    out.put_u16(encoding.next_hop_afi);
                }
            }
            Capability::Role(role) => out.put_u8(role.0),
            Capability::GracefulRestart(restart) => restart.put_value(out),
            Capability::LongLived(families) => {
                for entry in families {
                    put_family(out, entry.family);
                    let forwarding = if entry.forwarding { GracefulRestart::FORWARDING } else { 0 };
                    let time = entry.stale_time.min(LongLivedFamily::MOST);
                    out.put_u32(u32::from(forwarding) << 24 | time);
                }
            }
            Capability::FourOctetAs(asn) => out.put_u32(asn.0),
            Capability::AddPath(families) => {
                for (family, mode) in families {
                    put_family(out, *family);
                    out.put_u8(mode.code());
                }
            }
            Capability::Unknown { value, .. } => out.put_slice(value),
        }
    }
}

impl GracefulRestart {
    const RESTARTING: u16 = 0x8000;
    const NOTIFICATION: u16 = 0x4000;
    const TIME: u16 = 0x0fff;
    const FORWARDING: u8 = 0x80;

    fn put_value(&self, out: &mut BytesMut) {
        let restarting = if self.restarting { GracefulRestart::RESTARTING } else { 0 };
        let notification = if self.notification { GracefulRestart::NOTIFICATION } else { 0 };
        let time = self.restart_time.min(GracefulRestart::TIME);
        out.put_u16(restarting | notification | time);
        for entry in &self.families {
            put_family(out, entry.family);
            out.put_u8(if entry.forwarding { GracefulRestart::FORWARDING } else { 0 });
        }
    }
}

impl LongLivedFamily {
    /// The longest stale time that the capability can say, in seconds.
    pub const MOST: u32 = 0x00ff_ffff;
}

/// A parser's result if it consumed the whole value.
fn whole<'a>(
    parser: impl Parser<&'a [u8], Output = Capability, Error = ()>,
    value: &'a [u8],
) -> Option<Capability> {
    all_consuming(parser).parse(value).ok().map(|(_, capability)| capability)
}

/// A family in three octets.
fn family(input: &[u8]) -> Parsed<'_, Family> {
    map((be_u16, be_u8), |(afi, safi)| Family { afi, safi }).parse(input)
}

/// A family in four octets: one is reserved, or the SAFI has two of which one is used.
fn wide_family(input: &[u8]) -> Parsed<'_, Family> {
    map((be_u16, be_u8, be_u8), |(afi, _, safi)| Family { afi, safi }).parse(input)
}

fn put_family(out: &mut BytesMut, family: Family) {
    out.put_u16(family.afi);
    out.put_u8(family.safi);
}

fn multiprotocol(input: &[u8]) -> Parsed<'_, Capability> {
    map(wide_family, Capability::Multiprotocol).parse(input)
}

fn four_octet_as(input: &[u8]) -> Parsed<'_, Capability> {
    map(be_u32, |asn| Capability::FourOctetAs(Asn(asn))).parse(input)
}

fn role(input: &[u8]) -> Parsed<'_, Capability> {
    map(be_u8, |role| Capability::Role(Role(role))).parse(input)
}

fn extended_next_hop(input: &[u8]) -> Parsed<'_, Capability> {
    let encoding = map((wide_family, be_u16), |(family, next_hop_afi)| NextHopEncoding {
        family,
        next_hop_afi,
    });
    map(many0(encoding), Capability::ExtendedNextHop).parse(input)
}

fn graceful_restart(input: &[u8]) -> Parsed<'_, Capability> {
    let entry = map((family, be_u8), |(family, flags)| GrFamily {
        family,
        forwarding: flags & GracefulRestart::FORWARDING != 0,
    });
    map((be_u16, many0(entry)), |(word, families)| {
        Capability::GracefulRestart(GracefulRestart {
            restarting: word & GracefulRestart::RESTARTING != 0,
            notification: word & GracefulRestart::NOTIFICATION != 0,
            restart_time: word & GracefulRestart::TIME,
            families,
        })
    })
    .parse(input)
}

fn long_lived(input: &[u8]) -> Parsed<'_, Capability> {
    let entry = map((family, be_u32), |(family, word)| LongLivedFamily {
        family,
        forwarding: (word >> 24) as u8 & GracefulRestart::FORWARDING != 0,
        stale_time: word & LongLivedFamily::MOST,
    });
    map(many0(entry), Capability::LongLived).parse(input)
}

/// Entries with a mode that does not exist are left out (RFC 7911 section 4).
fn add_path(input: &[u8]) -> Parsed<'_, Capability> {
    let entry =
        map((family, be_u8), |(family, mode)| Some((family, AddPathMode::from_code(mode)?)));
    map(many0(entry), |entries| Capability::AddPath(entries.into_iter().flatten().collect()))
        .parse(input)
}
