//! Orders of an operator are carried out, one after the other. Each is logged.

use super::admin::{self, Order, RoomFilter};
use super::{Desk, WAIT_MAX};
use crate::control::Message;
use crate::metrics;
use crossbeam_channel::{Sender, bounded};
use serde_json::{Value, json};
use signal_fish_core::ShardIndex;
use signal_fish_core::admission::normalise;
use signal_fish_core::http::{DeskAnswer, Inquiry};
use signal_fish_core::room::{MemberDetail, RoomDetail, RoomId, RoomOverview, RoomQuery};
use signal_fish_core::shard::{Question, Reply};
use std::net::IpAddr;
use std::time::{Duration, Instant};

impl Desk {
    /// Checks who asks and for what, and does it.
    pub(super) fn administer(&mut self, inquiry: &Inquiry) -> DeskAnswer {
        let now = Instant::now();
        let address = inquiry.client;
        if self.guesses.are_too_many(now, address) {
            self.denied.admin += 1;
            return admin::too_many_guesses();
        }
        if !self.locks().admin.opens_to(inquiry.authorization.as_deref()) {
            self.denied.admin += 1;
            self.guesses.count(now, address);
            tracing::debug!(%address, "administration was refused: no token, or a wrong one");
            return super::paths::unauthorized();
        }
        match Order::read(inquiry) {
            Ok(order) => self.carry_out(address, order),
            Err(answer) => answer,
        }
    }

    fn carry_out(&mut self, asker: IpAddr, order: Order) -> DeskAnswer {
        match order {
            Order::Status => self.status(),
            Order::Rooms(filter) => self.rooms(&filter),
            Order::Room(room) => match self.ask_owner(room, &Question::Room(room)) {
                Some(Reply::Room(Some(detail))) => admin::done(&self.detail(&detail)),
                Some(_) => admin::absent("There is no such room."),
                None => admin::no_reply(),
            },
            Order::CloseRoom(room) => {
                tracing::info!(address = %asker, %room, "administration: a room is closed");
                self.done_by_owner(room, &Question::CloseRoom(room), "There is no such room.")
            }
            Order::Kick(room, member, reason) => {
                tracing::info!(address = %asker, %room, player = %member, reason, "administration: a player is removed");
                let reason = reason.into();
                let question = Question::Kick { room, member, reason };
                self.done_by_owner(room, &question, "There is no such player in this room.")
            }
            Order::Bans => self.bans(),
            Order::Ban(address, time) => self.ban(asker, address, time),
            Order::LiftBan(address) => {
                tracing::info!(address = %asker, banned = %address, "administration: a ban is lifted");
                match self.ask_control(|to| Message::LiftBan(address, to)) {
                    Some(true) => admin::done(&json!({"lifted": normalise(address)})),
                    Some(false) => admin::absent("This address is not banned."),
                    None => admin::no_reply(),
                }
            }
        }
    }

    // ----- the server

    fn status(&mut self) -> DeskAnswer {
        let collected = self.collect();
        // What the metrics show, without what takes many lines.
        let mut shown: Value = serde_json::from_str(&metrics::json(&collected)).unwrap_or_default();
        for long in ["latency", "closes"] {
            shown.as_object_mut().map(|shown| shown.remove(long));
        }
        for shard in shown["shards"].as_array_mut().into_iter().flatten() {
            shard.as_object_mut().map(|shard| shard.remove("latency"));
        }
        shown["is_well"] = (collected.is_well() && collected.admission_is_fresh).into();
        admin::done(&shown)
    }

    fn ask_control<T>(&self, message: impl FnOnce(Sender<T>) -> Message) -> Option<T> {
        let (to, from) = bounded(1);
        self.shards.control().send(message(to));
        from.recv_timeout(WAIT_MAX).ok()
    }

    // ----- rooms

    fn rooms(&mut self, filter: &RoomFilter) -> DeskAnswer {
        let app = filter.app.as_ref().map(|wanted| self.locks().app(wanted));
        if app == Some(None) {
            return admin::done(&json!({"rooms": [], "next": null, "without_reply": []}));
        }
        let mut query = RoomQuery {
            game: filter.game.as_deref().map(Into::into),
            code: filter.code.as_deref().map(Into::into),
            app: app.flatten(),
            from: filter.after.1,
            count: filter.limit,
        };
        let deadline = Instant::now() + WAIT_MAX;
        let (mut rooms, mut without_reply, mut next) = (Vec::new(), Vec::new(), None);
        let mut shard = filter.after.0;
        while usize::from(shard) < self.shards.len() {
            if query.count == 0 || Instant::now() > deadline {
                next = Some(format!("{shard}.{}", query.from));
                break;
            }
            let question = Question::Rooms(query.clone());
            match self.shards.ask_one(&self.from.replies, ShardIndex(shard), &question) {
                Some(Reply::Rooms(page)) => {
                    query.count = query.count.saturating_sub(page.rooms.len());
                    rooms.extend(page.rooms.iter().map(|room| self.overview(room)));
                    if let Some(next) = page.next {
                        query.from = next;
                        continue;
                    }
                }
                _ => without_reply.push(shard),
            }
            shard += 1;
            query.from = 0;
        }
        admin::done(&json!({"rooms": rooms, "next": next, "without_reply": without_reply}))
    }

    fn ask_owner(&mut self, room: RoomId, question: &Question) -> Option<Reply> {
        let owner = self.routing.room_id(room);
        self.shards.ask_one(&self.from.replies, owner, question)
    }

    fn done_by_owner(&mut self, room: RoomId, question: &Question, absent: &str) -> DeskAnswer {
        match self.ask_owner(room, question) {
            Some(Reply::Done(true)) => admin::done(&json!({"done": true})),
            Some(_) => admin::absent(absent),
            None => admin::no_reply(),
        }
    }

    fn overview(&self, room: &RoomOverview) -> Value {
        let app = room.app.and_then(|app| self.locks().app_id(app));
        json!({
            "room_id": room.id,
            "game_name": room.game,
            "room_code": room.code,
            "app_id": app,
            "lobby_state": room.state,
            "players": room.players,
            "max_players": room.max_players,
            "spectators": room.spectators,
            "players_who_may_return": room.awaited,
            "age_seconds": room.age.as_secs(),
            "silent_seconds": room.silent.as_secs(),
            "messages": room.messages,
            "messages_per_second": (room.messages_per_sec * 100.0).round() / 100.0,
        })
    }

    fn detail(&self, detail: &RoomDetail) -> Value {
        let mut shown = self.overview(&detail.room);
        shown["supports_authority"] = detail.supports_authority.into();
        shown["relay_type"] = (*detail.relay_type).into();
        shown["members"] = detail.members.iter().map(member).collect();
        shown
    }

    // ----- bans

    fn bans(&self) -> DeskAnswer {
        let Some(bans) = self.ask_control(Message::Bans) else {
            return admin::no_reply();
        };
        let bans = bans.iter();
        let bans: Vec<_> = bans
            .map(|(address, left)| json!({"address": address, "seconds_left": left.as_secs()}))
            .collect();
        admin::done(&json!({ "bans": bans }))
    }

    fn ban(&mut self, asker: IpAddr, address: IpAddr, time: Duration) -> DeskAnswer {
        let banned = normalise(address);
        if banned == normalise(asker) {
            return admin::own_address();
        }
        tracing::info!(address = %asker, banned = %address, seconds = time.as_secs(), "administration: an address is banned");
        match self.ask_control(|to| Message::Ban(address, time, to)) {
            None => return admin::no_reply(),
            Some(false) => return admin::too_many_bans(),
            Some(true) => {}
        }
        // Twice, because a connection may be on its way from a shard that was not asked yet to one that was.
        let question = Question::CloseAddress(banned);
        let first = self.shards.ask(&self.from.replies, &question);
        let second = self.shards.ask(&self.from.replies, &question);
        admin::done(&json!({
            "banned": banned,
            "seconds": time.as_secs(),
            "is_disconnected": first && second,
        }))
    }
}

fn member(member: &MemberDetail) -> Value {
    json!({
        "player_id": member.id,
        "player_name": member.name,
        "role": if member.is_spectator { "spectator" } else { "player" },
        "is_ready": member.is_ready,
        "is_authority": member.is_authority,
        "address": member.address,
        "certificate_sha256": member.certificate,
        "unsent_bytes": member.unsent_bytes,
    })
}
