//! What the table of keys says to people: the resolved configuration, the shipped `config.json`, `docs/configuration.md`.

use super::key::{Key, Standing};
use super::keys::{APP_FIELDS, KEYS, WITHOUT_EFFECT};
use super::resolved::Resolved;
use super::secret::MASK;
use super::walk::expectation;
use crate::host::limits::{FILES_PER_SHARD, FILES_PROCESS, LOCKED_BYTES_MIN, LOCKED_BYTES_PER_SHARD};
use crate::host::rings::KERNEL_MIN;
use serde_json::Value;

/// A configuration as JSON, every key in the order of the table, secrets as `"***"` (D34). Read as a file it gives the same
/// configuration; it is refused as long as secrets stand in it like that.
#[must_use]
pub fn json(resolved: &Resolved) -> String {
    let entries: Vec<_> = KEYS
        .iter()
        .map(|key| (key.path, shown(key, resolved.value(key.path))))
        .collect();
    let mut out = String::new();
    write_object(&entries, 1, &mut out);
    out.push('\n');
    out
}

/// Writes the entries of one object; those of a section stand together in the table.
fn write_object(entries: &[(&str, Value)], depth: usize, out: &mut String) {
    out.push('{');
    let mut rest = entries;
    while let Some((path, value)) = rest.first() {
        if rest.len() < entries.len() {
            out.push(',');
        }
        new_line(depth, out);
        let (name, inner) = path
            .split_once('.')
            .map_or((*path, None), |(name, inner)| (name, Some(inner)));
        write_value(&Value::from(name), depth, out);
        out.push_str(": ");
        if inner.is_none() {
            write_value(value, depth, out);
            rest = &rest[1..];
            continue;
        }
        let section: Vec<_> = rest
            .iter()
            .map_while(|(path, value)| {
                let (first, inner) = path.split_once('.')?;
                (first == name).then(|| (inner, value.clone()))
            })
            .collect();
        write_object(&section, depth + 1, out);
        rest = &rest[section.len()..];
    }
    new_line(depth - 1, out);
    out.push('}');
}

fn write_value(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let entries: Vec<_> = entries.iter().collect();
            out.push('{');
            for (index, (name, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                new_line(depth + 1, out);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push_str(": ");
                write_value(value, depth + 1, out);
            }
            new_line(depth, out);
            out.push('}');
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                new_line(depth + 1, out);
                write_value(item, depth + 1, out);
            }
            new_line(depth, out);
            out.push(']');
        }
        flat => out.push_str(&on_one_line(flat)),
    }
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// The value as it may be shown.
fn shown(key: &Key, value: &Value) -> Value {
    match value {
        Value::Array(apps) if key.secret => apps
            .iter()
            .map(|app| {
                let mut app = app.clone();
                if let Some(secret) = app.get_mut("app_secret").filter(|secret| !secret.is_null()) {
                    *secret = MASK.into();
                }
                app
            })
            .collect(),
        // An entry of the defaults that some source took away has to be taken away again by whoever reads this.
        Value::Object(entries) => {
            let mut entries = entries.clone();
            for name in key.default.as_object().into_iter().flat_map(|defaults| defaults.keys()) {
                entries.entry(name).or_insert(Value::Null);
            }
            Value::Object(entries)
        }
        Value::Null => Value::Null,
        _ if key.secret => MASK.into(),
        value => value.clone(),
    }
}

/// `docs/configuration.md`.
#[must_use]
pub fn markdown() -> String {
    let mut out = BEFORE_THE_KEYS.to_owned();
    let mut section = None;
    for key in KEYS.iter() {
        let of_key = key.path.split_once('.').map_or("", |(section, _)| section);
        if section != Some(of_key) {
            section = Some(of_key);
            out.push_str(&match of_key {
                "" => "\n## Address\n".to_owned(),
                name => format!("\n## `{name}`\n"),
            });
            out.push_str("\n| Key | Value | Default | What it sets | To weigh |\n|---|---|---|---|---|\n");
        }
        row(key, key.path, &mut out);
    }
    out.push_str(BEFORE_THE_APPS);
    for field in APP_FIELDS.iter() {
        row(field, field.path, &mut out);
    }
    out.push_str(BEFORE_THE_REST);
    for path in WITHOUT_EFFECT {
        out.push_str(&format!("- `{path}`\n"));
    }
    out.push_str(&after_the_keys());
    out
}

fn row(key: &Key, name: &str, out: &mut String) {
    let mut value = expectation(&key.kind).replacen("expected ", "", 1);
    if !key.unit.is_empty() {
        value = format!("{value}, in {}", key.unit);
    }
    let effect = match key.standing {
        Standing::Active if key.reloads => format!("{} SIGHUP applies it.", key.effect),
        Standing::Active => key.effect.to_owned(),
        Standing::NotBuilt => format!("**Any other value stops the start.** {}", key.effect),
        Standing::Idle => format!("Accepted without effect. {}", key.effect),
    };
    let cells = [
        format!("`{name}`"),
        value,
        format!("`{}`", on_one_line(&key.default)),
        key.doc.to_owned(),
        effect,
    ];
    let cells: Vec<_> = cells.iter().map(|cell| cell.trim().replace('|', "\\|")).collect();
    out.push_str(&format!("| {} |\n", cells.join(" | ")));
}

/// A value as JSON, as people write it: a space after each comma and colon.
fn on_one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(on_one_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(name, value)| (Value::from(name.as_str()), on_one_line(value)));
            let entries: Vec<_> = entries.map(|(name, value)| format!("{name}: {value}")).collect();
            format!("{{{}}}", entries.join(", "))
        }
        leaf => leaf.to_string(),
    }
}

const BEFORE_THE_KEYS: &str = "\
# Configuration

This page is made from the keys in `src/config/sections/`; a test keeps both equal. `config.json` at the root of
the repository is the same as JSON: every key with its default.

Without any configuration the server runs on port 3536, serves everybody and says so in its log.

## Where values come from

Later wins:

1. the built-in defaults;
2. a JSON file: the one named by `--config` or `SIGNAL_FISH_CONFIG_PATH`, else `config.json` in the working directory if
   it is there;
3. the environment: `server.ping_timeout` is `SIGNAL_FISH_SERVER__PING_TIMEOUT` or `SIGNAL_FISH__SERVER__PING_TIMEOUT`.
   Setting both to different values is a fault;
4. flags: `--port`, `--bind`, `--shards` (`shards.count`), `--cpus` (`shards.cpus`), `--no-pin` (`shards.pin` false).

A variable is read as the type of its key: `12345` stays a string where a string is expected, commas stay in it too. A
list is a JSON array or comma-separated; an object is JSON; an empty variable is null where null is allowed. Words such
as `\"Json\"` may be spelt in any case. Objects of named entries are merged over the sources, and null takes an entry away;
everything else is replaced.

## Changes while it runs

SIGHUP makes the server read its sources again and apply the keys whose row says so; nobody is disconnected. The log names
what was applied, and the keys that changed and need a restart. A configuration with mistakes changes nothing, and the log
names each mistake. The environment and the flags are those of the start.

## Mistakes

Every mistake stops the start, and all of them are named at once with file, line, key, value and what was expected:

```text
$ signal-fish-server --validate-config
Configuration validation failed:
  config.json:4: server.ping_timout: unknown key; did you mean `server.ping_timeout`?
  SIGNAL_FISH_PORT: port = \"70000\": expected an integer from 0 to 65535
```

An unknown variable that begins with `SIGNAL_FISH_` is only a warning. `--validate-config` ends with 0 or 1,
`--print-config` shows what came out of all sources as a file that gives the same configuration, but for secrets, which it
shows as `\"***\"`. `--check` shows what the machine lacks.

In the tables, limits of 0 mean that none are allowed unless the row says otherwise.
";

const BEFORE_THE_APPS: &str = "
## Entries of `security.authorized_apps`

Null counts as absent.

| Key | Value | Default | What it sets | To weigh |
|---|---|---|---|---|
";

const BEFORE_THE_REST: &str = "
## Keys without meaning here

These keys of the public reference server are accepted, so that its files load unchanged, and have no effect. The log
names those in use at level `debug`.

";

fn after_the_keys() -> String {
    let (major, minor) = KERNEL_MIN;
    let locked_min = LOCKED_BYTES_MIN / 1024;
    let locked_per_shard = LOCKED_BYTES_PER_SHARD / 1024;
    format!(
        "
## What the machine must offer

The server looks before it serves, names what is missing with its cure, and ends with 1. `--check` shows the same as a
table.

- Linux {major}.{minor} or newer with io_uring, allowed by `kernel.io_uring_disabled` and by the seccomp filter of a container.
- A limit of locked memory of {locked_min} KiB, and about {locked_per_shard} KiB for each shard (`LimitMEMLOCK=` of systemd).
- One open file for each client, {FILES_PER_SHARD} for each shard and {FILES_PROCESS} beside (`LimitNOFILE=` of systemd). \
         The server raises its soft
  limits as far as the hard ones allow.
- A free port, and a directory for log files that it may write, unless `logging.enable_file_logging` is off.

## Memory at worst

Everything that clients can make grow has a bound. `--check` adds the bounds up for the configuration and compares the sum
with the memory that the process may use: the machine's, or less by a control group (`MemoryMax=` of systemd), `ulimit -v`
or `ulimit -d`. If it is more, the server starts nevertheless and the log says with how many connections it would fit. It
is the worst that attackers from very many addresses can do at the same moment; a server in use takes a small part of it.

| Part | Bytes |
|---|---|
| program and log | 24 MiB, and 32 MiB for 16,384 lines of log on their way to each of two destinations |
| shards | 8.25 MiB for each: buffers, and the pool of outboxes |
| connections | for each 4 KiB, 16 bytes for each character of a player name and of a game name (`protocol.max_player_name_length`, \
         `protocol.max_game_name_length`), 4 KiB for a small outbox, 64 KiB of input that waits, a message that is incomplete \
         (`security.max_message_size`), and 40 KiB of connection info; for each shard besides, 128 connections without a ticket, and \
         with `security.trusted_proxies` an eighth as many as there may be connections, of 16 KiB each |
| outboxes | `websocket.max_outbound_total_bytes` |
| messages being delivered | for each shard the largest message twice for each member of the largest room, whichever protocol has it \
         (`protocol.max_players_limit`, `server.max_spectators_per_room`), and eight times that where MessagePack may become \
         JSON (`protocol.enable_message_pack_game_data`) |
| rooms | 2 KiB and the name of the game for each of 4 rooms per connection and 1,024 besides, at most 1,048,576 |
| replays | `server.event_buffer_total_bytes` |
| dropped players | 96 MiB for each shard: 65,536 players, and 32 MiB of their connection infos |
| limits of rates | 64 MiB for 262,144 addresses; 256 bytes for each `Authenticate` that an app may send in a minute |
| relay | with `relay.enabled`: for each connection 2 KiB, 4 bytes for each character of a room id, and a message that waits (`relay.message_max_bytes`); 64 MiB for 262,144 addresses |
| matchbox | with `matchbox.enabled`: 10 KiB for each connection: a room, and its name |
| tokens | 24 MiB with `relay.auth.enabled`: 2,048 tokens that wait, and two sets of keys |
| allocator | an eighth of all that |
| kernel | for each connection 4 KiB and buffers of 384 KiB; for each shard and address that it listens on 4,096 connections that wait to be accepted, with \
         132 KiB each; all buffers together no more than `net.ipv4.tcp_mem` allows |
"
    )
}
