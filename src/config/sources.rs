//! Where configuration comes from, and which source wins (D32).

use super::faults::{Fault, Faults, Origin};
use super::key::{Key, Kind};
use super::keys;
use super::located::Located;
use super::suggest;
use super::walk::{self, Layer};
use serde_json::Value;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Read in the working directory when no other file is named.
const DEFAULT_FILE: &str = "config.json";
/// Names the file, as `--config` does.
const PATH_VARIABLE: &str = "SIGNAL_FISH_CONFIG_PATH";
/// A configuration is written by hand; more than this is a wrong file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Documented for the listener that matchbox clients know: `false` turns it on.
const ENHANCED_MODE_VARIABLE: &str = "MATCHBOX_ENHANCED_MODE";
/// Variables of the reference server that this one does not read.
const UNREAD_VARIABLES: &[&str] = &[
    "SIGNAL_FISH_CONFIG_JSON",
    "SIGNAL_FISH_CONFIG_STDIN",
    "SIGNAL_FISH_PRODUCTION",
];

/// What a configuration is made from, besides the built-in defaults.
#[derive(Clone, Default)]
pub struct Sources {
    /// A file that must exist. None: `config.json` in the working directory, if it exists.
    pub file: Option<PathBuf>,
    /// Environment variables; but for `MATCHBOX_ENHANCED_MODE`, those whose name does not begin with `SIGNAL_FISH_` are
    /// passed over.
    pub environment: Vec<(OsString, OsString)>,
    /// Command-line flags: name, path of the key, text of the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// What the sources say, in ascending order of precedence.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) layers: Vec<Layer>,
    pub(super) file: Option<PathBuf>,
    pub(super) warnings: Vec<String>,
}

impl Sources {
    /// Reads every source and holds each value against the table.
    pub(super) fn read(&self, faults: &mut Faults) -> Layers {
        let mut read = Layers::default();
        let mut environment = Layer::default();
        self.enhanced_mode(&mut environment, faults);
        let (links, variables): (Vec<_>, Vec<_>) = self
            .variables(faults)
            .into_iter()
            .partition(|(name, value)| is_service_link(name, value));
        read.warnings.extend(explain_service_links(&links));
        for (name, value) in &variables {
            if name != PATH_VARIABLE {
                read_variable(name, value, &variables, &mut environment, &mut read.warnings, faults);
            }
        }
        let named = variables
            .iter()
            .find(|(name, value)| name == PATH_VARIABLE && !value.is_empty());
        read.file = self
            .file
            .clone()
            .or_else(|| named.map(|(_, path)| PathBuf::from(path)))
            .or_else(|| Path::new(DEFAULT_FILE).exists().then(|| PathBuf::from(DEFAULT_FILE)));
        if let Some(path) = &read.file {
            read.layers.extend(read_file(path, faults));
        }
        read.layers.push(environment);
        read.layers.push(self.flags(faults));
        read
    }

    /// The variables that are ours, sorted by name.
    fn variables(&self, faults: &mut Faults) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for (name, value) in &self.environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with("SIGNAL_FISH_")) else {
                continue;
            };
            match value.to_str() {
                Some(value) => variables.push((name.to_owned(), value.to_owned())),
                None => faults.add(|| Fault {
                    origin: Origin::Variable(name.to_owned()),
                    key: String::new(),
                    value: None,
                    problem: "the value is not UTF-8".to_owned(),
                    meant: None,
                }),
            }
        }
        variables.sort();
        variables
    }

    /// `MATCHBOX_ENHANCED_MODE`, which says what is *not* wanted. A variable for `matchbox.enabled` itself wins.
    fn enhanced_mode(&self, layer: &mut Layer, faults: &mut Faults) {
        let given = self.environment.iter().find(|(name, _)| name == ENHANCED_MODE_VARIABLE);
        let Some(text) = given.map(|(_, value)| value.to_string_lossy()) else {
            return;
        };
        let origin = Origin::Variable(ENHANCED_MODE_VARIABLE.to_owned());
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "true" => {}
            "false" => {
                if let Some(key) = keys::find("matchbox.enabled") {
                    layer
                        .settings
                        .extend(walk::setting(key, &Located::from(Value::Bool(true)), origin, faults));
                }
            }
            _ => faults.add(|| Fault {
                origin,
                key: "matchbox.enabled".to_owned(),
                value: Some(Value::from(text.as_ref()).to_string()),
                problem: "expected true or false".to_owned(),
                meant: None,
            }),
        }
    }

    fn flags(&self, faults: &mut Faults) -> Layer {
        let mut layer = Layer::default();
        for (flag, path, text) in &self.flags {
            if let Some(key) = keys::find(path) {
                layer
                    .settings
                    .extend(walk::setting(key, &typed(key, text), Origin::Flag(flag), faults));
            }
        }
        layer
    }
}

/// The environment holds secrets, of other programs as well.
impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

fn read_file(path: &Path, faults: &mut Faults) -> Option<Layer> {
    let mut unusable = |problem: String, line: Option<usize>| {
        faults.add(|| Fault {
            origin: Origin::File(path.to_owned(), line),
            key: String::new(),
            value: None,
            problem,
            meant: None,
        });
    };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        unusable(format!("cannot be read: {error}"), None);
        return None;
    }
    if bytes.len() as u64 > FILE_BYTES_MAX {
        unusable(format!("is over {FILE_BYTES_MAX} bytes long: no configuration"), None);
        return None;
    }
    let Ok(text) = String::from_utf8(bytes) else {
        unusable("is not UTF-8".to_owned(), None);
        return None;
    };
    // Some editors begin a file with a byte order mark, which JSON does not know.
    match Located::parse(text.strip_prefix('\u{feff}').unwrap_or(&text)) {
        Ok(root) => Some(walk::walk(&root, path, faults)),
        Err(error) => {
            unusable(format!("is not JSON: {error}"), Some(error.line()));
            None
        }
    }
}

fn read_variable(
    name: &str,
    text: &str,
    all: &[(String, String)],
    layer: &mut Layer,
    warnings: &mut Vec<String>,
    faults: &mut Faults,
) {
    let path = path_of(name);
    let Some(key) = keys::find(&path) else {
        if keys::WITHOUT_EFFECT.contains(&path.as_str()) {
            layer.without_effect.push(path);
        } else {
            warnings.push(unknown_variable(name, &path));
        }
        return;
    };
    // Sorted by name, the spelling with one underscore (`SIGNAL_FISH_P...`) comes before or after the other
    // (`SIGNAL_FISH__P...`); the pair is reported once, at its second.
    let earlier = all
        .iter()
        .take_while(|(other, _)| other != name)
        .find(|(other, _)| path_of(other) == path);
    if let Some((earlier, other_text)) = earlier {
        if other_text != text {
            faults.add(|| Fault {
                origin: Origin::Variable(name.to_owned()),
                key: path,
                value: None,
                problem: format!("{earlier} sets the same key to another value; keep one of them"),
                meant: None,
            });
        }
        return;
    }
    let located = typed(key, text);
    layer
        .settings
        .extend(walk::setting(key, &located, Origin::Variable(name.to_owned()), faults));
}

/// `SIGNAL_FISH_SERVER__PING_TIMEOUT` and `SIGNAL_FISH__SERVER__PING_TIMEOUT` both name `server.ping_timeout`.
fn path_of(variable: &str) -> String {
    let rest = variable
        .strip_prefix("SIGNAL_FISH__")
        .or_else(|| variable.strip_prefix("SIGNAL_FISH_"))
        .unwrap_or(variable);
    rest.to_ascii_lowercase().replace("__", ".")
}

/// Whether Kubernetes set this variable, because a service of the same namespace has a name such as `signal-fish`: its
/// address goes into every container, as `SIGNAL_FISH_SERVICE_HOST`, `SIGNAL_FISH_PORT=tcp://10.0.0.1:3536` and the like.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let Some((before, port)) = name.split_once("_PORT_") else {
        return name.ends_with("_SERVICE_HOST")
            || name.ends_with("_SERVICE_PORT")
            || (name.ends_with("_PORT") && is_address);
    };
    // A port of the service, by its name, or by number and protocol.
    let mut words = port.split('_');
    let number = words.next().unwrap_or_default();
    let protocol = words.next().unwrap_or_default();
    before.ends_with("_SERVICE") || (number.parse::<u16>().is_ok() && matches!(protocol, "TCP" | "UDP" | "SCTP"))
}

fn explain_service_links(links: &[(String, String)]) -> Option<String> {
    let (first, _) = links
        .iter()
        .find(|(name, _)| name.ends_with("_PORT"))
        .or(links.first())?;
    let others = match links.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(format!(
        "{first}{others} come from Kubernetes, which tells every container the address of a service with such a name, and \
         are ignored: set enableServiceLinks to false in the pod, or name the service otherwise; to set the port, use \
         SIGNAL_FISH__PORT"
    ))
}

fn unknown_variable(name: &str, path: &str) -> String {
    if UNREAD_VARIABLES.contains(&name) || path == "environment" {
        return format!("{name} is not read by this server");
    }
    match suggest::key(path).and_then(|meant| keys::find(&meant)) {
        Some(meant) => format!("{name} names no key; did you mean {}?", meant.variable()),
        None => format!("{name} names no key"),
    }
}

/// The text of a variable as a value of the key's type. What does not fit stays a string, and the walker names the fault.
fn typed(key: &Key, text: &str) -> Located {
    let trimmed = text.trim();
    let value = match key.kind {
        Kind::Bool => trimmed.to_ascii_lowercase().parse().map(Value::Bool).ok(),
        Kind::Integer(..) => trimmed.parse::<u64>().map(Value::from).ok(),
        Kind::OptionalInteger(..) | Kind::OptionalText(_) | Kind::OptionalChoice(_) if trimmed.is_empty() => {
            Some(Value::Null)
        }
        Kind::OptionalInteger(..) => trimmed.parse::<u64>().map(Value::from).ok(),
        Kind::Text(_) | Kind::OptionalText(_) | Kind::Choice(_) | Kind::OptionalChoice(_) => None,
        Kind::TextList(_) if !trimmed.starts_with('[') => Some(
            trimmed
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(Value::from)
                .collect(),
        ),
        Kind::TextList(_) | Kind::TextMap(_) | Kind::PlatformMap(_) | Kind::PlatformLists | Kind::Apps => {
            // Parsed with its order kept, so that a repeated entry is found here as well.
            return Located::parse(trimmed).unwrap_or_else(|_| Located::from(Value::from(text)));
        }
    };
    Located::from(value.unwrap_or_else(|| Value::from(text)))
}
