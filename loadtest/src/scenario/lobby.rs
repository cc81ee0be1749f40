//! Whole sessions: everybody connects and joins, all get ready, the game starts, all leave and close.

use super::gate::Gate;
use super::load::{LOOK_NS, Outcome, Progress, Scenario};
use super::sessions::{Phase, Sessions};
use crate::accounting::Counts;
use crate::control::{LobbyStateChanged, bare, fields, message_type};
use crate::latency::Latency;
use crate::net::{ConnectionId, Event, Handler, Net};
use crate::plan::Plan;
use crate::rooms::{Rooms, Step};
use crate::time::nanoseconds;
use std::sync::Arc;

/// One session's room.
#[derive(Debug, Clone, Copy, Default)]
struct Session {
    filled_ns: u64,
    /// Players that were told of the start.
    told: usize,
    started: bool,
    closing: usize,
    /// Nobody stays in it any more.
    over: bool,
    ended: bool,
}

/// See the module.
pub(super) struct Lobby {
    plan: Arc<Plan>,
    gate: Arc<Gate>,
    rooms: Rooms,
    sessions: Sessions,
    session: Vec<Session>,
    fill: Latency,
    start: Latency,
    whole: Latency,
    completed: u64,
    failed: u64,
}

impl Lobby {
    pub(super) fn new(plan: &Arc<Plan>, thread: usize, gate: Arc<Gate>) -> Self {
        let duration_ns = nanoseconds(plan.warm_up + plan.duration + plan.drain);
        Self {
            plan: Arc::clone(plan),
            gate: Arc::clone(&gate),
            rooms: Rooms::new(plan, format!("l{thread}p"), usize::from(plan.players), 0, true),
            sessions: Sessions::new(plan, plan.sessions_per_second, gate),
            session: Vec::new(),
            fill: Latency::new("room filled", duration_ns),
            start: Latency::new("ready to start", duration_ns),
            whole: Latency::new("session", duration_ns),
            completed: 0,
            failed: 0,
        }
    }

    fn players(&self, room: usize) -> std::ops::Range<usize> {
        let players = self.rooms.seats_per_room();
        room * players..(room + 1) * players
    }

    fn on_filled(&mut self, net: &mut Net, room: usize) {
        let now_ns = net.now_ns();
        let due_ns = self.rooms.opened_ns(room);
        self.session[room].filled_ns = now_ns;
        if self.sessions.is_measured(due_ns) {
            self.fill.record(self.sessions.since_start_ns(now_ns), now_ns - due_ns);
        }
        if self.players(room).any(|seat| self.rooms.inside(seat).is_none()) {
            return self.abandon(net, room);
        }
        if self.plan.fill_only {
            self.session[room].over = true;
            self.completed += 1;
            return self.end(room);
        }
        let ready = bare("PlayerReady");
        for seat in self.players(room) {
            if let Some(id) = self.rooms.inside(seat) {
                net.send_text(id, &ready);
            }
        }
    }

    fn on_lobby(&mut self, net: &mut Net, seat: usize, text: &[u8]) {
        let room = seat / self.rooms.seats_per_room();
        let first = seat.is_multiple_of(self.rooms.seats_per_room());
        if !self.plan.start_game || !first || self.session[room].started {
            return;
        }
        let changed: Option<LobbyStateChanged<'_>> = fields(text);
        if let (Some(id), Some(true)) = (self.rooms.inside(seat), changed.map(|changed| changed.all_ready)) {
            self.session[room].started = true;
            net.send_text(id, &bare("StartGame"));
        }
    }

    fn on_starting(&mut self, net: &mut Net, room: usize) {
        let now_ns = net.now_ns();
        self.session[room].told += 1;
        if self.session[room].told < self.rooms.seats_per_room() || self.session[room].over {
            return;
        }
        let due_ns = self.rooms.opened_ns(room);
        if self.sessions.is_measured(due_ns) {
            let at_ns = self.sessions.since_start_ns(now_ns);
            self.start
                .record(at_ns, now_ns.saturating_sub(self.session[room].filled_ns));
            self.whole.record(at_ns, now_ns.saturating_sub(due_ns));
        }
        self.completed += 1;
        let leave = bare("LeaveRoom");
        for seat in self.players(room) {
            if let Some(id) = self.rooms.inside(seat) {
                net.send_text(id, &leave);
            }
        }
        self.close(net, room);
    }

    /// Ends a session that cannot become one.
    fn abandon(&mut self, net: &mut Net, room: usize) {
        if !self.session[room].over {
            self.failed += 1;
            self.close(net, room);
        }
    }

    fn close(&mut self, net: &mut Net, room: usize) {
        self.session[room].over = true;
        for seat in self.players(room) {
            if self.rooms.inside(seat).is_some() {
                self.session[room].closing += 1;
                self.rooms.close(net, seat);
            }
        }
        if self.session[room].closing == 0 {
            self.end(room);
        }
    }

    fn end(&mut self, room: usize) {
        if !std::mem::replace(&mut self.session[room].ended, true) {
            self.sessions.ended += 1;
        }
    }
}

impl Handler for Lobby {
    fn on_event(&mut self, net: &mut Net, _id: ConnectionId, seat: usize, event: Event<'_>) {
        let room = seat / self.rooms.seats_per_room();
        match self.rooms.on_event(net, seat, &event) {
            Step::EnteredLast => self.on_filled(net, room),
            Step::Lost => self.abandon(net, room),
            Step::Closed => {
                self.session[room].closing = self.session[room].closing.saturating_sub(1);
                if self.session[room].closing == 0 {
                    self.end(room);
                }
            }
            Step::Entered if self.session[room].over => self.rooms.close(net, seat),
            Step::Entered | Step::Nothing => {
                if let Event::Text(text) = event {
                    match message_type(text) {
                        "LobbyStateChanged" => self.on_lobby(net, seat, text),
                        "GameStarting" => self.on_starting(net, room),
                        _ => {}
                    }
                }
            }
        }
    }
}

impl Scenario for Lobby {
    fn next_due_ns(&self, now_ns: u64) -> u64 {
        self.sessions.next_due_ns().unwrap_or(u64::MAX).min(now_ns + LOOK_NS)
    }

    fn on_due(&mut self, net: &mut Net) {
        while let Some(due_ns) = self.sessions.next(net.now_ns()) {
            self.session.push(Session::default());
            self.rooms.open_room(net, due_ns);
        }
        self.rooms.check_limits(net);
        for seat in self.rooms.take_failed() {
            self.abandon(net, seat / self.rooms.seats_per_room());
        }
        if self.sessions.phase == Phase::Finished && self.plan.fill_only {
            for seat in 0..self.rooms.seats() {
                if self.rooms.inside(seat).is_some() {
                    self.rooms.close(net, seat);
                }
            }
        }
    }

    fn stop(&mut self, net: &mut Net) {
        self.gate.end_early(net.now_ns());
        self.sessions.stop(net.now_ns());
    }

    fn is_finished(&self) -> bool {
        self.sessions.phase == Phase::Finished
    }

    fn progress(&self, progress: &mut Progress) {
        progress.inside += self.rooms.counts.joined;
        progress.completed += self.completed;
        progress.failed += self.failed;
    }

    fn finish(mut self: Box<Self>) -> Outcome {
        if self.sessions.running() > 0 {
            self.rooms.refusals.local("sessions had not ended when the run did");
        }
        let mut latencies = vec![self.fill, self.rooms.connect, self.rooms.join];
        if !self.plan.fill_only {
            latencies.splice(0..0, [self.whole, self.start]);
        }
        Outcome {
            latencies,
            senders: Vec::new(),
            strays: Counts::default(),
            connections: self.rooms.counts,
            refusals: self.rooms.refusals,
            completed: self.completed,
            failed: self.failed + self.sessions.running(),
            lag: None,
        }
    }
}
