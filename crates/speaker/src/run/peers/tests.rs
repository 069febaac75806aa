//! Connections that are to be closed, on loopback.

use super::*;
use crate::run::fixtures::{engine, loaded, pair, run};

#[test]
fn a_peer_that_takes_nothing_does_not_keep_its_connection_and_us() {
    run(async {
        let mut engine = engine(&loaded("report-lab.toml"));
        let (mut ready, mut peers) = (ReadySet::default(), Peers::new(Vec::new(), Vec::new()));
        let (connection, _silent) = pair().await;
        peers.opened(&mut ready, &mut engine, PeerId(0), connection, Direction::Inbound);
        let conn = ConnId(peers.last_conn);
        let open = peers.open.get_mut(&conn).expect("open");
        // More than both ends of a connection take.
        open.out.resize(64 << 20, 0);
        peers.close(&mut ready, &mut engine, conn);
        let closed = now();
        assert!(peers.next().is_some_and(|next| next <= closed + LINGER));
        peers.tick(&mut engine, closed);
        assert!(!peers.idle(), "it has time to take what is left");
        peers.tick(&mut engine, closed + LINGER);
        assert!(peers.idle());
    });
}
