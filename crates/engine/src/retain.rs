//! Routes of peers that are gone: how long they are kept, family by family.
//!
//! First for the peer's restart time (RFC 4724 section 4.2), then, where both sides agreed on it, for
//! its long-lived stale time as the least preferred ones (RFC 9494 section 4.2).

use core::time::Duration;

use pathvane_clock::Instant;
use pathvane_rib::PeerId;
use pathvane_session::{Negotiated, PeerGr};
use pathvane_wire::{Family, FamilySet};

use crate::engine::{Alarm, Engine};
use crate::event::EventKind;

const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// For how long the stale routes of one family are kept.
#[derive(Clone, Copy, Debug)]
struct Kept {
    until: Instant,
    /// How long they are kept after that, as long-lived ones; zero: not at all.
    longer: Duration,
    /// They are long-lived ones.
    long_lived: bool,
}

/// What is kept of a peer's lost session, by family.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retained([Option<Kept>; 2]);

impl Retained {
    /// Whether anything is kept.
    pub(crate) fn any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// Until when something is kept, if nothing changes.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.0.iter().flatten().map(|kept| kept.until + kept.longer).max()
    }

    /// When to look again.
    fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().map(|kept| kept.until).min()
    }

    /// A session ended. What is long-lived already keeps its time (RFC 9494 section 4.2).
    fn lose(&mut self, now: Instant, terms: Option<PeerGr>) {
        for (family, place) in FAMILIES.into_iter().zip(&mut self.0) {
            let Some(gr) = terms.filter(|gr| gr.kept().contains(family)) else {
                *place = None;
                continue;
            };
            if place.is_some_and(|kept| kept.long_lived) {
                continue;
            }
            let restart = match gr.families.contains(family) {
                true => gr.restart_time,
                false => Duration::ZERO,
            };
            let longer = gr.long_lived.time(family);
            *place = Some(Kept { until: now + restart, longer, long_lived: false });
        }
    }

    /// The peer is back. Returns the families in which it did not forward on without us knowing
    /// (F bits): their stale routes go. For the others it has its restart time once more to send its
    /// routes, long-lived ones what is left of their time.
    fn come_back(&mut self, now: Instant, terms: &Negotiated) -> FamilySet {
        let gr = terms.graceful_restart;
        let mut gone = FamilySet::EMPTY;
        for (family, place) in FAMILIES.into_iter().zip(&mut self.0) {
            let Some(kept) = place else { continue };
            let preserved = gr.filter(|gr| {
                match kept.long_lived {
                    true => gr.long_lived.families() & gr.long_lived.forwarding,
                    false => gr.families & gr.forwarding,
                }
                .contains(family)
            });
            match preserved {
                None => {
                    gone.insert(family);
                    *place = None;
                }
                Some(gr) if !kept.long_lived => {
                    kept.until = now + gr.restart_time;
                    kept.longer = Duration::ZERO;
                }
                Some(_) => {}
            }
        }
        gone
    }

    /// The peer has sent these families again.
    fn end(&mut self, families: FamilySet) {
        for (family, place) in FAMILIES.into_iter().zip(&mut self.0) {
            if families.contains(family) {
                *place = None;
            }
        }
    }

    /// Takes the families whose time is over: those to be kept longer, and those to be dropped.
    fn expire(&mut self, now: Instant) -> (FamilySet, FamilySet) {
        let (mut longer, mut gone) = (FamilySet::EMPTY, FamilySet::EMPTY);
        for (family, place) in FAMILIES.into_iter().zip(&mut self.0) {
            let Some(kept) = place.as_mut().filter(|kept| kept.until <= now) else { continue };
            if kept.longer.is_zero() {
                gone.insert(family);
                *place = None;
            } else {
                longer.insert(family);
                kept.until += core::mem::take(&mut kept.longer);
                kept.long_lived = true;
            }
        }
        (longer, gone)
    }
}

impl Engine {
    /// A session ended: what is kept of its routes, for how long.
    pub(crate) fn retain(&mut self, now: Instant, id: PeerId, terms: Option<PeerGr>) {
        self.rib.peer_down(id, terms.map_or(FamilySet::EMPTY, |gr| gr.kept()));
        let retained = &mut self.peers[id.index()].retained;
        retained.lose(now, terms);
        for (family, kept) in FAMILIES.into_iter().zip(retained.0) {
            if kept.is_some_and(|kept| kept.long_lived) {
                // Also what came since.
                self.rib.keep_long_lived(id, family);
            }
        }
        self.expire_stale(now, id);
    }

    /// A peer that came back has its restart time to send its routes again; what it did not
    /// preserve the forwarding of goes at once (RFC 4724 section 4.2).
    pub(crate) fn keep_stale(&mut self, now: Instant, id: PeerId, terms: &Negotiated) {
        let gone = self.peers[id.index()].retained.come_back(now, terms);
        self.drop_families(now, id, gone);
    }

    /// A time for which routes are kept is over: they are kept for longer, or dropped.
    pub(crate) fn expire_stale(&mut self, now: Instant, id: PeerId) {
        let (longer, gone) = self.peers[id.index()].retained.expire(now);
        for family in longer.iter() {
            self.rib.keep_long_lived(id, family);
            self.record.event(now, EventKind::LongLived { peer: id, family });
            self.busy = true;
        }
        self.drop_families(now, id, gone);
    }

    fn drop_families(&mut self, now: Instant, id: PeerId, gone: FamilySet) {
        self.alarms.set(Alarm::Stale(id), self.peers[id.index()].retained.next());
        if gone.is_empty() {
            return;
        }
        gone.iter().for_each(|family| self.rib.end_stale(id, family));
        self.busy = true;
        if !self.peers[id.index()].retained.any() {
            self.record.event(now, EventKind::StaleDropped { peer: id });
            self.leave_if_dynamic(now, id);
        }
    }

    /// All that is kept of a peer goes.
    pub(crate) fn drop_stale(&mut self, now: Instant, id: PeerId) {
        self.peers[id.index()].retained = Retained::default();
        self.drop_families(now, id, FamilySet::ALL);
    }

    /// The peer has sent all of these families again: nothing is kept of them any more, nor was anything
    /// dropped.
    pub(crate) fn end_retention(&mut self, id: PeerId, families: FamilySet) {
        let retained = &mut self.peers[id.index()].retained;
        retained.end(families);
        self.alarms.set(Alarm::Stale(id), retained.next());
    }
}

#[cfg(test)]
mod tests {
    use pathvane_session::LongLived;

    use super::*;

    #[test]
    fn a_family_that_was_sent_again_is_kept_like_any_other_when_the_session_is_lost_again() {
        let at = |secs| Instant::ZERO + Duration::from_secs(secs);
        let stale = Kept { until: at(3600), longer: Duration::ZERO, long_lived: true };
        let mut retained = Retained([Some(stale); 2]);
        retained.end(Family::IPV4_UNICAST.into());
        let gr = PeerGr {
            restart_time: Duration::from_secs(120),
            families: FamilySet::ALL,
            forwarding: FamilySet::ALL,
            restarting: false,
            notification: false,
            long_lived: LongLived::default(),
        };
        retained.lose(at(10), Some(gr));
        let [v4, v6] = retained.0.map(|kept| kept.map(|kept| (kept.until, kept.long_lived)));
        assert_eq!(v4, Some((at(130), false)), "it has its restart time");
        assert_eq!(v6, Some((at(3600), true)), "what was kept for long already keeps its time");
    }
}
