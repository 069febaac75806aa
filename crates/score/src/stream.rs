//! What a probe stream is told about itself.

/// Source ports that one stream can tell apart.
pub const MAX_PORTS: usize = 16;

/// What a probe stream probes, and from where.
///
/// A stream may leave from several constant source ports in turn, so that every member of a
/// multipath bundle is sampled without more probes: probe `seq` leaves from port
/// `seq % ports`. Whoever sends has to keep to that rule; the meter finds the port of a probe
/// by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamSpec {
    /// The number of the reflector that is probed; streams may share one.
    pub reflector: u8,
    /// Source ports used in turn, 1 to [`MAX_PORTS`]; others are taken for the nearest of them.
    pub ports: u8,
    /// It probes the first hop of the path, not its far end: evidence of where a fault is, and
    /// of nothing else.
    pub first_hop: bool,
    /// It probes too seldom for a prompt verdict. Beside other streams to the far end it is a
    /// witness of silence only: an answer to it contradicts, its own silence confirms.
    pub slow: bool,
}

impl StreamSpec {
    /// A stream to the far end from `ports` source ports in turn.
    pub const fn new(reflector: u8, ports: u8) -> Self {
        Self { reflector, ports, first_hop: false, slow: false }
    }

    /// The same stream, probed seldom if `slow`.
    pub const fn with_slow(self, slow: bool) -> Self {
        Self { slow, ..self }
    }

    /// A stream to the first hop.
    pub const fn first_hop() -> Self {
        Self { reflector: 0, ports: 1, first_hop: true, slow: false }
    }
}

impl From<u8> for StreamSpec {
    /// A stream from one source port to the reflector of that number.
    fn from(reflector: u8) -> Self {
        Self::new(reflector, 1)
    }
}
