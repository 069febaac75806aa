//! Small integers that stand for what the configuration names.

use core::fmt;

pub use pathvane_rib::PeerId;
pub use pathvane_session::ConnId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u16);

        impl $name {
            /// The index into the configuration's list.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id!(
    /// A forwarding path: its place in [`crate::Config::paths`].
    PathId
);
id!(
    /// A service: its place in [`crate::Config::services`].
    ServiceId
);
id!(
    /// A probe stream, one per path and target: paths in order, then their probes in order, then
    /// the full-size probes of the paths that have them.
    StreamId
);

impl StreamId {
    /// The ICMP echo identifier of the stream; never zero, and away from the low numbers that
    /// other programs use.
    pub const fn icmp_identifier(self) -> u16 {
        0x5000 | (self.0 & 0x0fff)
    }
}
