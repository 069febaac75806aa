//! What RFCs ask of a BGP speaker, row by row, over TCP against the real daemon on loopback.
//!
//! Each row is a requirement that a peer can observe: what it sends, the exact answer on the wire, and
//! what the speaker's other peers see of it, who must never lose their sessions. Octets are spelt out
//! here and read here: the code under test takes no part. `PATHVANE_CONFORMANCE_ROWS=4271-6.2,7606` plays only
//! rows whose names begin so. `docs/RFC.md` names every row. Abuse that no RFC mentions is in `abuse.rs`.

mod abuse;
mod documents;
mod observer;
mod octets;
mod peer;
mod row;
mod rows;
mod speaker;
mod world;

use crate::world::World;

#[test]
fn every_row_holds() {
    let only = std::env::var("PATHVANE_CONFORMANCE_ROWS").unwrap_or_default();
    let named = |row: &row::Row| only.split(',').any(|name| row.id.starts_with(name));
    let rows: Vec<_> = rows::all().into_iter().filter(named).collect();
    assert!(!rows.is_empty(), "no row's name begins with {only:?}");
    let world = World::new();
    let failed = row::play(&world, &rows);
    println!("{} rows played, {} failed", rows.len(), failed.len());
    assert!(failed.is_empty(), "failed: {failed:?}\n{}", world.speaker.log());
}
