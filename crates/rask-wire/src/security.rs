//! Tokens and certificates.

use std::sync::Arc;

use ring::rand::SecureRandom;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::WireError;

/// The name in temporary certificates, and the name asked for in every TLS handshake: who a peer is
/// follows from its certificate's authority, not from its address.
const CERTIFICATE_NAME: &str = "rask";

/// The secret that every connection of a cluster must know.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<[u8]>);

impl Token {
    /// The token of this text; surrounding white space is ignored.
    pub fn new(text: &str) -> Self {
        Token(text.trim().as_bytes().into())
    }

    /// A fresh token of 256 random bits, as hexadecimal text.
    pub fn random() -> Self {
        let bytes = random_bytes::<32>();
        Token::new(&bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
    }

    /// The secret as text, to hand it to a child process.
    pub fn reveal(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What a process needs to take part in a cluster.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// `None` takes every connection.
    pub token: Option<Token>,
    /// PEM text: authorities, own certificate, own key. Needed for `tls://`.
    pub ca_pem: Option<String>,
    pub certificate_pem: Option<String>,
    pub key_pem: Option<String>,
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
            token: Some(Token::random()),
            ca_pem: Some(certificate.clone()),
            certificate_pem: Some(certificate),
            key_pem: Some(made.signing_key.serialize_pem()),
        })
    }

    /// Whether certificates are set.
    pub fn has_certificates(&self) -> bool {
        self.ca_pem.is_some()
    }

    pub(crate) fn try_server_config(&self) -> Result<Arc<rustls::ServerConfig>, WireError> {
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(self.try_roots()?),
            provider(),
        )
        .build()
        .map_err(|error| WireError::Tls(error.to_string()))?;
        let (chain, key) = self.try_identity()?;
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(tls)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(tls)?;
        Ok(Arc::new(config))
    }

    pub(crate) fn try_client_config(&self) -> Result<Arc<rustls::ClientConfig>, WireError> {
        let (chain, key) = self.try_identity()?;
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(tls)?
            .with_root_certificates(self.try_roots()?)
            .with_client_auth_cert(chain, key)
            .map_err(tls)?;
        Ok(Arc::new(config))
    }

    fn try_roots(&self) -> Result<rustls::RootCertStore, WireError> {
        let pem = self.ca_pem.as_deref().ok_or_else(|| missing("a CA file"))?;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|e| WireError::Tls(format!("CA file: {e}")))?;
            roots.add(certificate).map_err(tls)?;
        }
        Ok(roots)
    }

    fn try_identity(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), WireError> {
        let certificate = self.certificate_pem.as_deref();
        let certificate = certificate.ok_or_else(|| missing("a certificate"))?;
        let key = self.key_pem.as_deref().ok_or_else(|| missing("a key"))?;
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| WireError::Tls(format!("certificate: {e}")))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|e| WireError::Tls(format!("key: {e}")))?;
        Ok((chain, key))
    }
}

/// The name asked for in the TLS handshake.
pub(crate) fn server_name() -> rustls::pki_types::ServerName<'static> {
    rustls::pki_types::ServerName::try_from(CERTIFICATE_NAME)
        .expect("the certificate name is a valid DNS name")
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn tls(error: rustls::Error) -> WireError {
    WireError::Tls(error.to_string())
}

fn missing(what: &str) -> WireError {
    WireError::Tls(format!("tls:// needs {what}"))
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
