//! SIGHUP shows new certificates, and nobody notices.

use crate::harness::certificates::{Files, der};
use crate::harness::{Server, wait_until};
use crate::{connect, ping, tls};
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::version;
use serde_json::json;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

/// The certificate that a newcomer is shown.
fn shown_by(files: &Files, addr: SocketAddr) -> CertificateDer<'static> {
    let mut stream = tls(addr, &files.client(&version::TLS13, None));
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("sent");
    stream.conn.peer_certificates().expect("a chain")[0].clone()
}

#[test]
fn sighup_shows_a_new_certificate_and_nobody_notices() {
    let files = Files::new();
    let server = Server::start(files.config(json!({})));
    let file = |name: &str| std::fs::read_to_string(Path::new(&files.path(name))).expect("a file");
    let mut client = connect(&files, server.addr);
    for round in 0..100 {
        files.renew();
        let count = || server.times("the configuration was reloaded");
        let before = count();
        server.signal(Signal::HUP);
        ping(&mut client);
        if round % 20 == 0 {
            let expected = der(&file("server.pem"));
            wait_until("the new certificate", || shown_by(&files, server.addr) == expected);
        } else if count() == before {
            wait_until("the reload", || count() > before);
        }
    }
    let last = der(&file("server.pem"));
    wait_until("the last certificate", || shown_by(&files, server.addr) == last);
    // A broken one changes nothing and is named.
    for (name, text) in [("server.pem", "nonsense"), ("server.key", files.leaf().1.as_str())] {
        let kept = file(name);
        files.write(name, text);
        let count = || server.times("stays as it is");
        let before = count();
        server.signal(Signal::HUP);
        wait_until("the refusal", || count() > before);
        assert_eq!(shown_by(&files, server.addr), last);
        files.write(name, &kept);
    }
    ping(&mut client);
}
