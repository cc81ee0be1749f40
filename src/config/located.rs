//! JSON that remembers its lines.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// A JSON value and the line it begins on, counted from 1, if it came from a file.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) line: Option<usize>,
    pub(super) node: Node,
}

/// A JSON value. Entries of a map are in the order of the text, repeated keys included.
#[derive(Debug)]
pub(super) enum Node {
    /// Neither a list nor a map.
    Leaf(Value),
    List(Vec<Located>),
    Map(Vec<(String, Located)>),
}

impl Located {
    /// Parses a text.
    ///
    /// # Errors
    /// What serde_json says, with line and column; it also refuses more than 127 levels.
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        // The whole text first: below this line it is known to be JSON of bounded depth.
        serde_json::from_str::<Value>(text)?;
        let line_ends = text.match_indices('\n').map(|(offset, _)| offset).collect();
        locate(serde_json::from_str(text)?, &Lines { text, line_ends })
    }

    /// The value without its lines; of repeated keys the last.
    pub(super) fn to_value(&self) -> Value {
        match &self.node {
            Node::Leaf(value) => value.clone(),
            Node::List(items) => items.iter().map(Self::to_value).collect(),
            Node::Map(entries) => entries
                .iter()
                .map(|(name, value)| (name.clone(), value.to_value()))
                .collect(),
        }
    }
}

impl From<Value> for Located {
    fn from(value: Value) -> Self {
        let node = match value {
            Value::Array(items) => Node::List(items.into_iter().map(Self::from).collect()),
            Value::Object(entries) => Node::Map(
                entries
                    .into_iter()
                    .map(|(name, value)| (name, Self::from(value)))
                    .collect(),
            ),
            leaf => Node::Leaf(leaf),
        };
        Self { line: None, node }
    }
}

struct Lines<'a> {
    text: &'a str,
    line_ends: Vec<usize>,
}

impl Lines<'_> {
    /// The line of a part of the text.
    fn of(&self, part: &str) -> usize {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        self.line_ends.partition_point(|end| *end < offset) + 1
    }
}

fn locate(raw: &RawValue, lines: &Lines<'_>) -> Result<Located, serde_json::Error> {
    let text = raw.get();
    let node = match text.as_bytes().first() {
        Some(b'{') => {
            let entries: Entries<'_> = serde_json::from_str(text)?;
            let located = entries.0.into_iter().map(|(name, raw)| Ok((name, locate(raw, lines)?)));
            Node::Map(located.collect::<Result<_, serde_json::Error>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            let located = items.into_iter().map(|raw| locate(raw, lines));
            Node::List(located.collect::<Result<_, _>>()?)
        }
        _ => Node::Leaf(serde_json::from_str(text)?),
    };
    Ok(Located {
        line: Some(lines.of(text)),
        node,
    })
}

/// The entries of an object, repeated keys included.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}
