//! Where something listens.

use std::fmt;
use std::str::FromStr;

use crate::WireError;

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Tcp,
    Tls,
}

/// `scheme://host:port`; the scheme is `tcp` where it is left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub scheme: Scheme,
    pub host: String,
    pub port: u16,
}

/// The port a scheduler listens on unless told otherwise.
const DEFAULT_PORT: u16 = 8786;

impl FromStr for Address {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let malformed = || WireError::Address(text.to_owned());
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Tcp, text),
            Some(("tcp", rest)) => (Scheme::Tcp, rest),
            Some(("tls", rest)) => (Scheme::Tls, rest),
            Some(_) => return Err(malformed()),
        };
        let (host, port) = split_port(rest).ok_or_else(malformed)?;
        Ok(Address {
            scheme,
            host: host.to_owned(),
            port,
        })
    }
}

/// Splits `host:port` or `[v6]:port`; the port may be missing.
fn split_port(rest: &str) -> Option<(&str, u16)> {
    let rest = rest.trim_end_matches('/');
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (host, tail) = bracketed.split_once(']')?;
        let port = match tail.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None => DEFAULT_PORT,
        };
        return Some((host, port));
    }
    match rest.rsplit_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None if rest.is_empty() => None,
        None => Some((rest, DEFAULT_PORT)),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Tcp => "tcp",
            Scheme::Tls => "tls",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_written() {
        for text in ["tcp://127.0.0.1:8786", "tls://node-3:1", "tcp://[::1]:9"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn scheme_and_port_have_defaults() {
        let address: Address = "node".parse().unwrap();
        assert_eq!(address.to_string(), "tcp://node:8786");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "ucx://a:1", "tcp://a:b", "tcp://a:99999", "[::1"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
