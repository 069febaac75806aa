//! The socket file: taken from the dead, never from the living.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::OsError;

/// Who may use the control interface: owner and group.
const MODE: u32 = 0o660;

/// A bound socket's file, removed when dropped if it is still the same.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    inode: u64,
    /// It took the place of one that a dead speaker left.
    pub(super) replaced: bool,
}

impl Socket {
    pub(super) fn bind(path: &Path) -> Result<(UnixListener, Self), OsError> {
        let failed = |error: io::Error| {
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "another speaker answers there: stop it, or set `control` to another path"
                }
                io::ErrorKind::AlreadyExists => {
                    "a file that is no socket is there: remove it, or set `control` to another path"
                }
                _ => "create the directory, or set `control` to a path this user may write to",
            };
            let doing = format!("open the control socket {}", path.display());
            OsError::new(doing, error).with_remedy(remedy)
        };
        Self::try_bind(path).map_err(failed)
    }

    fn try_bind(path: &Path) -> io::Result<(UnixListener, Self)> {
        if let Some(directory) = path.parent()
            && !directory.exists()
        {
            fs::create_dir(directory)?;
        }
        let replaced = refuse_the_living(path)?;
        // Bound under another name, so that nobody can connect before the mode is set; renaming
        // replaces what a dead speaker left.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(MODE))?;
        fs::rename(&fresh, path)?;
        let inode = fs::metadata(path)?.ino();
        Ok((listener, Self { path: path.to_owned(), inode, replaced }))
    }
}

/// Tells whether a dead one is there.
fn refuse_the_living(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt;
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

impl Drop for Socket {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode) {
            // Nothing can be done about a file that will not go.
            let _ = fs::remove_file(&self.path);
        }
    }
}
