//! Framing, TLS, tokens and addresses.
