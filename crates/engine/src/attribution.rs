//! Where a fault is, as far as several paths tell together.
//!
//! What one path knows of itself (a reflector, a member of a bundle, the last mile, what lies beyond
//! it) is in its verdict's reasons. This compares paths: those to one region with each other, and
//! one region with the others, those that share a risk with those that do not; and what probes say
//! with what instance checks say of the region. It informs people and moves nothing.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use pathvane_score::{Reasons, State, Verdict, is_served};

use crate::engine::Engine;
use crate::ids::PathId;

/// Where the fault of a path is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On this path: others to its region are well.
    Path,
    /// In the region or right before it: all of at least two paths there ail, and other regions do
    /// not or most instances there are unhealthy; or the way works, and most instances there are
    /// unhealthy.
    Region,
    /// In what this path shares with others that ail and with none that is well
    /// ([`crate::config::Path::shared_risk`]).
    Risk,
    /// In what all paths share: every one of them ails, and they lead to two regions at least.
    Common,
}

impl Engine {
    /// Where the fault of `path` or behind it is; `None` if there is none, if its own link is down,
    /// or if there are too few paths to tell. Sick instances at the end of a lone path that ails
    /// tell nothing: their checks may go the same way.
    pub fn place(&self, path: PathId) -> Option<Place> {
        let config = self.config();
        let region = &config.paths[path.index()].region;
        let sick = self.sick_instances(region).is_some();
        let verdict = self.measure.verdict(path);
        if !ails(verdict)? {
            return (sick && verdict.state != State::Suspect).then_some(Place::Region);
        }
        let (mut here, mut elsewhere) = (Count::default(), Count::default());
        for id in config.path_ids().filter(|id| *id != path) {
            let count = match config.paths[id.index()].region == *region {
                true => &mut here,
                false => &mut elsewhere,
            };
            match ails(self.measure.verdict(id)) {
                Some(true) => count.ailing += 1,
                Some(false) => count.well += 1,
                None => {}
            }
        }
        let risky = here.well + elsewhere.well > 0 && !self.guilty_risks(path).is_empty();
        match (here, elsewhere) {
            (Count { well: 0, ailing: 1.. }, Count { well: 1.., ailing: 0 }) => Some(Place::Region),
            _ if risky => Some(Place::Risk),
            (Count { well: 1.., .. }, _) => Some(Place::Path),
            (_, Count { well: 0, ailing: 1.. }) => Some(Place::Common),
            (Count { ailing: 1.., .. }, _) if sick => Some(Place::Region),
            _ => None,
        }
    }

    /// The risks that `path` shares with others that ail and with none that is well.
    fn guilty_risks(&self, path: PathId) -> Vec<&String> {
        let config = self.config();
        let named = |ailing: bool, name: &String| {
            let others = config.path_ids().filter(|id| *id != path);
            let mut others = others.filter(|id| ails(self.measure.verdict(*id)) == Some(ailing));
            others.any(|id| config.paths[id.index()].shared_risk.contains(name))
        };
        let own = config.paths[path.index()].shared_risk.iter();
        own.filter(|name| named(true, name) && !named(false, name)).collect()
    }

    /// How many of how many instances in a region are unhealthy, if that is the majority of at
    /// least two. Checks of all services count.
    fn sick_instances(&self, region: &str) -> Option<(u16, u16)> {
        let services = self.config().services.iter().zip(&self.steers);
        let counts = services.map(|(service, steer)| steer.instances(service, region));
        let (healthy, all) = counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (!is_served(healthy, all)).then_some((all - healthy, all))
    }

    /// The same as a sentence.
    pub fn place_text(&self, path: PathId) -> Option<String> {
        let region = &self.config().paths[path.index()].region;
        let sick = self.sick_instances(region);
        let sick = sick.map(|(sick, all)| format!("{sick} of {all} instances there are unhealthy"));
        let ails = ails(self.measure.verdict(path)) == Some(true);
        Some(match (self.place(path)?, sick) {
            (Place::Path, _) => format!("other paths to region {region} are well"),
            (Place::Region, Some(sick)) if ails => {
                format!("every path to region {region} ails, and {sick}")
            }
            (Place::Region, Some(sick)) => format!("the way to region {region} works, but {sick}"),
            (Place::Region, None) => {
                format!("every path to region {region} ails, other regions do not")
            }
            (Place::Risk, _) => {
                let risks = self.guilty_risks(path).into_iter().map(|name| format!("`{name}`"));
                let risks = risks.collect::<Vec<_>>().join(" and ");
                format!("other paths that share {risks} ail too, and none that shares it is well")
            }
            (Place::Common, _) => "every path ails: look at what they share".into(),
        })
    }
}

#[derive(Clone, Copy, Default)]
struct Count {
    ailing: u16,
    well: u16,
}

/// Whether something on the way is wrong; `None` if that is not known, or lies at home.
fn ails(verdict: &Verdict) -> Option<bool> {
    let home = Reasons::LINK_DOWN.with(Reasons::NEVER_ANSWERED).with(Reasons::STALE);
    match verdict.state {
        State::Init | State::Admin => None,
        _ if verdict.reasons.intersects(home) => None,
        State::Down | State::Degraded => Some(true),
        State::Up | State::Suspect | State::Recovering | State::Suppressed => Some(false),
    }
}
