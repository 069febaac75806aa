//! Rows: one for each requirement that a peer can observe, played against the daemon.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::world::World;

/// RFC 2119's words. A `Choice` is ours where the RFC leaves one; the documents name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Must,
    Should,
    Choice,
}

/// One requirement: what a peer does, what it gets, and what another peer sees of it.
pub(crate) struct Row {
    /// RFC, section, and what it is about.
    pub(crate) id: &'static str,
    pub(crate) level: Level,
    /// Stimulus and answer, in one sentence.
    pub(crate) says: &'static str,
    /// Panics if the answer is another one.
    pub(crate) play: Box<dyn Fn(&World) + Send + Sync>,
}

/// A row.
pub(crate) fn row(
    id: &'static str,
    level: Level,
    says: &'static str,
    play: impl Fn(&World) + Send + Sync + 'static,
) -> Row {
    Row { id, level, says, play: Box::new(play) }
}

/// So many rows at a time: most of them wait.
const PLAYERS: usize = 24;

/// Plays all rows; the identifiers of those that fail.
pub(crate) fn play(world: &World, rows: &[Row]) -> BTreeSet<&'static str> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let played = catch_unwind(AssertUnwindSafe(|| {
                        (row.play)(world);
                        world.undisturbed();
                    }));
                    if played.is_err() {
                        println!("FAILED {} ({:?}): {}", row.id, row.level, row.says);
                        failed.lock().expect("the list").insert(row.id);
                    } else if began.elapsed() > Duration::from_secs(8) {
                        println!("slow: {} took {:?}", row.id, began.elapsed());
                    }
                }
            });
        }
    });
    failed.into_inner().expect("the list")
}
