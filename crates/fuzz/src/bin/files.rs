//! Any file through `pathvane decode`: raw, as MRT records, and as packets of a capture.
//!
//! The first octet picks how the rest becomes a file. A file is always read to its end, and all that
//! is told of it prints.
#![no_main]

use etherparse::PacketBuilder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((how, rest)) = input.split_first() else { return };
    let file = match how % 4 {
        0 => rest.to_vec(),
        1 => records(rest),
        2 => capture(rest),
        _ => [&[0x0a, 0x0d, 0x0d, 0x0a][..], rest].concat(),
    };
    let mut records = 0_usize;
    let read = pathvane_decode::decode(&file[..], &mut |record| {
        records += 1;
        let _ = (record.to_string().len(), serde_json::to_string(&record).expect("JSON").len());
        Ok(())
    });
    assert!(read.is_ok() || records == 0, "what was recognised is read to its end");
    assert!(records <= 2 * file.len() + 2, "{records} records of {} octets", file.len());
});

/// MRT records: type, subtype and length from two octets each, bodies from what follows.
fn records(mut rest: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    while let [kind, len, after @ ..] = rest {
        let (body, after) = after.split_at(usize::from(*len).min(after.len()));
        file.extend([
            0,
            0,
            0,
            1,
            0,
            [13, 16, 17, 12][usize::from(kind >> 6)],
            0,
            kind & 15,
            0,
            0,
            0,
        ]);
        file.push(u8::try_from(body.len()).expect("short"));
        file.extend(body);
        rest = after;
    }
    file
}

/// A capture of one connection: direction, flags and distance from the last segment of its side
/// from two octets each.
fn capture(mut rest: &[u8]) -> Vec<u8> {
    let mut file = vec![
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0,
    ];
    let mut next = [u32::MAX - 20; 2];
    while let [how, len, after @ ..] = rest {
        let (payload, after) = after.split_at(usize::from(*len).min(after.len()));
        let side = usize::from(how & 1);
        let sequence = next[side].wrapping_add(u32::from(how >> 5) * 7).wrapping_sub(14);
        let (from, to) = if side == 0 { (179, 5000) } else { (5000, 179) };
        let mut tcp = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([192, 0, 2, 1 + (how & 1)], [192, 0, 2, 2 - (how & 1)], 64)
            .tcp(from, to, sequence, 100);
        if how & 2 != 0 {
            tcp = tcp.syn();
        }
        if how & 12 == 4 {
            tcp = tcp.fin();
        }
        if how & 28 == 24 {
            tcp = tcp.rst();
        }
        let mut packet = Vec::new();
        tcp.write(&mut packet, payload).expect("memory");
        next[side] = sequence.wrapping_add(u32::from(*len) + u32::from(how >> 1 & 1));
        let size = u32::try_from(packet.len()).expect("short").to_le_bytes();
        file.extend([&[0; 8][..], &size, &size, &packet].concat());
        rest = after;
    }
    file
}
