//! Random interleavings of asks, verdicts, ends and time, against a model that keeps a list of everything that happened
//! and counts it anew each time.

use proptest::prelude::*;
use signal_fish_core::admission::{
    Admission, AppIndex, AppLimits, Ask, Limits, Notice, Rates, Refusal, Refusals, Totals, Verdict, normalise,
};
use std::net::IpAddr;
use std::time::Duration;

#[derive(Debug, Clone)]
enum Step {
    Ask(Ask),
    /// A verdict reaches a living asker, which keeps what it grants.
    Deliver(prop::sample::Index),
    /// A verdict finds its asker dead, and what it grants comes straight back.
    DeliverToTheDead(prop::sample::Index),
    /// A connection or a room ends.
    End(prop::sample::Index),
    Pass(Duration),
    Sweep,
}

/// Everything that was ever counted.
#[derive(Debug)]
struct Model {
    limits: Limits,
    now: Duration,
    connections: Vec<IpAddr>,
    rooms: Vec<(Option<AppIndex>, Box<str>)>,
    attempts: Vec<Attempt>,
    authentications: Vec<(Duration, AppIndex, IpAddr)>,
}

#[derive(Debug)]
struct Attempt {
    at: Duration,
    ip: IpAddr,
    creation: bool,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Model {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            now: Duration::ZERO,
            connections: Vec::new(),
            rooms: Vec::new(),
            attempts: Vec::new(),
            authentications: Vec::new(),
        }
    }

    /// What admission has to answer; `None` is yes.
    fn decide(&mut self, ask: &Ask) -> Option<Refusal> {
        match ask {
            Ask::Connect { ip } | Ask::ConnectSecurely { ip } => self.connect(normalise(*ip)),
            Ask::Authenticate { app, ip } => self.authenticate(*app, normalise(*ip)),
            Ask::Join { ip } => self.attempt(*ip, false),
            Ask::Create { ip } => self.attempt(*ip, true),
            Ask::OpenRoom { ip, app, game } => self.attempt(*ip, true).or_else(|| self.open_room(*app, game.clone())),
            // What the relay asks has tests of its own, beside the rules.
            Ask::FindApp { .. } | Ask::Verify { .. } | Ask::Enter { .. } | Ask::Lend { .. } | Ask::Sit { .. } => {
                panic!("not drawn")
            }
        }
    }

    fn connect(&mut self, ip: IpAddr) -> Option<Refusal> {
        let current = self.connections.iter().filter(|other| **other == ip).count();
        let limit = self.limits.connections_per_ip_max;
        if current >= limit {
            return Some(Refusal::ConnectionsPerIp { current, limit });
        }
        if self.connections.len() >= self.limits.connections_max {
            return Some(Refusal::Connections);
        }
        self.connections.push(ip);
        None
    }

    fn authenticate(&mut self, app: AppIndex, ip: IpAddr) -> Option<Refusal> {
        let Some(limits) = self.limits.apps.get(app.0 as usize) else {
            return Some(Refusal::AuthenticationRate);
        };
        if let Some(max) = limits.authentications_per_minute_max {
            let lately = self.authentications_lately(app);
            let recent = |(at, of, _): &&(Duration, AppIndex, IpAddr)| *of == app && self.now - *at < MINUTE;
            let own = self
                .authentications
                .iter()
                .filter(recent)
                .filter(|(.., from)| *from == ip)
                .count();
            // A quarter of what the others have left, at least one.
            let share = ((max as usize).saturating_sub(lately - own) / 4).max(1);
            if lately >= max as usize || own >= share {
                return Some(Refusal::AuthenticationRate);
            }
        }
        self.authentications.push((self.now, app, ip));
        None
    }

    fn authentications_lately(&self, app: AppIndex) -> usize {
        let recent = |(at, of, _): &&(Duration, AppIndex, IpAddr)| *of == app && self.now - *at < MINUTE;
        self.authentications.iter().filter(recent).count()
    }

    /// When the open window of `ip` began, with its joins and creations, by going through its whole past.
    fn window(&self, ip: IpAddr) -> Option<(Duration, u32, u32)> {
        let mut window: Option<(Duration, u32, u32)> = None;
        for attempt in self.attempts.iter().filter(|attempt| attempt.ip == ip) {
            let over = window.is_none_or(|(began, ..)| attempt.at - began >= self.limits.time_window);
            let (began, joins, creations) = if over { (attempt.at, 0, 0) } else { window? };
            window = Some((
                began,
                joins + u32::from(!attempt.creation),
                creations + u32::from(attempt.creation),
            ));
        }
        window.filter(|(began, ..)| self.now - *began < self.limits.time_window)
    }

    fn attempt(&mut self, ip: IpAddr, creation: bool) -> Option<Refusal> {
        let ip = normalise(ip);
        let (began, joins, creations) = self.window(ip).unwrap_or((self.now, 0, 0));
        let left = self.limits.time_window - (self.now - began);
        let retry_after_secs = left.as_secs();
        if creation && creations >= self.limits.room_creations_max {
            return Some(Refusal::CreationRate { retry_after_secs });
        }
        if !creation && joins >= self.limits.join_attempts_max {
            return Some(Refusal::JoinRate { retry_after_secs });
        }
        self.attempts.push(Attempt {
            at: self.now,
            ip,
            creation,
        });
        None
    }

    fn open_room(&mut self, app: Option<AppIndex>, game: Box<str>) -> Option<Refusal> {
        let room = (app, game);
        let current = self.rooms.iter().filter(|other| **other == room).count();
        let limit = self.limits.rooms_per_game_max;
        if current >= limit {
            return Some(Refusal::RoomsPerGame { current, limit });
        }
        if let Some(app) = app {
            let limits = self.limits.apps.get(app.0 as usize);
            let limit = limits.map_or(Some(0), |limits| limits.rooms_max);
            let current = self.rooms.iter().filter(|(of, _)| *of == Some(app)).count();
            if let Some(limit) = limit.map(|limit| limit as usize)
                && current >= limit
            {
                return Some(Refusal::RoomsPerApp { current, limit });
            }
        }
        self.rooms.push(room);
        None
    }

    /// The live part of the totals.
    fn active(&self) -> [u64; 6] {
        let distinct = |mut keys: Vec<String>| {
            keys.sort();
            keys.dedup();
            keys.len()
        };
        let ips: Vec<IpAddr> = self.attempts.iter().map(|attempt| attempt.ip).collect();
        let open = ips.iter().filter(|ip| self.window(**ip).is_some());
        let counted = (0_u32..)
            .zip(&self.limits.apps)
            .filter(|(_, limits)| limits.authentications_per_minute_max.is_some())
            .map(|(index, _)| self.authentications_lately(AppIndex(index)))
            .sum();
        [
            self.connections.len(),
            self.rooms.len(),
            distinct(self.connections.iter().map(|ip| format!("{ip}")).collect()),
            distinct(self.rooms.iter().map(|room| format!("{room:?}")).collect()),
            distinct(open.map(|ip| format!("{ip}")).collect()),
            counted,
        ]
        .map(|count: usize| count as u64)
    }
}

fn active(totals: &Totals) -> [u64; 6] {
    [
        totals.connections_active,
        totals.rooms_active,
        totals.addresses_active,
        totals.games_active,
        totals.windows_active,
        totals.authentications_counted,
    ]
}

fn all(refusals: &Refusals) -> u64 {
    let Refusals {
        connections_per_ip,
        connections,
        banned,
        join_rate,
        creation_rate,
        rooms_per_game,
        rooms_per_app,
        authentication_rate,
        tokens,
        connection_rate,
        message_rate,
    } = refusals;
    let of_rooms = join_rate + creation_rate + rooms_per_game + rooms_per_app;
    let of_relay = tokens + connection_rate + message_rate;
    connections_per_ip + connections + banned + authentication_rate + of_rooms + of_relay
}

/// Gives back what the verdict granted, in admission and in the model.
fn give_back(admission: &mut Admission, model: &mut Model, granted: Granted) {
    match granted.verdict {
        Verdict::Connected(ticket) => {
            let place = model.connections.iter().position(|ip| *ip == ticket.ip());
            model
                .connections
                .swap_remove(place.expect("a granted ticket is in the model"));
            admission.give_back(Notice::ConnectionEnded(ticket));
        }
        Verdict::RoomOpened(permit) => {
            let Ask::OpenRoom { app, game, .. } = granted.ask else {
                panic!("a permit without an OpenRoom");
            };
            let place = model.rooms.iter().position(|room| *room == (app, game.clone()));
            model
                .rooms
                .swap_remove(place.expect("a granted permit is in the model"));
            admission.give_back(Notice::RoomEnded(permit));
        }
        Verdict::Lent(_) | Verdict::Seated(_) => panic!("nobody asked for it"),
        Verdict::Admitted | Verdict::Found(_) | Verdict::Refused(_) => {}
    }
}

#[derive(Debug)]
struct Granted {
    ask: Ask,
    verdict: Verdict,
}

fn is_as_expected(ask: &Ask, refusal: Option<&Refusal>, verdict: &Verdict) -> bool {
    match (ask, refusal, verdict) {
        (_, Some(refusal), Verdict::Refused(refused)) => refusal == refused,
        (Ask::Connect { ip } | Ask::ConnectSecurely { ip }, None, Verdict::Connected(ticket)) => {
            ticket.ip() == normalise(*ip)
        }
        (Ask::OpenRoom { .. }, None, Verdict::RoomOpened(_)) => true,
        (Ask::Join { .. } | Ask::Create { .. } | Ask::Authenticate { .. }, None, Verdict::Admitted) => true,
        _ => false,
    }
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    const ADDRESSES: [&str; 6] = [
        "192.0.2.1",
        "::ffff:192.0.2.1",
        "192.0.2.2",
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8:0:1::1",
    ];
    prop::sample::select(&ADDRESSES[..]).prop_map(|ip| ip.parse().expect("an address"))
}

fn asks() -> impl Strategy<Value = Ask> {
    let app = || (0_u32..4).prop_map(AppIndex);
    let game = prop::sample::select(&["chess", "go"][..]);
    prop_oneof![
        addresses().prop_map(|ip| Ask::Connect { ip }),
        addresses().prop_map(|ip| Ask::ConnectSecurely { ip }),
        (app(), addresses()).prop_map(|(app, ip)| Ask::Authenticate { app, ip }),
        addresses().prop_map(|ip| Ask::Join { ip }),
        addresses().prop_map(|ip| Ask::Create { ip }),
        (addresses(), prop::option::of(app()), game).prop_map(|(ip, app, game)| Ask::OpenRoom {
            ip,
            app,
            game: game.into(),
        }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let pass = prop::sample::select(&[0, 1, 999, 1000, 10_000, 29_999, 30_000, 59_999, 60_000][..]);
    let step = prop_oneof![
        8 => asks().prop_map(Step::Ask),
        4 => index().prop_map(Step::Deliver),
        1 => index().prop_map(Step::DeliverToTheDead),
        2 => index().prop_map(Step::End),
        1 => pass.prop_map(|ms| Step::Pass(Duration::from_millis(ms))),
        1 => Just(Step::Sweep),
    ];
    prop::collection::vec(step, 0..250)
}

fn limits() -> impl Strategy<Value = Limits> {
    let app = (prop::option::of(0_u32..4), prop::option::of(0_u32..4)).prop_map(|(rooms, authentications)| AppLimits {
        rooms_max: rooms,
        authentications_per_minute_max: authentications,
    });
    let windows = prop::sample::select(&[0, 1, 30, 60, 100][..]);
    (
        0_usize..8,
        0_usize..4,
        0_usize..4,
        0_u32..4,
        0_u32..6,
        windows,
        prop::collection::vec(app, 3),
    )
        .prop_map(|(connections, per_ip, rooms, creations, joins, window, apps)| Limits {
            connections_max: connections,
            connections_per_ip_max: per_ip,
            rooms_per_game_max: rooms,
            room_creations_max: creations,
            handshakes_per_sec_per_ip: 10,
            join_attempts_max: joins,
            time_window: Duration::from_secs(window),
            relay: Rates::default(),
            apps,
        })
}

fn take<T>(from: &mut Vec<T>, index: prop::sample::Index) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(index.index(from.len())))
}

proptest! {
    #[test]
    fn counts_never_drift_and_limits_are_neither_passed_nor_under_used(limits in limits(), steps in steps()) {
        let hashing = ahash::RandomState::with_seeds(1, 2, 3, 4);
        let mut admission = Admission::new(limits.clone(), hashing);
        let mut model = Model::new(limits);
        let (mut on_their_way, mut held) = (Vec::new(), Vec::new());
        let (mut granted_or_admitted, mut refused) = (0, 0);
        for step in steps {
            match step {
                Step::Ask(ask) => {
                    let expected = model.decide(&ask);
                    let verdict = admission.decide(model.now, ask.clone());
                    prop_assert!(is_as_expected(&ask, expected.as_ref(), &verdict), "{ask:?}: {verdict:?}, not {expected:?}");
                    // An attempt to create that is admitted opens nothing and has no total of its own.
                    granted_or_admitted += u64::from(expected.is_none() && !matches!(ask, Ask::Create { .. }));
                    refused += u64::from(expected.is_some());
                    on_their_way.push(Granted { ask, verdict });
                }
                Step::Deliver(index) => held.extend(take(&mut on_their_way, index)),
                Step::DeliverToTheDead(index) => {
                    if let Some(granted) = take(&mut on_their_way, index) {
                        give_back(&mut admission, &mut model, granted);
                    }
                }
                Step::End(index) => {
                    if let Some(granted) = take(&mut held, index) {
                        give_back(&mut admission, &mut model, granted);
                    }
                }
                Step::Pass(time) => model.now += time,
                Step::Sweep => {
                    admission.sweep(model.now);
                    prop_assert_eq!(active(&admission.totals()), model.active());
                }
            }
        }

        let totals = admission.totals();
        let totals_granted = totals.connections_total + totals.rooms_opened_total;
        prop_assert_eq!(totals_granted + totals.joins_total + totals.authentications_total, granted_or_admitted);
        prop_assert_eq!(all(&totals.refusals), refused);

        for granted in held.into_iter().chain(on_their_way) {
            give_back(&mut admission, &mut model, granted);
        }
        model.now += Duration::from_secs(100) + MINUTE;
        admission.sweep(model.now);
        prop_assert_eq!(active(&admission.totals()), [0; 6]);
    }
}

#[test]
fn a_room_refused_by_a_cap_still_counts_as_a_creation() {
    let limits = Limits {
        connections_max: 10,
        connections_per_ip_max: 10,
        rooms_per_game_max: 0,
        room_creations_max: 1,
        handshakes_per_sec_per_ip: 10,
        join_attempts_max: 1,
        time_window: MINUTE,
        relay: Rates::default(),
        apps: Vec::new(),
    };
    let mut admission = Admission::new(limits, ahash::RandomState::with_seeds(1, 2, 3, 4));
    let ask = || Ask::OpenRoom {
        ip: IpAddr::from([192, 0, 2, 1]),
        app: None,
        game: "chess".into(),
    };
    let first = admission.decide(Duration::ZERO, ask());
    assert_eq!(first, Verdict::Refused(Refusal::RoomsPerGame { current: 0, limit: 0 }));
    let second = admission.decide(Duration::from_millis(500), ask());
    assert_eq!(second, Verdict::Refused(Refusal::CreationRate { retry_after_secs: 59 }));
    let refusals = admission.totals().refusals;
    assert_eq!((refusals.rooms_per_game, refusals.creation_rate), (1, 1));
}

/// An operator bans an address: it gets no ticket until the ban is over or lifted; what it holds goes back as ever.
#[test]
fn a_banned_address_gets_no_ticket() {
    let limits = Limits {
        connections_max: 10,
        connections_per_ip_max: 10,
        rooms_per_game_max: 10,
        room_creations_max: 10,
        handshakes_per_sec_per_ip: 10,
        join_attempts_max: 10,
        time_window: MINUTE,
        relay: Rates::default(),
        apps: Vec::new(),
    };
    let mut admission = Admission::new(limits, ahash::RandomState::with_seeds(1, 2, 3, 4));
    let ask = |ip: &str| Ask::Connect {
        ip: ip.parse().expect("an address"),
    };
    let at = Duration::from_secs;
    let Verdict::Connected(held) = admission.decide(at(0), ask("2001:db8::1")) else {
        panic!("nobody is banned yet");
    };
    let banned = "2001:db8::2".parse().expect("an address");
    assert_eq!(admission.ban(at(1), banned, at(10)), Ok(()));
    assert_eq!(
        admission.decide(at(2), ask("2001:db8::1")),
        Verdict::Refused(Refusal::Banned)
    );
    assert!(matches!(
        admission.decide(at(2), ask("192.0.2.1")),
        Verdict::Connected(_)
    ));
    assert_eq!(
        (admission.totals().bans_active, admission.totals().refusals.banned),
        (1, 1)
    );
    admission.give_back(Notice::ConnectionEnded(held));
    let Verdict::Connected(again) = admission.decide(at(11), ask("2001:db8::1")) else {
        panic!("the ban is over");
    };
    admission.give_back(Notice::ConnectionEnded(again));
    assert_eq!(admission.ban(at(11), banned, at(10)), Ok(()));
    assert!(admission.lift_ban(banned) && !admission.lift_ban(banned));
    assert!(matches!(
        admission.decide(at(12), ask("2001:db8::3")),
        Verdict::Connected(_)
    ));
    admission.sweep(at(100));
    assert_eq!(admission.bans(at(100)), Vec::new());
}
