//! What one session is told to be: the session attributes of RFC 4271 section 8.1.1.

use core::time::Duration;

use pathvane_wire::{Asn, BgpId, FamilySet, Invalid, LongLivedFamily, Role};

/// One session's attributes and the capabilities it offers.
///
/// A change takes effect with the next OPEN message; see [`crate::Session::set_config`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Our AS number.
    pub local_asn: Asn,
    /// The peer's AS number; any other is refused (RFC 4271 section 6.2).
    pub remote_asn: Asn,
    /// Our BGP Identifier; not zero (RFC 6286).
    pub local_id: BgpId,
    /// The hold time we offer, in seconds: 0 (no KEEPALIVE at all) or at least 3.
    pub hold_time: u16,
    /// ConnectRetryTime: how long one attempt to connect may take, and the pause between two.
    /// Jittered by 0.75 to 1; at least one second. The RFC suggests 120 s, the default is 10 s.
    pub connect_retry: Duration,
    /// PassiveTcpEstablishment: wait for the peer to connect, never dial.
    pub passive: bool,
    /// DelayOpen: wait this long for the peer's OPEN before sending ours. Off by default.
    pub delay_open: Option<Duration>,
    /// DampPeerOscillations: the pause before a failed session is tried again.
    pub idle_hold: IdleHold,
    /// SendHoldTime: how long the peer may take nothing off our hands before we close
    /// (RFC 9687). `None` is the RFC's default: 8 minutes or twice the hold time if longer.
    pub send_hold: Option<Duration>,
    /// The families we offer; one that the peer does not offer is not used.
    pub families: FamilySet,
    /// Offer route refresh (RFC 2918).
    pub route_refresh: bool,
    /// Offer enhanced route refresh (RFC 7313).
    pub enhanced_refresh: bool,
    /// Offer messages of up to 65,535 bytes (RFC 8654).
    pub extended_messages: bool,
    /// Offer to restart gracefully, or only to help peers that do (RFC 4724).
    pub graceful_restart: Option<GracefulRestart>,
    /// Keep the peer's stale routes beyond its restart time, for as long as it asks and at most this
    /// long (RFC 9494); `None`: they are not.
    pub long_lived: Option<Duration>,
    /// Ask the peer to keep our routes, of the families of `graceful_restart`, so many seconds beyond our
    /// restart time (RFC 9494); zero: not at all. 24 bits.
    pub stale_time: u32,
    /// What we are to the peer, if it is external (RFC 9234).
    pub role: Option<Role>,
    /// Refuse a peer that does not say its role (RFC 9234 section 4.2).
    pub role_strict: bool,
    /// Families in which we can take several routes per prefix (RFC 7911).
    pub add_path_receive: FamilySet,
    /// Families in which we can send several routes per prefix (RFC 7911).
    pub add_path_send: FamilySet,
    /// Families whose routes may have an IPv6 next hop although they are not IPv6 (RFC 8950).
    pub extended_next_hop: FamilySet,
}

/// Our side of graceful restart (RFC 4724 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GracefulRestart {
    /// How long we may be gone before the peer gives our routes up, in seconds, below 4096.
    pub restart_time: u16,
    /// R bit: this start follows a restart; cleared by the session once Established.
    pub restarting: bool,
    /// N bit: routes survive a NOTIFICATION, too (RFC 8538).
    pub notification: bool,
    /// Families whose routes the peer should keep; empty: we only help restarting peers.
    pub families: FamilySet,
    /// F bits: the families whose forwarding state did survive our last restart. Once Established,
    /// these are all of `families`: a lost session alone stops no forwarding.
    pub forwarding: FamilySet,
}

/// How long a failed session stays in Idle: doubling from `first` to `max`, back to
/// `first` after it was Established for `stable`. Jittered by 0.75 to 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdleHold {
    /// After the first failure.
    pub first: Duration,
    /// At most; equal to `first` to pause the same time after each failure.
    pub max: Duration,
    /// Established this long, a session counts as steady again.
    pub stable: Duration,
}

impl Default for IdleHold {
    /// 1 s, doubling to 60 s, reset after 5 minutes.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(60),
            stable: Duration::from_secs(300),
        }
    }
}

impl Config {
    /// A session with the defaults: hold time 90 s, IPv4 unicast, route refresh and enhanced
    /// route refresh, no extended messages, no graceful restart, no ADD-PATH.
    pub fn new(local_asn: Asn, local_id: BgpId, remote_asn: Asn) -> Self {
        Self {
            local_asn,
            remote_asn,
            local_id,
            hold_time: 90,
            connect_retry: Duration::from_secs(10),
            passive: false,
            delay_open: None,
            idle_hold: IdleHold::default(),
            send_hold: None,
            families: FamilySet::IPV4,
            route_refresh: true,
            enhanced_refresh: true,
            extended_messages: false,
            graceful_restart: None,
            long_lived: None,
            stale_time: 0,
            role: None,
            role_strict: false,
            add_path_receive: FamilySet::EMPTY,
            add_path_send: FamilySet::EMPTY,
            extended_next_hop: FamilySet::EMPTY,
        }
    }

    /// Refuses what no peer could agree to, or what would make the session misbehave.
    pub fn check(&self) -> Result<(), Invalid> {
        let refuse = |field, reason| Err(Invalid { field, reason });
        if self.local_asn.0 == 0 || self.remote_asn.0 == 0 {
            return refuse("asn", "AS 0 is reserved (RFC 7607)");
        }
        if self.local_id.0 == 0 {
            return refuse("bgp_identifier", "must not be zero (RFC 6286)");
        }
        if matches!(self.hold_time, 1 | 2) {
            return refuse("hold_time", "must be 0 or at least 3 seconds (RFC 4271 section 4.2)");
        }
        if self.connect_retry < Duration::from_secs(1) {
            return refuse("connect_retry", "must be at least one second");
        }
        if self.idle_hold.max < self.idle_hold.first {
            return refuse("idle_hold", "the longest pause is shorter than the first");
        }
        if self.families.is_empty() {
            return refuse("families", "at least one address family is needed");
        }
        if self.graceful_restart.is_some_and(|gr| gr.restart_time > 4095) {
            return refuse("graceful_restart", "the restart time has 12 bits: at most 4095 s");
        }
        if self.long_lived.is_some() && self.graceful_restart.is_none() {
            return refuse("long_lived", "needs graceful restart (RFC 9494 section 4.1)");
        }
        let restarts = self.graceful_restart.is_some_and(|gr| !gr.families.is_empty());
        if self.stale_time > 0 && !restarts {
            return refuse("stale_time", "needs a graceful restart of ours (RFC 9494 section 4.1)");
        }
        if self.stale_time > LongLivedFamily::MOST {
            return refuse("stale_time", "has 24 bits");
        }
        Ok(())
    }
}
