//! Time passes: for sessions that have to authenticate, for dropped players, for rooms that nobody needs.

use super::room::Room;
use super::state::SignalFish;
use super::tell;
use super::wire::ErrorCode;
use crate::Now;
use crate::effects::{Cx, Effects};
use crate::slot::Slot;
use std::time::Duration;

impl SignalFish {
    /// Until when a session must authenticate. One that waits for a verdict has tried in time.
    #[must_use]
    pub fn deadline(&self, slot: Slot) -> Option<Duration> {
        let session = self.sessions.get(slot)?;
        session.authenticate_until.filter(|_| session.pending.is_none())
    }

    /// The deadline of a session may have come.
    pub fn due(&mut self, cx: &mut Cx<'_>) {
        if self
            .deadline(cx.slot)
            .is_none_or(|deadline| deadline > cx.now.monotonic)
        {
            return;
        }
        let seconds = self.settings.auth_timeout.as_secs();
        let text = format!("Authentication timeout - must authenticate within {seconds} seconds");
        self.counters.closed_unauthenticated += 1;
        tell::error(cx, text, ErrorCode::AuthenticationTimeout);
        self.close(cx, "authentication timeout");
    }

    /// When [`Self::tick`] has something to do; [`Duration::MAX`] if never.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        let sweep = if self.rooms.is_empty() {
            Duration::MAX
        } else {
            self.next_sweep
        };
        self.records.next_due().map_or(sweep, |expiry| expiry.min(sweep))
    }

    /// Forgets players whose time to return is over (D19), and sweeps the rooms.
    pub fn tick(&mut self, now: Now, fx: &mut Effects) {
        while let Some(record) = self.records.pop_due(now.monotonic) {
            self.expire(fx, record);
        }
        if !self.rooms.is_empty() && now.monotonic >= self.next_sweep {
            self.schedule_sweep(now);
            self.sweep_rooms(now.monotonic, fx);
        }
    }

    /// Sweeps are at multiples of the interval, so that all shards sweep at the same times.
    pub(super) fn schedule_sweep(&mut self, now: Now) {
        let interval = self.settings.room_cleanup_interval.as_nanos().max(1);
        let next = (now.monotonic.as_nanos() / interval + 1).saturating_mul(interval);
        self.next_sweep = Duration::from_nanos_u128(next.min(Duration::MAX.as_nanos()));
    }

    /// Removes rooms that were empty, or silent, for too long (D17).
    fn sweep_rooms(&mut self, now: Duration, fx: &mut Effects) {
        let (empty_max, silent_max) = (self.settings.empty_room_timeout, self.settings.inactive_room_timeout);
        let empty = |room: &Room| room.empty_for(now).is_some_and(|empty| empty >= empty_max);
        let inactive = |room: &Room| room.empty_for(now).is_none() && room.silent_for(now) >= silent_max;
        let mut due = Vec::new();
        for (handle, entry) in self.rooms.iter() {
            if empty(&entry.room) {
                self.counters.rooms_removed_empty += 1;
                due.push(handle);
            } else if inactive(&entry.room) {
                self.counters.rooms_removed_inactive += 1;
                due.push(handle);
            }
        }
        for handle in due {
            self.remove_room(fx, handle);
        }
    }
}
