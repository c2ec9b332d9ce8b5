//! A client over DTLS, as the crate's
//! [example](https://docs.rs/crate/coap/0.29.0/source/examples/echo_with_dtls.rs) has it for a key that both sides know,
//! and the [test](https://docs.rs/crate/coap/0.29.0/source/src/dtls.rs) that it points to for certificates.

use std::io::{self, BufReader};
use std::net::ToSocketAddrs;
use std::sync::Arc;

use coap::client::CoAPClient;
use coap::dtls::{DtlsConnection, UdpDtlsConfig};
use kit::coap::Dtls;
use kit::Failure;
use rustls::RootCertStore;
use tokio::runtime::Runtime;
use webrtc_dtls::cipher_suite::CipherSuiteId;
use webrtc_dtls::config::{Config, ExtendedMasterSecretType};
use webrtc_dtls::crypto::{Certificate, CryptoPrivateKey};

/// A client that has shaken hands with `server`.
pub fn open(
    runtime: &Runtime,
    server: &str,
    dtls: &Dtls,
) -> Result<CoAPClient<DtlsConnection>, Failure> {
    let mut addresses = server.to_socket_addrs().map_err(crate::failure)?;
    let Some(dest_addr) = addresses.next() else {
        return Err(Failure::krate("the server's name has no address"));
    };
    let config = UdpDtlsConfig {
        config: config(dtls).map_err(crate::failure)?,
        dest_addr,
    };
    let client = runtime.block_on(CoAPClient::from_udp_dtls_config(config));
    client.map_err(crate::failure)
}

fn config(dtls: &Dtls) -> io::Result<Config> {
    if let Some(psk) = &dtls.psk {
        let key = psk.key.clone();
        return Ok(Config {
            psk: Some(Arc::new(move |_| Ok(key.clone()))),
            psk_identity_hint: Some(psk.identity.clone().into_bytes()),
            cipher_suites: vec![CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8],
            ..Default::default()
        });
    }
    let mut roots_cas = RootCertStore::empty();
    for trusted in certificates(dtls.ca.as_deref().unwrap_or_default())? {
        roots_cas.add(&trusted).map_err(io::Error::other)?;
    }
    let shown = match (&dtls.certificate, &dtls.key) {
        (Some(certificate), Some(key)) => {
            let pair = rcgen::KeyPair::from_pem(key).map_err(io::Error::other)?;
            vec![Certificate {
                certificate: certificates(certificate)?,
                private_key: CryptoPrivateKey::from_key_pair(&pair).map_err(io::Error::other)?,
            }]
        }
        _ => vec![],
    };
    Ok(Config {
        certificates: shown,
        extended_master_secret: ExtendedMasterSecretType::Require,
        roots_cas,
        server_name: dtls.server_name.clone().unwrap_or_default(),
        ..Default::default()
    })
}

fn certificates(pem: &str) -> io::Result<Vec<rustls::Certificate>> {
    let mut pem = BufReader::new(pem.as_bytes());
    rustls_pemfile::certs(&mut pem)
        .map(|each| Ok(rustls::Certificate(each?.to_vec())))
        .collect()
}
