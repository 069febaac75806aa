//! The sessions of a stateful reflector: who gets which reply number.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use pathvane_clock::{Duration, Instant};

/// What tells one session from another at a reflector (RFC 8972 section 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SessionKey {
    /// The sender's address.
    pub addr: IpAddr,
    /// The sender's UDP port.
    pub port: u16,
    /// The sender's session identifier.
    pub ssid: u16,
}

struct Session {
    next: u32,
    last: Instant,
}

/// Reply numbers per session (RFC 8762 section 4.2, stateful reflector), at most `limit` sessions.
///
/// When the table is full a newcomer takes the place of a session idle for the given time; if there
/// is none it is served statelessly (its own number comes back), so that nobody loses a session to strangers.
pub struct Sessions {
    limit: usize,
    idle: Duration,
    swept: Instant,
    table: BTreeMap<SessionKey, Session>,
    stateless: u64,
}

impl Sessions {
    /// How often, at most, a full table is searched for idle sessions.
    const SWEEP: Duration = Duration::from_secs(1);

    /// An empty table for `limit` sessions that end after `idle` without a request.
    pub fn new(limit: usize, idle: Duration) -> Self {
        Self { limit, idle, swept: Instant::ZERO, table: BTreeMap::new(), stateless: 0 }
    }

    /// The number of the reply to the request `request_seq` of session `key`; counts it as sent.
    pub fn number(&mut self, now: Instant, key: SessionKey, request_seq: u32) -> u32 {
        if let Some(session) = self.table.get_mut(&key) {
            if now.since(session.last) >= self.idle {
                session.next = 0;
            }
            let seq = session.next;
            *session = Session { next: seq.wrapping_add(1), last: now };
            return seq;
        }
        if self.table.len() >= self.limit {
            self.sweep(now);
        }
        if self.table.len() >= self.limit {
            self.stateless += 1;
            return request_seq;
        }
        self.table.insert(key, Session { next: 1, last: now });
        0
    }

    /// Sessions in the table.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no session is known.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Requests that were numbered statelessly because the table was full.
    pub fn stateless(&self) -> u64 {
        self.stateless
    }

    fn sweep(&mut self, now: Instant) {
        if now.since(self.swept) < Self::SWEEP {
            return;
        }
        self.swept = now;
        let idle = self.idle;
        self.table.retain(|_, session| now.since(session.last) < idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn key(port: u16, ssid: u16) -> SessionKey {
        SessionKey { addr: IpAddr::V4(Ipv4Addr::LOCALHOST), port, ssid }
    }

    #[test]
    fn each_session_counts_its_own_replies_from_zero() {
        let mut sessions = Sessions::new(8, Duration::from_secs(60));
        let now = Instant::from_secs(1);
        assert_eq!(sessions.number(now, key(1, 7), 100), 0);
        assert_eq!(sessions.number(now, key(1, 7), 105), 1);
        assert_eq!(sessions.number(now, key(1, 8), 100), 0, "the SSID separates");
        assert_eq!(sessions.number(now, key(2, 7), 100), 0, "the port separates");
        assert_eq!(sessions.number(now, key(1, 7), 106), 2);
    }

    #[test]
    fn the_table_is_bounded_and_newcomers_are_served_statelessly() {
        let mut sessions = Sessions::new(4, Duration::from_secs(60));
        let now = Instant::from_secs(1);
        for port in 0..1000 {
            let seq = sessions.number(now, key(port, 0), 77);
            assert_eq!(seq, if port < 4 { 0 } else { 77 });
        }
        assert_eq!(sessions.len(), 4);
        assert_eq!(sessions.stateless(), 996);
        assert_eq!(sessions.number(now, key(0, 0), 78), 1, "the first comers keep theirs");
    }

    #[test]
    fn idle_sessions_make_room_and_start_again() {
        let mut sessions = Sessions::new(2, Duration::from_secs(60));
        sessions.number(Instant::from_secs(1), key(1, 0), 0);
        sessions.number(Instant::from_secs(50), key(2, 0), 0);
        assert_eq!(sessions.number(Instant::from_secs(62), key(3, 0), 9), 0);
        assert_eq!(sessions.len(), 2, "the idle one left");
        assert_eq!(sessions.number(Instant::from_secs(63), key(2, 0), 1), 1);
        assert_eq!(sessions.number(Instant::from_secs(200), key(2, 0), 2), 0, "a new session");
    }

    #[test]
    fn reply_numbers_wrap() {
        let mut sessions = Sessions::new(1, Duration::from_secs(60));
        let now = Instant::from_secs(1);
        sessions.number(now, key(1, 0), 0);
        sessions.table.get_mut(&key(1, 0)).unwrap().next = u32::MAX;
        assert_eq!(sessions.number(now, key(1, 0), 0), u32::MAX);
        assert_eq!(sessions.number(now, key(1, 0), 0), 0);
    }
}
