//! What is sent: the engine's effects, outboxes, batches, the flush.

use super::io::send;
use super::{Phase, Table, find};
use crate::mailbox::Request;
use signal_fish_core::admission::{Ask, Notice};
use signal_fish_core::protocol::signal_fish::{CloseReason, Effects, Form, MovingSession, ShardIndex, Slot};
use signal_fish_core::ws;
use std::os::fd::AsFd;
use std::task::Waker;
use std::time::Duration;

impl Effects for Table {
    /// The step that a relayed message takes once per recipient: one look at the slot, one copy.
    fn send(&mut self, to: Slot, form: Form, payload: &[u8]) {
        let Some(entry) = find(&mut self.entries, to).filter(|entry| entry.phase == Phase::Open) else {
            return;
        };
        if !entry.has_room(payload.len(), self.options.outbound_bytes_max) {
            return self.close_slow(to);
        }
        self.counters.messages_out += 1;
        entry.unsent_messages = entry.unsent_messages.saturating_add(1);
        ws::write_message(form == Form::Text, payload, entry.outbox.tail(&mut self.pool));
        if !entry.dirty && !entry.blocked {
            entry.dirty = true;
            self.dirty.push_back(to);
            self.wake_flusher();
        } else if !self.batches.waiting.is_empty()
            && entry.dirty
            && self
                .options
                .batching
                .is_some_and(|it| it.messages_max == entry.unsent_messages)
        {
            // A full batch waits no longer.
            self.batches.due.push_back(to);
            self.wake_flusher();
        }
    }

    fn ping(&mut self, slot: Slot) {
        if self.has_room(slot, 0) {
            self.append(slot, |out| ws::write_ping(&[], out));
        }
    }

    fn close(&mut self, slot: Slot, reason: CloseReason) {
        match reason {
            CloseReason::Drain => self.close_with(slot, Some(1001), "server is shutting down"),
            CloseReason::Policy(text) => self.close_with(slot, Some(1008), text),
        }
    }

    fn ask(&mut self, slot: Slot, ask: Ask) {
        if let Some(entry) = self.entry(slot) {
            entry.waiting = true;
        }
        let shard = self.shard;
        self.request(Request::Ask { shard, slot, ask });
    }

    fn resume(&mut self, slot: Slot) {
        if let Some(entry) = self.entry(slot) {
            entry.waiting = false;
            entry.wake();
        }
    }

    fn notify(&mut self, notice: Notice) {
        self.request(Request::Notice(notice));
    }

    fn hand_off(&mut self, slot: Slot, to: ShardIndex, session: Box<MovingSession>) {
        // A connection that is ending meanwhile goes nowhere; what its session holds is given back here.
        let Some(entry) = self.entry(slot).filter(|entry| entry.phase == Phase::Open) else {
            return session.abandon(|notice| self.request(Request::Notice(notice)));
        };
        entry.phase = Phase::Moving;
        entry.waiting = false;
        entry.moving = Some(Box::new(super::Move { to, session }));
        entry.wake();
    }
}

impl Table {
    pub(super) fn append(&mut self, slot: Slot, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(entry) = find(&mut self.entries, slot) else {
            return;
        };
        if !matches!(entry.phase, Phase::Head | Phase::Open) {
            return;
        }
        write(entry.outbox.tail(&mut self.pool));
        if !entry.dirty && !entry.blocked {
            self.mark_dirty(slot);
        }
    }

    fn wake_flusher(&mut self) {
        if let Some(waker) = self.flusher.take() {
            waker.wake();
        }
    }

    pub(super) fn mark_dirty(&mut self, slot: Slot) {
        if let Some(entry) = self.entry(slot) {
            entry.dirty = true;
            self.dirty.push_back(slot);
            self.wake_flusher();
        }
    }

    /// Whether `more` payload bytes fit into the outbox; if not, the slow consumer is closed with 1013 (D26).
    pub(super) fn has_room(&mut self, slot: Slot, more: usize) -> bool {
        let limit = self.options.outbound_bytes_max;
        let Some(entry) = self.entry(slot).filter(|entry| entry.phase == Phase::Open) else {
            return false;
        };
        let fits = entry.has_room(more, limit);
        if !fits {
            self.close_slow(slot);
        }
        fits
    }

    /// Closes a slow consumer; its session ends when the call of the engine that is under way has returned.
    fn close_slow(&mut self, slot: Slot) {
        self.counters.slow_consumer_closes += 1;
        self.doomed.push(slot);
        self.close_with(slot, Some(1013), "too slow: the outbound buffer is full");
    }

    /// Whom to wake when there is something to flush; `true` when there already is.
    pub(crate) fn arm_flusher(&mut self, waker: &Waker) -> bool {
        if self.dirty.is_empty() && self.batches.due.is_empty() {
            self.flusher = Some(waker.clone());
            return false;
        }
        true
    }

    /// When the outboxes that wait for more are sent.
    pub(crate) fn batch_due(&self) -> Option<Duration> {
        self.batches
            .release_at
            .map(|at| at.saturating_sub(self.clock.read().monotonic))
    }

    /// How long the shard rests before its next turn.
    pub(crate) fn pause(&self) -> Duration {
        if self.batches.window.is_zero() {
            return Duration::ZERO;
        }
        self.batches.pause(self.clock.read().monotonic)
    }

    /// The window is over: everything that waited is sent.
    pub(crate) fn release_batches(&mut self) {
        self.batches.release();
    }

    /// Sends the outboxes of up to `sends_max` slots: one `send` each. Says whether some are left.
    pub(crate) fn flush(&mut self, sends_max: usize) -> bool {
        self.sort_batches();
        for _ in 0..sends_max {
            let Some(slot) = self.batches.due.pop_front() else {
                return false;
            };
            self.flush_slot(slot);
        }
        !self.batches.due.is_empty()
    }

    /// Decides for each new output whether it leaves now or waits for more (D28).
    fn sort_batches(&mut self) {
        let Some(batching) = self.options.batching.filter(|_| self.batches.window > Duration::ZERO) else {
            self.batches.due.append(&mut self.dirty);
            return;
        };
        let now = self.clock.read().monotonic;
        while let Some(slot) = self.dirty.pop_front() {
            let waits = self.entry(slot).is_some_and(|entry| {
                entry.phase == Phase::Open
                    && entry.unsent_messages < batching.messages_max
                    && now.saturating_sub(entry.sent_at) < batching.interval
            });
            if waits {
                self.batches.wait(slot, now);
            } else {
                self.batches.due.push_back(slot);
            }
        }
    }

    /// Adapts the window to the share of the time since the last call that this shard was at work, 0 to 1 (D28).
    pub(crate) fn adapt_window(&mut self, busy: f64) {
        if let Some(batching) = self.options.batching {
            self.batches.adapt(busy, batching.interval);
        }
    }

    fn flush_slot(&mut self, slot: Slot) {
        let Some(entry) = find(&mut self.entries, slot) else {
            return;
        };
        entry.dirty = false;
        entry.unsent_messages = 0;
        entry.sent_at = self.now.monotonic;
        // A moving connection takes its output along.
        if entry.outbox.is_empty()
            || entry.blocked
            || !matches!(entry.phase, Phase::Head | Phase::Open | Phase::Closing)
        {
            return;
        }
        let Some(socket) = entry.socket.as_ref() else { return };
        self.counters.sends += 1;
        // After an error the task meets it again when it sends: a full buffer, which it waits for, or a peer that is gone.
        if let Ok(sent) = send(socket.as_fd(), entry.outbox.unsent()) {
            self.counters.bytes_out += sent as u64;
            entry.outbox.advance(sent, &mut self.pool);
            if entry.outbox.is_empty() {
                if entry.phase == Phase::Closing {
                    entry.wake();
                }
                return;
            }
        }
        entry.blocked = true;
        entry.wake();
    }
}
