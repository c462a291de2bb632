//! Mutual proof of the token, before anything else is read.
//!
//! ```text
//! connector → listener   magic, version, role, nonce A
//! listener  → connector  magic, version, nonce B
//! connector → listener   HMAC(token, "connector" | A | B | role)
//! listener  → connector  1 and HMAC(token, "listener" | A | B), or 0
//! ```
//!
//! All fields have fixed sizes, so a stranger makes the listener read 73 bytes at most. The token
//! itself never travels; proofs are compared in constant time and cannot be replayed, because both
//! ends choose a nonce.

use std::time::Duration;

use rask_proto::PROTOCOL_VERSION;
use ring::hmac;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::security::random_bytes;
use crate::{Token, WireError};

const MAGIC: [u8; 4] = *b"RASK";
const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Worker,
    /// To a worker, for data.
    Peer,
}

impl Role {
    fn to_byte(self) -> u8 {
        match self {
            Role::Client => 1,
            Role::Worker => 2,
            Role::Peer => 3,
        }
    }

    fn from_byte(byte: u8) -> Option<Role> {
        match byte {
            1 => Some(Role::Client),
            2 => Some(Role::Worker),
            3 => Some(Role::Peer),
            _ => None,
        }
    }
}

/// The connecting end.
pub(crate) async fn offer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    token: Option<&Token>,
    role: Role,
) -> Result<(), WireError> {
    within(async {
        let own: [u8; NONCE_BYTES] = random_bytes();
        let mut hello = [0u8; 9 + NONCE_BYTES];
        hello[..4].copy_from_slice(&MAGIC);
        hello[4..8].copy_from_slice(&PROTOCOL_VERSION.to_le_bytes());
        hello[8] = role.to_byte();
        hello[9..].copy_from_slice(&own);
        stream.write_all(&hello).await?;
        let mut answer = [0u8; 8 + NONCE_BYTES];
        read(stream, &mut answer).await?;
        check_version(&answer[..8])?;
        let key = key_of(token);
        let proof = hmac::sign(&key, &transcript(b"connector", &own, &answer[8..], role));
        stream.write_all(proof.as_ref()).await?;
        let mut verdict = [0u8; 1 + PROOF_BYTES];
        read(stream, &mut verdict[..1]).await?;
        if verdict[0] != 1 {
            return Err(WireError::TokenRefused);
        }
        read(stream, &mut verdict[1..]).await?;
        let expected = transcript(b"listener", &own, &answer[8..], role);
        hmac::verify(&key, &expected, &verdict[1..]).map_err(|_| WireError::TokenRefused)
    })
    .await
}

/// The listening end: who connected.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    token: Option<&Token>,
) -> Result<Role, WireError> {
    within(async {
        let mut hello = [0u8; 9 + NONCE_BYTES];
        read(stream, &mut hello).await?;
        let version = check_version(&hello[..8]);
        if matches!(version, Err(WireError::NotRask)) {
            return Err(WireError::NotRask);
        }
        let own: [u8; NONCE_BYTES] = random_bytes();
        let mut answer = [0u8; 8 + NONCE_BYTES];
        answer[..4].copy_from_slice(&MAGIC);
        answer[4..8].copy_from_slice(&PROTOCOL_VERSION.to_le_bytes());
        answer[8..].copy_from_slice(&own);
        stream.write_all(&answer).await?;
        version?;
        let role = Role::from_byte(hello[8]).ok_or(WireError::NotRask)?;
        let mut proof = [0u8; PROOF_BYTES];
        read(stream, &mut proof).await?;
        let key = key_of(token);
        let expected = transcript(b"connector", &hello[9..], &own, role);
        if hmac::verify(&key, &expected, &proof).is_err() {
            stream.write_all(&[0]).await?;
            stream.flush().await?;
            return Err(WireError::TokenRefused);
        }
        let own_proof = hmac::sign(&key, &transcript(b"listener", &hello[9..], &own, role));
        let mut verdict = [1u8; 1 + PROOF_BYTES];
        verdict[1..].copy_from_slice(own_proof.as_ref());
        stream.write_all(&verdict).await?;
        Ok(role)
    })
    .await
}

/// A cluster without a token has the empty one.
fn key_of(token: Option<&Token>) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token.map_or(b"", Token::as_bytes))
}

fn transcript(side: &[u8], first: &[u8], second: &[u8], role: Role) -> Vec<u8> {
    [side, first, second, &[role.to_byte()]].concat()
}

fn check_version(start: &[u8]) -> Result<(), WireError> {
    if start[..4] != MAGIC {
        return Err(WireError::NotRask);
    }
    let theirs = u32::from_le_bytes([start[4], start[5], start[6], start[7]]);
    if theirs == PROTOCOL_VERSION {
        Ok(())
    } else {
        Err(WireError::Version {
            ours: PROTOCOL_VERSION,
            theirs,
        })
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, into: &mut [u8]) -> Result<(), WireError> {
    match stream.read_exact(into).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(WireError::Closed),
        Err(error) => Err(WireError::Io(error)),
    }
}

async fn within<T>(exchange: impl Future<Output = Result<T, WireError>>) -> Result<T, WireError> {
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or(Err(WireError::HandshakeTimeout))
}
