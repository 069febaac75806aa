//! Whether the conformance suite and the tests of measuring can fail: a copy of the tree with every
//! mutant of `fixtures/mutants` in it, asleep, built once; then one run for each that is awake.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Only mutants whose `says`, `file` or table (such as `measuring`) contains this.
    #[arg(default_value = "")]
    only: String,
}

/// One way to be wrong.
struct Mutant {
    /// The file that lists it.
    table: &'static str,
    says: String,
    file: String,
    /// What stands in the file once, the expression in it, and what that becomes.
    find: String,
    expr: String,
    to: String,
    /// Who notices.
    killers: Killers,
}

/// What has to fail.
enum Killers {
    /// Rows of the conformance suite.
    Rows(Vec<String>),
    /// Tests, by the program they are in.
    Tests(BTreeMap<Target, Vec<String>>),
}

/// Every test that some mutant names, once.
fn all_tests<'m>(mutants: impl Iterator<Item = &'m Mutant>) -> BTreeMap<Target, Vec<String>> {
    let mut all: BTreeMap<Target, BTreeSet<String>> = BTreeMap::new();
    for mutant in mutants {
        if let Killers::Tests(tests) = &mutant.killers {
            for (target, named) in tests {
                all.entry(target.clone()).or_default().extend(named.iter().cloned());
            }
        }
    }
    all.into_iter().map(|(target, named)| (target, named.into_iter().collect())).collect()
}

/// One test program: a crate's folder, and the file of its tests or `lib`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Target {
    folder: String,
    name: String,
}

const TABLES: [&str; 2] = ["fixtures/mutants/mutants.toml", "fixtures/mutants/measuring.toml"];

/// The crates whose tests notice mutants of measuring.
const TESTED: [&str; 4] = ["probe", "score", "engine", "sim"];

/// A test that does not end in this many seconds has noticed something.
const PATIENCE_S: &str = "120";

/// Every crate that mutants are in knows one of these two. In the copy they may ask the environment.
const KNOWN: [&str; 2] = ["crates/wire/src/lib.rs", "crates/clock/src/lib.rs"];

const SWITCH: &str = "
extern crate std;

/// Whether this process is that mutant.
#[inline(never)]
pub fn mutant(number: u32) -> bool {
    static AWAKE: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    let number_of = |text: std::string::String| text.parse().ok();
    *AWAKE.get_or_init(|| std::env::var(\"PATHVANE_MUTANT\").ok().and_then(number_of)) == Some(number)
}
";

/// Runs it, and prints who was noticed by whom.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mutants = read()?;
    let tree = copy_of_the_tree()?;
    for (number, mutant) in (1_u32..).zip(&mutants) {
        mutant.plant(number, &tree)?;
    }
    for known in KNOWN {
        append(&tree.join(known), SWITCH)?;
    }
    let tried: Vec<_> =
        (1_u32..).zip(&mutants).filter(|(_, mutant)| mutant.is_about(&options.only)).collect();
    let began = Instant::now();
    let programs = Programs::build(&tree, tried.iter().map(|(_, mutant)| *mutant))?;
    let failed = programs.test(0, &all_tests(tried.iter().map(|(_, mutant)| *mutant)))?;
    ensure!(failed.is_empty(), "with all mutants asleep tests fail: {failed:?}");
    println!("\nall asleep: everything holds (built and run in {:.0?})", began.elapsed());
    let mut survivors = 0;
    for (number, mutant) in &tried {
        let (named, failed) = match &mutant.killers {
            Killers::Rows(rows) => (rows.clone(), programs.play(*number, &rows.join(","))?),
            Killers::Tests(tests) => {
                (tests.values().flatten().cloned().collect(), programs.test(*number, tests)?)
            }
        };
        let missed: Vec<_> = named.iter().filter(|one| !failed.contains(*one)).collect();
        survivors += usize::from(!missed.is_empty());
        match missed.is_empty() {
            true => println!("noticed   {number:3} {}: {}", mutant.says, named.join(", ")),
            false => {
                println!("SURVIVES  {number:3} {} ({}): {missed:?} hold", mutant.says, mutant.file)
            }
        }
    }
    let all = tried.len();
    println!("{all} mutants, {} noticed, in {:.0?}", all - survivors, began.elapsed());
    println!("{} rows of the conformance suite are named by none: {}", unnamed()?.len(), TABLES[0]);
    ensure!(survivors == 0, "{survivors} mutants survive");
    Ok(())
}

/// Rows of the conformance suite that no mutant names, and why, as the table has it.
fn unnamed() -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(shell::root().join(TABLES[0])).context(TABLES[0])?;
    let table: toml::Table = text.parse().context(TABLES[0])?;
    let beyond = table.get("beyond").and_then(toml::Value::as_table).context("no [beyond]")?;
    let reason =
        |(row, why): (&String, &toml::Value)| Some((row.clone(), why.as_str()?.to_owned()));
    Ok(beyond.iter().filter_map(reason).collect())
}

fn read() -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for file in TABLES {
        let text = fs::read_to_string(shell::root().join(file)).context(file)?;
        let table: toml::Table = text.parse().context(file)?;
        for one in table.get("mutant").and_then(toml::Value::as_array).context("no mutants")? {
            mutants.push(Mutant::read(file, one).with_context(|| format!("{file}: {one}"))?);
        }
    }
    Ok(mutants)
}

impl Mutant {
    fn read(table: &'static str, value: &toml::Value) -> Result<Mutant> {
        let text = |key: &str| value.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let find = text("find").context("no `find`")?;
        Ok(Mutant {
            table,
            says: text("says").context("no `says`")?,
            file: text("file").context("no `file`")?,
            expr: text("expr").unwrap_or_else(|| find.clone()),
            find,
            to: text("to").context("no `to`")?,
            killers: Killers::read(value)?,
        })
    }

    fn is_about(&self, only: &str) -> bool {
        [&self.says, &self.file, self.table].iter().any(|text| text.contains(only))
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
        let here = match self.file.split('/').nth(1) {
            Some("wire") => "crate",
            Some("clock" | "probe" | "score") => "pathvane_clock",
            _ => "pathvane_wire",
        };
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

impl Killers {
    fn read(value: &toml::Value) -> Result<Self> {
        let list = |key: &str| {
            let list = value.get(key).and_then(toml::Value::as_array)?;
            Some(list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect::<Vec<_>>())
        };
        if let Some(rows) = list("rows") {
            return Ok(Self::Rows(rows));
        }
        let mut tests: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for test in list("tests").context("neither `rows` nor `tests`")? {
            let (target, test) = test.split_once(' ').context("no program before the test")?;
            let (folder, name) = target.split_once('/').context("no crate before the program")?;
            let target = Target { folder: folder.to_owned(), name: name.to_owned() };
            tests.entry(target).or_default().push(test.to_owned());
        }
        Ok(Self::Tests(tests))
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

/// What the copy was built into.
struct Programs {
    tree: PathBuf,
    suite: Option<PathBuf>,
    tests: BTreeMap<Target, PathBuf>,
}

impl Programs {
    /// Builds of the copy what notices `mutants`.
    fn build<'a>(tree: &Path, mutants: impl Iterator<Item = &'a Mutant>) -> Result<Self> {
        let (rows, tests): (Vec<_>, Vec<_>) =
            mutants.partition(|mutant| matches!(mutant.killers, Killers::Rows(_)));
        let mut programs = Self { tree: tree.to_owned(), suite: None, tests: BTreeMap::new() };
        if !rows.is_empty() {
            let mut built = build(tree, &["-p", "pathvane", "--test", "conformance"])?;
            programs.suite = built.pop_first().map(|(_, program)| program);
            let failed = programs.play(0, "")?;
            ensure!(failed.is_empty(), "with all mutants asleep rows fail: {failed:?}");
        }
        if !tests.is_empty() {
            let packages = TESTED.map(|folder| format!("pathvane-{folder}"));
            let args: Vec<_> = packages.iter().flat_map(|package| ["-p", package]).collect();
            programs.tests = build(tree, &args)?;
        }
        Ok(programs)
    }

    /// The rows that fail with one mutant awake.
    fn play(&self, number: u32, rows: &str) -> Result<BTreeSet<String>> {
        let output = Command::new(self.suite.as_ref().context("cargo names no suite")?)
            .args(["every_row_holds", "--nocapture"])
            .env("RUST_BACKTRACE", "0")
            .env("PATHVANE_MUTANT", number.to_string())
            .env("PATHVANE_CONFORMANCE_ROWS", rows)
            .current_dir(self.tree.join("crates/pathvane"))
            .output()
            .context("cannot run the suite")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let failed = text.lines().filter_map(|line| {
            line.split_once("FAILED ")?.1.split_once(" (").map(|(id, _)| id.to_owned())
        });
        if !text.contains(" rows played") {
            // The daemon did not even come up.
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("mutant {number} played no row:\n{text}{errors}");
        }
        Ok(failed.collect())
    }

    /// Those of `tests` that do not hold with one mutant awake: they fail, or do not end.
    fn test(&self, number: u32, tests: &BTreeMap<Target, Vec<String>>) -> Result<BTreeSet<String>> {
        let mut failed = BTreeSet::new();
        for (target, names) in tests {
            let program = self.tests.get(target);
            let program = program.with_context(|| format!("cargo built no {target:?}"))?;
            let output = Command::new("timeout")
                .arg(PATIENCE_S)
                .arg(program)
                .arg("--exact")
                .args(names)
                .env("RUST_BACKTRACE", "0")
                .env("PATHVANE_MUTANT", number.to_string())
                .current_dir(self.tree.join("crates").join(&target.folder))
                .output()
                .context("cannot run timeout")?;
            let text = String::from_utf8_lossy(&output.stdout);
            let holds = |name: &&String| {
                text.lines().any(|line| line.trim_end() == format!("test {name} ... ok"))
            };
            failed.extend(names.iter().filter(|name| !holds(name)).cloned());
        }
        Ok(failed)
    }
}

/// Builds tests of the copy; where their programs are.
fn build(tree: &Path, what: &[&str]) -> Result<BTreeMap<Target, PathBuf>> {
    let output = Command::new("cargo")
        .arg("test")
        .args(what)
        .args(["--no-run", "--message-format=json-render-diagnostics"])
        .env("CARGO_TARGET_DIR", tree.parent().context("a folder")?.join("target"))
        .current_dir(tree)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the copy with all mutants asleep is not built");
    let text = String::from_utf8_lossy(&output.stdout);
    let built = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |one: Value| {
        let path = one["executable"].as_str().map(PathBuf::from)?;
        let folder = Path::new(one["manifest_path"].as_str()?).parent()?.file_name()?.to_str()?;
        let name = match one["target"]["kind"][0].as_str()? {
            "lib" => "lib",
            "test" => one["target"]["name"].as_str()?,
            _ => return None,
        };
        Some((Target { folder: folder.to_owned(), name: name.to_owned() }, path))
    };
    Ok(built.filter_map(program).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run takes long and is made seldom; what it needs breaks whenever a line is rewritten.
    #[test]
    fn every_mutant_fits_the_tree() {
        let mutants = read().expect("the tables are sound");
        assert!(mutants.len() > 300);
        let misfits: Vec<_> = mutants.iter().filter_map(|mutant| mutant.fits().err()).collect();
        assert!(misfits.is_empty(), "{misfits:#?}");
        for (nth, mutant) in mutants.iter().enumerate() {
            // It would be planted in what replaces the line, not in the line.
            let hides = |earlier: &&Mutant| {
                (&earlier.file, &earlier.find) == (&mutant.file, &mutant.find)
                    && earlier.to.contains(&mutant.find)
            };
            let hidden = mutants[..nth].iter().find(hides).map(|earlier| &earlier.says);
            assert_eq!(hidden, None, "{}", mutant.says);
        }
    }

    /// A row that nothing makes fail proves nothing, and says why it is there all the same.
    #[test]
    fn every_row_is_named_by_a_mutant_or_says_why_not() {
        let text =
            fs::read_to_string(shell::root().join("docs/RFC.md")).expect("the table of rows");
        let (_, table) = text.split_once("## What a peer can see").expect("the table of rows");
        let is_row = |word: &&str| {
            let rfc = word.split('-').next().unwrap_or_default();
            rfc.len() == 4 && rfc.bytes().all(|octet| octet.is_ascii_digit()) && word.len() > 5
        };
        let rows: BTreeSet<String> =
            table.split('`').skip(1).step_by(2).filter(is_row).map(str::to_owned).collect();
        assert!(rows.len() > 290, "{} rows", rows.len());
        let mut named = BTreeSet::new();
        for mutant in read().expect("the tables are sound") {
            if let Killers::Rows(rows) = mutant.killers {
                named.extend(rows);
            }
        }
        let beyond: BTreeSet<String> = unnamed().expect("the table is sound").into_keys().collect();
        let (unknown, both): (Vec<_>, Vec<_>) =
            (named.difference(&rows).collect(), named.intersection(&beyond).collect());
        assert!(unknown.is_empty() && both.is_empty(), "no rows: {unknown:?}; both: {both:?}");
        let missing: Vec<_> =
            rows.iter().filter(|row| !named.contains(*row) && !beyond.contains(*row)).collect();
        assert!(missing.is_empty(), "no mutant names {missing:?}");
        assert!(beyond.is_subset(&rows), "{beyond:?}");
    }

    #[test]
    fn every_test_that_has_to_notice_exists() {
        let mut missing = Vec::new();
        for mutant in read().expect("the tables are sound") {
            let Killers::Tests(tests) = mutant.killers else { continue };
            assert!(!tests.is_empty(), "{}", mutant.says);
            for (target, names) in tests {
                assert!(TESTED.contains(&&*target.folder), "{target:?}");
                let text = target.text();
                let of = |name: &String| format!("fn {}(", name.rsplit("::").next().unwrap());
                missing.extend(names.into_iter().filter(|name| !text.contains(&of(name))));
            }
        }
        assert!(missing.is_empty(), "{missing:#?}");
    }

    impl Target {
        /// All that its tests may be written in.
        fn text(&self) -> String {
            let crate_root = shell::root().join("crates").join(&self.folder);
            if self.name == "lib" {
                return files(&crate_root.join("src"));
            }
            let one = crate_root.join("tests").join(&self.name);
            fs::read_to_string(one.with_extension("rs")).unwrap_or_else(|_| files(&one))
        }
    }

    fn files(folder: &Path) -> String {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.unwrap().path());
        let text = |path: PathBuf| match path.is_dir() {
            true => files(&path),
            false => fs::read_to_string(&path).unwrap_or_default(),
        };
        entries.map(text).collect()
    }
}
