//! One play of one scenario: a fresh network and a fresh speaker, brought to rest, broken, observed.

use std::path::Path;
use std::time::Duration;

use pathvane_clock::Instant;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::DemoArgs;
use crate::configuration::{self, Profile};
use crate::control::Listener;
use crate::judge::{Outcome, Play, judge};
use crate::links::Direction;
use crate::mono;
use crate::network::{Network, NetworkSpec, PATHS};
use crate::observed::Observed;
use crate::report::Timeline;
use crate::scenario::{Scenario, Step};
use crate::seen::{Reporter, Seen, What};
use crate::speaker_process::SpeakerProcess;

/// The speaker has to be at rest on the preferred path within this time.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Undisturbed time before the fault, heard as "before".
const BEFORE: Duration = Duration::from_millis(2_200);
/// Time for the last packets to arrive.
const AFTER: Duration = Duration::from_millis(500);

/// What one play needs.
pub(super) struct Setting<'a> {
    pub(super) args: &'a DemoArgs,
    pub(super) scenario: &'a Scenario,
    pub(super) binary: &'a Path,
    pub(super) dir: &'a Path,
    /// Counts the plays of a run.
    pub(super) number: u64,
}

/// A play under way.
struct Stage<'a> {
    network: Network,
    speaker: SpeakerProcess,
    received: UnboundedReceiver<Seen>,
    observed: Observed,
    record: Vec<Seen>,
    timeline: &'a mut Timeline,
}

impl Setting<'_> {
    /// Plays it.
    pub(super) async fn run(&self, timeline: &mut Timeline) -> Result<Outcome, String> {
        let name = &self.scenario.name;
        timeline.say(&format!("\n{}  ({name}, play {})", self.scenario.title, self.number));
        let (reporter, received) = Reporter::new();
        let network = Network::start(&self.network(), &reporter).await.map_err(|error| {
            format!("the emulated network cannot start (it needs all of 127.0.0.0/8): {error}")
        })?;
        let config = self.dir.join(format!("{:03}-{name}.toml", self.number));
        let control = self.dir.join(format!("{:03}.sock", self.number));
        let text = configuration::write(network.layout(), &Profile::default(), &control);
        std::fs::write(&config, text)
            .map_err(|error| format!("{} cannot be written: {error}", config.display()))?;
        let log = config.with_extension("log");
        let speaker = SpeakerProcess::start(self.binary, &config, &log)
            .map_err(|error| format!("{} cannot be started: {error}", self.binary.display()))?;
        let paths = PATHS.map(str::to_owned).to_vec();
        let call = network.call().clone();
        let _listening = Listener { paths, call, reporter }.start(&control);
        let observed = Observed::new(PATHS.len());
        let record = Vec::new();
        let mut stage = Stage { network, speaker, received, observed, record, timeline };
        stage.come_to_rest().await?;
        stage.watch_until(mono::now() + BEFORE).await?;
        let unready = stage.observed.unready();
        if !unready.is_empty() {
            return Err(format!("the speaker did not stay at rest: {}", unready.join("; ")));
        }
        self.observe(&mut stage).await
    }

    fn network(&self) -> NetworkSpec {
        NetworkSpec {
            rtt: [self.args.rtt(0), self.args.rtt(1)],
            ambient_loss: self.args.ambient_loss / 100.0,
            programming_delay: Duration::from_millis(self.args.programming_delay_ms),
            seed: self.args.seed.wrapping_mul(1_000).wrapping_add(self.number),
        }
    }

    /// Breaks what the scenario breaks, watches, and has it judged.
    async fn observe(&self, stage: &mut Stage<'_>) -> Result<Outcome, String> {
        stage.record.clear();
        let begin = mono::now();
        stage.timeline.begin(begin);
        let steps = self.scenario.timeline();
        for step in &steps {
            stage.watch_until(begin + Duration::from_millis(step.at_ms)).await?;
            stage.network.apply(step);
        }
        let end = begin + self.scenario.observe();
        stage.watch_until(end).await?;
        stage.timeline.end();
        tokio::time::sleep(AFTER).await;
        let call = stage.network.call();
        let (forward, back) = (call.ledger(Direction::Forward), call.ledger(Direction::Return));
        Ok(judge(&Play {
            scenario: self.scenario,
            begin,
            cleared: last_clearing(&steps).map(|ms| begin + Duration::from_millis(ms)),
            end,
            seen: &stage.record,
            ledgers: [&*forward, &*back],
            return_hold: Profile::default().recover_after,
            lossy: self.args.ambient_loss > 0.0,
        }))
    }
}

/// When the last step takes a fault away, in milliseconds.
fn last_clearing(steps: &[Step]) -> Option<u64> {
    let clears = |step: &&Step| {
        step.line.is_some_and(|change| change.fault() == crate::links::Fault::default())
    };
    steps.iter().filter(clears).map(|step| step.at_ms).next_back()
}

impl Stage<'_> {
    /// Waits until nothing is wrong any more.
    async fn come_to_rest(&mut self) -> Result<(), String> {
        let deadline = mono::now() + READY_WITHIN;
        while !self.observed.unready().is_empty() {
            if mono::now() >= deadline {
                let reasons = self.observed.unready().join("; ");
                let words = self.speaker.last_words();
                return Err(format!(
                    "after {} s the speaker is not at rest: {reasons}\n{words}",
                    READY_WITHIN.as_secs()
                ));
            }
            self.watch_until(mono::now() + Duration::from_millis(50)).await?;
        }
        Ok(())
    }

    /// Records and shows what is seen until `until`.
    async fn watch_until(&mut self, until: Instant) -> Result<(), String> {
        loop {
            let left = until.since(mono::now());
            match timeout(left, self.received.recv()).await {
                Ok(Some(seen)) => {
                    self.timeline.show(&seen);
                    self.observed.take(&seen.what);
                    if !matches!(seen.what, What::Did(_)) {
                        self.record.push(seen);
                    }
                }
                Ok(None) | Err(_) => return self.speaker.check(),
            }
        }
    }
}
