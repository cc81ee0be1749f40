//! A WebSocket echo server on the connection code of the real one: what the Autobahn suite talks to.
//!
//! `cargo run --release --example echo -- --port N` prints `listening on 127.0.0.1:N` and serves until it is killed.

use argh::FromArgs;
use signal_fish_core::Now;
use signal_fish_core::admission::Verdict;
use signal_fish_core::protocol::signal_fish::{Counters, Effects, Form, Gauges, MovingSession, ShardIndex, Slot};
use signal_fish_core::ws::{Limits, Violation};
use signal_fish_runtime::{Handler, Options, ShardPlan, Table, listen, mailbox};
use signal_fish_server::http::Origins;
use signal_fish_server::listener::{HttpAcceptor, TrustedProxies};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages of section 9 of the suite are up to 16 MiB.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(FromArgs)]
/// Echoes WebSocket messages at /v2/ws.
struct Flags {
    /// port to listen on; 0 takes a free one
    #[argh(option, default = "0")]
    port: u16,
}

/// Sends every message back.
struct Echo;

impl Handler for Echo {
    fn connected(&mut self, _: Now, _: Slot, _: IpAddr, _: Option<(&str, &str)>, _: &mut Table) {}

    fn adopt(&mut self, _: Now, _: Slot, _: Box<MovingSession>, _: &mut Table) {}

    fn abandon(&mut self, _: Box<MovingSession>, _: &mut Table) {}

    fn text(&mut self, _: Now, slot: Slot, text: &str, table: &mut Table) {
        table.send(slot, Form::Text, text.as_bytes());
    }

    fn binary(&mut self, _: Now, slot: Slot, payload: &[u8], table: &mut Table) {
        table.send(slot, Form::Binary, payload);
    }

    fn oversize(&mut self, _: Now, _: Slot, _: Form, _: u64, _: &mut Table) {}

    fn alive(&mut self, _: Now, _: Slot) {}

    fn violated(&mut self, _: Now, _: Slot, _: Violation, _: &mut Table) {}

    fn verdict(&mut self, _: Now, _: Slot, _: Verdict, _: &mut Table) {}

    fn disconnected(&mut self, _: Now, _: Slot, _: &mut Table) {}

    fn is_waiting(&self, _: Slot) -> bool {
        false
    }

    fn tick(&mut self, _: Now, _: &mut Table) {}

    fn drain(&mut self, _: Now, _: &mut Table) {}

    fn figures(&self) -> (Counters, Gauges) {
        (Counters::default(), Gauges::default())
    }
}

#[allow(clippy::print_stdout, reason = "the address is this program's output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flags: Flags = argh::from_env();
    let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, flags.port)))?;
    let address = listener.local_addr()?;
    let (mailbox, inbox) = mailbox(16);
    let (control, _no_control_plane) = crossbeam_channel::unbounded();
    let (started, starts) = crossbeam_channel::bounded(1);
    let plan = ShardPlan {
        index: ShardIndex(0),
        cpu: None,
        listener,
        inbox,
        mailboxes: Arc::new([mailbox]),
        control,
        options: Options {
            codec: Limits {
                message_bytes_max: MESSAGE_BYTES_MAX,
                discard_bytes_max: MESSAGE_BYTES_MAX as u64,
            },
            outbound_bytes_max: 4 * MESSAGE_BYTES_MAX,
            batching: None,
            head_timeout: Duration::from_secs(10),
            drain_timeout: Duration::ZERO,
            slots_max: 1024,
        },
        start: Instant::now(),
    };
    let acceptor = HttpAcceptor {
        origins: Arc::new(Origins::Any),
        trusted_proxies: Arc::new(TrustedProxies::default()),
    };
    let shard = plan.spawn(move || (Echo, acceptor), started)?;
    starts.recv()?;
    println!("listening on {address}");
    shard.join()?;
    Ok(())
}
