//! One path: its streams, link and BFD session, joined into a verdict.

use pathvane_clock::{Duration, Instant};

use crate::{Class, ClassScore, ProbeRates, Role, Sample, Sla, Verdict};

/// The link below a path, as the operating system tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum LinkState {
    /// Not told.
    #[default]
    Unknown,
    /// The interface is up and has a carrier.
    Up,
    /// It is not.
    Down,
}

/// The BFD session of a path (RFC 5880 section 4.1, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum BfdState {
    /// No session, or one that was taken down by an administrator: says nothing.
    #[default]
    Off,
    /// The session is up.
    Up,
    /// A session that was up went down.
    Down,
}

/// What a [`PathMonitor`] is told once. The defaults are in [`crate::defaults`].
#[derive(Clone, Debug)]
pub struct MonitorConfig {
    /// Probe rates by role.
    pub rates: ProbeRates,
    /// Limits by class, in the order of [`Class::ALL`].
    pub sla: [Sla; 3],
    /// A path must be clean for this long, and for `recover_probes`, to be up again.
    pub recover_after: Duration,
    /// See `recover_after`; counted over all streams.
    pub recover_probes: u32,
    /// A new path is up after this long, or after `init_probes` answered probes.
    pub init_after: Duration,
    /// See `init_after`; counted over all streams.
    pub init_probes: u32,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            rates: ProbeRates::of(Class::Voice),
            sla: Class::ALL.map(Sla::of),
            recover_after: Duration::from_secs(30),
            recover_probes: 500,
            init_after: Duration::from_secs(10),
            init_probes: 500,
        }
    }
}

/// Joins the probe streams of one path with its link and BFD state into a [`Verdict`].
///
/// Tell it of every probe sent and every reply, call [`PathMonitor::handle_timeout`] at
/// [`PathMonitor::poll_timeout`], then drain [`PathMonitor::poll_verdict`]. Replies that
/// have arrived must be told before timers are handled.
#[derive(Clone, Debug)]
pub struct PathMonitor {
    config: MonitorConfig,
    verdict: Verdict,
}

impl PathMonitor {
    /// A monitor of a path with one probe stream per element of `streams`; the element is
    /// the number of the reflector that the stream probes. Streams of one reflector (other
    /// source ports) sample members of multipath bundles.
    pub fn new(now: Instant, config: MonitorConfig, streams: &[u8]) -> Self {
        let _ = streams;
        Self { config, verdict: Verdict::unknown(now) }
    }

    /// Probe `seq` of `stream` was really sent. Sequence numbers of a stream count up by one.
    pub fn sent(&mut self, now: Instant, stream: usize, seq: u32) {
        let _ = (now, stream, seq);
    }

    /// A reply arrived on `stream`.
    pub fn reply(&mut self, now: Instant, stream: usize, sample: &Sample) {
        let _ = (now, stream, sample);
    }

    /// The link's state changed or is told again.
    pub fn link(&mut self, now: Instant, link: LinkState) {
        let _ = (now, link);
    }

    /// The BFD session's state changed or is told again.
    pub fn bfd(&mut self, now: Instant, bfd: BfdState) {
        let _ = (now, bfd);
    }

    /// The operator takes the path out (`true`) or gives it back.
    pub fn admin(&mut self, now: Instant, out: bool) {
        let _ = (now, out);
    }

    /// Our own event loop stood still until `now`: silence that was about to be reported is
    /// void until the sockets have been read.
    pub fn stalled(&mut self, now: Instant) {
        let _ = now;
    }

    /// Handles every deadline due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`PathMonitor::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The verdict, if its state, reasons or grade changed since the last call.
    pub fn poll_verdict(&mut self) -> Option<Verdict> {
        None
    }

    /// The verdict of now.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// How well the path serves `class`.
    pub fn score(&self, class: Class) -> ClassScore {
        ClassScore::unknown(class)
    }

    /// The time to leave between two probes of each stream.
    pub fn probe_interval(&self, role: Role) -> Duration {
        self.config.rates.interval(role, false)
    }
}
