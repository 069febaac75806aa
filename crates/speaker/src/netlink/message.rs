//! Messages and attributes: `nlmsghdr`, a fixed part, then `rtattr` type-length-values, all
//! padded to four bytes. Reading is total: what does not fit ends the iteration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::flag;

const HEADER: usize = 16;
/// The upper two bits of an attribute's type are flags.
const TYPE_MASK: u16 = 0x3FFF;

/// A message's header, less its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) seq: u32,
    pub(crate) port: u32,
}

/// Requests that are sent together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where each message begins.
    starts: Vec<usize>,
}

impl Batch {
    /// Begins a message with its fixed part; the attributes follow.
    pub(crate) fn begin(&mut self, kind: u16, flags: u16, fixed: &[u8]) {
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | flag::REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(fixed);
        self.pad();
        self.seal();
    }

    /// Adds an attribute to the message begun last.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let len = (4 + value.len()) as u16;
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
        self.seal();
    }

    /// Adds a 32-bit attribute.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// Adds an address attribute.
    pub(crate) fn address(&mut self, kind: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.attribute(kind, &address.octets()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    /// Numbers the messages from `first` on and asks for an answer to the last, even in success.
    pub(super) fn finish(&mut self, first: u32) -> &[u8] {
        for (n, &start) in self.starts.iter().enumerate() {
            let seq = first.wrapping_add(n as u32);
            self.bytes[start + 8..start + 12].copy_from_slice(&seq.to_ne_bytes());
        }
        if let Some(&last) = self.starts.last() {
            let flags = &mut self.bytes[last + 6..last + 8];
            let asked = u16::from_ne_bytes([flags[0], flags[1]]);
            flags.copy_from_slice(&(asked | flag::ACK).to_ne_bytes());
        }
        &self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn seal(&mut self) {
        if let Some(&start) = self.starts.last() {
            let len = (self.bytes.len() - start) as u32;
            self.bytes[start..start + 4].copy_from_slice(&len.to_ne_bytes());
        }
    }
}

/// The messages of one datagram.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (Header, Body<'_>)> {
    std::iter::from_fn(move || {
        let len = number(bytes.get(..4)?)? as usize;
        let message = bytes.get(..len)?;
        let header = Header {
            kind: short(message.get(4..6)?)?,
            flags: short(message.get(6..8)?)?,
            seq: number(message.get(8..12)?)?,
            port: number(message.get(12..16)?)?,
        };
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((header, Body(message.get(HEADER..)?)))
    })
}

/// What follows a message's header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a>(pub(super) &'a [u8]);

impl<'a> Body<'a> {
    /// The fixed part, if it is all there.
    pub(super) fn fixed<const N: usize>(self) -> Option<&'a [u8; N]> {
        self.0.first_chunk()
    }

    /// The attributes after a fixed part of `fixed` bytes.
    pub(super) fn attributes(self, fixed: usize) -> impl Iterator<Item = (u16, Value<'a>)> {
        let mut bytes = self.0.get(fixed.next_multiple_of(4)..).unwrap_or_default();
        std::iter::from_fn(move || {
            let len = usize::from(short(bytes.get(..2)?)?);
            let kind = short(bytes.get(2..4)?)? & TYPE_MASK;
            let value = bytes.get(4..len)?;
            bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
            Some((kind, Value(value)))
        })
    }
}

/// An attribute's value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a>(pub(super) &'a [u8]);

impl Value<'_> {
    pub(super) fn number(self) -> Option<u32> {
        number(self.0)
    }

    pub(super) fn address(self) -> Option<IpAddr> {
        match self.0.len() {
            4 => Some(Ipv4Addr::from(*self.0.first_chunk::<4>()?).into()),
            16 => Some(Ipv6Addr::from(*self.0.first_chunk::<16>()?).into()),
            _ => None,
        }
    }

    /// A text, less its final zero.
    pub(super) fn text(self) -> Option<String> {
        let text = self.0.split(|&byte| byte == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn short(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_messages() -> Batch {
        let mut batch = Batch::default();
        batch.begin(24, flag::CREATE, &[1, 2, 3, 4]);
        batch.attribute(1, &[10, 0, 0]);
        batch.number(30, 77);
        batch.begin(25, 0, &[9; 12]);
        batch
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut batch = two_messages();
        let bytes = batch.finish(5).to_vec();
        let read: Vec<_> = messages(&bytes).collect();
        assert_eq!(read.len(), 2);
        let (first, body) = read[0];
        let flags = flag::CREATE | flag::REQUEST;
        assert_eq!(first, Header { kind: 24, flags, seq: 5, port: 0 });
        assert_eq!(body.fixed::<4>(), Some(&[1, 2, 3, 4]));
        let attributes: Vec<_> = body.attributes(4).map(|(kind, value)| (kind, value.0)).collect();
        assert_eq!(attributes, [(1, &[10, 0, 0][..]), (30, &77_u32.to_ne_bytes()[..])]);
        assert_eq!(read[1].0.flags, flag::REQUEST | flag::ACK, "only the last asks for an answer");
        assert_eq!(read[1].0.seq, 6);
    }

    #[test]
    fn cut_or_scrambled_bytes_never_panic_and_always_end() {
        let bytes = two_messages().finish(1).to_vec();
        for cut in 0..bytes.len() {
            let whole = messages(&bytes[..cut])
                .map(|(_, body)| body.attributes(4).count())
                .fold(0, |count, _| count + 1);
            assert!(whole < 2);
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 3, 0x7F, 0xFF] {
                let mut scrambled = bytes.clone();
                scrambled[at] = value;
                let attributes: usize =
                    messages(&scrambled).map(|(_, body)| body.attributes(12).count()).sum();
                assert!(attributes <= bytes.len());
            }
        }
    }
}
