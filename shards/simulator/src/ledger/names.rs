//! Names for what servers draw: ids, codes and tokens are named here, and bound to what they are when they are first seen.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What matches anything.
pub(super) const ANY: &str = "*";

/// Names and what they stand for. Two names never stand for the same.
#[derive(Debug, Default)]
pub(super) struct Names {
    values: BTreeMap<String, String>,
    names: BTreeMap<String, String>,
}

/// The name of a player or spectator.
pub(super) fn player(number: usize) -> String {
    format!("$player:{number}")
}

/// The name of a room.
pub(super) fn room(number: usize) -> String {
    format!("$room:{number}")
}

/// The name of a code that the server draws.
pub(super) fn code(number: usize) -> String {
    format!("$code:{number}")
}

/// The name of a token.
pub(super) fn token(number: usize) -> String {
    format!("$token:{number}")
}

impl Names {
    /// Whether `name` stands for `value`, as far as anybody has seen.
    pub(super) fn stands_for(&self, name: &str, value: &str) -> bool {
        self.values.get(name).is_some_and(|known| known == value)
    }

    /// Compares what was promised with what came; names that were not seen before are bound.
    ///
    /// # Errors
    /// Where they differ.
    pub(super) fn compare(&mut self, promised: &Value, came: &Value) -> Result<(), String> {
        match (promised, came) {
            (Value::String(name), _) if name == ANY => Ok(()),
            (Value::String(name), Value::String(value)) if name.starts_with('$') => self.bind(name, value),
            (Value::Object(promised), Value::Object(came)) => self.compare_objects(promised, came),
            (Value::Array(promised), Value::Array(came)) if promised.len() == came.len() => {
                let mut pairs = promised.iter().zip(came);
                pairs.try_for_each(|(promised, came)| self.compare(promised, came))
            }
            _ if promised == came => Ok(()),
            _ => Err(format!("{promised} was promised, {came} came")),
        }
    }

    fn compare_objects(&mut self, promised: &Map<String, Value>, came: &Map<String, Value>) -> Result<(), String> {
        if let Some(key) = came.keys().find(|key| !promised.contains_key(*key)) {
            return Err(format!("{key} was not promised"));
        }
        for (key, promised) in promised {
            let came = came.get(key).ok_or_else(|| format!("{key} is missing"))?;
            self.compare(promised, came)
                .map_err(|difference| format!("{key}: {difference}"))?;
        }
        Ok(())
    }

    fn bind(&mut self, name: &str, value: &str) -> Result<(), String> {
        let known = self.values.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        if known != value {
            return Err(format!("{name} is {known}, {value} came"));
        }
        let named = self.names.entry(value.to_owned()).or_insert_with(|| name.to_owned());
        if named != name {
            return Err(format!("{value} is {named}, but stands for {name}"));
        }
        Ok(())
    }
}

/// Bytes of a message on the wire, where names are replaced by what they stand for.
pub(super) fn wire_length(message: &Value) -> usize {
    match message {
        Value::String(name) if name.starts_with("$player") || name.starts_with("$room") => 38,
        Value::String(name) if name.starts_with("$code") => 8,
        Value::Array(list) => 1 + list.len().max(1) + list.iter().map(wire_length).sum::<usize>(),
        Value::Object(fields) => {
            let length = |(key, value): (&String, &Value)| key.len() + 3 + wire_length(value);
            1 + fields.len().max(1) + fields.iter().map(length).sum::<usize>()
        }
        other => other.to_string().len(),
    }
}
