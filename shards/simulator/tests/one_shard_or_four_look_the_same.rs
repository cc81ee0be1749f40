//! Clients do not notice how many shards a server has: the same script gives every client the same messages, apart from
//! the ids, codes and tokens that were drawn.

mod script;

use proptest::prelude::*;
use script::{Run, Step, step};
use serde_json::Value;
use signal_fish_simulator::world::Got;
use std::collections::HashMap;
use std::time::Duration;

/// Gives everything that was drawn a name by the order in which it first shows up.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn rename(&mut self, value: &mut Value, key: &str) {
        match value {
            Value::String(text) if is_drawn(text, key) => {
                let next = format!("#{}", self.0.len());
                *text = self.0.entry(text.clone()).or_insert(next).clone();
            }
            Value::Array(list) => list.iter_mut().for_each(|entry| self.rename(entry, key)),
            Value::Object(map) => map.iter_mut().for_each(|(key, entry)| self.rename(entry, key)),
            _ => {}
        }
    }
}

fn is_drawn(text: &str, key: &str) -> bool {
    let is_id = text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4;
    is_id || matches!(key, "room_code" | "auth_token")
}

fn transcript(shards: u16, seed: u64, steps: &[Step]) -> Vec<Vec<Value>> {
    let mut run = Run::new(shards, seed);
    for step in steps {
        run.step(step);
        // Clients that fell silent at the same moment end at the same moment, in an order that nobody promises: one of them
        // may be told that the other left, or not. So no two do anything within the resolution of deadlines.
        run.world.advance(Duration::from_millis(40));
    }
    run.finish();
    run.world.assert_nothing_left();
    let mut names = Names::default();
    let clients = run.world.clients.iter();
    clients
        .map(|client| {
            let got = client.got.iter().map(|got| match got {
                Got::Text(text) => {
                    let mut message = serde_json::from_str(text).unwrap();
                    names.rename(&mut message, "");
                    message
                }
                Got::Binary(payload) => {
                    // The sender's id comes after a map head, its key and the head of its 16 bytes.
                    let sender = uuid::Uuid::from_slice(&payload[15..31]).unwrap();
                    let mut message = serde_json::json!([sender.to_string(), payload[31..]]);
                    names.rename(&mut message, "");
                    message
                }
                other => Value::from(format!("{other:?}")),
            });
            got.collect()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_clients_do(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..150)) {
        let one = transcript(1, seed, &steps);
        let four = transcript(4, seed.wrapping_add(1), &steps);
        for (client, (one, four)) in one.iter().zip(&four).enumerate() {
            prop_assert_eq!(one, four, "client {}", client);
        }
    }
}
