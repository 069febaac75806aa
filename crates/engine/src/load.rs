//! What services put onto paths, as far as the configuration says.

use alloc::vec::Vec;

use pathvane_score::Strategy;

use crate::config::{Config, Service};
use crate::engine::Engine;
use crate::ids::{PathId, ServiceId};
use crate::io::Share;

/// What the paths of a service count for beside each other: their capacities, or all the same if not
/// all of them have one.
pub(crate) fn weights(config: &Config, service: &Service) -> Vec<u64> {
    let capacities = service.paths.iter().map(|path| config.paths[path.index()].capacity);
    let all: Option<Vec<u64>> = capacities.collect();
    all.unwrap_or_else(|| service.paths.iter().map(|_| 1).collect())
}

/// The parts in which paths carry a service together: eighths of the largest.
pub(crate) fn shares(config: &Config, service: &Service, carry: &[PathId]) -> Vec<Share> {
    let weights = weights(config, service);
    let of = |path: &PathId| {
        let nth = service.paths.iter().position(|other| other == path);
        nth.map_or(1, |nth| weights[nth])
    };
    let most = carry.iter().map(of).max().unwrap_or(1).max(1);
    let alike = carry.iter().all(|path| of(path) == most);
    let weight = |path: &PathId| if alike { 1 } else { eighths(of(path), most) };
    carry.iter().map(|path| Share { path: *path, weight: weight(path) }).collect()
}

/// `part` in eighths of `most`, rounded, and one at least.
fn eighths(part: u64, most: u64) -> u8 {
    let whole = u128::from(Share::MOST);
    let rounded = (u128::from(part) * whole + u128::from(most) / 2) / u128::from(most);
    u8::try_from(rounded).unwrap_or(Share::MOST).clamp(1, Share::MOST)
}

impl Engine {
    /// The share of a path's capacity that is used with the service on it, 0 to 1 and above: its own
    /// load, and what every other service puts onto it whose selector wants the path. Of a service
    /// that several paths carry together its part counts. `None` if the path has no capacity or the
    /// service no load.
    pub fn utilisation(&self, service: ServiceId, path: PathId) -> Option<f64> {
        if self.config.services[service.index()].strategy != Strategy::Balance {
            return self.utilisation_with(service, path, 1.0);
        }
        let mut carry = self.steers[service.index()].carry().to_vec();
        if !carry.contains(&path) {
            carry.push(path);
        }
        let part = part(&self.config, service, &carry, path);
        self.utilisation_with(service, path, part)
    }

    fn utilisation_with(&self, service: ServiceId, path: PathId, part_of_own: f64) -> Option<f64> {
        let config = self.config();
        let capacity = config.paths[path.index()].capacity? as f64;
        let own = config.services[service.index()].load? as f64;
        let carry = |other: &ServiceId| self.steers[other.index()].carry();
        let others = config.service_ids().filter(|it| *it != service && carry(it).contains(&path));
        let others = others.map(|other| {
            let load = config.services[other.index()].load.unwrap_or(0) as f64;
            load * part(config, other, carry(&other), path)
        });
        Some((own * part_of_own + others.sum::<f64>()) / capacity)
    }

    /// The share of a path's capacity that is used with the whole service on it, and what of that the
    /// service alone would use.
    pub(crate) fn used_by(&self, service: ServiceId, path: PathId) -> (Option<f64>, Option<f64>) {
        let used = self.utilisation_with(service, path, 1.0);
        let capacity = self.config.paths[path.index()].capacity;
        let own = capacity.zip(self.config.services[service.index()].load);
        (used, own.map(|(capacity, load)| load as f64 / capacity as f64))
    }

    /// Whether so much of a path may be used for a service to take it while others work.
    pub fn has_room(&self, utilisation: Option<f64>) -> bool {
        let most = self.config().timing.selector.max_utilisation;
        utilisation.is_none_or(|used| used <= most)
    }
}

/// What a path carries of a service that these carry together, 0 to 1.
fn part(config: &Config, service: ServiceId, carry: &[PathId], path: PathId) -> f64 {
    if carry == [path] {
        return 1.0;
    }
    let shares = shares(config, &config.services[service.index()], carry);
    let all: u32 = shares.iter().map(|share| u32::from(share.weight)).sum();
    let own = shares.iter().find(|share| share.path == path).map_or(0, |share| share.weight);
    f64::from(own) / f64::from(all.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_become_eighths_and_never_nothing() {
        for (part, most, weight) in [
            (100, 100, 8),
            (50, 100, 4),
            (10, 100, 1),
            (1, 1_000_000, 1),
            (94, 100, 8),
            (93, 100, 7),
        ] {
            assert_eq!(eighths(part, most), weight, "{part} of {most}");
        }
        assert_eq!(eighths(u64::MAX, u64::MAX), 8);
    }
}
