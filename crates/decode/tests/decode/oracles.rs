//! The same bytes through tshark and bgpdump: prefixes, and every attribute that both know.
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

/// What is said of an UPDATE, each under a name.
type Said = BTreeMap<&'static str, String>;

/// Names, and the fields in which tshark tells what stands under them; of several fields one list.
const FIELDS: [(&str, &[&str]); 14] = [
    (
        "addresses",
        &[
            "nlri_prefix",
            "withdrawn_prefix",
            "mp_reach_nlri_ipv6_prefix",
            "mp_unreach_nlri_ipv6_prefix",
        ],
    ),
    ("lengths", &["prefix_length"]),
    ("path ids", &["nlri_path_id"]),
    ("codes", &["update.path_attribute.type_code"]),
    ("flags", &["update.path_attribute.flags"]),
    ("octets", &["update.path_attribute.length"]),
    ("origin", &["update.path_attribute.origin"]),
    ("path", &["update.path_attribute.as_path_segment.as4"]),
    (
        "next hop",
        &["update.path_attribute.next_hop", "update.path_attribute.mp_reach_nlri.next_hop.ipv6"],
    ),
    ("med", &["update.path_attribute.multi_exit_disc"]),
    (
        "aggregator",
        &["update.path_attribute.aggregator_as", "update.path_attribute.aggregator_origin"],
    ),
    (
        "communities",
        &["update.path_attribute.community_as", "update.path_attribute.community_value"],
    ),
    ("large", &["large_communities.ga", "large_communities.ldp1", "large_communities.ldp2"]),
    ("atomic", &[]),
];

/// What tshark says of each packet with an UPDATE.
fn of_tshark(printed: &str) -> BTreeMap<u64, Said> {
    let mut all = BTreeMap::new();
    for line in printed.lines() {
        let mut cells = line.split(';');
        let packet = cells.next().and_then(|cell| cell.parse().ok()).expect("a number");
        let mut said = Said::new();
        for (name, fields) in FIELDS {
            let lists: Vec<Vec<&str>> = fields
                .iter()
                .map(|_| cells.next().expect("a cell"))
                .map(|cell| cell.split(',').filter(|item| !item.is_empty()).collect())
                .collect();
            said.insert(name, joined(name, &lists));
        }
        let atomic = said["codes"].split(' ').any(|code| code == "6");
        said.insert("atomic", atomic.to_string());
        all.insert(packet, said);
    }
    all
}

/// Lists of fields as one text: side by side what belongs together, else one after the other.
fn joined(name: &str, lists: &[Vec<&str>]) -> String {
    let mut items: Vec<String> = match name {
        "communities" | "large" | "aggregator" => {
            let item = |nth: usize| {
                let sides: Vec<&str> = lists.iter().map(|list| list[nth]).collect();
                sides.join(if name == "aggregator" { " " } else { ":" })
            };
            (0..lists[0].len()).map(item).collect()
        }
        _ => lists.iter().flatten().map(|item| (*item).to_owned()).collect(),
    };
    if matches!(name, "addresses" | "lengths" | "path ids") {
        items.sort();
    }
    items.join(" ")
}

/// What we say of each packet with an UPDATE.
fn ours(records: &[Record]) -> BTreeMap<u64, Said> {
    let mut all = BTreeMap::new();
    for record in records {
        let (What::Update(update), Some(packet)) = (&record.what, record.place.packet) else {
            continue;
        };
        let attributes = &update.attributes;
        let prefixes = || update.withdrawn.iter().chain(&update.announced);
        let sorted = |items: Vec<String>| {
            let mut items = items;
            items.sort();
            items.join(" ")
        };
        let each = |text: &dyn Fn(&Attribute) -> String| {
            attributes.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        let origin = match text(attributes, 1).as_str() {
            "igp" => "0",
            "egp" => "1",
            "incomplete" => "2",
            _ => "",
        };
        let hops = update.announced.iter().filter_map(|prefix| prefix.next_hop.clone());
        let said = [
            ("addresses", sorted(prefixes().map(|it| it.prefix.addr().to_string()).collect())),
            ("lengths", sorted(prefixes().map(|it| it.prefix.prefix_len().to_string()).collect())),
            (
                "path ids",
                sorted(prefixes().filter_map(|it| it.path_id).map(|id| id.to_string()).collect()),
            ),
            ("codes", each(&|it| it.code.to_string())),
            ("flags", each(&|it| format!("0x{:02x}", it.flags))),
            ("octets", each(&|it| it.length.to_string())),
            ("origin", origin.to_owned()),
            ("path", text(attributes, 2)),
            ("next hop", hops.take(1).collect()),
            ("med", text(attributes, 4)),
            ("aggregator", text(attributes, 7)),
            ("communities", text(attributes, 8)),
            ("large", text(attributes, 32)),
            ("atomic", (text(attributes, 6) == "true").to_string()),
        ];
        all.insert(packet, said.into_iter().collect());
    }
    all
}

#[test]
fn tshark_reads_a_capture_as_we_do() {
    for add_path in [false, true] {
        let opens = [make::open(64_900, true, add_path), make::open(64_901, true, add_path)];
        let capture = make::pcapng(&make::packets(opens, &make::session(150, true, add_path)));
        let file = File::new(if add_path { "paths.pcapng" } else { "plain.pcapng" }, &capture);
        let fields = FIELDS.iter().flat_map(|(_, fields)| *fields);
        let fields: Vec<String> = fields.map(|field| format!("bgp.{field}")).collect();
        let mut words = vec!["-Y", "bgp.type==2", "-T", "fields", "-E", "separator=;"];
        words.extend(["-e", "frame.number"]);
        fields.iter().for_each(|field| words.extend(["-e", field]));
        words.push("-r");
        let Some(printed) = run("tshark", &words, &file) else { return };
        let (ours, theirs) = (ours(&decode(&capture).1), of_tshark(&printed));
        assert!(ours.len() > 150, "{} UPDATEs", ours.len());
        for (packet, said) in &ours {
            assert_eq!(Some(said), theirs.get(packet), "packet {packet}");
        }
        assert_eq!(ours.len(), theirs.len());
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
