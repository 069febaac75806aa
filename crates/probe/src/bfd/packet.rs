//! Control packets: the mandatory section of RFC 5880 section 4.1.

use core::fmt;

use nom::number::complete::{be_u32, u8 as octet};
use nom::{IResult, Parser};

/// Octets of the mandatory section.
pub(super) const LEN: usize = 24;
/// Octets of the shortest packet with an authentication section.
const LEN_AUTHENTICATED: u8 = 26;
/// The protocol's version.
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// The state of a session (RFC 5880 section 4.1, "State (Sta)").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// Taken down by the operator: says nothing about the path.
    AdminDown,
    /// Nothing is heard, or the other side does not hear us.
    #[default]
    Down,
    /// The other side is heard, and does not know it yet.
    Init,
    /// Both sides hear each other.
    Up,
}

impl State {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    /// The RFC's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        }
    }
}

/// Why a session last changed to a lower state (RFC 5880 section 4.1, "Diagnostic (Diag)").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Diagnostic(pub u8);

impl Diagnostic {
    /// Nothing to say.
    pub const NONE: Self = Self(0);
    /// Nothing was received for the detection time.
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    /// The other side said that its session is down.
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    /// The operator took the session down.
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);

    /// The RFC's name; "unknown" for codes it does not have.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "none",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbor signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            _ => "unknown",
        }
    }
}

/// Why a packet was discarded, in the order of RFC 5880 section 6.8.6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Refused {
    /// It was too short to look at.
    Truncated,
    /// The version is not 1.
    Version,
    /// The Length field is below the minimum.
    TooShort,
    /// The Length field exceeds what arrived.
    TooLong,
    /// Detect Mult is zero.
    Multiplier,
    /// The Multipoint bit is set.
    Multipoint,
    /// My Discriminator is zero.
    MyDiscriminator,
    /// No session has the discriminator it names.
    UnknownDiscriminator,
    /// It names no discriminator, although its state says that it knows ours.
    MissingDiscriminator,
    /// It names no discriminator, and no session is with its sender.
    UnknownSender,
    /// It came for a session of the other kind, single-hop or multihop.
    WrongPort,
    /// Its TTL was not 255: it came from beyond the first hop (RFC 5881 section 5).
    Ttl,
    /// It is authenticated; we authenticate nothing.
    Authentication,
    /// The session is administratively down here.
    AdminDown,
}

impl Refused {
    /// A few words for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "below 24 octets",
            Self::Version => "version is not 1",
            Self::TooShort => "length field below the minimum",
            Self::TooLong => "length field beyond the packet",
            Self::Multiplier => "detection multiplier is zero",
            Self::Multipoint => "multipoint bit is set",
            Self::MyDiscriminator => "my discriminator is zero",
            Self::UnknownDiscriminator => "your discriminator is nobody's",
            Self::MissingDiscriminator => "your discriminator is zero in state Init or Up",
            Self::UnknownSender => "no session with the sender",
            Self::WrongPort => "single-hop session on the multihop port, or the reverse",
            Self::Ttl => "TTL is not 255",
            Self::Authentication => "authentication section",
            Self::AdminDown => "administratively down here",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The mandatory section of a control packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Packet {
    /// Why the sender's session last changed.
    pub diag: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// P: wants an answer with F at once.
    pub poll: bool,
    /// F: answers a packet with P.
    pub answer: bool,
    /// C: the sender's BFD survives a restart of its control plane.
    pub independent: bool,
    /// A: an authentication section follows.
    pub authentication: bool,
    /// D: the sender asks for no periodic packets while both are Up.
    pub demand: bool,
    /// Detect Mult, never zero when decoded.
    pub multiplier: u8,
    /// My Discriminator: the sender's name for the session, never zero when decoded.
    pub mine: u32,
    /// Your Discriminator: what the sender knows of ours, or zero.
    pub yours: u32,
    /// Desired Min TX Interval, in microseconds.
    pub desired_min_tx_us: u32,
    /// Required Min RX Interval, in microseconds; zero asks for no periodic packets.
    pub required_min_rx_us: u32,
    /// Required Min Echo RX Interval, in microseconds; zero: no Echo function.
    pub required_min_echo_rx_us: u32,
}

impl Packet {
    /// Decodes what a datagram carried, with the checks of RFC 5880 section 6.8.6 that need no
    /// session, in the RFC's order. What follows the mandatory section is not looked at.
    ///
    /// # Errors
    ///
    /// The first check that failed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let Ok((_, (first, flags, multiplier, length))) = header(bytes) else {
            return Err(Refused::Truncated);
        };
        if first >> 5 != VERSION {
            return Err(Refused::Version);
        }
        let authentication = flags & AUTHENTICATION != 0;
        let shortest = if authentication { LEN_AUTHENTICATED } else { LEN as u8 };
        if length < shortest {
            return Err(Refused::TooShort);
        }
        if usize::from(length) > bytes.len() {
            return Err(Refused::TooLong);
        }
        if multiplier == 0 {
            return Err(Refused::Multiplier);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Refused::Multipoint);
        }
        let Ok((_, words)) = words(&bytes[4..]) else { return Err(Refused::Truncated) };
        let (mine, yours, tx, rx, echo) = words;
        if mine == 0 {
            return Err(Refused::MyDiscriminator);
        }
        Ok(Self {
            diag: Diagnostic(first & 0x1f),
            state: State::from_bits(flags >> 6),
            poll: flags & POLL != 0,
            answer: flags & FINAL != 0,
            independent: flags & INDEPENDENT != 0,
            authentication,
            demand: flags & DEMAND != 0,
            multiplier,
            mine,
            yours,
            desired_min_tx_us: tx,
            required_min_rx_us: rx,
            required_min_echo_rx_us: echo,
        })
    }

    /// The packet, without an authentication section: the A bit is never set.
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        out[0] = VERSION << 5 | self.diag.0 & 0x1f;
        out[1] = (self.state as u8) << 6
            | bit(self.poll, POLL)
            | bit(self.answer, FINAL)
            | bit(self.independent, INDEPENDENT)
            | bit(self.demand, DEMAND);
        out[2] = self.multiplier;
        out[3] = LEN as u8;
        let words = [
            self.mine,
            self.yours,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        ];
        for (field, word) in out[4..].chunks_exact_mut(4).zip(words) {
            field.copy_from_slice(&word.to_be_bytes());
        }
        out
    }
}

fn header(input: &[u8]) -> IResult<&[u8], (u8, u8, u8, u8)> {
    (octet, octet, octet, octet).parse(input)
}

fn words(input: &[u8]) -> IResult<&[u8], (u32, u32, u32, u32, u32)> {
    (be_u32, be_u32, be_u32, be_u32, be_u32).parse(input)
}
