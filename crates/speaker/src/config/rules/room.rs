//! Rules about what services carry and what paths can.

use pathvane_score::defaults::MAX_UTILISATION;
use pathvane_score::{Class, bulk_score};

use super::super::File;
use super::super::finding::Findings;
use super::super::path::Path;
use super::super::service::Service;

pub(super) fn apply(file: &File, findings: &mut Findings) {
    file.paths.iter().for_each(|path| path_holds(file, path, findings));
    file.paths.iter().for_each(|path| wide_enough(file, path, findings));
    file.services.iter().for_each(|service| paths_known(file, service, findings));
}

/// A path whose services do not fit all at once, or of whose services nothing is known.
fn path_holds(file: &File, path: &Path, findings: &mut Findings) {
    let Some(capacity) = &path.capacity else { return };
    let users = file.services.iter().filter(|service| service.uses(path.name()));
    // Paths that carry together do so in proportion to it.
    let weighs = users.clone().any(|it| it.is_balanced());
    let loads: Vec<_> =
        users.filter_map(|service| Some((service.name(), service.load.as_ref()?))).collect();
    if loads.is_empty() && (weighs || scored_by_it(file, path).next().is_some()) {
        return;
    }
    if loads.is_empty() {
        findings.warning(
            capacity.span(),
            format!(
                "path `{}` has a capacity, but no service that uses it has a load",
                path.name()
            ),
            "add `load` to the services, or remove `capacity`: what nobody fills is never full",
        );
        return;
    }
    let sum = loads.iter().map(|(_, load)| load.get_ref().bits()).fold(0, u64::saturating_add);
    let used = sum as f64 / capacity.get_ref().bits() as f64;
    if used > MAX_UTILISATION {
        let told = loads.iter().map(|(name, load)| format!("`{name}` {}", load.get_ref()));
        findings.warning(
            capacity.span(),
            format!(
                "the services of path `{}` ({}) take {:.0} % of its {}, and it is full at {:.0} %",
                path.name(),
                told.collect::<Vec<_>>().join(", "),
                used * 100.0,
                capacity.get_ref(),
                MAX_UTILISATION * 100.0
            ),
            "see that another path has room for the rest: with none left they all go over this one",
        );
    }
}

/// The services that use a path and are scored by what it can carry, with their limit and target.
fn scored_by_it<'f>(
    file: &'f File,
    path: &'f Path,
) -> impl Iterator<Item = (&'f Service, f64, f64)> {
    let monitor = &file.timing.monitor;
    file.services.iter().filter(|it| it.uses(path.name())).filter_map(|service| {
        let (min_score, target) = match file.class_of(service)? {
            (Class::Bulk, None) => {
                (monitor.sla[Class::Bulk.index()].min_score, monitor.bulk_target_bps)
            }
            (Class::Bulk, Some(nth)) => {
                let own = monitor.own.get(nth)?;
                (own.sla.min_score, own.bulk_target_bps)
            }
            _ => return None,
        };
        Some((service, min_score, target))
    })
}

/// A path too narrow for the limit of a service never keeps it, however clean it is.
fn wide_enough(file: &File, path: &Path, findings: &mut Findings) {
    let Some(capacity) = &path.capacity else { return };
    for (service, min_score, target_bps) in scored_by_it(file, path) {
        let best = bulk_score(capacity.get_ref().bits() as f64, target_bps);
        if best < min_score {
            findings.warning(
                capacity.span(),
                format!(
                    "path `{}` can score {best:.0} for service `{}` at most, which asks for {min_score:.0}",
                    path.name(),
                    service.name()
                ),
                "lower `target_mbps` or `min_score` of its class: what never keeps the limit is always \
                 degraded",
            );
        }
    }
}

/// A service with a load, one of whose paths does not say what it can carry.
fn paths_known(file: &File, service: &Service, findings: &mut Findings) {
    let Some(load) = &service.load else { return };
    let used = file.paths.iter().filter(|path| service.uses(path.name()));
    let unknown: Vec<_> = used
        .filter(|path| path.capacity.is_none())
        .map(|path| format!("`{}`", path.name()))
        .collect();
    if !unknown.is_empty() {
        findings.warning(
            load.span(),
            format!(
                "service `{}` has a load, but these of its paths have no capacity: {}",
                service.name(),
                unknown.join(", ")
            ),
            "add `capacity` to these paths: without it one counts as having room for everything",
        );
    }
}
