//! `cargo xtask fuzz`: runs the fuzz targets of `crates/fuzz`, and says what they did.
//!
//! Seeds are the messages of `fixtures/wire` and the inputs in `fixtures/fuzz/TARGET`, where findings
//! go once they are fixed. What the fuzzer finds interesting is kept under `target/fuzz`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::shell;

/// Every target, and how seeds for it are made of a stream of BGP messages.
const TARGETS: &[(&str, Seed)] = &[
    ("messages", |context, octets| [&[context], octets].concat()),
    ("files", |_, octets| [&[0], octets].concat()),
    ("session", session_seed),
    ("engine", engine_seed),
    ("probes", |_, _| Vec::new()),
    ("texts", |_, _| Vec::new()),
];

/// Makes a seed of the bits of a context and the messages of a fixture.
type Seed = fn(u8, &[u8]) -> Vec<u8>;

/// Which targets, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this target.
    #[arg(value_parser = ["messages", "files", "session", "engine", "probes", "texts"])]
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

impl Options {
    /// All targets, each for so many seconds.
    pub(crate) fn all(seconds: u32) -> Self {
        Self { target: None, seconds }
    }
}

/// Runs the targets; a finding is a failure.
pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = shell::root().join("crates/fuzz");
    let mut found = Vec::new();
    for (target, seed) in TARGETS {
        if options.target.as_deref().is_some_and(|only| only != *target) {
            continue;
        }
        let work = shell::root().join("target/fuzz").join(target);
        sow(&work.join("corpus"), target, *seed)?;
        let done = fuzz(&folder, target, &work, options.seconds)?;
        println!("fuzz: {target}: {done}");
        found.extend(findings(&work)?);
    }
    ensure!(found.is_empty(), "findings:\n  {}", found.join("\n  "));
    Ok(())
}

/// Builds and runs one target; the fuzzer's own last words.
fn fuzz(folder: &Path, target: &str, work: &Path, seconds: u32) -> Result<String> {
    println!("\nfuzz: {target}, {seconds} s");
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--quiet", "--bin", target])
        .current_dir(folder)
        .status()
        .context("cannot run cargo")?;
    ensure!(built.success(), "the target {target} does not build");
    let artifacts = work.join("findings");
    fs::create_dir_all(&artifacts)?;
    let output = Command::new("cargo")
        .args(["run", "--release", "--locked", "--quiet", "--bin", target, "--"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-max_len=8192", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"])
        .arg(work.join("corpus"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{said}");
    }
    let word = |name: &str| {
        said.lines().rev().find_map(|line| line.trim().strip_prefix(name)).map(str::trim)
    };
    let executions = word("stat::number_of_executed_units:").unwrap_or("?");
    let rate = word("stat::average_exec_per_sec:").unwrap_or("?");
    let covered = said.lines().rev().find_map(|line| line.split(" cov: ").nth(1));
    let covered = covered.and_then(|rest| rest.split(' ').next()).unwrap_or("?");
    Ok(format!("{executions} executions, {rate} a second, {covered} edges covered"))
}

/// What a target has found, now or before.
fn findings(work: &Path) -> Result<Vec<String>> {
    let folder = work.join("findings");
    let files =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    files.map(|file| Ok(file?.path().display().to_string())).collect()
}

/// Puts the seeds of a target into its corpus.
fn sow(corpus: &Path, target: &str, seed: Seed) -> Result<()> {
    fs::create_dir_all(corpus)?;
    for path in files_of(&shell::root().join("fixtures/wire"))? {
        if path.extension().is_some_and(|extension| extension == "hex") {
            let (context, octets) = read(&fs::read_to_string(&path)?)?;
            fs::write(corpus.join(path.file_stem().unwrap_or_default()), seed(context, &octets))?;
        }
    }
    if target == "texts" {
        sow_texts(corpus)?;
    }
    let own = shell::root().join("fixtures/fuzz").join(target);
    if own.exists() {
        for path in files_of(&own)? {
            let text = fs::read_to_string(&path)?;
            fs::write(corpus.join(path.file_stem().unwrap_or_default()), read(&text)?.1)?;
        }
    }
    Ok(())
}

/// Configurations, series, and a line of each other kind, behind the octet that says which it is.
fn sow_texts(corpus: &Path) -> Result<()> {
    let folders = [(0, "configs/good"), (0, "configs/bad"), (4, "series")];
    for (which, folder) in folders {
        for path in files_of(&shell::root().join("fixtures").join(folder))? {
            if path.extension().is_none_or(|extension| extension != "expect") && path.is_file() {
                let name = path.file_name().unwrap_or_default();
                fs::write(corpus.join(name), [&[which], &fs::read(&path)?[..]].concat())?;
            }
        }
    }
    for (which, text) in LINES {
        fs::write(corpus.join(format!("line-{which}")), [&[which], text.as_bytes()].concat())?;
    }
    Ok(())
}

/// A pattern with what it matches, a line of the intake, one of the BFD socket.
const LINES: [(u8, &str); 3] = [
    (1, "^65001_[0-9]+ (6|7)*$\n65001 65002 {65003}\nllgr-stale\nrt:65000:100\n1:2:3"),
    (
        2,
        r#"{"path": "east", "source": "phone-7", "class": "voice", "mos": 4.1, "valid_for": "30s"}"#,
    ),
    (
        3,
        r#"{"ask":"claim","version":1,"sessions":[{"key":{"local":"192.0.2.1","remote":"192.0.2.2","interface":null,"multihop":false},"interval_us":50000,"multiplier":3}]}"#,
    ),
];

fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// The bits of a fixture's context, and its octets.
fn read(text: &str) -> Result<(u8, Vec<u8>)> {
    let context = text.lines().find_map(|line| line.strip_prefix("context: ")).unwrap_or_default();
    let bit = |word, bit: u8| u8::from(context.split(' ').any(|w| w == word)) << bit;
    let bits = bit("internal", 0) | bit("two-octet", 1) | bit("ipv6", 2);
    let both = bit("add-path", 3) | bit("add-path", 4) | bit("extended-next-hop", 5);
    let mut octets = Vec::new();
    for line in text.lines() {
        if line.starts_with('>') || line.starts_with("context: ") {
            continue;
        }
        for word in line.split('#').next().unwrap_or_default().split_whitespace() {
            match u8::from_str_radix(word, 16) {
                Ok(octet) => octets.push(octet),
                Err(_) => bail!("{word} is no octet in hexadecimal digits"),
            }
        }
    }
    Ok((bits | both, octets))
}

/// A program of the session target that comes to Established and then takes the messages.
fn session_seed(context: u8, octets: &[u8]) -> Vec<u8> {
    // Start, a connection from the peer, its OPEN, its KEEPALIVE; then raw octets in pieces.
    let mut program = vec![context & 1, 0, 0, 3 << 1, 0, 4 << 1];
    for piece in octets.chunks(200) {
        program.extend([7 << 1, u8::try_from(piece.len()).unwrap_or(u8::MAX)]);
        program.extend(piece);
    }
    program
}

/// A program of the engine target that opens the first peer's session and then sends the messages.
fn engine_seed(_: u8, octets: &[u8]) -> Vec<u8> {
    let mut program = vec![0, 0, 1, 0, 2];
    for piece in octets.chunks(200) {
        program.extend([6, u8::try_from(piece.len()).unwrap_or(u8::MAX)]);
        program.extend(piece);
    }
    program
}
