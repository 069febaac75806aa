//! What goes wrong, when, and what should come of it: data from `fixtures/scenarios`.

mod schema;

pub use schema::{Expect, InstanceChange, LineChange, PathRef, Repeat, Scenario, Step, Ways};

/// The scenarios that ship with the lab, in the order of the default run; see [`is_default`].
const SHIPPED: [&str; 12] = [
    include_str!("../../../fixtures/scenarios/blackhole.toml"),
    include_str!("../../../fixtures/scenarios/blackhole-forward.toml"),
    include_str!("../../../fixtures/scenarios/blackhole-return.toml"),
    include_str!("../../../fixtures/scenarios/loss.toml"),
    include_str!("../../../fixtures/scenarios/delay.toml"),
    include_str!("../../../fixtures/scenarios/jitter.toml"),
    include_str!("../../../fixtures/scenarios/instances.toml"),
    include_str!("../../../fixtures/scenarios/session-reset.toml"),
    include_str!("../../../fixtures/scenarios/recovery.toml"),
    include_str!("../../../fixtures/scenarios/shared.toml"),
    include_str!("../../../fixtures/scenarios/flapping.toml"),
    include_str!("../../../fixtures/scenarios/healthy.toml"),
];

/// Every scenario, in the order of the default run.
///
/// # Errors
/// What is wrong with one of them, and where.
pub fn all() -> Result<Vec<Scenario>, String> {
    SHIPPED.iter().map(|text| Scenario::parse(text)).collect()
}

/// Whether a scenario is played when none is named: all but the one in which nothing happens.
pub fn is_default(scenario: &Scenario) -> bool {
    !scenario.steps.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_reads_and_has_a_name_of_its_own() {
        let all = all().expect("shipped scenarios are sound");
        let mut names: Vec<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SHIPPED.len());
        assert!(all.iter().filter(|scenario| is_default(scenario)).count() >= 10);
    }

    #[test]
    fn repeats_unfold_into_steps_in_order() {
        let all = all().expect("sound");
        let flapping = all.iter().find(|scenario| scenario.name == "flapping").expect("shipped");
        let timeline = flapping.timeline();
        assert_eq!(timeline.len(), 12);
        assert!(timeline.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
        assert_eq!(timeline[2].at_ms, 5_000);
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let text = "name = 'x'\ntitle = 'x'\nabout = 'x'\nexpect = 'stay'\nobserve_ms = 1\n\
                    steps = [{ at_ms = 0, lines = { path = 'leader' } }]";
        assert!(Scenario::parse(text).is_err());
    }
}
