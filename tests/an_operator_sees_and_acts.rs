//! Administration at `/admin` (protocol 1): what it shows, what it does, and what it refuses.

mod harness;

use harness::raw::Answer;
use harness::server::Server;
use harness::{Client, Raw, wait_until};
use serde_json::{Value, json};
use std::net::IpAddr;

const TOKEN: &str = "0123456789abcdef-operator";

fn start(more: Value) -> Server {
    let mut config = json!({"security": {"admin_token": TOKEN}, "shards": {"count": 2, "pin": false}});
    harness::server::merge(&mut config, more);
    Server::start(config)
}

fn ask(server: &Server, line: &str) -> Answer {
    server.ask(line, &format!("Authorization: Bearer {TOKEN}\r\n"))
}

#[track_caller]
fn shown(server: &Server, line: &str) -> Value {
    let answer = ask(server, line);
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json")),
        "{line}: {}",
        answer.body
    );
    assert_eq!(answer.header("access-control-allow-origin"), None);
    serde_json::from_str(&answer.body).expect("JSON")
}

#[track_caller]
fn refused(server: &Server, line: &str, status: u16) {
    let answer = ask(server, line);
    assert_eq!(answer.status, status, "{line}: {}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert!(body["error"].is_string(), "{line}: {body}");
}

fn room_of_two(server: &Server) -> [Client; 2] {
    let (mut a, mut b) = (server.client(), server.client());
    a.create("chess", "Ann", 3);
    b.enter("chess", &a.code, "Ben");
    a.expect("PlayerJoined");
    [a, b]
}

#[test]
fn without_a_token_there_is_no_administration() {
    let server = Server::start(json!({}));
    for line in [
        "GET /admin/status",
        "GET /admin/rooms",
        "DELETE /admin/rooms/1",
        "OPTIONS /admin/rooms",
    ] {
        let status = server.ask(line, "Authorization: Bearer null\r\n").status;
        assert!(status == 404 || line.starts_with("OPTIONS"), "{line}: {status}");
    }
}

#[test]
fn a_wrong_token_opens_nothing_and_guessing_is_slowed_down() {
    let server = start(json!({"security": {"trusted_proxies": ["127.0.0.1"]}}));
    let from = |client: &str, token: &str| {
        let headers = format!("Authorization: Bearer {token}\r\nX-Forwarded-For: {client}\r\n");
        server.ask("GET /admin/status", &headers).status
    };
    assert_eq!(server.ask("GET /admin/status", "").status, 401);
    for guess in 0..10 {
        assert_eq!(from("192.0.2.1", &format!("{TOKEN}{guess}")), 401);
    }
    assert_eq!(from("192.0.2.1", "another"), 429);
    assert_eq!(from("192.0.2.1", TOKEN), 429, "it has to wait, whatever it shows");
    assert_eq!(from("192.0.2.2", TOKEN), 200, "others need not");
    assert_eq!(server.metrics()["desk_denied"]["admin"], 13);
    assert!(!server.log().contains(TOKEN));
}

#[test]
fn what_is_no_order_is_refused_clearly() {
    let server = start(json!({}));
    for line in [
        "POST /admin/rooms",
        "PUT /admin/status",
        "GET /admin/bans/192.0.2.1",
        "OPTIONS /admin/rooms",
    ] {
        let answer = ask(&server, line);
        assert_eq!(answer.status, 405, "{line}");
        assert!(answer.header("allow").is_some(), "{line}");
    }
    for (line, status) in [
        ("GET /admin/nothing", 404),
        ("GET /admin/rooms?limit=100000", 400),
        ("GET /admin/rooms?limit=%FF", 400),
        ("GET /admin/rooms/7", 400),
        ("PUT /admin/bans/10.0.0.0?seconds=-1", 400),
        ("GET /admin/status?token=x", 400),
        ("DELETE /admin/bans/192.0.2.1", 404),
        ("DELETE /admin/rooms/6f1f4b0e-5a55-4c43-9c59-000000000001", 404),
        ("GET /admin/rooms/6f1f4b0e-5a55-4c43-9c59-000000000001", 404),
    ] {
        refused(&server, line, status);
    }
    let mut raw = server.raw();
    raw.send(
        format!("PUT /admin/bans/192.0.2.1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}")
            .as_bytes(),
    );
    let answer = raw.read_answer();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "Requests for this path have no body.")
    );
    // HEAD is GET without the body.
    let mut raw = server.raw();
    raw.ask("HEAD /admin/rooms", &format!("Authorization: Bearer {TOKEN}\r\n"));
    assert_eq!(raw.read_answer().status, 200);
}

#[test]
fn rooms_are_listed_in_pages_and_by_what_they_are() {
    let server = start(json!({}));
    let mut clients: Vec<Client> = Vec::new();
    for number in 0..12 {
        let mut client = server.client();
        let game = if number % 3 == 0 { "go" } else { "chess" };
        client.create(game, "Ann", 4);
        clients.push(client);
    }
    let all = shown(&server, "GET /admin/rooms");
    assert_eq!(
        (all["rooms"].as_array().map(Vec::len), &all["next"]),
        (Some(12), &Value::Null)
    );
    let mut found = Vec::new();
    let mut line = "GET /admin/rooms?limit=5".to_owned();
    loop {
        let page = shown(&server, &line);
        let rooms = page["rooms"].as_array().expect("rooms");
        assert!(rooms.len() <= 5);
        found.extend(
            rooms
                .iter()
                .map(|room| room["room_id"].as_str().expect("an id").to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        line = format!("GET /admin/rooms?limit=5&after={next}");
    }
    found.sort();
    let mut expected: Vec<_> = clients.iter().map(|client| client.room.clone()).collect();
    expected.sort();
    assert_eq!(found, expected);
    let count = |query: &str| {
        let page = shown(&server, &format!("GET /admin/rooms?{query}"));
        page["rooms"].as_array().expect("rooms").len()
    };
    assert_eq!((count("game=go"), count("game=none"), count("app=none")), (4, 0, 0));
    assert_eq!(count(&format!("code={}", clients[4].code.to_lowercase())), 1);
    assert_eq!(count("after=9.0"), 0);
}

#[test]
fn a_room_is_shown_with_its_members() {
    let server = start(json!({"security": {
        "require_websocket_auth": true,
        "authorized_apps": [{"app_id": "other"}, {"app_id": "mine"}],
    }}));
    let (mut a, mut s) = (server.client(), server.client());
    for client in [&mut a, &mut s] {
        client.authenticate(json!({"app_id": "mine"}));
    }
    a.join(json!({"game_name": "chess", "player_name": "Ann", "max_players": 2, "supports_authority": true}));
    s.watch("chess", &a.code, "Sue");
    a.expect("NewSpectatorJoined");
    for number in 0..5 {
        a.send_data(json!(number));
        s.expect_data(&a.id, &json!(number));
    }
    let room = shown(&server, &format!("GET /admin/rooms/{}", a.room));
    assert_eq!(room["game_name"], "chess");
    assert_eq!((&room["app_id"], &room["room_code"]), (&json!("mine"), &json!(a.code)));
    assert_eq!(
        (&room["lobby_state"], &room["players"], &room["max_players"]),
        (&json!("waiting"), &json!(1), &json!(2))
    );
    assert!(
        room["messages"].as_u64() >= Some(5) && room["messages_per_second"].as_f64() > Some(0.0),
        "{room}"
    );
    let members = room["members"].as_array().expect("members");
    assert_eq!(
        (&members[0]["player_id"], &members[0]["role"]),
        (&json!(a.id), &json!("player"))
    );
    assert_eq!(
        (&members[0]["is_authority"], &members[0]["address"]),
        (&json!(true), &json!("127.0.0.1"))
    );
    assert_eq!(
        (&members[1]["player_name"], &members[1]["role"]),
        (&json!("Sue"), &json!("spectator"))
    );
    assert!(!room.to_string().contains(&a.token), "tokens stay with players");
    let of_app = |app: &str| {
        shown(&server, &format!("GET /admin/rooms?app={app}"))["rooms"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!(
        (of_app("mine"), of_app("other"), of_app("unknown")),
        (Some(1), Some(0), Some(0))
    );
}

#[test]
fn a_room_is_closed_under_its_members() {
    let server = start(json!({}));
    let [mut a, mut b] = room_of_two(&server);
    let line = format!("DELETE /admin/rooms/{}", a.room);
    assert_eq!(shown(&server, &line), json!({"done": true}));
    a.expect("RoomLeft");
    b.expect("RoomLeft");
    refused(&server, &line, 404);
    a.create("chess", "Ann", 2);
    wait_until("the act is logged", || server.log().contains("a room is closed"));
}

#[test]
fn a_removed_player_is_told_why_and_does_not_come_back() {
    let server = start(json!({}));
    let [mut a, mut b] = room_of_two(&server);
    let (room, ben, token) = (b.room.clone(), b.id.clone(), b.token.clone());
    let line = format!("DELETE /admin/rooms/{room}/players/{ben}?reason=Be%20kind%3A%20no%20%22cheats%22");
    assert_eq!(shown(&server, &line), json!({"done": true}));
    assert_eq!(b.expect_error("UNAUTHORIZED"), "Be kind: no \"cheats\"");
    b.expect_close(1008);
    a.expect_left(&ben);
    let mut again = server.client();
    again.send_reconnect(&ben, &room, &token);
    again.expect_failure("ReconnectionFailed", "RECONNECTION_FAILED");
    refused(&server, &line, 404);
    // Who dropped can be kept from coming back as well.
    let mut c = server.client();
    c.enter("chess", &a.code, "Cy");
    a.expect("PlayerJoined");
    let (cy, token) = (c.id.clone(), c.token.clone());
    c.hang_up();
    a.expect_left(&cy);
    assert_eq!(
        shown(&server, &format!("GET /admin/rooms/{room}"))["players_who_may_return"],
        1
    );
    assert_eq!(
        shown(&server, &format!("DELETE /admin/rooms/{room}/players/{cy}")),
        json!({"done": true})
    );
    assert_eq!(
        shown(&server, &format!("GET /admin/rooms/{room}"))["players_who_may_return"],
        0
    );
    again.send_reconnect(&cy, &room, &token);
    again.expect_failure("ReconnectionFailed", "RECONNECTION_FAILED");
}

#[test]
fn a_spectator_is_removed_as_a_player_is() {
    let server = start(json!({}));
    let [mut a, _b] = room_of_two(&server);
    let mut s = server.client();
    s.watch("chess", &a.code, "Sue");
    a.expect("NewSpectatorJoined");
    let line = format!("DELETE /admin/rooms/{}/players/{}", a.room, s.id);
    assert_eq!(shown(&server, &line), json!({"done": true}));
    assert_eq!(s.expect_error("UNAUTHORIZED"), "Removed by an operator");
    s.expect_close(1008);
    a.expect("SpectatorDisconnected");
}

/// From its other addresses this machine looks like others.
#[test]
fn a_banned_address_is_disconnected_and_kept_out_until_the_ban_is_over() {
    let server = start(json!({}));
    let banned = IpAddr::from([127, 0, 0, 9]);
    let upgrade = || {
        let mut raw = Raw::connect_from(banned, server.addr);
        raw.send(harness::raw::UPGRADE.as_bytes());
        raw.read_upgrade();
        raw
    };
    let mut theirs = [upgrade(), upgrade(), upgrade()];
    let mut mine = server.client();
    let done = shown(&server, "PUT /admin/bans/127.0.0.9?seconds=600");
    assert_eq!(
        (&done["banned"], &done["is_disconnected"]),
        (&json!("127.0.0.9"), &json!(true))
    );
    for raw in &mut theirs {
        let message = raw.read_message();
        assert_eq!(message["data"]["error_code"], "UNAUTHORIZED", "{message}");
        raw.expect_close(1008);
    }
    let mut newcomer = upgrade();
    assert_eq!(newcomer.read_message()["data"]["message"], "Your address is banned");
    newcomer.expect_close(1008);
    let mut reader = Raw::connect_from(banned, server.addr);
    reader.ask("GET /healthz", "");
    let answer = reader.read_answer();
    assert_eq!((answer.status, answer.body.as_str()), (403, "This address is banned."));
    mine.quiet();
    let bans = shown(&server, "GET /admin/bans");
    assert_eq!(bans["bans"][0]["address"], "127.0.0.9");
    assert!(
        bans["bans"][0]["seconds_left"]
            .as_u64()
            .is_some_and(|left| left > 500 && left < 600),
        "{bans}"
    );
    assert!(server.metrics()["refusals"]["banned"].as_u64() >= Some(1));
    shown(&server, "DELETE /admin/bans/127.0.0.9");
    wait_until("the refusal is forgotten", || {
        let mut raw = upgrade();
        raw.send(&harness::raw::text(r#"{"type":"Ping"}"#));
        raw.read_message()["type"] == "Pong"
    });
    refused(&server, "PUT /admin/bans/127.0.0.1", 409);
    let network = shown(&server, "PUT /admin/bans/2001:db8::7?seconds=1");
    assert_eq!(network["banned"], "2001:db8::", "IPv6 is counted by /64");
}

#[test]
fn the_status_tells_how_the_server_is() {
    let server = start(json!({}));
    let _clients = room_of_two(&server);
    let status = shown(&server, "GET /admin/status");
    assert_eq!((&status["is_well"], &status["active_rooms"]), (&json!(true), &json!(1)));
    assert_eq!(status["shards"].as_array().map(Vec::len), Some(2));
}

/// The command line asks the same, with the token from the environment.
#[test]
fn the_command_line_sees_and_acts() {
    let server = start(json!({}));
    let [mut a, mut b] = room_of_two(&server);
    let port = server.addr.port().to_string();
    let token = [("SIGNAL_FISH_SECURITY__ADMIN_TOKEN", TOKEN)];
    let run = |args: &[&str], env: &[(&str, &str)]| {
        let all = [&["--bind", "127.0.0.1", "--port", &port][..], args].concat();
        harness::run::run(&all, env, &[])
    };
    let rooms = run(&["rooms", "--game", "chess"], &token);
    assert_eq!(rooms.code, Some(0), "{}", rooms.err);
    assert!(
        rooms.out.contains(&a.code) && rooms.out.contains(&a.room),
        "{}",
        rooms.out
    );
    let room = run(&["room", &a.room], &token);
    assert!(room.out.contains("\"Ben\""), "{}", room.out);
    let status: Value = serde_json::from_str(&run(&["status"], &token).out).expect("JSON");
    assert_eq!(status["active_players"], 2);
    let kicked = run(&["kick", &a.room, &b.id, "--reason", "be kind & fair"], &token);
    assert_eq!(kicked.code, Some(0), "{}", kicked.err);
    assert_eq!(b.expect_error("UNAUTHORIZED"), "be kind & fair");
    assert_eq!(run(&["ban", "192.0.2.7", "--seconds", "600"], &token).code, Some(0));
    assert!(run(&["bans"], &token).out.contains("192.0.2.7"));
    assert_eq!(run(&["unban", "192.0.2.7"], &token).code, Some(0));
    assert_eq!(run(&["close", &a.room], &token).code, Some(0));
    a.expect_later("RoomLeft");
    for (args, env, code, said) in [
        (&["rooms"][..], &[][..], 1, "security.admin_token is not set"),
        (
            &["rooms"],
            &[("SIGNAL_FISH_SECURITY__ADMIN_TOKEN", "fedcba9876543210")],
            1,
            "another security.admin_token",
        ),
        (
            &["rooms", "--limit", "0"],
            &token,
            1,
            "`limit` is a number from 1 to 500. (400)",
        ),
        (&["room", "../status"], &token, 1, "The room is no id. (400)"),
        (&["unban", "192.0.2.7"], &token, 1, "This address is not banned. (404)"),
        (&["kick", "one"], &token, 2, "player"),
        (&["dance"], &token, 2, "dance"),
        (&["--check", "rooms"], &token, 2, "exclude each other"),
    ] {
        let run = run(args, env);
        assert_eq!(run.code, Some(code), "{args:?}: {}{}", run.out, run.err);
        assert!(run.err.contains(said), "{args:?}: {}", run.err);
    }
    let nobody = harness::run::run(&["--bind", "127.0.0.1", "--port", "1", "status"], &token, &[]);
    assert!(
        nobody.code == Some(1)
            && ["127.0.0.1:1", "[::1]:1"]
                .iter()
                .any(|address| nobody.err.contains(address)),
        "{}",
        nobody.err
    );
    let faulty = harness::run::run(&["status"], &[("SIGNAL_FISH_SECURITY__ADMIN_TOKEN", "short")], &[]);
    assert!(
        faulty.code == Some(1) && faulty.err.contains("16 to 1024"),
        "{}",
        faulty.err
    );
}
