//! Whether the conformance suite can fail: a copy of the tree with every mutant of
//! `fixtures/mutants/mutants.toml` in it, asleep, built once; then one run for each that is awake.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::shell;

/// Which of them.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only mutants whose `says` or `file` contains this.
    #[arg(default_value = "")]
    only: String,
}

/// One way to be wrong.
struct Mutant {
    says: String,
    file: String,
    /// What stands in the file once, the expression in it, and what that becomes.
    find: String,
    expr: String,
    to: String,
    /// Which rows notice.
    rows: Vec<String>,
}

const TABLE: &str = "fixtures/mutants/mutants.toml";

/// Every crate that mutants are in knows this one; it may not ask the environment itself.
const SWITCH: &str = "
/// Which mutant this process is.
pub static MUTANT: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

/// Whether it is this one.
#[inline(never)]
pub fn mutant(number: u32) -> bool {
    MUTANT.load(core::sync::atomic::Ordering::Relaxed) == number
}
";

/// Sets the switch before anything else happens.
const AT_START: &str = "fn main() -> ExitCode {
    let number = std::env::var(\"PATHVANE_MUTANT\").ok().and_then(|text| text.parse().ok());
    pathvane_wire::MUTANT.store(number.unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
";

/// Runs it, and prints who was noticed by which rows.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mutants = read()?;
    let tree = copy_of_the_tree()?;
    for (number, mutant) in (1_u32..).zip(&mutants) {
        mutant.plant(number, &tree)?;
    }
    append(&tree.join("crates/wire/src/lib.rs"), SWITCH)?;
    replace(&tree.join("crates/pathvane/src/main.rs"), "fn main() -> ExitCode {\n", AT_START)?;
    let began = Instant::now();
    let program = build(&tree)?;
    let failed = play(&program, &tree, 0, "")?;
    ensure!(failed.is_empty(), "with all mutants asleep rows fail: {failed:?}");
    println!("\nall asleep: every row holds (built and run in {:.0?})", began.elapsed());
    let mut survivors = 0;
    let mut tried = 0;
    for (number, mutant) in (1..).zip(&mutants) {
        if !mutant.says.contains(&options.only) && !mutant.file.contains(&options.only) {
            continue;
        }
        tried += 1;
        let failed = play(&program, &tree, number, &mutant.rows.join(","))?;
        let missed: Vec<_> = mutant.rows.iter().filter(|row| !failed.contains(*row)).collect();
        survivors += usize::from(!missed.is_empty());
        match missed.is_empty() {
            true => println!("noticed   {number:3} {}: {}", mutant.says, mutant.rows.join(", ")),
            false => {
                println!("SURVIVES  {number:3} {} ({}): {missed:?} hold", mutant.says, mutant.file)
            }
        }
    }
    println!("{tried} mutants, {} noticed, in {:.0?}", tried - survivors, began.elapsed());
    ensure!(survivors == 0, "{survivors} mutants survive");
    Ok(())
}

fn read() -> Result<Vec<Mutant>> {
    let text = fs::read_to_string(shell::root().join(TABLE)).context(TABLE)?;
    let table: toml::Table = text.parse().context(TABLE)?;
    let list = table.get("mutant").and_then(toml::Value::as_array).context("no mutants")?;
    list.iter().map(|one| Mutant::read(one).with_context(|| format!("{TABLE}: {one}"))).collect()
}

impl Mutant {
    fn read(value: &toml::Value) -> Result<Mutant> {
        let text = |key: &str| value.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let rows = value.get("rows").and_then(toml::Value::as_array).context("no `rows`")?;
        let find = text("find").context("no `find`")?;
        Ok(Mutant {
            says: text("says").context("no `says`")?,
            file: text("file").context("no `file`")?,
            expr: text("expr").unwrap_or_else(|| find.clone()),
            find,
            to: text("to").context("no `to`")?,
            rows: rows.iter().filter_map(|row| row.as_str().map(str::to_owned)).collect(),
        })
    }

    /// Whether what it changes stands in its file, once.
    fn fits(&self) -> Result<()> {
        let original =
            fs::read_to_string(shell::root().join(&self.file)).context(self.file.clone())?;
        let found = original.matches(&self.find).count();
        ensure!(found == 1, "{}: `{}` is there {found} times", self.file, self.find);
        ensure!(self.find.matches(&self.expr).count() == 1, "{}: `{}`", self.file, self.expr);
        Ok(())
    }

    /// Puts it into the copy, behind its switch. Several may change one expression.
    fn plant(&self, number: u32, tree: &Path) -> Result<()> {
        let here = if self.file.starts_with("crates/wire/") { "crate" } else { "pathvane_wire" };
        self.fits()?;
        let path = tree.join(&self.file);
        let (before, after) = self.find.split_once(&self.expr).expect("just looked");
        // What an earlier mutant made of it ends the same way.
        let planted = fs::read_to_string(&path).context(self.file.clone())?;
        let awake =
            format!("(if {here}::mutant({number}) {{ {} }} else {{ {} }})", self.to, self.expr);
        let text = match planted.contains(&self.find) {
            true => planted.replacen(&self.find, &format!("{before}{awake}{after}"), 1),
            false => {
                let asleep = format!("else {{ {} }})", self.expr);
                ensure!(planted.matches(&asleep).count() == 1, "{}: `{}`", self.file, self.find);
                planted.replacen(&asleep, &format!("else {{ {awake} }})"), 1)
            }
        };
        fs::write(&path, text).context(self.file.clone())
    }
}

/// A copy of what Git knows. It is built apart: two builds of different trees in one place would undo
/// each other.
fn copy_of_the_tree() -> Result<PathBuf> {
    let tree = shell::root().join("target/mutants/tree");
    let listed = Command::new("git").args(["ls-files"]).current_dir(shell::root()).output()?;
    ensure!(listed.status.success(), "git ls-files fails");
    for name in String::from_utf8(listed.stdout)?.lines() {
        let (from, to) = (shell::root().join(name), tree.join(name));
        fs::create_dir_all(to.parent().context("a folder")?)?;
        // An unchanged file keeps its time, and is not built again.
        let text = fs::read(&from).with_context(|| format!("cannot read {name}"))?;
        if fs::read(&to).ok().as_ref() != Some(&text) {
            fs::write(&to, text)?;
        }
    }
    Ok(tree)
}

fn append(path: &Path, text: &str) -> Result<()> {
    let before = fs::read_to_string(path)?;
    fs::write(path, before + text).with_context(|| path.display().to_string())
}

fn replace(path: &Path, from: &str, to: &str) -> Result<()> {
    let before = fs::read_to_string(path)?;
    ensure!(before.contains(from), "{} has changed", path.display());
    fs::write(path, before.replacen(from, to, 1)).with_context(|| path.display().to_string())
}

/// Builds the copy; where the suite's program is.
fn build(tree: &Path) -> Result<PathBuf> {
    let target = tree.parent().context("a folder")?.join("target");
    let args = ["test", "-p", "pathvane", "--test", "conformance", "--no-run"];
    let output = Command::new("cargo")
        .args(args)
        .arg("--message-format=json")
        .env("CARGO_TARGET_DIR", target)
        .current_dir(tree)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the copy with all mutants asleep is not built");
    let text = String::from_utf8_lossy(&output.stdout);
    let built = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = built.filter(|one| one["target"]["name"] == "conformance");
    let program = programs.find_map(|one| one["executable"].as_str().map(PathBuf::from));
    program.context("cargo names no program")
}

/// The rows that fail with one mutant awake.
fn play(program: &Path, tree: &Path, number: u32, rows: &str) -> Result<BTreeSet<String>> {
    let output = Command::new(program)
        .args(["every_row_holds", "--nocapture"])
        .env("RUST_BACKTRACE", "0")
        .env("PATHVANE_MUTANT", number.to_string())
        .env("PATHVANE_CONFORMANCE_ROWS", rows)
        .current_dir(tree.join("crates/pathvane"))
        .output()
        .context("cannot run the suite")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let failed: BTreeSet<_> = text
        .lines()
        .filter_map(|line| {
            line.split_once("FAILED ")?.1.split_once(" (").map(|(id, _)| id.to_owned())
        })
        .collect();
    if !text.contains(" rows played") {
        // The daemon did not even come up.
        bail!("mutant {number} played no row:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run takes long and is made seldom; what it needs breaks whenever a line is rewritten.
    #[test]
    fn every_mutant_fits_the_tree() {
        let mutants = read().expect("the table is sound");
        assert!(mutants.len() >= 75);
        let misfits: Vec<_> = mutants.iter().filter_map(|mutant| mutant.fits().err()).collect();
        assert!(misfits.is_empty(), "{misfits:#?}");
    }
}
