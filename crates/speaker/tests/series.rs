//! Series read as written, and refused where they are wrong.

use pathvane_score::{Class, MonitorConfig, SelectorConfig};

use pathvane_speaker::series::replay::{Judge, Said, replay};
use pathvane_speaker::series::{Probe, Reader, SeriesError, Writer, scan};

fn read(text: &str) -> Result<Vec<Probe>, SeriesError> {
    Reader::new(text.as_bytes()).collect()
}

#[test]
fn both_forms_say_the_same() {
    let csv = "# a comment\n\nat_ms, rtt_ms, path, reflector, port, fwd_ms, remarked\n\
               0, 20.125, east, 10.0.0.9, 3, -4.5, true\n20,,east,10.0.0.9,,,\n";
    let json = r#"
        {"at_ms":0,"rtt_ms":20.125,"path":"east","reflector":"10.0.0.9","port":3,"fwd_ms":-4.5,"remarked":true}
        {"at_ms":20.0,"rtt_ms":null,"path":"east","reflector":"10.0.0.9"}
    "#;
    let probes = read(csv).unwrap();
    assert_eq!(probes, read(json).unwrap());
    assert_eq!(probes[0].rtt_ns, Some(20_125_000));
    assert_eq!((probes[0].fwd_ns, probes[0].port, probes[0].remarked), (Some(-4_500_000), 3, true));
    assert_eq!((probes[1].rtt_ns, probes[1].at_ns), (None, 20_000_000));
}

#[test]
fn what_is_written_is_read_back_to_the_nanosecond() {
    let probe = |nth: u64| Probe {
        at_ns: nth * 20_000_001,
        path: "east, \"quoted\"".to_owned(),
        reflector: "10.0.0.9".to_owned(),
        port: (nth % 8) as u8,
        rtt_ns: (!nth.is_multiple_of(3)).then_some(20_000_000 + nth),
        fwd_ns: Some(-5_000_000_000_001),
        rev_ns: Some(nth as i64),
        reflector_seq: Some(nth as u32),
        remarked: nth % 2 == 1,
    };
    let probes: Vec<Probe> = (0..1000).map(probe).collect();
    let mut writer = Writer::new(Vec::new());
    probes.iter().for_each(|probe| writer.write(probe).unwrap());
    let bytes = writer.finish().unwrap();
    assert_eq!(read(std::str::from_utf8(&bytes).unwrap()).unwrap(), probes);
}

#[test]
fn mistakes_are_told_with_line_and_remedy() {
    for (text, line, said) in [
        ("rtt_ms\n20\n", 1, "no column is called at_ms"),
        ("at_ms,rtt\n0,20\n", 1, "unknown field `rtt`"),
        ("at_ms,at_ms\n0,20\n", 1, "twice"),
        ("at_ms,rtt_ms\n0,20\n20\n", 3, "1 values under 2 columns"),
        ("at_ms,rtt_ms\n0,fast\n", 2, "fast"),
        ("at_ms,rtt_ms\n0,-1\n", 2, "rtt_ms cannot be -1"),
        ("at_ms,rtt_ms\n,1\n", 2, "no at_ms"),
        ("at_ms,port\n0,16\n", 2, "port 16"),
        ("at_ms,rtt_ms\n20,1\n# later\n0,1\n", 4, "before the probe of the line above"),
        ("{\"at_ms\":0}\n{\"at_ms\":1,\"rtt\":3}\n", 2, "unknown field `rtt`"),
        ("{\"at_ms\":0}\n{\"at_ms\":1e300}\n", 2, "at_ms cannot be"),
        ("{\"at_ms\":0\n", 1, "EOF"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.to_string().contains(said), "{text}: {error}");
        assert!(!error.remedy.is_empty());
    }
    let long = format!("at_ms\n{}\n", "1".repeat(5000));
    assert_eq!(read(&long).unwrap_err().line, 2);
    assert_eq!(Reader::new(&b"at_ms\n\xff\n"[..]).next().unwrap().unwrap_err().line, 2);
    assert!(scan(&b"# nothing\n"[..]).unwrap_err().message.contains("no probes"));
}

#[test]
fn layouts_keep_the_order_of_first_probes_and_count_ports() {
    let text = "at_ms,path,reflector,port\n0,west,a,0\n0,east,b,0\n5,west,c,7\n9,west,a,1\n";
    let layout = scan(text.as_bytes()).unwrap();
    let names: Vec<&str> = layout.paths.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["west", "east"]);
    let ports: Vec<u8> = layout.paths[0].1.iter().map(|stream| stream.ports).collect();
    assert_eq!((ports, layout.find("west", "c")), (vec![2, 8], Some((0, 1))));
    let many: String = (0..65).map(|nth| format!("{nth},p{nth}\n")).collect();
    let error = scan(format!("at_ms,path\n{many}").as_bytes()).unwrap_err();
    assert_eq!((error.line, error.message.as_str()), (66, "more than 64 paths"));
}

/// Two paths of two reflectors; the first is silent from 20 s to 25 s.
fn blackhole() -> String {
    let mut text = "at_ms,path,reflector,rtt_ms\n".to_owned();
    for nth in 0..3000_u64 {
        for (path, rtt_ms) in [("east", 20), ("west", 40)] {
            for reflector in ["a", "b"] {
                let silent = path == "east" && (1000..1250).contains(&nth);
                let rtt = if silent { String::new() } else { rtt_ms.to_string() };
                text += &format!("{},{path},{reflector},{rtt}\n", nth * 20);
            }
        }
    }
    text
}

#[test]
fn a_blackhole_replays_into_a_verdict_a_move_and_no_more() {
    let text = blackhole();
    let layout = scan(text.as_bytes()).unwrap();
    let judge = Judge {
        class: Class::Voice,
        monitor: MonitorConfig::default(),
        selector: SelectorConfig::default(),
        seed: 1,
    };
    let mut said = Vec::new();
    let end = replay(text.as_bytes(), &layout, &judge, |it| said.push(it)).unwrap();
    assert_eq!((end.probes, end.lost, end.moves), (12_000, 500, 1));
    assert_eq!(end.leader.as_deref(), Some("west"));
    let down = said.iter().find_map(|it| match it {
        Said::Verdict(verdict) if verdict.state == "down" => Some(verdict),
        _ => None,
    });
    let down = down.expect("it was down");
    assert_eq!((down.path.as_str(), &down.reasons[..]), ("east", &["silence"][..]));
    assert!((20_000.0..20_150.0).contains(&down.at_ms), "{down:?}");
    let moves: Vec<_> = said
        .iter()
        .filter_map(|it| match it {
            Said::Move(moved) if moved.from.is_some() => Some((moved.to.as_str(), moved.cause)),
            _ => None,
        })
        .collect();
    assert_eq!(moves, [("west", "leader-down")]);
    let mut again = Vec::new();
    replay(text.as_bytes(), &layout, &judge, |it| again.push(it)).unwrap();
    assert_eq!(said, again, "the same series, the same words");
}
