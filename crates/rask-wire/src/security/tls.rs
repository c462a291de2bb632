//! TLS as `rustls` wants it, from PEM text and the names that OpenSSL has for ciphers.

use std::str::FromStr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ClientConfig, ServerConfig, SupportedProtocolVersion, version};

use super::Security;
use super::trust::Authorities;
use crate::WireError;

/// A version of the protocol TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

impl FromStr for TlsVersion {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        match text {
            "1.2" => Ok(TlsVersion::Tls12),
            "1.3" => Ok(TlsVersion::Tls13),
            other => Err(WireError::Tls(format!(
                "TLS version {other:?} is not supported: expected 1.2 or 1.3"
            ))),
        }
    }
}

/// Ciphers by the names that OpenSSL gives them.
const CIPHERS: [(&str, CipherSuite); 9] = [
    (
        "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_256_GCM_SHA384,
    ),
    (
        "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_128_GCM_SHA256,
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

pub(crate) fn try_server_config(security: &Security) -> Result<Arc<ServerConfig>, WireError> {
    let (provider, versions) = (try_provider(security)?, try_versions(security)?);
    let (chain, key) = try_identity(security)?;
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(tls_error)?
        .with_client_cert_verifier(try_authorities(security, provider)?)
        .with_single_cert(chain, key)
        .map_err(tls_error)?;
    Ok(Arc::new(config))
}

pub(crate) fn try_client_config(security: &Security) -> Result<Arc<ClientConfig>, WireError> {
    let (provider, versions) = (try_provider(security)?, try_versions(security)?);
    let (chain, key) = try_identity(security)?;
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(tls_error)?
        .dangerous()
        .with_custom_certificate_verifier(try_authorities(security, provider)?)
        .with_client_auth_cert(chain, key)
        .map_err(tls_error)?;
    Ok(Arc::new(config))
}

fn try_authorities(
    security: &Security,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<Authorities>, WireError> {
    let pem = security.ca_pem.as_deref();
    let pem = pem.ok_or_else(|| missing("a CA file"))?;
    Authorities::try_new(try_certificates(pem, "CA file")?, provider)
}

fn try_identity(
    security: &Security,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), WireError> {
    let certificate = security.certificate_pem.as_deref();
    let certificate = certificate.ok_or_else(|| missing("a certificate"))?;
    // The key may stand in the certificate's file.
    let key = security.key_pem.as_deref().unwrap_or(certificate);
    let chain = try_certificates(certificate, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| WireError::Tls(format!("key: {error}")))?;
    Ok((chain, key))
}

fn try_certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| WireError::Tls(format!("{what}: {error}")))?;
    if found.is_empty() {
        return Err(WireError::Tls(format!("{what}: it has no certificate")));
    }
    Ok(found)
}

fn try_provider(security: &Security) -> Result<Arc<CryptoProvider>, WireError> {
    let mut provider = rustls::crypto::ring::default_provider();
    if let Some(names) = &security.ciphers {
        let chosen = try_ciphers(names)?;
        let is_13 = |suite: CipherSuite| format!("{suite:?}").starts_with("TLS13");
        // As with OpenSSL, a list that names no cipher of TLS 1.3 leaves those as they are.
        let all_13 = !chosen.iter().any(|&suite| is_13(suite));
        provider.cipher_suites.retain(|known| {
            let suite = known.suite();
            chosen.contains(&suite) || (all_13 && is_13(suite))
        });
        let place = |suite| chosen.iter().position(|&c| c == suite);
        provider
            .cipher_suites
            .sort_by_key(|known| place(known.suite()));
    }
    Ok(Arc::new(provider))
}

fn try_ciphers(names: &str) -> Result<Vec<CipherSuite>, WireError> {
    let find = |name: &str| {
        let found = CIPHERS.iter().find(|(known, _)| *known == name);
        found.map(|(_, suite)| *suite).ok_or_else(|| {
            let known: Vec<_> = CIPHERS.iter().map(|(known, _)| *known).collect();
            let known = known.join(", ");
            WireError::Tls(format!("cipher {name:?} is not known; known are {known}"))
        })
    };
    names
        .split([':', ',', ' '])
        .filter(|n| !n.is_empty())
        .map(find)
        .collect()
}

fn try_versions(security: &Security) -> Result<Vec<&'static SupportedProtocolVersion>, WireError> {
    let (min, max) = (security.version_min, security.version_max);
    let allowed =
        |version| min.is_none_or(|min| version >= min) && max.is_none_or(|max| version <= max);
    let mut versions = Vec::new();
    if allowed(TlsVersion::Tls13) {
        versions.push(&version::TLS13);
    }
    if allowed(TlsVersion::Tls12) {
        versions.push(&version::TLS12);
    }
    if versions.is_empty() {
        let text = "the lowest TLS version allowed is above the highest";
        return Err(WireError::Tls(text.to_owned()));
    }
    Ok(versions)
}

pub(super) fn tls_error(error: rustls::Error) -> WireError {
    WireError::Tls(error.to_string())
}

fn missing(what: &str) -> WireError {
    WireError::Tls(format!("tls:// needs {what}"))
}
