//! What a network does to the probes of one path.

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};
use pathvane_score::emodel::{Codec, rate};

use crate::sim::Gilbert;

/// Loss that strikes every stream of a path at once, by time and not by packet.
#[derive(Clone)]
struct Bursts {
    process: Gilbert,
    bad: bool,
    until: Instant,
}

/// The step of [`Bursts`]: the spacing of a call's packets.
const STEP: Duration = Duration::from_millis(20);

/// A path's network. Change its fields at any time.
#[derive(Clone)]
pub(crate) struct Link {
    /// The least round trip.
    pub(crate) rtt: Duration,
    /// What chance adds, evenly distributed.
    pub(crate) jitter: Duration,
    /// The share of probes that are delayed by another 20 to 120 ms.
    spikes: f64,
    /// Loss of each stream by itself.
    pub(crate) loss: Vec<Gilbert>,
    shared: Option<Bursts>,
    /// The share that is lost inside of those bursts.
    pub(crate) inside: f64,
    /// Nothing comes back.
    pub(crate) silent: bool,
    /// Nothing comes back on this stream.
    pub(crate) silent_stream: Option<usize>,
    /// Nothing comes back from this one of eight source ports.
    pub(crate) silent_port: Option<u64>,
    /// Packets of full size that nobody may fragment do not get through.
    pub(crate) narrow: bool,
    /// Instances of the service at the far end: healthy, and all.
    pub(crate) instances: (u16, u16),
    sent: Vec<u64>,
}

/// Streams of a path.
pub(crate) const STREAMS: usize = 2;

impl Link {
    /// A link without loss.
    pub(crate) fn clean(rtt_ms: u64) -> Self {
        Self {
            rtt: Duration::from_millis(rtt_ms),
            jitter: Duration::from_millis(1),
            spikes: 0.0,
            loss: vec![Gilbert::random(0.0); STREAMS],
            shared: None,
            inside: 1.0,
            silent: false,
            silent_stream: None,
            silent_port: None,
            narrow: false,
            instances: (2, 2),
            sent: vec![0; STREAMS],
        }
    }

    /// The same, losing a share of each stream's packets independently.
    pub(crate) fn random(rtt_ms: u64, share: f64) -> Self {
        Self { loss: vec![Gilbert::random(share); STREAMS], ..Self::clean(rtt_ms) }
    }

    /// The same in bursts of `length` packets on average, each stream by itself.
    pub(crate) fn bursts(rtt_ms: u64, share: f64, length: f64) -> Self {
        Self { loss: vec![Gilbert::new(share, length); STREAMS], ..Self::clean(rtt_ms) }
    }

    /// The same in bursts of `length` times 20 ms that strike all streams.
    pub(crate) fn shared_bursts(rtt_ms: u64, share: f64, length: f64) -> Self {
        let process = Gilbert::new(share, length);
        let shared = Some(Bursts { process, bad: false, until: Instant::ZERO });
        Self { shared, ..Self::clean(rtt_ms) }
    }

    /// The same, but bursts lose no more than half of what they strike, and last as long as it takes for that.
    pub(crate) fn half_bursts(rtt_ms: u64, share: f64, length: f64) -> Self {
        Self { inside: 0.5, ..Self::shared_bursts(rtt_ms, share / 0.5, length) }
    }

    /// The same, with a share of packets delayed by another 20 to 120 ms.
    pub(crate) fn with_spikes(self, share: f64) -> Self {
        Self { spikes: share, ..self }
    }

    /// What comes of a packet sent now: nothing, or a reply after this time.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        stream: usize,
        rng: &mut Rng,
    ) -> Option<Duration> {
        self.sent[stream] += 1;
        let lost = self.loss[stream].loses(rng);
        let struck = self.shared.as_mut().is_some_and(|bursts| bursts.strikes(now, rng));
        let struck = struck && (self.inside >= 1.0 || rng.f64() < self.inside);
        let port = self.silent_port.is_some_and(|port| self.sent[stream] % 8 == port);
        if lost || struck || port || self.silent || self.silent_stream == Some(stream) {
            return None;
        }
        let spike = if rng.f64() < self.spikes { rng.u64(20..120) } else { 0 };
        Some(self.rtt + self.jitter.mul_f64(rng.f64()) + Duration::from_millis(spike))
    }

    /// What a call over this link would be like: the share of `packets`, of full size or not, that arrive
    /// within [`PLAYOUT`] of the least delay at somebody who answers, and R of the E-model for what really
    /// is lost and late.
    pub(crate) fn call(
        &self,
        from: Instant,
        packets: u32,
        full: bool,
        rng: &mut Rng,
    ) -> (f64, f64) {
        if (full && self.narrow) || self.instances.0 == 0 {
            return (0.0, 0.0);
        }
        // A call takes one member of a bundle; over many calls an eighth takes the broken one.
        let mut link = Self { silent_stream: None, ..self.clone() };
        let arrived = (0..packets).filter(|&nth| {
            let at = from + STEP * nth;
            link.answer(at, 0, rng).is_some_and(|rtt| rtt < self.rtt + PLAYOUT)
        });
        let share = arrived.count() as f64 / f64::from(packets);
        let mouth_to_ear = (self.rtt + self.jitter).as_secs_f64() * 500.0 + CODEC_MS;
        (share, rate(&Codec::G711_PLC, mouth_to_ear, 100.0 * (1.0 - share), 1.0).r)
    }
}

/// Packetisation and a short buffer.
const CODEC_MS: f64 = 60.0;

/// A jitter buffer that holds a call together at any price.
const PLAYOUT: Duration = Duration::from_millis(200);

impl Bursts {
    fn strikes(&mut self, now: Instant, rng: &mut Rng) -> bool {
        if self.until == Instant::ZERO {
            self.until = now;
        }
        while self.until <= now {
            self.bad = self.process.loses(rng);
            self.until += STEP;
        }
        self.bad
    }
}
