//! `docs/SCORING.md` lists every default with the value it has.

use std::fs;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Name and value of each constant, the value as the page writes it.
fn constants(source: &str) -> Vec<(String, String)> {
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for item in source.split("pub const ").skip(1) {
        let (name, rest) = item.split_once(':').unwrap();
        let (_, value) = rest.split_once(" = ").unwrap();
        let value = value.split_once(';').unwrap().0;
        found.push((name.to_string(), written(value)));
    }
    found
}

/// `Duration::from_secs(5)` is `5 s`, and a struct is its fields.
fn written(value: &str) -> String {
    let value = value.replace("Duration::ZERO", "0 s");
    let value = unit(&unit(&value, "Duration::from_secs(", " s"), "Duration::from_millis(", " ms");
    let value = value.replace("Some(", "").replace("ms)", "ms");
    match value.split_once(" { ") {
        Some((_, fields)) => fields.trim_end_matches(['}', ' ', ',']).to_string(),
        None => value,
    }
}

fn unit(value: &str, call: &str, unit: &str) -> String {
    let mut parts = value.split(call);
    let mut out = parts.next().unwrap().to_string();
    for part in parts {
        let (number, rest) = part.split_once(')').unwrap();
        out += &format!("{number}{unit}{rest}");
    }
    out
}

#[test]
fn the_page_lists_every_constant_with_its_value() {
    let source = fs::read_to_string(format!("{FOLDER}/src/defaults.rs")).unwrap();
    let page = fs::read_to_string(format!("{FOLDER}/../../docs/SCORING.md")).unwrap();
    let constants = constants(&source);
    assert!(constants.len() > 80);
    for (name, value) in constants {
        let row = format!("| `{name}` | {value} |");
        assert!(page.contains(&row), "docs/SCORING.md lacks {row}");
    }
}

#[test]
fn the_files_that_the_page_names_exist() {
    let page = fs::read_to_string(format!("{FOLDER}/../../docs/SCORING.md")).unwrap();
    let named = page.split(|c: char| c.is_whitespace() || "()`".contains(c));
    let named: Vec<&str> = named.filter(|it| it.starts_with("crates/score/")).collect();
    assert!(named.len() >= 4);
    for path in named {
        assert!(fs::exists(format!("{FOLDER}/../../{path}")).unwrap(), "{path}");
    }
}
