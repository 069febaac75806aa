//! The shape of a scenario file.

use std::time::Duration;

use serde::Deserialize;

use crate::links::{Direction, Fault, Loss};

/// One scenario.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What `--scenario` calls it.
    pub name: String,
    /// A few words for the table.
    pub title: String,
    /// What happens, in a sentence.
    pub about: String,
    /// What should come of it.
    pub expect: Expect,
    /// The most moves that count as damped.
    #[serde(default)]
    pub max_moves: u32,
    /// The verdict on every path has to stay as it was.
    #[serde(default)]
    pub verdicts_stay: bool,
    /// From the first step to the end of the observation, in milliseconds.
    pub observe_ms: u64,
    /// What is done.
    pub steps: Vec<Step>,
    /// Does the steps again and again.
    #[serde(default)]
    pub repeat: Repeat,
}

/// What should come of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// Both directions move off the leader once, quickly, and stay off.
    Move,
    /// Nothing moves.
    Stay,
    /// Both directions move off the leader and, after the hold, back without a lost packet.
    Return,
    /// A bounded number of moves; at the end both directions are off the leader.
    Damped,
}

/// How often the steps are done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How many times in all.
    pub times: u64,
    /// From the beginning of one round to the next, in milliseconds.
    pub every_ms: u64,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { times: 1, every_ms: 0 }
    }
}

/// One thing that is done.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, in milliseconds from the beginning of the round.
    pub at_ms: u64,
    /// Replaces the fault of a link.
    pub line: Option<LineChange>,
    /// Makes the instances of a region ill or well.
    pub instances: Option<InstanceChange>,
    /// Resets the BGP session over a path.
    pub reset: Option<PathRef>,
}

/// Which path is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathRef {
    /// The first of the configuration.
    Leader,
    /// The second.
    Standby,
    /// Every path.
    All,
}

impl PathRef {
    /// Whether the path at `index` of the configuration is meant.
    pub fn includes(self, index: usize) -> bool {
        match self {
            Self::Leader => index == 0,
            Self::Standby => index == 1,
            Self::All => true,
        }
    }

    /// What people read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leader => "the leading path",
            Self::Standby => "the standby",
            Self::All => "every path",
        }
    }
}

/// Which directions are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ways {
    /// Both.
    Both,
    /// Site to region.
    Forward,
    /// Region to site.
    Return,
}

impl Ways {
    /// Whether `direction` is meant.
    pub fn includes(self, direction: Direction) -> bool {
        match self {
            Self::Both => true,
            Self::Forward => direction == Direction::Forward,
            Self::Return => direction == Direction::Return,
        }
    }
}

/// A link's new fault; without further keys there is none.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineChange {
    /// Which path.
    pub path: PathRef,
    /// Which way.
    pub direction: Ways,
    /// Nothing passes.
    #[serde(default)]
    pub blackhole: bool,
    /// Independent loss, in percent.
    #[serde(default)]
    pub loss_percent: f64,
    /// Mean length of loss bursts; above 0 the loss is bursty.
    #[serde(default)]
    pub mean_burst_ms: u64,
    /// Added delay.
    #[serde(default)]
    pub extra_delay_ms: u64,
    /// Half the width of the delay variation.
    #[serde(default)]
    pub jitter_ms: u64,
}

impl LineChange {
    /// The fault as links know it.
    pub fn fault(&self) -> Fault {
        let ratio = self.loss_percent / 100.0;
        let loss = match ratio {
            r if r <= 0.0 => Loss::None,
            ratio if self.mean_burst_ms > 0 => {
                Loss::Bursts { ratio, mean: Duration::from_millis(self.mean_burst_ms) }
            }
            p => Loss::Bernoulli { p },
        };
        Fault {
            blackhole: self.blackhole,
            extra_delay: Duration::from_millis(self.extra_delay_ms),
            jitter: Duration::from_millis(self.jitter_ms),
            loss,
        }
    }
}

/// The new health of a region's instances.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceChange {
    /// The path to the region.
    pub path: PathRef,
    /// Whether they are well.
    pub well: bool,
}

impl Scenario {
    /// Reads one scenario file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The steps of every round, in order of time.
    pub fn timeline(&self) -> Vec<Step> {
        let rounds = 0..self.repeat.times;
        let mut steps: Vec<Step> = rounds
            .flat_map(|round| {
                let begin = round * self.repeat.every_ms;
                self.steps.iter().map(move |step| Step { at_ms: begin + step.at_ms, ..*step })
            })
            .collect();
        steps.sort_by_key(|step| step.at_ms);
        steps
    }

    /// How long it is observed.
    pub fn observe(&self) -> Duration {
        Duration::from_millis(self.observe_ms)
    }
}

impl Step {
    /// What is done, for the timeline.
    pub fn describe(&self) -> String {
        let line = self.line.map(|change| {
            let ways = match change.direction {
                Ways::Both => "both ways",
                Ways::Forward => "towards the region",
                Ways::Return => "from the region",
            };
            format!("{}: {} {ways}", change.path.name(), change.what())
        });
        let instances = self.instances.map(|change| {
            let how = if change.well { "well" } else { "ill" };
            format!("instances reached over {} are {how}", change.path.name())
        });
        let reset = self.reset.map(|path| format!("BGP session over {} reset", path.name()));
        let all: Vec<String> = [line, instances, reset].into_iter().flatten().collect();
        all.join(", ")
    }
}

impl LineChange {
    fn what(&self) -> String {
        let parts = [
            self.blackhole.then(|| "blackhole".to_owned()),
            (self.loss_percent > 0.0).then(|| format!("{} % loss", self.loss_percent)),
            (self.extra_delay_ms > 0).then(|| format!("+{} ms", self.extra_delay_ms)),
            (self.jitter_ms > 0).then(|| format!("+-{} ms", self.jitter_ms)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "clear".to_owned() } else { parts.join(" ") }
    }
}
