//! Certificates as organisations make them: one authority, a certificate for each process.

use std::sync::Arc;

use rask_wire::{Connection, Listener, Role, Security, TlsVersion, Token, WireError, connect};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What a process has whose certificate carries these names.
    fn security(&self, names: &[&str]) -> Security {
        let names = names
            .iter()
            .map(|name| name.to_string())
            .collect::<Vec<_>>();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Security {
            ca_pem: Some(self.0.pem()),
            certificate_pem: Some(certificate.pem()),
            key_pem: Some(key.serialize_pem()),
            ..Security::with_token(Token::new("known"))
        }
    }

    /// The authority's own certificate used for a process.
    fn own(&self) -> Security {
        Security {
            ca_pem: Some(self.0.pem()),
            certificate_pem: Some(self.0.pem()),
            key_pem: Some(self.0.key().serialize_pem()),
            ..Security::with_token(Token::new("known"))
        }
    }
}

async fn pair(
    listening: &Security,
    connecting: &Security,
) -> (Result<Connection, WireError>, Result<Connection, WireError>) {
    let address = "tls://127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(&address, Arc::new(listening.clone())).await;
    let listener = listener.unwrap();
    let address = listener.address().clone();
    let accepted = async { listener.next().await?.accept().await };
    tokio::join!(accepted, connect(&address, connecting, Role::Worker))
}

async fn meet(listening: &Security, connecting: &Security) -> bool {
    let (accepted, connected) = pair(listening, connecting).await;
    accepted.is_ok() && connected.is_ok()
}

#[tokio::test]
async fn an_authority_makes_trusted_whatever_the_names() {
    let authority = Authority::new();
    let (scheduler, worker) = (authority.security(&["a.example"]), authority.security(&[]));
    assert!(meet(&scheduler, &worker).await);
    assert!(meet(&worker, &scheduler).await);
}

#[tokio::test]
async fn one_certificate_for_everything_is_trusted() {
    let own = Authority::new().own();
    assert!(meet(&own, &own).await);
}

#[tokio::test]
async fn another_authority_is_refused_in_both_directions() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (ours, theirs) = (ours.security(&["rask"]), theirs.security(&["rask"]));
    assert!(!meet(&ours, &theirs).await);
    // Its certificate alone, without the key, is no identity.
    let stolen = Security {
        certificate_pem: ours.certificate_pem.clone(),
        ca_pem: ours.ca_pem.clone(),
        ..theirs.clone()
    };
    assert!(matches!(stolen.check_tls(), Err(WireError::Tls(_))));
    // Trusting the other side does not make it trust back.
    let mut trusting = theirs;
    trusting.ca_pem = ours.ca_pem.clone();
    assert!(!meet(&ours, &trusting).await);
    assert!(!meet(&trusting, &ours).await);
}

#[tokio::test]
async fn the_key_may_stand_with_the_certificate() {
    let mut own = Authority::new().security(&["worker"]);
    let key = own.key_pem.take().unwrap();
    own.certificate_pem = own.certificate_pem.map(|pem| pem + &key);
    assert!(meet(&own, &own).await);
}

#[tokio::test]
async fn versions_and_ciphers_are_what_both_allow() {
    let plain = Authority::new().security(&["rask"]);
    let at_most = |version| Security {
        version_max: Some(version),
        ..plain.clone()
    };
    let at_least = |version| Security {
        version_min: Some(version),
        ..plain.clone()
    };
    let (old, new) = (at_most(TlsVersion::Tls12), at_least(TlsVersion::Tls13));
    assert!(meet(&plain, &old).await && meet(&plain, &new).await);
    assert!(!meet(&old, &new).await);

    let with = |ciphers: &str| Security {
        ciphers: Some(ciphers.to_owned()),
        ..plain.clone()
    };
    let (aes, chacha) = ("TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256");
    assert!(meet(&with(aes), &with(&format!("{chacha}:{aes}"))).await);
    assert!(
        !meet(
            &with(aes),
            &Security {
                version_min: Some(TlsVersion::Tls13),
                ..with(chacha)
            }
        )
        .await
    );
    let unknown = with("RC4-MD5").check_tls();
    assert!(
        unknown
            .unwrap_err()
            .to_string()
            .contains("ECDHE-RSA-AES128-GCM-SHA256")
    );
}

#[test]
fn what_is_no_certificate_is_refused_before_any_connection() {
    let good = Authority::new().security(&["rask"]);
    for broken in [
        Security {
            ca_pem: Some("no PEM".to_owned()),
            ..good.clone()
        },
        Security {
            certificate_pem: None,
            ..good.clone()
        },
        Security {
            key_pem: Some("-----BEGIN".to_owned()),
            ..good.clone()
        },
        Security {
            version_min: Some(TlsVersion::Tls13),
            version_max: Some(TlsVersion::Tls12),
            ..good.clone()
        },
    ] {
        assert!(matches!(broken.check_tls(), Err(WireError::Tls(_))));
    }
    good.check_tls().unwrap();
}
