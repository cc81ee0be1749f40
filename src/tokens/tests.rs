//! What tokens are refused, whoever signed them with whatever; and when keys are read again.

use super::judge::{Judge, Question, WAITING_MAX};
use super::keys::Keys;
use super::rules::{Judged, Rules};
use super::source::Source;
use super::{Prepared, Verifier, signatures};
use crate::Config;
use crate::config::RelayAuth;
use issuer::{Issuer, answer};
use jwt::{Key, claims, forge, in_seconds};
use serde_json::{Value, json};
use signal_fish_core::admission::{Refusal, Token};
use signal_fish_core::{ShardIndex, Slot};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../../tests/harness/issuer.rs"]
#[allow(unreachable_pub, reason = "the tests of the process share it")]
mod issuer;
#[path = "../../tests/harness/jwt.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests of the process use the rest")]
mod jwt;

const SECRET: &str = "a secret of at least thirty-two bytes";
const BAD: Judged = Judged::Decided(Err(Refusal::Token));
const NOT_HERE: Judged = Judged::Decided(Err(Refusal::RoomClaim));
const GOOD: Judged = Judged::Decided(Ok(()));
/// Far above what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn auth(change: impl Fn(&mut RelayAuth)) -> RelayAuth {
    let mut auth = Config::default().relay.auth;
    change(&mut auth);
    auth
}

fn rules() -> Rules {
    signatures::install();
    Rules::new(&auth(|_| {}))
}

fn set(keys: &[Value]) -> Keys {
    Keys::set(jwt::set(keys).to_string().as_bytes()).expect("keys").0
}

fn for_room() -> Value {
    claims(json!("room"))
}

#[test]
fn every_algorithm_verifies_and_a_changed_token_does_not() {
    let rules = rules();
    let (rsa, p256, p384, ed) = (Key::rsa(0), Key::p256(), Key::p384(), Key::ed25519());
    let secret = Key::secret(SECRET);
    let public = || {
        set(&[
            rsa.jwk(Some("rsa"), None),
            p256.jwk(Some("p256"), Some("ES256")),
            p384.jwk(Some("p384"), None),
            ed.jwk(Some("ed"), Some("EdDSA")),
        ])
    };
    let mut cases: Vec<(Keys, &Key, &str, Option<&str>)> = Vec::new();
    for algorithm in ["HS256", "HS384", "HS512"] {
        cases.push((Keys::secret(SECRET), &secret, algorithm, None));
    }
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        cases.push((public(), &rsa, algorithm, Some("rsa")));
    }
    cases.push((public(), &p256, "ES256", Some("p256")));
    cases.push((public(), &p384, "ES384", Some("p384")));
    cases.push((public(), &ed, "EdDSA", Some("ed")));
    for (keys, key, algorithm, kid) in cases {
        let token = key.token(algorithm, kid, &for_room());
        assert_eq!(rules.judge(&keys, &token, "room"), GOOD, "{algorithm}");
        assert_eq!(rules.judge(&keys, &token, "other"), NOT_HERE, "{algorithm}");
        for at in [0, token.find('.').expect("a dot") + 5, token.len() - 5] {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_ne!(rules.judge(&keys, &changed, "room"), GOOD, "{algorithm} at {at}");
        }
    }
}

#[test]
fn no_token_chooses_how_it_is_verified() {
    let rules = rules();
    let rsa = Key::rsa(0);
    let keys = || set(&[rsa.jwk(Some("rsa"), None)]);
    // No signature at all, however it is spelled.
    for none in ["none", "None", "NONE", ""] {
        for header in [json!({"alg": none}), json!({"alg": none, "kid": "rsa"})] {
            let token = forge(&header, &for_room(), |_| Vec::new());
            assert_eq!(rules.judge(&keys(), &token, "room"), BAD, "{header}");
            assert_eq!(rules.judge(&Keys::secret(SECRET), &token, "room"), BAD, "{header}");
        }
    }
    // The public key as a secret, in every form in which a server might hold it.
    let n = keys_n(&rsa);
    let pem = {
        let der = data_encoding::BASE64.encode(&rsa.public_der());
        format!("-----BEGIN RSA PUBLIC KEY-----\n{der}\n-----END RSA PUBLIC KEY-----\n")
    };
    for secret in [rsa.public_der(), n.into_bytes(), pem.into_bytes()] {
        for kid in [None, Some("rsa")] {
            let token = Key::Secret(secret.clone()).token("HS256", kid, &for_room());
            assert_eq!(rules.judge(&keys(), &token, "room"), BAD);
        }
    }
    // A key of the token's own.
    let mine = Key::rsa(1);
    let header = json!({"alg": "RS256", "kid": "rsa", "jwk": mine.jwk(Some("rsa"), None), "jku": "http://127.0.0.1/"});
    let token = forge(&header, &for_room(), |message| mine.sign("RS256", message));
    assert_eq!(rules.judge(&keys(), &token, "room"), BAD);
    // An RSA signature where a secret is set, and an algorithm that the key is not for.
    let token = rsa.token("RS256", None, &for_room());
    assert_eq!(rules.judge(&Keys::secret(SECRET), &token, "room"), BAD);
    let for_ps = set(&[rsa.jwk(Some("rsa"), Some("PS256"))]);
    assert_eq!(
        rules.judge(&for_ps, &rsa.token("RS256", Some("rsa"), &for_room()), "room"),
        BAD
    );
    assert_eq!(
        rules.judge(&for_ps, &rsa.token("PS256", Some("rsa"), &for_room()), "room"),
        GOOD
    );
    // What is critical and not understood.
    let header = json!({"alg": "HS256", "crit": ["exp"]});
    let token = forge(&header, &for_room(), |message| {
        Key::secret(SECRET).sign("HS256", message)
    });
    assert_eq!(rules.judge(&Keys::secret(SECRET), &token, "room"), BAD);
}

fn keys_n(key: &Key) -> String {
    key.jwk(None, None)["n"].as_str().expect("a modulus").to_owned()
}

#[test]
fn garbage_is_no_token() {
    let rules = rules();
    let deep = format!(
        "{}.{}.",
        data_encoding::BASE64URL_NOPAD.encode("[".repeat(5000).as_bytes()),
        "e30"
    );
    for token in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b",
        "ä.ö.ü",
        "e30.e30.e30",
        "\0",
        &deep,
        &"A".repeat(8000),
    ] {
        assert_eq!(rules.judge(&Keys::secret(SECRET), token, "room"), BAD, "{token}");
    }
    let key = Key::secret(SECRET);
    for claims in [
        json!([]),
        json!(7),
        json!("x"),
        json!({}),
        json!({"exp": "soon"}),
        json!({"exp": -1}),
        Value::Null,
    ] {
        let token = key.token("HS256", None, &claims);
        assert_eq!(rules.judge(&Keys::secret(SECRET), &token, "room"), BAD, "{claims}");
    }
}

#[test]
fn times_are_judged_with_half_a_minute() {
    let rules = rules();
    let key = Key::secret(SECRET);
    let judged = |claims: Value| rules.judge(&Keys::secret(SECRET), &key.token("HS256", None, &claims), "room");
    assert_eq!(judged(json!({"rooms": "room"})), BAD, "exp is required");
    assert_eq!(judged(json!({"rooms": "room", "exp": in_seconds(-20)})), GOOD);
    assert_eq!(judged(json!({"rooms": "room", "exp": in_seconds(-40)})), BAD);
    assert_eq!(judged(json!({"rooms": "room", "exp": 1e300})), BAD);
    let exp = in_seconds(3600);
    assert_eq!(
        judged(json!({"rooms": "room", "exp": exp, "nbf": in_seconds(20)})),
        GOOD
    );
    assert_eq!(judged(json!({"rooms": "room", "exp": exp, "nbf": in_seconds(60)})), BAD);
    assert_eq!(judged(json!({"rooms": "room", "exp": exp, "nbf": "later"})), BAD);
}

#[test]
fn issuer_and_audience_are_checked_when_they_are_set() {
    signatures::install();
    let rules = Rules::new(&auth(|auth| {
        auth.issuer = Some("issuer".to_owned());
        auth.audience = Some("games".to_owned());
    }));
    let key = Key::secret(SECRET);
    let judged = |rules: &Rules, more: Value| {
        let mut claims = for_room();
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        rules.judge(&Keys::secret(SECRET), &key.token("HS256", None, &claims), "room")
    };
    assert_eq!(judged(&rules, json!({"iss": "issuer", "aud": "games"})), GOOD);
    assert_eq!(
        judged(&rules, json!({"iss": "issuer", "aud": ["other", "games"]})),
        GOOD
    );
    for wrong in [
        json!({"aud": "games"}),
        json!({"iss": "issuer"}),
        json!({"iss": "other", "aud": "games"}),
        json!({"iss": "issuer", "aud": "other"}),
        json!({"iss": "issuer", "aud": []}),
        json!({"iss": 7, "aud": "games"}),
    ] {
        assert_eq!(judged(&rules, wrong.clone()), BAD, "{wrong}");
    }
    let open = Rules::new(&auth(|_| {}));
    assert_eq!(judged(&open, json!({"iss": "any", "aud": "any"})), GOOD);
}

#[test]
fn the_claim_names_the_rooms() {
    signatures::install();
    let key = Key::secret(SECRET);
    let judged = |rooms: Value, room: &str| {
        let token = key.token("HS256", None, &claims(rooms));
        rules().judge(&Keys::secret(SECRET), &token, room)
    };
    for (rooms, room) in [
        (json!("a"), "a"),
        (json!(["b", "a"]), "a"),
        (json!("*"), "a"),
        (json!("game-*"), "game-"),
        (json!(["x", "game-*"]), "game-1"),
    ] {
        assert_eq!(judged(rooms.clone(), room), GOOD, "{rooms} {room}");
    }
    for (rooms, room) in [
        (json!("A"), "a"),
        (json!([]), "a"),
        (json!("game-*"), "game"),
        (json!("*-game"), "x-game"),
        (json!(["a", 7]), "a"),
        (json!([["a"]]), "a"),
        (json!(7), "7"),
        (json!(null), "a"),
        (json!({"a": true}), "a"),
        (json!(""), "a"),
    ] {
        assert_eq!(judged(rooms.clone(), room), NOT_HERE, "{rooms} {room}");
    }
    let rules = Rules::new(&auth(|auth| {
        auth.rooms_claim = "https://games.example/rooms".to_owned()
    }));
    let mut claims = claims(json!("other"));
    claims["https://games.example/rooms"] = json!(["room"]);
    let token = key.token("HS256", None, &claims);
    assert_eq!(rules.judge(&Keys::secret(SECRET), &token, "room"), GOOD);
}

#[test]
fn a_key_is_found_without_doubt_or_not_at_all() {
    let rules = rules();
    let (one, two, ec) = (Key::rsa(0), Key::rsa(1), Key::p256());
    let both = set(&[
        one.jwk(Some("one"), None),
        two.jwk(Some("two"), None),
        ec.jwk(None, None),
    ]);
    assert_eq!(
        rules.judge(&both, &two.token("RS256", Some("two"), &for_room()), "room"),
        GOOD
    );
    assert_eq!(
        rules.judge(&both, &two.token("RS256", Some("one"), &for_room()), "room"),
        BAD
    );
    assert_eq!(
        rules.judge(&both, &two.token("RS256", None, &for_room()), "room"),
        BAD,
        "two would do"
    );
    assert_eq!(
        rules.judge(&both, &ec.token("ES256", None, &for_room()), "room"),
        GOOD,
        "one does"
    );
    assert_eq!(
        rules.judge(&both, &two.token("RS256", Some("three"), &for_room()), "room"),
        Judged::UnknownKey
    );
    let twice = set(&[one.jwk(Some("one"), None), two.jwk(Some("one"), None)]);
    assert_eq!(
        rules.judge(&twice, &one.token("RS256", Some("one"), &for_room()), "room"),
        BAD
    );
}

#[test]
fn sets_are_read_with_care() {
    let good = Key::ed25519().jwk(Some("good"), None);
    let weak =
        json!({"kty": "RSA", "kid": "weak", "n": data_encoding::BASE64URL_NOPAD.encode(&[0xff; 128]), "e": "AQAB"});
    let mut for_encryption = Key::p256().jwk(Some("enc"), None);
    for_encryption["use"] = json!("enc");
    let mut other_operations = Key::p256().jwk(Some("ops"), None);
    other_operations["key_ops"] = json!(["encrypt"]);
    let useless = [
        weak,
        for_encryption,
        other_operations,
        Key::secret(SECRET).jwk(Some("secret"), None),
        Key::rsa(0).jwk(Some("oaep"), Some("RSA-OAEP")),
        Key::rsa(0).jwk(Some("hs"), Some("HS256")),
        json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
        json!({"kty": "new"}),
        json!(7),
    ];
    for key in &useless {
        let text = jwt::set(std::slice::from_ref(key)).to_string();
        assert!(Keys::set(text.as_bytes()).is_err(), "{key}");
    }
    let all: Vec<Value> = useless.iter().cloned().chain([good.clone()]).collect();
    let (keys, passed_over) = Keys::set(jwt::set(&all).to_string().as_bytes()).expect("one is good");
    assert_eq!((keys.len(), passed_over), (1, useless.len()));
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"keys":7}"#,
        r#"{"keys":[]}"#,
        "<html>",
        &"[".repeat(100_000),
    ] {
        assert!(Keys::set(text.as_bytes()).is_err(), "{text}");
    }
    let many = vec![good; 257];
    assert!(Keys::set(jwt::set(&many).to_string().as_bytes()).is_err());
}

/// A judge with one key, asked in virtual time.
struct Court {
    key: Key,
    judge: Judge<usize>,
}

const INTERVAL: Duration = Duration::from_secs(600);

impl Court {
    fn new() -> Self {
        let key = Key::ed25519();
        let judge = Judge::new(
            rules(),
            set(&[key.jwk(Some("known"), None)]),
            Some(INTERVAL),
            Duration::ZERO,
        );
        Self { key, judge }
    }

    fn keys(&self, kid: &str) -> Keys {
        set(&[self.key.jwk(Some("known"), None), self.key.jwk(Some(kid), None)])
    }

    fn ask(&mut self, secs: u64, asker: usize, kid: &str) -> Option<(usize, Result<(), Refusal>)> {
        let token = Token::new(&self.key.token("EdDSA", Some(kid), &for_room()));
        let room = "room".into();
        self.judge
            .ask(Duration::from_secs(secs), Question { asker, token, room })
    }

    fn wants_keys(&mut self, secs: u64) -> bool {
        self.judge.wants_keys(Duration::from_secs(secs))
    }
}

#[test]
fn an_unknown_name_has_the_keys_read_once_in_half_a_minute() {
    let mut court = Court::new();
    assert!(!court.wants_keys(1));
    for asker in 0..100 {
        assert_eq!(court.ask(1, asker, "new"), None, "it waits");
    }
    assert!(court.wants_keys(1) && !court.wants_keys(1), "once");
    // Who is known does not wait for them.
    assert_eq!(court.ask(2, 500, "known"), Some((500, Ok(()))));
    let keys = court.keys("new");
    let answers = court.judge.read(Duration::from_secs(3), Some(keys));
    assert_eq!(answers, (0..100).map(|asker| (asker, Ok(()))).collect::<Vec<_>>());
    // A flood of other names gets nothing for half a minute.
    for asker in 0..1000 {
        let answer = court.ask(4 + asker as u64 % 27, asker, "invented");
        assert_eq!(answer, Some((asker, Err(Refusal::Token))));
        assert!(!court.wants_keys(4 + asker as u64 % 27));
    }
    assert_eq!(court.ask(31, 7, "invented"), None);
    assert!(court.wants_keys(31));
    // They cannot be read: the last ones stay.
    let answers = court.judge.read(Duration::from_secs(36), None);
    assert_eq!(answers, [(7, Err(Refusal::Token))]);
    assert_eq!(court.ask(36, 8, "new"), Some((8, Ok(()))));
}

#[test]
fn keys_are_read_at_their_interval_which_counts_for_itself() {
    let mut court = Court::new();
    assert_eq!(court.judge.next_due(), Some(INTERVAL));
    assert!(!court.wants_keys(599) && court.wants_keys(600));
    // Asked while they are read, and not among them: they are read once more, because they may be older than the key.
    assert_eq!(court.ask(600, 1, "new"), None);
    let same = court.keys("known-too");
    assert_eq!(court.judge.read(Duration::from_secs(601), Some(same)), []);
    assert!(court.wants_keys(601));
    let keys = court.keys("new");
    assert_eq!(court.judge.read(Duration::from_secs(602), Some(keys)), [(1, Ok(()))]);
    assert!(!court.wants_keys(1201) && court.wants_keys(1202));
    // A failure is tried again sooner.
    assert_eq!(court.judge.read(Duration::from_secs(1203), None), []);
    assert!(!court.wants_keys(1232) && court.wants_keys(1233));
    assert_eq!(court.ask(1234, 2, "new"), Some((2, Ok(()))));
}

#[test]
fn keys_that_never_come_hold_up_nobody_for_long() {
    let mut court = Court::new();
    for asker in 0..WAITING_MAX {
        assert_eq!(court.ask(1, asker, "new"), None);
    }
    assert!(court.wants_keys(1));
    assert_eq!(
        court.ask(2, 5000, "new"),
        Some((5000, Err(Refusal::ConnectionRate))),
        "too many wait"
    );
    assert_eq!(court.judge.next_due(), Some(Duration::from_secs(7)));
    assert_eq!(court.judge.give_up(Duration::from_secs(6)), []);
    assert_eq!(court.judge.give_up(Duration::from_secs(7)).len(), WAITING_MAX);
    assert_eq!(court.ask(100, 5001, "known"), Some((5001, Ok(()))));
    assert_eq!(court.judge.next_due(), None, "they are still being read");
}

#[test]
fn a_secret_knows_no_names_and_is_never_read_again() {
    let mut judge = Judge::new(rules(), Keys::secret(SECRET), None, Duration::ZERO);
    let token = Token::new(&Key::secret(SECRET).token("HS256", Some("any"), &for_room()));
    let room = "room".into();
    let question = Question { asker: (), token, room };
    assert_eq!(judge.ask(Duration::ZERO, question), Some(((), Ok(()))));
    assert_eq!(judge.next_due(), None);
    assert!(!judge.wants_keys(Duration::from_secs(1_000_000)));
}

fn by_url(address: SocketAddr) -> RelayAuth {
    auth(|auth| auth.jwks_url = Some(format!("http://{address}/keys?key=of-the-issuer")))
}

#[test]
fn what_is_wrong_with_a_url_is_said_without_its_query() {
    let good = jwt::set(&[Key::ed25519().jwk(None, None)]).to_string();
    type Behaviour = Box<dyn Fn(&mut TcpStream) + Send + Sync>;
    let behaviours: [(&str, Behaviour); 7] = [
        ("not JSON", Box::new(|stream| answer(stream, "200 OK", b"<html>"))),
        (
            "larger",
            Box::new(|stream| answer(stream, "200 OK", &vec![b' '; 10 * 1024 * 1024])),
        ),
        ("404", Box::new(|stream| answer(stream, "404 Not Found", b""))),
        (
            "no proper HTTP",
            Box::new(|stream| drop(stream.write_all(b"SSH-2.0-x\r\n\r\n"))),
        ),
        ("no list", Box::new(|stream| answer(stream, "200 OK", b"{}"))),
        (
            "within 5 s",
            Box::new(|stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
                // A byte now and then keeps every time-out of a single read from coming.
                while stream.write_all(b" ").is_ok() {
                    thread::sleep(Duration::from_millis(200));
                }
            }),
        ),
        (
            "302",
            Box::new(move |stream| {
                let text = format!(
                    "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: {}\r\n\r\n{good}",
                    good.len()
                );
                let _ = stream.write_all(text.as_bytes());
            }),
        ),
    ];
    for (expected, behave) in behaviours {
        let issuer = Issuer::start(move |_, stream| behave(stream));
        let problem = Prepared::new(&by_url(issuer.address)).err().expect(expected);
        assert!(problem.contains(expected), "{expected}: {problem}");
        let says_where = problem.contains(&issuer.address.to_string());
        assert!(says_where && !problem.contains("of-the-issuer"), "{problem}");
        assert_eq!(issuer.asked(), 1, "{expected}: redirects are not followed");
    }
}

#[test]
fn a_file_is_read_up_to_a_limit() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("keys.json");
    let source = || {
        let auth = auth(|auth| auth.jwks_file = Some(path.display().to_string()));
        Source::new(&auth).expect("a source").expect("a file")
    };
    assert!(source().read().is_err(), "it is not there");
    std::fs::write(&path, jwt::set(&[Key::p384().jwk(None, None)]).to_string()).expect("written");
    assert_eq!(source().read().expect("keys").0.len(), 1);
    std::fs::write(&path, vec![b' '; 2 * 1024 * 1024]).expect("written");
    assert!(source().read().expect_err("too large").contains("larger"));
}

#[test]
fn a_stuck_issuer_holds_up_no_token_whose_key_is_known() {
    let key = Key::ed25519();
    let keys = jwt::set(&[key.jwk(Some("known"), None)]).to_string();
    let issuer = Issuer::start(move |number, stream| match number {
        0 => answer(stream, "200 OK", keys.as_bytes()),
        // It takes the request and says nothing, for longer than this test waits.
        _ => thread::sleep(Duration::from_secs(3600)),
    });
    let prepared = Prepared::new(&by_url(issuer.address)).expect("keys");
    let (sender, told) = crossbeam_channel::unbounded();
    let tell = move |asker: (ShardIndex, Slot), answer| sender.send((asker.0, answer)).expect("somebody listens");
    let verifier = Verifier::start(prepared, tell).expect("threads");
    let ask = |asker: u16, kid: &str| {
        let token = Token::new(&key.token("EdDSA", Some(kid), &for_room()));
        verifier
            .ask(
                (
                    ShardIndex(asker),
                    Slot {
                        index: 0,
                        generation: 0,
                    },
                ),
                token,
                "room".into(),
            )
            .expect("there is room");
    };
    ask(1, "invented");
    let deadline = Instant::now() + PATIENCE;
    while issuer.asked() < 2 {
        assert!(Instant::now() < deadline, "the keys are not read");
        thread::sleep(Duration::from_millis(5));
    }
    for asker in 2..50 {
        ask(asker, "known");
        assert_eq!(
            told.recv_timeout(PATIENCE),
            Ok((ShardIndex(asker), Ok(()))),
            "before the stuck one"
        );
    }
    assert_eq!(told.recv_timeout(PATIENCE), Ok((ShardIndex(1), Err(Refusal::Token))));
    verifier.stop();
}
