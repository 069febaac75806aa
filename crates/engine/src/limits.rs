//! Limits on prefixes: what a peer may announce, and what it may be told.

use pathvane_clock::{Duration, Instant};
use pathvane_rib::{PeerId, Quota, Rib};
use pathvane_session::{DownCause, DownReason, Farewell};
use pathvane_wire::{Family, Notification, cease, code};

use crate::config::{Beyond, Config, MaxPrefixes};
use crate::engine::{Alarm, Engine};
use crate::event::{EventKind, LimitStep};

/// The families, by their places in limits.
const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// Where a peer stands with its limits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// What was last told of what it announces, by family.
    told: [Option<LimitStep>; 2],
    /// It is told nearly as much as it may be, by family.
    nearly_full: [bool; 2],
    /// Something is withheld from it, by family.
    withheld: [bool; 2],
    /// Its session was closed for its limit; with the time at which it is opened again.
    pub(crate) closed: Option<Option<Instant>>,
}

/// Prefixes that the peer announces in this session.
fn announced(rib: &Rib, peer: PeerId, family: Family) -> u32 {
    let counts = rib.counts(peer, family);
    counts.received.saturating_sub(counts.stale)
}

/// The NOTIFICATION for a peer that announces more than it may, where that closes its session.
pub(crate) fn refusal(rib: &Rib, peer: PeerId, limits: &MaxPrefixes) -> Option<Notification> {
    if limits.beyond == Beyond::Warn {
        return None;
    }
    let mut limited =
        FAMILIES.into_iter().zip(limits.most).filter_map(|(f, most)| Some((f, most?)));
    let (family, most) = limited.find(|(family, most)| announced(rib, peer, *family) > *most)?;
    Some(Notification::max_prefixes(family, most))
}

/// The quota of a peer: prefixes of services and probe sources have room in any case.
pub(crate) fn quota(config: &Config, peer: PeerId) -> Quota {
    let own = crate::policies::own_prefixes(config, peer);
    let of = |v4: bool| own.iter().filter(|prefix| prefix.addr().is_ipv4() == v4).count();
    let reserved = [of(true), of(false)].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    Quota { most: config.peers[peer.index()].max_out, reserved }
}

/// The limit for which we ended a session, if we did (RFC 4486 section 4).
fn limit_of(reason: &DownReason) -> Option<(Family, u32)> {
    let DownCause::Sent(sent) = &reason.cause else { return None };
    let inner = sent.hard_reset_reason();
    let said = inner.as_ref().unwrap_or(sent);
    let [afi @ .., safi, a, b, c, d] = said.data.as_slice() else { return None };
    let afi = u16::from_be_bytes(afi.try_into().ok()?);
    let of_limit = (said.code, said.subcode) == (code::CEASE, cease::MAX_PREFIXES);
    of_limit.then(|| (Family { afi, safi: *safi }, u32::from_be_bytes([*a, *b, *c, *d])))
}

impl Engine {
    /// Tells of limits that the peer came near to, once until it is well below again.
    pub(crate) fn watch_announced(&mut self, now: Instant, peer: PeerId) {
        let limits = self.config.peers[peer.index()].max_in;
        for (at, family) in FAMILIES.into_iter().enumerate() {
            let Some(limit) = limits.most[at] else { continue };
            let count = announced(&self.rib, peer, family);
            let near = u64::from(limit) * u64::from(limits.warn_at) / 100;
            let told = &mut self.peers[peer.index()].standing.told[at];
            let step = match u64::from(count) {
                _ if count > limit && limits.beyond == Beyond::Warn => Some(LimitStep::Beyond),
                count if count >= near => Some(LimitStep::Near),
                count if count * 10 < near * 9 => None,
                _ => *told,
            };
            let before = core::mem::replace(told, step);
            let worse = step == Some(LimitStep::Beyond) || before.is_none();
            if let Some(step) = step.filter(|step| before != Some(*step) && worse) {
                self.record.event(now, EventKind::PrefixLimit { peer, family, count, limit, step });
            }
        }
    }

    /// Tells when the peer was told nearly as much as it may be, once until that is well below again;
    /// when prefixes are withheld from it, and when none are any more.
    pub(crate) fn watch_told(&mut self, now: Instant, peer: PeerId) {
        for (at, family) in FAMILIES.into_iter().enumerate() {
            let Some(limit) = self.config.peers[peer.index()].max_out[at] else { continue };
            self.watch_fullness(now, peer, (at, family), limit);
            let count = self.rib.withheld(peer, family);
            let withheld = &mut self.peers[peer.index()].standing.withheld[at];
            if core::mem::replace(withheld, count > 0) != (count > 0) {
                let step = if count > 0 { LimitStep::Withheld } else { LimitStep::Room };
                self.record.event(now, EventKind::PrefixLimit { peer, family, count, limit, step });
            }
        }
    }

    fn watch_fullness(
        &mut self,
        now: Instant,
        peer: PeerId,
        (at, family): (usize, Family),
        limit: u32,
    ) {
        let count = self.rib.counts(peer, family).advertised;
        let near = u64::from(limit) * u64::from(self.config.peers[peer.index()].warn_out_at) / 100;
        let nearly_full = &mut self.peers[peer.index()].standing.nearly_full[at];
        let below = u64::from(count) * 10 < near * 9;
        let full = count > 0 && (u64::from(count) >= near || *nearly_full && !below);
        if core::mem::replace(nearly_full, full) || !full {
            return;
        }
        let step = LimitStep::NearlyFull;
        self.record.event(now, EventKind::PrefixLimit { peer, family, count, limit, step });
    }

    /// A session ended. If that was for the limit of prefixes, it stays closed for now or for good.
    pub(crate) fn close_for_limit(&mut self, now: Instant, peer: PeerId, reason: &DownReason) {
        let standing = &mut self.peers[peer.index()].standing;
        *standing = Standing::default();
        let Some((family, limit)) = limit_of(reason) else { return };
        let limits = self.config.peers[peer.index()].max_in;
        let pause = match limits.beyond {
            Beyond::Reopen(pause) => Some(pause),
            Beyond::Close | Beyond::Warn => None,
        };
        self.stay_closed(now, peer, pause);
        let (count, step) = (limit.saturating_add(1), LimitStep::Closed(pause));
        self.record.event(now, EventKind::PrefixLimit { peer, family, count, limit, step });
    }

    fn stay_closed(&mut self, now: Instant, peer: PeerId, pause: Option<Duration>) {
        let reopen = pause.map(|pause| now + pause);
        let known = &mut self.peers[peer.index()];
        known.standing.closed = Some(reopen);
        known.session.handle_stop(now, Farewell::Silent);
        self.alarms.set(Alarm::Reopen(peer), reopen);
    }

    /// The limits of a peer are others now: they are looked at at once, and may open its session.
    pub(crate) fn apply_limits(&mut self, now: Instant, peer: PeerId) {
        if self.reopen(now, peer) {
            return;
        }
        let limits = self.config.peers[peer.index()].max_in;
        let refusal = refusal(&self.rib, peer, &limits);
        match refusal.filter(|_| self.peers[peer.index()].established().is_some()) {
            Some(refusal) => {
                let farewell = Farewell::Notify(refusal);
                self.with_session(now, peer, |session| session.handle_reset(now, farewell));
            }
            None => self.watch_announced(now, peer),
        }
    }

    /// Opens a session that was closed for its limit; false if it was not. A peer that came by its range goes,
    /// and may come again.
    pub(crate) fn reopen(&mut self, now: Instant, peer: PeerId) -> bool {
        self.alarms.set(Alarm::Reopen(peer), None);
        if self.peers[peer.index()].standing.closed.take().is_none() || !self.life.steers() {
            return false;
        }
        match self.config.peers[peer.index()].dynamic {
            true => self.leave_if_dynamic(now, peer),
            false => self.start(now, peer),
        }
        true
    }
}
