//! A Redis that does what a test says: it understands what the server asks for and nothing else, and it can be slow, stuck,
//! wrong or gone, and come back empty.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It answers as it should.
    None,
    /// It takes its time for every command.
    Slow(Duration),
    /// It reads and says nothing.
    Stuck,
    /// It answers every command with this.
    Says(Vec<u8>),
    /// It neither does nor answers what contains this.
    Ignores(&'static str),
    /// It answers commands that contain the first with the second.
    On(&'static str, Vec<u8>),
}

/// A running one.
#[derive(Debug)]
pub struct Redis {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    running: Option<Listening>,
}

#[derive(Debug)]
struct Listening {
    stop: Arc<Mutex<bool>>,
    thread: std::thread::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    fault: Fault,
    password: Option<String>,
    sets: BTreeMap<String, BTreeSet<String>>,
    nodes: BTreeMap<String, Instant>,
    connections: BTreeMap<u64, Connection>,
    /// Commands in the order in which they came, without the text of scripts.
    commands: Vec<Vec<String>>,
    next: u64,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    channels: BTreeSet<String>,
    is_known: bool,
}

impl Redis {
    /// One that answers.
    #[must_use]
    pub fn start() -> Self {
        Self::with_password(None)
    }

    /// One that wants a password.
    #[must_use]
    pub fn with_password(password: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let mut redis = Self {
            state: Arc::new(Mutex::new(State {
                fault: Fault::None,
                password: password.map(str::to_owned),
                sets: BTreeMap::new(),
                nodes: BTreeMap::new(),
                connections: BTreeMap::new(),
                commands: Vec::new(),
                next: 0,
            })),
            address,
            running: None,
        };
        redis.listen(listener);
        redis
    }

    /// Where it is, without a password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is wrong with it.
    pub fn fault(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// It ends. With `empty` it forgets everything.
    pub fn stop(&mut self, empty: bool) {
        if let Some(Listening { stop, thread }) = self.running.take() {
            *stop.lock().expect("nobody panics with it") = true;
            let _ = TcpStream::connect(self.address);
            thread.join().expect("it listens without a panic");
        }
        let mut state = self.state();
        for connection in std::mem::take(&mut state.connections).into_values() {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
        if empty {
            state.sets.clear();
            state.nodes.clear();
        }
    }

    /// It is there again, at the same port.
    pub fn restart(&mut self) {
        let mut listener = None;
        super::wait_until("the port is free", || {
            listener = TcpListener::bind(self.address).ok();
            listener.is_some()
        });
        self.listen(listener.expect("bound"));
    }

    /// Every connection breaks.
    pub fn break_connections(&self) {
        for connection in self.state().connections.values() {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
    }

    /// Something is published by somebody else. Returns how many heard it.
    pub fn publish(&self, channel: &str, payload: &[u8]) -> usize {
        self.state().publish(channel, payload)
    }

    /// The members of a set, in order.
    #[must_use]
    pub fn set(&self, key: &str) -> Vec<String> {
        let state = self.state();
        let set = state.sets.get(key);
        set.map_or_else(Vec::new, |set| set.iter().cloned().collect())
    }

    /// Puts something into a set.
    pub fn add(&self, key: &str, member: &str) {
        self.state().add(key, member);
    }

    /// The nodes that live.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.state().nodes.keys().cloned().collect()
    }

    /// The key of a node is gone, as if it had stood still for too long.
    pub fn expire(&self, node: &str) {
        self.state().nodes.remove(node);
    }

    /// How many commands of this name came. The name of a script is what its first line says.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.state()
            .commands
            .iter()
            .filter(|command| command[0] == name)
            .count()
    }

    /// The arguments of the commands of this name.
    #[must_use]
    pub fn commands(&self, name: &str) -> Vec<Vec<String>> {
        let state = self.state();
        let commands = state.commands.iter().filter(|command| command[0] == name);
        commands.map(|command| command[1..].to_vec()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&mut self, listener: TcpListener) {
        let stop = Arc::new(Mutex::new(false));
        let (stopped, state) = (Arc::clone(&stop), Arc::clone(&self.state));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *stopped.lock().expect("nobody panics with it") {
                    return;
                }
                let state = Arc::clone(&state);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        self.running = Some(Listening { stop, thread });
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop(false);
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let id = {
        let mut state = lock();
        state.next += 1;
        let id = state.next;
        let connection = Connection {
            stream: stream.try_clone().expect("a descriptor is left"),
            channels: BTreeSet::new(),
            is_known: state.password.is_none(),
        };
        state.connections.insert(id, connection);
        id
    };
    let mut reader = BufReader::new(stream);
    while let Some(command) = read_command(&mut reader) {
        let fault = lock().fault.clone();
        match fault {
            Fault::Slow(time) => std::thread::sleep(time),
            Fault::Stuck => continue,
            Fault::Ignores(what) if command.iter().any(|part| part.contains(what)) => continue,
            _ => {}
        }
        let mut state = lock();
        let mut reply = state.answer(id, &command);
        match fault {
            Fault::Says(words) => reply = words,
            Fault::On(what, words) if command.iter().any(|part| part.contains(what)) => reply = words,
            _ => {}
        }
        let Some(connection) = state.connections.get_mut(&id) else {
            return;
        };
        if connection.stream.write_all(&reply).is_err() {
            break;
        }
    }
    lock().connections.remove(&id);
}

/// An array of strings.
fn read_command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let mut line = String::new();
    let mut number = |reader: &mut dyn BufRead, kind: char| {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        line.strip_prefix(kind)?.trim_end().parse::<usize>().ok()
    };
    let parts = number(reader, '*')?;
    let mut command = Vec::with_capacity(parts);
    for _ in 0..parts {
        let length = number(reader, '$')?;
        let mut part = vec![0; length + 2];
        reader.read_exact(&mut part).ok()?;
        part.truncate(length);
        command.push(String::from_utf8_lossy(&part).into_owned());
    }
    Some(command)
}

fn bulk(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

fn integer(number: i64) -> Vec<u8> {
    format!(":{number}\r\n").into_bytes()
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut reply = format!("*{}\r\n", items.len()).into_bytes();
    reply.extend(items.concat());
    reply
}

impl State {
    fn answer(&mut self, id: u64, command: &[String]) -> Vec<u8> {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let noted = match *words {
            ["EVAL", script, ..] => {
                let name = script.lines().next().unwrap_or_default();
                let mut noted = vec![name.trim_start_matches("-- signal-fish ").to_owned()];
                noted.extend(command[3..].iter().cloned());
                noted
            }
            _ => command.to_vec(),
        };
        self.commands.push(noted.clone());
        if let ["AUTH", .., password] = *words {
            let right = self.password.as_deref() == Some(password);
            let Some(connection) = self.connections.get_mut(&id) else {
                return Vec::new();
            };
            connection.is_known |= right;
            return if right {
                b"+OK\r\n".to_vec()
            } else {
                b"-WRONGPASS no\r\n".to_vec()
            };
        }
        if self.connections.get(&id).is_some_and(|connection| !connection.is_known) {
            return b"-NOAUTH Authentication required.\r\n".to_vec();
        }
        match *words {
            ["PING"] => {
                let subscribed = self
                    .connections
                    .get(&id)
                    .is_some_and(|other| !other.channels.is_empty());
                match subscribed {
                    true => array(&[bulk("pong"), bulk("")]),
                    false => b"+PONG\r\n".to_vec(),
                }
            }
            ["SELECT", _] => b"+OK\r\n".to_vec(),
            [order @ ("SUBSCRIBE" | "UNSUBSCRIBE"), channel] => {
                let Some(connection) = self.connections.get_mut(&id) else {
                    return Vec::new();
                };
                if order == "SUBSCRIBE" {
                    connection.channels.insert(channel.to_owned());
                } else {
                    connection.channels.remove(channel);
                }
                let count = integer(connection.channels.len() as i64);
                array(&[bulk(&order.to_lowercase()), bulk(channel), count])
            }
            ["PUBLISH", channel, payload] => integer(self.publish(channel, payload.as_bytes()) as i64),
            ["DEL", key] => integer(i64::from(self.nodes.remove(key).is_some())),
            ["SREM", key, member] => integer(self.remove(key, member)),
            ["SSCAN", key, ..] => {
                let set = self.sets.get(key).cloned().unwrap_or_default();
                let items: Vec<_> = set.iter().map(|item| bulk(item)).collect();
                array(&[bulk("0"), array(&items)])
            }
            ["EVAL", ..] => {
                let parts: Vec<&str> = noted.iter().map(String::as_str).collect();
                self.script(&parts)
            }
            _ => b"-ERR unknown command\r\n".to_vec(),
        }
    }

    fn script(&mut self, parts: &[&str]) -> Vec<u8> {
        match *parts {
            ["beat", node, nodes, ttl] => {
                let now = Instant::now();
                self.nodes.retain(|_, until| *until > now);
                let until = now + Duration::from_millis(ttl.parse().expect("a number"));
                let known = self.nodes.insert(node.to_owned(), until).is_some();
                self.add(nodes, node);
                let all = self.sets.get(nodes).cloned().unwrap_or_default();
                let mut items = vec![integer(i64::from(known))];
                let gone = all.iter().filter(|node| !self.nodes.contains_key(*node));
                items.extend(gone.map(|node| bulk(node)));
                array(&items)
            }
            ["enter", room, list, client, capacity, _ttl, entry] => {
                let capacity: usize = capacity.parse().expect("a number");
                if self.sets.get(room).map_or(0, BTreeSet::len) >= capacity {
                    return integer(-1);
                }
                self.add(room, client);
                self.add(list, entry);
                integer(0)
            }
            ["leave", room, list, client, entry, _ttl, farewell] => {
                let removed = self.remove(list, entry) + self.remove(room, client);
                if removed > 0 && !farewell.is_empty() {
                    self.publish(room, farewell.as_bytes());
                }
                integer(i64::from(removed > 0))
            }
            ["register", room, list, _ttl, name, ref clients @ ..] => {
                for client in clients {
                    self.add(room, client);
                    self.add(list, &format!("{name} {client}"));
                }
                integer(0)
            }
            ["bury", node, list, nodes, _count] => {
                if self.nodes.contains_key(node) {
                    return integer(-1);
                }
                let entries = self.sets.remove(list).unwrap_or_default();
                for entry in &entries {
                    let Some((room, client)) = entry.split_once(' ') else {
                        continue;
                    };
                    let channel = format!("room:{room}");
                    if self.remove(&channel, client) > 0 {
                        let farewell = format!(
                            r#"{{"senderId":"{client}","data":{{"type":"peer-disconnected","clientId":"{client}"}},"originServerId":"{node}"}}"#
                        );
                        self.publish(&channel, farewell.as_bytes());
                    }
                }
                self.remove(nodes, node);
                integer(entries.len() as i64)
            }
            _ => b"-ERR unknown script\r\n".to_vec(),
        }
    }

    fn add(&mut self, key: &str, member: &str) {
        self.sets.entry(key.to_owned()).or_default().insert(member.to_owned());
    }

    fn remove(&mut self, key: &str, member: &str) -> i64 {
        let removed = self.sets.get_mut(key).is_some_and(|set| set.remove(member));
        self.sets.retain(|_, set| !set.is_empty());
        i64::from(removed)
    }

    fn publish(&mut self, channel: &str, payload: &[u8]) -> usize {
        let mut message = format!(
            "*3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n${}\r\n",
            channel.len(),
            payload.len()
        );
        message.reserve(payload.len() + 2);
        let message = [message.as_bytes(), payload, b"\r\n"].concat();
        let mut heard = 0;
        for connection in self.connections.values_mut() {
            if connection.channels.contains(channel) && connection.stream.write_all(&message).is_ok() {
                heard += 1;
            }
        }
        heard
    }
}
