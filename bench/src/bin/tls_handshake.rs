//! What the server's side of a full TLS handshake costs beside that of bare rustls, and what a chain of 101 client
//! certificates costs until it is refused. Both sides are in this process, without sockets; only the server's is timed.

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection, version};
use signal_fish_core::transport::time_provider::DefaultTimeProvider;
use signal_fish_core::transport::{Acceptor, ClientAuth, Identity, Progress, Secure};
use signal_fish_simulator::{ClientTls, Version};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many times as much as bare rustls a handshake may cost.
const RATIO_MAX: f64 = 1.15;
/// What a chain may cost until it is refused.
const CHAIN_MAX: Duration = Duration::from_millis(1);
/// Handshakes of each kind in a round, and rounds. The fastest round counts: others had the processor in the slower ones.
const HANDSHAKES: u32 = 200;
const ROUNDS: usize = 15;

fn main() -> ExitCode {
    let mut good = true;
    let mut out = std::io::stdout();
    let mut judge = |what: &str, found: f64, most: f64, unit: &str| {
        let holds = found <= most;
        good &= holds;
        let verdict = if holds { "good" } else { "NOT REACHED" };
        // Whoever reads it no more needs no answer.
        let _ = writeln!(out, "{what}: {found:.3}{unit}, at most {most:.2}{unit}: {verdict}");
    };
    let identity = Made::new();
    for kind in Version::ALL {
        let (bare, ours) = (identity.bare(), identity.acceptor(false));
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            best[0] = best[0].min(timed(kind, || {
                Bare(ServerConnection::new(Arc::clone(&bare)).expect("a session"))
            }));
            best[1] = best[1].min(timed(kind, || Ours(Secure::accept(&ours).expect("a session"))));
        }
        let [bare, ours] = best.map(|time| time.as_secs_f64() * 1e6 / f64::from(HANDSHAKES));
        judge(
            &format!("{kind:?}, ECDSA: {ours:.1} µs, bare rustls {bare:.1} µs, ratio"),
            ours / bare,
            RATIO_MAX,
            "",
        );
    }
    let asks = identity.acceptor(true);
    for (what, certificate) in [("real", identity.certificate.to_vec()), ("tiny", vec![0])] {
        let chain = chain_of(&certificate, 101);
        let mut best = Duration::MAX;
        for _ in 0..100 {
            let mut server = Secure::accept(&asks).expect("a session");
            let mut client = ClientTls::new(Version::Tls12, true);
            server.shake_hands(&client.seal(b"", false).0);
            server.seal(&[], &mut Vec::new());
            let start = Instant::now();
            assert_eq!(server.shake_hands(&chain), Progress::Failed);
            best = best.min(start.elapsed());
        }
        judge(
            &format!("101 {what} client certificates, {} bytes, refused after", chain.len()),
            best.as_secs_f64() * 1e3,
            CHAIN_MAX.as_secs_f64() * 1e3,
            " ms",
        );
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A server's side.
trait Side {
    /// Hears, and answers.
    fn hear(&mut self, input: &[u8], answer: &mut Vec<u8>);
    fn is_over(&self) -> bool;
}

struct Bare(ServerConnection);
struct Ours(Secure);

impl Side for Bare {
    fn hear(&mut self, mut input: &[u8], answer: &mut Vec<u8>) {
        while !input.is_empty() {
            self.0.read_tls(&mut input).expect("a slice");
            self.0.process_new_packets().expect("a good client");
        }
        while self.0.wants_write() {
            self.0.write_tls(answer).expect("a vector takes everything");
        }
    }

    fn is_over(&self) -> bool {
        !self.0.is_handshaking()
    }
}

impl Side for Ours {
    fn hear(&mut self, input: &[u8], answer: &mut Vec<u8>) {
        assert_ne!(self.0.shake_hands(input), Progress::Failed);
        self.0.seal(&[], answer);
    }

    fn is_over(&self) -> bool {
        !self.0.is_handshaking()
    }
}

/// What the server's side of a round takes.
fn timed<S: Side>(version: Version, begin: impl Fn() -> S) -> Duration {
    let mut time = Duration::ZERO;
    for _ in 0..HANDSHAKES {
        let mut client = ClientTls::new(version, true);
        let mut start = Instant::now();
        let mut side = begin();
        time += start.elapsed();
        while !side.is_over() {
            let (said, _) = client.seal(b"", false);
            let mut answer = Vec::new();
            start = Instant::now();
            side.hear(&said, &mut answer);
            time += start.elapsed();
            client.open(&answer);
        }
    }
    time
}

/// A certificate and its key.
struct Made {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Made {
    fn new() -> Self {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        }
    }

    fn acceptor(&self, asks: bool) -> Acceptor {
        let identity = Identity {
            chain: vec![self.certificate.clone()],
            key: self.key.clone_key(),
            client_auth: if asks {
                ClientAuth::Optional(vec![self.certificate.clone()])
            } else {
                ClientAuth::None
            },
        };
        Acceptor::new(identity, Arc::new(DefaultTimeProvider), None).expect("an acceptor")
    }

    /// The same settings, as far as they cost something.
    fn bare(&self) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .expect("a certificate");
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().expect("a ticketer");
        config.send_tls13_tickets = 1;
        Arc::new(config)
    }
}

/// The message of a client of TLS 1.2 that shows so many certificates, as records.
fn chain_of(certificate: &[u8], count: usize) -> Vec<u8> {
    let sized = |bytes: &[u8]| -> Vec<u8> {
        let length = u32::try_from(bytes.len()).expect("few").to_be_bytes();
        [&length[1..], bytes].concat()
    };
    let list = sized(&sized(certificate).repeat(count));
    let message = [&[11][..], &sized(&list)].concat();
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).expect("few").to_be_bytes();
        [&[22, 3, 3][..], &length, part].concat()
    };
    message.chunks(16_000).flat_map(record).collect()
}
