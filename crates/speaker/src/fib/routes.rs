//! The routes: what is asked for, what the kernel holds, and the queue between the two.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;

use ipnet::IpNet;
use pathvane_engine::Via;

use super::next_hops::NextHops;
use crate::netlink::{Batch, MAIN_TABLE, OURS, Refusal, Route, RouteKey, Socket, Target, flag};

/// The metric of our routes: behind the 0 that an operator's static route has by default.
const METRIC: u32 = 80;

/// All routes asked for or held, by prefix.
#[derive(Debug, Default)]
pub(super) struct Routes {
    entries: HashMap<IpNet, Entry>,
    /// The prefixes with something to do, each once.
    queue: VecDeque<IpNet>,
    /// The operations of the batch in hand.
    doing: Vec<(IpNet, Operation)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    want: Want,
    /// The object or group that the kernel's route refers to (zero: none, which only a route of
    /// an earlier run can).
    have: Option<u32>,
    queued: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Want {
    /// Nobody has said; it stays until the routes of this run are complete.
    Unsaid,
    Nothing,
    Route(Via),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Add(u32),
    Replace(u32),
    Remove,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The refusals that cannot be explained by a race, with their prefix.
    pub(super) refused: Vec<(IpNet, Refusal)>,
    /// An object or group that a route refers to is not there.
    pub(super) dangling: bool,
}

impl Routes {
    /// Learns which routes of ours the kernel holds, whichever run installed them.
    pub(super) fn reread(&mut self, socket: &mut Socket) -> io::Result<()> {
        let mut held = HashMap::new();
        for ipv6 in [false, true] {
            let mut batch = Batch::default();
            Route::request_all(&mut batch, ipv6, MAIN_TABLE, OURS);
            socket.dump(&mut batch, |_, body| {
                if let Some(route) = Route::read(body).filter(is_of_this_table) {
                    held.insert(route.key.prefix, route.object.unwrap_or_default());
                }
            })?;
        }
        self.hold(held);
        Ok(())
    }

    /// Notes that these are all routes of ours in the kernel, with what they refer to. Wishes that were
    /// in hand may have come to nothing, so all that differ begin anew.
    fn hold(&mut self, mut held: HashMap<IpNet, u32>) {
        for (&prefix, entry) in &mut self.entries {
            entry.have = held.remove(&prefix);
            if entry.want != Want::Unsaid {
                enqueue(&mut self.queue, prefix, entry);
            }
        }
        for (prefix, object) in held {
            let entry = Entry { want: Want::Unsaid, have: Some(object), queued: false };
            self.entries.insert(prefix, entry);
        }
    }

    /// Notes a wish.
    pub(super) fn set(&mut self, prefix: IpNet, via: Option<Via>) {
        let prefix = prefix.trunc();
        let absent = Entry { want: Want::Nothing, have: None, queued: false };
        let entry = self.entries.entry(prefix).or_insert(absent);
        entry.want = via.map_or(Want::Nothing, Want::Route);
        enqueue(&mut self.queue, prefix, entry);
    }

    /// Nobody will name what is still unnamed.
    pub(super) fn synced(&mut self) {
        for (&prefix, entry) in &mut self.entries {
            if entry.want == Want::Unsaid {
                entry.want = Want::Nothing;
                enqueue(&mut self.queue, prefix, entry);
            }
        }
    }

    /// Routes through `lost` objects are gone, and those that waited for one may go in.
    pub(super) fn refresh(&mut self, hops: &NextHops, lost: &HashSet<u32>) {
        for (&prefix, entry) in &mut self.entries {
            entry.have = entry.have.filter(|id| !lost.contains(id));
            if let Want::Route(via) = entry.want
                && let Some(target) = hops.target(via, is_ipv6(prefix))
                && entry.have != Some(target)
            {
                enqueue(&mut self.queue, prefix, entry);
            }
        }
    }

    /// Carries out up to `limit` wishes.
    pub(super) fn work(
        &mut self,
        limit: usize,
        hops: &NextHops,
        socket: &mut Socket,
        batch: &mut Batch,
    ) -> io::Result<Outcome> {
        batch.clear();
        self.doing.clear();
        while batch.len() < limit
            && let Some(prefix) = self.queue.pop_front()
        {
            let Some(entry) = self.entries.get_mut(&prefix) else { continue };
            entry.queued = false;
            if entry.is_done() {
                self.entries.remove(&prefix);
                continue;
            }
            if let Some(operation) = operation(prefix, entry, hops) {
                write(batch, prefix, operation);
                self.doing.push((prefix, operation));
            }
        }
        if batch.is_empty() {
            return Ok(Outcome::default());
        }
        let refusals = socket.transact(batch)?;
        Ok(self.settle(refusals))
    }

    /// Something is queued.
    pub(super) fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Routes in the kernel; a walk over all of them.
    pub(super) fn held(&self) -> usize {
        self.entries.values().filter(|entry| entry.have.is_some()).count()
    }

    /// Routes that refer to what this run did not make; a walk over all of them.
    pub(super) fn adopted(&self, hops: &NextHops) -> usize {
        let earlier = |entry: &&Entry| entry.have.is_some_and(|id| !hops.is_of_this_run(id));
        self.entries.values().filter(earlier).count()
    }

    /// Wishes everything gone.
    pub(super) fn clear(&mut self) {
        for (&prefix, entry) in &mut self.entries {
            entry.want = Want::Nothing;
            enqueue(&mut self.queue, prefix, entry);
        }
    }

    /// Notes what the kernel did. Refusals come in the order of the messages.
    fn settle(&mut self, refusals: Vec<Refusal>) -> Outcome {
        let mut outcome = Outcome::default();
        let mut refusals = refusals.into_iter().peekable();
        for (index, (prefix, operation)) in std::mem::take(&mut self.doing).into_iter().enumerate()
        {
            let refusal = refusals.next_if(|refusal| refusal.index == index);
            let Some(entry) = self.entries.get_mut(&prefix) else { continue };
            let Some(refusal) = refusal else {
                entry.have = match operation {
                    Operation::Add(id) | Operation::Replace(id) => Some(id),
                    Operation::Remove => None,
                };
                if entry.is_done() && !entry.queued {
                    self.entries.remove(&prefix);
                }
                continue;
            };
            match (operation, refusal.errno) {
                // Somebody removed it meanwhile; what remains of the wish begins anew.
                (Operation::Remove | Operation::Replace(_), libc::ESRCH | libc::ENOENT) => {
                    entry.have = None;
                    enqueue(&mut self.queue, prefix, entry);
                }
                (Operation::Add(_) | Operation::Replace(_), libc::EINVAL) => {
                    outcome.dangling = true;
                    outcome.refused.push((prefix, refusal));
                }
                _ => outcome.refused.push((prefix, refusal)),
            }
        }
        outcome
    }
}

impl Entry {
    /// Neither wanted nor there.
    fn is_done(&self) -> bool {
        self.want == Want::Nothing && self.have.is_none()
    }
}

/// What brings an entry nearer to its wish; `None` if it is there, or waits for a next hop.
fn operation(prefix: IpNet, entry: &Entry, hops: &NextHops) -> Option<Operation> {
    match entry.want {
        Want::Unsaid => None,
        Want::Nothing => Some(Operation::Remove),
        Want::Route(via) => {
            let target = hops.target(via, is_ipv6(prefix))?;
            match entry.have {
                Some(id) if id == target => None,
                Some(_) => Some(Operation::Replace(target)),
                None => Some(Operation::Add(target)),
            }
        }
    }
}

/// Adds only where there is nothing and replaces only where there is something of ours, so a
/// foreign route of the same metric is never overwritten.
fn write(batch: &mut Batch, prefix: IpNet, operation: Operation) {
    let (flags, id) = match operation {
        Operation::Add(id) => (flag::CREATE | flag::EXCLUSIVE, id),
        Operation::Replace(id) => (flag::REPLACE, id),
        Operation::Remove => return key(prefix).remove(batch),
    };
    key(prefix).write(batch, flags, Target::Object(id));
}

fn key(prefix: IpNet) -> RouteKey {
    RouteKey { prefix, table: MAIN_TABLE, metric: METRIC }
}

fn enqueue(queue: &mut VecDeque<IpNet>, prefix: IpNet, entry: &mut Entry) {
    if !entry.queued {
        entry.queued = true;
        queue.push_back(prefix);
    }
}

/// The kernel filters dumps only if it is new enough.
fn is_of_this_table(route: &Route) -> bool {
    route.protocol == OURS && route.key == key(route.key.prefix)
}

fn is_ipv6(prefix: IpNet) -> bool {
    matches!(prefix, IpNet::V6(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_in_hand_when_the_kernel_was_lost_track_of_is_tried_again() {
        let [gone, wanted, theirs] =
            ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"].map(|net| net.parse().expect("a prefix"));
        let mut routes = Routes::default();
        routes.set(gone, None);
        routes.set(wanted, Some(Via::Path(pathvane_engine::PathId(0))));
        // Both were taken from the queue, and the batch was lost.
        while let Some(prefix) = routes.queue.pop_front() {
            routes.entries.get_mut(&prefix).expect("an entry").queued = false;
        }
        routes.hold(HashMap::from([(gone, 7), (theirs, 8)]));
        let mut queued: Vec<_> = routes.queue.iter().copied().collect();
        queued.sort();
        assert_eq!(queued, [gone, wanted], "a removal too, and nothing that nobody spoke of");
    }
}
