//! The published vectors, and every way to be wrong.

use super::canonical::{Canonical, Flaw, Rules, canonical};
use super::*;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};

/// The vectors of the official client, as it publishes them.
const VECTORS: &str = include_str!("vectors.toml");

fn vector(name: &str) -> &'static str {
    let lines = VECTORS.lines().filter_map(|line| line.split_once(" = "));
    let value = lines.filter(|(key, _)| *key == name).map(|(_, value)| value).next();
    value.expect("a vector").trim_matches(['"', '\''])
}

fn hex(name: &str) -> Vec<u8> {
    HEXLOWER.decode(vector(name).as_bytes()).expect("hex")
}

fn agreed(version: BindingVersion, fingerprint: Option<&str>) -> http::Binding {
    let key = BASE64
        .decode(vector("handshake_key_base64").as_bytes())
        .expect("base64");
    http::Binding {
        version,
        key: key.try_into().expect("16 bytes"),
        fingerprint: fingerprint.map(Into::into),
    }
}

fn two(fingerprint: Option<&str>) -> Binding {
    let nonce = BASE64.decode(vector("nonce_base64").as_bytes()).expect("base64");
    Binding::new(&agreed(BindingVersion::Two, fingerprint), |drawn| {
        drawn.copy_from_slice(&nonce)
    })
    .0
}

fn one(fingerprint: Option<&str>) -> Binding {
    let (binding, challenge) = Binding::new(&agreed(BindingVersion::One, fingerprint), |_| panic!("no nonce"));
    assert_eq!(challenge, None);
    binding
}

/// Sets the number of the next message.
fn at(mut binding: Binding, sequence: u64) -> Binding {
    match &mut binding.keys {
        Keys::One(_) => panic!("version 1 does not count"),
        Keys::Two { next, .. } => *next = sequence,
    }
    binding
}

fn sign(key: &[u8], parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    parts.iter().for_each(|part| mac.update(part));
    BASE64.encode(&mac.finalize().into_bytes())
}

/// A text with a proof of version 2 around `members`.
fn text(members: &str, proof: &str) -> String {
    format!(r#"{{{members},"token_binding":{proof}}}"#)
}

fn proof(sequence: u64, signature: &str, fingerprint: &str) -> String {
    format!(
        r#"{{"version":2,"scheme":"server_nonce_hkdf_sha256","sequence":{sequence},"signature":"{signature}","fingerprint":{fingerprint}}}"#
    )
}

/// A signed text of version 2.
fn signed(members: &str, sequence: u64) -> String {
    let Canonical { text: payload, .. } = canonical_of(members);
    let signature = sign(
        &hex("derived_key_hex"),
        &[JSON_DOMAIN, &sequence.to_be_bytes(), &payload],
    );
    text(members, &proof(sequence, &signature, "null"))
}

fn canonical_of(members: &str) -> Canonical<'static> {
    let json: &'static str = format!("{{{members}}}").leak();
    canonical(json, Rules::Two).expect("canonical")
}

fn told(result: Result<(), Rejected>) -> &'static str {
    match result {
        Ok(()) => "",
        Err(rejected) => {
            let unauthorized = rejected.code == ErrorCode::Unauthorized;
            assert_eq!(
                rejected.closes,
                unauthorized || rejected.text == "Malformed client message"
            );
            rejected.text
        }
    }
}

#[test]
fn the_key_is_that_of_the_published_vectors() {
    assert_eq!(SESSION_KEY_INFO, vector("hkdf_info").as_bytes());
    assert_eq!(JSON_DOMAIN, hex("json_domain_hex"));
    assert_eq!(BINARY_DOMAIN, hex("binary_domain_hex"));
    match two(None).keys {
        Keys::Two { key, next } => assert_eq!((key.to_vec(), next), (hex("derived_key_hex"), 1)),
        Keys::One(_) => panic!("version 1"),
    }
}

#[test]
fn the_challenge_has_exactly_these_members() {
    let nonce = BASE64.decode(vector("nonce_base64").as_bytes()).expect("base64");
    let agreed = agreed(BindingVersion::Two, None);
    let (_, challenge) = Binding::new(&agreed, |drawn| drawn.copy_from_slice(&nonce));
    let expected = format!(
        r#"{{"type":"TokenBindingChallenge","data":{{"version":2,"scheme":"server_nonce_hkdf_sha256","nonce":"{}","first_sequence":1}}}}"#,
        vector("nonce_base64")
    );
    assert_eq!(challenge, Some(expected));
}

#[test]
fn published_texts_are_accepted_once() {
    let input = vector("json_input");
    let canonical = canonical(input, Rules::Two).expect("canonical");
    assert_eq!(String::from_utf8_lossy(&canonical.text), vector("json_canonical"));
    assert_eq!(vector("json_sequence"), "1");
    let members = &input[1..input.len() - 1];
    for (fingerprint, quoted, signature) in [
        (None, "null".to_owned(), "json_signature_base64"),
        (
            Some(vector("client_fingerprint")),
            format!("\"{}\"", vector("client_fingerprint")),
            "fingerprint_json_signature_base64",
        ),
    ] {
        let text = text(members, &proof(1, vector(signature), &quoted));
        let mut binding = two(fingerprint);
        assert_eq!(told(binding.check_text(&text)), "", "{signature}");
        assert_eq!(
            told(binding.check_text(&text)),
            "Invalid token binding version or sequence"
        );
        // One that nobody asked for is signed all the same.
        assert_eq!(told(two(None).check_text(&text)), "", "{signature}");
    }
    let mac_input = hex("fingerprint_json_mac_input_hex");
    let signature = sign(&hex("derived_key_hex"), &[&mac_input]);
    assert_eq!(signature, vector("fingerprint_json_signature_base64"));
}

#[test]
fn published_binary_messages_are_accepted() {
    assert_eq!(vector("binary_sequence"), "2");
    let envelope = hex("binary_envelope_hex");
    let mut binding = at(two(None), 2);
    assert_eq!(binding.check_binary(&envelope), Ok(&*hex("binary_payload_hex")));
    assert_eq!(
        told(binding.check_binary(&envelope).map(drop)),
        "Invalid token binding version or sequence"
    );
    // The published envelope has no fingerprint; one with it is made of the published signature.
    let bound = |fingerprint: &str| {
        let mut message = b"\x82\xa7payload\xc4\x07".to_vec();
        message.extend(hex("binary_payload_hex"));
        message.extend(b"\xadtoken_binding\x85\xabfingerprint\xd9\x40");
        message.extend(fingerprint.as_bytes());
        message.extend(b"\xa7version\x02\xa8sequence\x02\xa6scheme\xb8server_nonce_hkdf_sha256\xa9signature\xd9\x2c");
        message.extend(vector("fingerprint_binary_signature_base64").as_bytes());
        message
    };
    let fingerprint = vector("client_fingerprint");
    let mut binding = at(two(Some(fingerprint)), 2);
    assert_eq!(
        binding.check_binary(&bound(fingerprint)),
        Ok(&*hex("binary_payload_hex"))
    );
    let mut binding = at(two(Some(fingerprint)), 2);
    let other = fingerprint.replace('1', "2");
    assert_eq!(
        told(binding.check_binary(&bound(&other)).map(drop)),
        "Client fingerprint mismatch"
    );
    let mut binding = at(two(Some(fingerprint)), 2);
    assert_eq!(
        told(binding.check_binary(&envelope).map(drop)),
        "Client fingerprint required"
    );
    let mac_input = hex("fingerprint_binary_mac_input_hex");
    let signature = sign(&hex("derived_key_hex"), &[&mac_input]);
    assert_eq!(signature, vector("fingerprint_binary_signature_base64"));
}

#[test]
fn binary_messages_without_the_envelope_are_refused() {
    let envelope = hex("binary_envelope_hex");
    for cut in 0..envelope.len() {
        let result = at(two(None), 2).check_binary(&envelope[..cut]).map(drop);
        assert_eq!(told(result), "Invalid token-bound binary frame", "{cut}");
    }
    let trailing = [&envelope[..], b"\xc0"].concat();
    let twice = [b"\x83", &envelope[1..], b"\xa7payload\xc4\x00"].concat();
    for message in [
        &b""[..],
        b"\x01\x02\x03",
        b"\x80",
        b"\xdf\xff\xff\xff\xff",
        &trailing,
        &twice,
    ] {
        let result = at(two(None), 2).check_binary(message).map(drop);
        assert_eq!(told(result), "Invalid token-bound binary frame", "{message:?}");
    }
    for at_byte in 0..envelope.len() {
        let mut changed = envelope.clone();
        changed[at_byte] ^= 1;
        assert_ne!(told(at(two(None), 2).check_binary(&changed).map(drop)), "", "{at_byte}");
    }
}

#[test]
fn checks_come_in_their_order() {
    let ping = r#""type":"Ping""#;
    let mut binding = two(Some("expected"));
    let mut check = |proof: &str| told(binding.check_text(&text(ping, proof)));
    assert_eq!(check("null"), "Token binding proof missing");
    for wrong in [
        r#""text""#,
        "[2,1]",
        "{}",
        r#"{"version":2,"scheme":"x","sequence":-1,"signature":""}"#,
        r#"{"version":"2","scheme":"x","sequence":1,"signature":""}"#,
        r#"{"version":2,"scheme":"x","sequence":1,"signature":"","fingerprint":1}"#,
    ] {
        assert_eq!(check(wrong), "Invalid token binding proof", "{wrong}");
    }
    let full = |version: u8, scheme: &str, fingerprint: &str, sequence: u8| {
        format!(r#"{{"version":{version},"scheme":"{scheme}","sequence":{sequence},"signature":"?"{fingerprint}}}"#)
    };
    let (scheme, given) = (SCHEME_TWO, r#","fingerprint":"expected""#);
    assert_eq!(check(&full(1, "x", "", 2)), "Invalid token binding version or sequence");
    assert_eq!(check(&full(2, "x", "", 2)), "Unsupported token binding scheme");
    assert_eq!(check(&full(2, SCHEME_ONE, "", 2)), "Unsupported token binding scheme");
    assert_eq!(check(&full(2, scheme, "", 2)), "Client fingerprint required");
    let other = r#","fingerprint":"EXPECTED""#;
    assert_eq!(check(&full(2, scheme, other, 2)), "Client fingerprint mismatch");
    assert_eq!(
        check(&full(2, scheme, given, 2)),
        "Invalid token binding version or sequence"
    );
    assert_eq!(check(&full(2, scheme, given, 1)), "Invalid token binding signature");
    assert_eq!(
        told(two(None).check_text(r#"{"type":"Ping"}"#)),
        "Token binding proof missing"
    );
}

#[test]
fn what_is_no_json_for_version_two_uses_no_number() {
    let mut binding = two(None);
    let right = signed(r#""type":"Ping""#, 1);
    for (text, expected) in [
        ("", "Invalid client message"),
        ("{", "Invalid client message"),
        (r#"{"a":1.0}"#, "Invalid client message"),
        (r#"{"a":1e3}"#, "Invalid client message"),
        (r#"{"a":-0}"#, "Invalid client message"),
        (r#"{"a":9007199254740992}"#, "Invalid client message"),
        (r#"{"a":[{"b":-9007199254740992}]}"#, "Invalid client message"),
        (r#"{"a":1,"\u0061":2}"#, "Invalid client message"),
        (r#"{"a":{"b":1,"c":2,"b":1}}"#, "Invalid client message"),
        (r#"{"a":"\ud800"}"#, "Invalid client message"),
        ("[]", "Malformed client message"),
        ("1", "Malformed client message"),
        ("null", "Malformed client message"),
    ] {
        assert_eq!(told(binding.check_text(text)), expected, "{text}");
    }
    let twice = right.replacen('{', r#"{"token_binding":null,"#, 1);
    assert_eq!(told(binding.check_text(&twice)), "Invalid client message");
    assert_eq!(told(binding.check_text(&right)), "");
    assert_eq!(told(binding.check_text(&signed(r#""type":"No such""#, 2))), "");
    assert_eq!(told(binding.check_text(&signed(r#""n":-9007199254740991"#, 3))), "");
}

#[test]
fn whatever_is_changed_breaks_the_signature() {
    let right = signed(r#""type":"GameData","data":{"data":{"x":1}}"#, 1);
    assert_eq!(told(two(None).check_text(&right)), "");
    for at in 0..right.len() {
        let mut changed = right.clone().into_bytes();
        changed[at] ^= 1;
        let changed = String::from_utf8(changed).expect("ASCII");
        assert_ne!(told(two(None).check_text(&changed)), "", "{changed}");
    }
    // Space, order and escapes are no change.
    let same = right
        .replace(":", " : ")
        .replace("GameData", r"\u0047ameData")
        .replace(r#""type" : "\u0047ameData","#, "");
    let same = same.replacen('{', r#"{ "type":"GameData","#, 1);
    assert_eq!(told(two(None).check_text(&same)), "", "{same}");
}

#[test]
fn version_one_signs_numbers_as_they_are_written() {
    let canonical = canonical(r#"{ "z":1.50,"a":[1e2 , -0],"\u00e9":"\u00e9\u0007\/" }"#, Rules::One).expect("JSON");
    let expected = "{\"a\":[1e2,-0],\"z\":1.50,\"é\":\"é\\u0007/\"}";
    assert_eq!(String::from_utf8_lossy(&canonical.text), expected);
    let key = agreed(BindingVersion::One, None).key;
    let one_text = |fingerprint: Option<&str>| {
        let signature = sign(
            &key,
            &[
                br#"{"n":1.50,"type":"Ping"}"#,
                fingerprint.unwrap_or_default().as_bytes(),
            ],
        );
        let fingerprint = fingerprint.map_or(String::new(), |fingerprint| {
            format!(r#","fingerprint":"{fingerprint}""#)
        });
        text(
            r#""type":"Ping","n":1.50"#,
            &format!(r#"{{"scheme":"sec_websocket_key_sha256","signature":"{signature}"{fingerprint}}}"#),
        )
    };
    let mut binding = one(None);
    for _ in 0..2 {
        assert_eq!(told(binding.check_text(&one_text(None))), "", "it may be repeated");
    }
    assert_eq!(told(one(Some("ab")).check_text(&one_text(Some("ab")))), "");
    assert_eq!(
        told(one(Some("ab")).check_text(&one_text(Some("cd")))),
        "Client fingerprint mismatch"
    );
    assert_eq!(
        told(one(Some("ab")).check_text(&one_text(None))),
        "Client fingerprint required"
    );
    let wrong = one_text(None).replace("1.50", "1.5");
    assert_eq!(told(binding.check_text(&wrong)), "Invalid token binding signature");
    let scheme = one_text(None).replace(SCHEME_ONE, SCHEME_TWO);
    assert_eq!(told(binding.check_text(&scheme)), "Unsupported token binding scheme");
    assert_eq!(
        told(binding.check_text(r#"{"type":"Ping"}"#)),
        "Token binding proof missing"
    );
    assert_eq!(told(binding.check_text("[1.5]")), "Malformed client message");
    assert_eq!(binding.check_binary(b"anything"), Ok(&b"anything"[..]));
}

#[test]
fn members_are_sorted_as_each_version_says() {
    // U+E000 comes before U+1F600 in UTF-8, and behind its surrogates in UTF-16.
    let text = "{\"\u{1f600}\":1,\"\u{e000}\":2,\"b\":{\"\":3,\"B\":4},\"a\":[]}";
    for (rules, expected) in [
        (
            Rules::One,
            "{\"a\":[],\"b\":{\"\":3,\"B\":4},\"\u{e000}\":2,\"\u{1f600}\":1}",
        ),
        (
            Rules::Two,
            "{\"a\":[],\"b\":{\"\":3,\"B\":4},\"\u{1f600}\":1,\"\u{e000}\":2}",
        ),
    ] {
        let canonical = canonical(text, rules).expect("JSON");
        assert_eq!(String::from_utf8_lossy(&canonical.text), expected);
    }
    assert_eq!(canonical("{}", Rules::Two).expect("JSON").text, b"{}");
    assert_eq!(canonical(" 1", Rules::Two), Err(Flaw::NoObject));
}
