//! Nodes that say nothing any more. One counts as dead when its key was gone for [`GONE_FOR`] in which Redis answered:
//! after a long outage the keys of the living are gone as well.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long the key of a node has to be gone.
const GONE_FOR: Duration = Duration::from_secs(5);

/// The nodes whose keys are gone.
#[derive(Debug, Default)]
pub(super) struct Missing {
    since: BTreeMap<Box<str>, Duration>,
    /// Nobody is buried before: nodes come back from an outage one after the other.
    not_before: Duration,
}

impl Missing {
    /// The keys of these nodes are gone now; those of all others are there.
    pub(super) fn look(&mut self, now: Duration, gone: Vec<Box<str>>) {
        let before = std::mem::take(&mut self.since);
        let since = |node: &str| before.get(node).copied().unwrap_or(now);
        self.since = gone.into_iter().map(|node| (node.clone(), since(&node))).collect();
    }

    /// A node that counts as dead.
    pub(super) fn dead(&self, now: Duration) -> Option<&str> {
        if now < self.not_before {
            return None;
        }
        let mut nodes = self.since.iter();
        nodes.find_map(|(node, since)| (now.saturating_sub(*since) >= GONE_FOR).then_some(&**node))
    }

    /// A node was buried, or lives after all.
    pub(super) fn forget(&mut self, node: &str) {
        self.since.remove(node);
    }

    /// Redis does not answer: what was seen before says nothing.
    pub(super) fn redis_failed(&mut self) {
        self.since.clear();
    }

    /// Redis answers again. The others have noticed, too, once they have tried again, which takes them `retry` at most.
    pub(super) fn redis_answers(&mut self, now: Duration, retry: Duration) {
        self.not_before = now.saturating_add(retry).saturating_add(GONE_FOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn gone(nodes: &[&str]) -> Vec<Box<str>> {
        nodes.iter().map(|node| (*node).into()).collect()
    }

    #[test]
    fn a_node_is_dead_when_its_key_stays_away() {
        let mut missing = Missing::default();
        missing.look(SECOND, gone(&["a", "b"]));
        missing.look(4 * SECOND, gone(&["b"]));
        assert_eq!(missing.dead(5 * SECOND), None);
        missing.look(6 * SECOND, gone(&["a", "b"]));
        assert_eq!(missing.dead(6 * SECOND), Some("b"), "a was back in between");
        missing.forget("b");
        assert_eq!(missing.dead(10 * SECOND), None);
        assert_eq!(missing.dead(11 * SECOND), Some("a"));
    }

    #[test]
    fn an_outage_buries_nobody() {
        let mut missing = Missing::default();
        missing.look(SECOND, gone(&["a"]));
        missing.redis_failed();
        missing.redis_answers(60 * SECOND, 30 * SECOND);
        missing.look(60 * SECOND, gone(&["a"]));
        assert_eq!(missing.dead(65 * SECOND), None, "a may not have noticed yet");
        assert_eq!(missing.dead(94 * SECOND), None);
        assert_eq!(missing.dead(95 * SECOND), Some("a"));
    }
}
