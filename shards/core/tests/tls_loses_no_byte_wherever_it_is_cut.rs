//! The TLS of one connection against a client of the same library: handshakes, cuts, bounds.

#![cfg(feature = "tls")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion};
use rustls::{crypto, version};
use signal_fish_core::transport::time_provider::DefaultTimeProvider;
use signal_fish_core::transport::{
    Acceptor, ClientAuth, HANDSHAKE_BYTES_MAX, Identity, Progress, Received, SEALED_BYTES_MAX, Secure, Taken,
};
use std::io::{Read, Write};
use std::sync::Arc;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

fn leaf(authority: &Authority) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let der = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    (certificate.der().clone(), der)
}

fn acceptor(client_auth: ClientAuth, before: Option<&Acceptor>) -> Acceptor {
    let (certificate, key) = leaf(&authority());
    let identity = Identity {
        chain: vec![certificate],
        key,
        client_auth,
    };
    Acceptor::new(identity, Arc::new(DefaultTimeProvider), before).expect("an acceptor")
}

/// A client that believes every server.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

type Shown = Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>;

fn config(version: &'static SupportedProtocolVersion, shown: Shown) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    match shown {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).expect("a certificate"),
    }
}

fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::clone(config), name).expect("a client");
    client.set_buffer_limit(None);
    client
}

/// What a client has to send.
fn said(client: &mut ClientConnection) -> Vec<u8> {
    let mut out = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut out).expect("a vector takes everything");
    }
    out
}

fn hear(client: &mut ClientConnection, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).expect("a slice");
        client.process_new_packets()?;
    }
    Ok(())
}

/// What a session has to say without plaintext.
fn output(secure: &mut Secure) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(secure.seal(&[], &mut out), 0);
    out
}

/// Shakes hands; `behind` is said by the client behind its last message of the handshake.
fn connect(
    acceptor: &Acceptor,
    config: &Arc<ClientConfig>,
    behind: &[u8],
) -> Result<(Secure, ClientConnection), Progress> {
    let mut secure = Secure::accept(acceptor).expect("a session");
    let mut client = client(config);
    for _ in 0..4 {
        let mut input = said(&mut client);
        if !client.is_handshaking() {
            client.writer().write_all(behind).expect("unlimited");
            input.extend(said(&mut client));
        }
        let progress = secure.shake_hands(&input);
        let answer = output(&mut secure);
        let heard = hear(&mut client, &answer);
        match progress {
            Progress::Done => return Ok((secure, client)),
            Progress::Failed => return Err(progress),
            Progress::Partial { .. } => heard.map_err(|_| progress)?,
        }
    }
    panic!("the handshake does not end");
}

/// Receives everything of `input`, cut into pieces; the session moves as a value in between.
fn receive_all(mut secure: Secure, pieces: &[&[u8]], room: usize) -> (Secure, Vec<u8>) {
    let (mut plaintext, mut scratch, mut out) = (Vec::new(), vec![0; 32 * 1024], vec![0; room]);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let raw = |buffer: &mut [u8]| {
                let count = rest.len().min(buffer.len());
                if count == 0 {
                    return Received::Nothing;
                }
                buffer[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                Received::Bytes(count)
            };
            let Taken { received, more, .. } = secure.receive(raw, &mut scratch, &mut out, false);
            match received {
                Received::Bytes(count) => plaintext.extend_from_slice(&out[..count]),
                Received::Nothing => {}
                other => panic!("{other:?}"),
            }
            if !more && rest.is_empty() {
                break;
            }
        }
        // As in a handoff.
        secure = *Box::new(secure);
        assert!(!secure.has_input(), "everything that was there was taken");
    }
    (secure, plaintext)
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

fn pattern(length: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(length).collect()
}

#[test]
fn input_may_be_cut_at_every_byte() {
    let acceptor = acceptor(ClientAuth::None, None);
    for version in VERSIONS {
        let config = Arc::new(config(version, None));
        let text = pattern(150);
        let (mut secure, mut client) = connect(&acceptor, &config, b"").expect("connected");
        // Two records, of which the second begins where the first ends.
        let length = {
            client.writer().write_all(&text).expect("unlimited");
            let bytes = said(&mut client);
            let (next, plaintext) = receive_all(secure, &[&bytes], 64);
            assert_eq!(plaintext, text);
            secure = next;
            bytes.len()
        };
        for cut in 0..=2 * length {
            let mut bytes = Vec::new();
            for _ in 0..2 {
                client.writer().write_all(&text).expect("unlimited");
                bytes.extend(said(&mut client));
            }
            let (first, second) = bytes.split_at(cut);
            let (next, plaintext) = receive_all(secure, &[first, second], 1 + cut);
            assert_eq!(plaintext, [&text[..], &text].concat(), "{cut}");
            secure = next;
        }
    }
}

#[test]
fn output_may_be_cut_at_every_byte() {
    let acceptor = acceptor(ClientAuth::None, None);
    for version in VERSIONS {
        let config = Arc::new(config(version, None));
        let (mut secure, mut client) = connect(&acceptor, &config, b"").expect("connected");
        let text = pattern(150);
        let mut length = 0;
        for cut in 0..200 {
            let mut sealed = Vec::new();
            assert_eq!(secure.seal(&text, &mut sealed), text.len());
            length = sealed.len();
            let cut = cut.min(length);
            hear(&mut client, &sealed[..cut]).expect("records");
            secure.keep(&sealed[cut..]);
            // As in a handoff.
            secure = *Box::new(secure);
            let rest = secure.unsent().to_vec();
            hear(&mut client, &rest).expect("records");
            secure.advance(rest.len());
            assert!(!secure.has_output());
            let mut got = vec![0; text.len()];
            client.reader().read_exact(&mut got).expect("all of it");
            assert_eq!(got, text, "{cut}");
        }
        assert!(length < 200, "every byte was cut at");
    }
}

#[test]
fn large_data_passes_in_both_directions() {
    let acceptor = acceptor(ClientAuth::None, None);
    for version in VERSIONS {
        let config = Arc::new(config(version, None));
        let (mut secure, mut client) = connect(&acceptor, &config, b"").expect("connected");
        let text = pattern(1_000_000);
        client.writer().write_all(&text).expect("unlimited");
        let bytes = said(&mut client);
        for room in [100, 8 * 1024, 64 * 1024] {
            if room != 100 {
                client.writer().write_all(&text).expect("unlimited");
            }
            let bytes = if room == 100 { bytes.clone() } else { said(&mut client) };
            let (next, plaintext) = receive_all(secure, &[&bytes], room);
            assert!(plaintext == text, "{room}");
            secure = next;
        }
        let mut rest = &text[..];
        let mut got = Vec::new();
        while !rest.is_empty() {
            let mut sealed = Vec::new();
            let taken = secure.seal(rest, &mut sealed);
            assert!(taken > 0 && taken <= SEALED_BYTES_MAX);
            rest = &rest[taken..];
            for piece in sealed.chunks(5_000) {
                hear(&mut client, piece).expect("records");
                let mut buffer = vec![0; 20_000];
                while let Ok(count @ 1..) = client.reader().read(&mut buffer) {
                    got.extend_from_slice(&buffer[..count]);
                }
            }
        }
        assert!(got == text);
    }
}

#[test]
fn what_comes_behind_the_handshake_is_there_at_once() {
    let acceptor = acceptor(ClientAuth::None, None);
    // With TLS 1.2 the client waits for the server's last message, so nothing can come behind its own.
    let config = Arc::new(config(&version::TLS13, None));
    for length in [1, 5_000, 20_000, 100_000] {
        let text = pattern(length);
        let (mut secure, _) = connect(&acceptor, &config, &text).expect("connected");
        assert!(secure.has_input(), "no event tells of it");
        let (_, plaintext) = receive_all(secure, &[b""], 4_096);
        assert!(plaintext == text, "{length}");
    }
}

#[test]
fn close_notify_is_the_end_and_is_answered_once() {
    let acceptor = acceptor(ClientAuth::None, None);
    for version in VERSIONS {
        let config = Arc::new(config(version, None));
        let (mut secure, mut client) = connect(&acceptor, &config, b"").expect("connected");
        client.writer().write_all(b"last").expect("unlimited");
        client.send_close_notify();
        let bytes = said(&mut client);
        let mut given = false;
        let (mut scratch, mut out) = (vec![0; 4096], vec![0; 4096]);
        let mut raw = |buffer: &mut [u8]| {
            if std::mem::replace(&mut given, true) {
                return Received::Nothing;
            }
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Received::Bytes(bytes.len())
        };
        let taken = secure.receive(&mut raw, &mut scratch, &mut out, false);
        assert_eq!((taken.received, taken.more), (Received::Bytes(4), true));
        assert_eq!(
            secure.receive(&mut raw, &mut scratch, &mut out, false).received,
            Received::Ended
        );
        assert!(secure.close() && !secure.close());
        let last = output(&mut secure);
        hear(&mut client, &last).expect("an alert");
        assert_eq!(client.reader().read(&mut out).expect("the end"), 0);
    }
}

#[test]
fn an_end_without_close_notify_is_an_end() {
    let acceptor = acceptor(ClientAuth::None, None);
    let config = Arc::new(config(&version::TLS13, None));
    let (mut secure, _) = connect(&acceptor, &config, b"").expect("connected");
    let (mut scratch, mut out) = (vec![0; 4096], vec![0; 4096]);
    let taken = secure.receive(|_| Received::Ended, &mut scratch, &mut out, false);
    assert_eq!(taken.received, Received::Ended);
}

/// Somebody who announced the end may still read answers, unless the connection is lost.
#[test]
fn a_loss_behind_close_notify_is_noticed() {
    let acceptor = acceptor(ClientAuth::None, None);
    for version in VERSIONS {
        for (behind, expected) in [
            (Received::Lost, Received::Lost),
            (Received::Ended, Received::Ended),
            (Received::Nothing, Received::Ended),
        ] {
            let config = Arc::new(config(version, None));
            let (mut secure, mut client) = connect(&acceptor, &config, b"").expect("connected");
            client.send_close_notify();
            let mut input = vec![said(&mut client), b"nobody reads this".to_vec()].into_iter();
            let mut raw = |buffer: &mut [u8]| match input.next() {
                Some(bytes) => {
                    buffer[..bytes.len()].copy_from_slice(&bytes);
                    Received::Bytes(bytes.len())
                }
                None => behind,
            };
            let (mut scratch, mut out) = (vec![0; 4096], vec![0; 4096]);
            let taken = secure.receive(&mut raw, &mut scratch, &mut out, true);
            assert_eq!(taken.received, expected);
        }
    }
}

#[test]
fn nonsense_and_too_much_of_it_fail() {
    let acceptor = acceptor(ClientAuth::None, None);
    let mut secure = Secure::accept(&acceptor).expect("a session");
    assert_eq!(secure.shake_hands(b"\x16\x03\x01\x00\x05hello"), Progress::Failed);
    let alert = output(&mut secure);
    assert!(alert.first().is_none_or(|first| *first == 21), "an alert, or nothing");
    assert!(!secure.close(), "and nothing else");
    // A ClientHello that announces 60,000 bytes, in records of 4,000.
    let mut secure = Secure::accept(&acceptor).expect("a session");
    let mut record = b"\x16\x03\x01\x0f\xa0\x01\x00\xea\x60".to_vec();
    record.resize(5 + 4_000, 0);
    let mut fed = 0;
    let mut first = true;
    loop {
        let mut bytes = record.clone();
        if !std::mem::take(&mut first) {
            bytes[5..9].fill(0);
        }
        fed += bytes.len();
        match secure.shake_hands(&bytes) {
            Progress::Failed => break,
            progress => assert_eq!(progress, Progress::Partial { worked: false }),
        }
    }
    assert!(fed <= HANDSHAKE_BYTES_MAX + 5_000, "{fed}");
}

#[test]
fn one_application_protocol_may_be_negotiated() {
    let acceptor = acceptor(ClientAuth::None, None);
    for (offer, accepted) in [
        (vec![], true),
        (vec![b"http/1.1".to_vec()], true),
        (vec![b"h2".to_vec(), b"http/1.1".to_vec()], true),
        (vec![b"h2".to_vec()], false),
    ] {
        let mut config = config(&version::TLS13, None);
        config.alpn_protocols = offer.clone();
        assert_eq!(
            connect(&acceptor, &Arc::new(config), b"").is_ok(),
            accepted,
            "{offer:?}"
        );
    }
}

#[test]
fn clients_show_what_is_asked_for() {
    let (trusted, stranger) = (authority(), authority());
    let roots = || vec![trusted.der().clone()];
    let shown = |authority: &Authority| {
        let (certificate, key) = leaf(authority);
        Some((vec![certificate], key))
    };
    for version in VERSIONS {
        for (client_auth, shown, accepted) in [
            (ClientAuth::None, None, true),
            (ClientAuth::Optional(roots()), None, true),
            (ClientAuth::Optional(roots()), shown(&trusted), true),
            (ClientAuth::Optional(roots()), shown(&stranger), false),
            (ClientAuth::Require(roots()), None, false),
            (ClientAuth::Require(roots()), shown(&trusted), true),
            (ClientAuth::Require(roots()), shown(&stranger), false),
        ] {
            let acceptor = acceptor(client_auth.clone(), None);
            let has_one = shown.is_some() && !matches!(client_auth, ClientAuth::None);
            let connected = connect(&acceptor, &Arc::new(config(version, shown)), b"");
            assert_eq!(connected.is_ok(), accepted, "{client_auth:?}");
            if let Ok((secure, _)) = connected {
                assert_eq!(secure.fingerprint().is_some(), has_one);
            }
        }
    }
}

#[test]
fn a_long_chain_is_refused_before_it_is_looked_at() {
    let root = authority();
    let acceptor = acceptor(ClientAuth::Require(vec![root.der().clone()]), None);
    let (certificate, key) = leaf(&root);
    let other = leaf(&authority()).0;
    for version in VERSIONS {
        for (intermediates, accepted) in [(0, true), (3, true), (4, false), (20, false), (100, false)] {
            let mut chain = vec![certificate.clone()];
            chain.resize(1 + intermediates, other.clone());
            let config = Arc::new(config(version, Some((chain, key.clone_key()))));
            assert_eq!(connect(&acceptor, &config, b"").is_ok(), accepted, "{intermediates}");
        }
    }
}

#[test]
fn a_handshake_is_read_up_to_its_limit_however_it_comes() {
    let acceptor = acceptor(ClientAuth::None, None);
    for (names, accepted) in [(100, true), (1_000, false)] {
        let mut config = config(&version::TLS13, None);
        // A ClientHello that is well-formed and long.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.alpn_protocols.resize(names, vec![b'x'; 30]);
        let config = Arc::new(config);
        let mut client = client(&config);
        let hello = said(&mut client);
        assert_eq!(hello.len() < HANDSHAKE_BYTES_MAX, accepted);
        for piece in [hello.len(), 8 * 1024, 100] {
            let mut secure = Secure::accept(&acceptor).expect("a session");
            let pieces = hello.chunks(piece).map(|piece| secure.shake_hands(piece));
            let last = pieces.last().expect("a piece");
            let expected = if accepted {
                Progress::Partial { worked: true }
            } else {
                Progress::Failed
            };
            assert_eq!(last, expected, "{names} in pieces of {piece}");
        }
    }
}

/// How a second connection of a client went, if it went.
fn again(first: &Acceptor, second: &Acceptor, config: ClientConfig) -> Option<bool> {
    let config = Arc::new(config);
    let (mut secure, mut client) = connect(first, &config, b"").expect("connected");
    // The ticket comes behind the handshake.
    let rest = output(&mut secure);
    hear(&mut client, &rest).expect("a ticket");
    connect(second, &config, b"")
        .ok()
        .map(|(secure, _)| secure.is_resumed())
}

#[test]
fn sessions_are_resumed_where_nobody_shows_certificates() {
    let root = authority();
    let require = || ClientAuth::Require(vec![root.der().clone()]);
    let shown = || {
        let (certificate, key) = leaf(&root);
        Some((vec![certificate], key))
    };
    for version in VERSIONS {
        let first = acceptor(ClientAuth::None, None);
        let renewed = acceptor(ClientAuth::None, Some(&first));
        assert_eq!(
            again(&first, &renewed, config(version, None)),
            Some(true),
            "a new certificate"
        );
        let strict = acceptor(require(), Some(&first));
        assert_eq!(
            again(&first, &strict, config(version, None)),
            None,
            "a ticket is no certificate"
        );
        assert_eq!(
            again(&strict, &strict, config(version, shown())),
            Some(false),
            "there are no tickets"
        );
        // The authority was replaced: whom it signed is a stranger now, whatever was accepted before.
        let replaced = acceptor(ClientAuth::Require(vec![authority().der().clone()]), Some(&strict));
        assert_eq!(again(&strict, &replaced, config(version, shown())), None);
        let open = acceptor(ClientAuth::None, Some(&strict));
        let strict_again = acceptor(require(), Some(&open));
        assert_eq!(again(&open, &strict_again, config(version, None)), None);
    }
}
