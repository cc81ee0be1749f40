//! The floor under every relay: what the kernel alone takes to send as many bytes to as many sockets.
//!
//! One thread sends to all sockets in turn and does nothing else; another reads. Then one thread receives what lies in as
//! many sockets. What a server needs beyond the calls that it makes, at these prices, is its own.

use rustix::net::{RecvFlags, SendFlags};
use serde::{Deserialize, Serialize};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// Sockets to send to.
    pub sockets: usize,
    /// Bytes of each send.
    pub bytes: usize,
    /// Seconds to send for.
    pub seconds: f64,
    /// Processor of the sending thread.
    pub send_cpu: Option<usize>,
    /// Processor of the receiving thread.
    pub receive_cpu: Option<usize>,
}

/// What was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Floor {
    /// What was asked for.
    pub parameters: Parameters,
    /// Where.
    pub host: crate::host::Host,
    /// Sends made.
    pub sends: u64,
    /// Sends per second of wall time.
    pub sends_per_s: f64,
    /// Processor time of the sending thread per send in user space, in microseconds.
    pub user_us_each: f64,
    /// Processor time of the sending thread per send in the kernel, in microseconds.
    pub system_us_each: f64,
    /// Processor time of a receive of as many bytes, in user space and in the kernel, in microseconds.
    pub receive_us_each: f64,
}

impl Floor {
    /// One line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "floor: {} sends of {} bytes to {} sockets, {:.0}/s, {:.2} µs system + {:.2} µs user each; \
             a receive takes {:.2} µs",
            self.sends,
            self.parameters.bytes,
            self.parameters.sockets,
            self.sends_per_s,
            self.system_us_each,
            self.user_us_each,
            self.receive_us_each
        )
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and numbers only: this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// Measures on the loopback interface.
///
/// # Errors
/// A sentence: no sockets, or a processor that this process may not use.
pub fn measure(parameters: &Parameters) -> Result<Floor, String> {
    crate::process::raise_file_limit();
    let (senders, receivers) = pairs(parameters.sockets).map_err(|error| format!("cannot open sockets: {error}"))?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            pin(parameters.receive_cpu)?;
            drain(&receivers, &done).map_err(|error| format!("cannot read: {error}"))
        });
        let sent = pin(parameters.send_cpu)
            .and_then(|()| send_all(&senders, parameters).map_err(|error| format!("cannot send: {error}")));
        done.store(true, Ordering::Relaxed);
        reader
            .join()
            .unwrap_or_else(|_| Err("the reader panicked".to_owned()))?;
        let receive_us_each =
            receive_all(&senders, &receivers, parameters.bytes).map_err(|error| format!("cannot receive: {error}"))?;
        Ok(Floor {
            receive_us_each,
            ..sent?
        })
    })
}

fn pairs(sockets: usize) -> std::io::Result<(Vec<TcpStream>, Vec<TcpStream>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..sockets {
        let receiver = TcpStream::connect(address)?;
        let (sender, _) = listener.accept()?;
        sender.set_nodelay(true)?;
        receiver.set_nonblocking(true)?;
        senders.push(sender);
        receivers.push(receiver);
    }
    Ok((senders, receivers))
}

fn send_all(senders: &[TcpStream], parameters: &Parameters) -> std::io::Result<Floor> {
    let payload = vec![b'x'; parameters.bytes];
    let start = Instant::now();
    let limit = Duration::try_from_secs_f64(parameters.seconds).unwrap_or(Duration::from_secs(10));
    let before = crate::process::thread_times();
    let mut sends = 0_u64;
    while start.elapsed() < limit {
        for sender in senders {
            rustix::net::send(sender, &payload, SendFlags::NOSIGNAL)?;
        }
        sends += senders.len() as u64;
    }
    let after = crate::process::thread_times();
    let each = |from: f64, to: f64| (to - from) * 1e6 / sends.max(1) as f64;
    Ok(Floor {
        parameters: parameters.clone(),
        host: crate::host::Host::look(),
        sends,
        sends_per_s: sends as f64 / start.elapsed().as_secs_f64(),
        user_us_each: each(before.0, after.0),
        system_us_each: each(before.1, after.1),
        receive_us_each: 0.0,
    })
}

/// Microseconds of the calling thread per receive of `bytes`, in rounds over all pairs.
fn receive_all(into: &[TcpStream], from: &[TcpStream], bytes: usize) -> std::io::Result<f64> {
    const RECEIVES: usize = 200_000;
    let payload = vec![b'x'; bytes];
    let mut buffer = vec![0_u8; 64 << 10];
    let mut spent_ns = 0;
    let mut receives = 0_usize;
    while receives < RECEIVES {
        for sender in from {
            rustix::net::send(sender, &payload, SendFlags::NOSIGNAL)?;
        }
        let start_ns = crate::process::thread_cpu_ns();
        for receiver in into {
            rustix::net::recv(receiver, &mut buffer[..], RecvFlags::empty())?;
        }
        spent_ns += crate::process::thread_cpu_ns() - start_ns;
        receives += into.len().max(1);
    }
    Ok(spent_ns as f64 / 1e3 / receives as f64)
}

fn drain(receivers: &[TcpStream], done: &AtomicBool) -> std::io::Result<()> {
    use rustix::event::epoll;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (index, receiver) in receivers.iter().enumerate() {
        epoll::add(
            &epoll,
            receiver,
            epoll::EventData::new_u64(index as u64),
            epoll::EventFlags::IN,
        )?;
    }
    let mut buffer = vec![0_u8; 256 << 10];
    let mut events = Vec::with_capacity(256);
    let timeout = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };
    while !done.load(Ordering::Relaxed) {
        events.clear();
        let _ = epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout));
        for event in &events {
            // The index was a usize when it went in.
            let index = usize::try_from(event.data.u64()).unwrap_or(0);
            let _ = rustix::net::recv(&receivers[index], &mut buffer[..], RecvFlags::empty());
        }
    }
    Ok(())
}

fn pin(cpu: Option<usize>) -> Result<(), String> {
    let Some(cpu) = cpu else { return Ok(()) };
    if cpu >= rustix::thread::CpuSet::MAX_CPU {
        return Err(format!("there is no processor {cpu}"));
    }
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set).map_err(|error| format!("cannot run on processor {cpu}: {error}"))
}
