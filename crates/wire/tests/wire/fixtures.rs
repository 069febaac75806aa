//! Golden messages: the files in `fixtures/wire`, read and compared line by line.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use pathvane_wire::{
    Attrs, Capability, Checked, DecodeContext, Disposition, FamilySet, Frame, Kind,
    MAX_LEN_EXTENDED, Notification, Open, PeerKind, RouteRefresh, UpdateView, frame,
};

use crate::common::{EXTERNAL, round_trip};

struct Fixture {
    name: String,
    context: DecodeContext,
    bytes: Vec<u8>,
    outcome: Vec<String>,
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Fixture {
    let text = fs::read_to_string(path).expect("readable");
    let mut fixture = Fixture {
        name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
        context: EXTERNAL,
        bytes: Vec::new(),
        outcome: Vec::new(),
    };
    for line in text.lines() {
        if let Some(outcome) = line.strip_prefix("> ") {
            fixture.outcome.push(outcome.to_owned());
        } else if let Some(words) = line.strip_prefix("context: ") {
            fixture.context = context(words);
        } else {
            let octets = line.split('#').next().unwrap_or_default().split_whitespace();
            let octets = octets.map(|octet| u8::from_str_radix(octet, 16).expect("an octet"));
            fixture.bytes.extend(octets);
        }
    }
    fixture
}

fn context(words: &str) -> DecodeContext {
    let has = |word| words.split(' ').any(|w| w == word);
    let both = |word| if has(word) { FamilySet::ALL } else { FamilySet::EMPTY };
    let one = |word, family| if has(word) { family } else { FamilySet::EMPTY };
    DecodeContext {
        peer: if has("internal") { PeerKind::Internal } else { PeerKind::External },
        four_octet_as: has("four-octet"),
        families: one("ipv4", FamilySet::IPV4) | one("ipv6", FamilySet::IPV6),
        add_path: both("add-path"),
        extended_next_hop: both("extended-next-hop"),
    }
}

/// Reads a stream of messages, and says what it reads.
fn describe(bytes: &[u8], ctx: &DecodeContext) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let said = frame(rest, MAX_LEN_EXTENDED).and_then(|message| {
            let message = message.expect("fixtures hold whole messages");
            rest = &rest[message.len..];
            describe_message(message, ctx)
        });
        match said {
            Ok(said) => lines.extend(said),
            Err(error) => {
                lines.push(format!("error {error}{}", hex(&error.data)));
                break;
            }
        }
    }
    lines
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!(" {octet:02x}")).collect()
}

fn describe_message(message: Frame<'_>, ctx: &DecodeContext) -> Result<Vec<String>, Notification> {
    Ok(match message.kind {
        Kind::Open => describe_open(&Open::decode(message.body)?),
        Kind::Update => {
            let view = UpdateView::parse(message.body, ctx)?;
            describe_update(&view, &view.attrs().check(ctx))
        }
        Kind::Notification => {
            let notification = Notification::decode(message.body).expect("long enough");
            vec![format!("notification {notification}")]
        }
        Kind::Keepalive => vec!["keepalive".to_owned()],
        Kind::RouteRefresh => {
            let refresh = RouteRefresh::decode(message.body)?;
            vec![format!("route-refresh {} {:?}", refresh.family, refresh.subtype)]
        }
    })
}

fn describe_open(open: &Open) -> Vec<String> {
    let Open { asn, hold_time, id, capabilities } = open;
    let head = format!("open asn {asn} hold-time {hold_time} bgp-identifier {id}");
    let capability = |c| format!("capability {}", describe_capability(c));
    std::iter::once(head).chain(capabilities.iter().map(capability)).collect()
}

fn describe_capability(capability: &Capability) -> String {
    let listed = |items: Vec<String>| items.join(", ");
    match capability {
        Capability::Multiprotocol(family) => format!("multiprotocol {family}"),
        Capability::RouteRefresh => "route-refresh".to_owned(),
        Capability::EnhancedRouteRefresh => "enhanced-route-refresh".to_owned(),
        Capability::ExtendedMessages => "extended-messages".to_owned(),
        Capability::ExtendedNextHop(all) => {
            let one = |e: &pathvane_wire::NextHopEncoding| {
                format!("{} over afi {}", e.family, e.next_hop_afi)
            };
            format!("extended-next-hop {}", listed(all.iter().map(one).collect()))
        }
        Capability::Role(role) => format!("role {}", role.name()),
        Capability::GracefulRestart(restart) => {
            let marks =
                [(restart.restarting, "restarting"), (restart.notification, "notification")];
            let mut items = vec![format!("{} s", restart.restart_time)];
            items.extend(marks.iter().filter(|mark| mark.0).map(|mark| mark.1.to_owned()));
            items.extend(restart.families.iter().map(|entry| {
                format!("{}{}", entry.family, if entry.forwarding { " forwarding" } else { "" })
            }));
            format!("graceful-restart {}", listed(items))
        }
        Capability::LongLived(all) => {
            let one = |entry: &pathvane_wire::LongLivedFamily| {
                let forwarding = if entry.forwarding { " forwarding" } else { "" };
                format!("{}{forwarding} {} s", entry.family, entry.stale_time)
            };
            let items = match all.is_empty() {
                true => "of no family".to_owned(),
                false => listed(all.iter().map(one).collect()),
            };
            format!("long-lived-graceful-restart {items}")
        }
        Capability::FourOctetAs(asn) => format!("four-octet-as {asn}"),
        Capability::AddPath(all) => {
            let one = |(family, mode): &_| format!("{family} {mode:?}");
            format!("add-path {}", listed(all.iter().map(one).collect()))
        }
        Capability::Unknown { code, value } => format!("unknown {code}{}", hex(value)),
    }
}

fn describe_update(view: &UpdateView<'_>, checked: &Checked) -> Vec<String> {
    let mut lines = vec!["update".to_owned()];
    let path = |id| if id == 0 { String::new() } else { format!(" path {id}") };
    for nlri in view.withdrawn() {
        lines.push(format!("withdrawn {} {}{}", nlri.family, nlri.prefix, path(nlri.path_id)));
    }
    for reach in view.reaches() {
        for nlri in reach.nlri {
            let (family, hop) = (nlri.family, reach.next_hop);
            let id = path(nlri.path_id);
            lines.push(format!("announced {family} {} next-hop {hop}{id}", nlri.prefix));
        }
    }
    lines.extend(view.end_of_rib().map(|family| format!("end-of-rib {family}")));
    if !view.attrs().is_empty() {
        lines.extend(describe_attrs(&checked.attrs));
    }
    lines.extend(view.fault().iter().chain(&checked.faults).map(|fault| format!("fault {fault}")));
    let fault = view.fault().map_or(Disposition::Accept, |fault| fault.disposition);
    lines.push(format!("disposition {}", checked.disposition().max(fault)));
    lines
}

fn describe_attrs(attrs: &Attrs) -> Vec<String> {
    let set = |items: Vec<String>| (!items.is_empty()).then(|| items.join(" "));
    let text = |items: &mut dyn Iterator<Item = &dyn ToString>| {
        set(items.map(|item| item.to_string()).collect())
    };
    let path = attrs.as_path.to_string();
    let fields = [
        ("origin", Some(attrs.origin.to_string())),
        ("as-path", Some(path)),
        ("med", attrs.med.map(|med| med.to_string())),
        ("local-pref", attrs.local_pref.map(|pref| pref.to_string())),
        ("atomic-aggregate", attrs.atomic_aggregate.then(String::new)),
        ("aggregator", attrs.aggregator.map(|aggregator| aggregator.to_string())),
        ("communities", text(&mut attrs.communities.iter().map(|c| c as _))),
        ("ext-communities", text(&mut attrs.ext_communities.iter().map(|c| c as _))),
        ("large-communities", text(&mut attrs.large_communities.iter().map(|c| c as _))),
        ("originator-id", attrs.originator_id.map(|id| id.to_string())),
        ("cluster-list", text(&mut attrs.cluster_list.iter().map(|c| c as _))),
        ("otc", attrs.otc.map(|asn| asn.to_string())),
        ("aigp", attrs.aigp.as_deref().map(|value| hex(value).trim_start().to_owned())),
    ];
    let known = fields.into_iter().filter_map(|(name, value)| {
        value.map(|v| format!("attribute {name} {v}").trim_end().to_owned())
    });
    let unknown = attrs.unknown.iter().map(|attribute| {
        let (code, flags) = (attribute.code, attribute.flags.bits());
        format!("attribute unknown {code} flags {flags:02x}{}", hex(&attribute.value))
    });
    known.chain(unknown).collect()
}

#[test]
fn every_fixture_reads_as_it_says() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 60, "{} fixtures", fixtures.len());
    let mut wrong = Vec::new();
    for Fixture { name, context, bytes, outcome } in fixtures {
        let found = describe(&bytes, &context);
        if found != outcome {
            wrong.push(format!("{name}:\n  {}", found.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "other than the files say:\n{}", wrong.join("\n"));
}

#[test]
fn what_fixtures_say_survives_being_written_again() {
    for Fixture { name, context, bytes, .. } in fixtures() {
        let Ok(Some(message)) = frame(&bytes, MAX_LEN_EXTENDED) else { continue };
        let mut again = BytesMut::new();
        match message.kind {
            Kind::Open => {
                let Ok(open) = Open::decode(message.body) else { continue };
                open.encode(&mut again);
                assert_eq!(describe_open(&open), describe(&again, &context), "{name}");
            }
            Kind::Update => {
                let Ok(view) = UpdateView::parse(message.body, &context) else { continue };
                let attrs = view.attrs().check(&context).attrs;
                assert_eq!(round_trip(&attrs, &context), attrs, "{name}");
            }
            _ => {}
        }
    }
}
