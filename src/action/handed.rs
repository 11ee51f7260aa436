//! A secret that an action hands to the operator once.
//!
//! Must not live here: where it is shown.

use secrecy::SecretString;

use crate::domain::said::Said;

/// A value that is handed over once and kept nowhere.
#[derive(Debug, Clone)]
pub struct Handed {
    /// What it is, for example `password of root`.
    pub what: Said,
    pub value: SecretString,
}
