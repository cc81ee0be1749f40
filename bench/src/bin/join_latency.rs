//! How long entering a room takes against a running server, with and without a handoff, and what an ask costs.
#![forbid(unsafe_code)]

use argh::FromArgs;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// Measures a running server: how long JoinRoom into a standing room takes for clients whose URL names the room, which
/// begin on its shard, and for clients whose URL does not, most of which have to move; and how long an ask to the
/// control plane takes, beside a Ping.
///
/// The server's limits per address have to be raised: security.max_connections_per_ip, rate_limit.max_join_attempts,
/// rate_limit.max_room_creations, server.max_rooms_per_game.
#[derive(FromArgs)]
struct Arguments {
    /// server, ws://host:port/path (default ws://127.0.0.1:3536/v2/ws)
    #[argh(option, default = "String::from(\"ws://127.0.0.1:3536/v2/ws\")")]
    server_url: String,
    /// shards of the server; only shown in the result
    #[argh(option, default = "0")]
    shards: u16,
    /// joins and asks of each kind (default 1000)
    #[argh(option, default = "1000")]
    rounds: u32,
    /// milliseconds of rest before each join and ask, so that the shards sleep (default 2)
    #[argh(option, default = "2")]
    pause_ms: u64,
    /// measure a second time while so many rooms of eight relay (default 0: only idle)
    #[argh(option, default = "0")]
    load_threads: u32,
    /// messages per second into each of these rooms (default 500)
    #[argh(option, default = "500")]
    load_rate: u32,
}

impl Arguments {
    fn rest(&self) {
        thread::sleep(Duration::from_millis(self.pause_ms));
    }
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let (text, code) = match measure(&arguments) {
        Ok(table) => (table, ExitCode::SUCCESS),
        Err(reason) => (format!("join_latency: {reason}\n"), ExitCode::FAILURE),
    };
    let written = io::stdout().write_all(text.as_bytes());
    if written.is_err() { ExitCode::FAILURE } else { code }
}

fn measure(arguments: &Arguments) -> Result<String, String> {
    let mut table = format!("{} rounds", arguments.rounds);
    if arguments.shards > 0 {
        let _ = write!(table, ", {} shards", arguments.shards);
    }
    let _ = writeln!(table, "; times in ms\n\n{:42} {:>8} {:>8}", "", "p50", "p99");
    describe(arguments, "idle", &mut table)?;
    if arguments.load_threads > 0 {
        let load = Load::start(arguments)?;
        describe(arguments, "loaded", &mut table)?;
        load.stop()?;
    }
    Ok(table)
}

/// Measures everything once and appends the rows.
fn describe(arguments: &Arguments, state: &str, table: &mut String) -> Result<(), String> {
    let (here, elsewhere) = joins(arguments, state)?;
    let (ping, ask) = asks(arguments)?;
    for (name, times) in [
        ("JoinRoom, URL names the room", &here),
        ("JoinRoom, URL does not", &elsewhere),
        ("Ping", &ping),
        ("JoinRoom refused after one ask", &ask),
    ] {
        let (p50, p99) = (times.quantile(0.5), times.quantile(0.99));
        let _ = writeln!(table, "{:42} {p50:8.3} {p99:8.3}", format!("{state}: {name}"));
    }
    for (name, longer, shorter) in [("handoff", &elsewhere, &here), ("ask", &ask, &ping)] {
        let difference = |quantile| longer.quantile(quantile) - shorter.quantile(quantile);
        let (p50, p99) = (difference(0.5), difference(0.99));
        let _ = writeln!(
            table,
            "{:42} {p50:+8.3} {p99:+8.3}",
            format!("{state}: difference, {name}")
        );
    }
    table.push('\n');
    Ok(())
}

/// Standing rooms that are joined in turn, so that every shard owns some.
const ROOMS: u32 = 32;

/// Times of JoinRoom with and without the room's name in the URL, taken alternately.
fn joins(arguments: &Arguments, state: &str) -> Result<(Times, Times), String> {
    let game = format!("joins-{state}-{}", std::process::id());
    let code = |room: u32| format!("J{room:05}");
    let mut residents = Vec::new();
    for room in 0..ROOMS {
        let mut resident = Client::connect(&arguments.server_url)?;
        resident.call(&join(&game, &code(room), "resident"), "RoomJoined")?;
        residents.push(resident);
    }
    let (mut here, mut elsewhere) = (Times::default(), Times::default());
    for round in 0..arguments.rounds {
        let code = code(round % ROOMS);
        let hinted = format!("{}?game_name={game}&room_code={code}", arguments.server_url);
        for (url, times) in [(&hinted, &mut here), (&arguments.server_url, &mut elsewhere)] {
            let mut client = Client::connect(url)?;
            // Once this is answered the connection has its ticket and is where the URL sent it.
            client.call(PING, "Pong")?;
            arguments.rest();
            times.push(client.call(&join(&game, &code, "guest"), "RoomJoined")?);
            // The seat is free for the next round, and the resident's news are read, so that nothing piles up.
            client.call(r#"{"type":"LeaveRoom"}"#, "RoomLeft")?;
            residents[(round % ROOMS) as usize].wait_for("PlayerLeft")?;
            client.close();
        }
    }
    Ok((here, elsewhere))
}

/// Times of a Ping and of a JoinRoom that fails after one ask to the control plane, taken alternately.
fn asks(arguments: &Arguments) -> Result<(Times, Times), String> {
    let mut client = Client::connect(&arguments.server_url)?;
    let (mut ping, mut ask) = (Times::default(), Times::default());
    for _ in 0..arguments.rounds {
        arguments.rest();
        ping.push(client.call(PING, "Pong")?);
        arguments.rest();
        ask.push(client.call(&join("", "ASKING", "nobody"), "RoomJoinFailed")?);
    }
    client.close();
    Ok((ping, ask))
}

const PING: &str = r#"{"type":"Ping"}"#;

fn join(game: &str, code: &str, name: &str) -> String {
    format!(
        r#"{{"type":"JoinRoom","data":{{"game_name":"{game}","room_code":"{code}","player_name":"{name}","max_players":8}}}}"#
    )
}

/// What was measured, in milliseconds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn push(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1000.0);
    }

    fn quantile(&self, quantile: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index of the list"
        )]
        let index = (last as f64 * quantile).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Rooms of eight whose first player sends at a steady rate.
struct Load {
    stop: Arc<AtomicBool>,
    rooms: Vec<thread::JoinHandle<Result<(), String>>>,
}

impl Load {
    fn start(arguments: &Arguments) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let every = Duration::from_secs(1) / arguments.load_rate.max(1);
        let game = format!("load-{}", std::process::id());
        let mut rooms = Vec::new();
        for room in 0..arguments.load_threads {
            let mut members = Vec::new();
            for number in 0..8 {
                let mut member = Client::connect(&arguments.server_url)?;
                let message = join(&game, &format!("L{room:05}"), &format!("player{number}"));
                member.call(&message, "RoomJoined")?;
                members.push(member);
            }
            let stop = Arc::clone(&stop);
            rooms.push(thread::spawn(move || relay(members, every, &stop)));
        }
        Ok(Self { stop, rooms })
    }

    fn stop(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        for room in self.rooms {
            room.join().map_err(|_| "a thread of the load panicked")??;
        }
        Ok(())
    }
}

fn relay(mut members: Vec<Client>, every: Duration, stop: &AtomicBool) -> Result<(), String> {
    let message = format!(r#"{{"type":"GameData","data":{{"data":"{}"}}}}"#, "x".repeat(98));
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if let Some((sender, others)) = members.split_first_mut() {
            sender.send(&message)?;
            for other in others {
                other.wait_for("GameData")?;
            }
        }
        due += every;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// A blocking client.
struct Client(WebSocket<TcpStream>);

impl Client {
    fn connect(url: &str) -> Result<Self, String> {
        let authority = url
            .strip_prefix("ws://")
            .and_then(|rest| rest.split('/').next())
            .ok_or_else(|| format!("`{url}` does not start with ws://"))?;
        let failed = |error: &dyn std::fmt::Display| format!("cannot connect to {url}: {error}");
        let stream = TcpStream::connect(authority).map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .map_err(|error| failed(&error))?;
        let (socket, _) = tungstenite::client(url, stream).map_err(|error| failed(&error))?;
        Ok(Self(socket))
    }

    fn send(&mut self, text: &str) -> Result<(), String> {
        self.0
            .send(Message::text(text))
            .map_err(|error| format!("cannot send {text}: {error}"))
    }

    /// Reads until a message of this type comes.
    fn wait_for(&mut self, kind: &str) -> Result<(), String> {
        // The server writes the type first.
        let start = format!(r#"{{"type":"{kind}""#);
        loop {
            let message = self.0.read().map_err(|error| format!("no {kind} came: {error}"))?;
            match message {
                Message::Text(text) if text.starts_with(&start) => return Ok(()),
                Message::Text(text) if text.starts_with(r#"{"type":"Error""#) => return Err(text.to_string()),
                Message::Text(text) if text.starts_with(r#"{"type":"RoomJoinFailed""#) => return Err(text.to_string()),
                Message::Close(frame) => return Err(format!("no {kind} came but a close: {frame:?}")),
                _ => {}
            }
        }
    }

    /// Sends and waits for the answer; how long that took.
    fn call(&mut self, text: &str, answer: &str) -> Result<Duration, String> {
        let start = Instant::now();
        self.send(text)?;
        self.wait_for(answer)?;
        Ok(start.elapsed())
    }

    /// Ends the connection with a close handshake.
    fn close(mut self) {
        if self.0.close(None).is_ok() {
            while self.0.read().is_ok() {}
        }
    }
}
