//! TTL security before a connection is accepted (RFC 5082): a packet filter in front of a listener.
//!
//! The kernel's own limit is one for a whole listening socket, and a connection gets its peer's only
//! when it is accepted: its SYN, and octets close behind, would come from anywhere. This classic BPF
//! program knows every peer's limit. The kernel runs it on all segments for the listener and for
//! connections that wait to be accepted; afterwards [`super::Options::apply`] guards them.

use std::net::IpAddr;

use ipnet::IpNet;
use socket2::SockFilter;

/// The most instructions that the kernel takes (`BPF_MAXINSNS`).
pub(super) const MOST: usize = 4096;

/// Offsets from here are into the IP header (`SKF_NET_OFF`).
const IP_HEADER: u32 = libc::SKF_NET_OFF as u32;

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LOAD_OCTET: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// What is kept of a segment: all, or nothing.
const PASS: SockFilter = SockFilter::new(RETURN, 0, 0, u32::MAX);
const DROP: SockFilter = SockFilter::new(RETURN, 0, 0, 0);

/// Whose segments a rule is about, and what they need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    /// Where they come from.
    pub(super) from: IpNet,
    /// Where they go to, if it matters.
    pub(super) to: Option<IpAddr>,
    /// The least TTL; any if `None`.
    pub(super) least: Option<u8>,
}

/// The program for rules of one family, of which the first that fits counts; what fits none passes.
/// Empty if none asks for a TTL.
pub(super) fn program(rules: &[Rule]) -> Vec<SockFilter> {
    let guarded = |rule: &&Rule| rule.least.is_some();
    // Behind the last of them nothing has to be known.
    let Some(last) = rules.iter().rposition(|rule| guarded(&rule)) else { return Vec::new() };
    let mut program: Vec<_> = rules[..=last].iter().flat_map(instructions).collect();
    program.push(PASS);
    program
}

fn instructions(rule: &Rule) -> Vec<SockFilter> {
    let (ttl, source, destination) = match rule.from {
        IpNet::V4(_) => (8, 12, 16),
        IpNet::V6(_) => (7, 8, 24),
    };
    let mut tests = words(source, rule.from);
    tests.extend(rule.to.into_iter().flat_map(|to| words(destination, to.into())));
    let verdict = match rule.least {
        None => vec![PASS],
        Some(least) => vec![
            SockFilter::new(LOAD_OCTET, 0, 0, IP_HEADER.wrapping_add(ttl)),
            SockFilter::new(IF_AT_LEAST, 0, 1, least.into()),
            PASS,
            DROP,
        ],
    };
    let mut left =
        tests.iter().map(|(_, mask, _)| if *mask == u32::MAX { 2 } else { 3 }).sum::<u8>();
    let mut all = Vec::new();
    for (at, mask, value) in tests {
        all.push(SockFilter::new(LOAD_WORD, 0, 0, at));
        left -= 2;
        if mask != u32::MAX {
            all.push(SockFilter::new(AND, 0, 0, mask));
            left -= 1;
        }
        // Otherwise on to the next rule.
        let rest = left + u8::try_from(verdict.len()).unwrap_or(u8::MAX);
        all.push(SockFilter::new(IF_EQUAL, 0, rest, value));
    }
    all.extend(verdict);
    all
}

/// The words of an address field that have to be so: where they are, what of them counts, its value.
fn words(field: u32, net: IpNet) -> Vec<(u32, u32, u32)> {
    let (address, mask) = match net {
        IpNet::V4(net) => (net.network().octets().to_vec(), net.netmask().octets().to_vec()),
        IpNet::V6(net) => (net.network().octets().to_vec(), net.netmask().octets().to_vec()),
    };
    let word = |octets: &[u8]| octets.iter().fold(0, |word, octet| word << 8 | u32::from(*octet));
    let pairs = address.chunks(4).zip(mask.chunks(4)).zip(0..);
    let all = pairs.map(|((address, mask), nth)| {
        (IP_HEADER.wrapping_add(field + 4 * nth), word(mask), word(address))
    });
    all.filter(|(_, mask, _)| *mask != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, to: Option<&str>, least: Option<u8>) -> Rule {
        let parsed = |text: &str| text.parse().expect("an address");
        Rule { from: from.parse().expect("a prefix"), to: to.map(parsed), least }
    }

    #[test]
    fn without_ttl_security_there_is_no_program() {
        assert!(program(&[]).is_empty());
        assert!(program(&[rule("192.0.2.1/32", None, None)]).is_empty());
    }

    #[test]
    fn a_rule_is_as_long_as_what_it_compares() {
        let len = |rule| program(&[rule]).len();
        // One word and the TTL, then what passes anyway.
        assert_eq!(len(rule("192.0.2.1/32", None, Some(255))), 2 + 4 + 1);
        assert_eq!(len(rule("192.0.2.0/24", None, Some(255))), 3 + 4 + 1);
        assert_eq!(len(rule("192.0.2.1/32", Some("192.0.2.2"), Some(255))), 4 + 4 + 1);
        assert_eq!(len(rule("2001:db8::1/128", Some("2001:db8::2"), Some(255))), 16 + 4 + 1);
        assert_eq!(len(rule("2001:db8::/32", None, Some(255))), 2 + 4 + 1);
        assert_eq!(len(rule("0.0.0.0/0", None, Some(255))), 4 + 1);
    }

    #[test]
    fn what_stands_behind_the_last_guarded_peer_is_left_out() {
        let (open, guarded) =
            (rule("192.0.2.1/32", None, None), rule("192.0.2.0/24", None, Some(255)));
        assert_eq!(program(&[open, guarded]).len(), 3 + 7 + 1);
        assert_eq!(program(&[guarded, open]).len(), 7 + 1);
    }
}
