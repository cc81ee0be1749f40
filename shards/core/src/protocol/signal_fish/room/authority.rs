//! Authority: at most one player of a room has it (protocol 6, D6).

use super::super::wire::{ErrorCode, PlayerId};
use super::state::Room;

/// Why a request for authority was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityDenied {
    /// The room was created without authority.
    NotSupported,
    /// Somebody has it; the answer is the same for the holder itself.
    Taken,
    /// The player does not have what it wants to release.
    NotHeld,
}

impl AuthorityDenied {
    /// The reason for people and its code.
    #[must_use]
    pub fn reason(self) -> (&'static str, ErrorCode) {
        match self {
            Self::NotSupported => ("Room does not support authority", ErrorCode::AuthorityNotSupported),
            Self::Taken => ("Another player already has authority", ErrorCode::AuthorityConflict),
            Self::NotHeld => ("You do not have authority to release", ErrorCode::AuthorityDenied),
        }
    }
}

impl Room {
    /// A player takes authority or releases it.
    ///
    /// # Errors
    /// Why it may not.
    pub fn request_authority(&mut self, id: PlayerId, become_authority: bool) -> Result<(), AuthorityDenied> {
        if !self.plan.supports_authority {
            return Err(AuthorityDenied::NotSupported);
        }
        match (become_authority, self.authority) {
            (true, Some(_)) => Err(AuthorityDenied::Taken),
            (true, None) => {
                self.authority = Some(id);
                Ok(())
            }
            (false, holder) if holder == Some(id) => {
                self.authority = None;
                Ok(())
            }
            (false, _) => Err(AuthorityDenied::NotHeld),
        }
    }
}
