//! What is told of an input: one record for each message, table entry or damaged place.

use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

/// One thing found in the input, and where.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Where and when.
    #[serde(flatten)]
    pub place: Place,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// Where something was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Place {
    /// Octets before it: in the file (MRT), in the messages (hexadecimal), in what one side of a
    /// TCP connection sent (captures; from the first octet captured).
    pub offset: u64,
    /// The packet in which it begins, counted from 1 as other tools do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet: Option<u64>,
    /// When it was captured or recorded (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Who sent it: address, and port if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The AS number of the peer of whoever recorded it (MRT).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_as: Option<u32>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum What {
    /// An OPEN.
    Open(OpenRecord),
    /// An UPDATE.
    Update(UpdateRecord),
    /// A NOTIFICATION.
    Notification {
        /// Error code.
        code: u8,
        /// Error subcode.
        subcode: u8,
        /// Their names.
        name: String,
        /// What an operator says with it (RFC 9003).
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Its data in hexadecimal.
        data: String,
    },
    /// A KEEPALIVE.
    Keepalive,
    /// A ROUTE-REFRESH.
    RouteRefresh {
        /// The family asked for.
        family: String,
        /// The subtype (RFC 7313).
        subtype: String,
    },
    /// An entry of a table (MRT TABLE_DUMP_V2).
    Rib(RibEntry),
    /// The peers that entries of a table refer to.
    PeerIndex {
        /// Who recorded the table.
        collector: String,
        /// Name of the table.
        view: String,
        /// How many peers.
        peers: usize,
    },
    /// A session changed its state (MRT).
    StateChange {
        /// The state before.
        old: String,
        /// The state after.
        new: String,
    },
    /// A message that would end the session of whoever got it.
    Error(ErrorRecord),
    /// A place that cannot be read.
    Damage {
        /// What is wrong there, and what was done about it.
        detail: String,
    },
}

/// An OPEN.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenRecord {
    /// Octets of the message.
    pub length: usize,
    /// The sender's AS number.
    pub asn: u32,
    /// The hold time offered, in seconds.
    pub hold_time: u16,
    /// The sender's BGP Identifier.
    pub bgp_identifier: String,
    /// What it can do.
    pub capabilities: Vec<Capability>,
}

/// A capability of an OPEN.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Capability {
    /// Capability code.
    pub code: u8,
    /// Name and content.
    pub text: String,
}

/// An UPDATE.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpdateRecord {
    /// Octets of the message.
    pub length: usize,
    /// What it was read under: internal or external, octets of AS numbers, path identifiers.
    pub context: String,
    /// Nobody said what was negotiated: the context is the first under which the UPDATE is sound.
    pub assumed: bool,
    /// Prefixes withdrawn, also by what is wrong with the message.
    pub withdrawn: Vec<Prefix>,
    /// Prefixes announced.
    pub announced: Vec<Prefix>,
    /// All attributes in the order sent.
    pub attributes: Vec<Attribute>,
    /// What is wrong beside or between the attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// The family whose End-of-RIB it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_of_rib: Option<String>,
    /// What becomes of it (RFC 7606).
    pub disposition: String,
}

/// A prefix withdrawn or announced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prefix {
    /// The prefix, without host bits.
    pub prefix: IpNet,
    /// Its path identifier, where those were negotiated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_id: Option<u32>,
    /// Its next hop, if it is announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<String>,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attribute {
    /// Its first octet, counted in the message (in the attributes of the entry for tables).
    pub offset: usize,
    /// Attribute type code.
    pub code: u8,
    /// Its name, if it is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    /// Its flags.
    pub flags: u8,
    /// Octets of the value.
    pub length: usize,
    /// The value: typed where it is known and sound, in hexadecimal where not.
    pub value: Value,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What becomes of it (RFC 7606).
    pub disposition: String,
}

/// An entry of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RibEntry {
    /// The number of the prefix in the table.
    pub sequence: u32,
    /// The prefix, its path identifier and next hop.
    #[serde(flatten)]
    pub prefix: Prefix,
    /// When the route was received.
    pub originated: String,
    /// All attributes in the order stored.
    pub attributes: Vec<Attribute>,
    /// What is wrong between the attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// What would become of it in an UPDATE (RFC 7606).
    pub disposition: String,
}

/// A message that would end the session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorRecord {
    /// What the message is, as far as its header tells.
    pub message: String,
    /// Octets of the message, if they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// The error code of the NOTIFICATION that answers it.
    pub code: u8,
    /// Its subcode.
    pub subcode: u8,
    /// Their names.
    pub name: String,
    /// Its data in hexadecimal.
    pub data: String,
    /// What becomes of it, in the words of RFC 7606: always a session reset.
    pub disposition: String,
    /// The first octet of what is to blame, counted in the message, where one place is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<usize>,
    /// The attributes as far as they can be told apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}
