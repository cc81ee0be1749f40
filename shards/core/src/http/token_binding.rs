//! Token binding is negotiated with the upgrade: a client offers a subprotocol and signs its messages from then on
//! (protocol 2.10). What it signs and how is the protocol's business.

use super::answer::{self, Answer};
use super::client_address::TrustedProxies;
use super::head::Head;
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;

/// What an operator demands of clients of one protocol (`security.transport.token_binding`). `P` names the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBinding<P> {
    /// The protocol whose clients may sign their messages.
    pub protocol: P,
    /// They must.
    pub required: bool,
    /// Only clients with a certificate may connect, and their signatures cover its fingerprint.
    pub require_client_fingerprint: bool,
}

/// What a client and the server agreed on.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    /// Which signatures.
    pub version: BindingVersion,
    /// The decoded `Sec-WebSocket-Key`.
    pub key: [u8; 16],
    /// The fingerprint that every signature has to cover, if one is required.
    pub fingerprint: Option<Box<str>>,
}

/// Versions of token binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingVersion {
    /// `signalfish.tokenbinding.v1`.
    One,
    /// `signalfish.tokenbinding.v2`.
    Two,
}

impl BindingVersion {
    /// The name of the subprotocol. It is compared byte for byte.
    #[must_use]
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::One => "signalfish.tokenbinding.v1",
            Self::Two => "signalfish.tokenbinding.v2",
        }
    }
}

/// What the names of all versions begin with, in any case.
const FAMILY: &[u8] = b"signalfish.tokenbinding.";

/// Headers in which trusted proxies give the SHA-256 of a client's certificate.
const FINGERPRINT_HEADERS: [&str; 2] = ["x-signalfish-client-cert-sha256", "x-forwarded-client-cert-sha256"];
/// The header in which trusted proxies give the certificate itself, as PEM with percent escapes.
const CERTIFICATE_HEADER: &str = "x-amzn-mtls-clientcert";

impl<P> TokenBinding<P> {
    /// What the upgrade comes to: a binding, none, or a refusal. `key` is the value of `Sec-WebSocket-Key`, `certificate` the
    /// fingerprint of the client's certificate.
    pub(super) fn negotiate(
        &self,
        head: &Head<'_>,
        key: &[u8],
        certificate: Option<&str>,
    ) -> Result<Option<Binding>, Answer> {
        let fingerprint = if self.require_client_fingerprint {
            Some(certificate.ok_or_else(|| answer::unauthorized("client certificate fingerprint required"))?)
        } else {
            None
        };
        let Some(version) = offered(head)? else {
            if self.required {
                return Err(answer::bad_request("token binding subprotocol required"));
            }
            return Ok(None);
        };
        let key = BASE64.decode(key).ok().and_then(|key| key.try_into().ok());
        let key = key.ok_or_else(|| answer::bad_request("invalid token binding handshake"))?;
        Ok(Some(Binding {
            version,
            key,
            fingerprint: fingerprint.map(Box::from),
        }))
    }
}

/// The best version among the offers.
fn offered(head: &Head<'_>) -> Result<Option<BindingVersion>, Answer> {
    let names = || {
        let values = head.all("sec-websocket-protocol");
        values
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
    };
    for version in [BindingVersion::Two, BindingVersion::One] {
        if names().any(|name| name == version.subprotocol().as_bytes()) {
            return Ok(Some(version));
        }
    }
    let is_of_family = |name: &[u8]| {
        name.get(..FAMILY.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(FAMILY))
    };
    if names().any(is_of_family) {
        return Err(answer::bad_request("unsupported token binding subprotocol"));
    }
    Ok(None)
}

/// Lower-case hex SHA-256 of the client's certificate (T12). `own`: the one that was shown to this server. Of a trusted proxy
/// its headers count instead.
pub(super) fn client_certificate(
    head: &Head<'_>,
    proxies: &TrustedProxies,
    peer: IpAddr,
    own: Option<[u8; 32]>,
) -> Option<Box<str>> {
    if proxies.trusts(peer) {
        fingerprint(head)
    } else {
        own.map(|digest| HEXLOWER.encode(&digest).into())
    }
}

/// Lower-case hex SHA-256 of the client's certificate, as a trusted proxy tells it. The first header that is not empty
/// counts.
fn fingerprint(head: &Head<'_>) -> Option<Box<str>> {
    for name in FINGERPRINT_HEADERS {
        if head.all(name).any(|value| !value.trim_ascii().is_empty()) {
            return hex_digest(head.sole(name)?.trim_ascii());
        }
    }
    let der = der_of_escaped_pem(head.sole(CERTIFICATE_HEADER)?)?;
    Some(certificate_fingerprint(&der))
}

/// Lower-case hex SHA-256 of a certificate in DER.
#[must_use]
pub fn certificate_fingerprint(der: &[u8]) -> Box<str> {
    HEXLOWER.encode(&Sha256::digest(der)).into()
}

fn hex_digest(text: &[u8]) -> Option<Box<str>> {
    let text = str::from_utf8(text).ok()?.to_ascii_lowercase();
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.into())
}

/// The first certificate in a PEM text with percent escapes. A plus sign stands for itself.
fn der_of_escaped_pem(escaped: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            text.extend(data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()?);
            rest = after;
        } else {
            text.push(byte);
        }
    }
    let text = str::from_utf8(&text).ok()?;
    let (_, body) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = body.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.split_ascii_whitespace().collect();
    BASE64.decode(body.as_bytes()).ok().filter(|der| !der.is_empty())
}

/// The key stays out of debug output.
impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("version", &self.version)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::HEADERS_MAX;
    use super::*;

    const KEY: &[u8] = b"MDEyMzQ1Njc4OWFiY2RlZg==";
    const HEX: &str = "1376a851f01e89a6b4784fefcd761ec41187b7a5de02da57b764d9d920cf7107";

    fn negotiate(rules: TokenBinding<()>, peer: &str, key: &[u8], lines: &str) -> Result<Option<Binding>, String> {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let head = Head::parse(bytes.as_bytes(), &mut headers).expect("a head");
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().expect("a network")], Default::default());
        let peer = peer.parse().expect("an address");
        let certificate = client_certificate(&head, &proxies, peer, Some([0xab; 32]));
        rules.negotiate(&head, key, certificate.as_deref()).map_err(|answer| {
            let form = answer::Form {
                headers: "",
                without_body: false,
                closes: false,
            };
            let mut out = Vec::new();
            answer.write(form, &mut out);
            String::from_utf8(out).expect("text")
        })
    }

    fn rules(required: bool, require_client_fingerprint: bool) -> TokenBinding<()> {
        TokenBinding {
            protocol: (),
            required,
            require_client_fingerprint,
        }
    }

    fn version(required: bool, offer: &str) -> Result<Option<BindingVersion>, String> {
        let lines = format!("Sec-WebSocket-Protocol: {offer}\r\n");
        let binding = negotiate(rules(required, false), "10.0.0.1", KEY, &lines)?;
        Ok(binding.map(|binding| binding.version))
    }

    #[test]
    fn the_best_offer_counts() {
        use BindingVersion::{One, Two};
        for (offer, expected) in [
            ("signalfish.tokenbinding.v1", Some(One)),
            (
                "chat,signalfish.tokenbinding.v1 , signalfish.tokenbinding.v2",
                Some(Two),
            ),
            (
                "signalfish.tokenbinding.v1\r\nSec-WebSocket-Protocol: signalfish.tokenbinding.v2",
                Some(Two),
            ),
            ("signalfish.tokenbinding.v3, signalfish.tokenbinding.v1", Some(One)),
            ("chat, signalfish.tokenbinding", None),
            ("", None),
        ] {
            assert_eq!(version(false, offer), Ok(expected), "{offer}");
        }
    }

    #[test]
    fn unknown_versions_and_missing_offers_are_refused() {
        for offer in [
            "signalfish.tokenbinding.v3",
            "SignalFish.TokenBinding.v2",
            "a,signalfish.tokenbinding.V1",
        ] {
            for required in [false, true] {
                let answer = version(required, offer).expect_err("refused");
                assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
                assert!(
                    answer.ends_with("\r\n\r\nunsupported token binding subprotocol"),
                    "{answer}"
                );
            }
        }
        let answer = version(true, "chat").expect_err("refused");
        assert!(
            answer.ends_with("\r\n\r\ntoken binding subprotocol required"),
            "{answer}"
        );
    }

    #[test]
    fn a_key_that_is_no_base64_binds_nothing() {
        let offer = "Sec-WebSocket-Protocol: signalfish.tokenbinding.v2\r\n";
        // The last digit has bits that belong to no byte.
        let answer = negotiate(rules(false, false), "10.0.0.1", b"MDEyMzQ1Njc4OWFiY2RlZh==", offer);
        let answer = answer.expect_err("refused");
        assert!(answer.ends_with("\r\n\r\ninvalid token binding handshake"), "{answer}");
    }

    fn found(peer: &str, lines: &str) -> Option<String> {
        let lines = format!("Sec-WebSocket-Protocol: signalfish.tokenbinding.v2\r\n{lines}");
        match negotiate(rules(false, true), peer, KEY, &lines) {
            Ok(binding) => Some(binding.expect("bound").fingerprint.expect("required").into()),
            Err(answer) => {
                assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
                assert!(
                    answer.ends_with("\r\n\r\nclient certificate fingerprint required"),
                    "{answer}"
                );
                None
            }
        }
    }

    #[test]
    fn fingerprints_are_believed_of_trusted_proxies_alone() {
        for name in FINGERPRINT_HEADERS {
            let lines = format!("{name}: {}\r\n", HEX.to_uppercase());
            assert_eq!(found("10.0.0.1", &lines).as_deref(), Some(HEX));
            assert_eq!(
                found("11.0.0.1", &lines),
                Some("ab".repeat(32)),
                "a stranger has its own"
            );
        }
        assert_eq!(found("10.0.0.1", ""), None);
    }

    #[test]
    fn what_is_no_fingerprint_is_none() {
        for value in ["", "abc", &HEX[1..], &format!("{HEX}0"), &HEX.replace('1', "g")] {
            let lines = format!("x-signalfish-client-cert-sha256: {value}\r\n");
            assert_eq!(found("10.0.0.1", &lines), None, "{value}");
        }
        let twice = format!("x-signalfish-client-cert-sha256: {HEX}\r\n").repeat(2);
        assert_eq!(found("10.0.0.1", &twice), None, "a client may have written one of them");
        let second = format!("x-signalfish-client-cert-sha256: x\r\nx-forwarded-client-cert-sha256: {HEX}\r\n");
        assert_eq!(found("10.0.0.1", &second), None, "the first one counts");
        let empty = format!("x-signalfish-client-cert-sha256:\r\nx-forwarded-client-cert-sha256: {HEX}\r\n");
        assert_eq!(found("10.0.0.1", &empty).as_deref(), Some(HEX));
    }

    #[test]
    fn a_certificate_in_a_header_is_hashed() {
        // "+" and "/" stand for themselves in what AWS sends.
        let lines =
            "x-amzn-mtls-clientcert: -----BEGIN%20CERTIFICATE-----%0A++//%0aAQID%0A-----END%20CERTIFICATE-----%0A\r\n";
        let expected = certificate_fingerprint(&[0xfb, 0xef, 0xff, 1, 2, 3]);
        assert_eq!(found("10.0.0.1", lines).as_deref(), Some(&*expected));
        for broken in [
            "%",
            "%0",
            "%zz",
            "-----BEGIN%20CERTIFICATE-----",
            "%ff",
            "-----BEGIN%20CERTIFICATE----------END%20CERTIFICATE-----",
        ] {
            let lines = format!("x-amzn-mtls-clientcert: {broken}\r\n");
            assert_eq!(found("10.0.0.1", &lines), None, "{broken}");
        }
    }
}
