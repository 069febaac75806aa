//! The feed of changes to watched prefixes.

use alloc::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ipnet::IpNet;

use crate::Best;

/// Watched prefixes whose best route has changed: each at most once, with what was best when it
/// got in.
#[derive(Debug)]
pub(crate) struct Changes {
    order: VecDeque<IpNet>,
    old: HashMap<IpNet, Option<Best>, FixedState>,
}

impl Changes {
    pub(crate) fn new(seed: u64) -> Changes {
        let hasher = FixedState::with_seed(seed ^ 0xc4a9);
        Changes { order: VecDeque::new(), old: HashMap::with_hasher(hasher) }
    }

    pub(crate) fn note(&mut self, prefix: IpNet, old: Option<Best>) {
        self.old.entry(prefix).or_insert_with(|| {
            self.order.push_back(prefix);
            old
        });
    }

    pub(crate) fn pop(&mut self) -> Option<(IpNet, Option<Best>)> {
        let prefix = self.order.pop_front()?;
        Some((prefix, self.old.remove(&prefix)?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}
