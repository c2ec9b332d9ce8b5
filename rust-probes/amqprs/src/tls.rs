//! The crate's TLS adaptor, which reads its certificates from files.

use std::io::{self, Write};

use amqprs::tls::TlsAdaptor;
use kit::mqtt::Tls;
use kit::Failure;
use tempfile::NamedTempFile;

/// Trusts the authority, and shows the certificate where there is one. The files go with the call, which has read them.
pub fn adaptor(wanted: &Tls, host: String) -> Result<TlsAdaptor, Failure> {
    made(wanted, host).map_err(Failure::bad_value)
}

fn made(wanted: &Tls, host: String) -> io::Result<TlsAdaptor> {
    let authority = wanted.ca.as_deref().map(file).transpose()?;
    let authority = authority.as_ref().map(NamedTempFile::path);
    match (&wanted.certificate, &wanted.key) {
        (Some(certificate), Some(key)) => {
            let (certificate, key) = (file(certificate)?, file(key)?);
            TlsAdaptor::with_client_auth(authority, certificate.path(), key.path(), host)
        }
        _ => TlsAdaptor::without_client_auth(authority, host),
    }
}

fn file(pem: &str) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    file.write_all(pem.as_bytes())?;
    Ok(file)
}
