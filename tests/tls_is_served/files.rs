//! Every fault of the files is named before the start.

use crate::harness::certificates::Files;
use crate::harness::run::run;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

#[test]
fn every_fault_of_the_files_is_named_before_the_start() {
    let files = Files::new();
    files.write("nonsense.pem", "nonsense");
    files.write(
        "damaged.pem",
        "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
    );
    let other_key = files.leaf().1;
    files.write("other.key", &other_key);
    let key = |name: &str| format!("security.transport.tls.{name}");
    for (change, named, said) in [
        (json!({"certificate_path": null}), "certificate_path", "expected a file"),
        (
            json!({"certificate_path": files.path("none.pem")}),
            "certificate_path",
            "cannot be read",
        ),
        (
            json!({"certificate_path": files.path("nonsense.pem")}),
            "certificate_path",
            "no certificate in it",
        ),
        (
            json!({"certificate_path": files.path("damaged.pem")}),
            "certificate_path",
            "",
        ),
        (
            json!({"private_key_path": files.path("ca.pem")}),
            "private_key_path",
            "no private key",
        ),
        (
            json!({"private_key_path": files.path("other.key")}),
            "private_key_path",
            "does not belong to the certificate",
        ),
        (
            json!({"client_auth": "require"}),
            "client_ca_cert_path",
            "expected a file",
        ),
        (
            json!({"client_auth": "optional", "client_ca_cert_path": files.path("server.key")}),
            "client_ca_cert_path",
            "no certificate",
        ),
        (
            json!({"enabled": false, "client_auth": "require"}),
            "client_auth",
            "tls.enabled",
        ),
    ] {
        let config = files.config(change.clone()).to_string();
        for flag in ["--validate-config", "--check"] {
            let run = run(&["--config", "test.json", flag], &[], &[("test.json", &config)]);
            assert_eq!(run.code, Some(1), "{change}\n{}{}", run.out, run.err);
            assert!(
                run.err.contains(&key(named)) && run.err.contains(said),
                "{change}: {}",
                run.err
            );
        }
    }
    let config = files.config(json!({})).to_string();
    let run = run(
        &["--config", "test.json", "--validate-config"],
        &[],
        &[("test.json", &config)],
    );
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(
        run.out.contains("TLS certificate: from ") && run.out.contains("days left"),
        "{}",
        run.out
    );
}

#[test]
fn a_certificate_that_expires_soon_is_warned_of() {
    let files = Files::new();
    let now = std::time::SystemTime::now();
    for (days, said) in [(3_u64, "expires soon"), (0, "has expired")] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.not_before = (now - std::time::Duration::from_secs(10 * 86_400)).into();
        params.not_after =
            (now + std::time::Duration::from_secs(days * 86_400) - std::time::Duration::from_secs(60)).into();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &files.authority).expect("signed");
        files.write("server.pem", &certificate.pem());
        files.write("server.key", &key.serialize_pem());
        let config = files.config(json!({})).to_string();
        let run = run(
            &["--config", "test.json", "--validate-config"],
            &[],
            &[("test.json", &config)],
        );
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert!(run.err.contains(said), "{}", run.err);
    }
}
