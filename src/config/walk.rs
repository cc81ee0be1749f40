//! The one walker: it holds a JSON value against the table of keys and turns it into clean settings and faults.

use super::faults::{Fault, Faults, Origin};
use super::key::{Key, Kind, TextCheck};
use super::keys;
use super::located::{Located, Node};
use super::secret::MASK;
use super::suggest;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::Path;

/// A value that fits its key.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: &'static Key,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What one source sets.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) settings: Vec<Setting>,
    /// Keys of the reference server that mean nothing here.
    pub(super) without_effect: Vec<String>,
}

/// Walks a whole configuration value, as it stands in a file.
pub(super) fn walk(root: &Located, file: &Path, faults: &mut Faults) -> Layer {
    let mut walker = Walker {
        origin: &|line| Origin::File(file.to_owned(), line),
        faults,
    };
    let mut layer = Layer::default();
    walker.section("", root, &mut layer);
    layer
}

/// Holds one value against its key.
pub(super) fn setting(key: &'static Key, value: &Located, origin: Origin, faults: &mut Faults) -> Option<Setting> {
    let mut walker = Walker {
        origin: &|_| origin.clone(),
        faults,
    };
    let value = walker.value(key, key.path, value)?;
    Some(Setting { key, value, origin })
}

struct Walker<'a> {
    /// The origin of something on a line.
    origin: &'a dyn Fn(Option<usize>) -> Origin,
    faults: &'a mut Faults,
}

impl Walker<'_> {
    fn section(&mut self, path: &str, located: &Located, layer: &mut Layer) {
        let Node::Map(entries) = &located.node else {
            self.fault(path, located, true, "expected an object");
            return;
        };
        let mut seen = HashSet::new();
        for (name, value) in entries {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            if !seen.insert(name) {
                self.complain(&path, value, "given twice in the same object");
            } else if let Some(key) = keys::find(&path) {
                if let Some(clean) = self.value(key, key.path, value) {
                    layer.settings.push(Setting {
                        key,
                        value: clean,
                        origin: (self.origin)(value.line),
                    });
                }
            } else if keys::WITHOUT_EFFECT.contains(&path.as_str()) {
                layer.without_effect.push(path);
            } else if keys::is_section(&path) {
                self.section(&path, value, layer);
            } else {
                let origin = (self.origin)(value.line);
                self.faults.add(|| Fault {
                    origin,
                    value: None,
                    problem: "unknown key".to_owned(),
                    meant: suggest::key(&path),
                    key: path,
                });
            }
        }
    }

    /// The clean value, or nothing and at least one fault.
    fn value(&mut self, key: &Key, path: &str, located: &Located) -> Option<Value> {
        let shown = !key.secret;
        match (key.kind, &located.node) {
            (Kind::Bool, Node::Leaf(Value::Bool(value))) => return Some(Value::Bool(*value)),
            (Kind::Integer(min, max) | Kind::OptionalInteger(min, max), Node::Leaf(Value::Number(number))) => {
                if let Some(value) = number.as_u64().filter(|value| (min..=max).contains(value)) {
                    return Some(value.into());
                }
            }
            (Kind::OptionalInteger(..) | Kind::OptionalText(_) | Kind::OptionalChoice(_), Node::Leaf(Value::Null)) => {
                return Some(Value::Null);
            }
            (Kind::Text(check) | Kind::OptionalText(check), _) => {
                return self.text(path, check, located, shown);
            }
            (Kind::Choice(words) | Kind::OptionalChoice(words), Node::Leaf(Value::String(text))) => {
                if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(text.trim())) {
                    return Some(Value::from(*word));
                }
            }
            (Kind::TextList(check), Node::List(items)) => {
                return self.list(path, items, |walker, path, item| walker.text(path, check, item, shown));
            }
            (Kind::TextMap(check), Node::Map(entries)) => {
                return self.map(path, entries, false, |walker, path, value| {
                    walker.text(path, check, value, shown)
                });
            }
            (Kind::PlatformMap(check), Node::Map(entries)) => {
                return self.map(path, entries, true, |walker, path, value| {
                    walker.text(path, check, value, shown)
                });
            }
            (Kind::PlatformLists, Node::Map(entries)) => {
                return self.map(path, entries, true, |walker, path, value| walker.words(path, value));
            }
            (Kind::Apps, Node::List(items)) => return self.apps(path, items),
            _ => {}
        }
        self.fault(path, located, shown, &expectation(&key.kind));
        None
    }

    fn text(&mut self, path: &str, check: TextCheck, located: &Located, shown: bool) -> Option<Value> {
        if let Node::Leaf(Value::String(text)) = &located.node
            && !shown
            && text == MASK
        {
            let variable = keys::find(path).map_or(String::new(), |key| {
                format!(", or leave the key out and set {} in the environment", key.variable())
            });
            let problem = format!(
                "`{MASK}` is what --print-config shows in place of a secret: put the secret itself here{variable}"
            );
            self.complain(path, located, &problem);
            return None;
        }
        if let Node::Leaf(Value::String(text)) = &located.node
            && let Some(clean) = (check.accept)(text)
        {
            return Some(Value::String(clean));
        }
        self.fault(path, located, shown, &format!("expected {}", check.expected));
        None
    }

    fn words(&mut self, path: &str, located: &Located) -> Option<Value> {
        if let Node::List(items) = &located.node {
            let any = super::check::ANY;
            return self.list(path, items, |walker, path, item| walker.text(path, any, item, true));
        }
        self.fault(path, located, true, "expected a list of strings");
        None
    }

    fn list(
        &mut self,
        path: &str,
        items: &[Located],
        mut clean: impl FnMut(&mut Self, &str, &Located) -> Option<Value>,
    ) -> Option<Value> {
        // Every item is looked at, so that every mistake is found; one is enough to refuse the list.
        let mut cleaned = Some(Vec::new());
        for (index, item) in items.iter().enumerate() {
            let value = clean(self, &format!("{path}[{index}]"), item);
            cleaned = cleaned.zip(value).map(|(mut values, value)| {
                values.push(value);
                values
            });
        }
        cleaned.map(Value::Array)
    }

    fn map(
        &mut self,
        path: &str,
        entries: &[(String, Located)],
        fold_case: bool,
        mut clean: impl FnMut(&mut Self, &str, &Located) -> Option<Value>,
    ) -> Option<Value> {
        let mut cleaned = Map::new();
        let mut sound = true;
        for (name, located) in entries {
            let path = format!("{path}.{name}");
            let name = if fold_case { name.to_lowercase() } else { name.clone() };
            // Null takes an entry of an earlier source away.
            let value = match located.node {
                Node::Leaf(Value::Null) => Some(Value::Null),
                _ => clean(self, &path, located),
            };
            if cleaned.contains_key(&name) {
                self.complain(&path, located, "given twice in the same object");
                sound = false;
            } else if let Some(value) = value {
                cleaned.insert(name, value);
            } else {
                sound = false;
            }
        }
        sound.then_some(Value::Object(cleaned))
    }

    fn apps(&mut self, path: &str, items: &[Located]) -> Option<Value> {
        let mut ids = HashSet::new();
        self.list(path, items, |walker, path, item| {
            let app = walker.app(path, item)?;
            let id = app.get("app_id").and_then(Value::as_str).unwrap_or_default();
            if !ids.insert(id.to_owned()) {
                walker.complain(
                    &format!("{path}.app_id"),
                    item,
                    &format!("the app id `{id}` is given twice"),
                );
                return None;
            }
            Some(app)
        })
    }

    /// One app; the clean one has every field.
    fn app(&mut self, path: &str, located: &Located) -> Option<Value> {
        let Node::Map(entries) = &located.node else {
            self.fault(path, located, false, "expected an object with an `app_id`");
            return None;
        };
        let mut app: Map<String, Value> = keys::APP_FIELDS
            .iter()
            .map(|field| (field.path.to_owned(), Value::Null))
            .collect();
        let mut sound = true;
        let mut seen = HashSet::new();
        for (name, value) in entries {
            let path = format!("{path}.{name}");
            if !seen.insert(name) {
                self.complain(&path, value, "given twice in the same object");
                sound = false;
            } else if let Some(field) = keys::APP_FIELDS.iter().find(|field| field.path == name) {
                match self.app_field(field, &path, value) {
                    Some(clean) => _ = app.insert(name.clone(), clean),
                    None => sound = false,
                }
            } else {
                let names: Vec<_> = keys::APP_FIELDS.iter().map(|field| field.path).collect();
                let origin = (self.origin)(value.line);
                self.faults.add(|| Fault {
                    origin,
                    value: None,
                    problem: "unknown key".to_owned(),
                    meant: suggest::word(name, &names),
                    key: path,
                });
                sound = false;
            }
        }
        if sound && app.get("app_id").is_none_or(Value::is_null) {
            self.complain(path, located, "the app has no `app_id`");
            sound = false;
        }
        sound.then_some(Value::Object(app))
    }

    fn app_field(&mut self, field: &Key, path: &str, located: &Located) -> Option<Value> {
        if field.path != "app_id" && matches!(located.node, Node::Leaf(Value::Null)) {
            return Some(Value::Null);
        }
        self.value(field, path, located)
    }

    /// A fault that the value itself does not explain.
    fn complain(&mut self, path: &str, located: &Located, problem: &str) {
        let origin = (self.origin)(located.line);
        self.faults.add(|| Fault {
            origin,
            key: path.to_owned(),
            value: None,
            problem: problem.to_owned(),
            meant: None,
        });
    }

    /// The value is not what was expected.
    fn fault(&mut self, path: &str, located: &Located, shown: bool, problem: &str) {
        let origin = (self.origin)(located.line);
        self.faults.add(|| Fault {
            origin,
            key: path.to_owned(),
            value: Some(if shown {
                shorten(located)
            } else {
                type_of(located).to_owned()
            }),
            problem: problem.to_owned(),
            meant: None,
        });
    }
}

/// What a value of this kind must be, to be read by the operator.
pub(super) fn expectation(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "expected true or false".to_owned(),
        Kind::Integer(min, max) => format!("expected an integer from {min} to {max}"),
        Kind::OptionalInteger(min, max) => format!("expected an integer from {min} to {max}, or null"),
        Kind::Text(check) => format!("expected {}", check.expected),
        Kind::OptionalText(check) => format!("expected {}, or null", check.expected),
        Kind::Choice(words) => format!("expected one of {}", words.join(", ")),
        Kind::OptionalChoice(words) => format!("expected null or one of {}", words.join(", ")),
        Kind::TextList(check) => format!("expected a list, each entry {}", check.expected),
        Kind::TextMap(check) | Kind::PlatformMap(check) => {
            format!("expected an object, each value {}", check.expected)
        }
        Kind::PlatformLists => "expected an object, each value a list of strings".to_owned(),
        Kind::Apps => "expected a list of objects with an `app_id`".to_owned(),
    }
}

/// The value as JSON, cut if it is long.
fn shorten(located: &Located) -> String {
    const SHOWN_CHARS: usize = 60;
    let text = match &located.node {
        Node::Leaf(value) => value.to_string(),
        _ => located.to_value().to_string(),
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

/// What a value that must not be shown is.
fn type_of(located: &Located) -> &'static str {
    match &located.node {
        Node::Leaf(Value::Null) => "null",
        Node::Leaf(Value::Bool(_)) => "a boolean",
        Node::Leaf(Value::Number(_)) => "a number",
        Node::Leaf(_) => "a string",
        Node::List(_) => "a list",
        Node::Map(_) => "an object",
    }
}
