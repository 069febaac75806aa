//! A unix socket's file: taken from the dead, never from the living.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::OsError;

/// Who may connect unless the operator says otherwise: owner and group.
pub(crate) const MODE: u32 = 0o660;

/// What to do about a socket that cannot be had.
pub(crate) struct Remedies {
    /// Somebody answers there.
    pub(crate) alive: &'static str,
    /// Something else is there.
    pub(crate) no_socket: &'static str,
    /// The file system refuses.
    pub(crate) other: &'static str,
}

/// A bound socket's file, removed when dropped if it is still the same.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: u64,
    /// It took the place of one that a dead process left.
    pub(crate) replaced: bool,
}

impl SocketFile {
    /// Binds `path`, which messages call `what`. What a dead process left is replaced.
    pub(crate) fn bind(
        path: &Path,
        mode: u32,
        what: &str,
        remedies: &Remedies,
    ) -> Result<(UnixListener, Self), OsError> {
        Self::try_bind(path, mode).map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => remedies.alive,
                io::ErrorKind::AlreadyExists => remedies.no_socket,
                _ => remedies.other,
            };
            OsError::new(format!("open {what} {}", path.display()), error).with_remedy(remedy)
        })
    }

    fn try_bind(path: &Path, mode: u32) -> io::Result<(UnixListener, Self)> {
        if let Some(directory) = path.parent()
            && !directory.exists()
        {
            fs::create_dir(directory)?;
        }
        let replaced = refuse_the_living(path)?;
        // Bound under another name, so that nobody can connect before the mode is set; renaming
        // replaces what a dead process left.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))?;
        fs::rename(&fresh, path)?;
        let inode = fs::metadata(path)?.ino();
        Ok((listener, Self { path: path.to_owned(), inode, replaced }))
    }
}

/// Tells whether a dead one is there.
fn refuse_the_living(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        Err(error) => Err(error),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode) {
            // Nothing can be done about a file that will not go.
            let _ = fs::remove_file(&self.path);
        }
    }
}
