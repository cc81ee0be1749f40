//! What admission has to answer, and what it has to count (D22, D25, D40).

use signal_fish_core::admission::{AppIndex, Ask, Limits, Notice, Refusal, Totals, Verdict};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Counts apart from those of the server.
#[derive(Debug)]
pub(super) struct Counts {
    limits: Limits,
    connections: BTreeMap<IpAddr, usize>,
    rooms: BTreeMap<(Option<AppIndex>, String), usize>,
    windows: BTreeMap<IpAddr, Window>,
    /// When an address was refused a connection last.
    refused: BTreeMap<IpAddr, Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Duration,
    joins: u32,
    creations: u32,
}

impl Counts {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            connections: BTreeMap::new(),
            rooms: BTreeMap::new(),
            windows: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Admission has answered.
    pub(super) fn decided(&mut self, now: Duration, ask: &Ask, verdict: &Verdict) {
        let refused = matches!(verdict, Verdict::Refused(_));
        let expected = match ask {
            Ask::Connect { ip } | Ask::ConnectSecurely { ip } => self.connect(now, *ip),
            Ask::Join { ip } => self.attempt(now, *ip, true),
            Ask::Create { ip } => self.attempt(now, *ip, false),
            Ask::OpenRoom { ip, app, game } => self.open_room(now, *ip, *app, game),
            // The share of an address has tests of its own; what was answered holds.
            Ask::Authenticate { .. } => !refused,
            // So have the rates of the relay, and directories of apps.
            Ask::FindApp { .. } | Ask::Verify { .. } | Ask::Enter { .. } | Ask::Lend { .. } | Ask::Sit { .. } => {
                !refused
            }
        };
        assert_eq!(!refused, expected, "{ask:?} was answered with {verdict:?} at {now:?}");
        match (ask, verdict) {
            (Ask::Connect { ip } | Ask::ConnectSecurely { ip }, Verdict::Connected(ticket)) => {
                assert_eq!(ticket.ip(), *ip)
            }
            (Ask::OpenRoom { app, game, .. }, Verdict::RoomOpened(permit)) => {
                assert_eq!(permit.game(), (*app, &**game));
            }
            (Ask::Join { ip }, Verdict::Refused(Refusal::JoinRate { retry_after_secs }))
            | (
                Ask::Create { ip } | Ask::OpenRoom { ip, .. },
                Verdict::Refused(Refusal::CreationRate { retry_after_secs }),
            ) => {
                let began = self.windows.get(ip).map_or(now, |window| window.began);
                let left = (began + self.limits.time_window).saturating_sub(now);
                assert_eq!(
                    *retry_after_secs,
                    left.as_secs(),
                    "the window of {ip} began at {began:?}"
                );
            }
            (Ask::Enter { ip, .. } | Ask::Lend { ip, .. }, Verdict::Lent(loan)) => assert_eq!(loan.ip(), *ip),
            (Ask::Verify { .. }, Verdict::Admitted)
            | (Ask::Join { .. } | Ask::Create { .. } | Ask::Authenticate { .. }, Verdict::Admitted)
            | (_, Verdict::Refused(_)) => {}
            _ => panic!("{ask:?} was answered with {verdict:?}"),
        }
    }

    fn connect(&mut self, now: Duration, ip: IpAddr) -> bool {
        let of_all: usize = self.connections.values().sum();
        let of_one = self.connections.entry(ip).or_default();
        let admitted = *of_one < self.limits.connections_per_ip_max && of_all < self.limits.connections_max;
        if admitted {
            *of_one += 1;
        } else {
            self.refused.insert(ip, now);
        }
        admitted
    }

    fn attempt(&mut self, now: Duration, ip: IpAddr, joins: bool) -> bool {
        let fresh = Window {
            began: now,
            joins: 0,
            creations: 0,
        };
        let mut window = self.windows.get(&ip).copied().unwrap_or(fresh);
        if now - window.began >= self.limits.time_window {
            window = fresh;
        }
        let (counter, max) = if joins {
            (&mut window.joins, self.limits.join_attempts_max)
        } else {
            (&mut window.creations, self.limits.room_creations_max)
        };
        if *counter >= max {
            return false;
        }
        *counter += 1;
        self.windows.insert(ip, window);
        true
    }

    fn open_room(&mut self, now: Duration, ip: IpAddr, app: Option<AppIndex>, game: &str) -> bool {
        if !self.attempt(now, ip, false) {
            return false;
        }
        let of_app = |(key, count): (&(Option<AppIndex>, String), &usize)| if key.0 == app { *count } else { 0 };
        let of_app: usize = self.rooms.iter().map(of_app).sum();
        let rooms_max = app.and_then(|app| self.limits.apps.get(app.0 as usize)?.rooms_max);
        let of_game = self.rooms.entry((app, game.to_owned())).or_default();
        let admitted =
            *of_game < self.limits.rooms_per_game_max && rooms_max.is_none_or(|rooms_max| of_app < rooms_max as usize);
        *of_game += usize::from(admitted);
        admitted
    }

    /// Something comes back. It was granted, and did not come back before.
    pub(super) fn ended(&mut self, notice: &Notice) {
        let count = match notice {
            // Admission's own tests hold the sums of loans; seats are not admission's.
            Notice::LoanEnded(_) | Notice::SeatEnded(_) => return,
            Notice::ConnectionEnded(ticket) => self.connections.get_mut(&ticket.ip()),
            Notice::RoomEnded(permit) => {
                let (app, game) = permit.game();
                self.rooms.get_mut(&(app, game.to_owned()))
            }
        };
        let count = count.filter(|count| **count > 0);
        *count.unwrap_or_else(|| panic!("{notice:?} comes back twice")) -= 1;
    }

    /// What admission counts is what was granted and has not come back.
    pub(super) fn check(&self, totals: &Totals) {
        let connections: usize = self.connections.values().sum();
        assert_eq!(totals.connections_active, connections as u64, "connections are counted");
        let rooms: usize = self.rooms.values().sum();
        assert_eq!(totals.rooms_active, rooms as u64, "rooms are counted");
    }

    /// Connections of each address that count.
    pub(super) fn connections(&self) -> impl Iterator<Item = (IpAddr, usize)> {
        self.connections.iter().map(|(ip, count)| (*ip, *count))
    }

    /// Whether an address was refused a connection within this time.
    pub(super) fn has_refused(&self, ip: IpAddr, since: Duration) -> bool {
        self.refused.get(&ip).is_some_and(|at| *at >= since)
    }
}
