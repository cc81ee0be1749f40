//! Flags and how they become a plan.

use argh::FromArgs;
use signal_fish_loadtest::floor;
use signal_fish_loadtest::{Format, Load, Plan, Target, TlsFiles};
use std::path::PathBuf;
use std::time::Duration;

/// Load generator for Signal Fish servers. Latency counts from the moment a message was due (open loop), and every message
/// is accounted for. Raise the server's limits per address first: from one machine its defaults stop any load.
///
/// Loads: relay (rooms whose players send data), spectate (the same with spectators), lobby (whole sessions from join to
/// start), churn (connect, join, leave, close), reconnect (storms of players that drop and return), idle (connections that
/// do nothing), mix (relay, lobby, churn and idle together), floor (no server: bare TCP sends to as many sockets);
/// compare (no load: sets the reports in a folder side by side).
#[derive(FromArgs)]
pub(crate) struct Arguments {
    /// relay, spectate, lobby, churn, reconnect, idle, mix, floor or compare
    #[argh(positional)]
    pub(crate) load: String,
    /// server, ws://host[:port][/path] or wss:// (default ws://127.0.0.1:3536/v2/ws)
    #[argh(option, default = "String::from(\"ws://127.0.0.1:3536/v2/ws\")")]
    url: String,
    /// wss: PEM file with the authorities to trust (default: those of the system)
    #[argh(option)]
    ca: Option<PathBuf>,
    /// wss: PEM file with the certificate to show, with --client-key
    #[argh(option)]
    client_cert: Option<PathBuf>,
    /// wss: PEM file with its key
    #[argh(option)]
    client_key: Option<PathBuf>,
    /// wss: trust whoever answers
    #[argh(switch)]
    insecure: bool,
    /// rooms that stand during the run (default 100)
    #[argh(option, default = "100")]
    rooms: usize,
    /// players per room (default 8)
    #[argh(option, default = "8")]
    players: u8,
    /// spectators per room, for spectate and mix (default 4 for spectate)
    #[argh(option)]
    spectators: Option<usize>,
    /// relay: messages per second and player (default 5); lobby, churn: sessions per second (default 0: as fast as they end)
    #[argh(option)]
    rate: Option<f64>,
    /// bytes of each relayed value (default 100)
    #[argh(option, default = "100")]
    payload: usize,
    /// send MessagePack instead of JSON
    #[argh(switch)]
    message_pack: bool,
    /// seconds over which the standing rooms are opened (default 0: as fast as they come)
    #[argh(option, default = "0.0")]
    ramp: f64,
    /// seconds of load before measuring begins (default 2)
    #[argh(option, default = "2.0")]
    warm_up: f64,
    /// seconds of measured load (default 10)
    #[argh(option, default = "10.0")]
    duration: f64,
    /// seconds to wait for outstanding deliveries at the end (default 5)
    #[argh(option, default = "5.0")]
    drain: f64,
    /// threads of the generator; rooms are split among them (default 1)
    #[argh(option, default = "1")]
    threads: usize,
    /// authenticate with this app id
    #[argh(option)]
    app_id: Option<String>,
    /// game the rooms belong to (default loadtest)
    #[argh(option, default = "String::from(\"loadtest\")")]
    game: String,
    /// relay: raise the rate until p99 passes this many milliseconds or anything is lost, and find the limit
    #[argh(option)]
    find_limit: Option<f64>,
    /// idle, mix: connections that do nothing (default 1000)
    #[argh(option, default = "1000")]
    connections: usize,
    /// idle: connect only, join no rooms
    #[argh(switch)]
    no_join: bool,
    /// lobby, churn: end after so many sessions instead of after the duration
    #[argh(option, default = "0")]
    sessions: usize,
    /// lobby: only create and fill rooms, and let them stand until all are full
    #[argh(switch)]
    fill_only: bool,
    /// lobby: send StartGame once all are ready, as servers of later protocol versions want
    #[argh(switch)]
    start_game: bool,
    /// rooms, sessions or cycles in progress at the same time, where no rate is given (default 32)
    #[argh(option, default = "32")]
    at_once: usize,
    /// reconnect: storms within the duration (default 3)
    #[argh(option, default = "3")]
    storms: usize,
    /// reconnect: share of the players that drop in a storm, 0 to 1 (default 0.5)
    #[argh(option, default = "0.5")]
    share: f64,
    /// reconnect: seconds between drop and return (default 0.2)
    #[argh(option, default = "0.2")]
    away: f64,
    /// mix: lobby sessions per second (default 5)
    #[argh(option, default = "5.0")]
    lobby_rate: f64,
    /// mix: churn cycles per second (default 20)
    #[argh(option, default = "20.0")]
    churn_rate: f64,
    /// report processor time and memory of this process beside the results
    #[argh(option)]
    server_pid: Option<u32>,
    /// floor: processor of the sending thread
    #[argh(option)]
    send_cpu: Option<usize>,
    /// floor: processor of the receiving thread
    #[argh(option)]
    receive_cpu: Option<usize>,
    /// compare: folder with reports named measure__server__round.json
    #[argh(option)]
    results: Option<String>,
    /// compare: write the tables to this file
    #[argh(option)]
    pub(crate) markdown: Option<String>,
    /// write the whole report to this file as JSON
    #[argh(option)]
    pub(crate) json: Option<String>,
    /// write the JSON without the counts per sender and on one line
    #[argh(switch)]
    pub(crate) brief: bool,
    /// write the report with charts to this file as a self-contained page
    #[argh(option)]
    pub(crate) html: Option<String>,
}

impl Arguments {
    pub(crate) fn results(&self) -> Result<&str, String> {
        self.results
            .as_deref()
            .ok_or_else(|| "compare needs --results".to_owned())
    }

    pub(crate) fn find_limit(&self) -> Option<f64> {
        self.find_limit
    }

    pub(crate) fn plan(&self) -> Result<Plan, String> {
        let load = match self.load.as_str() {
            "relay" => Load::Relay,
            "spectate" => Load::Spectate,
            "lobby" => Load::Lobby,
            "churn" => Load::Churn,
            "reconnect" => Load::Reconnect,
            "idle" => Load::Idle,
            "mix" => Load::Mix,
            other => return Err(format!("there is no load `{other}`; see --help")),
        };
        if self.find_limit.is_some() && !matches!(load, Load::Relay | Load::Spectate) {
            return Err("--find-limit goes with relay and spectate".to_owned());
        }
        let sessions = matches!(load, Load::Lobby | Load::Churn);
        let spectators = match load {
            Load::Spectate => self.spectators.unwrap_or(4),
            Load::Mix => self.spectators.unwrap_or(0),
            _ => 0,
        };
        Ok(Plan {
            app_id: self.app_id.clone(),
            game_name: self.game.clone(),
            format: if self.message_pack {
                Format::MessagePack
            } else {
                Format::Json
            },
            rooms: self.rooms,
            players: self.players,
            spectators,
            rate: if sessions { 1.0 } else { self.rate.unwrap_or(5.0) },
            payload: self.payload,
            sessions_per_second: match load {
                Load::Mix => self.lobby_rate,
                _ => self.rate.unwrap_or(0.0),
            },
            churn_per_second: self.churn_rate,
            idle: self.connections,
            idle_joined: !self.no_join,
            fill_only: self.fill_only,
            start_game: self.start_game,
            sessions_max: if sessions { self.sessions } else { 0 },
            storms: self.storms,
            storm_share: self.share,
            away: seconds("--away", self.away)?,
            at_once: self.at_once,
            ramp: seconds("--ramp", self.ramp)?,
            // A fixed amount of work is measured from its first session on.
            warm_up: if self.sessions > 0 {
                Duration::ZERO
            } else {
                seconds("--warm-up", self.warm_up)?
            },
            duration: seconds("--duration", self.duration)?,
            drain: seconds("--drain", self.drain)?,
            threads: self.threads,
            server_pid: self.server_pid,
            ..Plan::new(load, Target::parse_with(&self.url, &self.tls_files()?)?)
        })
    }

    fn tls_files(&self) -> Result<TlsFiles, String> {
        let client = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => return Err("--client-cert and --client-key go together".to_owned()),
        };
        let given = self.ca.is_some() || client.is_some() || self.insecure;
        if given && !self.url.starts_with("wss://") {
            return Err("--ca, --client-cert, --client-key and --insecure go with wss://".to_owned());
        }
        Ok(TlsFiles {
            authorities: self.ca.clone(),
            client,
            insecure: self.insecure,
        })
    }

    pub(crate) fn floor(&self) -> floor::Parameters {
        floor::Parameters {
            sockets: self.rooms * usize::from(self.players),
            // A 100-byte value becomes a frame of about 190 bytes with its envelope.
            bytes: self.payload + 90,
            seconds: self.duration,
            send_cpu: self.send_cpu,
            receive_cpu: self.receive_cpu,
        }
    }
}

fn seconds(flag: &str, value: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(value).map_err(|_| format!("{flag} takes a number of seconds, not {value}"))
}
