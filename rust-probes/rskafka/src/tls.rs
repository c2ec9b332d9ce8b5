//! The settings of TLS, with certificates from memory.

use std::sync::Arc;

use kit::mqtt::Tls;
use kit::Failure;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// The authority to trust, and the certificate to show.
pub fn config(wanted: &Tls) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(wanted.ca.as_deref().unwrap_or_default())? {
        roots.add(authority).map_err(Failure::bad_value)?;
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match (&wanted.certificate, &wanted.key) {
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(Failure::bad_value)?;
            builder
                .with_client_auth_cert(certificates(certificate)?, key)
                .map_err(Failure::bad_value)?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(Failure::bad_value)
}
