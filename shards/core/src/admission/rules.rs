//! The counts, and the rules by which asks are granted or refused.

use super::attempts::{Attempts, Kind, WINDOWS_MAX};
use super::authentications::Authentications;
use super::bans::{BANS_MAX, Bans, TooManyBans};
use super::client_address::normalise;
use super::crowding::Crowding;
use super::handshakes::Handshakes;
use super::loans::Loans;
use super::{AppIndex, AppLimits, Ask, FOUND_APPS_MAX, Limits, Notice, Permit, Refusal, Ticket, Totals, Verdict};
use crate::slot::ShardIndex;
use ahash::RandomState;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The counts, and the rules by which they grow.
///
/// Everything here is bounded: connections by [`Limits::connections_max`], rooms and games by [`Limits::rooms_max`], windows by
/// [`WINDOWS_MAX`], the log of authentications by time.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    /// The latest time that a caller passed. It never goes back, even if a caller's time does.
    now: Duration,
    connections: Counts<IpAddr>,
    games: Counts<(Option<AppIndex>, Box<str>)>,
    apps: Vec<App>,
    /// By [`AppIndex::found_place`].
    found: Vec<App>,
    attempts: Attempts,
    handshakes: Handshakes,
    crowding: Crowding,
    bans: Bans,
    loans: Loans,
    totals: Totals,
}

#[derive(Debug)]
struct App {
    limits: AppLimits,
    rooms: usize,
    authentications: Authentications,
}

impl App {
    fn new(limits: AppLimits) -> Self {
        Self {
            limits,
            rooms: 0,
            authentications: Authentications::default(),
        }
    }
}

impl Admission {
    /// Nothing is counted yet. `hashing` seeds the maps.
    #[must_use]
    pub fn new(limits: Limits, hashing: RandomState) -> Self {
        let apps = limits.apps.iter().copied().map(App::new).collect();
        Self {
            now: Duration::ZERO,
            connections: Counts::new(hashing.clone()),
            games: Counts::new(hashing.clone()),
            apps,
            found: Vec::new(),
            bans: Bans::new(BANS_MAX, hashing.clone()),
            loans: Loans::new(limits.relay, hashing.clone()),
            attempts: Attempts::new(limits.time_window, WINDOWS_MAX, hashing.clone()),
            handshakes: Handshakes::new(limits.handshakes_per_sec_per_ip, hashing),
            crowding: Crowding::default(),
            totals: Totals::default(),
            limits,
        }
    }

    /// An operator changed the limits of apps, or there are more of them; `limits` are by [`AppIndex`]. What is counted
    /// stays counted, over a limit that fell as well.
    pub fn set_apps(&mut self, limits: &[AppLimits]) {
        for (app, limits) in self.apps.iter_mut().zip(limits) {
            app.limits = *limits;
        }
        let known = self.apps.len().min(limits.len());
        self.apps.extend(limits[known..].iter().copied().map(App::new));
    }

    /// A directory has found an app, or found it anew: these are its limits from now on. Indices come in order, without a
    /// gap.
    pub fn found_app(&mut self, index: AppIndex, limits: AppLimits) {
        match index.found_place() {
            Some(place) if place < self.found.len() => self.found[place].limits = limits,
            Some(place) if place == self.found.len() && self.found.len() < FOUND_APPS_MAX as usize => {
                self.found.push(App::new(limits));
            }
            _ => {}
        }
    }

    /// Answers an ask. `now` is monotonic time.
    ///
    /// What a verdict grants counts from now on, even if the asker is gone when the verdict arrives. The ticket or
    /// permit in it has to come back through [`Admission::give_back`].
    pub fn decide(&mut self, now: Duration, ask: Ask) -> Verdict {
        self.now = self.now.max(now);
        let decided = match ask {
            Ask::Connect { ip } => self.connect(normalise(ip), false).map(Verdict::Connected),
            Ask::ConnectSecurely { ip } => self.connect(normalise(ip), true).map(Verdict::Connected),
            Ask::Authenticate { app, ip } => self.authenticate(app, normalise(ip)).map(|()| Verdict::Admitted),
            // Admission has no directory.
            Ask::FindApp { .. } => Err(Refusal::App),
            Ask::Join { ip } => self.join(normalise(ip)).map(|()| Verdict::Admitted),
            Ask::Create { ip } => self.create(normalise(ip)).map(|()| Verdict::Admitted),
            Ask::OpenRoom { ip, app, game } => self.open_room(normalise(ip), app, game).map(Verdict::RoomOpened),
            // Admission shares no rooms with other nodes.
            Ask::Sit { .. } => Err(Refusal::Redis),
            // Admission has no keys: nobody gets past it with a token.
            Ask::Verify { .. } => Err(Refusal::Token),
            Ask::Enter { ip, lend } => {
                let entered = self.loans.enter(self.now, normalise(ip), lend);
                entered.map(Verdict::Lent).ok_or(Refusal::ConnectionRate)
            }
            Ask::Lend { ip, spent } => {
                let lent = self.loans.lend(self.now, normalise(ip), spent);
                lent.map(Verdict::Lent)
                    .map_err(|retry_after| Refusal::MessageRate { retry_after })
            }
        };
        decided.unwrap_or_else(|refusal| self.refused(refusal))
    }

    /// Counts a refusal, also of somebody who answers beside admission.
    pub fn refused(&mut self, refusal: Refusal) -> Verdict {
        self.totals.refusals.count(&refusal);
        Verdict::Refused(refusal)
    }

    /// Something that was counted has ended.
    pub fn give_back(&mut self, notice: Notice) {
        match notice {
            Notice::ConnectionEnded(Ticket { ip, .. }) => self.connections.remove(ip),
            Notice::RoomEnded(Permit { app, game }) => {
                if let Some(app) = app.and_then(|app| self.app(app)) {
                    app.rooms = app.rooms.saturating_sub(1);
                }
                self.games.remove((app, game));
            }
            Notice::LoanEnded(loan) => self.loans.give_back(self.now, loan),
            // Whoever granted it takes it back.
            Notice::SeatEnded(_) => {}
        }
    }

    /// A shard has so many connections now, in whatever phase.
    pub fn hear(&mut self, shard: ShardIndex, connections: usize) {
        self.crowding.hear(shard, connections);
    }

    /// Shards that hold more than twice the mean number of connections, in order; they take nobody whose URL names one of
    /// their rooms (D44).
    #[must_use]
    pub fn crowded(&self) -> Arc<[ShardIndex]> {
        Arc::clone(self.crowding.crowded())
    }

    /// An operator bans an address for a time. It is refused tickets from now on; those that it has, it keeps.
    ///
    /// # Errors
    /// [`BANS_MAX`] addresses are banned.
    pub fn ban(&mut self, now: Duration, ip: IpAddr, time: Duration) -> Result<(), TooManyBans> {
        self.now = self.now.max(now);
        self.bans.ban(self.now, ip, time)
    }

    /// An operator lifts a ban. Returns whether there was one.
    pub fn lift_ban(&mut self, ip: IpAddr) -> bool {
        self.bans.lift(ip)
    }

    /// The banned addresses and how long they are banned, the shortest first.
    #[must_use]
    pub fn bans(&self, now: Duration) -> Vec<(IpAddr, Duration)> {
        self.bans.list(self.now.max(now))
    }

    /// Drops the windows that are over, so that memory is bounded by what is live. Asks do so too; this is for the time
    /// when nobody asks.
    pub fn sweep(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.attempts.sweep(self.now);
        self.handshakes.sweep(self.now);
        self.bans.sweep(self.now);
        self.loans.sweep(self.now);
        for app in self.apps.iter_mut().chain(&mut self.found) {
            app.authentications.sweep(self.now);
        }
    }

    /// The counts of this moment.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let authentications: usize = self
            .apps
            .iter()
            .chain(&self.found)
            .map(|app| app.authentications.len())
            .sum();
        Totals {
            connections_active: self.connections.total as u64,
            rooms_active: self.games.total as u64,
            addresses_active: self.connections.by_key.len() as u64,
            games_active: self.games.by_key.len() as u64,
            windows_active: self.attempts.len() as u64,
            bans_active: self.bans.len() as u64,
            relay_addresses_active: self.loans.len() as u64,
            authentications_counted: authentications as u64,
            ..self.totals
        }
    }

    fn connect(&mut self, ip: IpAddr, securely: bool) -> Result<Ticket, Refusal> {
        if self.bans.hold(self.now, ip) {
            return Err(Refusal::Banned);
        }
        let current = self.connections.of(&ip);
        let limit = self.limits.connections_per_ip_max;
        if current >= limit {
            return Err(Refusal::ConnectionsPerIp { current, limit });
        }
        if self.connections.total >= self.limits.connections_max {
            return Err(Refusal::Connections);
        }
        self.connections.add(ip);
        self.totals.connections_total += 1;
        let handshake_at = if securely {
            let at = self.handshakes.begin(self.now, ip);
            // Five centuries fit.
            u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
        } else {
            0
        };
        Ok(Ticket { ip, handshake_at })
    }

    fn authenticate(&mut self, app: AppIndex, ip: IpAddr) -> Result<(), Refusal> {
        let now = self.now;
        // An app that is not in the list may do nothing.
        let app = self.app(app).ok_or(Refusal::AuthenticationRate)?;
        if let Some(max) = app.limits.authentications_per_minute_max
            && !app.authentications.count(now, ip, max)
        {
            return Err(Refusal::AuthenticationRate);
        }
        self.totals.authentications_total += 1;
        Ok(())
    }

    fn join(&mut self, ip: IpAddr) -> Result<(), Refusal> {
        self.attempts
            .count(self.now, ip, Kind::Join, self.limits.join_attempts_max)
            .map_err(|left| Refusal::JoinRate {
                retry_after_secs: left.as_secs(),
            })?;
        self.totals.joins_total += 1;
        Ok(())
    }

    fn create(&mut self, ip: IpAddr) -> Result<(), Refusal> {
        self.attempts
            .count(self.now, ip, Kind::Creation, self.limits.room_creations_max)
            .map_err(|left| Refusal::CreationRate {
                retry_after_secs: left.as_secs(),
            })
    }

    /// The attempt counts before the caps are looked at: being told that a game is full is not free.
    fn open_room(&mut self, ip: IpAddr, app: Option<AppIndex>, game: Box<str>) -> Result<Permit, Refusal> {
        self.create(ip)?;
        let key = (app, game);
        let (current, limit) = (self.games.of(&key), self.limits.rooms_per_game_max);
        if current >= limit {
            return Err(Refusal::RoomsPerGame { current, limit });
        }
        if self.games.total >= self.limits.rooms_max() {
            return Err(Refusal::CreationRate {
                retry_after_secs: self.limits.time_window.as_secs(),
            });
        }
        if let Some(app) = app {
            self.open_room_of_app(app)?;
        }
        self.totals.rooms_opened_total += 1;
        let permit = Permit {
            app,
            game: key.1.clone(),
        };
        self.games.add(key);
        Ok(permit)
    }

    fn open_room_of_app(&mut self, app: AppIndex) -> Result<(), Refusal> {
        let Some(app) = self.app(app) else {
            return Err(Refusal::RoomsPerApp { current: 0, limit: 0 });
        };
        if let Some(max) = app.limits.rooms_max
            && app.rooms >= max as usize
        {
            return Err(Refusal::RoomsPerApp {
                current: app.rooms,
                limit: max as usize,
            });
        }
        app.rooms += 1;
        Ok(())
    }

    fn app(&mut self, index: AppIndex) -> Option<&mut App> {
        match index.found_place() {
            Some(place) => self.found.get_mut(place),
            None => self.apps.get_mut(index.0 as usize),
        }
    }
}

/// Counts by key, and their sum. A key with a count of 0 has no entry.
#[derive(Debug)]
struct Counts<K> {
    by_key: HashMap<K, usize, RandomState>,
    total: usize,
}

impl<K: Hash + Eq> Counts<K> {
    fn new(hashing: RandomState) -> Self {
        Self {
            by_key: HashMap::with_hasher(hashing),
            total: 0,
        }
    }

    fn of(&self, key: &K) -> usize {
        self.by_key.get(key).copied().unwrap_or(0)
    }

    fn add(&mut self, key: K) {
        *self.by_key.entry(key).or_insert(0) += 1;
        self.total += 1;
    }

    fn remove(&mut self, key: K) {
        // Only what was granted here can come back. A value of another `Admission` is ignored.
        if let Entry::Occupied(mut entry) = self.by_key.entry(key) {
            *entry.get_mut() -= 1;
            self.total -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}
