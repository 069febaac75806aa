//! The same bytes through tshark and bgpdump: prefixes, AS paths, communities and MED agree.
//!
//! Skipped where these programs are not installed, unless the test command requires them
//! (`PATHVANE_REQUIRE_PEERS`); `cargo xtask setup` installs them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pathvane_decode::{Attribute, Record, What};
use serde_json::Value;

use crate::decode;
use crate::make;

/// A file for another program; gone afterwards.
struct File(PathBuf);

impl File {
    fn new(name: &str, octets: &[u8]) -> File {
        let path =
            std::env::temp_dir().join(format!("pathvane-decode-{}-{name}", std::process::id()));
        fs::write(&path, octets).expect("a file");
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What a program prints; `None` if it is not there and nobody requires it.
fn run(program: &str, words: &[&str], file: &File) -> Option<String> {
    let output = Command::new(program).args(words).arg(&file.0).output();
    match output {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{program}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) => {
            let required = std::env::var("PATHVANE_REQUIRE_PEERS").is_ok_and(|value| value == "1");
            assert!(!required, "{program}: {error}; run cargo xtask setup");
            eprintln!("skipped: {program} is not installed");
            None
        }
    }
}

fn value(attributes: &[Attribute], code: u8) -> Option<&Value> {
    attributes.iter().find(|attribute| attribute.code == code).map(|attribute| &attribute.value)
}

fn text(attributes: &[Attribute], code: u8) -> String {
    match value(attributes, code) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// Prefixes with what became of them, AS path, communities and MED of one UPDATE.
type Said = (Vec<String>, String, String, String);

/// What we say of each packet with an UPDATE.
fn ours(records: &[Record]) -> BTreeMap<u64, Said> {
    let mut said = BTreeMap::new();
    for record in records {
        let (What::Update(update), Some(packet)) = (&record.what, record.place.packet) else {
            continue;
        };
        let both = update.withdrawn.iter().chain(&update.announced);
        let mut prefixes: Vec<String> =
            both.map(|prefix| prefix.prefix.addr().to_string()).collect();
        prefixes.sort();
        let attributes = &update.attributes;
        said.insert(
            packet,
            (prefixes, text(attributes, 2), text(attributes, 8), text(attributes, 4)),
        );
    }
    said
}

#[test]
fn tshark_reads_a_capture_as_we_do() {
    for add_path in [false, true] {
        let opens = [make::open(64_900, true, add_path), make::open(64_901, true, add_path)];
        let capture = make::pcapng(&make::packets(opens, &make::session(150, true, add_path)));
        let file = File::new(if add_path { "paths.pcapng" } else { "plain.pcapng" }, &capture);
        let fields = [
            "frame.number",
            "bgp.nlri_prefix",
            "bgp.withdrawn_prefix",
            "bgp.mp_reach_nlri_ipv6_prefix",
            "bgp.mp_unreach_nlri_ipv6_prefix",
            "bgp.update.path_attribute.as_path_segment.as4",
            "bgp.update.path_attribute.community_as",
            "bgp.update.path_attribute.community_value",
            "bgp.update.path_attribute.multi_exit_disc",
        ];
        let mut words = vec!["-Y", "bgp.type==2", "-T", "fields", "-E", "separator=;"];
        fields.iter().for_each(|field| words.extend(["-e", field]));
        words.push("-r");
        let Some(printed) = run("tshark", &words, &file) else { return };
        let mut theirs = BTreeMap::new();
        for line in printed.lines() {
            let cells: Vec<&str> = line.split(';').collect();
            let list = |at: usize| cells[at].split(',').filter(|item| !item.is_empty());
            let mut prefixes: Vec<String> = (1..=4).flat_map(list).map(str::to_owned).collect();
            prefixes.sort();
            let path = list(5).collect::<Vec<_>>().join(" ");
            let communities: Vec<String> =
                list(6).zip(list(7)).map(|(asn, value)| format!("{asn}:{value}")).collect();
            let packet = cells[0].parse::<u64>().expect("a number");
            theirs.insert(packet, (prefixes, path, communities.join(" "), cells[8].to_owned()));
        }
        let ours = ours(&decode(&capture).1);
        assert!(ours.len() > 150, "{} UPDATEs", ours.len());
        assert_eq!(ours, theirs);
    }
}

/// A line as `bgpdump -m` prints it, up to the communities.
fn line(kind: &str, record: &Record, attributes: &[Attribute], prefix: &str, hop: &str) -> String {
    let place = &record.place;
    let origin = text(attributes, 1).to_uppercase();
    let number = |code| match value(attributes, code) {
        Some(value) => value.to_string(),
        None => "0".to_owned(),
    };
    format!(
        "{kind}|{}|{}|{prefix}|{}|{origin}|{hop}|{}|{}|{}",
        place.from.as_deref().unwrap_or_default(),
        place.peer_as.unwrap_or_default(),
        text(attributes, 2),
        number(5),
        number(4),
        text(attributes, 8),
    )
}

/// What we say of every prefix, in bgpdump's form.
fn lines(records: &[Record]) -> Vec<String> {
    let mut lines = Vec::new();
    for record in records {
        match &record.what {
            What::Rib(entry) => {
                let hop = entry.prefix.next_hop.as_deref().unwrap_or_default();
                lines.push(line(
                    "B",
                    record,
                    &entry.attributes,
                    &entry.prefix.prefix.to_string(),
                    hop,
                ));
            }
            What::Update(update) => {
                for prefix in &update.withdrawn {
                    let place = &record.place;
                    lines.push(format!(
                        "W|{}|{}|{}",
                        place.from.as_deref().unwrap_or_default(),
                        place.peer_as.unwrap_or_default(),
                        prefix.prefix
                    ));
                }
                for prefix in &update.announced {
                    let hop = prefix.next_hop.as_deref().unwrap_or_default();
                    lines.push(line(
                        "A",
                        record,
                        &update.attributes,
                        &prefix.prefix.to_string(),
                        hop,
                    ));
                }
            }
            _ => {}
        }
    }
    lines.sort();
    lines
}

/// The same of bgpdump's lines: without type and time at the start, aggregation at the end.
fn theirs(printed: &str) -> Vec<String> {
    let mut lines: Vec<String> = printed
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            let end = cells.len().min(12);
            cells[2..end].join("|")
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn bgpdump_reads_tables_and_messages_as_we_do() {
    let routes = make::routes(120, true);
    let files = [
        ("table.mrt", make::table(&routes, false)),
        ("wide.mrt", make::bgp4mp(&make::session(120, true, false), true)),
        ("narrow.mrt", make::bgp4mp(&make::session(120, false, false), false)),
    ];
    for (name, octets) in files {
        let file = File::new(name, &octets);
        let Some(printed) = run("bgpdump", &["-m", "-v"], &file) else { return };
        let ours = lines(&decode(&octets).1);
        assert!(ours.len() > 200, "{name}: {} prefixes", ours.len());
        assert_eq!(ours, theirs(&printed), "{name}");
    }
}
