//! `docs/RFC.md` names every row of the suite, and no other, and for each requirement that is met a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::rows;

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn document() -> String {
    fs::read_to_string(at("docs/RFC.md")).expect("docs/RFC.md")
}

/// What stands between backquotes and begins like a row: an RFC's number, a hyphen, a section.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split('`').skip(1).step_by(2);
    words.filter(|word| is_identifier(word)).collect()
}

fn is_identifier(word: &str) -> bool {
    let Some((rfc, rest)) = word.split_once('-') else { return false };
    rfc.len() == 4 && rfc.bytes().all(|octet| octet.is_ascii_digit()) && !rest.is_empty()
}

#[test]
fn each_row_is_named_in_the_document_and_each_name_is_a_row() {
    let text = document();
    let named = named(&text);
    let rows = rows::all();
    let known: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(known.len(), rows.len(), "two rows have one name");
    let missing: Vec<_> = known.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(missing.is_empty(), "docs/RFC.md does not name {missing:?}");
    assert!(unknown.is_empty(), "docs/RFC.md names rows that there are not: {unknown:?}");
    assert!(rows.iter().all(|row| is_identifier(row.id)), "a row without an RFC");
}

/// What is said of a requirement that is met, less what stands before its proofs. Lines with a link
/// are of the overview.
fn proofs(line: &str) -> Option<&str> {
    let status = line.split('|').nth(2)?;
    let met = ["yes", "deviates", "library", "in part"].iter().any(|word| status.contains(word));
    let overview = line.starts_with("| [");
    (met && !overview).then(|| line.split_once("*tests*").map_or("", |(_, proofs)| proofs))
}

/// What is wrong with the proofs of a line: neither a row nor a function, a file or a function that
/// there is not. That rows exist is asked elsewhere.
fn wrong(proofs: &str) -> Option<String> {
    let mut file = String::new();
    let mut any = false;
    for word in proofs.split('`').skip(1).step_by(2) {
        if word.contains('/') {
            let Ok(text) = fs::read_to_string(at(word)) else { return Some(format!("no {word}")) };
            file = text;
            continue;
        }
        if !is_identifier(word) && !file.contains(&format!("fn {word}(")) {
            return Some(format!("no function {word}"));
        }
        any = true;
    }
    (!any).then(|| "no row and no function".to_owned())
}

#[test]
fn each_requirement_that_is_met_names_tests_that_exist() {
    let text = document();
    let (requirements, _) = text.split_once("## What a peer can see").expect("the table of rows");
    let met: Vec<_> = requirements.lines().filter_map(|line| Some((line, proofs(line)?))).collect();
    assert!(met.len() > 100, "{} requirements", met.len());
    let wrong: Vec<_> = met
        .into_iter()
        .filter_map(|(line, proofs)| Some(format!("{}: {line}", wrong(proofs)?)))
        .collect();
    assert!(wrong.is_empty(), "docs/RFC.md:\n{}", wrong.join("\n"));
}
