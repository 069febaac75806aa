//! One stream of probes: its schedule, its packets, the matching of replies.

use alloc::vec::Vec;
use core::net::SocketAddr;

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};

use crate::icmp::{self, Version};
use crate::ring::{Ring, State};
use crate::sample::{Counters, Lost, OneWay, Remarked, Sample, Seen};
use crate::schedule::Schedule;
use crate::stamp::{ErrorEstimate, LEN, Options, Reply, Request, SIGNED_LEN, Told, tlv};
use crate::stun::{self, TransactionId};
use crate::{Comparison, Timestamp, WireTime};

/// The protocol of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// STAMP over UDP, with this session identifier (RFC 8972).
    Stamp {
        /// Non-zero, and different for streams that share address and port.
        ssid: u16,
    },
    /// ICMP or ICMPv6 echo; the payload is a STAMP request.
    Icmp {
        /// Which of the two.
        version: Version,
        /// Different for each stream of the host.
        identifier: u16,
    },
    /// STUN binding requests over UDP (RFC 8489).
    Stun,
    /// TCP connections that carry nothing. What is sent is a ticket that stays in this host: who
    /// asks for the connection gives it back when it was accepted or refused.
    Tcp,
}

/// How a stream probes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Protocol and identity.
    pub kind: Kind,
    /// Time between probes at the start; [`Sender::set_interval`] changes it.
    pub interval: Duration,
    /// The shortest interval ever asked for; not below a millisecond. Together with
    /// `timeout` it sizes the ring of outstanding probes (16 octets each, at most 32,768).
    pub fastest: Duration,
    /// Time after which an unanswered probe is reported lost.
    pub timeout: Duration,
    /// Wall clock at `Instant::ZERO`. Packets carry this plus monotonic time, so that a step of
    /// the wall clock never looks like a change of delay.
    pub epoch: Timestamp,
    /// Draws the phase of the schedule and STUN's transaction ids.
    pub seed: u64,
    /// Source ports used in turn: whoever sends has probe `seq` leave from port `seq % ports`, and each is
    /// a session of its own to a reflector. 1 where there are none.
    pub ports: u8,
    /// What packets carry besides; of these ICMP knows the size only.
    pub options: Options,
}

/// The sender of one stream and the judge of its replies.
///
/// Each turn of the loop, in this order: [`handle_sent`](Self::handle_sent) for kernel timestamps, so
/// that they precede the replies, [`handle_received`](Self::handle_received), then
/// [`poll_lost`](Self::poll_lost) until `None`, then [`poll_transmit`](Self::poll_transmit) until `None`.
#[derive(Clone, Debug)]
pub struct Sender {
    kind: Kind,
    timeout: Duration,
    fastest: Duration,
    epoch: Timestamp,
    options: Options,
    schedule: Schedule,
    ring: Ring,
    highest: Option<u32>,
    numbered: Numbered,
    comparison: Comparison,
    /// The key of STUN's transaction ids and of TCP's tickets.
    key: u64,
    mapped: Option<SocketAddr>,
    counters: Counters,
}

/// What a reply of any protocol tells.
#[derive(Default)]
struct Answer {
    seq: u32,
    /// What only the far end of probe `seq` can know; see [`Sender::proof`].
    proof: u64,
    reflected: Option<Reply>,
    stun: Option<stun::Response>,
    told: Told,
}

/// Whether the reflector numbers its replies by itself (stateful), or copies our numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Numbered {
    by_itself: bool,
    /// Replies in a row with our numbers.
    alike: u8,
}

impl Numbered {
    /// So many replies with our numbers are no chance: it has become stateless.
    const STATELESS: u8 = 32;

    fn note(&mut self, differs: bool) {
        self.alike = if differs { 0 } else { self.alike.saturating_add(1) };
        self.by_itself = differs || (self.by_itself && self.alike < Self::STATELESS);
    }
}

impl Sender {
    /// Most probes outstanding; half the numbers that ICMP can tell apart.
    const MAX_RING: u32 = 1 << 15;
    const FASTEST: Duration = Duration::from_millis(1);
    /// As if probe 0 had been lost on its way: a reflector that numbers its own replies begins at 0 (RFC
    /// 8762 section 4.2), so that its numbers are not ours, and tell of losses from the first reply on.
    const FIRST: u32 = 1;

    /// A stream whose first probe is due within one interval of `now`. Values out of range are
    /// moved to the nearest that is in range.
    pub fn new(now: Instant, config: &Config) -> Self {
        // Two more than fit: a late turn may be followed by one in phase.
        let slowest_ring = config.timeout / (Self::MAX_RING - 2);
        let fastest = config.fastest.max(Self::FASTEST).max(slowest_ring);
        let outstanding = config.timeout.as_nanos().div_ceil(fastest.as_nanos()) + 2;
        let capacity = usize::try_from(outstanding).unwrap_or(Self::MAX_RING as usize);
        Self {
            kind: config.kind,
            timeout: config.timeout,
            fastest,
            epoch: config.epoch,
            options: config.options.clone(),
            schedule: Schedule::new(now, config.interval.max(fastest), config.seed),
            ring: Ring::new(capacity, Self::FIRST),
            highest: None,
            numbered: Numbered::default(),
            comparison: Comparison::new(config.ports),
            key: Rng::with_seed(!config.seed).u64(..),
            mapped: None,
            counters: Counters::default(),
        }
    }

    /// Time between probes.
    pub fn interval(&self) -> Duration {
        self.schedule.interval()
    }

    /// What became of the probes so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The address by which a STUN server saw us last, behind whatever translates addresses.
    pub fn mapped(&self) -> Option<SocketAddr> {
        self.mapped
    }

    /// When the next probe is due or the oldest pending one is lost.
    pub fn poll_timeout(&self) -> Instant {
        match self.ring.oldest() {
            Some((_, slot)) => self.schedule.due().min(slot.stamped_at + self.timeout),
            None => self.schedule.due(),
        }
    }

    /// Changes the rate from the last probe on, for a boost or back; not below `Config::fastest`.
    pub fn set_interval(&mut self, now: Instant, interval: Duration) {
        self.schedule.set_interval(now, interval.max(self.fastest));
    }

    /// Pads probes to so many octets from now on ([`Options::size`]).
    pub fn set_size(&mut self, octets: u16) {
        self.options.size = octets;
    }

    /// Writes the probe that is due into `out`, which is cleared, and returns its number.
    ///
    /// After a stall the turns that passed are left out and counted, never sent in a burst.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<u32> {
        let missed = self.schedule.take(now)?;
        self.counters.skipped += missed;
        if self.ring.is_full() {
            // Only if the caller did not poll for losses.
            self.counters.skipped += 1;
            return None;
        }
        let seq = self.ring.next();
        self.ring.push(now);
        self.counters.sent += 1;
        let nth = self.comparison.sent(seq);
        self.encode(seq, nth, now, out);
        Some(seq)
    }

    /// The next probe that stayed without an answer for the timeout; each is reported once, in order.
    pub fn poll_lost(&mut self, now: Instant) -> Option<Lost> {
        let (seq, slot) = self.ring.oldest()?;
        if now.since(slot.stamped_at) < self.timeout {
            return None;
        }
        let sent_at = slot.sent_at();
        self.resolve(seq, State::Lost);
        self.counters.lost += 1;
        Some(Lost { seq, sent_at })
    }

    /// Takes the kernel's transmit timestamp of probe `seq`.
    pub fn handle_sent(&mut self, seq: u32, at: Instant) {
        let Some(slot) = self.ring.get(seq) else { return };
        if slot.state == State::Pending && !slot.set_sent(at) {
            self.counters.implausible += 1;
        }
    }

    /// The shell could not send probe `seq`: it is neither answered nor lost, and the next one gets its
    /// number, if none was written since, so that those under way are still followed by their neighbours. With
    /// several source ports it does not: one that is refused would be tried for ever, and the others never.
    pub fn handle_send_failed(&mut self, seq: u32) {
        let Some(slot) = self.ring.get(seq) else { return };
        if slot.state == State::Pending {
            self.resolve(seq, State::Unsent);
            if self.comparison.has_one_port() {
                self.ring.take_back(seq);
            }
            self.comparison.unsent(seq);
            self.counters.sent -= 1;
            self.counters.send_failed += 1;
        }
    }

    /// Matches a datagram that arrived `at`, as `seen` by the network layer: a sample, or `None` and
    /// a count.
    ///
    /// For ICMP `bytes` start at the ICMP type. The caller has checked the source address.
    pub fn handle_received(
        &mut self,
        bytes: &[u8],
        at: Instant,
        seen: impl Into<Seen>,
    ) -> Option<Sample> {
        let seen = seen.into();
        let answer = self.decode(bytes)?;
        let Some(slot) = self.ring.get(answer.seq).filter(|slot| slot.state != State::Unsent)
        else {
            self.counters.unsolicited += 1;
            return None;
        };
        let slot = *slot;
        if answer.proof != self.proof(answer.seq, slot.stamped_at) {
            self.counters.mismatched += 1;
            return None;
        }
        let before = slot.state;
        let mut sample = Sample {
            seq: answer.seq,
            sent_at: slot.sent_at(),
            received_at: at,
            rtt_ns: nanos(at.since(slot.sent_at())),
            elapsed_ns: nanos(at.since(slot.stamped_at)),
            one_way: None,
            reflector_seq: answer.reflected.map(|reply| reply.seq),
            reflector_stateful: false,
            fwd_ttl: answer.reflected.map(|reply| reply.sender_ttl).filter(|&ttl| ttl != 0),
            rev_ttl: seen.ttl,
            class: answer.told.class,
            remarked: self.options.remarked(&answer.told, seen),
            direct: answer.told.direct,
            lost: None,
            kernel_sent: slot.kernel_sent,
            duplicate: before == State::Answered,
            reordered: false,
            late: before == State::Lost,
        };
        if let Some(reply) = answer.reflected {
            self.numbered.note(reply.seq != answer.seq);
            self.subtract_reflector(&reply, &mut sample);
            if !sample.duplicate {
                let number = (reply.seq, self.numbered.by_itself);
                sample.lost = self.comparison.reply(sample.seq, sample.direct, number);
            }
        }
        if let Some(response) = answer.stun {
            self.counters.declined += u64::from(response.error && !sample.duplicate);
            self.mapped = response.mapped.or(self.mapped);
        }
        sample.reflector_stateful = self.numbered.by_itself;
        self.count(&mut sample);
        Some(sample)
    }

    /// Separates the directions and takes the reflector's own time out of the round trip.
    fn subtract_reflector(&mut self, reply: &Reply, sample: &mut Sample) {
        let (t2, t3) = (reply.received.read(reply.error), reply.time.read(reply.error));
        match u64::try_from(t3.since(t2)) {
            Ok(residence) if residence <= sample.rtt_ns => {
                sample.rtt_ns -= residence;
                sample.one_way = Some(OneWay {
                    fwd_delay_ns: t2.since(wall(self.epoch, sample.sent_at)),
                    rev_delay_ns: wall(self.epoch, sample.received_at).since(t3),
                });
            }
            _ => self.counters.implausible += 1,
        }
    }

    /// Counts the sample, tells whether it was overtaken, and marks its probe answered.
    fn count(&mut self, sample: &mut Sample) {
        if sample.duplicate {
            self.counters.duplicates += 1;
            return;
        }
        self.counters.remarked_fwd += u64::from(sample.remarked.fwd);
        self.counters.remarked_rev += u64::from(sample.remarked.rev);
        sample.reordered = self.highest.is_some_and(|highest| is_before(sample.seq, highest));
        if sample.reordered {
            self.counters.reordered += 1;
        } else {
            self.highest = Some(sample.seq);
        }
        if sample.late {
            self.counters.late += 1;
        } else {
            self.counters.answered += 1;
        }
        self.resolve(sample.seq, State::Answered);
    }

    fn resolve(&mut self, seq: u32, state: State) {
        if let Some(slot) = self.ring.get(seq) {
            slot.state = state;
        }
        self.ring.settle();
    }

    /// Writes probe `seq`, the `nth` of its session.
    fn encode(&self, seq: u32, nth: u32, now: Instant, out: &mut Vec<u8>) {
        let time = WireTime::ntp(wall(self.epoch, now));
        let error = ErrorEstimate::UNSYNCHRONISED;
        match self.kind {
            Kind::Stamp { ssid } => {
                let request = Request { seq, time, error, ssid };
                out.clear();
                match &self.options.key {
                    Some(key) => out.extend_from_slice(&request.encode_signed(key)),
                    None => out.extend_from_slice(&request.encode()),
                }
                self.options.append(seq, nth, out);
            }
            Kind::Icmp { version, identifier } => {
                let body = Request { seq, time, error, ssid: 0 }.encode();
                let size = usize::from(self.options.size.min(Options::MAX_ICMP_SIZE));
                icmp::encode_request(version, (identifier, seq as u16), &body, size, out);
            }
            Kind::Stun => {
                out.clear();
                out.extend_from_slice(&stun::encode_request(self.transaction_id(seq, now)));
            }
            Kind::Tcp => {
                out.clear();
                out.extend_from_slice(&self.transaction_id(seq, now).0);
            }
        }
    }

    /// What a genuine answer to probe `seq` carries beside the number: its timestamp, or for
    /// STUN and TCP the half of the transaction id that is drawn anew for each probe.
    fn proof(&self, seq: u32, stamped_at: Instant) -> u64 {
        match self.kind {
            Kind::Stamp { .. } | Kind::Icmp { .. } => WireTime::ntp(wall(self.epoch, stamped_at)).0,
            Kind::Stun | Kind::Tcp => {
                let probe = Rng::with_seed(self.key ^ stamped_at.as_nanos()).u64(..);
                Rng::with_seed(probe.wrapping_add(seq.into())).u64(..)
            }
        }
    }

    /// The number, hidden behind the proof, and the proof: as good as random (RFC 8489
    /// section 5), and nothing has to be remembered.
    fn transaction_id(&self, seq: u32, stamped_at: Instant) -> TransactionId {
        let proof = self.proof(seq, stamped_at);
        let mut id = [0; 12];
        id[..4].copy_from_slice(&(seq ^ self.mask(proof)).to_be_bytes());
        id[4..].copy_from_slice(&proof.to_be_bytes());
        TransactionId(id)
    }

    /// The number and the proof in a transaction id of ours.
    fn read_id(&self, TransactionId([a, b, c, d, proof @ ..]): TransactionId) -> (u32, u64) {
        let proof = u64::from_be_bytes(proof);
        (u32::from_be_bytes([a, b, c, d]) ^ self.mask(proof), proof)
    }

    /// Hides the numbers of STUN probes.
    fn mask(&self, proof: u64) -> u32 {
        Rng::with_seed(self.key.rotate_left(32) ^ proof).u32(..)
    }

    /// Reads a reply of this stream's protocol; counts what is none.
    fn decode(&mut self, bytes: &[u8]) -> Option<Answer> {
        match self.kind {
            Kind::Stamp { ssid } => self.decode_stamp(bytes, ssid),
            Kind::Icmp { version, identifier } => {
                let Some(echo) =
                    icmp::decode_reply(version, bytes).filter(|echo| echo.identifier == identifier)
                else {
                    self.counters.foreign += 1;
                    return None;
                };
                let body = Request::decode(echo.body).filter(|body| body.seq as u16 == echo.seq);
                let Some(body) = body else {
                    self.counters.malformed += 1;
                    return None;
                };
                Some(Answer { seq: body.seq, proof: body.time.0, ..Answer::default() })
            }
            Kind::Stun => {
                let Some(response) = stun::decode_response(bytes) else {
                    self.counters.malformed += 1;
                    return None;
                };
                let (seq, proof) = self.read_id(response.id);
                Some(Answer { seq, proof, stun: Some(response), ..Answer::default() })
            }
            Kind::Tcp => {
                let Ok(ticket) = bytes.try_into() else {
                    self.counters.malformed += 1;
                    return None;
                };
                let (seq, proof) = self.read_id(TransactionId(ticket));
                Some(Answer { seq, proof, ..Answer::default() })
            }
        }
    }

    fn decode_stamp(&mut self, bytes: &[u8], ssid: u16) -> Option<Answer> {
        let key = self.options.key.as_ref();
        let (reply, base, wrong) = match key {
            Some(key) => {
                (Reply::decode_signed(bytes, key), SIGNED_LEN, &mut self.counters.unauthenticated)
            }
            None => (Reply::decode(bytes), LEN, &mut self.counters.malformed),
        };
        let Some(reply) = reply else {
            *wrong += 1;
            return None;
        };
        // Reflectors older than RFC 8972 leave the field zero.
        if reply.ssid != ssid && reply.ssid != 0 {
            self.counters.mismatched += 1;
            return None;
        }
        let told = tlv::read(bytes.get(base..).unwrap_or_default(), key, reply.seq);
        self.counters.unusable_tlvs += u64::from(told.unusable);
        let (seq, proof) = (reply.sender_seq, reply.sender_time.0);
        Some(Answer { seq, proof, reflected: Some(reply), stun: None, told })
    }
}

impl Options {
    /// Where the DSCP was changed, as far as it shows.
    fn remarked(&self, told: &Told, seen: Seen) -> Remarked {
        let differs = |got: u8| self.dscp.is_some_and(|asked| asked != got);
        let fwd = told.class.is_some_and(|class| differs(class.fwd_dscp));
        // A reflector that does not understand, or refuses, answers with a DSCP of its own choice.
        let asked = told.class.is_some_and(|class| !class.refused);
        let rev = asked && seen.class.is_some_and(|class| differs(class >> 2));
        Remarked { fwd, rev }
    }
}

/// The sender's wall clock at `at`.
fn wall(epoch: Timestamp, at: Instant) -> Timestamp {
    epoch.plus(at.since(Instant::ZERO))
}

/// Whether `a` comes before `b` in numbers that wrap.
fn is_before(a: u32, b: u32) -> bool {
    a != b && b.wrapping_sub(a) < 1 << 31
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::is_before;

    #[test]
    fn order_of_numbers_wraps() {
        assert!(is_before(1, 2) && !is_before(2, 1) && !is_before(2, 2));
        assert!(is_before(u32::MAX, 0) && !is_before(0, u32::MAX));
    }
}
