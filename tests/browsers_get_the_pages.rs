//! The pages and everything that they load come from the server itself, with headers that let them load nothing else
//! (protocol 1). What they do in a browser is the matter of `scripts/pages.sh`.

mod harness;

use harness::Server;
use harness::raw::Answer;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};

const PAGES: [&str; 3] = ["/", "/playground", "/dashboard"];

fn server() -> Arc<Server> {
    static PLACE: harness::server::Shared = Mutex::new(Weak::new());
    Server::shared(&PLACE, json!({}))
}

fn ask(server: &Server, line: &str, headers: &str) -> Answer {
    let mut raw = server.raw();
    raw.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes());
    raw.read_answer()
}

fn get(server: &Server, path: &str) -> Answer {
    ask(server, &format!("GET {path}"), "")
}

/// What stands between `before` and the next quotation mark, each time.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

/// The pages and every part that one of them loads, directly or through its modules, with their bodies.
fn everything(server: &Server) -> Vec<(String, Answer)> {
    let mut seen = BTreeSet::new();
    let mut to_see: Vec<String> = PAGES.map(str::to_owned).to_vec();
    let mut found = Vec::new();
    while let Some(path) = to_see.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = get(server, &path);
        let folder = &path[..=path.rfind('/').expect("a path")];
        let linked = [
            quoted(&answer.body, " href=\"parts/"),
            quoted(&answer.body, " src=\"parts/"),
        ]
        .concat();
        to_see.extend(linked.iter().map(|part| format!("/parts/{part}")));
        let imported = [quoted(&answer.body, "from \"./"), quoted(&answer.body, "import \"./")].concat();
        to_see.extend(imported.iter().map(|part| format!("{folder}{part}")));
        let from_above = quoted(&answer.body, "from \"../");
        to_see.extend(from_above.iter().map(|part| format!("/parts/{part}")));
        found.push((path, answer));
    }
    found
}

fn type_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        None => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some(other) => panic!("{path}: what is {other}?"),
    }
}

#[test]
fn every_page_and_part_has_its_type_and_its_headers() {
    let server = server();
    let all = everything(&server);
    assert!(all.len() > 10, "{} files", all.len());
    for (path, answer) in &all {
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(type_of(path)), "{path}");
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"),
            "{policy}"
        );

        let head = ask(&server, &format!("HEAD {path}"), "");
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(head.headers, answer.headers, "{path}");

        let tag = answer.header("etag").expect("a tag");
        let again = ask(&server, &format!("GET {path}"), &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((again.status, again.header("etag")), (304, Some(tag)), "{path}");

        assert_eq!(
            ask(&server, &format!("POST {path}"), "Content-Length: 0\r\n").status,
            405,
            "{path}"
        );
        assert_eq!(get(&server, &format!("{path}?code=ABC234")).body, answer.body);
    }
}

#[test]
fn text_is_small_on_the_wire() {
    let server = server();
    for (path, plain) in everything(&server) {
        let answer = ask(
            &server,
            &format!("GET {path}"),
            "Accept-Encoding: gzip, deflate, br\r\n",
        );
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{path}");
        let length: usize = answer
            .header("content-length")
            .and_then(|length| length.parse().ok())
            .expect("a length");
        assert!(length < plain.body.len(), "{path}");
        assert!(length < 16 * 1024, "{path}: {length}");
    }
}

/// The policy would stop what these look for, in a browser that knows policies.
#[test]
fn nothing_is_inline_and_nothing_comes_from_outside() {
    for (path, answer) in everything(&server()) {
        let text = answer.body.replace("http://www.w3.org/2000/svg", "");
        for outside in ["://", "url(", "@import", "innerHTML", "eval("] {
            assert!(!text.contains(outside), "{path}: {outside}");
        }
        if type_of(&path).starts_with("text/html") {
            assert_eq!(text.matches("<script").count(), text.matches("</script>").count());
            assert_eq!(
                text.matches("<script").count(),
                quoted(&text, "script src=\"").len() + quoted(&text, "<script type=\"module\" src=\"").len(),
                "{path}"
            );
            assert_eq!(
                text.matches("></script>").count(),
                text.matches("</script>").count(),
                "{path}: a script inside"
            );
            for inline in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
                assert!(!text.contains(inline), "{path}: {inline}");
            }
        }
    }
}

#[test]
fn the_landing_page_tells_the_version() {
    let page = get(&server(), "/").body;
    assert!(page.contains(concat!("version ", env!("CARGO_PKG_VERSION"))));
    assert!(!page.contains("{{"));
}

#[test]
fn pages_can_be_switched_off() {
    let with_pages = server();
    let without = Server::start(json!({"http": {"pages": false}}));
    let paths: Vec<String> = everything(&with_pages).into_iter().map(|(path, _)| path).collect();
    for path in paths {
        let answer = get(&without, &path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.body, get(&without, "/nowhere").body);
        assert_eq!(answer.header("content-security-policy"), None);
    }
    assert_eq!(get(&without, "/healthz").status, 200);
    let known = |server: &Server| -> Value {
        let body: Value = serde_json::from_str(&get(server, "/nowhere").body).expect("JSON");
        body["paths"].clone()
    };
    for page in PAGES {
        assert!(
            known(&with_pages)
                .as_array()
                .is_some_and(|paths| paths.contains(&json!(page)))
        );
        assert!(
            known(&without)
                .as_array()
                .is_some_and(|paths| !paths.contains(&json!(page)))
        );
    }
    assert!(
        !known(&with_pages).to_string().contains("/parts/"),
        "parts are not told of"
    );
}
