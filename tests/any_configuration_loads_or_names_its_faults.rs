//! Whatever stands in a file, a variable or after a flag: a configuration comes out, or faults that are named. Never a
//! panic, never a configuration that breaks its own rules.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use signal_fish_server::config::keys::{APP_FIELDS, KEYS, Key, WITHOUT_EFFECT};
use signal_fish_server::config::{self, Faults, Loaded, Sources, manual};
use std::sync::LazyLock;

/// Any JSON, with numbers and texts that lie near what keys take.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0_u64..300).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z0-9.,:/*-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any_name(), inner), 0..6).prop_map(|entries| Value::from(Map::from_iter(entries))),
        ]
    })
}

fn any_key() -> impl Strategy<Value = &'static Key> {
    (0..KEYS.len()).prop_map(|at| &KEYS[at])
}

/// A name of the table, or any other.
fn any_name() -> impl Strategy<Value = String> {
    let known: Vec<String> = KEYS
        .iter()
        .map(|key| key.path)
        .chain(WITHOUT_EFFECT.iter().copied())
        .flat_map(|path| path.split('.'))
        .chain(APP_FIELDS.iter().map(|field| field.path))
        .map(str::to_owned)
        .collect();
    prop_oneof![3 => prop::sample::select(known), 1 => any::<String>()]
}

/// Values at the places where the table expects some, and anything beside them.
fn any_configuration() -> impl Strategy<Value = Value> {
    let places = prop::collection::vec((any_key(), any_json()), 0..8);
    (places, any_json(), any::<bool>()).prop_map(|(places, beside, add)| {
        let mut root = json!({});
        if add {
            root["beside"] = beside;
        }
        for (key, value) in places {
            put(&mut root, key.path, value);
        }
        root
    })
}

fn put(root: &mut Value, path: &str, value: Value) {
    match path.split_once('.') {
        None => root[path] = value,
        Some((first, rest)) => {
            if !root[first].is_object() {
                root[first] = json!({});
            }
            put(&mut root[first], rest, value);
        }
    }
}

/// A file that sets nothing, so that none of the working directory is read.
static EMPTY: LazyLock<tempfile::NamedTempFile> = LazyLock::new(|| {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "{}").expect("a file");
    file
});

/// What must hold whatever was loaded.
fn hold(loaded: Result<Loaded, Faults>) -> Result<(), TestCaseError> {
    match loaded {
        Ok(loaded) => {
            // What comes out is itself a configuration, and the same one, as soon as its secrets are put back.
            let printed = manual::json(&loaded.resolved);
            let complete = printed.replace(r#""***""#, r#""any-secret-that-every-one-of-the-keys-accepts""#);
            let json = |text: &str| serde_json::from_str(text).map_err(|error| TestCaseError::fail(error.to_string()));
            if printed != complete {
                let faults = config::from_value(json(&printed)?)
                    .err()
                    .map_or(String::new(), |faults| faults.to_string());
                prop_assert!(faults.contains("--print-config"), "{}", faults);
            }
            let again = config::from_value(json(&complete)?);
            let again = again.map_err(|faults| TestCaseError::fail(faults.to_string()))?;
            prop_assert_eq!(format!("{:?}", again.config), format!("{:?}", loaded.config));
            let settings = loaded.config.signal_fish_settings();
            prop_assert!(settings.default_max_players <= settings.max_players_limit);
            let security = &loaded.config.security;
            prop_assert!(!security.proxy_protocol || !security.trusted_proxies.is_empty());
            prop_assert!(settings.max_message_size < loaded.config.websocket.max_outbound_bytes);
            prop_assert_eq!(settings.apps.len(), loaded.config.admission_limits().apps.len());
        }
        Err(faults) => {
            prop_assert!(!faults.is_empty());
            for fault in faults.list() {
                prop_assert!(!fault.problem.is_empty());
                prop_assert!(fault.to_string().len() < 100_000);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_value_loads_or_names_its_faults(value in any_json()) {
        hold(config::from_value(value))?;
    }

    #[test]
    fn any_values_at_known_places_load_or_name_their_faults(value in any_configuration()) {
        hold(config::from_value(value))?;
    }

    #[test]
    fn any_variable_and_flag_loads_or_names_its_faults(
        key in any_key(),
        text in prop_oneof![any::<String>(), any_json().prop_map(|value| value.to_string())],
        flag in any::<bool>(),
    ) {
        let mut sources = Sources::default();
        if flag {
            sources.flags.push(("--flag", key.path, text));
        } else {
            sources.environment.push((key.variable().into(), text.into()));
        }
        sources.file = Some(EMPTY.path().to_owned());
        hold(config::load(&sources))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_file_loads_or_names_its_faults(text in prop_oneof![any::<String>(), any_configuration().prop_map(|value| format!("{value:#}"))]) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("a file");
        hold(config::load(&Sources { file: Some(file.path().to_owned()), ..Sources::default() }))?;
    }
}
