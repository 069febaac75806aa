//! The key of authenticated STAMP, from the file that holds it.

use std::io;
use std::path::Path;

use pathvane_probe::stamp::Key;

use crate::os_error::OsError;

/// The fewest octets of a key: with fewer the tag could be guessed by trying keys.
const KEY_MIN: usize = 16;

/// Reads a key: the file's octets less line ends behind them. Warns if everybody may read it.
///
/// The file must hold 16 octets or more; an error names it and the remedy.
pub fn read_stamp_key(path: &Path) -> Result<Key, OsError> {
    let key = load(path)?;
    if readable_by_others(path) {
        tracing::warn!(file = %path.display(), "everybody on this machine can read the STAMP key; `chmod o=` it");
    }
    Ok(key)
}

/// As [`read_stamp_key`], without a warning.
pub(crate) fn load(path: &Path) -> Result<Key, OsError> {
    let doing = format!("take the STAMP key from {}", path.display());
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return Err(OsError::new(doing, error)
                .with_remedy("make one: `(umask 077; openssl rand -hex 32 > FILE)`"));
        }
    };
    let end = bytes.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    if end < KEY_MIN {
        let error = io::Error::new(io::ErrorKind::InvalidData, format!("it has {end} octets"));
        return Err(OsError::new(doing, error)
            .with_remedy("16 are the fewest; make one with `openssl rand -hex 32`"));
    }
    Ok(Key::new(&bytes[..end]))
}

pub(crate) fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_no_part_of_a_key_and_short_or_missing_ones_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "0123456789abcdef\r\n").unwrap();
        assert_eq!(read_stamp_key(&file).unwrap(), Key::new(b"0123456789abcdef"));
        std::fs::write(&file, "0123456789abcde\n").unwrap();
        let text = read_stamp_key(&file).unwrap_err().to_string();
        assert!(text.contains("it has 15 octets") && text.contains("openssl rand"), "{text}");
        std::fs::write(&file, "\n\n").unwrap();
        assert!(read_stamp_key(&file).is_err());
        let text = read_stamp_key(&directory.path().join("none")).unwrap_err().to_string();
        assert!(text.contains("none") && text.contains("umask 077"), "{text}");
    }
}
