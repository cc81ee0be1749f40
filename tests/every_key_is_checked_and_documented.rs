//! The table of keys, the typed configuration, the walker, `config.json` and `docs/configuration.md` agree, and every key
//! can be set and refused in every way an operator has.

use serde_json::{Value, json};
use signal_fish_server::Config;
use signal_fish_server::config::keys::{KEYS, Key, Kind, Standing, WITHOUT_EFFECT};
use signal_fish_server::config::{self, Faults, Loaded, Resolved, Sources, manual};
use std::path::PathBuf;
use std::sync::LazyLock;

/// What is sensitive to almost every key: a difference in the configuration that the server works with.
fn shown(config: &Config) -> String {
    format!(
        "{config:?} {:?} {:?}",
        config.signal_fish_settings(),
        config.admission_limits()
    )
}

/// The file value that sets one key.
fn file_with(path: &str, value: &Value) -> Value {
    path.rsplit('.')
        .fold(value.clone(), |inner, name| json!({ (name.to_owned()): inner }))
}

/// What has to be set as well for a key to be set: text of a file.
fn companions(key: &Key) -> Value {
    match key.path {
        "security.proxy_protocol" => json!({"security": {"trusted_proxies": ["10.0.0.0/8"]}}),
        "security.transport.tls.enabled" => json!({"security": {"transport": {"tls": certificate()}}}),
        "security.transport.tls.client_auth" => {
            let mut tls = certificate();
            merge(&mut tls, json!({"enabled": true}));
            json!({"security": {"transport": {"tls": tls}}})
        }
        "security.transport.token_binding.required" | "security.transport.token_binding.require_client_fingerprint" => {
            json!({"security": {
                "trusted_proxies": ["10.0.0.0/8"],
                "transport": {"token_binding": {"enabled": true}},
            }})
        }
        "relay.auth.enabled" => json!({"relay": {"auth": {"jwks_file": "keys.json"}}}),
        _ => json!({}),
    }
}

/// Files with a certificate, which is its own authority, and its key.
fn certificate() -> Value {
    static FILES: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(dir.path().join("certificate.pem"), made.cert.pem()).expect("a file");
        std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
        dir
    });
    let path = |name: &str| FILES.path().join(name).display().to_string();
    json!({
        "certificate_path": path("certificate.pem"),
        "private_key_path": path("key.pem"),
        "client_ca_cert_path": path("certificate.pem"),
    })
}

/// Merges objects key by key.
fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// A value that is not the default, and what `Resolved` makes of it.
fn sample(key: &Key) -> (Value, Value) {
    let value = match key.path {
        "bind" => json!("::1"),
        "shards.cpus" => json!("0-2,4"),
        "security.cors_origins" => json!("https://a.example,http://localhost:3000"),
        "security.trusted_proxies" => {
            return (
                json!(["10.0.0.0/8", "192.0.2.7"]),
                json!(["10.0.0.0/8", "192.0.2.7/32"]),
            );
        }
        "security.authorized_apps" => {
            let app = json!({"app_id": "my,game", "max_rooms": 3});
            let clean = json!({
                "app_id": "my,game", "app_secret": null, "app_name": null, "max_rooms": 3, "max_players_per_room": null,
                "rate_limit_per_minute": null
            });
            return (json!([app]), json!([clean]));
        }
        "security.admin_token" => json!("0123456789-admin,token"),
        "security.client_ip_header" => return (json!("Forwarded"), json!("forwarded")),
        "server.room_code_prefix" => return (json!("eu"), json!("EU")),
        "protocol.player_name_validation.allowed_symbols" => json!(["+", "!"]),
        "relay.bind" => json!("::1"),
        "relay.allowed_origins" => json!(["https://a.example"]),
        "relay.subprotocol" => json!("game.v1"),
        "relay.auth.secret" => json!("a secret, of thirty-two bytes or more"),
        "relay.auth.jwks_url" => json!("https://login.example/keys?a=b,c"),
        "matchbox.bind" => json!("::1"),
        "matchbox.allowed_origins" => json!(["https://a.example", "http://localhost:3000"]),
        "matchbox.topology" => return (json!("Client_Server"), json!("client_server")),
        "security.transport.tls.client_auth" => return (json!("Optional"), json!("optional")),
        "logging.level" => return (json!("Debug"), json!("debug")),
        "logging.format" => return (json!("Text"), json!("text")),
        "logging.rotation" => return (json!("HOURLY"), json!("hourly")),
        _ => match key.kind {
            Kind::Bool => json!(key.default != json!(true)),
            Kind::Integer(min, max) | Kind::OptionalInteger(min, max) => {
                let default = key.default.as_u64().unwrap_or(min);
                // One more or less keeps the rules between keys.
                json!(if default < max { default + 1 } else { min })
            }
            Kind::Text(_) | Kind::OptionalText(_) => json!("some-thing 12,345"),
            Kind::TextMap(_) => json!({"a game": "WebRTC"}),
            Kind::PlatformMap(_) => {
                let mut merged = key.default.clone();
                merged["some-platform"] = json!("2.0.0");
                return (json!({"Some-Platform": "2.0.0"}), merged);
            }
            Kind::PlatformLists => {
                let mut merged = key.default.clone();
                merged["some-platform"] = json!(["x"]);
                return (json!({"Some-Platform": ["x"]}), merged);
            }
            kind => panic!("{}: no sample for {kind:?}", key.path),
        },
    };
    (value.clone(), value)
}

/// Values that the key must refuse.
fn misfits(key: &Key) -> Vec<Value> {
    let mut misfits = match key.kind {
        Kind::Bool => vec![json!(0), json!("yes"), json!(null)],
        Kind::Integer(min, max) | Kind::OptionalInteger(min, max) => {
            let mut misfits = vec![
                json!(max + 1),
                json!(-1),
                json!(1.5),
                json!("1"),
                json!(true),
                json!(u64::MAX),
            ];
            if let Kind::Integer(..) = key.kind {
                misfits.push(json!(null));
            }
            misfits.extend(min.checked_sub(1).map(|below| json!(below)));
            misfits
        }
        Kind::Text(_) => vec![json!(1), json!(null), json!(["x"])],
        Kind::OptionalText(_) => vec![json!(1), json!(["x"])],
        Kind::Choice(_) => vec![json!("neither"), json!(1), json!(null)],
        Kind::OptionalChoice(_) => vec![json!("neither"), json!(1)],
        Kind::TextList(_) => vec![json!("text"), json!([1]), json!([null]), json!({"a": "b"})],
        Kind::TextMap(_) | Kind::PlatformMap(_) => vec![json!("text"), json!({"a": 1}), json!([])],
        Kind::PlatformLists => vec![json!("text"), json!({"a": "b"}), json!({"a": [1]})],
        Kind::Apps => vec![
            json!("my-game:hunter2"),
            json!(["hunter2"]),
            json!([{}]),
            json!([{"app_id": ""}]),
            json!([{"app_id": null}]),
            json!([{"app_id": "a", "max_players_per_room": 0}]),
            json!([{"app_id": "a", "max_rooms": -1}]),
            json!([{"app_id": "a", "app_secrets": "hunter2"}]),
            json!([{"app_id": "a"}, {"app_id": "a"}]),
        ],
    };
    misfits.push(match key.kind {
        Kind::TextMap(_) | Kind::PlatformMap(_) | Kind::PlatformLists => json!(7),
        _ => json!({"a": 1}),
    });
    misfits.extend(match key.path {
        "bind" => vec![json!("localhost"), json!("0.0.0.0:80"), json!("")],
        "shards.cpus" => vec![
            json!("3-1"),
            json!("0-"),
            json!("a"),
            json!("1024"),
            json!("0,,1"),
            json!("-1"),
        ],
        "server.room_code_prefix" => vec![json!("e-u"), json!("ü")],
        "logging.filename" => vec![json!("../server.log"), json!(""), json!("..")],
        "logging.dir" => vec![json!("")],
        "security.cors_origins" => vec![
            json!(""),
            json!("https://a.example/"),
            json!("a.example"),
            json!("*,https://a.example"),
            json!("https://a.example,,https://b.example"),
            json!("https://*.example"),
        ],
        "security.metrics_auth_token" => vec![json!(" ")],
        "relay.auth.secret" => vec![json!("x".repeat(31)), json!("")],
        "relay.auth.jwks_url" => vec![
            json!("http://login.example/keys"),
            json!("http://10.0.0.1/keys"),
            json!("http://localhost.example/keys"),
            json!("https://user:password@login.example/keys"),
            json!("https://"),
            json!("ftp://127.0.0.1/keys"),
            json!("/keys"),
            json!(""),
        ],
        "security.trusted_proxies" => vec![json!(["10.0.0.0/33"]), json!(["proxy.example"])],
        "protocol.player_name_validation.allowed_symbols" => vec![json!(["ab"]), json!([""])],
        "protocol.sdk_compatibility.minimum_versions" => vec![json!({"unity": "1.10"})],
        _ => vec![],
    });
    misfits
}

/// The text of a value in an environment variable or after a flag.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn from_file(text: &str) -> Result<Loaded, Faults> {
    from_both(text, &[])
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
    from_both("{}", variables)
}

fn from_both(file: &str, variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let (_dir, path) = empty_file();
    std::fs::write(&path, file).expect("a file");
    let environment = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    config::load(&Sources {
        file: Some(path),
        environment,
        flags: Vec::new(),
    })
}

/// A file that does not interfere, so that no `config.json` of the working directory is read.
fn empty_file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("config.json");
    std::fs::write(&path, "{}").expect("a file");
    (dir, path)
}

#[track_caller]
fn faults_of(loaded: Result<Loaded, Faults>) -> Faults {
    match loaded {
        Ok(_) => panic!("no fault was found"),
        Err(faults) => faults,
    }
}

#[test]
fn the_defaults_are_a_configuration_without_doubts() {
    let loaded = config::from_value(json!({})).expect("no value, no fault");
    assert_eq!(shown(&loaded.config), shown(&Config::default()));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.without_effect, Vec::<String>::new());
    for key in KEYS.iter() {
        let file = file_with(key.path, &key.default);
        let loaded = config::from_value(file).unwrap_or_else(|faults| panic!("{}: {faults}", key.path));
        assert_eq!(shown(&loaded.config), shown(&Config::default()), "{}", key.path);
        assert_eq!(*loaded.resolved.value(key.path), key.default);
        assert!(!key.doc.is_empty(), "{} has no documentation", key.path);
    }
}

/// `WRITE_MANUAL=1` in the environment writes both files anew.
#[test]
fn the_shipped_files_are_made_from_the_table() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let files = [
        (root.join("config.json"), manual::json(&Resolved::defaults())),
        (root.join("docs/configuration.md"), manual::markdown()),
    ];
    for (path, made) in files {
        if std::env::var_os("WRITE_MANUAL").is_some() {
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            std::fs::write(&path, &made).expect("a file");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shipped == made,
            "{} differs from the table; WRITE_MANUAL=1 writes it anew",
            path.display()
        );
    }
}

#[test]
fn the_shipped_configuration_changes_nothing() {
    let file = Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config.json"));
    let loaded = config::load(&Sources {
        file,
        ..Sources::default()
    })
    .expect("a configuration");
    assert_eq!(shown(&loaded.config), shown(&Config::default()));
    for key in KEYS.iter() {
        assert_eq!(
            *loaded.resolved.value(key.path),
            config::from_value(json!({}))
                .expect("defaults")
                .resolved
                .value(key.path)
                .clone()
        );
    }
}

#[test]
fn every_key_is_set_by_a_file_and_by_both_spellings_of_its_variable() {
    for key in KEYS.iter().filter(|key| key.standing != Standing::NotBuilt) {
        let (given, clean) = sample(key);
        let single = key.variable();
        let double = single.replacen("SIGNAL_FISH_", "SIGNAL_FISH__", 1);
        let text = as_text(&given);
        let beside = companions(key).to_string();
        let without = shown(&from_file(&beside).expect("a configuration").config);
        let mut file = file_with(key.path, &given);
        merge(&mut file, companions(key));
        let load = |variables: &[(&str, &str)]| from_both(&beside, variables);
        let ways = [
            ("file", from_file(&file.to_string())),
            ("one underscore", load(&[(&single, &text)])),
            ("two underscores", load(&[(&double, &text)])),
            ("both, equal", load(&[(&single, &text), (&double, &text)])),
        ];
        for (way, loaded) in ways {
            let loaded = loaded.unwrap_or_else(|faults| panic!("{} by {way}: {faults}", key.path));
            assert_eq!(*loaded.resolved.value(key.path), clean, "{} by {way}", key.path);
            if key.standing == Standing::Idle {
                assert_eq!(loaded.without_effect, [key.path], "by {way}");
            } else if key.path == "security.metrics_auth_token" {
                assert_eq!(loaded.config.security.metrics_auth_token, Some(text.clone()));
            } else if key.path == "security.admin_token" {
                assert_eq!(loaded.config.security.admin_token, Some(text.clone()));
            } else if key.path == "relay.auth.secret" {
                assert_eq!(loaded.config.relay.auth.secret, Some(text.clone()));
            } else {
                assert_ne!(shown(&loaded.config), without, "{} by {way} changes nothing", key.path);
            }
        }
    }
}

#[test]
fn lists_may_be_given_with_commas_in_the_environment() {
    let loaded = from_environment(&[
        ("SIGNAL_FISH_SECURITY__TRUSTED_PROXIES", " 10.0.0.0/8, ::1 "),
        (
            "SIGNAL_FISH_PROTOCOL__PLAYER_NAME_VALIDATION__ALLOWED_SYMBOLS",
            r#"[",", "."]"#,
        ),
        ("SIGNAL_FISH_SECURITY__METRICS_AUTH_TOKEN", "1234567890123456,7"),
    ])
    .expect("a configuration");
    assert_eq!(
        *loaded.resolved.value("security.trusted_proxies"),
        json!(["10.0.0.0/8", "::1/128"])
    );
    assert_eq!(
        loaded.config.protocol.player_name_validation.allowed_symbols,
        [',', '.']
    );
    assert_eq!(
        loaded.config.security.metrics_auth_token.as_deref(),
        Some("1234567890123456,7")
    );
}

#[test]
fn every_key_refuses_what_does_not_fit_and_says_where() {
    for key in KEYS.iter() {
        for misfit in misfits(key) {
            let faults = faults_of(from_file(&format!(
                "{{\n\n{}\n",
                &file_with(key.path, &misfit).to_string()[1..]
            )));
            let fault = &faults.list()[0];
            let said = fault.to_string();
            assert!(said.contains("config.json:3: "), "{} = {misfit}: {said}", key.path);
            assert!(fault.key.starts_with(key.path), "{} = {misfit}: {said}", key.path);
            assert!(
                fault.problem.starts_with("expected ") || fault.value.is_none(),
                "{} = {misfit}: {said}",
                key.path
            );
            assert!(
                !key.secret || !said.contains("hunter2"),
                "{} = {misfit}: {said}",
                key.path
            );
        }
    }
}

#[test]
fn every_key_refuses_a_variable_that_does_not_fit() {
    for key in KEYS.iter() {
        let text = match key.kind {
            Kind::Bool => "yes".to_owned(),
            Kind::Integer(_, max) | Kind::OptionalInteger(_, max) => (max + 1).to_string(),
            Kind::Choice(_) | Kind::OptionalChoice(_) => "neither".to_owned(),
            Kind::TextMap(_) | Kind::PlatformMap(_) | Kind::PlatformLists | Kind::Apps => "{".to_owned(),
            // Only those texts can be wrong that are held against a form.
            Kind::Text(_) | Kind::OptionalText(_) | Kind::TextList(_) => {
                match misfits(key)
                    .into_iter()
                    .filter_map(|misfit| misfit.as_str().map(str::to_owned))
                    .find(|text| !text.trim().is_empty())
                {
                    Some(text) if !matches!(key.kind, Kind::TextList(_)) => text,
                    _ => continue,
                }
            }
        };
        let name = key.variable();
        let faults = faults_of(from_environment(&[(&name, &text)]));
        assert_eq!(faults.list().len(), 1, "{faults}");
        assert!(
            faults.to_string().contains(&format!("{name}: {}", key.path)),
            "{faults}"
        );
    }
}

#[test]
fn every_mistake_is_named_at_once() {
    let faults = faults_of(from_file(
        r#"{
  "port": 70000,
  "sever": {},
  "server": {
    "ping_timout": 3,
    "default_max_players": 200,
    "default_max_players": 4
  },
  "rate_limit": 5,
  "security": {
    "enforce_app_id_allowlist": true,
    "require_metrics_auth": "perhaps",
    "metrics_auth_token": 12345678,
    "transport": {"tls": {"enabled": true}}
  }
}"#,
    ));
    let said = faults.to_string();
    let expected = [
        "config.json:2: port = 70000: expected an integer from 0 to 65535",
        "config.json:3: sever: unknown key; did you mean `server`?",
        "config.json:5: server.ping_timout: unknown key; did you mean `server.ping_timeout`?",
        "config.json:6: server.default_max_players = 200: expected at most protocol.max_players_limit, which is 100",
        "config.json:7: server.default_max_players: given twice in the same object",
        "config.json:9: rate_limit = 5: expected an object",
        "config.json:11: security.enforce_app_id_allowlist: unknown key; did you mean `security.require_websocket_auth`?",
        "config.json:12: security.require_metrics_auth = \"perhaps\": expected true or false",
        "config.json:13: security.metrics_auth_token = a number: expected",
        "security.transport.tls.certificate_path: expected a file, because of security.transport.tls.enabled",
        "security.transport.tls.private_key_path: expected a file, because of security.transport.tls.enabled",
    ];
    for expected in expected {
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
    }
    assert_eq!(faults.list().len(), expected.len(), "{said}");
    assert!(!said.contains("12345678"), "secrets are never shown: {said}");
}

/// D23: without a list of proxies nobody could be believed, and everybody would be refused.
#[test]
fn the_proxy_protocol_needs_proxies() {
    let problem = "expected false, or the proxies in security.trusted_proxies";
    for (file, variables) in [
        (r#"{"security": {"proxy_protocol": true}}"#, &[][..]),
        (r#"{"security": {"proxy_protocol": true, "trusted_proxies": []}}"#, &[]),
        (
            r#"{"security": {"proxy_protocol": true, "trusted_proxies": ["10.0.0.0/8"]}}"#,
            &[("SIGNAL_FISH_SECURITY__TRUSTED_PROXIES", "[]")],
        ),
    ] {
        let faults = faults_of(from_both(file, variables));
        assert_eq!(faults.list().len(), 1, "{faults}");
        let expected = format!("config.json:1: security.proxy_protocol = true: {problem}");
        assert!(faults.to_string().contains(&expected), "{faults}");
    }
    let proxies = [("SIGNAL_FISH_SECURITY__TRUSTED_PROXIES", "127.0.0.1")];
    let loaded = from_both(r#"{"security": {"proxy_protocol": true}}"#, &proxies).expect("a configuration");
    assert!(loaded.config.security.proxy_protocol);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn token_binding_is_demanded_only_where_it_can_be() {
    for key in ["required", "require_client_fingerprint"] {
        let path = format!("security.transport.token_binding.{key}");
        let with = |binding: Value, proxies: Value| {
            let file = json!({"security": {"trusted_proxies": proxies, "transport": {"token_binding": binding}}});
            from_file(&file.to_string())
        };
        let faults = faults_of(with(json!({key: true}), json!(["10.0.0.0/8"])));
        assert_eq!(faults.list().len(), 1, "{faults}");
        assert!(faults.to_string().contains(&path), "{faults}");
        assert!(faults.to_string().contains("token_binding.enabled"), "{faults}");
        let faults = faults_of(with(json!({"enabled": true, key: true}), json!([])));
        assert_eq!(faults.list().len(), 1, "{faults}");
        assert!(faults.to_string().contains(&path), "{faults}");
        assert!(faults.to_string().contains("security.trusted_proxies"), "{faults}");
        assert!(with(json!({"enabled": true, key: true}), json!(["10.0.0.0/8"])).is_ok());
    }
}

#[test]
fn what_would_protect_but_is_not_built_stops_the_start() {
    for key in KEYS.iter().filter(|key| key.standing == Standing::NotBuilt) {
        let on = match key.kind {
            Kind::Bool => json!(true),
            _ => json!("Require"),
        };
        let faults = faults_of(from_file(&file_with(key.path, &on).to_string()));
        assert_eq!(faults.list().len(), 1, "{faults}");
        assert!(faults.to_string().contains(key.path), "{faults}");
        // A later source may take it back.
        let (_dir, path) = empty_file();
        std::fs::write(&path, file_with(key.path, &on).to_string()).expect("a file");
        let off = as_text(&key.default);
        let environment = vec![(key.variable().into(), off.into())];
        assert!(
            config::load(&Sources {
                file: Some(path),
                environment,
                flags: Vec::new()
            })
            .is_ok(),
            "{}",
            key.path
        );
    }
}

#[test]
fn messages_snapshot_and_replay_must_fit_into_the_outbox() {
    let over = [
        json!({"websocket": {"max_outbound_bytes": 500_000}}),
        json!({"security": {"max_message_size": 1_000_000}}),
        json!({"server": {"event_buffer_bytes": 900_000}}),
        json!({"server": {"max_spectators_per_room": 5000}}),
        json!({"protocol": {"max_players_limit": 255}}),
    ];
    for value in over {
        let faults = faults_of(config::from_value(value.clone()));
        let said = faults.to_string();
        for key in [
            "websocket.max_outbound_bytes",
            "security.max_message_size",
            "server.event_buffer_bytes",
            "server.max_spectators_per_room",
        ] {
            assert!(said.contains(key), "{value}: {said}");
        }
    }
    let fits = json!({"protocol": {"max_players_limit": 255}, "websocket": {"max_outbound_bytes": 4_194_304}});
    assert!(config::from_value(fits).is_ok());
}

#[test]
fn proxies_that_are_everybody_are_warned_of() {
    let everybody = [
        json!(["0.0.0.0/0"]),
        json!(["::/0"]),
        json!(["10.0.0.0/8", "0.0.0.0/1", "128.0.0.0/1"]),
    ];
    for proxies in everybody {
        let loaded = config::from_value(json!({"security": {"trusted_proxies": proxies}})).expect("a configuration");
        assert_eq!(loaded.warnings.len(), 1, "{proxies}: {:?}", loaded.warnings);
        assert!(
            loaded.warnings[0].starts_with("security.trusted_proxies holds every IPv"),
            "{}",
            loaded.warnings[0]
        );
    }
    let some = json!({"security": {"trusted_proxies": ["10.0.0.0/8", "0.0.0.0/1", "::1"]}});
    assert_eq!(config::from_value(some).expect("a configuration").warnings, [""; 0]);
}

/// What a service named `signal-fish`, or like the program, puts into the environment of every pod of its namespace.
#[test]
fn variables_that_kubernetes_sets_are_explained_and_ignored() {
    let links = [
        ("SIGNAL_FISH_PORT", "tcp://10.96.1.2:3536"),
        ("SIGNAL_FISH_PORT_3536_TCP", "tcp://10.96.1.2:3536"),
        ("SIGNAL_FISH_PORT_3536_TCP_ADDR", "10.96.1.2"),
        ("SIGNAL_FISH_PORT_3536_TCP_PORT", "3536"),
        ("SIGNAL_FISH_PORT_3536_TCP_PROTO", "tcp"),
        ("SIGNAL_FISH_SERVICE_HOST", "10.96.1.2"),
        ("SIGNAL_FISH_SERVICE_PORT", "3536"),
        ("SIGNAL_FISH_SERVICE_PORT_GAME", "3536"),
        ("SIGNAL_FISH_SERVER_PORT", "tcp://10.96.1.3:80"),
        ("SIGNAL_FISH_SERVER_PORT_80_UDP_ADDR", "10.96.1.3"),
        ("SIGNAL_FISH_SERVER_SERVICE_HOST", "10.96.1.3"),
    ];
    let loaded = from_environment(&links).expect("no fault");
    let [warning] = &loaded.warnings[..] else {
        panic!("{:?}", loaded.warnings)
    };
    assert!(
        warning.starts_with("SIGNAL_FISH_PORT and 10 more come from Kubernetes")
            && warning.contains("enableServiceLinks"),
        "{warning}"
    );
    assert_eq!(loaded.config.port, 3536);
    // The other spelling still sets the port, and a port that is none of Kubernetes' is a fault as ever.
    let with_port = [links[0], ("SIGNAL_FISH__PORT", "4000")];
    let loaded = from_environment(&with_port).expect("no conflict");
    assert_eq!((loaded.config.port, loaded.warnings.len()), (4000, 1));
    faults_of(from_environment(&[("SIGNAL_FISH_PORT", "http://10.96.1.2:3536")]));
    for (name, value) in [("SIGNAL_FISH_PORTAL", "tcp://x"), ("SIGNAL_FISH_PORT_X_TCP", "1")] {
        let loaded = from_environment(&[(name, value)]).expect("a warning");
        assert!(loaded.warnings[0].contains("names no key"), "{:?}", loaded.warnings);
    }
}

#[test]
fn origins_lose_the_port_that_browsers_leave_out() {
    for (given, clean) in [
        ("https://play.example:443", "https://play.example"),
        (
            "HTTP://Play.Example:80,https://b.example:80",
            "http://play.example,https://b.example:80",
        ),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]"),
        ("https://[2001:db8::443]", "https://[2001:db8::443]"),
        (
            "https://a.example:4430,app://x:443",
            "https://a.example:4430,app://x:443",
        ),
    ] {
        let loaded = config::from_value(json!({"security": {"cors_origins": given}})).expect(given);
        assert_eq!(loaded.config.security.cors_origins, clean);
    }
    for nonsense in [
        "https://a.example:",
        "https://a.example:x",
        "https://:443",
        "https://a.example:65536",
    ] {
        faults_of(config::from_value(json!({"security": {"cors_origins": nonsense}})));
    }
}

#[test]
fn plain_text_is_an_open_door_where_strangers_come_in() {
    let is_told = |bind: &str, proxies: Value| {
        let value = json!({"bind": bind, "security": {"trusted_proxies": proxies}});
        let doors = config::from_value(value).expect("a configuration").config.open_doors();
        doors.iter().any(|door| door.contains("not encrypted"))
    };
    for public in ["::", "0.0.0.0", "203.0.113.5", "2001:db8::1", "100.128.0.1"] {
        assert!(is_told(public, json!([])), "{public}");
        assert!(!is_told(public, json!(["192.0.2.1"])), "{public} behind a proxy");
    }
    for private in [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "192.168.0.1",
        "fd00::1",
        "fe80::1",
        "100.64.0.1",
        "::ffff:10.0.0.1",
    ] {
        assert!(!is_told(private, json!([])), "{private}");
    }
}

#[test]
fn what_print_config_shows_gives_the_same_configuration() {
    let again = |loaded: &Loaded| {
        let printed = manual::json(&loaded.resolved);
        let read = from_file(&printed).unwrap_or_else(|faults| panic!("{faults}: {printed}"));
        assert_eq!(manual::json(&read.resolved), printed);
        assert_eq!(shown(&read.config), shown(&loaded.config));
    };
    for key in KEYS
        .iter()
        .filter(|key| key.standing != Standing::NotBuilt && !key.secret)
    {
        let mut file = file_with(key.path, &sample(key).0);
        merge(&mut file, companions(key));
        again(&config::from_value(file).expect("a configuration"));
        // An entry of the defaults that was taken away does not come back.
        if let Some((name, _)) = key.default.as_object().and_then(|entries| entries.iter().next()) {
            again(&config::from_value(file_with(key.path, &json!({name: null}))).expect("a configuration"));
        }
    }
}

#[test]
fn a_secret_that_print_config_hid_is_asked_for() {
    let secrets = json!({"security": {
        "metrics_auth_token": "a-token-of-some-length",
        "authorized_apps": [{"app_id": "game"}, {"app_id": "other", "app_secret": "a-secret"}],
    }});
    let printed = manual::json(&config::from_value(secrets).expect("a configuration").resolved);
    let faults = faults_of(from_file(&printed)).to_string();
    for said in [
        "security.metrics_auth_token: `***` is what --print-config shows in place of a secret",
        "set SIGNAL_FISH_SECURITY__METRICS_AUTH_TOKEN in the environment",
        "security.authorized_apps[1].app_secret: `***`",
    ] {
        assert!(faults.contains(said), "{said}: {faults}");
    }
    let variable = [("SIGNAL_FISH_SECURITY__METRICS_AUTH_TOKEN", "***")];
    assert!(
        faults_of(from_environment(&variable))
            .to_string()
            .contains("--print-config")
    );
}

#[test]
fn tokens_have_exactly_one_kind_of_keys() {
    let secret = "a secret of thirty-two bytes or more";
    let auth = |auth: Value| config::from_value(json!({"relay": {"auth": auth}}));
    for wrong in [
        json!({"enabled": true}),
        json!({"enabled": true, "secret": secret, "jwks_file": "keys.json"}),
        json!({"enabled": true, "jwks_url": "https://login.example/keys", "jwks_file": "keys.json"}),
    ] {
        let faults = faults_of(auth(wrong)).to_string();
        assert!(
            faults.contains("exactly one of relay.auth.secret") && !faults.contains(secret),
            "{faults}"
        );
    }
    for right in [
        json!({"enabled": true, "secret": secret}),
        json!({"enabled": true, "jwks_file": "keys.json"}),
        json!({"enabled": true, "jwks_url": "http://[::1]:8080/keys"}),
        json!({"enabled": true, "jwks_url": "http://localhost/keys"}),
        json!({"enabled": true, "jwks_url": "http://127.0.0.2:1/keys"}),
    ] {
        assert_eq!(auth(right).expect("a configuration").warnings, Vec::<String>::new());
    }
    let off = auth(json!({"secret": secret})).expect("a configuration");
    assert!(
        off.warnings[0].contains("relay.auth.enabled is off"),
        "{:?}",
        off.warnings
    );
}

#[test]
fn keys_of_the_reference_server_without_meaning_here_are_accepted() {
    for path in WITHOUT_EFFECT {
        let loaded = from_file(&file_with(path, &json!(12)).to_string()).expect("accepted");
        assert_eq!(loaded.without_effect, [*path]);
        assert_eq!(shown(&loaded.config), shown(&Config::default()));
    }
}

#[test]
fn unknown_variables_are_warned_of_with_a_suggestion() {
    let loaded = from_environment(&[
        ("SIGNAL_FISH_SERVER__PINGTIMEOUT", "3"),
        ("SIGNAL_FISH__CONFIG_JSON", "{}"),
        ("SIGNAL_FISH_CONFIG_JSON", "{}"),
        ("SIGNAL_FISH_XYZZY", "1"),
        ("SIGNALFISH_PORT", "1"),
    ])
    .expect("no fault");
    let warnings = loaded.warnings.join("\n");
    assert_eq!(loaded.warnings.len(), 4, "{warnings}");
    assert!(
        warnings
            .contains("SIGNAL_FISH_SERVER__PINGTIMEOUT names no key; did you mean SIGNAL_FISH_SERVER__PING_TIMEOUT?"),
        "{warnings}"
    );
    assert!(
        warnings.contains("SIGNAL_FISH_CONFIG_JSON is not read by this server"),
        "{warnings}"
    );
    assert!(warnings.contains("SIGNAL_FISH_XYZZY names no key"), "{warnings}");
}

#[test]
fn both_spellings_with_different_values_are_a_fault() {
    let faults = faults_of(from_environment(&[
        ("SIGNAL_FISH_PORT", "1"),
        ("SIGNAL_FISH__PORT", "2"),
    ]));
    let said = faults.to_string();
    assert!(
        said.contains("SIGNAL_FISH_PORT") && said.contains("SIGNAL_FISH__PORT"),
        "{said}"
    );
}

#[test]
fn later_sources_win_and_maps_are_merged() {
    let (_dir, path) = empty_file();
    std::fs::write(
        &path,
        r#"{"port": 1, "server": {"ping_timeout": 1, "region_id": "file"}, "shards": {"count": 1},
            "protocol": {"sdk_compatibility": {"minimum_versions": {"Unity": "9.0.0", "godot": null}}}}"#,
    )
    .expect("a file");
    let sources = Sources {
        file: Some(path),
        environment: vec![
            ("SIGNAL_FISH_PORT".into(), "2".into()),
            ("SIGNAL_FISH_SERVER__PING_TIMEOUT".into(), "2".into()),
        ],
        flags: vec![("--port", "port", "3".to_owned())],
    };
    let loaded = config::load(&sources).expect("a configuration");
    assert_eq!(loaded.config.port, 3);
    assert_eq!(loaded.config.server.ping_timeout.as_secs(), 2);
    assert_eq!(loaded.config.server.region_id, "file");
    assert_eq!(loaded.config.shards.count, 1);
    assert_eq!(loaded.config.server.default_max_players, 8);
    let minimum = &loaded.config.protocol.sdk_compatibility.minimum_versions;
    assert_eq!(minimum["unity"], semver::Version::new(9, 0, 0));
    assert_eq!(minimum["test"], semver::Version::new(1, 0, 0));
    assert!(!minimum.contains_key("godot"), "null takes an entry away");
}

#[test]
fn secrets_are_never_shown() {
    let loaded = config::from_value(json!({"security": {
        "metrics_auth_token": "token-xyzzy-token",
        "authorized_apps": [{"app_id": "a", "app_secret": "secret-xyzzy"}, {"app_id": "b"}]
    }}))
    .expect("a configuration");
    let printed = manual::json(&loaded.resolved);
    let value: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(value["security"]["metrics_auth_token"], "***");
    assert_eq!(value["security"]["authorized_apps"][0]["app_secret"], "***");
    assert_eq!(value["security"]["authorized_apps"][1]["app_secret"], Value::Null);
    assert!(!printed.contains("xyzzy"));
    assert!(!format!("{:?}", loaded.config).contains("xyzzy"));
}

#[test]
fn an_unusable_file_is_a_fault() {
    let missing = Sources {
        file: Some("/nonexistent/config.json".into()),
        ..Sources::default()
    };
    assert!(
        faults_of(config::load(&missing))
            .to_string()
            .contains("/nonexistent/config.json: cannot be read")
    );
    let said = faults_of(from_file("{\n\"port\": 1,\n}")).to_string();
    assert!(said.contains("config.json:3: is not JSON"), "{said}");
    assert!(faults_of(from_file("[]")).to_string().contains("expected an object"));
    let deep = "[".repeat(100_000);
    assert!(faults_of(from_file(&deep)).to_string().contains("is not JSON"));
    let many: String = (0..100_000).map(|n| format!("\"key{n}\":1,")).collect();
    let faults = faults_of(from_file(&format!("{{{many}\"port\":1}}")));
    assert!(
        faults.to_string().contains("more"),
        "a hundred faults are enough to read"
    );
    assert!(
        from_file("\u{feff}{\"port\": 1}").is_ok(),
        "editors that write a byte order mark are forgiven"
    );
}
