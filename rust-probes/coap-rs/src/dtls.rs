//! A client and a listener over DTLS, as the crate's
//! [example](https://docs.rs/crate/coap/0.29.0/source/examples/echo_with_dtls.rs) has them for a key that both sides know,
//! and the [test](https://docs.rs/crate/coap/0.29.0/source/src/dtls.rs) that it points to for certificates.

use std::io::{self, BufReader};
use std::net::ToSocketAddrs;
use std::sync::Arc;

use coap::client::CoAPClient;
use coap::dtls::{DtlsConnection, UdpDtlsConfig};
use kit::coap::{Dtls, Psk};
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
        config: config_of_client(dtls).map_err(crate::failure)?,
        dest_addr,
    };
    let client = runtime.block_on(CoAPClient::from_udp_dtls_config(config));
    client.map_err(crate::failure)
}

/// What a server gets its requests from, and its port.
#[cfg(not(before = "0.29.0"))]
pub async fn listen(dtls: &Dtls) -> io::Result<(Box<dyn coap::server::Listener>, u16)> {
    use webrtc_util::conn::Listener;

    let config = config_of_server(dtls)?;
    let listening = webrtc_dtls::listener::listen("127.0.0.1:0", config).await;
    let listener = listening.map_err(io::Error::other)?;
    let port = listener.addr().await.map_err(io::Error::other)?.port();
    Ok((Box::new(listener), port))
}

fn config_of_client(dtls: &Dtls) -> io::Result<Config> {
    if let Some(psk) = &dtls.psk {
        return Ok(config_with_key(psk));
    }
    Ok(Config {
        certificates: shown(dtls)?,
        extended_master_secret: ExtendedMasterSecretType::Require,
        roots_cas: trusted(dtls)?,
        server_name: dtls.server_name.clone().unwrap_or_default(),
        ..Default::default()
    })
}

#[cfg(not(before = "0.29.0"))]
fn config_of_server(dtls: &Dtls) -> io::Result<Config> {
    use webrtc_dtls::config::ClientAuthType;

    if let Some(psk) = &dtls.psk {
        return Ok(config_with_key(psk));
    }
    let client_auth = match dtls.ca {
        Some(_) => ClientAuthType::RequireAndVerifyClientCert,
        None => ClientAuthType::NoClientCert,
    };
    Ok(Config {
        certificates: shown(dtls)?,
        extended_master_secret: ExtendedMasterSecretType::Require,
        client_auth,
        client_cas: trusted(dtls)?,
        ..Default::default()
    })
}

/// The example has the same for both sides.
fn config_with_key(psk: &Psk) -> Config {
    let key = psk.key.clone();
    Config {
        psk: Some(Arc::new(move |_| Ok(key.clone()))),
        psk_identity_hint: Some(psk.identity.clone().into_bytes()),
        cipher_suites: vec![CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8],
        ..Default::default()
    }
}

fn trusted(dtls: &Dtls) -> io::Result<RootCertStore> {
    let mut authorities = RootCertStore::empty();
    for authority in certificates(dtls.ca.as_deref().unwrap_or_default())? {
        authorities.add(&authority).map_err(io::Error::other)?;
    }
    Ok(authorities)
}

fn shown(dtls: &Dtls) -> io::Result<Vec<Certificate>> {
    let (Some(certificate), Some(key)) = (&dtls.certificate, &dtls.key) else {
        return Ok(vec![]);
    };
    let pair = rcgen::KeyPair::from_pem(key).map_err(io::Error::other)?;
    Ok(vec![Certificate {
        certificate: certificates(certificate)?,
        private_key: CryptoPrivateKey::from_key_pair(&pair).map_err(io::Error::other)?,
    }])
}

fn certificates(pem: &str) -> io::Result<Vec<rustls::Certificate>> {
    let mut pem = BufReader::new(pem.as_bytes());
    rustls_pemfile::certs(&mut pem)
        .map(|each| Ok(rustls::Certificate(each?.to_vec())))
        .collect()
}
