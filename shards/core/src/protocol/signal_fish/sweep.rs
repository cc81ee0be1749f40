//! Time passes: silent and unauthenticated sessions, dropped players, rooms that nobody needs (D17, D19, D24).

use super::{Effects, Engine, Slot};
use crate::Now;
use crate::protocol::signal_fish::wire::ErrorCode;
use std::time::Duration;

impl Engine {
    /// Time passes: deadlines, pings, sweeps. Called about four times a second.
    pub fn tick<E: Effects>(&mut self, now: Now, fx: &mut E) {
        let mut start = 0;
        while let Some(slot) = self.sessions.next_due(start, now.monotonic) {
            start = slot.index + 1;
            self.examine(now, slot, fx);
        }
        while let Some(record) = self.records.pop_due(now.monotonic) {
            self.expire(record, fx);
        }
        if now.monotonic >= self.next_sweep {
            self.next_sweep = now.monotonic.saturating_add(self.settings.room_cleanup_interval);
            self.sweep_rooms(now.monotonic, fx);
        }
    }

    /// Closes a session that waited or was silent for too long, pings one that was silent for half of that (D24).
    fn examine<E: Effects>(&mut self, now: Now, slot: Slot, fx: &mut E) {
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        let timeout = self.settings.ping_timeout;
        let silence = now.monotonic.saturating_sub(session.last_life);
        let mut next = session.last_life.saturating_add(timeout);
        if !session.client.authenticated {
            let deadline = session.client.upgraded_at.saturating_add(self.settings.auth_timeout);
            if deadline <= now.monotonic {
                return self.authentication_timed_out(now, slot, fx);
            }
            next = next.min(deadline);
        }
        if silence >= timeout {
            // No code of the protocol says this, so the close frame alone explains (D9).
            self.outbound.counters.closed_silent += 1;
            return self.close(now, slot, "ping timeout", fx);
        }
        if silence < timeout / 2 {
            next = next.min(session.last_life.saturating_add(timeout / 2));
        } else {
            // Looked at again at the timeout, so one ping per silence.
            fx.ping(slot);
        }
        self.sessions.set_deadline(slot, next);
    }

    fn authentication_timed_out<E: Effects>(&mut self, now: Now, slot: Slot, fx: &mut E) {
        let seconds = self.settings.auth_timeout.as_secs();
        let text = format!("Authentication timeout - must authenticate within {seconds} seconds");
        self.outbound.counters.closed_unauthenticated += 1;
        self.outbound.error(slot, text, ErrorCode::AuthenticationTimeout, fx);
        self.close(now, slot, "authentication timeout", fx);
    }

    /// Removes rooms that were empty, or silent, for too long (D17).
    fn sweep_rooms<E: Effects>(&mut self, now: Duration, fx: &mut E) {
        let (empty_max, silent_max) = (self.settings.empty_room_timeout, self.settings.inactive_room_timeout);
        let mut due = Vec::new();
        for (handle, room) in self.rooms.handles() {
            match room.empty_for(now) {
                Some(empty) if empty >= empty_max => {
                    self.outbound.counters.rooms_removed_empty += 1;
                    due.push(handle);
                }
                None if room.silent_for(now) >= silent_max => {
                    self.outbound.counters.rooms_removed_inactive += 1;
                    due.push(handle);
                }
                _ => {}
            }
        }
        for handle in due {
            self.remove_room(handle, fx);
        }
    }
}
