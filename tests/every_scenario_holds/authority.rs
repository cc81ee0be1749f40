//! Scenarios of authority (protocol 6).

use super::harness::client::room_of;
use super::harness::{Client, Server, in_time};
use super::server;
use serde_json::json;
use std::time::{Duration, Instant};

/// Alice holds authority over Bob and Carol.
fn trio(server: &Server, game: &str) -> Vec<Client> {
    room_of(server, game, 5, true, &["Alice", "Bob", "Carol"])
}

#[test]
fn s100_request_while_another_holds_is_a_conflict() {
    let server = server();
    let mut trio = trio(&server, "s100");
    trio[1].send_authority(true);
    assert_eq!(
        trio[1].expect_denied("AUTHORITY_CONFLICT"),
        "Another player already has authority"
    );
    for member in &mut trio {
        member.quiet();
    }
}

#[test]
fn s101_holder_releases() {
    let server = server();
    let mut trio = trio(&server, "s101");
    trio[0].send_authority(false);
    trio[0].expect_granted();
    for member in &mut trio {
        member.expect_authority(None, false);
        member.quiet();
    }
}

#[test]
fn s102_free_authority_goes_to_who_asks() {
    let server = server();
    let mut trio = trio(&server, "s102");
    trio[0].send_authority(false);
    for member in &mut trio {
        member.drain();
    }
    let b = trio[1].id.clone();
    trio[1].send_authority(true);
    trio[1].expect_granted();
    trio[1].expect_authority(Some(&b), true);
    trio[1].quiet();
    for other in [0, 2] {
        trio[other].expect_authority(Some(&b), false);
        trio[other].quiet();
    }
    let code = trio[0].code.clone();
    let mut d = server.client();
    let joined = d.enter("s102", &code, "Dave");
    for player in joined["current_players"].as_array().into_iter().flatten() {
        assert_eq!(player["is_authority"], player["id"] == b.as_str(), "{joined}");
    }
}

#[test]
fn s103_release_without_holding_is_denied() {
    let server = server();
    let mut trio = trio(&server, "s103");
    trio[1].send_authority(false);
    assert_eq!(
        trio[1].expect_denied("AUTHORITY_DENIED"),
        "You do not have authority to release"
    );
    for member in &mut trio {
        member.quiet();
    }
}

#[test]
fn s104_room_without_authority_has_none_anywhere() {
    let server = server();
    let mut a = server.client();
    let joined = a.join(json!({"game_name": "s104", "player_name": "Alice", "supports_authority": false}));
    assert_eq!(joined["supports_authority"], false);
    assert_eq!(joined["is_authority"], false);
    assert_eq!(joined["current_players"][0]["is_authority"], false);
    for become_authority in [true, false] {
        a.send_authority(become_authority);
        assert_eq!(
            a.expect_denied("AUTHORITY_NOT_SUPPORTED"),
            "Room does not support authority"
        );
    }
    a.quiet();
}

#[test]
fn s105_request_outside_a_room_is_denied() {
    let server = server();
    let mut a = server.client();
    a.send_authority(true);
    assert_eq!(a.expect_denied("NOT_IN_ROOM"), "Not in a room");
    a.quiet();
}

#[test]
fn s106_authority_of_who_goes_is_free() {
    let server = server();
    for leaves in [true, false] {
        let mut trio = trio(&server, if leaves { "s106-leave" } else { "s106-drop" });
        let mut holder = trio.remove(0);
        let id = holder.id.clone();
        if leaves {
            holder.leave();
        } else {
            holder.reset();
        }
        for member in &mut trio {
            member.expect_left(&id);
            member.expect_authority(None, false);
            member.quiet();
        }
        let b = trio[0].id.clone();
        trio[0].send_authority(true);
        trio[0].expect_granted();
        trio[0].expect_authority(Some(&b), true);
        trio[1].expect_authority(Some(&b), false);
    }
}

#[test]
fn s107_twenty_requests_are_answered_promptly() {
    let server = server();
    let mut alone = room_of(&server, "s107", 4, true, &["Alice"]);
    let a = &mut alone[0];
    let id = a.id.clone();
    in_time(Duration::from_secs(1), || {
        let begin = Instant::now();
        for _ in 0..10 {
            a.send_authority(false);
            a.send_authority(true);
        }
        for _ in 0..10 {
            a.expect_granted();
            a.expect_authority(None, false);
            a.expect_granted();
            a.expect_authority(Some(&id), true);
        }
        begin.elapsed()
    });
    a.quiet();
}

/// D6: who enters an empty room that still stands becomes its authority as a creator would.
#[test]
fn empty_room_gives_its_authority_to_who_enters() {
    let server = server();
    let mut a = server.client();
    a.join(json!({"game_name": "reentry", "player_name": "Alice", "room_code": "EMPTY1"}));
    let room = a.room.clone();
    a.leave();
    let mut b = server.client();
    let joined = b.join(json!({"game_name": "reentry", "player_name": "Bob", "room_code": "EMPTY1"}));
    assert_eq!(joined["room_id"], room.as_str());
    assert_eq!(joined["is_authority"], true);
    assert_eq!(joined["current_players"][0]["is_authority"], true);
}
