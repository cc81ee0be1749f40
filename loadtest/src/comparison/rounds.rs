//! What lies in the folder of a comparison: the reports of all rounds, what the servers counted, the floor, and what each
//! server was.

use crate::accounting::Counts;
use crate::floor::Floor;
use crate::host::Host;
use crate::report::{GeneratorUse, LatencyReport, ServerUse, StepReport, Throughput};
use crate::rooms::ConnectionCounts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// Rounds of each server under one load.
pub(super) type Servers = BTreeMap<String, Vec<Round>>;
/// Servers by measure.
pub(super) type Reports = BTreeMap<String, Servers>;

/// What a comparison takes of a [`crate::report::Report`]; members that an earlier generator did not write are empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Round {
    pub(super) host: Host,
    pub(super) plan: Asked,
    pub(super) measured_s: f64,
    pub(super) connections: ConnectionCounts,
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) messages: Counts,
    pub(super) throughput: Throughput,
    pub(super) latencies: Vec<LatencyReport>,
    pub(super) generator: GeneratorUse,
    pub(super) server: Option<ServerUse>,
    pub(super) steps: Vec<StepReport>,
    /// Of a file beside the report.
    #[serde(skip)]
    pub(super) counts: Option<ServerCounts>,
    /// Messages that each shard sent, of a file beside the report; empty where it was not asked.
    #[serde(skip)]
    pub(super) by_shard: Vec<f64>,
}

/// The load of a [`crate::plan::Plan`]; its target need not exist where results are compared.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) rooms: f64,
    pub(super) players: f64,
    pub(super) spectators: f64,
    pub(super) rate: f64,
}

/// What a server says at its end that it counted in its whole life.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct ServerCounts {
    pub(super) messages_out: f64,
    pub(super) sends: f64,
    pub(super) receives: f64,
}

impl Round {
    /// Deliveries per second that the load asks for.
    pub(super) fn asked_per_s(&self) -> f64 {
        let Asked {
            rooms,
            players,
            spectators,
            rate,
        } = self.plan;
        rooms * players * rate * (players + spectators - 1.0)
    }

    /// Whether the report is of a rate that held; true where none was searched for.
    pub(super) fn held(&self) -> bool {
        self.steps.is_empty() || self.steps.iter().any(|step| step.fault.is_none())
    }

    /// What the generator says against itself; its first words are enough. A search also ends where the generator does.
    pub(super) fn verdict(&self) -> Option<&str> {
        if let Some(said) = &self.generator.bottleneck {
            return said.split(':').next();
        }
        let mut steps = self.steps.iter();
        steps
            .any(|step| step.generator.is_some())
            .then_some("the generator was in the way at other rates")
    }
}

/// The relay measures, by rising rate.
pub(super) fn relays(reports: &Reports) -> impl Iterator<Item = (&String, &Servers)> {
    reports.iter().filter(|(measure, _)| measure.starts_with("relay"))
}

/// What a server is called here whose own files lie in the repository.
pub(super) const OURS: &str = "ours";

/// Our server first, the others by name.
pub(super) fn in_order(servers: &Servers) -> impl Iterator<Item = (&String, &Vec<Round>)> {
    let ours = servers.get_key_value(OURS);
    ours.into_iter()
        .chain(servers.iter().filter(|(server, _)| *server != OURS))
}

/// What lay in the folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) reports: Reports,
    pub(super) floor: Option<Floor>,
    /// What each server was, by its name.
    pub(super) versions: BTreeMap<String, String>,
}

/// How the name of a file ends in which a server's counts lie, and those of its shards.
const COUNTS: &str = "__counts";
const SHARDS: &str = "__shards";

impl Found {
    /// Reads the folder.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let fault = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
        let mut found = Self::default();
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(fault)? {
            paths.push(entry.map_err(fault)?.path());
        }
        // By name, so that rounds come in their order.
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.and_then(|name| name.strip_suffix(".json")) else {
                continue;
            };
            match name.split("__").collect::<Vec<_>>()[..] {
                ["floor"] => found.floor = Some(parsed(&path)?),
                ["versions"] => found.versions = parsed(&path)?,
                [measure, server, _round] => {
                    let mut round: Round = parsed(&path)?;
                    // The server may have died before it said what it counted.
                    round.counts = parsed(&folder.join(format!("{name}{COUNTS}.json"))).ok();
                    round.by_shard = parsed(&folder.join(format!("{name}{SHARDS}.json"))).unwrap_or_default();
                    let servers = found.reports.entry(measure.to_owned()).or_default();
                    servers.entry(server.to_owned()).or_default().push(round);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

fn parsed<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let fault = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| fault(&error))?;
    serde_json::from_str(&text).map_err(|error| fault(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_in_the_order_of_its_rounds() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("churn__ours__2.json", r#"{"completed": 2}"#);
        write("churn__ours__1.json", r#"{"completed": 1, "a_member_of_later": 5}"#);
        write(
            "churn__ours__2__counts.json",
            r#"{"messages_out": 4, "sends": 3, "receives": 2}"#,
        );
        write("churn__ours__2__shards.json", "[5, 6]");
        write("versions.json", r#"{"ours": "abc"}"#);
        write("notes.txt", "nothing");
        let found = Found::read(folder.path()).unwrap();
        let rounds = &found.reports["churn"]["ours"];
        assert_eq!(rounds.iter().map(|round| round.completed).collect::<Vec<_>>(), [1, 2]);
        assert!(rounds[0].counts.is_none());
        assert_eq!(rounds[1].counts.unwrap().sends, 3.0);
        assert_eq!(rounds[1].by_shard, [5.0, 6.0]);
        assert_eq!(found.versions["ours"], "abc");
        write("idle__ours__1.json", "no report");
        let fault = Found::read(folder.path()).unwrap_err();
        assert!(fault.contains("idle__ours__1.json"), "{fault}");
    }
}
