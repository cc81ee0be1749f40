//! Asks go out, verdicts come back: the one place where a session goes on, or is told that it failed.

use super::failure::Failure;
use super::pending::{Creation, Pending, Wanted, Wish};
use super::state::SignalFish;
use super::tell::tell;
use super::wire::ServerMessage;
use crate::admission::{Ask, Refusal, Verdict};
use crate::effects::Cx;
use crate::entry::{Denied, grant};
use crate::slot::Slot;
use std::time::Duration;

impl SignalFish {
    /// Asks for leave. The session waits until the verdict is here.
    pub(super) fn ask_leave(&mut self, cx: &mut Cx<'_>, wish: Wish, ask: Ask) {
        if let Some(refusal) = self.remembered_refusal(cx, &ask) {
            return self.fail(cx, wish.wanted(), Failure::refused(&refusal, ""));
        }
        self.wait(cx.slot, Pending::Leave(wish));
        cx.ask(ask);
    }

    /// Asks for the permit of a room. The session waits until the verdict is here.
    pub(super) fn ask_permit(&mut self, cx: &mut Cx<'_>, creation: Creation) {
        let Some(session) = self.sessions.get(cx.slot) else {
            return;
        };
        let (ip, app) = (session.ip, session.app);
        let game = creation.game().as_str().into();
        let ask = Ask::OpenRoom { ip, app, game };
        // The head of an opening always asks: others wait behind it.
        if let Creation::Generated(_) = creation
            && let Some(refusal) = self.remembered_refusal(cx, &ask)
        {
            return self.fail(cx, Wanted::Seat, Failure::refused(&refusal, ""));
        }
        self.wait(cx.slot, Pending::Permit(creation));
        cx.ask(ask);
    }

    /// What admission would answer as long as the window lasts in which it has refused this session.
    fn remembered_refusal(&self, cx: &Cx<'_>, ask: &Ask) -> Option<Refusal> {
        let rare = self.sessions.get(cx.slot)?.rare.as_ref()?;
        let left = |until: Duration| until.checked_sub(cx.now.monotonic).filter(|left| !left.is_zero());
        match ask {
            Ask::Join { .. } => left(rare.joins_refused).map(|left| Refusal::JoinRate {
                retry_after_secs: left.as_secs(),
            }),
            Ask::Create { .. } | Ask::OpenRoom { .. } => {
                left(rare.creations_refused).map(|left| Refusal::CreationRate {
                    retry_after_secs: left.as_secs(),
                })
            }
            Ask::Connect { .. }
            | Ask::ConnectSecurely { .. }
            | Ask::Authenticate { .. }
            | Ask::FindApp { .. }
            | Ask::Verify { .. }
            | Ask::Enter { .. }
            | Ask::Lend { .. }
            | Ask::Sit { .. } => None,
        }
    }

    /// Remembers until when admission goes on refusing.
    fn remember_refusal(&mut self, cx: &Cx<'_>, verdict: &Verdict) {
        let Verdict::Refused(refusal) = verdict else { return };
        let until = |secs: u64| cx.now.monotonic.saturating_add(Duration::from_secs(secs));
        let Some(session) = self.sessions.get_mut(cx.slot) else {
            return;
        };
        match *refusal {
            Refusal::JoinRate { retry_after_secs } => {
                session.rare.get_or_insert_default().joins_refused = until(retry_after_secs);
            }
            Refusal::CreationRate { retry_after_secs } => {
                session.rare.get_or_insert_default().creations_refused = until(retry_after_secs);
            }
            _ => {}
        }
    }

    pub(super) fn wait(&mut self, slot: Slot, pending: Pending) {
        if let Some(session) = self.sessions.get_mut(slot) {
            session.pending = Some(Box::new(pending));
        }
    }

    /// Whether a session waits, so that none of its messages may be delivered.
    #[must_use]
    pub fn waits(&self, slot: Slot) -> bool {
        self.sessions.get(slot).is_some_and(|session| session.pending.is_some())
    }

    /// Admission answered.
    pub fn verdict(&mut self, cx: &mut Cx<'_>, verdict: Verdict) {
        self.remember_refusal(cx, &verdict);
        match self.sessions.take_pending(cx.slot) {
            Some(Pending::Leave(wish)) => match grant::leave(verdict, cx.fx) {
                Ok(()) => self.granted(cx, wish),
                Err(denied) => self.fail(cx, wish.wanted(), Failure::denied(denied, "")),
            },
            Some(Pending::App(introduction)) => match grant::app(verdict, cx.fx) {
                Ok(app) => self.found(cx, app, introduction),
                Err(denied) => self.fail(cx, Wanted::App, Failure::denied(denied, "")),
            },
            Some(Pending::Permit(creation)) => match grant::permit(verdict, cx.fx) {
                Ok(permit) => self.open(cx, creation, permit),
                Err(denied) => self.permit_denied(cx, creation, denied),
            },
            // Nothing was asked for these: they go on waiting.
            Some(pending @ (Pending::Queued(_) | Pending::Move(_))) => {
                grant::give_back(verdict, cx.fx);
                self.wait(cx.slot, pending);
            }
            // The session has ended.
            None => {
                grant::give_back(verdict, cx.fx);
                if let Some(key) = self.sessions.take_asking(cx.slot) {
                    self.open_next(cx, &key);
                }
            }
        }
        self.resume(cx);
    }

    /// Admission gave leave.
    fn granted(&mut self, cx: &mut Cx<'_>, wish: Wish) {
        match wish {
            Wish::Authenticate(app, introduction) => self.introduce(cx, Some(app), introduction),
            Wish::Join(join) => self.join(cx, join),
            Wish::Watch(watch) => self.watch(cx, watch),
            Wish::Fail(wanted, failure) => self.fail(cx, wanted, failure),
        }
    }

    /// No permit: in an opening the next one asks for itself.
    fn permit_denied(&mut self, cx: &mut Cx<'_>, creation: Creation, denied: Denied) {
        self.fail(cx, Wanted::Seat, Failure::denied(denied, creation.game().as_str()));
        if let Creation::Coded(join) = creation {
            self.open_next(cx, &join.key);
        }
    }

    /// Tells a client that it does not get what it wanted.
    pub(super) fn fail(&mut self, cx: &mut Cx<'_>, wanted: Wanted, failure: Failure) {
        let Failure { reason, code } = failure;
        let error_code = Some(code);
        self.log_refused(cx.slot, code);
        match wanted {
            Wanted::App => {
                self.authentication_failed(cx, Failure { reason, code });
                self.close(cx, "authentication failed");
            }
            Wanted::Seat => {
                self.counters.joins_failed += 1;
                tell(cx, &ServerMessage::RoomJoinFailed { reason, error_code });
            }
            Wanted::View => tell(cx, &ServerMessage::SpectatorJoinFailed { reason, error_code }),
            Wanted::Return => {
                self.counters.reconnections_failed += 1;
                let error_code = code;
                tell(cx, &ServerMessage::ReconnectionFailed { reason, error_code });
            }
        }
    }

    /// Lets a session go on, unless it waits for something else by now.
    pub(super) fn resume(&self, cx: &mut Cx<'_>) {
        if self
            .sessions
            .get(cx.slot)
            .is_some_and(|session| session.pending.is_none())
        {
            cx.resume();
        }
    }
}
