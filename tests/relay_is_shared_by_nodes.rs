//! Several nodes share the rooms of the relay through Redis (protocol 16.7): the real binary, and a Redis that does what
//! the test says. `scripts/cluster.sh` does the same with the real one.

mod harness;

use harness::redis::{Fault, Redis};
use harness::{Client, Incoming, PATIENCE, Raw, Server, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const NEXT: &str = r#"{"type":"next"}"#;

/// A node and where its relay is.
struct Node {
    server: Server,
    relay: SocketAddr,
}

impl Node {
    /// One that need not be ready.
    fn launch(url: &str, relay: Value) -> Self {
        let mut config = json!({
            "relay": {
                "enabled": true, "port": 0, "connections_per_10s": 0, "messages_per_10s": 0, "ip_messages_per_10s": 0,
                "room_messages_per_10s": 0, "redis_url": url, "cb_open_ms": 300
            },
            "shards": {"count": 2, "pin": false}
        });
        harness::server::merge(&mut config, json!({ "relay": relay }));
        let server = Server::start(config);
        let relay = server.address_of("relay");
        Self { server, relay }
    }

    /// One that is.
    fn start(redis: &Redis, relay: Value) -> Self {
        let node = Self::launch(&redis.url(), relay);
        node.wait_until_ready();
        node
    }

    fn wait_until_ready(&self) {
        wait_until("the node is ready", || {
            self.asks("/readyz") == (200, "ready".to_owned())
        });
    }

    fn wait_until_not_ready(&self) {
        wait_until("the node is not ready", || {
            self.asks("/readyz") == (503, "not-ready".to_owned())
        });
    }

    #[track_caller]
    fn enter(&self, room: &str) -> Client {
        Client::connect_with(self.relay, &format!("/?roomId={room}"), &[])
            .unwrap_or_else(|status| panic!("{room}: {status}"))
    }

    /// Close code and reason of a connection that does not get in.
    #[track_caller]
    fn refuses(&self, room: &str) -> (u16, String) {
        let mut raw = Raw::connect(self.relay);
        raw.send(format!("GET /?roomId={room} HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n").as_bytes());
        assert_eq!(raw.read_answer().status, 101);
        let frame = raw.read_frame().expect("a close frame");
        assert_eq!(frame.opcode, 8, "{:?}", String::from_utf8_lossy(&frame.payload));
        let code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        (code, String::from_utf8_lossy(&frame.payload[2..]).into_owned())
    }

    fn asks(&self, path: &str) -> (u16, String) {
        let mut raw = Raw::connect(self.relay);
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let answer = raw.read_answer();
        (answer.status, answer.body)
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, body) = self.asks("/metrics");
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing"))
            .parse()
            .expect("a number")
    }
}

fn three(redis: &Redis) -> [Node; 3] {
    std::array::from_fn(|_| Node::start(redis, json!({})))
}

#[track_caller]
fn expect_text(client: &mut Client, text: &str) {
    assert_eq!(client.next(), Incoming::Text(text.to_owned()));
}

/// What `from` says is the next thing that `to` hears.
#[track_caller]
fn reaches(from: &mut Client, to: &mut Client) {
    from.send_text(NEXT);
    expect_text(to, NEXT);
}

/// Everything that a client hears until somebody says `last`, which is left out.
#[track_caller]
fn until(client: &mut Client, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        match client.next() {
            Incoming::Text(text) if text == last => return heard,
            Incoming::Text(text) => heard.push(text),
            other => panic!("{other:?}"),
        }
    }
}

fn is_farewell(text: &str, client: &str) -> bool {
    text == format!(r#"{{"type":"peer-disconnected","clientId":"{client}"}}"#)
}

fn envelope(data: &str) -> String {
    format!(r#"{{"senderId":"client:somebody","data":{data},"originServerId":"srv:1:other"}}"#)
}

#[test]
fn clients_of_three_nodes_meet() {
    let redis = Redis::start();
    let [first, second, third] = three(&redis);
    let (mut a, mut b, mut c) = (first.enter("room"), second.enter("room"), third.enter("room"));
    let mut d = first.enter("room");
    let texts: Vec<_> = (0..50)
        .map(|number| format!("{{ \"type\" : \"n\\u00e4chste ä𝄞\", \"number\": {number}.50e1 }}"))
        .collect();
    for text in &texts {
        a.send_text(text);
    }
    for client in [&mut b, &mut c, &mut d] {
        for text in &texts {
            expect_text(client, text);
        }
    }
    // Nobody hears itself, and nobody hears anything twice.
    b.send_text(NEXT);
    for client in [&mut a, &mut c, &mut d] {
        expect_text(client, NEXT);
    }
    let members = redis.set("room:room");
    assert_eq!(members.len(), 4);
    c.hang_up();
    let gone = {
        wait_until("it is removed", || redis.set("room:room").len() == 3);
        let left = redis.set("room:room");
        members
            .into_iter()
            .find(|member| !left.contains(member))
            .expect("one is gone")
    };
    for client in [&mut a, &mut b, &mut d] {
        let Incoming::Text(text) = client.next() else {
            panic!("a message")
        };
        assert!(is_farewell(&text, &gone), "{text}");
    }
    reaches(&mut a, &mut b);
    drop((a, b, d));
    wait_until("the room is empty", || redis.set("room:room").is_empty());
    wait_until("nobody listens to it", || redis.publish("room:room", b"") == 0);
}

#[test]
fn the_channel_comes_before_the_seat() {
    let redis = Redis::start();
    let node = Node::start(&redis, json!({}));
    redis.fault(Fault::Slow(Duration::from_millis(50)));
    let mut client = node.enter("room");
    let text = r#"{"type":"at once"}"#;
    assert_eq!(redis.publish("room:room", envelope(text).as_bytes()), 1);
    expect_text(&mut client, text);
}

#[test]
fn capacity_is_that_of_all_nodes() {
    let redis = Redis::start();
    let nodes = [0, 1].map(|_| Node::start(&redis, json!({"room_capacity": 2})));
    let a = nodes[0].enter("room");
    let _b = nodes[1].enter("room");
    for node in &nodes {
        assert_eq!(node.refuses("room"), (1000, "Room is full".to_owned()));
    }
    drop(a);
    wait_until("a place is free", || redis.set("room:room").len() == 1);
    let _c = nodes[1].enter("room");
}

#[test]
fn without_redis_it_starts_and_lets_nobody_in() {
    let mut redis = Redis::start();
    redis.stop(true);
    let node = Node::launch(&redis.url(), json!({}));
    assert_eq!(node.refuses("room"), (1013, "Service unavailable".to_owned()));
    assert_eq!(
        node.refuses("/"),
        (1013, "Service unavailable".to_owned()),
        "before anything else is looked at"
    );
    assert_eq!(node.asks("/readyz"), (503, "not-ready".to_owned()));
    assert_eq!(node.asks("/healthz").0, 200);
    assert_eq!(node.server.ask("GET /readyz", "").status, 503);
    assert_eq!(node.server.ask("GET /healthz", "").status, 200);
    let mut player = node.server.client();
    player.create("pong", "Alice", 4);
    assert_eq!(node.metric("signaling_circuit_breaker_open"), 1.0);
    redis.restart();
    node.wait_until_ready();
    assert_eq!(node.server.ask("GET /readyz", "").status, 200);
    let (mut a, mut b) = (node.enter("room"), node.enter("room"));
    reaches(&mut a, &mut b);
}

#[test]
fn junk_on_a_channel_reaches_nobody() {
    let redis = Redis::start();
    let node = Node::start(&redis, json!({"message_max_bytes": 1000}));
    let mut client = node.enter("room");
    let own = redis.nodes().pop().expect("it is registered");
    let junk: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\xff\xfe".to_vec(),
        b"[]".to_vec(),
        vec![b'x'; 3_000_000],
        envelope("{}").into_bytes(),
        envelope(r#"{"type":"control","action":"schema-error"}"#).into_bytes(),
        envelope(&format!(r#"{{"type":"{}"}}"#, "x".repeat(65))).into_bytes(),
        envelope(&format!(r#"{{"type":"x","a":"{}"}}"#, "x".repeat(1000))).into_bytes(),
        envelope(r#"{"type":"x"},"data":{"type":"y"}"#).into_bytes(),
        envelope(r#"{"type":"x"}"#).replace("senderId", "sender").into_bytes(),
    ];
    for payload in &junk {
        assert_eq!(redis.publish("room:room", payload), 1);
    }
    let own = envelope(r#"{"type":"own"}"#).replace("srv:1:other", &own);
    redis.publish("room:room", own.as_bytes());
    redis.publish("room:room", envelope(NEXT).as_bytes());
    expect_text(&mut client, NEXT);
    wait_until("junk is counted", || {
        node.metric("signaling_redis_rejects_total") == junk.len() as f64
    });
    node.wait_until_ready();
}

#[test]
fn the_sender_of_a_foreign_message_does_not_hear_it() {
    let redis = Redis::start();
    let node = Node::start(&redis, json!({}));
    let (mut a, mut b) = (node.enter("room"), node.enter("room"));
    let [one, other] = <[String; 2]>::try_from(redis.set("room:room")).expect("two members");
    for (sender, text) in [(&one, r#"{"type":"first"}"#), (&other, r#"{"type":"second"}"#)] {
        redis.publish(
            "room:room",
            envelope(text).replace("client:somebody", sender).as_bytes(),
        );
    }
    redis.publish("room:room", envelope(NEXT).as_bytes());
    let mut heard = [until(&mut a, NEXT), until(&mut b, NEXT)].concat();
    heard.sort();
    assert_eq!(
        heard,
        [r#"{"type":"first"}"#, r#"{"type":"second"}"#],
        "each is heard by the other one"
    );
}

#[test]
fn a_key_of_somebody_else_spoils_one_room() {
    let redis = Redis::start();
    let node = Node::start(&redis, json!({}));
    // What only the script says: the channel of the same name is no key.
    redis.fault(Fault::On(
        "theirs client:",
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n".to_vec(),
    ));
    for _ in 0..5 {
        assert_eq!(node.refuses("theirs"), (1011, "Internal error".to_owned()));
    }
    let (mut a, mut b) = (node.enter("ours"), node.enter("ours"));
    reaches(&mut a, &mut b);
    node.wait_until_ready();
}

#[test]
fn a_room_may_be_called_like_a_node() {
    let redis = Redis::start();
    let node = Node::start(&redis, json!({}));
    let own = redis.nodes().pop().expect("it is registered");
    for room in [own.as_str(), "srv:nodes", "srv:1:a:members", "room:a"] {
        let (mut a, mut b) = (node.enter(room), node.enter(room));
        reaches(&mut a, &mut b);
        assert_eq!(redis.set(&format!("room:{room}")).len(), 2);
    }
    assert_eq!(redis.nodes(), redis.set("srv:nodes"));
    assert_eq!(redis.nodes(), [own]);
}

#[test]
fn redis_that_stops_answering_stops_nobody_who_is_in() {
    let redis = Redis::start();
    let [first, second, _third] = three(&redis);
    let (mut a, mut b) = (first.enter("room"), first.enter("room"));
    let (mut c, d) = (second.enter("room"), second.enter("room"));
    reaches(&mut a, &mut b);
    expect_text(&mut c, NEXT);
    let before = redis.set("room:room");
    redis.fault(Fault::Stuck);
    first.wait_until_not_ready();
    second.wait_until_not_ready();
    wait_until("the breaker is open", || {
        first.refuses("room") == (1013, "Service unavailable".to_owned())
    });
    reaches(&mut a, &mut b);
    wait_until("it is counted", || {
        a.send_text(NEXT);
        expect_text(&mut b, NEXT);
        first.metric("signaling_redis_unpublished_total") > 0.0
    });
    d.hang_up();
    // Its peer on the same node hears of it at once.
    let Incoming::Text(farewell) = c.next() else {
        panic!("a message")
    };
    assert!(farewell.contains("peer-disconnected"));
    assert_eq!(redis.set("room:room"), before, "Redis does not know");
    // Nodes come back one after the other, and who is not subscribed yet hears nothing. So nobody may say farewell before.
    redis.fault(Fault::Ignores("signal-fish leave"));
    wait_until("channels are subscribed to", || redis.publish("room:room", b"") == 2);
    redis.fault(Fault::None);
    wait_until("those who left are removed", || redis.set("room:room").len() == 3);
    first.wait_until_ready();
    second.wait_until_ready();
    for client in [&mut a, &mut b] {
        assert_eq!(
            client.next(),
            Incoming::Text(farewell.clone()),
            "the others are told when it is back"
        );
    }
    wait_until("channels are subscribed to", || redis.publish("room:room", b"") == 2);
    reaches(&mut a, &mut c);
    expect_text(&mut b, NEXT);
}

#[test]
fn redis_that_comes_back_empty_learns_who_is_there() {
    let mut redis = Redis::start();
    let [first, second, third] = three(&redis);
    let (mut a, mut b, mut c) = (first.enter("room"), second.enter("room"), third.enter("other"));
    let before = (redis.set("room:room"), redis.set("room:other"), redis.nodes());
    redis.stop(true);
    first.wait_until_not_ready();
    redis.restart();
    for node in [&first, &second, &third] {
        node.wait_until_ready();
    }
    wait_until("everybody is registered again", || {
        (redis.set("room:room"), redis.set("room:other"), redis.nodes()) == before
    });
    wait_until("channels are subscribed to", || redis.publish("room:room", b"") == 2);
    reaches(&mut a, &mut b);
    reaches(&mut b, &mut a);
    let mut d = first.enter("other");
    reaches(&mut d, &mut c);
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let redis = Redis::start();
    let [first, second, _third] = three(&redis);
    let (mut a, mut b) = (first.enter("room"), second.enter("room"));
    for _ in 0..3 {
        redis.break_connections();
        for node in [&first, &second] {
            node.wait_until_ready();
        }
        wait_until("channels are subscribed to", || redis.publish("room:room", b"") == 2);
        reaches(&mut a, &mut b);
        reaches(&mut b, &mut a);
    }
    assert_eq!(redis.set("room:room").len(), 2);
}

#[test]
fn errors_and_garbage_open_the_breaker() {
    for words in [
        &b"-LOADING Redis is loading the dataset in memory\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        b"$99999999999\r\nx",
        b":7\r\n",
        b"*1000000000\r\n",
    ] {
        let redis = Redis::start();
        let node = Node::start(&redis, json!({}));
        let (mut a, mut b) = (node.enter("room"), node.enter("room"));
        redis.fault(Fault::Says(words.to_vec()));
        wait_until("nobody gets in", || {
            node.refuses("room") == (1013, "Service unavailable".to_owned())
        });
        node.wait_until_not_ready();
        reaches(&mut a, &mut b);
        redis.fault(Fault::None);
        node.wait_until_ready();
        wait_until("both are still registered", || redis.set("room:room").len() == 2);
        let _c = node.enter("room");
        reaches(&mut a, &mut b);
    }
}

#[test]
fn a_failure_while_entering_is_told() {
    let redis = Redis::start();
    let node = Node::start(&redis, json!({"cb_error_threshold": 1000}));
    redis.fault(Fault::On("room:room", b"-OOM command not allowed\r\n".to_vec()));
    assert_eq!(node.refuses("room"), (1011, "Internal error".to_owned()));
    redis.fault(Fault::None);
    wait_until("it answers again", || node.asks("/readyz").0 == 200);
    let (mut a, mut b) = (node.enter("room"), node.enter("room"));
    reaches(&mut a, &mut b);
}

#[test]
fn clients_of_a_dead_node_are_removed_once() {
    let redis = Redis::start();
    let [first, second, third] = three(&redis);
    let (mut a, mut b) = (first.enter("room"), second.enter("room"));
    let known = redis.set("room:room");
    let (_c, _d) = (third.enter("room"), third.enter("room"));
    let dead: Vec<_> = redis
        .set("room:room")
        .into_iter()
        .filter(|id| !known.contains(id))
        .collect();
    let nodes = redis.nodes();
    third.server.signal(Signal::KILL);
    let _ = third.server.wait_for_exit();
    // Its key would be gone by itself after 15 seconds.
    for node in &nodes {
        redis.expire(node);
    }
    wait_until("the living have registered again", || redis.nodes().len() == 2);
    assert_eq!(
        redis.set("room:room").len(),
        4,
        "a node that is missing for a moment is not dead"
    );
    wait_until("they are removed", || redis.set("room:room") == known);
    for client in [&mut a, &mut b] {
        let mut heard: Vec<_> = (0..2)
            .map(|_| match client.next() {
                Incoming::Text(text) => text,
                other => panic!("{other:?}"),
            })
            .collect();
        heard.sort();
        for (text, id) in heard.iter().zip(&dead) {
            assert!(is_farewell(text, id), "{text}");
        }
    }
    reaches(&mut a, &mut b);
    reaches(&mut b, &mut a);
    wait_until("nobody looks for it any more", || redis.set("srv:nodes").len() == 2);
}

#[test]
fn a_node_that_was_taken_for_dead_registers_again() {
    let mut redis = Redis::start();
    let node = Node::start(&redis, json!({}));
    let (mut a, mut b) = (node.enter("room"), node.enter("room"));
    let members = redis.set("room:room");
    let own = redis.nodes().pop().expect("it is registered");
    // Others have taken its list apart.
    node.server.signal(Signal::STOP);
    redis.stop(true);
    redis.restart();
    assert!(redis.set("room:room").is_empty());
    node.server.signal(Signal::CONT);
    wait_until("it is back", || {
        redis.set("room:room") == members && redis.nodes() == [own.clone()]
    });
    node.wait_until_ready();
    reaches(&mut a, &mut b);
}

#[test]
fn many_clients_enter_at_once() {
    const CLIENTS: usize = 600;
    let redis = Redis::start();
    let node = Node::start(&redis, json!({}));
    redis.fault(Fault::Slow(Duration::from_millis(1)));
    let mut waiting: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut raw = Raw::connect(node.relay);
            let target = format!("/?roomId=room-{}", number % 50);
            raw.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n").as_bytes());
            raw
        })
        .collect();
    for raw in &mut waiting {
        assert_eq!(raw.read_answer().status, 101);
    }
    redis.fault(Fault::None);
    node.wait_until_ready();
    let registered = || {
        (0..50)
            .map(|room| redis.set(&format!("room:room-{room}")).len())
            .sum::<usize>()
    };
    // Who waited for more than a second was refused; whoever is in is known, and nobody else.
    wait_until("Redis knows who is in", || {
        node.metric("signaling_redis_seats") == registered() as f64 && registered() > 0
    });
    drop(waiting);
    wait_until("all are gone", || registered() == 0);
}

#[test]
fn a_password_is_needed_and_not_shown() {
    let redis = Redis::with_password(Some("open sesame, please"));
    let url = redis.url();
    let with = |password: &str| url.replace("redis://", &format!("redis://:{password}@"));
    let wrong = Node::launch(&with("a-wrong-password"), json!({}));
    wrong.wait_until_not_ready();
    assert_eq!(wrong.refuses("room").0, 1013);
    let right = Node::launch(&with("open%20sesame,%20please"), json!({}));
    right.wait_until_ready();
    let none = Node::launch(&url, json!({}));
    assert_eq!(none.refuses("room").0, 1013);
}

#[test]
fn a_drain_leaves_nothing_behind() {
    let redis = Redis::start();
    let [first, second, third] = three(&redis);
    drop(third);
    let (mut a, mut b) = (first.enter("room"), second.enter("room"));
    reaches(&mut a, &mut b);
    second.server.signal(Signal::TERM);
    b.expect_close(1001);
    assert!(second.server.wait_for_exit().success());
    assert_eq!(redis.set("room:room").len(), 1);
    let Incoming::Text(text) = a.next() else {
        panic!("a message")
    };
    assert!(text.contains("peer-disconnected"), "{text}");
    assert!(redis.nodes().len() <= 2, "it has said goodbye");
    assert_eq!(redis.count("DEL"), 1);
}

#[test]
fn a_drain_does_not_wait_for_redis() {
    let redis = Redis::start();
    let node = Node::start(&redis, json!({}));
    let mut client = node.enter("room");
    redis.fault(Fault::Stuck);
    let began = std::time::Instant::now();
    node.server.signal(Signal::TERM);
    client.expect_close(1001);
    assert!(node.server.wait_for_exit().success());
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}
