//! The command line asks a running server what its administration shows, and has it act.
//!
//! One request of a few lines and one answer: a library for HTTP would bring more than it saves.

use crate::Config;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long connecting, and each piece of the answer, may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Headers of an answer.
const HEADERS_MAX: usize = 64;

/// Asks the server of this configuration, which runs on this machine. Returns the answer for people.
///
/// # Errors
/// Why there is none.
pub fn ask(config: &Config, method: &str, target: &str) -> Result<String, String> {
    let Some(token) = &*config.security.admin_token else {
        return Err(
            "security.admin_token is not set: give the token of the running server, in the configuration or as \
                    SIGNAL_FISH_SECURITY__ADMIN_TOKEN"
                .to_owned(),
        );
    };
    let address = address(config)?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let answer = exchange(address, request.as_bytes()).map_err(|error| format!("{address}: {error}"))?;
    let (status, body) = read(&answer).ok_or_else(|| format!("{address}: this is no HTTP answer"))?;
    let value: Result<Value, _> = serde_json::from_slice(body);
    match (status, value) {
        (200, Ok(value)) => Ok(show(&value)),
        (401, _) => Err("the server has another security.admin_token".to_owned()),
        (404, Ok(value)) if value["paths"].is_array() => {
            Err("the server has no administration: it was started without security.admin_token".to_owned())
        }
        (status, Ok(value)) if value["error"].is_string() => {
            Err(format!("{} ({status})", value["error"].as_str().unwrap_or_default()))
        }
        (status, _) => Err(format!(
            "the server answered {status}: {}",
            String::from_utf8_lossy(body)
        )),
    }
}

/// Where the server of this configuration is reached from this machine.
fn address(config: &Config) -> Result<SocketAddr, String> {
    let ip = match config.bind {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    match config.port {
        0 => Err("the port is 0: say with --port which one the server took".to_owned()),
        port => Ok(SocketAddr::new(ip, port)),
    }
}

fn exchange(address: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Status and body of an answer that ends with its connection.
fn read(answer: &[u8]) -> Option<(u16, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(answer).ok()? else {
        return None;
    };
    Some((head.code?, answer.get(length..)?))
}

/// Rooms as a table, everything else as it came, with line breaks.
fn show(value: &Value) -> String {
    let Some(rooms) = value["rooms"].as_array() else {
        return format!("{value:#}\n");
    };
    let columns = [
        ("CODE", "room_code"),
        ("GAME", "game_name"),
        ("PLAYERS", "players"),
        ("SEATS", "max_players"),
        ("WATCH", "spectators"),
        ("LOBBY", "lobby_state"),
        ("MSG/S", "messages_per_second"),
        ("AGE", "age_seconds"),
        ("ROOM", "room_id"),
    ];
    let titles = columns.map(|(title, _)| title.to_owned());
    let rows = rooms.iter().map(|room| {
        columns.map(|(_, key)| match &room[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    });
    let rows: Vec<_> = [titles].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    if let Some(next) = value["next"].as_str() {
        let _ = writeln!(out, "There are more: --after {next}");
    }
    for shard in value["without_reply"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "Shard {shard} did not answer; its rooms are missing.");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rooms_stand_in_a_table() {
        let room = json!({"room_code": "ABC234", "game_name": "chess", "players": 2, "max_players": 8, "spectators": 0,
            "lobby_state": "waiting", "messages_per_second": 1.5, "age_seconds": 7, "room_id": "id"});
        let shown = show(&json!({"rooms": [room], "next": "1.5", "without_reply": [3]}));
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(
            lines[0],
            "CODE    GAME   PLAYERS  SEATS  WATCH  LOBBY    MSG/S  AGE  ROOM"
        );
        assert_eq!(
            lines[1],
            "ABC234  chess  2        8      0      waiting  1.5    7    id"
        );
        assert_eq!(
            lines[2..],
            [
                "There are more: --after 1.5",
                "Shard 3 did not answer; its rooms are missing."
            ]
        );
    }

    #[test]
    fn an_answer_is_status_and_body() {
        assert_eq!(
            read(b"HTTP/1.1 404 Not Found\r\na: b\r\n\r\n{}"),
            Some((404, &b"{}"[..]))
        );
        assert_eq!(read(b"HTTP/1.1 200 OK\r\na: b\r\n"), None);
        assert_eq!(read(b"\x16\x03\x01"), None);
    }
}
