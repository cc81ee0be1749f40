//! What the table of keys says to people: the resolved configuration, the shipped `config.json`, `docs/configuration.md`.

use super::keys::{KEYS, Key};
use super::resolved::Resolved;
use serde_json::Value;

/// A configuration as JSON, every key in the order of the table, secrets as `"***"` (D34).
#[must_use]
pub fn json(resolved: &Resolved) -> String {
    let entries: Vec<_> = KEYS
        .iter()
        .map(|key| (key.path, shown(key, resolved.value(key.path))))
        .collect();
    let mut out = String::new();
    write_object(&entries, 1, &mut out);
    out.push('\n');
    out
}

/// Writes the entries of one object; those of a section stand together in the table.
fn write_object(entries: &[(&str, Value)], depth: usize, out: &mut String) {
    out.push('{');
    let mut rest = entries;
    while let Some((path, value)) = rest.first() {
        if rest.len() < entries.len() {
            out.push(',');
        }
        new_line(depth, out);
        let (name, inner) = path
            .split_once('.')
            .map_or((*path, None), |(name, inner)| (name, Some(inner)));
        write_value(&Value::from(name), depth, out);
        out.push_str(": ");
        if inner.is_none() {
            write_value(value, depth, out);
            rest = &rest[1..];
            continue;
        }
        let section: Vec<_> = rest
            .iter()
            .map_while(|(path, value)| {
                let (first, inner) = path.split_once('.')?;
                (first == name).then(|| (inner, value.clone()))
            })
            .collect();
        write_object(&section, depth + 1, out);
        rest = &rest[section.len()..];
    }
    new_line(depth - 1, out);
    out.push('}');
}

fn write_value(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let entries: Vec<_> = entries.iter().collect();
            out.push('{');
            for (index, (name, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                new_line(depth + 1, out);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push_str(": ");
                write_value(value, depth + 1, out);
            }
            new_line(depth, out);
            out.push('}');
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                new_line(depth + 1, out);
                write_value(item, depth + 1, out);
            }
            new_line(depth, out);
            out.push(']');
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(Value::to_string).collect();
            out.push('[');
            out.push_str(&items.join(", "));
            out.push(']');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// The value as it may be shown.
fn shown(key: &Key, value: &Value) -> Value {
    const MASK: &str = "***";
    match value {
        Value::Array(apps) if key.secret => apps
            .iter()
            .map(|app| {
                let mut app = app.clone();
                if let Some(secret) = app.get_mut("app_secret").filter(|secret| !secret.is_null()) {
                    *secret = MASK.into();
                }
                app
            })
            .collect(),
        Value::Null => Value::Null,
        _ if key.secret => MASK.into(),
        value => value.clone(),
    }
}
