//! RFC 3550 jitter against tshark, on a voice stream of our own over loopback.
//!
//! Needs tshark (`cargo xtask setup`); run with `--ignored`, as `cargo xtask test` does.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant as Monotonic};

use pathvane_clock::Instant;
use pathvane_score::{Meter, Sample};

/// G.711: 8,000 samples a second, 10 ms in a packet.
const RATE: u32 = 8_000;
const SAMPLES: u32 = 80;
const PERIOD: Duration = Duration::from_millis(10);
const PACKETS: u16 = 150;

fn rtp(seq: u16) -> Vec<u8> {
    let timestamp = u32::from(seq) * SAMPLES;
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(0x5041_5448_u32.to_be_bytes());
    packet.resize(packet.len() + SAMPLES as usize, 0xff);
    packet
}

/// Speaks and listens: the numbers that arrived, and when. Packets are late by chance; some are lost.
fn call() -> (u16, Vec<(u16, Duration)>) {
    let ear = UdpSocket::bind("127.0.0.1:0").unwrap();
    ear.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let to = ear.local_addr().unwrap();
    let origin = Monotonic::now();
    let mouth = std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut rng = fastrand::Rng::with_seed(7);
        for seq in 0..PACKETS {
            let late = Duration::from_micros(rng.u64(0..8_000));
            sleep((PERIOD * u32::from(seq) + late).saturating_sub(origin.elapsed()));
            if rng.u8(0..20) != 0 || seq < 2 {
                socket.send_to(&rtp(seq), to).unwrap();
            }
        }
    });
    let (mut arrivals, mut buffer) = (Vec::new(), [0; 2048]);
    while let Ok(len) = ear.recv(&mut buffer) {
        let at = origin.elapsed();
        assert_eq!(len, 12 + SAMPLES as usize);
        arrivals.push((u16::from_be_bytes([buffer[2], buffer[3]]), at));
    }
    mouth.join().unwrap();
    (to.port(), arrivals)
}

/// A capture file (pcap, nanoseconds, raw IPv4) of the packets as they arrived.
fn capture(file: &Path, port: u16, arrivals: &[(u16, Duration)]) {
    let mut bytes = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65_535, 228] {
        bytes.extend(word.to_le_bytes());
    }
    for &(seq, at) in arrivals {
        let payload = rtp(seq);
        let (udp_len, ip_len) = (8 + payload.len(), 28 + payload.len());
        for word in [at.as_secs() as u32, at.subsec_nanos(), ip_len as u32, ip_len as u32] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend([0x45, 0]);
        bytes.extend((ip_len as u16).to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        for half in [40_000, port, udp_len as u16, 0] {
            bytes.extend(half.to_be_bytes());
        }
        bytes.extend(payload);
    }
    fs::write(file, bytes).unwrap();
}

/// Mean and greatest jitter of the one stream in the capture, in milliseconds, and its packets.
fn tshark(file: &Path, port: u16) -> (f64, f64, usize) {
    let output = Command::new("tshark")
        .args(["-n", "-q", "-d", &format!("udp.port=={port},rtp"), "-z", "rtp,streams", "-r"])
        .arg(file)
        .output()
        .expect("tshark runs: `cargo xtask setup` installs it");
    let text = String::from_utf8_lossy(&output.stdout);
    let row = text.lines().find(|line| line.contains("0x50415448"));
    let row = row.unwrap_or_else(|| panic!("no stream in: {text}"));
    let words: Vec<&str> = row.split_whitespace().collect();
    let after = words.iter().position(|word| word.starts_with("0x")).unwrap();
    let payload = words[after..].iter().position(|word| *word == "g711U").unwrap() + after;
    // Payload, packets, lost, its share, then delta and jitter: least, mean, greatest of each.
    let packets = words[payload + 1].parse().unwrap();
    let numbers: Vec<f64> =
        words[payload + 2..].iter().filter_map(|word| word.parse().ok()).collect();
    let [.., mean, max] = numbers[..] else { panic!("{row}") };
    (mean, max, packets)
}

#[test]
#[ignore = "needs tshark"]
fn jitter_is_what_tshark_says_it_is() {
    let (port, arrivals) = call();
    assert!(arrivals.len() > usize::from(PACKETS) * 8 / 10, "{}", arrivals.len());
    let (file, clean) = scratch();
    capture(&file, port, &arrivals);
    let (mean, max, packets) = tshark(&file, port);
    clean();

    let mut meter = Meter::new(Instant::ZERO);
    let mut seen = Vec::new();
    let mut next = 0;
    for &(seq, at) in &arrivals {
        let said = Duration::from_secs(1) * u32::from(seq) * SAMPLES / RATE;
        while next <= seq {
            meter.sent(Instant::ZERO + PERIOD * u32::from(next), next.into());
            next += 1;
        }
        // A constant keeps the delay positive, as the time between mouth and ear.
        let delay = at + Duration::from_millis(20) - said;
        let rtt_ns = u64::try_from(delay.as_nanos()).unwrap();
        let at = Instant::ZERO + at + Duration::from_millis(20);
        meter.reply(at, &Sample::round_trip(seq.into(), at, rtt_ns));
        seen.push(meter.figures().jitter_ns as f64 / 1e6);
    }
    let our_max = seen.iter().copied().fold(0.0, f64::max);
    let our_mean = seen.iter().sum::<f64>() / (seen.len() - 1) as f64;
    assert_eq!(packets, arrivals.len());
    assert!(max > 0.5, "a stream without jitter proves nothing: {max}");
    assert!((our_max - max).abs() < 0.002, "greatest: ours {our_max}, tshark's {max}");
    assert!((our_mean - mean).abs() < 0.002, "mean: ours {our_mean}, tshark's {mean}");
}

/// A file of this process, and what removes it.
fn scratch() -> (std::path::PathBuf, impl FnOnce()) {
    let file = std::env::temp_dir().join(format!("pathvane-jitter-{}.pcap", std::process::id()));
    let path = file.clone();
    (file, move || fs::remove_file(path).unwrap())
}
