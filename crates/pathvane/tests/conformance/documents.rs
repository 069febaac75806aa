//! `docs/RFC.md` names every row of the suite, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::rows;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/RFC.md");
    fs::read_to_string(path).expect("docs/RFC.md")
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
