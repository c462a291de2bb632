//! Tokens and certificates.

pub(crate) mod tls;
mod token;
mod trust;

use ring::rand::SecureRandom;

pub use tls::TlsVersion;
pub use token::Token;

use crate::WireError;

/// The name in temporary certificates, and the one asked for in every TLS handshake. It only has to
/// be a name: see the module `trust`.
const CERTIFICATE_NAME: &str = "rask";

/// What a process needs to take part in a cluster.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// `None` takes every connection.
    pub token: Option<Token>,
    /// PEM text: authorities, own certificate, own key (or the key in the certificate's text).
    /// Needed for `tls://`.
    pub ca_pem: Option<String>,
    pub certificate_pem: Option<String>,
    pub key_pem: Option<String>,
    /// Names of OpenSSL, separated by colons; the library's choice if `None`.
    pub ciphers: Option<String>,
    pub version_min: Option<TlsVersion>,
    pub version_max: Option<TlsVersion>,
}

impl Security {
    /// A token and nothing else.
    pub fn with_token(token: Token) -> Self {
        Security {
            token: Some(token),
            ..Security::default()
        }
    }

    /// A fresh token and a certificate that only holders of this `Security` accept.
    pub fn temporary() -> Result<Self, WireError> {
        let failed = |error: rcgen::Error| WireError::Tls(error.to_string());
        let made = rcgen::generate_simple_self_signed(vec![CERTIFICATE_NAME.to_owned()])
            .map_err(failed)?;
        let certificate = made.cert.pem();
        Ok(Security {
            ca_pem: Some(certificate.clone()),
            certificate_pem: Some(certificate),
            key_pem: Some(made.signing_key.serialize_pem()),
            ..Security::with_token(Token::random())
        })
    }

    /// Whether certificates are set.
    pub fn has_certificates(&self) -> bool {
        self.ca_pem.is_some()
    }

    /// Whether a connection over `tls://` could be made or taken: certificates are there and can be
    /// read, key and certificate belong together, ciphers and versions are known.
    pub fn check_tls(&self) -> Result<(), WireError> {
        tls::try_server_config(self)?;
        tls::try_client_config(self)?;
        Ok(())
    }
}

/// The name asked for in the TLS handshake.
pub(crate) fn server_name() -> rustls::pki_types::ServerName<'static> {
    rustls::pki_types::ServerName::try_from(CERTIFICATE_NAME)
        .expect("the certificate name is a valid DNS name")
}

/// A name that nobody else has.
pub fn random_id() -> [u8; 16] {
    random_bytes()
}

/// Bytes from the system's random source.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has a random source");
    bytes
}
