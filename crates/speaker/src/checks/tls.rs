//! Whom an HTTPS check trusts.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Root certificates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Roots {
    /// Those of the operating system.
    System,
    /// Those in this PEM file, and no others.
    Pem(PathBuf),
}

/// A TLS client that trusts `roots`, or why there is none.
pub(super) fn client(roots: &Roots) -> Result<Arc<ClientConfig>, String> {
    let store = match roots {
        Roots::System => system()?,
        Roots::Pem(path) => read(path)?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The system's roots; single certificates that cannot be read are left out, as everywhere.
fn system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        return Err("no system root certificates; install ca-certificates or name a file".into());
    }
    Ok(store)
}

fn read(path: &PathBuf) -> Result<RootCertStore, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut store = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(path).map_err(|error| said(&error))? {
        let cert = cert.map_err(|error| said(&error))?;
        store.add(cert).map_err(|error| said(&error))?;
    }
    if store.is_empty() {
        return Err(said(&"contains no certificate"));
    }
    Ok(store)
}
