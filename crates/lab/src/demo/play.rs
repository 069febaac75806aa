//! One play of one scenario: a fresh network and a fresh speaker, brought to rest, broken, observed.

use std::path::Path;
use std::time::Duration;

use pathvane_clock::Instant;
use pathvane_speaker::control::client::Client;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::DemoArgs;
use crate::configuration::{self, Profile};
use crate::control::{Listener, Listening, unproven};
use crate::judge::{Outcome, Play, judge};
use crate::links::{Direction, Fault};
use crate::mono;
use crate::network::{Network, NetworkSpec, PATHS};
use crate::observed::Observed;
use crate::report::Timeline;
use crate::scenario::{Scenario, Step};
use crate::seen::{Reporter, Seen, What};
use crate::speaker_process::SpeakerProcess;

/// The speaker has to be at rest on the preferred path within this time. On lossy links a path
/// that happens to lose much in its first second takes half a minute to prove itself.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// How often it is asked whether it is.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Undisturbed time before the fault, heard as "before".
const BEFORE: Duration = Duration::from_millis(2_100);
/// Time for the last packets to arrive.
const AFTER: Duration = Duration::from_millis(500);

/// What one play needs.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) args: &'a DemoArgs,
    pub(super) scenario: &'a Scenario,
    pub(super) binary: &'a Path,
    pub(super) dir: &'a Path,
    /// Counts the plays of a run.
    pub(super) number: u64,
}

/// A network and a speaker at rest, ready to be disturbed.
pub(super) struct Stage<'a> {
    setting: Setting<'a>,
    network: Network,
    speaker: SpeakerProcess,
    client: Client,
    _listening: Listening,
    received: UnboundedReceiver<Seen>,
    observed: Observed,
    record: Vec<Seen>,
}

impl<'a> Setting<'a> {
    /// Starts network and speaker and waits until nothing is wrong any more.
    pub(super) async fn prepare(self) -> Result<Stage<'a>, String> {
        let (reporter, received) = Reporter::new();
        let network = Network::start(&self.network(), &reporter).await.map_err(|error| {
            format!("the emulated network cannot start (it needs all of 127.0.0.0/8): {error}")
        })?;
        let config = self.dir.join(format!("{:03}-{}.toml", self.number, self.scenario.name));
        let control = self.dir.join(format!("{:03}.sock", self.number));
        let text = configuration::write(network.layout(), &Profile::default(), &control);
        std::fs::write(&config, text)
            .map_err(|error| format!("{} cannot be written: {error}", config.display()))?;
        let speaker = SpeakerProcess::start(self.binary, &config, &config.with_extension("log"))
            .map_err(|error| format!("{} cannot be started: {error}", self.binary.display()))?;
        let client = Client::new(control);
        let call = network.call().clone();
        let paths = PATHS.map(str::to_owned).to_vec();
        let listening = Listener { paths, call, reporter }.start(client.clone());
        let mut stage = Stage {
            setting: self,
            network,
            speaker,
            client,
            _listening: listening,
            received,
            observed: Observed::new(PATHS.len()),
            record: Vec::new(),
        };
        stage.come_to_rest().await?;
        Ok(stage)
    }

    fn network(&self) -> NetworkSpec {
        NetworkSpec {
            rtt: [self.args.rtt(0), self.args.rtt(1)],
            ambient_loss: self.args.ambient_loss / 100.0,
            mean_burst: Duration::from_millis(self.args.ambient_burst_ms),
            programming_delay: Duration::from_millis(self.args.programming_delay_ms),
            seed: self.args.seed.wrapping_mul(1_000).wrapping_add(self.number),
        }
    }
}

impl Stage<'_> {
    /// Waits until every session is up, every path proven, and both directions on the first path,
    /// and has been for long enough to be heard.
    async fn come_to_rest(&mut self) -> Result<(), String> {
        let deadline = mono::now() + READY_WITHIN;
        let mut rested_at = None;
        loop {
            self.watch_until(mono::now() + ASK_EVERY, None).await?;
            let mut reasons = self.observed.unready();
            if reasons.is_empty() {
                reasons = unproven(&self.client).await.map_err(|error| error.to_string())?;
                let since = *rested_at.get_or_insert(mono::now());
                if reasons.is_empty() && mono::now().since(since) >= BEFORE {
                    return Ok(());
                }
            } else {
                rested_at = None;
            }
            if mono::now() >= deadline {
                let words = self.speaker.last_words();
                let limit = READY_WITHIN.as_secs();
                let reasons = reasons.join("; ");
                return Err(format!(
                    "after {limit} s the speaker is not at rest: {reasons}\n{words}"
                ));
            }
        }
    }

    /// Breaks what the scenario breaks, watches, and has it judged.
    pub(super) async fn perform(mut self, timeline: &mut Timeline) -> Result<Outcome, String> {
        let Setting { args, scenario, .. } = self.setting;
        self.watch_until(mono::now(), None).await?;
        let unready = self.observed.unready();
        if !unready.is_empty() {
            return Err(format!("the speaker did not stay at rest: {}", unready.join("; ")));
        }
        self.record.clear();
        self.network.take_lateness();
        let begin = mono::now();
        timeline.begin(begin, scenario);
        let steps = scenario.timeline();
        for step in &steps {
            if step.at_ms > 0 {
                let at = begin + Duration::from_millis(step.at_ms);
                self.watch_until(at, Some(timeline)).await?;
            }
            self.network.apply(step);
        }
        let end = begin + scenario.observe();
        self.watch_until(end, Some(timeline)).await?;
        tokio::time::sleep(AFTER).await;
        let call = self.network.call();
        let (forward, back) = (call.ledger(Direction::Forward), call.ledger(Direction::Return));
        let outcome = judge(&Play {
            scenario,
            begin,
            cleared: last_clearing(&steps).map(|ms| begin + Duration::from_millis(ms)),
            end,
            seen: &self.record,
            ledgers: [&*forward, &*back],
            return_hold: Profile::default().recover_after,
            lossy: args.ambient_loss > 0.0,
            link_late: self.network.take_lateness(),
        });
        timeline.end(&outcome);
        Ok(outcome)
    }

    /// Records (and shows on `timeline`) what is seen until `until`.
    async fn watch_until(
        &mut self,
        until: Instant,
        timeline: Option<&Timeline>,
    ) -> Result<(), String> {
        loop {
            let left = until.since(mono::now());
            match timeout(left, self.received.recv()).await {
                Ok(Some(seen)) => {
                    if let Some(timeline) = timeline {
                        timeline.show(&seen);
                    }
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

/// When the last step takes a fault away, in milliseconds.
fn last_clearing(steps: &[Step]) -> Option<u64> {
    let clears = |step: &&Step| step.line.is_some_and(|change| change.fault() == Fault::default());
    steps.iter().filter(clears).map(|step| step.at_ms).next_back()
}
