//! 50 BFD sessions at 50 ms x 3 between two processes, on a machine that has other things to do.
//!
//! Counts failures while nothing is wrong, and measures how long a peer's sudden death takes to be told,
//! and how long after that the engine of a speaker has it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::shell;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sessions.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(1..=200))]
    sessions: u8,
    /// Interval in milliseconds.
    #[arg(long, default_value_t = 50)]
    interval: u64,
    /// Detection multiplier.
    #[arg(long, default_value_t = 3)]
    multiplier: u8,
    /// Seconds of calm in which nothing may fail.
    #[arg(long, default_value_t = 60)]
    calm: u64,
    /// How often the peer dies.
    #[arg(long, default_value_t = 20)]
    deaths: u32,
    /// Threads that burn the processors and move memory meanwhile.
    #[arg(long, default_value_t = 4)]
    load: u32,
    /// Beside them a speaker takes a full table and passes it on, over and over.
    #[arg(long)]
    full_table: bool,
}

/// Runs it on the release build, and prints what came of it.
pub(crate) fn run(options: &Options) -> Result<()> {
    shell::run("cargo", &["build", "--release", "--locked", "-p", "pathvane"], &[])?;
    let folder = std::env::temp_dir().join(format!("pathvane-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder).context("cannot make a folder")?;
    let stop = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        for _ in 0..options.load {
            scope.spawn(|| burn(&stop));
        }
        let tables = options.full_table.then(|| scope.spawn(|| full_tables(&stop)));
        let outcome = soak(options, &folder);
        stop.store(true, Ordering::Relaxed);
        if let Some(tables) = tables {
            let tables = tables.join().ok().context("the load of tables failed")??;
            println!("soak: {tables} full tables passed through a speaker beside it");
        }
        outcome
    });
    std::fs::remove_dir_all(&folder).context("cannot remove the folder")?;
    outcome
}

fn soak(options: &Options, folder: &Path) -> Result<()> {
    let ours = Process::start(folder, "ours")?;
    let mut line = ours.claim(options, 1, 2)?;
    let mut theirs = Some(Process::start(folder, "theirs")?);
    let mut their_line = Some(theirs.as_ref().context("a process")?.claim(options, 2, 1)?);
    line.until_all(options.sessions, "up", None)?;
    // The fast interval is agreed on by a poll after that.
    std::thread::sleep(Duration::from_secs(3));
    println!("soak: {} sessions are up; {} s of calm", options.sessions, options.calm);
    let failed = line.failures(Duration::from_secs(options.calm))?;
    println!("soak: {failed} failures while nothing was wrong");
    let mut took = Vec::new();
    for death in 0..options.deaths {
        // Another phase of the interval each time.
        let phase = u64::from(death) * 7 % options.interval;
        std::thread::sleep(Duration::from_millis(phase));
        let died = Instant::now();
        drop((theirs.take(), their_line.take()));
        took.extend(line.until_all(options.sessions, "down", Some(died))?);
        let process = Process::start(folder, "theirs")?;
        their_line = Some(process.claim(options, 2, 1)?);
        theirs = Some(process);
        line.until_all(options.sessions, "up", None)?;
        std::thread::sleep(Duration::from_secs(3));
    }
    println!(
        "soak: {} deaths of {} sessions, told after (detection time {} ms): {}",
        options.deaths,
        options.sessions,
        options.interval * u64::from(options.multiplier),
        spread(took),
    );
    let stalls = std::fs::read_to_string(folder.join("ours.log"))?;
    println!("soak: {} stalls of this machine were noticed", stalls.matches("stood still").count());
    ensure!(failed == 0 || stalls.contains("stood still"), "failures without a stall to blame");
    drop((ours, line, theirs, their_line));
    let taken = taken_by_an_engine(options, folder)?;
    println!("soak: from a session's failure until the engine had it: {}", spread(taken));
    Ok(())
}

/// The same deaths beside a speaker, which holds the sessions now; how long after each failure its
/// engine had it.
fn taken_by_an_engine(options: &Options, folder: &Path) -> Result<Vec<Duration>> {
    let speaker = Speaker::start(folder, options)?;
    let mut taken = Vec::new();
    for _ in 0..options.deaths {
        let theirs = Process::start(folder, "theirs")?;
        let line = theirs.claim(options, 2, 1)?;
        speaker.until_all(options.sessions, "up")?;
        std::thread::sleep(Duration::from_secs(3));
        drop((theirs, line));
        taken.extend(speaker.until_all(options.sessions, "down")?);
    }
    speaker.drain()?;
    Ok(taken)
}

/// Middle, 99th percentile and most of some times.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| {
        let time = times.get((times.len() * share / 1000).min(times.len().saturating_sub(1)));
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    format!("p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms", at(500), at(990), at(1000))
}

/// Keeps a processor and its caches busy.
fn burn(stop: &AtomicBool) {
    let mut memory = vec![0_u64; 4 << 20];
    let mut at = 1_usize;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..100_000 {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let len = memory.len();
            memory[(at >> 20) % len] += 1;
        }
    }
}

/// Has a speaker take 1,000,000 routes, pass them on, and withdraw them, until told to stop; how often.
fn full_tables(stop: &AtomicBool) -> Result<u32> {
    let rib = ["bench", "rib", "--scenario", "load", "--against", "pathvane"];
    let mut tables = 0;
    while !stop.load(Ordering::Relaxed) {
        // Ending it half way would leave its speaker behind; a table takes seconds.
        let status = pathvane()
            .args(rib)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot start `pathvane bench`")?;
        ensure!(status.success(), "`pathvane bench` fails");
        tables += 1;
    }
    Ok(tables)
}

/// One BFD process, killed when dropped.
struct Process {
    child: Child,
    socket: PathBuf,
}

impl Process {
    fn start(folder: &Path, name: &str) -> Result<Self> {
        let socket = folder.join(format!("{name}.sock"));
        let log = std::fs::File::create(folder.join(format!("{name}.log")))?;
        let child = pathvane()
            .args(["bfd", "--listen"])
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start `pathvane bfd`")?;
        Ok(Self { child, socket })
    }

    /// Claims the sessions from 127.91.N.`from` to 127.91.N.`to`.
    fn claim(&self, options: &Options, from: u8, to: u8) -> Result<Line> {
        let session = |n: u8| {
            json!({
                "local": format!("127.91.{n}.{from}"), "remote": format!("127.91.{n}.{to}"),
                "interface": null, "multihop": false,
                "interval_us": options.interval * 1000, "multiplier": options.multiplier,
            })
        };
        let sessions: Vec<Value> = (0..options.sessions).map(session).collect();
        let claim = json!({ "ask": "claim", "version": 1, "sessions": sessions });
        for _ in 0..500 {
            if let Ok(mut stream) = UnixStream::connect(&self.socket) {
                stream.set_read_timeout(Some(Duration::from_secs(30)))?;
                writeln!(stream, "{claim}")?;
                return Ok(Line { reader: BufReader::new(stream) });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the process does not answer")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A speaker with a peer for each session, killed when dropped.
struct Speaker {
    child: Child,
    control: PathBuf,
}

impl Speaker {
    fn start(folder: &Path, options: &Options) -> Result<Self> {
        let (control, bfd) = (folder.join("speaker.sock"), folder.join("speaker-bfd.sock"));
        let mut config = format!(
            "[speaker]\nasn = 65010\nbgp_identifier = \"10.255.0.1\"\nfib = \"report\"\nlisten = []\n\
             control = {control:?}\nbfd_socket = {bfd:?}\ndrain_wait = \"200ms\"\n",
        );
        for n in 0..options.sessions {
            config += &format!(
                "[peers.p{n}]\naddress = \"127.91.{n}.2\"\nlocal_address = \"127.91.{n}.1\"\n\
                 asn = 65001\npassive = true\nbfd = {{ interval = \"{}ms\", multiplier = {} }}\n",
                options.interval, options.multiplier,
            );
        }
        let file = folder.join("speaker.toml");
        std::fs::write(&file, config)?;
        let child = pathvane()
            .args(["run", "--config"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("speaker.log"))?)
            .spawn()
            .context("cannot start `pathvane run`")?;
        Ok(Self { child, control })
    }

    /// Waits until BFD with every peer says so; how long after their last changes the engine had them.
    fn until_all(&self, count: u8, says: &str) -> Result<Vec<Duration>> {
        for _ in 0..300 {
            std::thread::sleep(Duration::from_millis(100));
            let shown = pathvane()
                .args(["show", "bfd", "--json", "--socket"])
                .arg(&self.control)
                .stderr(Stdio::null())
                .output()
                .context("cannot run `pathvane show bfd`")?;
            let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
            let all = shown.as_array().into_iter().flatten().map(|bfd| &bfd["session"]);
            let so: Vec<_> = all.filter(|session| session["says"] == says).collect();
            if so.len() == usize::from(count) {
                let taken = so.iter().filter_map(|session| session["taken_after_ns"].as_u64());
                return Ok(taken.map(Duration::from_nanos).collect());
            }
        }
        bail!("BFD of the speaker is not {says}")
    }

    /// Has it leave, and its BFD process with it.
    fn drain(mut self) -> Result<()> {
        let drained = pathvane()
            .args(["drain", "--socket"])
            .arg(&self.control)
            .stdout(Stdio::null())
            .status()
            .context("cannot run `pathvane drain`")?;
        ensure!(drained.success(), "`pathvane drain` fails");
        self.child.wait().context("the speaker does not end")?;
        Ok(())
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The release build, that takes nothing from us.
fn pathvane() -> Command {
    let mut command = Command::new(shell::root().join("target/release/pathvane"));
    command.stdin(Stdio::null());
    command
}

/// A claimed line to a process.
struct Line {
    reader: BufReader<UnixStream>,
}

impl Line {
    fn hear(&mut self) -> Result<Value> {
        let mut line = String::new();
        let len = self.reader.read_line(&mut line).context("nothing is told any more")?;
        ensure!(len > 0, "the process is gone");
        Ok(serde_json::from_str(&line)?)
    }

    /// Waits until every session has said `liveness`; when each did, after `since`.
    fn until_all(
        &mut self,
        count: u8,
        liveness: &str,
        since: Option<Instant>,
    ) -> Result<Vec<Duration>> {
        let mut seen = std::collections::BTreeMap::new();
        while seen.len() < usize::from(count) {
            let said = self.hear()?;
            if said["liveness"] == liveness {
                let after = since.map(|since| since.elapsed()).unwrap_or_default();
                seen.entry(said["remote"].to_string()).or_insert(after);
            }
        }
        Ok(seen.into_values().collect())
    }

    /// How many failures are told within a time.
    fn failures(&mut self, time: Duration) -> Result<u32> {
        let end = Instant::now() + time;
        let mut failures = 0;
        // Counters come every five seconds, so this ends.
        while Instant::now() < end {
            failures += u32::from(self.hear()?["liveness"] == "down");
        }
        Ok(failures)
    }
}
