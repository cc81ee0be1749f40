//! What every key came to after all sources.

use super::faults::Origin;
use super::keys::{KEYS, Kind, Standing};
use super::typed::Config;
use super::walk::Setting;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What a reload came to (D45): paths of keys, in the order of the manual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Changed, and may change while the server runs.
    pub applied: Vec<&'static str>,
    /// Changed, and wait for a restart.
    pub waiting: Vec<&'static str>,
}

/// The value of every key and where it came from.
#[derive(Clone)]
pub struct Resolved {
    values: HashMap<&'static str, (Value, Origin)>,
}

impl Resolved {
    /// The built-in defaults.
    #[must_use]
    pub fn defaults() -> Self {
        let values = KEYS
            .iter()
            .map(|key| (key.path, (key.default.clone(), Origin::Default)))
            .collect();
        Self { values }
    }

    /// The value of a key; null for a path that is none.
    #[must_use]
    pub fn value(&self, path: &str) -> &Value {
        self.values.get(path).map_or(&Value::Null, |(value, _)| value)
    }

    /// Where the value of a key was given.
    #[must_use]
    pub fn origin(&self, path: &str) -> &Origin {
        self.values.get(path).map_or(&Origin::Default, |(_, origin)| origin)
    }

    /// Lays a setting over what is there: maps are merged, with null removing an entry; everything else replaces.
    pub(super) fn set(&mut self, setting: Setting) {
        let merged = match (setting.key.kind, setting.value) {
            (Kind::TextMap(_) | Kind::PlatformMap(_) | Kind::PlatformLists, Value::Object(entries)) => {
                let mut map = match self.value(setting.key.path) {
                    Value::Object(map) => map.clone(),
                    _ => Map::new(),
                };
                map.extend(entries);
                map.retain(|_, value| !value.is_null());
                Value::Object(map)
            }
            (_, value) => value,
        };
        self.values.insert(setting.key.path, (merged, setting.origin));
    }

    /// Takes over from `new` what may change while the server runs, and names all that differs.
    pub fn reload(&mut self, new: &Self) -> Change {
        let mut change = Change::default();
        for key in KEYS.iter().filter(|key| key.standing == Standing::Active) {
            if self.value(key.path) == new.value(key.path) {
                continue;
            }
            if key.reloads {
                let value = new.value(key.path).clone();
                self.values.insert(key.path, (value, new.origin(key.path).clone()));
                change.applied.push(key.path);
            } else {
                change.waiting.push(key.path);
            }
        }
        change
    }

    /// The typed configuration.
    pub(super) fn config(&self) -> Result<Config, serde_json::Error> {
        let mut root = Map::new();
        for key in KEYS.iter().filter(|key| key.standing == Standing::Active) {
            insert(&mut root, key.path, self.value(key.path).clone());
        }
        serde_json::from_value(Value::Object(root))
    }
}

impl Default for Config {
    /// The documented defaults.
    fn default() -> Self {
        // The table is a constant of this program, and the tests beside it load it.
        Resolved::defaults()
            .config()
            .expect("the defaults of the table of keys fit the types of Config")
    }
}

/// Secrets stay out of every debug output (D34); [`manual::json`](super::manual::json) shows the rest.
impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolved").finish_non_exhaustive()
    }
}

/// Puts a value at a path, with the objects above it.
fn insert(map: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => _ = map.insert(path.to_owned(), value),
        Some((first, rest)) => {
            let inner = map.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
