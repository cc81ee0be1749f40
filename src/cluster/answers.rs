//! What Redis answers to commands, and what that changes: who is in, which nodes live.

use super::figures::Operation;
use super::link::Link;
use super::node::{Command, Node, PING_INTERVAL, Scan};
use super::resp::Reply;
use super::scripts::BURIED_MAX;
use signal_fish_core::admission::Refusal;
use std::time::Duration;

impl Node {
    /// Whether it makes sense.
    pub(super) fn command_answered(&mut self, reply: Reply, now: Duration) -> bool {
        let Some((sent_at, command)) = self.commands.answered(now) else {
            return false;
        };
        let operation = match &command {
            Command::Greet | Command::Beat | Command::Bye => Operation::Ping,
            Command::Enter(_) => Operation::Enter,
            Command::Leave(_) => Operation::Leave,
            Command::Publish => Operation::Publish,
            Command::Register | Command::Scan => Operation::Refresh,
            Command::Bury(_) => Operation::Bury,
        };
        self.figures.record(operation, now.saturating_sub(sent_at));
        let error = match &reply {
            Reply::Error(error) => Some(Fault::of(error)),
            _ => None,
        };
        match command {
            Command::Greet => {
                if error.is_some() {
                    self.failed(Link::Commands, now, "it does not accept who this is");
                }
                return true;
            }
            Command::Beat => match (reply, error) {
                (Reply::Array(items), _) => return self.beat_answered(items, now),
                (_, Some(_)) if !self.commands.is_up() => {
                    self.failed(Link::Commands, now, "it answers with an error");
                    return true;
                }
                (_, Some(_)) => {}
                _ => return false,
            },
            Command::Enter(asker) => match reply {
                Reply::Integer(0) => self.entered(asker),
                Reply::Integer(_) => self.refuse(asker, Refusal::RoomFull),
                _ => self.refuse(asker, Refusal::Redis),
            },
            Command::Leave(counted) => {
                if counted && reply != Reply::Integer(1) {
                    self.figures.unpublished += 1;
                }
            }
            Command::Publish => self.figures.unpublished += u64::from(error.is_some()),
            Command::Register | Command::Bye => {}
            Command::Scan => match reply {
                Reply::Array(items) => return self.scanned(items),
                _ => self.scan = Scan::Idle,
            },
            Command::Bury(node) => {
                self.buries = false;
                if reply == Reply::Integer(BURIED_MAX) {
                    self.bury(now, node);
                } else {
                    if reply != Reply::Integer(-1) && error.is_none() {
                        self.figures.buried += 1;
                        tracing::info!(node = &*node, "the clients of a node that is gone were removed");
                    }
                    self.missing.forget(&node);
                }
            }
        }
        match error {
            // The key of a room is something else: that is nothing that Redis could do better.
            Some(Fault::WrongType) | None => self.count_success(Link::Commands, now),
            Some(Fault::Other) => self.count_failure(Link::Commands, now, "it answers with errors"),
        }
        true
    }

    pub(super) fn beat(&mut self, now: Duration) {
        self.beat_at = now.saturating_add(PING_INTERVAL);
        let writer = &self.writer;
        self.commands.send(now, Command::Beat, |out| writer.beat(out));
    }

    pub(super) fn beat_answered(&mut self, items: Vec<Reply>, now: Duration) -> bool {
        let mut items = items.into_iter();
        let Some(Reply::Integer(known)) = items.next() else {
            return false;
        };
        let gone = items.filter_map(|item| match item {
            Reply::Bytes(node) => String::from_utf8(node).ok().map(String::into_boxed_str),
            _ => None,
        });
        self.missing.look(now, gone.collect());
        if !self.commands.is_up() {
            self.commands.greeted();
            self.in_doubt = true;
            self.figures.up = self.channels.is_up();
        }
        // It stood still for so long that others took it for dead.
        self.in_doubt |= known == 0;
        self.count_success(Link::Commands, now);
        if self.breaker.is_closed()
            && !self.buries
            && let Some(node) = self.missing.dead(now)
        {
            let node = Box::from(node);
            self.bury(now, node);
        }
        true
    }

    pub(super) fn bury(&mut self, now: Duration, node: Box<str>) {
        if !self.breaker.is_closed() || !self.commands.is_up() {
            return;
        }
        self.buries = true;
        let writer = &self.writer;
        let name = node.clone();
        self.commands
            .send(now, Command::Bury(node), |out| writer.bury(&name, out));
    }
}

/// What kind of error Redis answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A key holds something of another application.
    WrongType,
    Other,
}

impl Fault {
    fn of(error: &str) -> Self {
        // Redis 6 puts the error of a script into a sentence.
        if error.contains("WRONGTYPE") {
            Self::WrongType
        } else {
            Self::Other
        }
    }
}
