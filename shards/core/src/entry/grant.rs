//! The one place where a verdict becomes a grant or a refusal. What nobody can take goes back.

use crate::admission::{FoundApp, Permit, Refusal, Ticket, Verdict};
use crate::effects::Effects;
use std::sync::Arc;

/// Why a verdict did not bring what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Admission refused.
    Refused(Refusal),
    /// Admission granted something else than was asked for.
    Mismatch,
}

/// Leave to go on.
///
/// # Errors
/// Why it is denied.
pub fn leave(verdict: Verdict, fx: &mut Effects) -> Result<(), Denied> {
    match verdict {
        Verdict::Admitted => Ok(()),
        other => Err(denied(other, fx)),
    }
}

/// The app that a directory has found.
///
/// # Errors
/// Why it is denied.
pub fn app(verdict: Verdict, fx: &mut Effects) -> Result<Arc<FoundApp>, Denied> {
    match verdict {
        Verdict::Found(app) => Ok(app),
        other => Err(denied(other, fx)),
    }
}

/// The place of a connection.
///
/// # Errors
/// Why it is denied.
pub fn ticket(verdict: Verdict, fx: &mut Effects) -> Result<Ticket, Denied> {
    match verdict {
        Verdict::Connected(ticket) => Ok(ticket),
        other => Err(denied(other, fx)),
    }
}

/// The place of a room.
///
/// # Errors
/// Why it is denied.
pub fn permit(verdict: Verdict, fx: &mut Effects) -> Result<Permit, Denied> {
    match verdict {
        Verdict::RoomOpened(permit) => Ok(permit),
        other => Err(denied(other, fx)),
    }
}

/// Gives back what a verdict granted to somebody who has gone meanwhile.
pub fn give_back(verdict: Verdict, fx: &mut Effects) {
    if let Some(notice) = verdict.give_back() {
        fx.notify(notice);
    }
}

fn denied(verdict: Verdict, fx: &mut Effects) -> Denied {
    if let Verdict::Refused(refusal) = verdict {
        return Denied::Refused(refusal);
    }
    give_back(verdict, fx);
    Denied::Mismatch
}
