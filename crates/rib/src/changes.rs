//! The feed of changes to watched prefixes.

use alloc::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ipnet::IpNet;

use crate::Best;

/// Watched prefixes about which something has changed: each at most once.
#[derive(Debug)]
pub(crate) struct Changes {
    order: VecDeque<IpNet>,
    noted: HashMap<IpNet, Noted, FixedState>,
}

/// What was best when the prefix got in, and whether a candidate has come or gone since.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noted {
    pub(crate) old: Option<Best>,
    pub(crate) candidates: bool,
}

impl Changes {
    pub(crate) fn new(seed: u64) -> Changes {
        let hasher = FixedState::with_seed(seed ^ 0xc4a9);
        Changes { order: VecDeque::new(), noted: HashMap::with_hasher(hasher) }
    }

    /// Notes a prefix whose best route is, or was until now, `old`.
    pub(crate) fn note(&mut self, prefix: IpNet, old: Option<Best>, candidates: bool) {
        let noted = self.noted.entry(prefix).or_insert_with(|| {
            self.order.push_back(prefix);
            Noted { old, candidates }
        });
        noted.candidates |= candidates;
    }

    pub(crate) fn pop(&mut self) -> Option<(IpNet, Noted)> {
        let prefix = self.order.pop_front()?;
        Some((prefix, self.noted.remove(&prefix)?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}
