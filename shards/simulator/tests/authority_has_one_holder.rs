//! Protocol 6, D6: exactly one answer per request, and everybody knows who holds it.

use serde_json::{Value, json};
use signal_fish_simulator::world::{self, World, authority, authority_changed, just, player_left};

fn granted() -> Value {
    json!({"type": "AuthorityResponse", "data": {"granted": true, "reason": null}})
}

fn denied(reason: &str, code: &str) -> Value {
    json!({"type": "AuthorityResponse", "data": {"granted": false, "reason": reason, "error_code": code}})
}

#[test]
fn it_is_released_and_taken() {
    let mut world = World::simple();
    let room = world.room(&["a", "b", "c"], 8);
    let b = world.player_id(room[1]);
    let taken = denied("Another player already has authority", "AUTHORITY_CONFLICT");
    for id in [room[1], room[0]] {
        world.send(id, authority(true));
        world.expect(id, json!([taken]));
    }
    world.send(room[1], authority(false));
    world.expect(
        room[1],
        json!([denied("You do not have authority to release", "AUTHORITY_DENIED")]),
    );
    world.send(room[0], authority(false));
    world.expect(room[0], json!([granted(), authority_changed(None, false)]));
    world.expect(room[1], json!([authority_changed(None, false)]));
    world.skip();
    world.send(room[1], authority(true));
    world.expect(room[1], json!([granted(), authority_changed(Some(&b), true)]));
    for id in [room[0], room[2]] {
        world.expect(id, json!([authority_changed(Some(&b), false)]));
    }
}

#[test]
fn it_ends_with_its_holder_and_nobody_inherits_it() {
    for leaves in [true, false] {
        let mut world = World::simple();
        let room = world.room(&["a", "b"], 2);
        let a = world.player_id(room[0]);
        if leaves {
            world.send(room[0], just("LeaveRoom"));
        } else {
            world.drop_client(room[0]);
        }
        world.expect(
            room[1],
            json!([
                player_left(&a),
                authority_changed(None, false),
                world::lobby("waiting", &[], false)
            ]),
        );
        world.send(room[1], authority(true));
        assert_eq!(world.take_types(room[1]), ["AuthorityResponse", "AuthorityChanged"]);
    }
}

#[test]
fn rooms_without_it_and_connections_without_a_room_have_none() {
    let mut world = World::simple();
    let [a, s] = [world.connect(), world.connect()];
    world.send(a, authority(true));
    world.expect(a, json!([denied("Not in a room", "NOT_IN_ROOM")]));
    let mut join = world::join("ROOM42", "a", 2);
    join["data"]["supports_authority"] = false.into();
    world.send(a, join);
    world.send(s, world::spectate("ROOM42", "s"));
    world.skip();
    for wanted in [true, false] {
        world.send(a, authority(wanted));
        world.expect(
            a,
            json!([denied("Room does not support authority", "AUTHORITY_NOT_SUPPORTED")]),
        );
        world.send(s, authority(wanted));
        world.expect(s, json!([denied("Not in a room", "NOT_IN_ROOM")]));
    }
    world.send(a, just("LeaveRoom"));
    world.expect(s, json!([player_left(&world.player_id(a))]));
}
