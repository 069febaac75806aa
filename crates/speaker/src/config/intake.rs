//! `[intake]`: the socket for measurements from outside.

use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use super::read::Section;
use super::schema;
use super::speaker::check_socket;
use super::value::{FromToml, Refusal};

/// The socket, as the shell is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IntakeSocket {
    /// Its file.
    pub path: PathBuf,
    /// The mode of the file: who may connect.
    pub mode: u32,
}

/// The table as read.
#[derive(Debug, Default)]
pub(super) struct Intake {
    pub(super) socket: Option<IntakeSocket>,
    pub(super) trusted: bool,
}

/// Permissions, written as for `chmod`.
struct FileMode(u32);

impl FileMode {
    /// Owner and group.
    const DEFAULT: Self = Self(0o660);
}

impl FromToml for FileMode {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Refusal> {
        let digits = match value {
            DeValue::String(text) => u32::from_str_radix(text, 8).ok(),
            _ => None,
        };
        digits.filter(|mode| (1..=0o777).contains(mode)).map(Self).ok_or_else(|| {
            Refusal::new("it is no mode of a file", "write it as for chmod, in quotes: \"0660\"")
        })
    }
}

impl Intake {
    /// Reads the table, if there is one.
    pub(super) fn read(root: &Section<'_>) -> Self {
        let Some(section) = root.section("intake", "[intake]", schema::INTAKE) else {
            return Self::default();
        };
        let path: Option<Spanned<PathBuf>> =
            section.required("socket", "\"/run/pathvane/intake.sock\"");
        if let Some(path) = &path {
            check_socket(&section, "intake", path);
        }
        let FileMode(mode) = section.or("mode", FileMode::DEFAULT);
        let trusted = section.spanned_or("trusted", false);
        if *trusted.get_ref() && mode & 0o007 != 0 {
            section.findings().borrow_mut().warning(
                trusted.span(),
                "everybody on this machine may say what moves traffic",
                "set `mode` to \"0660\" or less, or `trusted` to false",
            );
        }
        Self {
            socket: path.map(|path| IntakeSocket { path: path.into_inner(), mode }),
            trusted: trusted.into_inner(),
        }
    }
}
