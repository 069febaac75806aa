//! The files in `fixtures/configs`: good ones load, bad ones say what is wrong with them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use pathvane_engine::PathId;
use pathvane_engine::config::{Condition, Mode, ProbeKind};
use pathvane_wire::{Asn, FamilySet};

use super::*;
use crate::tcp::Hops;

fn fixtures(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/configs").join(kind)
}

fn files(kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(fixtures(kind)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().unwrap() == "toml").collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn good(name: &str) -> Loaded {
    load(&fixtures("good").join(name)).unwrap().loaded.unwrap()
}

#[test]
fn good_files_load_without_errors_or_warnings() {
    for file in files("good") {
        let outcome = load(&file).unwrap();
        let findings = outcome.findings.render(false);
        assert!(outcome.loaded.is_some(), "{findings}");
        assert_eq!(outcome.findings.count(Severity::Warning), 0, "{findings}");
    }
}

/// Beside each bad file lies what is said about it, word for word. `PATHVANE_BLESS=1` rewrites it.
#[test]
fn each_mistake_is_told_with_place_and_remedy() {
    for file in files("bad") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let outcome = parse(name, &fs::read_to_string(&file).unwrap());
        let said = outcome.findings.render(false);
        let expect = file.with_extension("expect");
        if std::env::var_os("PATHVANE_BLESS").is_some() {
            fs::write(&expect, &said).unwrap();
        }
        assert_eq!(said, fs::read_to_string(&expect).unwrap_or_default(), "{name}");
        let warns_only = name.starts_with("warn-");
        assert_eq!(outcome.loaded.is_some(), warns_only, "{name}");
        let every = outcome.findings.sorted();
        assert!(every.iter().any(|finding| finding.severity < Severity::Note), "{name}");
        assert!(every.iter().all(|finding| !finding.remedy.is_empty()), "{name}");
        assert!(!said.contains("hunter2"), "{name} shows a password");
    }
}

#[test]
fn the_minimal_file_gets_the_defaults() {
    let Loaded { engine, shell } = good("minimal.toml");
    assert_eq!((engine.asn, engine.mode), (Asn(65010), Mode::Observe));
    assert_eq!(shell.listen.len(), 2);
    assert_eq!(shell.control, PathBuf::from(DEFAULT_CONTROL));
    assert_eq!(shell.fib, FibMode::Kernel);
    let peer = &engine.peers[0];
    assert_eq!((peer.session.hold_time, peer.session.families), (90, FamilySet::IPV4));
    assert_eq!(engine.policies[peer.import.unwrap()].name(), "accept-all");
    assert_eq!(peer.export, None);
    let options = &shell.peers[0].options;
    assert_eq!((options.peer.port(), options.hops), (179, Hops::Limit(1)));
}

#[test]
fn numbers_follow_the_order_of_the_file_and_names_resolve() {
    let Loaded { engine, shell } = good("site-with-frr.toml");
    let names: Vec<&str> = engine.peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["frr", "cr-east", "cr-west"]);
    assert_eq!(engine.peers[1].session.hold_time, 60);
    assert_eq!(shell.peers[0].options.hops, Hops::Limit(255));
    assert_eq!(shell.peers[1].options.hops, Hops::Limit(4));
    let backup = &engine.services[1];
    assert_eq!(backup.paths, [PathId(1), PathId(0)]);
    assert_eq!(engine.paths[1].announce_via[0].0, 2);
    let conditions: Vec<&Condition> =
        engine.services[0].announce.iter().map(|announce| &announce.condition).collect();
    assert_eq!(*conditions[1], Condition::InterfaceUp("eth0".into()));
    assert!(matches!(conditions[0], Condition::PeerRoute(peer) if peer.0 == 0));
    assert_eq!(shell.conditions.len(), 1, "the engine watches peers' routes itself");
    assert_eq!(shell.conditions[0].announce, 1);
    assert_eq!(shell.checks.len(), 4);
    assert_eq!(engine.services[0].checks[3].region, "us-west1");
}

#[test]
fn probes_are_marked_as_the_traffic_of_their_class() {
    let text = fs::read_to_string(fixtures("good").join("aws-vpn.toml")).unwrap();
    for (class, dscp) in [("voice", 46), ("interactive", 26), ("bulk", 0)] {
        let text = text.replace("class = \"voice\"", &format!("class = \"{class}\""));
        let Loaded { engine, shell } = parse("marked.toml", &text).loaded.unwrap();
        assert!(shell.streams.iter().all(|stream| stream.dscp == dscp), "{class}");
        let asked = engine.paths.iter().flat_map(|path| &path.probes).map(|it| it.options.dscp);
        assert!(asked.flatten().all(|asked| asked == dscp), "{class}");
    }
}

/// Whoever turns one question of STAMP off has a reflector that does not like questions.
#[test]
fn direct_measurement_is_asked_for_with_the_class_of_service_unless_told() {
    let text = fs::read_to_string(fixtures("good").join("aws-vpn.toml")).unwrap();
    let asks = |more: &str| {
        let text = text.replace("{ kind = \"stamp\",", &format!("{{ kind = \"stamp\", {more}"));
        let engine = parse("asking.toml", &text).loaded.unwrap().engine;
        let options = &engine.paths[0].probes[0].options;
        (options.dscp.is_some(), options.direct)
    };
    assert_eq!(asks(""), (true, true));
    assert_eq!(asks("class_of_service = false,"), (false, false));
    assert_eq!(asks("class_of_service = false, direct_measurement = true,"), (false, true));
    assert_eq!(asks("direct_measurement = false,"), (true, false));
}

#[test]
fn streams_follow_the_paths_and_carry_the_marking_of_their_class() {
    let Loaded { engine, shell } = good("site-with-frr.toml");
    assert_eq!(shell.streams.len(), 8);
    assert_eq!((shell.streams[2].path, shell.streams[2].target.port()), (PathId(1), 8620));
    assert_eq!(shell.streams[3].kind, ProbeKind::Icmp);
    let relay = &shell.streams[4];
    assert_eq!((relay.kind, relay.target.port()), (ProbeKind::Stun, 3478));
    let server = &shell.streams[5];
    assert_eq!((server.kind, server.target.port()), (ProbeKind::Tcp, 5061));
    assert_eq!(shell.streams[6].target.port(), 443);
    let slowest = |nth: usize| engine.paths[1].probes[nth].slowest.as_millis();
    assert_eq!([0, 1, 2, 3, 4].map(slowest), [0, 0, 0, 2_000, 1_000]);
    assert!(shell.streams.iter().all(|stream| stream.dscp == 46));
    assert_eq!((shell.paths[1].mark, shell.paths[1].table), (Some(4242), 4242));
    assert_eq!(engine.paths[0].probes.len(), 2);
}

#[test]
fn a_first_hop_is_the_next_hop_unless_told_and_no_reflector() {
    let Loaded { engine, shell } = good("site-with-frr.toml");
    let west = &engine.paths[1];
    assert!(west.probes[5].first_hop && !west.probes[4].first_hop);
    assert_eq!(west.probes[5].target.ip(), west.next_hop);
    let socket = &shell.streams[7];
    assert_eq!((socket.kind, socket.ports), (ProbeKind::Icmp, 1));
    assert!(socket.source.is_unspecified() && socket.source.is_ipv4(), "the interface's own");
    let engine = config(&room("", "").replacen(
        "probes = [",
        "mtu_probe = \"auto\"\nprobes = [\n  { kind = \"icmp\", target = \"192.0.2.9\", first_hop = true },",
        1,
    ));
    assert_eq!(engine.paths[0].probes[0].target.ip().to_string(), "192.0.2.9");
    assert_eq!(engine.paths[0].mtu_probe.map(|probe| probe.like), Some(1), "not the first hop");
}

#[test]
fn paths_share_what_several_of_them_name() {
    let plain = config(&room("", ""));
    assert_eq!(plain.paths[0].shared_risk, ["a"], "its own name");
    assert!(plain.shared_risks().is_empty());
    let named = config(&room("", "shared_risk = [\"a\"]"));
    assert_eq!(named.shared_risks(), ["a"], "the name of the other");
    let both = config(&room("shared_risk = [\"x\", \"y\"]", "shared_risk = [\"y\", \"z\", \"x\"]"));
    assert_eq!(both.shared_risks(), ["y", "x"]);
    let none = config(&room("shared_risk = []", "shared_risk = [\"y\"]"));
    assert!(none.paths[0].shared_risk.is_empty() && none.shared_risks().is_empty());
}

/// The example with paths `a` and `b`, each with one more line.
fn room(a: &str, b: &str) -> String {
    let text = fs::read_to_string(fixtures("good").join("room.toml")).unwrap();
    let [capacity_a, capacity_b] = ["capacity = \"100M\"", "capacity = \"1G\""];
    text.replace(capacity_a, &format!("{a}\n{capacity_a}"))
        .replace(capacity_b, &format!("{b}\n{capacity_b}"))
}

fn config(text: &str) -> pathvane_engine::Config {
    let outcome = parse("x.toml", text);
    outcome.loaded.unwrap_or_else(|| panic!("{}", outcome.findings.render(false))).engine
}

#[test]
fn a_range_is_no_peer_until_somebody_comes() {
    let Loaded { engine, shell } = good("dynamic-peers.toml");
    assert_eq!(engine.peers.len(), 1);
    let range = &shell.ranges[0];
    assert_eq!((range.net, range.max_peers), ("10.9.0.0/24".parse().unwrap(), 50));
    let address = "10.9.0.7".parse().unwrap();
    let peer = range.peer_at(address);
    assert_eq!((peer.name.as_str(), peer.address), ("branches@10.9.0.7", address));
    assert!(peer.dynamic && peer.session.passive);
    assert_eq!(peer.max_in.most, [Some(500), None], "from its group");
    assert_eq!(range.tcp_at(address).options.peer, "10.9.0.7:179".parse().unwrap());
}

fn differences(from: &str, to: &str) -> Result<Vec<String>, Vec<String>> {
    let text = fs::read_to_string(fixtures("good").join("dynamic-peers.toml")).unwrap();
    let changed = text.replace(from, to);
    assert_ne!(text, changed, "{from}");
    let load = |text: &str| {
        let outcome = parse("x.toml", text);
        outcome.loaded.unwrap_or_else(|| panic!("{}", outcome.findings.render(false)))
    };
    let word = |change: reload::PeerChange| match change {
        reload::PeerChange::Add(peer, _) => format!("+{}", peer.name),
        reload::PeerChange::Keep(peer, _, true) => format!("!{}", peer.name),
        reload::PeerChange::Keep(peer, _, false) => format!("={}", peer.name),
        reload::PeerChange::Remove(name) => format!("-{name}"),
    };
    let changes = reload::changes(&load(&text), &load(&changed));
    changes.map(|changes| changes.into_iter().map(word).collect())
}

#[test]
fn a_reload_touches_what_changed_and_refuses_what_it_cannot() {
    let ok = |words: &[&str]| Ok(words.iter().map(|&word| word.to_owned()).collect());
    let restart = |words: &[&str]| Err(words.iter().map(|&word| word.to_owned()).collect());
    assert_eq!(differences("asn = 65001", "asn = 65002"), ok(&["=hub"]));
    assert_eq!(differences("[peers.hub]", "[peers.center]"), ok(&["-hub", "+center"]));
    assert_eq!(differences("password = \"one\"", "password = \"two\""), ok(&["!hub"]));
    assert_eq!(differences("\"10.0.0.0/8 le 24\"", "\"10.0.0.0/8 le 16\""), ok(&["=hub"]));
    // Ranges follow without being peers themselves.
    assert_eq!(differences("max_peers = 50", "max_peers = 60"), ok(&["=hub"]));
    assert_eq!(
        differences("steering = \"act\"", "steering = \"observe\""),
        restart(&["`steering`"])
    );
    let with = |key: &str| differences("[speaker]", &format!("[speaker]\n{key}"));
    assert_eq!(with("probe_rate = 1000"), restart(&["`probe_rate`"]));
    assert_eq!(with("multipath_relax = true"), restart(&["`multipath_relax`"]));
    assert_eq!(with("bfd_socket = \"/run/other.sock\""), restart(&["`bfd_socket`"]));
}

#[test]
fn bfd_informs_the_peers_of_a_running_speaker_whatever_their_place_in_the_file() {
    use pathvane_engine::{BfdUser, PeerId};
    let loaded = good("bfd.toml");
    // `provider` is not there; `lan` and `cr-west` have the places of peers that went.
    let number = |name: &str| match name {
        "lan" => Some(PeerId(9)),
        "cr-west" => Some(PeerId(4)),
        _ => None,
    };
    let users: Vec<_> =
        reload::bfd(&loaded, number).into_iter().map(|session| session.users).collect();
    let expect = [
        vec![BfdUser::Peer(PeerId(9))],
        vec![BfdUser::Peer(PeerId(4)), BfdUser::Path(PathId(1))],
        vec![BfdUser::Path(PathId(0))],
    ];
    assert_eq!(users, expect);
}

#[test]
fn policies_name_the_peers_of_a_running_speaker_whatever_their_place_in_the_file() {
    use pathvane_engine::PeerId;
    use pathvane_rib::policy::Match;
    let loaded = good("policies.toml");
    let named = |policies: &[Arc<Policy>], policy: &str| -> Vec<Vec<PeerId>> {
        let policy = policies.iter().find(|known| known.name() == policy).expect("the policy");
        let matches = policy.terms().iter().flat_map(|term| &term.matches);
        let peers = |m: &Match| match m {
            Match::Peer(peers) => Some(peers.clone()),
            _ => None,
        };
        matches.filter_map(peers).collect()
    };
    let file = loaded.engine.policies.clone();
    let place = |name: &str| loaded.engine.peers.iter().position(|peer| peer.name == name);
    let (a, b) = (place("transit-a").unwrap() as u16, place("transit-b").unwrap() as u16);
    assert_eq!(named(&file, "from-transit"), [vec![PeerId(b)]]);
    assert_eq!(named(&file, "to-transit"), [vec![PeerId(a), PeerId(b)]]);
    // One is not there yet, the other has the place of a peer that went.
    let running = reload::policies(&loaded, |name| (name == "transit-b").then_some(PeerId(7)));
    assert_eq!(named(&running, "from-transit"), [vec![PeerId(7)]]);
    assert_eq!(named(&running, "to-transit"), [vec![PeerId(7)]]);
    assert_eq!(running.len(), file.len());
}

#[test]
fn one_bfd_session_serves_all_who_ask_for_it() {
    use pathvane_engine::{BfdUser, PeerId};
    let Loaded { engine, shell } = good("bfd.toml");
    assert_eq!(shell.bfd_socket, PathBuf::from("/run/pathvane/bfd.sock"));
    let strict: Vec<bool> = engine.peers.iter().map(|peer| peer.bfd_strict).collect();
    assert_eq!(strict, [true, false, false, false]);
    let users: Vec<_> = shell.bfd.iter().map(|session| session.users.clone()).collect();
    let expect = [
        vec![BfdUser::Peer(PeerId(0))],
        vec![BfdUser::Peer(PeerId(1))],
        vec![BfdUser::Peer(PeerId(3)), BfdUser::Path(PathId(1))],
        vec![BfdUser::Path(PathId(0))],
    ];
    assert_eq!(users, expect);
    let lan = &shell.bfd[0].wanted;
    assert_eq!((lan.interval_us, lan.multiplier, lan.key.multihop), (50_000, 3, false));
    assert_eq!(lan.key.interface.as_deref(), Some("eth0"));
    assert_eq!(shell.bfd[3].wanted.key.remote.to_string(), "10.128.0.9");
}

#[test]
fn a_laboratory_needs_no_marks_and_may_shorten_every_time() {
    let Loaded { engine, shell } = good("report-lab.toml");
    assert!(shell.listen.is_empty());
    let restarts = |peer: &pathvane_engine::config::Peer| peer.session.graceful_restart.unwrap();
    assert_eq!(restarts(&engine.peers[0]).families, FamilySet::IPV4);
    assert_eq!(restarts(&engine.peers[1]).families, FamilySet::EMPTY);
    assert!(shell.paths.iter().all(|path| path.mark.is_none()));
    assert_eq!(engine.timing.selector.dwell, Duration::from_secs(2));
    assert_eq!(engine.timing.monitor.recover_probes, 50);
    assert_eq!(engine.timing.drain_wait, Duration::from_millis(200));
}

#[test]
fn no_text_panics_the_reader() {
    let text = fs::read_to_string(fixtures("good").join("site-with-frr.toml")).unwrap();
    let spoilers =
        ["\u{fc}", "\"", "'''", "[", "]", "{", "}", "=", ",", "#", "\n", "\r", "\0", "9", "-"];
    for (turn, at) in (0..text.len()).step_by(3).enumerate() {
        parse("cut.toml", &text[..at]).findings.render(false);
        let mut spoilt = text.clone();
        let spoiler = spoilers[turn % spoilers.len()];
        spoilt.replace_range(at..=at, spoiler);
        parse("spoilt.toml", &spoilt).findings.render(false);
        let mut torn = text.clone();
        torn.replace_range(at..(at + 40).min(text.len()), spoiler);
        parse("torn.toml", &torn).findings.render(false);
    }
}

#[test]
fn classes_and_margins_are_the_operators() {
    let Loaded { engine, .. } = good("own-limits.toml");
    let (monitor, selector) = (&engine.timing.monitor, &engine.timing.selector);
    let voice = monitor.sla[Class::Voice.index()];
    assert_eq!((voice.min_score, voice.max_loss_ppm), (75.0, 5_000));
    assert_eq!(voice.max_rtt, Some(Duration::from_millis(80)));
    assert_eq!(monitor.sla[1], pathvane_score::Sla::of(Class::Interactive), "not named");
    assert_eq!((monitor.codec.name, monitor.bulk_target_bps), ("g729a", 50e6));
    let rates = engine.timing.rates.map(|it| (it.active_mpps, it.standby_mpps, it.boost_mpps));
    assert_eq!(rates, [(50_000, 10_000, 200_000), (5_000, 500, 25_000), (1_000, 500, 10_000)]);
    assert_eq!((selector.margin_points, selector.margin_ratio), (8.0, 0.125));
    assert_eq!(selector.eagerness, 0.2);
    let fast = monitor.damping[0].unwrap();
    assert_eq!((fast.half_life, fast.suppress), (Duration::from_secs(300), 3000.0));
    assert!(monitor.damping[1].is_some());
    let text = fs::read_to_string(fixtures("good").join("own-limits.toml")).unwrap();
    let changed = text.replace("\n[choice]", "\n[choice]\ndamping = false");
    let undamped = parse("x.toml", &changed).loaded.unwrap();
    assert!(undamped.engine.timing.monitor.damping.iter().all(Option::is_none));
    let opus = parse("x.toml", &text.replace("\"g729a\"", "\"opus\""));
    assert!(opus.findings.render(false).contains("`opus` is scored by a published fit"));
}

#[test]
fn a_class_of_ones_own_begins_as_the_class_it_is_like() {
    let Loaded { engine, .. } = good("own-classes.toml");
    let [radio, backup] = &engine.timing.monitor.own[..] else { panic!("two classes") };
    assert_eq!(
        (radio.like, radio.codec.name, radio.sla.max_loss_ppm),
        (Class::Voice, "g729a", 30_000)
    );
    assert_eq!(radio.sla.max_rtt, pathvane_score::Sla::of(Class::Voice).max_rtt);
    assert_eq!((backup.like, backup.bulk_target_bps), (Class::Bulk, 200e6));
    assert_eq!(engine.timing.monitor.bulk_target_bps, 10e6, "the standard class stays as it is");
    let services = engine.services.iter();
    let classes: Vec<_> = services.map(|it| (it.class, it.own_class)).collect();
    assert_eq!(classes, [(Class::Voice, Some(0)), (Class::Bulk, Some(1))]);
    assert_eq!(engine.class_name(&engine.services[0]), "radio");
    assert_eq!(engine.timing.own_rates[0].active_mpps, 100_000);
    assert_eq!(engine.timing.own_rates[0].standby_mpps, 10_000);
}

#[test]
fn own_rates_are_what_the_paths_want() {
    let text = fs::read_to_string(fixtures("bad").join("warn-probe-rate.toml")).unwrap();
    let told = |text: &str| parse("rates.toml", text).findings.render(false);
    assert!(told(&text).contains("the paths want 120 probes a second"));
    let slower = format!("{text}\n[classes.voice]\nleader_rate = 20\nstandby_rate = 5\n");
    assert_eq!(told(&slower), "");
    let faster = format!("{text}\n[classes.voice]\nleader_rate = 100\n");
    assert!(told(&faster).contains("the paths want 220 probes a second"), "{}", told(&faster));
}

fn manual() -> String {
    fs::read_to_string(fixtures("../../docs/OPERATING.md")).unwrap()
}

#[test]
fn operators_find_every_key_in_the_manual() {
    let manual = manual();
    for (table, keys) in schema::TABLES {
        assert!(manual.contains(table.trim_matches(['[', ']'])), "{table}");
        for key in *keys {
            assert!(manual.contains(&format!("`{key}`")), "{table}: {key}");
        }
    }
}

#[test]
fn the_manual_tells_the_defaults_of_all_times() {
    let manual = manual();
    for (key, default) in timing::defaults() {
        let row = manual.lines().find(|line| line.starts_with(&format!("| `{key}` |"))).unwrap();
        let told = row.split('"').nth(1).unwrap();
        assert_eq!(value::parse_duration(told), Some(default), "{row}");
    }
}

#[test]
fn a_way_that_can_never_be_withdrawn_is_told() {
    let text = fs::read_to_string(fixtures("good").join("cloud-router-ha-vpn.toml")).unwrap();
    let told = |text: &str| parse("domains.toml", text).findings.render(false);
    assert!(!told(&text).contains("is the only way"));
    let apart = text.replace("interface = \"vti1\"\nasn", "domain = \"other\"\nasn");
    let told = told(&apart);
    assert!(told.contains("`tunnel-1` is the only way to service `voice` in domain `other`"));
    assert!(told.contains("`tunnel-0` is the only way to service `voice` in domain `default`"));
}

/// A cloud router's file whose service announces so many prefixes.
fn announcing(prefixes: u32) -> String {
    let net = |at: u32| format!("10.{}.{}.0/24", 40 + at / 250, at % 250);
    let announce: Vec<String> = (0..prefixes)
        .map(|at| format!("{{ prefix = \"{}\", while = \"kernel-route\" }}", net(at)))
        .collect();
    let text = fs::read_to_string(fixtures("good").join("cloud-router-ha-vpn.toml")).unwrap();
    let one = "{ prefix = \"10.20.0.0/16\", while = \"kernel-route\" }";
    text.replace(one, &announce.join(", "))
}

#[test]
fn quotas_of_cloud_routers_are_kept_at_a_distance() {
    let errors = |prefixes| {
        let outcome = parse("many.toml", &announcing(prefixes));
        let errors =
            outcome.findings.sorted().into_iter().filter(|f| f.severity == Severity::Error);
        errors.map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(errors(198), Vec::<String>::new(), "198 and the sources of two probes");
    assert_eq!(errors(199), ["region `us-east1` would get 201 different prefixes"]);
    let both = errors(4_600);
    assert_eq!(both.len(), 3, "two sessions and a region: {both:?}");
    assert!(both.contains(&"cloud router `cr-0` would get 4601 prefixes".to_owned()));
}

#[test]
fn a_password_is_read_from_its_file_and_never_printed() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "hunter2\n").unwrap();
    let text = fs::read_to_string(fixtures("good").join("minimal.toml")).unwrap();
    let text = format!("{text}password_file = \"{}\"\n", key.display());
    for (mode, warnings) in [(0o600, 0), (0o644, 1)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let outcome = parse("key.toml", &text);
        assert_eq!(outcome.findings.count(Severity::Warning), warnings);
        let loaded = outcome.loaded.unwrap();
        let secret = loaded.shell.peers[0].options.password.as_ref().unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert!(!format!("{loaded:?}").contains("hunter2"));
    }
}
