//! `shards.*`: how many shards there are and where they run.

use crate::config::check;
use crate::config::key::Kind::{Bool, Integer, Text};
use crate::config::key::key;
use crate::config::section::section;
use serde::{Deserialize, Deserializer};

section! {
    /// `shards.*`.
    pub struct Shards {
        /// Number of shards; each is one thread that owns its rooms and connections. 0: one per available CPU.
        pub count: usize = key("shards.count", Integer(0, 1024), 0)
            .weigh("More shards than CPUs share CPUs, run unpinned and gain nothing.");

        /// Whether each shard stays on a CPU of its own.
        pub pin: bool = key("shards.pin", Bool, true)
            .weigh("Off helps only where other programs keep the same CPUs busy; it costs latency.");

        /// CPUs for the shards, such as `0-3,6`. Empty: the affinity mask of the process.
        #[serde(deserialize_with = "cpus")]
        pub cpus: Vec<usize> = key("shards.cpus", Text(check::CPU_LIST), "").weigh(
            "Leave the CPUs out that serve the network card's interrupts. A CPU outside the affinity mask stops the start.",
        );
    }
}

fn cpus<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    check::parse_cpus(&text).ok_or_else(|| serde::de::Error::custom(check::CPU_LIST.expected))
}
