//! The security settings of [example-ssl.rs](https://docs.rs/crate/kafka/0.10.0/source/examples/example-ssl.rs), with
//! certificates from memory where the example reads files.

use kafka::client::SecurityConfig;
use kit::mqtt::Tls;
use kit::Failure;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode};
use openssl::x509::X509;

/// What `SecurityConfig`s are made of: each client takes one of its own.
pub struct Security(SslConnector);

impl Security {
    pub fn new(tls: &Tls) -> Result<Self, Failure> {
        let made = connector(tls).map_err(Failure::bad_value)?;
        Ok(Self(made.build()))
    }

    pub fn config(&self) -> SecurityConfig {
        SecurityConfig::new(self.0.clone()).with_hostname_verification(true)
    }
}

fn connector(tls: &Tls) -> Result<SslConnectorBuilder, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls())?;
    builder.set_cipher_list("DEFAULT")?;
    builder.set_verify(SslVerifyMode::PEER);
    if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
        let mut chain = X509::stack_from_pem(certificate.as_bytes())?.into_iter();
        if let Some(leaf) = chain.next() {
            builder.set_certificate(&leaf)?;
        }
        for issuer in chain {
            builder.add_extra_chain_cert(issuer)?;
        }
        builder.set_private_key(&*PKey::private_key_from_pem(key.as_bytes())?)?;
        builder.check_private_key()?;
    }
    match &tls.ca {
        Some(authorities) => {
            for authority in X509::stack_from_pem(authorities.as_bytes())? {
                builder.cert_store_mut().add_cert(authority)?;
            }
        }
        None => builder.set_default_verify_paths()?,
    }
    Ok(builder)
}
