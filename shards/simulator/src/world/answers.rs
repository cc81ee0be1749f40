//! What clients got, and what many scripts do.

use super::{Got, Id, World, join, kind, reconnect};
use crate::client::Client;
use serde_json::{Value, json};

impl World {
    /// What a client got since the last look, pings left out.
    pub fn take_all(&mut self, id: Id) -> Vec<Got> {
        self.clients[id].news()
    }

    /// The messages that a client got since the last look; a close shows as `{"closed": reason}`.
    pub fn take(&mut self, id: Id) -> Vec<Value> {
        self.take_all(id).into_iter().map(shown).collect()
    }

    /// The types of the messages that a client got since the last look.
    pub fn take_types(&mut self, id: Id) -> Vec<String> {
        self.take(id).iter().map(|message| kind(message).to_owned()).collect()
    }

    /// The only message that a client got since the last look.
    #[track_caller]
    pub fn take_one(&mut self, id: Id) -> Value {
        let mut messages = self.take(id);
        assert_eq!(messages.len(), 1, "{messages:#?}");
        messages.remove(0)
    }

    /// What a client got since the last look is exactly this.
    #[track_caller]
    pub fn expect(&mut self, id: Id, messages: Value) {
        assert_eq!(Value::Array(self.take(id)), messages);
    }

    /// Forgets what everybody got so far.
    pub fn skip(&mut self) {
        self.clients.iter_mut().for_each(Client::skip);
    }

    // What many scripts do.

    /// Joins a room, or creates one with a generated code if `code` is empty.
    pub fn join(&mut self, id: Id, code: &str, name: &str, max_players: u8) {
        self.send(id, join(code, name, max_players));
    }

    /// A room of `names` under the code `ROOM42`, with so many seats; everything read.
    pub fn room(&mut self, names: &[&str], max_players: u8) -> Vec<Id> {
        let ids: Vec<Id> = names.iter().map(|_| self.connect()).collect();
        for (id, name) in ids.iter().zip(names) {
            self.join(*id, "ROOM42", name, max_players);
        }
        self.skip();
        ids
    }

    /// The player that a client was last.
    #[must_use]
    pub fn player_id(&self, id: Id) -> String {
        self.clients[id].player_id.clone()
    }

    /// Reconnects on connection `id` as the player that `old` was.
    pub fn reconnect(&mut self, id: Id, old: Id) {
        let old = &self.clients[old];
        let message = reconnect(&old.player_id, &old.room_id, &old.token);
        self.send(id, message);
    }
}

/// A message as JSON. Anything else that a client got shows as an object with one key.
fn shown(got: Got) -> Value {
    match got {
        Got::Text(text) => serde_json::from_str(&text).expect("text of the server is JSON"),
        Got::Binary(payload) => json!({ "binary": payload }),
        Got::Closed(1001, _) => json!({"closed": "drain"}),
        Got::Closed(1008, reason) => json!({ "closed": reason }),
        Got::Closed(code, reason) => json!({ "closed": [code, reason] }),
        Got::Answer(status, _) => json!({ "answer": status }),
        Got::Ping => Value::Null,
    }
}
