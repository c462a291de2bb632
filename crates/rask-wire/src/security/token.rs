//! The secret that every connection must know.

use std::sync::Arc;

use super::random_bytes;

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
