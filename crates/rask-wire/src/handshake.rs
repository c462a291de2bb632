//! Agreement on a version, and mutual proof of the token, before anything else is read.
//!
//! ```text
//! connector → listener   magic, newest and oldest version, capabilities, nonce A, role
//! listener  → connector  magic, newest and oldest version, capabilities, nonce B
//! connector → listener   HMAC(token, "connector" | both of the above)
//! listener  → connector  1 and HMAC(token, "listener" | both of the above), or 0 (the token was
//!                        refused), or 2 (it has as many connections as it may)
//! ```
//!
//! Both speak the newest version that both know, and use what both are capable of. The magic and
//! the newest version come first in every version there will ever be, so that peers of any age can
//! say which of them is the older. All fields have fixed sizes, so a stranger makes the listener
//! read 85 bytes at most. The token itself never travels; proofs are compared in constant time and
//! cannot be replayed, because both ends choose a nonce; nobody in between can change what the ends
//! have said about their versions, because the proofs cover it.

use std::time::Duration;

use rask_proto::{Capabilities, Versions};
use ring::hmac;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::security::random_bytes;
use crate::{Token, WireError};

const MAGIC: [u8; 4] = *b"RASK";
const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;
const TIMEOUT: Duration = Duration::from_secs(10);
/// Verdicts of the listener.
const REFUSED: u8 = 0;
const TAKEN: u8 = 1;
const FULL: u8 = 2;
const LINGER: Duration = Duration::from_secs(1);

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

/// What the ends have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub version: u32,
    /// What both are capable of.
    pub capabilities: Capabilities,
}

/// The first bytes of either end: magic and newest version.
const HEAD_BYTES: usize = 8;
const OPENING_BYTES: usize = HEAD_BYTES + 4 + 8 + NONCE_BYTES;
/// Peers that only know older versions than this say no range, and no capabilities.
const RANGE_VERSION: u32 = 2;
/// What such peers send after the head, at least.
const OLD_REST_BYTES: usize = NONCE_BYTES;

/// What an end says first.
struct Opening {
    bytes: [u8; OPENING_BYTES],
}

impl Opening {
    fn new(versions: &Versions) -> Self {
        let mut bytes = [0u8; OPENING_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&versions.newest.to_le_bytes());
        bytes[8..12].copy_from_slice(&versions.oldest.to_le_bytes());
        bytes[12..20].copy_from_slice(&versions.capabilities.0.to_le_bytes());
        bytes[20..].copy_from_slice(&random_bytes::<NONCE_BYTES>());
        Opening { bytes }
    }

    /// What the peer says first. An older peer says less.
    async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Self, WireError> {
        let mut bytes = [0u8; OPENING_BYTES];
        read(stream, &mut bytes[..HEAD_BYTES]).await?;
        if bytes[..4] != MAGIC {
            return Err(WireError::NotRask);
        }
        let newest = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        if newest < RANGE_VERSION {
            read(stream, &mut bytes[HEAD_BYTES..HEAD_BYTES + OLD_REST_BYTES]).await?;
            bytes[HEAD_BYTES..].fill(0);
            bytes[8..12].copy_from_slice(&newest.to_le_bytes());
        } else {
            read(stream, &mut bytes[HEAD_BYTES..]).await?;
        }
        Ok(Opening { bytes })
    }

    fn versions(&self) -> Versions {
        let number = |at: usize| {
            let bytes = &self.bytes[at..at + 4];
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        };
        Versions {
            newest: number(4),
            oldest: number(8),
            capabilities: Capabilities(u64::from(number(12)) | u64::from(number(16)) << 32),
        }
    }
}

fn agree(ours: &Versions, theirs: &Versions) -> Result<Agreement, WireError> {
    match ours.newest_common(theirs) {
        Some(version) => Ok(Agreement {
            version,
            capabilities: ours.capabilities.and(theirs.capabilities),
        }),
        None => Err(WireError::Version {
            ours: *ours,
            theirs: *theirs,
        }),
    }
}

/// The connecting end.
pub(crate) async fn offer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    token: Option<&Token>,
    role: Role,
    versions: &Versions,
) -> Result<Agreement, WireError> {
    within(async {
        let own = Opening::new(versions);
        stream.write_all(&own.bytes).await?;
        stream.write_all(&[role.to_byte()]).await?;
        let theirs = Opening::read(stream).await?;
        let agreement = agree(versions, &theirs.versions())?;
        let key = key_of(token);
        let proof = hmac::sign(&key, &transcript(b"connector", &own, &theirs, role));
        stream.write_all(proof.as_ref()).await?;
        let mut verdict = [0u8; 1 + PROOF_BYTES];
        read(stream, &mut verdict[..1]).await?;
        match verdict[0] {
            TAKEN => {}
            FULL => return Err(WireError::Full),
            _ => return Err(WireError::TokenRefused),
        }
        read(stream, &mut verdict[1..]).await?;
        let expected = transcript(b"listener", &own, &theirs, role);
        hmac::verify(&key, &expected, &verdict[1..]).map_err(|_| WireError::TokenRefused)?;
        Ok(agreement)
    })
    .await
}

/// The listening end: who connected.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    token: Option<&Token>,
    versions: &Versions,
) -> Result<(Role, Agreement), WireError> {
    let (role, agreement, ()) = accept_if(stream, token, versions, || Some(())).await?;
    Ok((role, agreement))
}

/// The same if there is a place for a peer that has proved who it is; else it is told so.
pub(crate) async fn accept_if<S: AsyncRead + AsyncWrite + Unpin, P>(
    stream: &mut S,
    token: Option<&Token>,
    versions: &Versions,
    find_place: impl FnOnce() -> Option<P>,
) -> Result<(Role, Agreement, P), WireError> {
    within(async {
        let theirs = Opening::read(stream).await?;
        let mut role = [0u8];
        read(stream, &mut role).await?;
        let own = Opening::new(versions);
        stream.write_all(&own.bytes).await?;
        let agreement = match agree(versions, &theirs.versions()) {
            Ok(agreement) => agreement,
            Err(error) => {
                linger(stream).await;
                return Err(error);
            }
        };
        let role = Role::from_byte(role[0]).ok_or(WireError::NotRask)?;
        let mut proof = [0u8; PROOF_BYTES];
        read(stream, &mut proof).await?;
        let key = key_of(token);
        let expected = transcript(b"connector", &theirs, &own, role);
        if hmac::verify(&key, &expected, &proof).is_err() {
            stream.write_all(&[REFUSED]).await?;
            stream.flush().await?;
            return Err(WireError::TokenRefused);
        }
        let Some(place) = find_place() else {
            stream.write_all(&[FULL]).await?;
            linger(stream).await;
            return Err(WireError::Full);
        };
        let own_proof = hmac::sign(&key, &transcript(b"listener", &theirs, &own, role));
        let mut verdict = [TAKEN; 1 + PROOF_BYTES];
        verdict[1..].copy_from_slice(own_proof.as_ref());
        stream.write_all(&verdict).await?;
        Ok((role, agreement, place))
    })
    .await
}

/// Waits for the peer to end a connection that comes to nothing: if this end did, with bytes of the
/// peer's unread, the peer might never see what was said.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let farewell = async {
        stream.flush().await?;
        stream.shutdown().await?;
        stream.read(&mut [0u8; 64]).await
    };
    // Whatever comes of it: the connection is given up.
    let _ = tokio::time::timeout(LINGER, farewell).await;
}

/// A cluster without a token has the empty one.
fn key_of(token: Option<&Token>) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token.map_or(b"", Token::as_bytes))
}

fn transcript(side: &[u8], connector: &Opening, listener: &Opening, role: Role) -> Vec<u8> {
    [side, &connector.bytes, &listener.bytes, &[role.to_byte()]].concat()
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, into: &mut [u8]) -> Result<(), WireError> {
    match stream.read_exact(into).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(WireError::Closed),
        Err(error) => Err(WireError::Io(error)),
    }
}

/// What is done before a peer has proved who it is has a limit in time.
pub(crate) async fn within<T>(
    exchange: impl Future<Output = Result<T, WireError>>,
) -> Result<T, WireError> {
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or(Err(WireError::HandshakeTimeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(oldest: u32, newest: u32, capabilities: u64) -> Versions {
        Versions {
            newest,
            oldest,
            capabilities: Capabilities(capabilities),
        }
    }

    async fn meet(
        connecting: Versions,
        listening: Versions,
    ) -> (Result<Agreement, WireError>, Result<Agreement, WireError>) {
        let (mut left, mut right) = tokio::io::duplex(1024);
        let token = Token::new("secret");
        let offered = offer(&mut left, Some(&token), Role::Worker, &connecting);
        let accepted = async {
            let (role, agreement) = accept(&mut right, Some(&token), &listening).await?;
            assert_eq!(role, Role::Worker);
            Ok(agreement)
        };
        tokio::join!(offered, accepted)
    }

    #[tokio::test]
    async fn peers_of_different_ages_speak_the_newest_version_that_both_know() {
        let (old, new) = (versions(2, 3, 0b0110), versions(3, 7, 0b1100));
        let expected = Agreement {
            version: 3,
            capabilities: Capabilities(0b0100),
        };
        for (connecting, listening) in [(old, new), (new, old)] {
            let (offered, accepted) = meet(connecting, listening).await;
            assert_eq!(offered.unwrap(), expected);
            assert_eq!(accepted.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn both_ends_are_told_which_to_upgrade() {
        let (old, new) = (versions(2, 3, 0), versions(4, 7, 0));
        for (connecting, listening) in [(old, new), (new, old)] {
            let (offered, accepted) = meet(connecting, listening).await;
            for (outcome, own) in [(offered, connecting), (accepted, listening)] {
                let message = outcome.unwrap_err().to_string();
                let expected = match own == old {
                    true => "upgrade Rask at this end",
                    false => "upgrade Rask at the other end",
                };
                assert!(message.contains(expected), "{message}");
            }
        }
    }

    /// Peers of the first version sent magic, version, role, nonce and no range.
    #[tokio::test]
    async fn peers_of_before_ranges_get_an_answer_that_they_understand() {
        let (mut left, mut right) = tokio::io::duplex(1024);
        let connector = async {
            let mut hello = [7u8; 9 + NONCE_BYTES];
            hello[..4].copy_from_slice(&MAGIC);
            hello[4..8].copy_from_slice(&1u32.to_le_bytes());
            left.write_all(&hello).await.unwrap();
            let mut answer = [0u8; 8 + NONCE_BYTES];
            left.read_exact(&mut answer).await.unwrap();
            drop(left);
            answer
        };
        let ours = versions(2, 2, 0);
        let (answer, accepted) = tokio::join!(connector, accept(&mut right, None, &ours));
        assert_eq!(answer[..4], MAGIC);
        assert_eq!(answer[4..8], 2u32.to_le_bytes());
        let message = accepted.unwrap_err().to_string();
        assert!(
            message.contains("upgrade Rask at the other end"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_listener_of_before_ranges_is_recognised() {
        let (mut left, mut right) = tokio::io::duplex(1024);
        let listener = async {
            let mut hello = [0u8; 9 + NONCE_BYTES];
            right.read_exact(&mut hello).await.unwrap();
            let mut answer = [7u8; 8 + NONCE_BYTES];
            answer[..4].copy_from_slice(&MAGIC);
            answer[4..8].copy_from_slice(&1u32.to_le_bytes());
            right.write_all(&answer).await.unwrap();
        };
        let ours = versions(2, 2, 0);
        let (offered, ()) = tokio::join!(offer(&mut left, None, Role::Client, &ours), listener);
        let message = offered.unwrap_err().to_string();
        assert!(
            message.contains("upgrade Rask at the other end"),
            "{message}"
        );
    }

    /// Whoever is in between cannot talk two new ends into an old version.
    #[tokio::test]
    async fn versions_are_part_of_what_is_proved() {
        let (mut left, mut outer) = tokio::io::duplex(1024);
        let (mut inner, mut right) = tokio::io::duplex(1024);
        let between = async {
            let mut opening = [0u8; OPENING_BYTES + 1];
            outer.read_exact(&mut opening).await.unwrap();
            opening[4] = 2;
            inner.write_all(&opening).await.unwrap();
            // Ends when either end does.
            let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
        };
        let ours = versions(2, 3, 0);
        let (left_end, right_end) = (
            async {
                let outcome = offer(&mut left, None, Role::Client, &ours).await;
                drop(left);
                outcome
            },
            async {
                let outcome = accept(&mut right, None, &ours).await;
                drop(right);
                outcome
            },
        );
        let (offered, accepted, ()) = tokio::join!(left_end, right_end, between);
        assert!(matches!(offered, Err(WireError::TokenRefused)));
        assert!(matches!(accepted, Err(WireError::TokenRefused)));
    }
}
