//! What services put onto paths, as far as the configuration says.

use crate::engine::Engine;
use crate::ids::{PathId, ServiceId};

impl Engine {
    /// The share of a path's capacity that is used with the service on it, 0 to 1 and above: its own
    /// load and that of every other service whose selector wants the path. `None` if the path has no
    /// capacity or the service no load.
    pub fn utilisation(&self, service: ServiceId, path: PathId) -> Option<f64> {
        let config = self.config();
        let capacity = config.paths[path.index()].capacity?;
        let own = config.services[service.index()].load?;
        let others = config
            .service_ids()
            .filter(|other| *other != service && self.steers[other.index()].wanted() == Some(path));
        let others = others.filter_map(|other| config.services[other.index()].load);
        let all = others.fold(own, u64::saturating_add);
        Some(all as f64 / capacity as f64)
    }

    /// Whether so much of a path may be used for a service to take it while others work.
    pub fn has_room(&self, utilisation: Option<f64>) -> bool {
        let most = self.config().timing.selector.max_utilisation;
        utilisation.is_none_or(|used| used <= most)
    }
}
