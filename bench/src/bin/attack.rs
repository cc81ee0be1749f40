//! What hostile clients do to a server, and the floor beside it; for scripts/attacks.sh.
#![forbid(unsafe_code)]

use argh::FromArgs;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// Attempts of which a pause follows, so that the rate is even.
const BATCH: u64 = 10;

/// Attacks a server, or is the floor of an attack.
#[derive(FromArgs)]
struct Arguments {
    #[argh(subcommand)]
    what: What,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum What {
    Connects(Connects),
    Member(Member),
    Sink(Sink),
}

/// Connects and resets without a pause, from an address that holds as many connections as it may.
#[derive(FromArgs)]
#[argh(subcommand, name = "connects")]
struct Connects {
    /// server
    #[argh(option)]
    target: SocketAddr,
    /// address to come from
    #[argh(option)]
    source: IpAddr,
    /// connections to hold beside (default 0)
    #[argh(option, default = "0")]
    hold: usize,
    /// attempts per second (default 10,000)
    #[argh(option, default = "10_000")]
    rate: u64,
    /// for how long
    #[argh(option)]
    seconds: f64,
}

/// A member that sends without a pause to a room of eight whose others read everything.
#[derive(FromArgs)]
#[argh(subcommand, name = "member")]
struct Member {
    /// server
    #[argh(option)]
    target: SocketAddr,
    /// for how long
    #[argh(option)]
    seconds: f64,
}

/// Accepts and closes, and does nothing else.
#[derive(FromArgs)]
#[argh(subcommand, name = "sink")]
struct Sink {
    /// for how long
    #[argh(option)]
    seconds: f64,
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let done = match arguments.what {
        What::Connects(connects) => connects.run(),
        What::Member(member) => member.run(),
        What::Sink(sink) => sink.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "attack: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}

impl Connects {
    fn connect(&self) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(self.target), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(self.source, 0).into())?;
        Ok(socket)
    }

    fn run(&self) -> io::Result<()> {
        let held: Vec<_> = (0..self.hold)
            .map(|_| {
                let socket = self.connect()?;
                socket.connect(&self.target.into())?;
                Ok(socket)
            })
            .collect::<io::Result<_>>()?;
        let begin = Instant::now();
        let (mut attempts, mut failed) = (0_u64, 0_u64);
        while begin.elapsed().as_secs_f64() < self.seconds {
            for _ in 0..BATCH {
                let attempt = || {
                    let socket = self.connect()?;
                    // On one machine it is connected when this returns, unless the queue of the listener is full.
                    socket.set_nonblocking(true)?;
                    match socket.connect(&self.target.into()) {
                        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
                        _ => socket.set_linger(Some(Duration::ZERO)),
                    }
                };
                match attempt() {
                    Ok(()) => attempts += 1,
                    Err(_) => failed += 1,
                }
            }
            let due = Duration::from_secs_f64((attempts + failed) as f64 / self.rate as f64);
            thread::sleep(due.saturating_sub(begin.elapsed()));
        }
        drop(held);
        say(&format!(
            r#"{{"attempts":{attempts},"failed":{failed},"seconds":{}}}"#,
            begin.elapsed().as_secs_f64()
        ))
    }
}

impl Member {
    fn join(&self, number: usize) -> Result<WebSocket<TcpStream>, Box<dyn std::error::Error>> {
        let stream = TcpStream::connect(self.target)?;
        stream.set_nodelay(true)?;
        let (mut client, _) = tungstenite::client(format!("ws://{}/v2/ws", self.target), stream)?;
        client.send(Message::text(format!(
            r#"{{"type":"JoinRoom","data":{{"game_name":"flood","room_code":"FLOOD0","player_name":"p{number}"}}}}"#
        )))?;
        while !client.read()?.to_text()?.contains("RoomJoined") {}
        Ok(client)
    }

    fn run(&self) -> io::Result<()> {
        let failed = |error: Box<dyn std::error::Error>| io::Error::other(error.to_string());
        let mut sender = self.join(0).map_err(failed)?;
        for number in 1..8 {
            let reader = self.join(number).map_err(failed)?;
            thread::spawn(move || read_everything(reader.get_ref()));
        }
        let echo = sender.get_ref().try_clone()?;
        thread::spawn(move || read_everything(&echo));
        let text = format!(r#"{{"type":"GameData","data":{{"data":"{}"}}}}"#, "x".repeat(200));
        let begin = Instant::now();
        let mut sent = 0_u64;
        while begin.elapsed().as_secs_f64() < self.seconds {
            sender
                .send(Message::text(text.as_str()))
                .map_err(|error| io::Error::other(error.to_string()))?;
            sent += 1;
        }
        say(&format!(
            r#"{{"sent":{sent},"seconds":{}}}"#,
            begin.elapsed().as_secs_f64()
        ))
    }
}

fn read_everything(mut stream: &TcpStream) {
    let mut buffer = vec![0; 1 << 18];
    while matches!(stream.read(&mut buffer), Ok(1..)) {}
}

impl Sink {
    fn run(&self) -> io::Result<()> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        say(&listener.local_addr()?.to_string())?;
        let begin = Instant::now();
        let mut accepted = 0_u64;
        let cpu = cpu_time();
        // Whoever ends the flood connects once more, so that this ends too.
        while begin.elapsed().as_secs_f64() < self.seconds {
            listener.accept()?;
            accepted += 1;
        }
        let used = cpu_time().saturating_sub(cpu);
        say(&format!(
            r#"{{"accepted":{accepted},"cpu_us_each":{}}}"#,
            used.as_secs_f64() * 1e6 / accepted.max(1) as f64
        ))
    }
}

/// Processor time of this process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
