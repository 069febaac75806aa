//! The NOTIFICATION message (RFC 4271 section 4.5): why a session ends.

use alloc::vec::Vec;
use core::fmt;

use bytes::{BufMut, BytesMut};

use crate::frame::put_message;
use crate::{Capability, Family, Kind, MAX_LEN};

/// Error codes (RFC 4271 section 4.5, RFC 7313, RFC 9687).
pub mod code {
    /// Message Header Error.
    pub const HEADER: u8 = 1;
    /// OPEN Message Error.
    pub const OPEN: u8 = 2;
    /// UPDATE Message Error.
    pub const UPDATE: u8 = 3;
    /// Hold Timer Expired.
    pub const HOLD_TIMER_EXPIRED: u8 = 4;
    /// Finite State Machine Error.
    pub const FSM: u8 = 5;
    /// Cease.
    pub const CEASE: u8 = 6;
    /// ROUTE-REFRESH Message Error (RFC 7313).
    pub const ROUTE_REFRESH: u8 = 7;
    /// Send Hold Timer Expired (RFC 9687).
    pub const SEND_HOLD_TIMER_EXPIRED: u8 = 8;
}

/// Subcodes of Message Header Error (RFC 4271 section 6.1).
pub mod header {
    /// Connection Not Synchronized.
    pub const NOT_SYNCHRONIZED: u8 = 1;
    /// Bad Message Length.
    pub const BAD_LENGTH: u8 = 2;
    /// Bad Message Type.
    pub const BAD_TYPE: u8 = 3;
}

/// Subcodes of OPEN Message Error (RFC 4271 section 6.2, RFC 5492).
pub mod open_error {
    /// Unsupported Version Number.
    pub const UNSUPPORTED_VERSION: u8 = 1;
    /// Bad Peer AS.
    pub const BAD_PEER_AS: u8 = 2;
    /// Bad BGP Identifier.
    pub const BAD_BGP_IDENTIFIER: u8 = 3;
    /// Unsupported Optional Parameter.
    pub const UNSUPPORTED_OPTIONAL_PARAMETER: u8 = 4;
    /// Unacceptable Hold Time.
    pub const UNACCEPTABLE_HOLD_TIME: u8 = 6;
    /// Unsupported Capability (RFC 5492).
    pub const UNSUPPORTED_CAPABILITY: u8 = 7;
    /// Role Mismatch (RFC 9234).
    pub const ROLE_MISMATCH: u8 = 11;
}

/// Subcodes of UPDATE Message Error (RFC 4271 section 6.3).
pub mod update_error {
    /// Malformed Attribute List.
    pub const MALFORMED_ATTRIBUTE_LIST: u8 = 1;
    /// Unrecognized Well-known Attribute.
    pub const UNRECOGNIZED_WELL_KNOWN: u8 = 2;
    /// Missing Well-known Attribute.
    pub const MISSING_WELL_KNOWN: u8 = 3;
    /// Attribute Flags Error.
    pub const ATTRIBUTE_FLAGS: u8 = 4;
    /// Attribute Length Error.
    pub const ATTRIBUTE_LENGTH: u8 = 5;
    /// Invalid ORIGIN Attribute.
    pub const INVALID_ORIGIN: u8 = 6;
    /// Invalid NEXT_HOP Attribute.
    pub const INVALID_NEXT_HOP: u8 = 8;
    /// Optional Attribute Error.
    pub const OPTIONAL_ATTRIBUTE: u8 = 9;
    /// Invalid Network Field.
    pub const INVALID_NETWORK_FIELD: u8 = 10;
    /// Malformed AS_PATH.
    pub const MALFORMED_AS_PATH: u8 = 11;
}

/// Subcodes of Finite State Machine Error (RFC 6608).
pub mod fsm {
    /// Receive Unexpected Message in OpenSent State.
    pub const OPEN_SENT: u8 = 1;
    /// Receive Unexpected Message in OpenConfirm State.
    pub const OPEN_CONFIRM: u8 = 2;
    /// Receive Unexpected Message in Established State.
    pub const ESTABLISHED: u8 = 3;
}

/// Subcodes of Cease (RFC 4486, RFC 8538, RFC 9384).
pub mod cease {
    /// Maximum Number of Prefixes Reached.
    pub const MAX_PREFIXES: u8 = 1;
    /// Administrative Shutdown.
    pub const ADMINISTRATIVE_SHUTDOWN: u8 = 2;
    /// Peer De-configured.
    pub const PEER_DECONFIGURED: u8 = 3;
    /// Administrative Reset.
    pub const ADMINISTRATIVE_RESET: u8 = 4;
    /// Connection Rejected.
    pub const CONNECTION_REJECTED: u8 = 5;
    /// Other Configuration Change.
    pub const CONFIGURATION_CHANGE: u8 = 6;
    /// Connection Collision Resolution.
    pub const COLLISION_RESOLUTION: u8 = 7;
    /// Out of Resources.
    pub const OUT_OF_RESOURCES: u8 = 8;
    /// Hard Reset (RFC 8538).
    pub const HARD_RESET: u8 = 9;
    /// BFD Down (RFC 9384).
    pub const BFD_DOWN: u8 = 10;
}

/// Subcodes of ROUTE-REFRESH Message Error (RFC 7313).
pub mod refresh_error {
    /// Invalid Message Length.
    pub const INVALID_LENGTH: u8 = 1;
}

/// Names of codes, for people.
const CODES: [(u8, &str); 8] = [
    (code::HEADER, "Message Header Error"),
    (code::OPEN, "OPEN Message Error"),
    (code::UPDATE, "UPDATE Message Error"),
    (code::HOLD_TIMER_EXPIRED, "Hold Timer Expired"),
    (code::FSM, "Finite State Machine Error"),
    (code::CEASE, "Cease"),
    (code::ROUTE_REFRESH, "ROUTE-REFRESH Message Error"),
    (code::SEND_HOLD_TIMER_EXPIRED, "Send Hold Timer Expired"),
];

/// Names of codes with subcodes, for people.
const SUBCODES: [(u8, u8, &str); 34] = [
    (code::HEADER, header::NOT_SYNCHRONIZED, "Connection Not Synchronized"),
    (code::HEADER, header::BAD_LENGTH, "Bad Message Length"),
    (code::HEADER, header::BAD_TYPE, "Bad Message Type"),
    (code::OPEN, open_error::UNSUPPORTED_VERSION, "Unsupported Version Number"),
    (code::OPEN, open_error::BAD_PEER_AS, "Bad Peer AS"),
    (code::OPEN, open_error::BAD_BGP_IDENTIFIER, "Bad BGP Identifier"),
    (code::OPEN, open_error::UNSUPPORTED_OPTIONAL_PARAMETER, "Unsupported Optional Parameter"),
    (code::OPEN, open_error::UNACCEPTABLE_HOLD_TIME, "Unacceptable Hold Time"),
    (code::OPEN, open_error::UNSUPPORTED_CAPABILITY, "Unsupported Capability"),
    (code::OPEN, open_error::ROLE_MISMATCH, "Role Mismatch"),
    (code::UPDATE, update_error::MALFORMED_ATTRIBUTE_LIST, "Malformed Attribute List"),
    (code::UPDATE, update_error::UNRECOGNIZED_WELL_KNOWN, "Unrecognized Well-known Attribute"),
    (code::UPDATE, update_error::MISSING_WELL_KNOWN, "Missing Well-known Attribute"),
    (code::UPDATE, update_error::ATTRIBUTE_FLAGS, "Attribute Flags Error"),
    (code::UPDATE, update_error::ATTRIBUTE_LENGTH, "Attribute Length Error"),
    (code::UPDATE, update_error::INVALID_ORIGIN, "Invalid ORIGIN Attribute"),
    (code::UPDATE, update_error::INVALID_NEXT_HOP, "Invalid NEXT_HOP Attribute"),
    (code::UPDATE, update_error::OPTIONAL_ATTRIBUTE, "Optional Attribute Error"),
    (code::UPDATE, update_error::INVALID_NETWORK_FIELD, "Invalid Network Field"),
    (code::UPDATE, update_error::MALFORMED_AS_PATH, "Malformed AS_PATH"),
    (code::FSM, fsm::OPEN_SENT, "Unexpected Message in OpenSent"),
    (code::FSM, fsm::OPEN_CONFIRM, "Unexpected Message in OpenConfirm"),
    (code::FSM, fsm::ESTABLISHED, "Unexpected Message in Established"),
    (code::CEASE, cease::MAX_PREFIXES, "Maximum Number of Prefixes Reached"),
    (code::CEASE, cease::ADMINISTRATIVE_SHUTDOWN, "Administrative Shutdown"),
    (code::CEASE, cease::PEER_DECONFIGURED, "Peer De-configured"),
    (code::CEASE, cease::ADMINISTRATIVE_RESET, "Administrative Reset"),
    (code::CEASE, cease::CONNECTION_REJECTED, "Connection Rejected"),
    (code::CEASE, cease::CONFIGURATION_CHANGE, "Other Configuration Change"),
    (code::CEASE, cease::COLLISION_RESOLUTION, "Connection Collision Resolution"),
    (code::CEASE, cease::OUT_OF_RESOURCES, "Out of Resources"),
    (code::CEASE, cease::HARD_RESET, "Hard Reset"),
    (code::CEASE, cease::BFD_DOWN, "BFD Down"),
    (code::ROUTE_REFRESH, refresh_error::INVALID_LENGTH, "Invalid Message Length"),
];

/// Why a session ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    /// Error code, see [`code`].
    pub code: u8,
    /// Error subcode; 0 is Unspecific.
    pub subcode: u8,
    /// What the subcode defines; often empty.
    pub data: Vec<u8>,
}

impl Notification {
    /// A NOTIFICATION without data.
    pub const fn new(code: u8, subcode: u8) -> Notification {
        Notification { code, subcode, data: Vec::new() }
    }

    fn with_data(code: u8, subcode: u8, data: &[u8]) -> Notification {
        Notification { code, subcode, data: data.to_vec() }
    }

    /// Reads the body of a NOTIFICATION; `None` if it is too short to say anything, which earns
    /// no answer (RFC 4271 section 6.4).
    pub fn decode(body: &[u8]) -> Option<Notification> {
        let (head, data) = body.split_first_chunk::<2>()?;
        let [code, subcode] = *head;
        Some(Notification { code, subcode, data: data.to_vec() })
    }

    /// Appends the message; data beyond the 4096 octets of a message is cut.
    pub fn encode(&self, out: &mut BytesMut) {
        const ROOM: usize = MAX_LEN - crate::HEADER_LEN - 2;
        put_message(out, Kind::Notification, |out| {
            out.put_u8(self.code);
            out.put_u8(self.subcode);
            out.put_slice(self.data.get(..ROOM).unwrap_or(&self.data));
        });
    }

    /// The marker is not all ones.
    pub const fn connection_not_synchronized() -> Notification {
        Notification::new(code::HEADER, header::NOT_SYNCHRONIZED)
    }

    /// The message cannot be that long.
    pub fn bad_message_length(len: u16) -> Notification {
        Notification::with_data(code::HEADER, header::BAD_LENGTH, &len.to_be_bytes())
    }

    /// There is no such type of message.
    pub fn bad_message_type(kind: u8) -> Notification {
        Notification::with_data(code::HEADER, header::BAD_TYPE, &[kind])
    }

    /// The OPEN does not parse (RFC 5492 and RFC 4271 section 6.2, Unspecific).
    pub const fn open_unspecific() -> Notification {
        Notification::new(code::OPEN, 0)
    }

    /// The version is not 4, which is the largest we speak.
    pub fn unsupported_version() -> Notification {
        Notification::with_data(code::OPEN, open_error::UNSUPPORTED_VERSION, &[0, 4])
    }

    /// The peer's AS number is not the expected one.
    pub const fn bad_peer_as() -> Notification {
        Notification::new(code::OPEN, open_error::BAD_PEER_AS)
    }

    /// The peer's BGP Identifier is zero, or ours.
    pub const fn bad_bgp_identifier() -> Notification {
        Notification::new(code::OPEN, open_error::BAD_BGP_IDENTIFIER)
    }

    /// An optional parameter other than capabilities.
    pub const fn unsupported_optional_parameter() -> Notification {
        Notification::new(code::OPEN, open_error::UNSUPPORTED_OPTIONAL_PARAMETER)
    }

    /// A hold time of one or two seconds, or one that we refuse.
    pub const fn unacceptable_hold_time() -> Notification {
        Notification::new(code::OPEN, open_error::UNACCEPTABLE_HOLD_TIME)
    }

    /// The roles of both sides do not fit, or the peer has to have one and has none (RFC 9234).
    pub const fn role_mismatch() -> Notification {
        Notification::new(code::OPEN, open_error::ROLE_MISMATCH)
    }

    /// We require capabilities that the peer lacks; they are the data (RFC 5492 section 3).
    pub fn unsupported_capability(missing: &[Capability]) -> Notification {
        let mut data = BytesMut::new();
        for capability in missing {
            capability.encode(&mut data);
        }
        Notification::with_data(code::OPEN, open_error::UNSUPPORTED_CAPABILITY, &data)
    }

    /// An UPDATE error with a subcode of [`update_error`]; the data is the offending attribute,
    /// or empty.
    pub fn update(subcode: u8, attribute: &[u8]) -> Notification {
        Notification::with_data(code::UPDATE, subcode, attribute)
    }

    /// The peer was silent for the hold time.
    pub const fn hold_timer_expired() -> Notification {
        Notification::new(code::HOLD_TIMER_EXPIRED, 0)
    }

    /// The peer did not read for too long (RFC 9687).
    pub const fn send_hold_timer_expired() -> Notification {
        Notification::new(code::SEND_HOLD_TIMER_EXPIRED, 0)
    }

    /// A message that the state does not allow; `state` is a subcode of [`fsm`], or 0.
    pub const fn fsm_error(state: u8) -> Notification {
        Notification::new(code::FSM, state)
    }

    /// Cease with a subcode of [`cease`].
    pub const fn cease(subcode: u8) -> Notification {
        Notification::new(code::CEASE, subcode)
    }

    /// The peer sent more prefixes of a family than we take (RFC 4486 section 4).
    pub fn max_prefixes(family: Family, limit: u32) -> Notification {
        let mut data = Vec::with_capacity(7);
        data.put_u16(family.afi);
        data.put_u8(family.safi);
        data.put_u32(limit);
        Notification { code: code::CEASE, subcode: cease::MAX_PREFIXES, data }
    }

    /// We shut the session down, and say why (RFC 9003); the text is cut to 255 octets.
    pub fn administrative_shutdown(text: &str) -> Notification {
        Notification::communicated(cease::ADMINISTRATIVE_SHUTDOWN, text)
    }

    /// We reset the session, and say why (RFC 9003); the text is cut to 255 octets.
    pub fn administrative_reset(text: &str) -> Notification {
        Notification::communicated(cease::ADMINISTRATIVE_RESET, text)
    }

    fn communicated(subcode: u8, text: &str) -> Notification {
        let end = text.floor_char_boundary(usize::from(u8::MAX));
        let text = text.get(..end).unwrap_or_default().as_bytes();
        let mut data = Vec::with_capacity(1 + text.len());
        data.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
        data.put_slice(text);
        Notification { code: code::CEASE, subcode, data }
    }

    /// Ends a session without graceful restart, whatever the reason inside (RFC 8538).
    pub fn hard_reset(reason: &Notification) -> Notification {
        let mut data = Vec::with_capacity(2 + reason.data.len());
        data.put_slice(&[reason.code, reason.subcode]);
        data.put_slice(&reason.data);
        Notification { code: code::CEASE, subcode: cease::HARD_RESET, data }
    }

    /// A ROUTE-REFRESH of impossible length; the whole message is the data (RFC 7313 section 5).
    pub fn invalid_refresh_length(message: &[u8]) -> Notification {
        Notification::with_data(code::ROUTE_REFRESH, refresh_error::INVALID_LENGTH, message)
    }

    /// Whether it is a Hard Reset, which ends graceful restart too (RFC 8538).
    pub fn is_hard_reset(&self) -> bool {
        (self.code, self.subcode) == (code::CEASE, cease::HARD_RESET)
    }

    /// The reason inside a Hard Reset.
    pub fn hard_reset_reason(&self) -> Option<Notification> {
        self.is_hard_reset().then(|| Notification::decode(&self.data))?
    }

    /// What an operator says with an Administrative Shutdown or Reset (RFC 9003), also inside a
    /// Hard Reset. `None` if nothing is said, or it is not UTF-8.
    ///
    /// The text is the peer's: treat control characters with care.
    pub fn shutdown_text(&self) -> Option<&str> {
        let communicates = |subcode| {
            matches!(subcode, cease::ADMINISTRATIVE_SHUTDOWN | cease::ADMINISTRATIVE_RESET)
        };
        let data = match (self.code, self.subcode, self.data.as_slice()) {
            (code::CEASE, cease::HARD_RESET, [code::CEASE, subcode, data @ ..])
                if communicates(*subcode) =>
            {
                data
            }
            (code::CEASE, subcode, data) if communicates(subcode) => data,
            _ => return None,
        };
        let (len, text) = data.split_first()?;
        let text = core::str::from_utf8(text.get(..usize::from(*len))?).ok()?;
        (!text.is_empty()).then_some(text)
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match CODES.iter().find(|(code, _)| *code == self.code) {
            Some((_, name)) => f.write_str(name)?,
            None => write!(f, "code {}", self.code)?,
        }
        let named =
            |(code, subcode, _): &&(u8, u8, &str)| (*code, *subcode) == (self.code, self.subcode);
        match SUBCODES.iter().find(named) {
            Some((_, _, name)) => write!(f, "/{name}")?,
            None if self.subcode != 0 => write!(f, "/subcode {}", self.subcode)?,
            None => {}
        }
        match (self.hard_reset_reason(), self.shutdown_text()) {
            (Some(reason), _) => write!(f, " ({reason})"),
            (None, Some(text)) => write!(f, ": \"{}\"", text.escape_debug()),
            (None, None) => Ok(()),
        }
    }
}

impl core::error::Error for Notification {}
