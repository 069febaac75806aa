//! `pathvane demo`: the real speaker among emulated networks, broken on purpose and judged.

mod args;
mod play;

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::task::Poll;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::configuration::Profile;
use crate::judge::CONVERGED_WITHIN;
use crate::network::PATHS;
use crate::report::{Detail, Ink, Summary, Timeline, print, table};
use crate::scenario::{self, Scenario};

pub use args::DemoArgs;

/// Exit status after Ctrl-C, as shells give it.
const INTERRUPTED: u8 = 130;

/// Runs the demonstration with this very binary as the speaker.
pub fn main(args: DemoArgs) -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match (runtime, std::env::current_exe()) {
        (Ok(runtime), Ok(binary)) => runtime.block_on(run(args, binary)),
        (Err(error), _) => failure(&format!("no runtime can be made: {error}")),
        (_, Err(error)) => failure(&format!("this binary cannot be found again: {error}")),
    }
}

/// Plays what `args` asks for, with `binary` as the speaker.
///
/// Succeeds only if every fault that should move traffic moved it in both directions in
/// less than a second, and everything that should not move it did not.
pub async fn run(args: DemoArgs, binary: PathBuf) -> ExitCode {
    let scenarios = match chosen(&args) {
        Ok(scenarios) => scenarios,
        Err(message) => return failure(&message),
    };
    if args.list {
        list(&scenarios);
        return ExitCode::SUCCESS;
    }
    let dir = match Workshop::new(args.keep) {
        Ok(dir) => dir,
        Err(error) => return failure(&format!("no temporary directory can be made: {error}")),
    };
    tokio::select! {
        outcome = play_all(&args, &scenarios, &binary, dir.path()) => match outcome {
            Ok(summaries) => conclude(&args, &summaries, dir),
            Err(message) => {
                let kept = dir.keep();
                failure(&format!("{message}\nconfiguration and logs: {}", kept.display()))
            }
        },
        () = told_to_stop() => {
            eprintln!("stopped; the speaker is ended");
            ExitCode::from(INTERRUPTED)
        }
    }
}

/// The scenarios asked for; every one for `--list`.
fn chosen(args: &DemoArgs) -> Result<Vec<Scenario>, String> {
    let mut all = scenario::all()?;
    if let Some(duration) = args.duration {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        all.iter_mut().for_each(|scenario| scenario.observe_ms = ms);
    }
    if args.list {
        return Ok(all);
    }
    if args.scenario.is_empty() {
        return Ok(all.into_iter().filter(scenario::is_default).collect());
    }
    let find = |name: &String| {
        let found = all.iter().find(|scenario| scenario.name == *name).cloned();
        found.ok_or_else(|| {
            format!("there is no scenario {name:?}; `pathvane demo --list` names them")
        })
    };
    args.scenario.iter().map(find).collect()
}

fn list(scenarios: &[Scenario]) {
    let ink = Ink::detect();
    for scenario in scenarios {
        print(&format!("{}  {}", ink.strong(&format!("{:<18}", scenario.name)), scenario.title));
        print(&format!("{:<18}  {}", "", ink.faint(&scenario.about)));
    }
}

/// Plays each scenario as often as asked for.
async fn play_all(
    args: &DemoArgs,
    scenarios: &[Scenario],
    binary: &Path,
    dir: &Path,
) -> Result<Vec<Summary>, String> {
    let names = PATHS.map(str::to_owned).to_vec();
    let detail = match (args.json, args.repeat) {
        (true, _) => Detail::Nothing,
        (false, 1) => Detail::Everything,
        (false, _) => Detail::Plays,
    };
    let mut timeline = Timeline::new(names, Ink::detect(), detail);
    introduce(args, &timeline, dir);
    let plays = scenarios.iter().flat_map(|scenario| (0..args.repeat).map(move |_| scenario));
    let mut settings = (1..).zip(plays).map(|(number, scenario)| play::Setting {
        args,
        scenario,
        binary,
        dir,
        number,
    });
    // While one speaker is disturbed, the next one comes to rest in a network of its own.
    let mut outcomes = Vec::new();
    let mut prepared = match settings.next() {
        Some(first) => Some(first.prepare().await?),
        None => None,
    };
    while let Some(stage) = prepared.take() {
        let next = settings.next();
        let prepare = async {
            match next {
                Some(setting) => setting.prepare().await.map(Some),
                None => Ok(None),
            }
        };
        let (outcome, next) = tokio::join!(stage.perform(&mut timeline), prepare);
        outcomes.push(outcome?);
        prepared = next?;
    }
    let of = |scenario: &Scenario| {
        let of_it = outcomes.iter().filter(|outcome| outcome.scenario == scenario.name);
        Summary::of(of_it.cloned().collect())
    };
    Ok(scenarios.iter().filter_map(of).collect())
}

/// Says what is about to happen, and which durations are not the defaults.
fn introduce(args: &DemoArgs, timeline: &Timeline, dir: &Path) {
    let rtt = |index: usize| args.rtt(index).as_millis();
    timeline.say(&format!(
        "paths       {} {} ms, {} {} ms round trip; ambient loss {} % of round trips, \
         in bursts of {} ms",
        PATHS[0],
        rtt(0),
        PATHS[1],
        rtt(1),
        args.ambient_loss,
        args.ambient_burst_ms,
    ));
    let keys = Profile::default().keys();
    let shortened: Vec<String> =
        keys.iter().map(|(key, value)| format!("{key} {}", value.trim_matches('"'))).collect();
    timeline.say(&format!("shortened   {}", shortened.join(", ")));
    timeline.say("            detection, thresholds and damping are the defaults");
    timeline.say(&format!("files       {}", dir.display()));
}

fn conclude(args: &DemoArgs, summaries: &[Summary], dir: Workshop) -> ExitCode {
    let good = summaries.iter().all(Summary::is_good);
    if args.json {
        #[derive(Serialize)]
        struct Document<'a> {
            good: bool,
            rtt_ms: [u128; 2],
            ambient_loss_percent: f64,
            ambient_burst_ms: u64,
            programming_delay_ms: u64,
            scenarios: &'a [Summary],
        }
        let document = Document {
            good,
            rtt_ms: [args.rtt(0).as_millis(), args.rtt(1).as_millis()],
            ambient_loss_percent: args.ambient_loss,
            ambient_burst_ms: args.ambient_burst_ms,
            programming_delay_ms: args.programming_delay_ms,
            scenarios: summaries,
        };
        match serde_json::to_string_pretty(&document) {
            Ok(text) => print(&text),
            Err(error) => return failure(&error.to_string()),
        }
    } else {
        print(&format!("\n{}", table(summaries, Ink::detect())));
    }
    if good {
        return ExitCode::SUCCESS;
    }
    let kept = dir.keep();
    let limit = CONVERGED_WITHIN.as_millis();
    failure(&format!(
        "not everything is as it should be (moves within {limit} ms, nothing else moved); \
         configuration and logs: {}",
        kept.display()
    ))
}

/// Returns on SIGINT (Ctrl-C), SIGTERM or SIGHUP.
async fn told_to_stop() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    // A signal that cannot be watched ends this process as it always does.
    let mut watched: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    poll_fn(|context| match watched.iter_mut().any(|one| one.poll_recv(context).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

fn failure(message: &str) -> ExitCode {
    eprintln!("pathvane demo: {message}");
    ExitCode::FAILURE
}

/// The temporary directory; removed at the end unless it is worth keeping.
struct Workshop {
    dir: tempfile::TempDir,
    keep: bool,
}

impl Workshop {
    fn new(keep: bool) -> std::io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("pathvane-demo-").tempdir()?;
        Ok(Self { dir, keep })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn keep(mut self) -> PathBuf {
        self.keep = true;
        self.dir.path().to_owned()
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        self.dir.disable_cleanup(self.keep);
    }
}
