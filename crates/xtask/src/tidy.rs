//! The rules that the compiler does not check.
//!
//! 1. Floors 0-2 stay pure: `no_std`, no unsafe, and dependencies from a short list.
//! 2. Imports go down: a crate depends only on crates of lower floors.
//! 3. Every source file says what it is (`//!`).
//! 4. Paths of this repository that the documents name exist.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Crates by floor; an import goes to a lower number.
const FLOORS: &[(&str, u8)] = &[
    ("clock", 0),
    ("wire", 0),
    ("session", 1),
    ("rib", 1),
    ("probe", 1),
    ("score", 1),
    ("engine", 2),
    ("decode", 3),
    ("sim", 3),
    ("speaker", 3),
    ("lab", 4),
    ("pathvane", 5),
];

/// What the pure floors may depend on besides each other: `no_std` crates without an OS.
const PURE: &[&str] = &[
    "bytes",
    "nom",
    "ipnet",
    "pnet",
    "hashbrown",
    "foldhash",
    "smallvec",
    "bitflags",
    "libm",
    "regex-automata",
    "fastrand",
    "hmac",
    "sha2",
];

/// Checks all rules and reports every breach.
pub(crate) fn run() -> Result<()> {
    let root = shell::root();
    let mut breaches = Vec::new();
    for &(name, floor) in FLOORS {
        let dir = root.join("crates").join(name);
        imports(&dir, name, floor, &mut breaches)?;
        if floor <= 2 {
            purity(&dir, &mut breaches)?;
        }
    }
    for file in files(&root, "rs")? {
        let text = fs::read_to_string(&file)?;
        if !text.starts_with("//!") {
            breaches.push(format!("{}: does not start with //!", file.display()));
        }
    }
    for file in files(&root, "md")? {
        documents(&root, &file, &mut breaches)?;
    }
    if breaches.is_empty() {
        println!("tidy: in order");
        return Ok(());
    }
    bail!("tidy:\n  {}", breaches.join("\n  "))
}

fn floor_of(package: &str) -> Option<u8> {
    let name = package.strip_prefix("pathvane-")?;
    FLOORS.iter().find(|(n, _)| *n == name).map(|&(_, floor)| floor)
}

fn imports(dir: &Path, name: &str, floor: u8, breaches: &mut Vec<String>) -> Result<()> {
    let path = dir.join("Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .parse()?;
    let Some(dependencies) = manifest.get("dependencies").and_then(|d| d.as_table()) else {
        return Ok(());
    };
    for dependency in dependencies.keys() {
        match floor_of(dependency) {
            Some(other) if other >= floor => {
                breaches
                    .push(format!("{name} (floor {floor}) imports {dependency} (floor {other})"));
            }
            None if floor <= 2 && !PURE.contains(&dependency.as_str()) => {
                breaches.push(format!("{name} is pure and may not depend on {dependency}"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn purity(dir: &Path, breaches: &mut Vec<String>) -> Result<()> {
    let lib = fs::read_to_string(dir.join("src/lib.rs"))?;
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        if !lib.contains(attribute) {
            breaches.push(format!("{}: lacks {attribute}", dir.join("src/lib.rs").display()));
        }
    }
    Ok(())
}

fn documents(root: &Path, file: &Path, breaches: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(file)?;
    for named in text.split('`').skip(1).step_by(2).filter(|word| is_path(word)) {
        let path = named.split(['#', ':']).next().unwrap_or(named);
        let beside = file.parent().unwrap_or(root).join(path);
        if !root.join(path).exists() && !beside.exists() {
            breaches.push(format!("{}: names {named}, which does not exist", file.display()));
        }
    }
    Ok(())
}

/// Whether a word in backquotes means a file of this repository.
fn is_path(word: &str) -> bool {
    let tops = ["crates/", "docs/", "fixtures/", "benches/", ".ci/"];
    tops.iter().any(|top| word.starts_with(top)) && !word.contains(['*', '<', ' ', '{', '\n', '$'])
}

/// All files of the repository with extension `ext`, build output left out.
fn files(root: &Path, ext: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with(".git") {
                    dirs.push(path);
                }
            } else if path.extension().is_some_and(|e| e == ext) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
