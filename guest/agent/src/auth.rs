//! Who may call: the token the host sets, signed file links, and never the guest itself for what
//! only the host may do.

use base64::prelude::{Engine, BASE64_STANDARD_NO_PAD};
use sha2::{Digest, Sha256};
use std::sync::{PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

/// The token that callers must show; open while there is none.
#[derive(Default)]
pub struct Token(RwLock<Option<String>>);

/// Why a signed link is refused; the texts are part of the contract.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error("missing signature query parameter")]
    Missing,
    /// It is for something else.
    #[error("invalid signature")]
    Invalid,
    /// It was good once.
    #[error("signature is already expired")]
    Expired,
}

/// A signed link to a file.
pub struct SignedLink<'a> {
    /// As in the query, unresolved.
    pub path: &'a str,
    /// `read` or `write`.
    pub operation: &'a str,
    /// As in the query, empty if it names none.
    pub username: &'a str,
    /// The signature.
    pub signature: Option<&'a str>,
    /// Seconds since 1970.
    pub expiration: Option<&'a str>,
}

impl Token {
    /// Demands that token from now on.
    pub fn set(&self, token: &str) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(token.to_owned());
    }

    /// Whether a caller with that header may pass.
    pub fn admits(&self, shown: Option<&str>) -> bool {
        match (self.current(), shown) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(token), Some(shown)) => token.as_bytes().ct_eq(shown.as_bytes()).into(),
        }
    }

    /// Whether a signed link is good.
    pub fn admits_link(&self, link: &SignedLink) -> Result<(), SignatureError> {
        let Some(token) = self.current() else {
            return Ok(());
        };
        let shown = link.signature.ok_or(SignatureError::Missing)?;
        let expected = sign(link, &token);
        if !bool::from(expected.as_bytes().ct_eq(shown.as_bytes())) {
            return Err(SignatureError::Invalid);
        }
        if let Some(expiration) = link.expiration {
            let until: u64 = expiration.parse().map_err(|_| SignatureError::Invalid)?;
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(u64::MAX, |d| d.as_secs());
            if now > until {
                return Err(SignatureError::Expired);
            }
        }
        Ok(())
    }

    fn current(&self) -> Option<String> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn sign(link: &SignedLink, token: &str) -> String {
    let mut text = format!("{}:{}:{}:{token}", link.path, link.operation, link.username);
    if let Some(expiration) = link.expiration {
        text.push(':');
        text.push_str(expiration);
    }
    format!("v1_{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::{sign, SignatureError, SignedLink, Token};

    fn link<'a>(signature: Option<&'a str>, expiration: Option<&'a str>) -> SignedLink<'a> {
        SignedLink {
            path: "hello.txt",
            operation: "read",
            username: "user",
            signature,
            expiration,
        }
    }

    #[test]
    fn the_signature_is_the_one_clients_make() {
        assert_eq!(
            sign(&link(None, None), "0tQG31xiMp0IOQfaz9dcwi72L1CPo8e0"),
            "v1_gUtH/s9YCJWgCizjfUxuWfhFE4QSydOWEIIvfLwDr6E"
        );
    }

    #[test]
    fn links_are_refused_for_the_right_reason() {
        let token = Token::default();
        assert_eq!(token.admits_link(&link(None, None)), Ok(()));
        token.set("secret");
        assert_eq!(
            token.admits_link(&link(None, None)),
            Err(SignatureError::Missing)
        );
        assert_eq!(
            token.admits_link(&link(Some("v1_x"), None)),
            Err(SignatureError::Invalid)
        );
        let old = sign(&link(None, Some("1000")), "secret");
        assert_eq!(
            token.admits_link(&link(Some(&old), Some("1000"))),
            Err(SignatureError::Expired)
        );
        let good = sign(&link(None, None), "secret");
        assert_eq!(token.admits_link(&link(Some(&good), None)), Ok(()));
    }

    #[test]
    fn a_token_admits_only_itself() {
        let token = Token::default();
        assert!(token.admits(None));
        token.set("secret");
        assert!(!token.admits(None));
        assert!(!token.admits(Some("secreT")));
        assert!(!token.admits(Some("secret1")));
        assert!(token.admits(Some("secret")));
    }
}
