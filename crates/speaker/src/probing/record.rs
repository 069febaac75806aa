//! What became of each probe, in the order of sending: a series to be replayed.

use std::collections::VecDeque;

use pathvane_clock::Instant;
use pathvane_probe::Sample;

use crate::series::Probe;

/// Probes whose fate is not known or not yet told; as many as are under way.
pub(super) struct Record {
    wanted: bool,
    started: Instant,
    pending: VecDeque<Pending>,
}

struct Pending {
    seq: u32,
    probe: Probe,
    settled: bool,
}

impl Record {
    /// A record of a run that began at `started`; of nothing, unless it is `wanted`.
    pub(super) fn new(started: Instant, wanted: bool) -> Self {
        Self { wanted, started, pending: VecDeque::new() }
    }

    /// Probe `seq` left from the source port of this number at `at`, by the clock that stamps all of them: the kernel tells of those only
    /// that were answered, and theirs may come after the next one's.
    pub(super) fn sent(&mut self, seq: u32, port: u8, at: Instant) {
        if self.wanted {
            let probe = Probe { at_ns: self.since(at), port, ..Probe::default() };
            self.pending.push_back(Pending { seq, probe, settled: false });
        }
    }

    /// Its reply came. One that is late comes to nothing: it was told as lost.
    pub(super) fn sample(&mut self, sample: &Sample) {
        let Some(pending) = self.find(sample.seq) else { return };
        pending.settled = true;
        let probe = &mut pending.probe;
        probe.rtt_ns = Some(sample.rtt_ns);
        probe.fwd_ns = sample.one_way.map(|one_way| one_way.fwd_delay_ns);
        probe.rev_ns = sample.one_way.map(|one_way| one_way.rev_delay_ns);
        let own = sample.reflector_seq.filter(|_| sample.reflector_stateful);
        let counted = own.or_else(|| sample.direct.map(|direct| direct.returned));
        probe.reflector_seq = counted.filter(|_| sample.lost.is_some());
        probe.remarked = sample.remarked.any();
    }

    /// No reply came in time.
    pub(super) fn lost(&mut self, seq: u32) {
        if let Some(pending) = self.find(seq) {
            pending.settled = true;
        }
    }

    /// The next probe whose fate is known.
    pub(super) fn poll(&mut self) -> Option<Probe> {
        self.pending.pop_front_if(|first| first.settled).map(|first| first.probe)
    }

    fn find(&mut self, seq: u32) -> Option<&mut Pending> {
        self.pending.iter_mut().find(|pending| pending.seq == seq && !pending.settled)
    }

    fn since(&self, at: Instant) -> u64 {
        at.since(self.started).as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pathvane_probe::Ways;
    use pathvane_probe::stamp::Direct;

    fn sample(seq: u32, sent_at: Instant) -> Sample {
        Sample {
            seq,
            sent_at,
            received_at: sent_at,
            rtt_ns: 1,
            elapsed_ns: 1,
            one_way: None,
            reflector_seq: None,
            reflector_stateful: false,
            fwd_ttl: None,
            rev_ttl: None,
            class: None,
            remarked: Default::default(),
            direct: None,
            lost: None,
            kernel_sent: true,
            duplicate: false,
            reordered: false,
            late: false,
        }
    }

    fn at(ms: u64) -> Instant {
        Instant::from_millis(1_000 + ms)
    }

    #[test]
    fn probes_come_in_the_order_of_sending_when_their_fate_is_known() {
        let mut record = Record::new(at(0), true);
        for seq in 0..3 {
            record.sent(seq, 0, at(20 * u64::from(seq)));
        }
        record.lost(1);
        assert_eq!(record.poll(), None, "the first is under way");
        record.lost(0);
        let told: Vec<u64> =
            std::iter::from_fn(|| record.poll()).map(|probe| probe.at_ns).collect();
        assert_eq!(told, [0, 20_000_000]);
        record.lost(1);
        assert_eq!(record.poll(), None, "once");
    }

    #[test]
    fn a_queue_in_front_of_the_wire_does_not_turn_the_order_round() {
        let mut record = Record::new(at(0), true);
        record.sent(0, 0, at(0));
        record.sent(1, 0, at(20));
        // The first was answered, and left 30 ms late by the kernel's clock; the second is lost.
        record.sample(&sample(0, at(30)));
        record.lost(1);
        let told: Vec<u64> =
            std::iter::from_fn(|| record.poll()).map(|probe| probe.at_ns).collect();
        assert_eq!(told, [0, 20_000_000]);
    }

    #[test]
    fn a_reflector_counts_by_its_numbers_or_else_by_what_it_returned() {
        let direct = Some(Direct { sent: 3, received: 2, returned: 2 });
        let lost = Some(Ways::default());
        let all = Sample { reflector_seq: Some(9), direct, lost, ..sample(0, at(0)) };
        let recorded = |sample: &Sample| {
            let mut record = Record::new(at(0), true);
            record.sent(0, 0, at(0));
            record.sample(sample);
            record.poll().and_then(|probe| probe.reflector_seq)
        };
        assert_eq!(recorded(&Sample { reflector_stateful: true, ..all }), Some(9));
        assert_eq!(recorded(&all), Some(2), "its numbers are ours");
        assert_eq!(recorded(&Sample { lost: None, ..all }), None, "it counts something else");
    }

    #[test]
    fn nothing_is_kept_unless_it_is_wanted() {
        let mut record = Record::new(at(0), false);
        record.sent(0, 0, at(0));
        record.lost(0);
        assert_eq!((record.poll(), record.pending.len()), (None, 0));
    }
}
