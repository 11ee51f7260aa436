//! Passwords made here: where the randomness comes from and how short they live.
//!
//! A password exists in the request that carries it and in the value handed to the operator,
//! nowhere else.

use rustls::crypto::ring;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Letters and digits that are not mistaken for each other, and signs that need no quoting in a
/// shell, a URL or an RDP client.
const LOWER: &[u8] = b"abcdefghijkmnpqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const DIGITS: &[u8] = b"23456789";
const SIGNS: &[u8] = b"-_+=.:";

/// Random bytes of the operating system.
pub(in crate::runtime) fn random_bytes<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| "the operating system gave no randomness".to_owned())?;
    Ok(bytes)
}

/// A password of `length` (at least 12) with all four classes, beginning with a letter.
pub(super) fn password(length: usize) -> Result<SecretString, String> {
    let all: Vec<u8> = [LOWER, UPPER, DIGITS, SIGNS].concat();
    let mut text = String::with_capacity(length);
    text.push(pick(&[LOWER, UPPER].concat())?);
    while text.len() < length.max(12) {
        text.push(pick(&all)?);
    }
    let has = |class: &[u8]| text.bytes().any(|b| class.contains(&b));
    if [LOWER, UPPER, DIGITS, SIGNS].into_iter().all(has) {
        Ok(SecretString::from(text))
    } else {
        // Drawn again rather than patched, so that every fitting password is equally likely.
        drop(SecretString::from(text));
        password(length)
    }
}

fn pick(from: &[u8]) -> Result<char, String> {
    // Values that would favour the first letters are thrown away.
    let limit = 256 - 256 % from.len();
    loop {
        let [byte] = random_bytes::<1>()?;
        if usize::from(byte) < limit {
            return Ok(char::from(from[usize::from(byte) % from.len()]));
        }
    }
}

/// Puts the secret where the call needs it.
pub(super) fn put(parameters: &mut Value, pointer: &str, secret: &SecretString) {
    if let Some(slot) = parameters.pointer_mut(pointer) {
        *slot = Value::String(secret.expose_secret().to_owned());
    }
}

/// Takes it out again and overwrites its bytes.
pub(super) fn wipe(parameters: &mut Value, pointer: &str) {
    if let Some(slot) = parameters.pointer_mut(pointer)
        && let Value::String(text) = slot.take()
    {
        drop(SecretString::from(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_satisfy_both_systems_and_differ() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let password = password(20).unwrap();
            let text = password.expose_secret();
            assert_eq!(text.len(), 20);
            for class in [LOWER, UPPER, DIGITS, SIGNS] {
                assert!(text.bytes().any(|b| class.contains(&b)), "{text}");
            }
            assert!(text.as_bytes()[0].is_ascii_alphabetic());
            assert!(seen.insert(text.to_owned()));
        }
    }

    #[test]
    fn a_wiped_call_holds_no_secret() {
        let mut parameters = serde_json::json!({"Password": "placeholder"});
        let secret = password(20).unwrap();
        put(&mut parameters, "/Password", &secret);
        assert_eq!(parameters["Password"], secret.expose_secret());
        wipe(&mut parameters, "/Password");
        assert!(!parameters.to_string().contains(secret.expose_secret()));
    }
}
