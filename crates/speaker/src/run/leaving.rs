//! Connections that are closed: each waits for the peer's FIN, but not for long, and few of a peer do.

use std::collections::BTreeMap;
use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_engine::{ConnId, PeerId};

use crate::ready::Source;
use crate::tcp::Closing;

/// How long a closed connection waits for the peer's FIN, and one that is to be closed for the peer
/// to take what is still to be said.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// Connections of a peer that wait; the oldest gives way to one more. Whoever opens connections
/// that we refuse must not use up our descriptors.
const OF_A_PEER: usize = 4;

/// Those that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    connections: BTreeMap<ConnId, One>,
}

#[derive(Debug)]
struct One {
    peer: PeerId,
    closing: Closing,
    source: Source,
    until: Instant,
}

impl Leaving {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// One more waits.
    pub(super) fn add(
        &mut self,
        at: Instant,
        (peer, conn): (PeerId, ConnId),
        closing: Closing,
        source: Source,
    ) {
        let same = self.connections.iter().filter(|(_, one)| one.peer == peer);
        let (oldest, count) = (same.clone().next().map(|(conn, _)| *conn), same.count());
        if let Some(oldest) = oldest.filter(|_| count >= OF_A_PEER) {
            self.connections.remove(&oldest);
        }
        self.connections.insert(conn, One { peer, closing, source, until: at + LINGER });
    }

    /// The peer may have closed one of them.
    pub(super) fn serve(&mut self, conn: ConnId) {
        if let Some(one) = self.connections.get_mut(&conn)
            && one.closing.poll(&mut one.source.context()).is_ready()
        {
            self.connections.remove(&conn);
        }
    }

    /// When [`Self::tick`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.connections.values().map(|one| one.until).min()
    }

    /// Drops those whose peer never closes.
    pub(super) fn tick(&mut self, at: Instant) {
        self.connections.retain(|_, one| one.until > at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::now;
    use crate::ready::{Class, ReadySet};
    use crate::run::fixtures::{pair, run};

    #[test]
    fn who_opens_connections_without_end_has_few_of_them() {
        run(async {
            let (mut leaving, mut ready) = (Leaving::default(), ReadySet::default());
            let (at, mut theirs) = (now(), Vec::new());
            for nth in 1..=20 {
                let (connection, client) = pair().await;
                theirs.push(client);
                let (peer, source) = (PeerId(u16::from(nth > 18)), ready.add(Class::Bulk, nth));
                leaving.add(at, (peer, ConnId(nth)), connection.close(), source);
            }
            let left: Vec<u32> = leaving.connections.keys().map(|conn| conn.0).collect();
            assert_eq!(left, [15, 16, 17, 18, 19, 20], "the latest, each peer's own");
            assert_eq!(leaving.next(), Some(at + LINGER));
            leaving.tick(at + LINGER);
            assert!(leaving.is_empty());
        });
    }
}
