//! The shared secret of an authenticated session (RFC 8762 section 4.4).

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Octets of a tag: HMAC-SHA-256 truncated to 128 bits.
pub const TAG_LEN: usize = 16;

/// A key ready for use; a tag then costs no preparation. Its secret cannot be read back.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// The key of `secret`, of any length; 32 octets or more are as good as the hash (RFC 2104 section 3).
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
    }

    /// The tag of the concatenation of `parts`.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; TAG_LEN] {
        let whole = self.hashed(parts).finalize().into_bytes();
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&whole[..TAG_LEN]);
        tag
    }

    /// Whether `tag` is the tag of `parts`; takes the same time wherever they differ.
    pub fn verifies(&self, parts: &[&[u8]], tag: &[u8; TAG_LEN]) -> bool {
        self.hashed(parts).verify_truncated_left(tag).is_ok()
    }

    fn hashed(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

/// Equal keys make equal tags.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.verifies(&[], &other.tag(&[]))
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
