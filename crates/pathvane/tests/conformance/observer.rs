//! Another peer's session: what it was told, kept as it comes. No row may cost it anything.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::octets::{self, Attribute, UPDATE};
use crate::peer::{Heard, PATIENCE, Peer};

/// A route as the observer was told of it.
#[derive(Clone, Debug)]
pub(crate) struct Route(pub(crate) Vec<Attribute>);

impl Route {
    /// An attribute's flags and value.
    pub(crate) fn attribute(&self, code: u8) -> Option<(u8, &[u8])> {
        let found = self.0.iter().find(|attribute| attribute.code == code);
        found.map(|attribute| (attribute.flags, attribute.value.as_slice()))
    }

    /// Asserts that the attribute is there, octet by octet.
    pub(crate) fn has(&self, flags: u8, code: u8, value: &[u8]) {
        assert_eq!(self.attribute(code), Some((flags, value)), "attribute {code} of {self:02x?}");
    }

    /// Asserts that it is not there.
    pub(crate) fn lacks(&self, code: u8) {
        assert_eq!(self.attribute(code), None, "attribute {code}");
    }
}

#[derive(Debug, Default)]
struct Table {
    routes: HashMap<IpNet, Route>,
    withdrawals: HashMap<IpNet, u32>,
    ended: Option<String>,
}

/// A session that only listens.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    table: Arc<(Mutex<Table>, Condvar)>,
}

impl Observer {
    /// Takes over an Established session, until the process or the session ends.
    pub(crate) fn of(mut peer: Peer) -> Observer {
        let table = Arc::new((Mutex::new(Table::default()), Condvar::new()));
        let shared = table.clone();
        std::thread::spawn(move || {
            loop {
                let heard = peer.hear(Duration::from_secs(3600));
                let (lock, told) = &*shared;
                let mut table = lock.lock().unwrap_or_else(PoisonError::into_inner);
                match heard {
                    Heard::Message(UPDATE, body) => table.take(&body),
                    Heard::Message(octets::KEEPALIVE | octets::ROUTE_REFRESH, _) => {}
                    other => table.ended = Some(format!("{other:02x?}")),
                }
                told.notify_all();
                if table.ended.is_some() {
                    return;
                }
            }
        });
        Observer { table }
    }

    /// What it has. A row that failed while it looked has changed nothing.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<T>(&self, what: &str, mut ask: impl FnMut(&Table) -> Option<T>) -> T {
        let told = &self.table.1;
        let end = Instant::now() + PATIENCE;
        let mut table = self.table();
        loop {
            if let Some(answer) = ask(&table) {
                return answer;
            }
            assert_eq!(table.ended, None, "the observer's session");
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not within {PATIENCE:?} at the observer: {what}");
            table = told.wait_timeout(table, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until it is told of a prefix.
    pub(crate) fn route(&self, prefix: IpNet) -> Route {
        self.wait(&format!("{prefix} is announced"), |table| table.routes.get(&prefix).cloned())
    }

    /// Waits until a route for the prefix satisfies.
    pub(crate) fn route_where(&self, prefix: IpNet, holds: impl Fn(&Route) -> bool) -> Route {
        self.wait(&format!("{prefix} is announced as it should"), |table| {
            table.routes.get(&prefix).filter(|route| holds(route)).cloned()
        })
    }

    /// Waits until the prefix, which it had, is withdrawn.
    pub(crate) fn gone(&self, prefix: IpNet) {
        self.wait(&format!("{prefix} is withdrawn"), |table| {
            let withdrawn = table.withdrawals.contains_key(&prefix);
            (withdrawn && !table.routes.contains_key(&prefix)).then_some(())
        });
    }

    /// What it has for a prefix now.
    pub(crate) fn now(&self, prefix: IpNet) -> Option<Route> {
        self.table().routes.get(&prefix).cloned()
    }

    /// How often a prefix was withdrawn.
    pub(crate) fn withdrawals(&self, prefix: IpNet) -> u32 {
        self.table().withdrawals.get(&prefix).copied().unwrap_or(0)
    }

    /// Why its session ended, if it did.
    pub(crate) fn ended(&self) -> Option<String> {
        self.table().ended.clone()
    }
}

impl Table {
    fn take(&mut self, body: &[u8]) {
        let told = octets::read_update(body);
        for prefix in told.withdrawn {
            self.routes.remove(&prefix);
            *self.withdrawals.entry(prefix).or_default() += 1;
        }
        for prefix in told.announced {
            self.routes.insert(prefix, Route(told.attributes.clone()));
        }
    }
}
