//! What a client shows with a message.

use serde::Deserialize;
use std::borrow::Cow;

/// The member `token_binding` of version 1. Unknown members are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct ProofOne<'a> {
    #[serde(borrow)]
    pub(super) scheme: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) signature: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) fingerprint: Option<Cow<'a, str>>,
}

/// The same of version 2. What is not signed has to be what it must be: unknown members are refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofTwo<'a> {
    pub(super) version: u64,
    #[serde(borrow)]
    pub(super) scheme: Cow<'a, str>,
    pub(super) sequence: u64,
    #[serde(borrow)]
    pub(super) signature: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) fingerprint: Option<Cow<'a, str>>,
}

/// Reads a proof from its JSON text. A derived struct would take an array, too.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}
