//! Questions of the process are answered.

use super::Desk;
use super::local::Local;
use crate::metrics;
use signal_fish_core::shard::{Question, Reply};
use std::time::Instant;

impl Desk {
    /// Whoever does not wait any more gets no answer.
    pub(super) fn answer_locally(&mut self, question: Local) {
        match question {
            Local::Alive(to) => _ = to.try_send(self.shards.are_well(&self.from.replies)),
            Local::Metrics(to) => {
                self.pause();
                self.began = Some(Instant::now());
                let collected = self.collect();
                _ = to.try_send(metrics::json(&collected));
            }
            Local::Rooms(shard, query, to) => {
                let reply = self.shards.ask_one(&self.from.replies, shard, &Question::Rooms(query));
                let page = match reply {
                    Some(Reply::Rooms(page)) => Some(page),
                    _ => None,
                };
                _ = to.try_send(page);
            }
        }
    }
}
