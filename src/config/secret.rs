//! A value that is never shown.

use serde::Deserialize;
use std::fmt;
use std::ops::Deref;

/// What is shown in place of a secret.
pub(super) const MASK: &str = "***";

/// Holds a value that stays out of every debug output (D34).
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Deref for Secret<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: PartialEq> PartialEq<T> for Secret<T> {
    fn eq(&self, other: &T) -> bool {
        self.0 == *other
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
