//! SIGHUP (D45): what can change while the server runs is applied, nobody notices it, and a faulty file changes nothing.

mod harness;

use harness::server::{binary, merge, test_defaults};
use harness::{Client, Server, raw, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A server whose configuration can be written anew.
struct Changing {
    server: Server,
    file: PathBuf,
    config: Value,
}

impl Changing {
    fn start(overrides: Value) -> Self {
        let mut config = test_defaults();
        merge(&mut config, overrides);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("config.json");
        std::fs::write(&file, config.to_string()).expect("the file is written");
        let mut command = binary(&dir);
        command.args(["--port", "0", "--bind", "127.0.0.1"]);
        let server = Server::spawn(command, dir).unwrap_or_else(|output| panic!("{output}"));
        Self { server, file, config }
    }

    /// Writes the configuration with changes, sends SIGHUP, and waits until one more line of the log says so.
    fn change(&mut self, overrides: Value) {
        merge(&mut self.config, overrides);
        std::fs::write(&self.file, self.config.to_string()).expect("the file is written");
        self.reload("the configuration was reloaded");
    }

    fn reload(&self, line: &str) {
        let count = || self.server.times(line);
        let before = count();
        self.server.signal(Signal::HUP);
        wait_until(line, || count() > before);
    }

    fn all_answer(&self, origin: &str, status: u16) -> bool {
        (0..8).all(|_| self.status_from(origin) == status)
    }

    fn status_from(&self, origin: &str) -> u16 {
        Client::connect_with(self.server.addr, "/v2/ws", &[("Origin", origin)])
            .err()
            .unwrap_or(101)
    }

    /// Whether an app may authenticate on every shard. Which shard a connection is on is the kernel's choice.
    fn all_take(&self, app: &str) -> bool {
        (0..8).all(|_| self.takes(app))
    }

    fn none_takes(&self, app: &str) -> bool {
        (0..8).all(|_| !self.takes(app))
    }

    fn takes(&self, app: &str) -> bool {
        let mut client = self.server.client();
        client.send(json!({"type": "Authenticate", "data": {"app_id": app}}));
        let answer = client.next_message();
        match answer["type"].as_str() {
            Some("Authenticated") => true,
            Some("AuthenticationError") => {
                assert_eq!(answer["data"]["error_code"], "INVALID_APP_ID", "{answer}");
                false
            }
            _ => panic!("{answer}"),
        }
    }
}

fn apps(apps: Value) -> Value {
    json!({"security": {"require_websocket_auth": true, "authorized_apps": apps}})
}

fn member(server: &Server, app: &str, name: &str, code: &str) -> Client {
    let mut client = server.client();
    client.authenticate(json!({"app_id": app}));
    client.join(json!({"game_name": "g", "player_name": name, "room_code": code, "max_players": 4}));
    client
}

#[test]
fn apps_come_and_go_and_nobody_notices() {
    let mut changing = Changing::start(apps(json!([{"app_id": "old"}, {"app_id": "kept", "max_rooms": 1}])));
    let mut ann = member(&changing.server, "old", "Ann", "OLDOLD");
    let mut bob = member(&changing.server, "old", "Bob", "OLDOLD");
    ann.drain();
    assert!(!changing.takes("new"));
    changing.change(apps(json!([{"app_id": "new"}, {"app_id": "kept", "max_rooms": 2}])));
    wait_until("the new app is taken", || changing.all_take("new"));
    wait_until("the old app is taken no more", || changing.none_takes("old"));
    // Rooms of the app that went go on.
    bob.send_data(json!({"after": "reload"}));
    let bob_id = bob.id.clone();
    ann.expect_data(&bob_id, &json!({"after": "reload"}));
    ann.expect_silence();
    // The limit of an app changed, and its rooms are still its own.
    let _first = member(&changing.server, "kept", "Cyd", "ROOM01");
    let _second = member(&changing.server, "kept", "Dee", "ROOM02");
    let mut third = changing.server.client();
    third.authenticate(json!({"app_id": "kept"}));
    third.send_join(json!({"game_name": "g", "player_name": "Eve", "room_code": "ROOM03", "max_players": 4}));
    let refusal = third.next_message();
    assert_eq!(refusal["type"], "RoomJoinFailed", "{refusal}");
    changing.change(apps(json!([{"app_id": "old"}])));
    wait_until("the old app is back", || changing.all_take("old"));
    let mut cat = member(&changing.server, "old", "Cat", "OLDOLD");
    let cat_id = cat.id.clone();
    assert_eq!(cat.code, "OLDOLD");
    ann.drain();
    cat.send_data(json!(1));
    ann.expect_data(&cat_id, &json!(1));
}

#[test]
fn origins_change() {
    let mut changing = Changing::start(json!({"security": {"cors_origins": "https://a.example,https://b.example"}}));
    let mut there = Client::connect_with(changing.server.addr, "/v2/ws", &[("Origin", "https://b.example")])
        .expect("a listed origin");
    changing.change(json!({"security": {"cors_origins": "https://a.example,https://c.example"}}));
    wait_until("b is refused", || changing.all_answer("https://b.example", 403));
    wait_until("c is let in", || changing.all_answer("https://c.example", 101));
    assert_eq!(changing.status_from("https://a.example"), 101);
    there.create("g", "Ann", 2);
}

#[test]
fn trusted_proxies_and_their_header_change() {
    let mut changing = Changing::start(json!({"security": {"max_connections_per_ip": 1}}));
    let _there = changing.server.client();
    let mut clients = 0_u8;
    // Whether the server believes a header that names another client each time.
    let mut is_believed = |changing: &Changing, name: &'static str, prefix: &str| {
        clients += 1;
        let value = format!("{prefix}203.0.113.{clients}");
        let mut client =
            Client::connect_with(changing.server.addr, "/v2/ws", &[(name, &value)]).expect("an upgrade in any case");
        client.send_kind("Ping");
        client.next_message()["type"] == "Pong"
    };
    assert!(!is_believed(&changing, "X-Forwarded-For", ""));
    changing.change(json!({"security": {"trusted_proxies": ["127.0.0.0/8"]}}));
    wait_until("the proxy is believed", || {
        (0..4).all(|_| is_believed(&changing, "X-Forwarded-For", ""))
    });
    changing.change(json!({"security": {"client_ip_header": "forwarded"}}));
    wait_until("the other header is believed", || {
        (0..4).all(|_| is_believed(&changing, "Forwarded", "for="))
    });
}

#[test]
fn a_faulty_file_changes_nothing_and_is_named() {
    let changing = Changing::start(json!({"security": {"cors_origins": "https://a.example"}}));
    let mut there = changing.server.client();
    let faulty = "{\n\"security\": {\"cors_origins\": \"*\",\n\"max_conections_per_ip\": 1},\n\"port\": 70000\n}";
    std::fs::write(&changing.file, faulty).expect("the file is written");
    changing.reload("70000");
    let stays = "stays as it is";
    wait_until("both faults are named", || changing.server.times(stays) >= 2);
    let log = changing.server.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(stays)).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines.iter().all(|line| line.contains("ERROR")), "{log}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("config.json:3: security.max_conections_per_ip")),
        "{log}"
    );
    // A file that was there and is gone is no leave to open every door.
    std::fs::remove_file(&changing.file).expect("the file is removed");
    changing.reload("cannot be read");
    assert!(!changing.server.log().contains("was reloaded"));
    assert_eq!(changing.status_from("https://b.example"), 403);
    there.create("g", "Ann", 2);
    changing.server.signal(Signal::TERM);
    there.expect_close(1001);
    assert_eq!(changing.server.wait_for_exit().code(), Some(0));
}

#[test]
fn the_level_changes_and_what_needs_a_restart_is_named() {
    let mut changing = Changing::start(json!({"logging": {"level": "info"}}));
    assert!(!changing.server.log().contains("DEBUG"));
    changing.change(json!({
        "logging": {"level": "error"}, "server": {"ping_timeout": 77}, "security": {"metrics_auth_token": "hunter2-hunter2"}
    }));
    let waiting = "need a restart";
    let log = changing.server.log();
    wait_until("keys are named", || changing.server.log().contains(waiting));
    assert!(log.contains("\"applied\":\"logging.level\""), "{log}");
    let named = changing.server.log();
    let line = named.lines().find(|line| line.contains(waiting)).expect("a line");
    assert!(
        line.contains("server.ping_timeout, security.metrics_auth_token"),
        "{line}"
    );
    assert!(!named.contains("hunter2"), "{named}");
    // Nothing but errors now.
    let before = changing.server.log();
    changing.server.signal(Signal::HUP);
    let broken = json!({"port": "x"});
    std::fs::write(&changing.file, broken.to_string()).expect("the file is written");
    changing.reload("stays as it is");
    let since = changing.server.log()[before.len()..].to_owned();
    assert!(!since.contains("INFO") && !since.contains("WARN"), "{since}");
    // The level is back, and a change that was named before waits still.
    changing.change(json!({"logging": {"level": "debug"}}));
    wait_until("keys are named again", || changing.server.times(waiting) == 2);
}

/// SIGHUP never kills: not while the server starts, not in numbers, not while it drains.
#[test]
fn sighup_never_kills() {
    let changing = Changing::start(json!({"server": {"drain_timeout_secs": 1}}));
    let mut there = changing.server.client();
    for _ in 0..200 {
        changing.server.signal(Signal::HUP);
    }
    there.create("g", "Ann", 2);
    let _deaf = raw::Raw::upgraded(changing.server.addr);
    changing.server.signal(Signal::TERM);
    there.expect_close(1001);
    if changing.server.is_alive() {
        changing.server.signal(Signal::HUP);
    }
    assert_eq!(changing.server.wait_for_exit().code(), Some(0));
}
