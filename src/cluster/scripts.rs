//! What is asked of Redis: every change of several keys is one Lua script, so that nobody sees half of it. The scripts are
//! sent whole: a Redis that comes back empty knows none.
//!
//! | key | what it is |
//! |---|---|
//! | `room:ID` | set of the clients of a room; the channel of the room has the same name |
//! | `srv:<unix ms>:<random>` | a node lives; it expires when the node does not |
//! | `srv:<unix ms>:<random>:members` | set of the clients of a node, each as `room client` |
//! | `srv:nodes` | set of all nodes |

use super::resp::{write_command, write_header};
use signal_fish_core::protocol::relay::envelope;
use signal_fish_core::room::MemberId;
use std::time::Duration;

/// Set of all nodes.
pub(super) const NODES: &str = "srv:nodes";
/// What keys and channels of rooms begin with.
pub(super) const ROOM: &str = "room:";
/// How long a node that says nothing counts as alive.
const NODE_TTL: Duration = Duration::from_secs(15);
/// Clients of a dead node that are removed at once.
pub(super) const BURIED_MAX: i64 = 500;
/// Clients of a room that are registered at once.
pub(super) const REGISTERED_MAX: usize = 200;

/// Says that the node lives. Whether it was known to, and which nodes are gone without having said so. What is in the set
/// of nodes and no node is thrown out.
const BEAT: &str = "\
-- signal-fish beat
local known = redis.call('SET', KEYS[1], '1', 'XX', 'PX', ARGV[1])
if not known then redis.call('SET', KEYS[1], '1', 'PX', ARGV[1]) end
redis.call('SADD', KEYS[2], KEYS[1])
local answer = {known and 1 or 0}
for _, id in ipairs(redis.call('SRANDMEMBER', KEYS[2], 1024)) do
  if not string.match(id, '^srv:%d+:%w+$') then redis.call('SREM', KEYS[2], id)
  elseif redis.call('EXISTS', id) == 0 then answer[#answer + 1] = id end
end
return answer";

/// A client enters: 0, or -1 if the room is full.
const ENTER: &str = "\
-- signal-fish enter
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return -1 end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('SADD', KEYS[2], ARGV[4])
return 0";

/// A client leaves. The others are told if it was there, so they are told once, whoever removes it.
const LEAVE: &str = "\
-- signal-fish leave
local listed = redis.call('SREM', KEYS[2], ARGV[2])
local was = redis.call('SREM', KEYS[1], ARGV[1])
if redis.call('SCARD', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) else redis.call('EXPIRE', KEYS[1], ARGV[3]) end
if listed + was == 0 then return 0 end
if ARGV[4] ~= '' then redis.call('PUBLISH', KEYS[1], ARGV[4]) end
return 1";

/// Clients of a room are there, however it looks in Redis.
const REGISTER: &str = "\
-- signal-fish register
for i = 3, #ARGV do
  redis.call('SADD', KEYS[1], ARGV[i])
  redis.call('SADD', KEYS[2], ARGV[2] .. ' ' .. ARGV[i])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 0";

/// Takes a part of the list of a dead node apart, and tells the rooms: how many it were, or -1 if the node lives.
const BURY: &str = "\
-- signal-fish bury
if redis.call('EXISTS', KEYS[1]) == 1 then return -1 end
local list = redis.call('SPOP', KEYS[2], ARGV[1])
for _, entry in ipairs(list) do
  local room, client = string.match(entry, '^([%w_%-:%.]+) (client:[%x%-]+)$')
  if room and redis.pcall('SREM', 'room:' .. room, client) == 1 then
    redis.call('PUBLISH', 'room:' .. room, '{\"senderId\":\"' .. client ..
      '\",\"data\":{\"type\":\"peer-disconnected\",\"clientId\":\"' .. client ..
      '\"},\"originServerId\":\"' .. KEYS[1] .. '\"}')
  end
end
if #list < tonumber(ARGV[1]) then redis.call('SREM', KEYS[3], KEYS[1]) end
return #list";

/// Writes what a node asks.
#[derive(Debug)]
pub(super) struct Writer {
    /// Id of the node, which is also its key.
    node: Box<str>,
    members: Box<str>,
    capacity: String,
    ttl_secs: String,
}

impl Writer {
    pub(super) fn new(node: &str, capacity: usize, ttl: Duration) -> Self {
        Self {
            node: node.into(),
            members: members(node).into(),
            capacity: capacity.to_string(),
            ttl_secs: ttl.as_secs().max(1).to_string(),
        }
    }

    pub(super) fn node(&self) -> &str {
        &self.node
    }

    pub(super) fn beat(&self, out: &mut Vec<u8>) {
        eval(BEAT, &[&self.node, NODES], &[&NODE_TTL.as_millis().to_string()], out);
    }

    pub(super) fn enter(&self, room: &str, client: MemberId, out: &mut Vec<u8>) {
        let client = client_text(client);
        let entry = format!("{room} {client}");
        let values = [&*client, &*self.capacity, &*self.ttl_secs, &*entry];
        eval(ENTER, &[&key(room), &self.members], &values, out);
    }

    /// `told`: the others have to hear of it.
    pub(super) fn leave(&self, room: &str, client: MemberId, told: bool, out: &mut Vec<u8>) {
        let text = client_text(client);
        let entry = format!("{room} {text}");
        let mut farewell = Vec::new();
        if told {
            let mut data = Vec::new();
            signal_fish_core::protocol::relay::wire::write_peer_disconnected(client, &mut data);
            envelope::write(client, &data, &self.node, &mut farewell);
        }
        let farewell = String::from_utf8_lossy(&farewell);
        let values = [&*text, &*entry, &*self.ttl_secs, &*farewell];
        eval(LEAVE, &[&key(room), &self.members], &values, out);
    }

    pub(super) fn register(&self, room: &str, clients: &[MemberId], out: &mut Vec<u8>) {
        let clients: Vec<_> = clients.iter().copied().map(client_text).collect();
        let mut values = vec![&*self.ttl_secs, room];
        values.extend(clients.iter().map(String::as_str));
        eval(REGISTER, &[&key(room), &self.members], &values, out);
    }

    pub(super) fn bury(&self, node: &str, out: &mut Vec<u8>) {
        eval(BURY, &[node, &members(node), NODES], &[&BURIED_MAX.to_string()], out);
    }

    /// A part of the clients that Redis thinks are here.
    pub(super) fn scan(&self, cursor: &[u8], out: &mut Vec<u8>) {
        write_command(&[b"SSCAN", self.members.as_bytes(), cursor, b"COUNT", b"500"], out);
    }

    /// The message of a client, on the channel of its room.
    pub(super) fn publish(&self, room: &str, client: MemberId, data: &[u8], out: &mut Vec<u8>) {
        write_header(b'*', 3, out);
        write_header(b'$', b"PUBLISH".len(), out);
        out.extend_from_slice(b"PUBLISH\r\n");
        write_header(b'$', ROOM.len() + room.len(), out);
        out.extend_from_slice(ROOM.as_bytes());
        out.extend_from_slice(room.as_bytes());
        out.extend_from_slice(b"\r\n");
        write_header(b'$', envelope::length(data, &self.node), out);
        envelope::write(client, data, &self.node, out);
        out.extend_from_slice(b"\r\n");
    }

    /// The node ends.
    pub(super) fn bye(&self, out: &mut Vec<u8>) {
        write_command(&[b"DEL", self.node.as_bytes()], out);
    }

    /// The second half of [`Self::bye`]: nobody has to look for what is left of it, if nothing is.
    pub(super) fn forget(&self, out: &mut Vec<u8>) {
        write_command(&[b"SREM", NODES.as_bytes(), self.node.as_bytes()], out);
    }
}

/// Subscribes to the channel of a room, or does so no more.
pub(super) fn subscription(room: &str, wanted: bool, out: &mut Vec<u8>) {
    let command: &[u8] = if wanted { b"SUBSCRIBE" } else { b"UNSUBSCRIBE" };
    write_command(&[command, key(room).as_bytes()], out);
}

/// An entry of the list of a node's clients.
pub(super) fn entry(entry: &[u8]) -> Option<(&str, MemberId)> {
    let (room, client) = std::str::from_utf8(entry).ok()?.split_once(' ')?;
    Some((room, MemberId::parse(client.strip_prefix("client:")?)?))
}

fn key(room: &str) -> String {
    format!("{ROOM}{room}")
}

fn members(node: &str) -> String {
    format!("{node}:members")
}

fn client_text(client: MemberId) -> String {
    format!("client:{client}")
}

fn eval(script: &str, keys: &[&str], values: &[&str], out: &mut Vec<u8>) {
    let count = keys.len().to_string();
    let mut parts: Vec<&[u8]> = vec![b"EVAL", script.as_bytes(), count.as_bytes()];
    parts.extend(keys.iter().chain(values).map(|part| part.as_bytes()));
    write_command(&parts, out);
}
