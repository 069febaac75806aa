//! The OPEN message: what we offer, what we accept (RFC 4271 section 6.2), what follows.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use pathvane_wire::{
    AddPathMode, Asn, BgpId, Capability, DecodeContext, EncodeContext, Family, FamilySet, GrFamily,
    GracefulRestart, LongLivedFamily, MAX_LEN, MAX_LEN_EXTENDED, NextHopEncoding, Notification,
    Open, PeerKind, Role, cease, code,
};

use crate::action::{DownCause, Farewell};
use crate::config::{self, Config};

/// The terms of a session, from the two OPEN messages.
#[derive(Clone, PartialEq, Debug)]
pub struct Negotiated {
    /// The peer's AS number.
    pub remote_asn: Asn,
    /// The peer's BGP Identifier.
    pub remote_id: BgpId,
    /// Whether the peer belongs to our AS.
    pub kind: PeerKind,
    /// The lower of both hold times; zero: no HoldTimer, no KEEPALIVE.
    pub hold_time: Duration,
    /// Time between KEEPALIVE messages before jitter, a third of the hold time.
    pub keepalive: Duration,
    /// The families both sides offered.
    pub families: FamilySet,
    /// How to read the peer's UPDATE messages.
    pub decode: DecodeContext,
    /// How to write ours.
    pub encode: EncodeContext,
    /// The longest message the peer may send.
    pub max_len_in: usize,
    /// Both sides offered route refresh (RFC 2918).
    pub refresh: bool,
    /// Both sides offered enhanced route refresh (RFC 7313).
    pub enhanced_refresh: bool,
    /// What the peer says it is to us, if we say what we are to it (RFC 9234).
    pub remote_role: Option<Role>,
    /// The peer's graceful restart, if both sides know it (RFC 4724).
    pub graceful_restart: Option<PeerGr>,
    /// The peer knows what LLGR_STALE means (RFC 9494): it may be told such routes.
    pub knows_long_lived: bool,
}

/// The peer's side of graceful restart (RFC 4724 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerGr {
    /// How long to wait for the peer to come back.
    pub restart_time: Duration,
    /// Negotiated families whose routes to keep meanwhile; empty: the peer only helps us.
    pub families: FamilySet,
    /// Families in which the peer kept forwarding during its last restart (F bits).
    pub forwarding: FamilySet,
    /// The peer has just restarted (R bit).
    pub restarting: bool,
    /// Both sides keep routes through a NOTIFICATION, too (N bits, RFC 8538).
    pub notification: bool,
    /// For how long to keep routes after that.
    pub long_lived: LongLived,
}

/// The peer's long-lived graceful restart, if both sides know it (RFC 9494); else of no family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LongLived {
    /// IPv4 and IPv6 unicast; zero: not kept.
    times: [Duration; 2],
    /// Families in which the peer kept forwarding during its last restart (F bits).
    pub forwarding: FamilySet,
}

impl LongLived {
    const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

    /// How long to keep stale routes of a family after the restart time; zero: not at all.
    pub fn time(&self, family: Family) -> Duration {
        let mut times = LongLived::FAMILIES.into_iter().zip(self.times);
        times.find(|(of, _)| *of == family).map_or(Duration::ZERO, |(_, time)| time)
    }

    /// The families whose routes are kept.
    pub fn families(&self) -> FamilySet {
        LongLived::FAMILIES.into_iter().filter(|family| !self.time(*family).is_zero()).collect()
    }
}

impl PeerGr {
    /// The families whose routes outlive a session, be it for the restart time or longer.
    pub fn kept(&self) -> FamilySet {
        self.families | self.long_lived.families()
    }
}

impl Negotiated {
    /// The terms on which routes may be kept after a session ended this way (RFC 4724
    /// section 4.2, RFC 8538 section 4); `None` if they are to be deleted.
    pub(crate) fn retained_after(&self, cause: &DownCause) -> Option<PeerGr> {
        let gr = self.graceful_restart.filter(|gr| !gr.kept().is_empty())?;
        let keeps = match cause {
            DownCause::ConnectionLost | DownCause::Superseded => true,
            DownCause::Sent(n) | DownCause::Received(n) => gr.notification && !n.is_hard_reset(),
            DownCause::ClosedSilently | DownCause::CollisionDump => false,
        };
        keeps.then_some(gr)
    }

    /// The default SendHoldTime: 8 minutes, or twice the hold time if longer (RFC 9687).
    pub(crate) fn send_hold(&self) -> Duration {
        (self.hold_time * 2).max(Duration::from_secs(8 * 60))
    }

    /// A farewell that means what it says: where a NOTIFICATION would start a graceful
    /// restart, a shutdown is sent as Hard Reset (RFC 8538 section 3.1).
    pub(crate) fn hardened(&self, farewell: Farewell) -> Farewell {
        let soft = self.graceful_restart.is_some_and(|gr| gr.notification);
        match farewell {
            Farewell::Notify(n) if soft && is_final(&n) => {
                Farewell::Notify(Notification::hard_reset(&n))
            }
            farewell => farewell,
        }
    }
}

/// Whether the sender of this Cease does not mean to come back.
fn is_final(notification: &Notification) -> bool {
    notification.code == code::CEASE
        && matches!(
            notification.subcode,
            cease::ADMINISTRATIVE_SHUTDOWN | cease::PEER_DECONFIGURED | cease::MAX_PREFIXES
        )
}

/// Our OPEN message.
pub(crate) fn our_open(config: &Config) -> Open {
    Open {
        asn: config.local_asn,
        hold_time: config.hold_time,
        id: config.local_id,
        capabilities: our_capabilities(config),
    }
}

fn our_capabilities(config: &Config) -> Vec<Capability> {
    let mut offer: Vec<_> = config.families.iter().map(Capability::Multiprotocol).collect();
    offer.push(Capability::FourOctetAs(config.local_asn));
    if config.route_refresh {
        offer.push(Capability::RouteRefresh);
    }
    if config.enhanced_refresh {
        offer.push(Capability::EnhancedRouteRefresh);
    }
    if config.extended_messages {
        offer.push(Capability::ExtendedMessages);
    }
    if config.extended_next_hop.contains(Family::IPV4_UNICAST) {
        offer.push(Capability::ExtendedNextHop(vec![NextHopEncoding::IPV4_OVER_IPV6]));
    }
    let add_path = our_add_path(config);
    if !add_path.is_empty() {
        offer.push(Capability::AddPath(add_path));
    }
    if let Some(role) = config.role.filter(|_| config.local_asn != config.remote_asn) {
        offer.push(Capability::Role(role));
    }
    if let Some(gr) = &config.graceful_restart {
        let family = |family| GrFamily { family, forwarding: gr.forwarding.contains(family) };
        offer.push(Capability::GracefulRestart(GracefulRestart {
            restarting: gr.restarting,
            notification: gr.notification,
            restart_time: gr.restart_time,
            families: gr.families.iter().map(family).collect(),
        }));
        if config.long_lived.is_some() || config.stale_time > 0 {
            offer.push(Capability::LongLived(our_long_lived(config, gr)));
        }
    }
    offer
}

/// The families whose routes the peer is asked to keep for long; none if we only help.
fn our_long_lived(config: &Config, gr: &config::GracefulRestart) -> Vec<LongLivedFamily> {
    let kept = if config.stale_time > 0 { gr.families } else { FamilySet::EMPTY };
    let listed = |family| LongLivedFamily {
        family,
        forwarding: gr.forwarding.contains(family),
        stale_time: config.stale_time,
    };
    kept.iter().map(listed).collect()
}

fn our_add_path(config: &Config) -> Vec<(Family, AddPathMode)> {
    let mode = |family: Family| {
        let receives = config.add_path_receive.contains(family);
        match (receives, config.add_path_send.contains(family)) {
            (true, true) => Some((family, AddPathMode::Both)),
            (true, false) => Some((family, AddPathMode::Receive)),
            (false, true) => Some((family, AddPathMode::Send)),
            (false, false) => None,
        }
    };
    config.families.iter().filter_map(mode).collect()
}

/// Checks the peer's OPEN against what we expect and derives the terms (section 6.2). What an
/// OPEN may not say to anybody (version, hold time of 1 or 2 s, zero BGP Identifier, broken
/// parameters) was refused when it was decoded.
pub(crate) fn negotiate(config: &Config, open: &Open) -> Result<Negotiated, Notification> {
    if open.asn != config.remote_asn {
        return Err(Notification::bad_peer_as());
    }
    let kind = match open.asn == config.local_asn {
        true => PeerKind::Internal,
        false => PeerKind::External,
    };
    // RFC 6286 section 2.1: identifiers are unique within an AS only.
    if kind == PeerKind::Internal && open.id == config.local_id {
        return Err(Notification::bad_bgp_identifier());
    }
    let remote_role = match (kind, config.role) {
        (PeerKind::External, Some(ours)) => peer_role(ours, config.role_strict, open)?,
        _ => None,
    };
    let families = config.families & open.families();
    if families.is_empty() {
        let wanted: Vec<_> = config.families.iter().map(Capability::Multiprotocol).collect();
        return Err(Notification::unsupported_capability(&wanted));
    }
    let hold_time = Duration::from_secs(u64::from(config.hold_time.min(open.hold_time)));
    let refresh = config.route_refresh && open.has(&Capability::RouteRefresh);
    Ok(Negotiated {
        remote_asn: open.asn,
        remote_id: open.id,
        kind,
        hold_time,
        keepalive: hold_time / 3,
        families,
        decode: decode_context(config, open, kind, families),
        encode: encode_context(config, open, kind, families),
        max_len_in: if config.extended_messages { MAX_LEN_EXTENDED } else { MAX_LEN },
        refresh,
        enhanced_refresh: refresh
            && config.enhanced_refresh
            && open.has(&Capability::EnhancedRouteRefresh),
        remote_role,
        graceful_restart: peer_gr(config, open, families),
        knows_long_lived: open.long_lived().is_some(),
    })
}

/// The peer's role, which has to fit ours (RFC 9234 section 4.2). One that says different things
/// fits nobody.
fn peer_role(ours: Role, strict: bool, open: &Open) -> Result<Option<Role>, Notification> {
    let mut said = open.capabilities.iter().filter_map(|capability| match capability {
        Capability::Role(role) => Some(*role),
        _ => None,
    });
    let Some(theirs) = said.next() else {
        return if strict { Err(Notification::role_mismatch()) } else { Ok(None) };
    };
    if ours.fits(theirs) && said.all(|role| role == theirs) {
        return Ok(Some(theirs));
    }
    Err(Notification::role_mismatch())
}

fn decode_context(
    config: &Config,
    open: &Open,
    kind: PeerKind,
    families: FamilySet,
) -> DecodeContext {
    DecodeContext {
        peer: kind,
        four_octet_as: open.four_octet_as(),
        families,
        add_path: families & config.add_path_receive & open.add_path_send(),
        extended_next_hop: families & config.extended_next_hop,
    }
}

fn encode_context(
    config: &Config,
    open: &Open,
    kind: PeerKind,
    families: FamilySet,
) -> EncodeContext {
    let extended = config.extended_messages && open.has(&Capability::ExtendedMessages);
    EncodeContext {
        peer: kind,
        four_octet_as: open.four_octet_as(),
        add_path: families & config.add_path_send & open.add_path_receive(),
        extended_next_hop: families & config.extended_next_hop & open.extended_next_hop(),
        max_len: if extended { MAX_LEN_EXTENDED } else { MAX_LEN },
    }
}

fn peer_gr(config: &Config, open: &Open, families: FamilySet) -> Option<PeerGr> {
    let ours = config.graceful_restart.as_ref()?;
    let theirs = open.graceful_restart()?;
    let listed = |wanted: fn(&GrFamily) -> bool| -> FamilySet {
        let listed: FamilySet =
            theirs.families.iter().filter(|f| wanted(f)).map(|f| f.family).collect();
        listed & families
    };
    Some(PeerGr {
        restart_time: Duration::from_secs(u64::from(theirs.restart_time)),
        families: listed(|_| true),
        forwarding: listed(|family| family.forwarding),
        restarting: theirs.restarting,
        notification: ours.notification && theirs.notification,
        long_lived: peer_long_lived(config, open, families),
    })
}

/// What the peer asks for, up to what we grant. A family that it lists twice counts as listed last.
fn peer_long_lived(config: &Config, open: &Open, families: FamilySet) -> LongLived {
    let mut kept = LongLived::default();
    let (Some(most), Some(theirs)) = (config.long_lived, open.long_lived()) else { return kept };
    for listed in theirs.iter().filter(|listed| families.contains(listed.family)) {
        let time = Duration::from_secs(u64::from(listed.stale_time)).min(most);
        let at = LongLived::FAMILIES.iter().position(|family| *family == listed.family);
        if let Some(place) = at.and_then(|at| kept.times.get_mut(at)) {
            *place = time;
        }
        match listed.forwarding {
            true => kept.forwarding.insert(listed.family),
            false => kept.forwarding.remove(listed.family),
        }
    }
    kept
}
