//! A site: a few paths, each with its monitor and its network, and one service that chooses.

use fastrand::Rng;
use pathvane_clock::{Duration, Instant};
use pathvane_score::{
    Candidate, Cause, Class, MonitorConfig, PathId, Role, Selector, SelectorConfig, StreamSpec,
};

use crate::link::Link;
use crate::sim::Path;

/// How often verdicts are read and decisions made: the error of every time told by a site.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// One path of a site.
pub(crate) struct Way {
    pub(crate) path: Path,
    pub(crate) link: Link,
}

/// The site.
pub(crate) struct Site {
    pub(crate) now: Instant,
    pub(crate) ways: Vec<Way>,
    class: Class,
    selector: Selector,
    check: Instant,
    full_size_at: Instant,
    /// Moves with their times and causes, the first choice left out.
    pub(crate) moves: Vec<(Instant, Cause)>,
    /// Verdicts whose grade or state changed, which is when a speaker may have something to tell.
    pub(crate) changes: u64,
}

impl Site {
    /// A site with a path for each link, from `ports` source ports each, and a service of `class`.
    pub(crate) fn new(class: Class, links: &[Link], ports: u8, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let specs = [StreamSpec::new(0, ports), StreamSpec::new(1, ports)];
        let way = |link: &Link| Way {
            path: Path::new(MonitorConfig::of(class), &specs, rng.u64(..)),
            link: link.clone(),
        };
        let ways: Vec<Way> = links.iter().map(way).collect();
        let now = ways[0].path.now;
        Self {
            now,
            ways,
            class,
            selector: Selector::new(now, SelectorConfig::default(), seed),
            check: now,
            full_size_at: now + Duration::from_secs(1),
            moves: Vec::new(),
            changes: 0,
        }
    }

    /// The path that carries the traffic.
    pub(crate) fn leader(&self) -> usize {
        self.selector.decision().leader.map_or(0, |path| path.0 as usize)
    }

    /// Lives for `time`.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = (self.now + TICK).min(end);
            let mut changed = self.check <= self.now;
            for way in &mut self.ways {
                let link = &mut way.link;
                way.path.run_until(self.now, &mut |at, stream, rng| link.answer(at, stream, rng));
                changed |= !way.path.verdicts.is_empty();
                self.changes += way.path.verdicts.len() as u64;
                way.path.verdicts.clear();
            }
            self.probe_full_size();
            if changed {
                self.decide();
            }
        }
    }

    /// Once a second each path is told what became of a packet of full size, which a probe followed.
    fn probe_full_size(&mut self) {
        if self.now < self.full_size_at {
            return;
        }
        let sent = self.full_size_at - Duration::from_secs(1);
        self.full_size_at = self.now + Duration::from_secs(1);
        for way in &mut self.ways {
            match way.link.narrow {
                true => way.path.monitor.full_size_missed(self.now, sent),
                false => way.path.monitor.full_size_answered(self.now),
            }
        }
    }

    /// Has the service look at its paths now.
    pub(crate) fn decide(&mut self) {
        let candidate = |(id, way): (u32, &Way)| Candidate {
            path: PathId(id),
            verdict: *way.path.monitor.verdict(),
            score: way.path.monitor.score(self.class),
            shared_risk: 0,
            instances: way.link.instances,
            utilisation: None,
            load: None,
            weight: 1.0,
            cost: 0.0,
        };
        let candidates: Vec<Candidate> = (0..).zip(&self.ways).map(candidate).collect();
        let decision = self.selector.decide(self.now, &candidates);
        self.check = decision.next_check.unwrap_or(Instant::MAX);
        if decision.moved && decision.previous.is_some() {
            self.moves.push((self.now, decision.cause));
        }
        let (leader, alerted) = (decision.leader, decision.alerted);
        for (id, way) in (0..).map(PathId).zip(&mut self.ways) {
            way.path.role = match Some(id) {
                it if it == leader => Role::Active,
                it if it == alerted => Role::Alerted,
                _ => Role::Standby,
            };
            way.path.monitor.set_role(self.now, way.path.role);
        }
    }
}
