//! What the lab saw: the one record that the timeline is printed from and the judge reads.

use ipnet::IpNet;
use pathvane_clock::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::mono;

/// The index of a path, and of the cloud router at its far end.
pub type PathIndex = usize;

/// One thing seen.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// When it happened, on CLOCK_MONOTONIC.
    pub at: Instant,
    /// What happened.
    pub what: What,
}

/// The kinds of things seen.
#[derive(Clone, PartialEq, Debug)]
pub enum What {
    /// The lab did this.
    Did(String),
    /// The speaker's verdict on a path changed.
    Verdict {
        /// Which path.
        path: PathIndex,
        /// Its state before.
        from: String,
        /// Its state now.
        to: String,
        /// The numbers behind it.
        evidence: String,
        /// When the deciding detector fired.
        detected_at: Instant,
    },
    /// The speaker moved the service, or only recorded that it would have.
    Moved {
        /// To this path.
        to: Option<PathIndex>,
        /// Why.
        cause: String,
        /// When the deciding detector fired.
        detected_at: Instant,
        /// Whether it was carried out.
        done: bool,
    },
    /// The UPDATEs of a move left the speaker's socket towards a router.
    Wire {
        /// Which router.
        router: PathIndex,
    },
    /// Voice from the site leaves over this path from now on.
    Forward {
        /// Which path.
        path: PathIndex,
    },
    /// An instance's health changed in the speaker's eyes.
    Health {
        /// Which check.
        check: String,
        /// Whether it is well.
        well: bool,
    },
    /// The speaker decided not to act, or to wait.
    Held {
        /// Why.
        reason: String,
    },
    /// A session changed in a router's eyes.
    Session {
        /// Which router.
        router: PathIndex,
        /// Whether it is Established.
        up: bool,
        /// More about it.
        detail: String,
    },
    /// What a router knows of a prefix changed.
    Update {
        /// Which router.
        router: PathIndex,
        /// The prefix.
        prefix: IpNet,
        /// Its MED; `None` if there is no route any more.
        med: Option<u32>,
        /// What made it change.
        why: &'static str,
    },
    /// The VPC sends what goes to the site over these routers from now on.
    Return {
        /// The routers, none if the prefix has no route.
        routers: Vec<PathIndex>,
    },
}

/// Where the lab's parts report to.
#[derive(Clone, Debug)]
pub struct Reporter(UnboundedSender<Seen>);

impl Reporter {
    /// A reporter and what it reports to.
    pub fn new() -> (Self, UnboundedReceiver<Seen>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Reports what happens now.
    pub fn now(&self, what: What) {
        self.at(mono::now(), what);
    }

    /// Reports what happened at `at`.
    pub fn at(&self, at: Instant, what: What) {
        // Nobody listens any more only when the demonstration is over.
        let _ = self.0.send(Seen { at, what });
    }
}
