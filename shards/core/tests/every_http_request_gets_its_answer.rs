//! What is at which path, for whom, and in what state of the server (protocol 1, D29, D35, D36, D43).

mod http_stream;

use http_stream::{
    DRAINING, PROXY, SPOKEN, UPGRADE, WELL, WITHOUT_TICKET, answer, answer_when, ip, request, site, sole, talk,
    talk_in_pieces, upgrade,
};
use signal_fish_core::http::{After, Body, Conversation, DeskAnswer, Next, Read, query_parameter};

#[test]
fn health_is_ok() {
    for path in ["/v2/health", "/healthz", "/readyz", "/healthz?a=b"] {
        let answer = answer(request(&format!("GET {path}"), ""));
        assert_eq!((answer.status, answer.body.as_str()), (200, "OK"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("content-length"), Some("2"));
        assert!(answer.header("vary").is_some_and(|value| value.contains("origin")));
    }
}

#[test]
fn head_answers_as_get_without_the_body() {
    for path in ["/v2/health", "/v2/ws", "/nowhere", "/page"] {
        let get = answer(request(&format!("GET {path}"), ""));
        let head = answer(request(&format!("HEAD {path}"), ""));
        assert_eq!(head.body, "");
        assert_eq!((head.status, head.headers), (get.status, get.headers), "{path}");
    }
    let refused = answer("HEAD /healthz HTTP/1.1\r\n\r\n");
    assert_eq!((refused.status, refused.body.as_str()), (400, ""));
}

#[test]
fn unknown_path_is_404_and_names_the_known_ones() {
    for path in ["/", "/v2/wss", "/v2/ws/", "/V2/health"] {
        let answer = answer(request(&format!("GET {path}"), ""));
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(
            answer.body,
            r#"{"error":"not found","paths":["/v2/ws","/v2/health","/healthz","/readyz","/metrics","/alive","/admin/*","/page"]}"#
        );
    }
}

#[test]
fn a_page_comes_with_its_headers_in_the_encoding_that_the_client_takes() {
    for (headers, encoding) in [
        ("", None),
        ("Accept-Encoding: gzip\r\n", Some("gzip")),
        ("Accept-Encoding: br;q=1, GZIP ; q=0.001\r\n", Some("gzip")),
        ("Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n", Some("gzip")),
        ("Accept-Encoding: br, gzip;q=0\r\n", None),
        ("Accept-Encoding: gzip; Q=0.000\r\n", None),
        ("Accept-Encoding: gzipped, identity\r\n", None),
        ("Accept-Encoding: \u{fffd},;;q=,\r\n", None),
    ] {
        for path in ["/page", "/part", "/page?a=b"] {
            let answer = answer(request(&format!("GET {path}"), headers));
            assert_eq!(answer.status, 200, "{headers}");
            assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
            assert_eq!(answer.header("content-encoding"), encoding, "{headers}");
            let body = if encoding.is_some() { "in gzip" } else { "plain" };
            assert_eq!(answer.body, body);
            assert_eq!(answer.header("content-length"), Some(&*body.len().to_string()));
            assert_eq!(answer.header("etag"), Some("W/\"1-a\""));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
            assert!(
                answer
                    .header("vary")
                    .is_some_and(|value| value.contains("accept-encoding"))
            );
        }
    }
    assert_eq!(answer_when(WITHOUT_TICKET, request("GET /page", "")).status, 429);
}

#[test]
fn a_page_that_the_client_has_is_not_sent_again() {
    for (value, status) in [
        ("W/\"1-a\"", 304),
        ("\"1-a\"", 304),
        ("\"0\" , W/\"1-a\"", 304),
        ("*", 304),
        ("\"1-b\"", 200),
        ("1-a", 200),
        ("w/\"1-a\"", 200),
        ("", 200),
    ] {
        let header = format!("If-None-Match: {value}\r\n");
        let answer = answer(request("GET /page", &header));
        assert_eq!(answer.status, status, "{value}");
        let body = if status == 304 { "" } else { "plain" };
        assert_eq!(
            (answer.body.as_str(), answer.header("content-length")),
            (body, Some("5"))
        );
        assert_eq!(answer.header("etag"), Some("W/\"1-a\""));
    }
}

#[test]
fn other_methods_are_not_allowed() {
    for method in ["POST", "DELETE", "get", "OPTIONS", "M-SEARCH"] {
        for path in ["/v2/health", "/v2/ws", "/page"] {
            let answer = answer(request(&format!("{method} {path}"), ""));
            assert_eq!((answer.status, answer.body.as_str()), (405, ""), "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET,HEAD"));
        }
    }
}

#[test]
fn every_form_of_target_gets_a_clear_answer() {
    for (line, status) in [
        ("GET http://host/v2/health", 200),
        ("GET HTTPS://other:1/v2/health?a=b", 200),
        ("GET http://host", 404),
        ("OPTIONS *", 200),
        ("GET *", 400),
        ("GET host:443", 400),
        ("GET v2/health", 400),
        ("GET ftp://host/v2/health", 400),
        ("CONNECT host:443", 405),
        ("CONNECT /v2/health", 405),
    ] {
        assert_eq!(answer(request(line, "")).status, status, "{line}");
    }
    assert_eq!(answer(request("OPTIONS *", "")).header("allow"), Some("GET,HEAD"));
    assert!(answer(request("CONNECT host:443", "")).closes());
    // An absolute target does not stand for the Host header.
    assert_eq!(answer("GET http://host/v2/health HTTP/1.1\r\n\r\n").status, 400);
}

#[test]
fn listed_origins_are_echoed_and_others_are_not() {
    let listed = site("https://a.example, https://b.example");
    let ask = |line: &str, headers: &str| {
        let bytes = request(line, headers);
        sole(talk_in_pieces(&listed, "192.0.2.1", WELL, [bytes.as_bytes()]))
    };
    let allowed = "access-control-allow-origin";
    let own = ask("GET /v2/health", "Origin: https://b.example\r\n");
    assert_eq!((own.status, own.header(allowed)), (200, Some("https://b.example")));
    for strange in [
        "Origin: https://c.example\r\n",
        "",
        "Origin: https://a.example\r\nOrigin: https://c.example\r\n",
    ] {
        let strange = ask("GET /v2/health", strange);
        assert_eq!((strange.status, strange.header(allowed)), (200, None));
        assert!(strange.header("vary").is_some());
    }
    let preflight = "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n";
    for path in ["/v2/health", "/nowhere"] {
        let answer = ask(&format!("OPTIONS {path}"), preflight);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        assert_eq!(answer.header(allowed), Some("https://a.example"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("*"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("*"));
    }
    let open = answer(request("GET /nowhere", "Origin: https://c.example\r\n"));
    assert_eq!(open.header(allowed), Some("*"));
}

#[test]
fn an_upgrade_is_accepted_with_what_follows_it() {
    let (upgrade, rest) = upgrade(talk(format!("{UPGRADE}\u{1}frames")));
    assert_eq!((upgrade.protocol, upgrade.client), (SPOKEN, ip("192.0.2.1")));
    assert_eq!(rest, b"\x01frames");
    let query = upgrade.query.expect("a query");
    assert_eq!(query_parameter(&query, "game_name").as_deref(), Some("g"));
    // The answer of RFC 6455, section 1.3.
    let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                  sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&upgrade.answer), answer);
}

#[test]
fn an_upgrade_that_is_none_says_why() {
    for (from, to, body) in [
        (
            "Connection: Upgrade",
            "Connection: keep-alive",
            "Connection header did not include 'upgrade'",
        ),
        (
            "Upgrade: websocket",
            "Upgrade: h2c",
            "`Upgrade` header did not include 'websocket'",
        ),
        ("GET", "HEAD", ""),
        ("HTTP/1.1", "HTTP/1.0", "A WebSocket upgrade needs GET and HTTP/1.1"),
        ("Host", "Content-Length: 1\r\nHost", "A WebSocket upgrade has no body"),
        (
            "Version: 13",
            "Version: 8",
            "`Sec-WebSocket-Version` header did not include '13'",
        ),
        (
            "Sec-WebSocket-Version: 13\r\n",
            "",
            "`Sec-WebSocket-Version` header did not include '13'",
        ),
        (
            "Host",
            "Sec-WebSocket-Version: 13\r\nHost",
            "`Sec-WebSocket-Version` header is repeated",
        ),
        (
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "",
            "`Sec-WebSocket-Key` header missing",
        ),
        (
            "Host",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost",
            "`Sec-WebSocket-Key` header is repeated",
        ),
        ("ZQ==", "", "`Sec-WebSocket-Key` header is not 16 bytes in base64"),
    ] {
        let bytes = UPGRADE.replacen(from, to, 1);
        assert_ne!(bytes, UPGRADE);
        let answer = answer(&bytes);
        assert_eq!((answer.status, answer.body.as_str()), (400, body), "{bytes}");
        let about_version = body.contains("-Version");
        assert_eq!(answer.header("sec-websocket-version").is_some(), about_version);
    }
}

#[test]
fn a_list_of_origins_also_guards_the_upgrade() {
    let listed = site("https://a.example");
    let ask = |headers: &[u8]| {
        let bytes = [&UPGRADE.as_bytes()[..UPGRADE.len() - 2], headers, b"\r\n"].concat();
        talk_in_pieces(&listed, "192.0.2.1", WELL, [&bytes[..]])
    };
    upgrade(ask(b""));
    upgrade(ask(b"Origin: https://a.example\r\n"));
    for strange in [
        &b"Origin: https://c.example\r\n"[..],
        b"Origin: https://a.example\r\nOrigin: https://c.example\r\n",
        b"Origin: \xff\r\n",
        b"Origin: null\r\n",
    ] {
        assert_eq!(sole(ask(strange)).status, 403, "{}", String::from_utf8_lossy(strange));
    }
    upgrade(talk(UPGRADE.replacen("Host", "Origin: \u{e9}\r\nHost", 1)));
}

#[test]
fn a_draining_server_is_alive_and_takes_nobody() {
    for (bytes, status) in [
        (request("GET /readyz", ""), 503),
        (UPGRADE.to_owned(), 503),
        (request("GET /v2/ws", ""), 503),
        (request("GET /healthz", ""), 200),
        (request("GET /v2/health", ""), 200),
        (request("GET /nowhere", ""), 404),
    ] {
        let answer = answer_when(DRAINING, &bytes);
        assert_eq!(answer.status, status, "{bytes}");
        assert!(answer.closes());
    }
}

#[test]
fn without_a_ticket_http_gets_429_and_an_upgrade_is_accepted() {
    for bytes in [
        request("GET /healthz", ""),
        request("GET /nowhere", ""),
        request("GET /v2/ws", ""),
        UPGRADE.replacen("13", "8", 1),
    ] {
        let answer = answer_when(WITHOUT_TICKET, &bytes);
        assert_eq!(answer.status, 429, "{bytes}");
        assert!(answer.closes());
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let talk = talk_in_pieces(&site("*"), "192.0.2.1", WITHOUT_TICKET, [UPGRADE.as_bytes()]);
    assert_eq!(upgrade(talk).0.protocol, SPOKEN);
}

#[test]
fn the_client_behind_a_proxy_is_known_when_the_head_is_complete() {
    let site = site("*");
    let bytes = UPGRADE.replacen("Host", "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nHost", 1);
    let mut conversation = Conversation::default();
    conversation.push(&bytes.as_bytes()[..bytes.len() - 1]);
    assert_eq!(conversation.read(), Read::Partial);
    assert_eq!(conversation.client(&site, ip(PROXY)), ip(PROXY));
    assert_eq!(conversation.client(&site, ip("::ffff:10.0.0.1")), ip(PROXY));
    conversation.push(b"\n");
    assert_eq!(conversation.read(), Read::Complete);
    assert_eq!(conversation.client(&site, ip(PROXY)), ip("1.2.3.4"));
    assert_eq!(conversation.client(&site, ip("192.0.2.1")), ip("192.0.2.1"));
    let talk = talk_in_pieces(&site, PROXY, WELL, [bytes.as_bytes()]);
    assert_eq!(upgrade(talk).0.client, ip("1.2.3.4"));
}

// ----- the desk

#[test]
fn the_desk_is_told_what_was_asked_and_by_whom() {
    let line = "GET /metrics?a=b";
    let answer = answer(request(line, "Authorization: Bearer x\r\n"));
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/plain"))
    );
    assert_eq!(answer.body, r#"GET /metrics Some("a=b") Some("Bearer x") 192.0.2.1"#);
    assert_eq!(answer.header("x-desk"), Some("1"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let by_proxy = talk_in_pieces(
        &site("*"),
        PROXY,
        WELL,
        [request("GET /metrics", "X-Forwarded-For: 198.51.100.7\r\n").as_bytes()],
    );
    assert!(sole(by_proxy).body.ends_with("198.51.100.7"));
}

#[test]
fn a_repeated_authorization_is_none() {
    let twice = "Authorization: Bearer x\r\nAuthorization: Bearer x\r\n";
    assert!(answer(request("GET /metrics", twice)).body.contains("None 192"));
    let no_text = b"GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: \xff\r\n\r\n";
    assert!(answer(no_text).body.contains("None 192"));
}

#[test]
fn what_is_public_takes_get_and_head_and_what_is_private_leaves_it_to_the_desk() {
    assert_eq!(answer(request("DELETE /metrics", "")).status, 405);
    assert_eq!(answer(request("HEAD /metrics", "")).body, "");
    let preflight = "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n";
    assert_eq!(answer(request("OPTIONS /metrics", preflight)).body, "");
    for (line, headers) in [
        ("DELETE /admin/rooms/1", ""),
        ("PATCH /admin/x", ""),
        ("OPTIONS /admin/x", preflight),
        ("GET /admin/x", "Origin: https://a.example\r\n"),
    ] {
        let answer = answer(request(line, headers));
        assert!(answer.body.starts_with(line), "{}", answer.body);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{line}");
    }
}

#[test]
fn the_desk_takes_no_bodies() {
    for headers in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
        for line in ["GET /metrics", "PUT /admin/x"] {
            let answer = answer([request(line, headers).as_bytes(), b"x"].concat());
            assert_eq!(
                (answer.status, answer.body.as_str(), answer.closes()),
                (400, "Requests for this path have no body.", true),
                "{line}"
            );
        }
    }
    assert_eq!(answer(request("PUT /admin/x", "Content-Length: 0\r\n")).status, 200);
}

#[test]
fn the_desk_is_not_asked_by_who_gets_no_ticket_or_comes_too_late() {
    for (standing, line, status) in [
        (DRAINING, "GET /metrics", 503),
        (DRAINING, "GET /admin/x", 503),
        (DRAINING, "GET /alive", 200),
        (WITHOUT_TICKET, "GET /metrics", 429),
        (WITHOUT_TICKET, "GET /admin/x", 429),
    ] {
        let answer = answer_when(standing, request(line, ""));
        assert_eq!((answer.status, answer.header("x-desk")), (status, None), "{line}");
    }
}

#[test]
fn a_stream_has_no_length_and_ends_with_its_connection() {
    let stream = DeskAnswer {
        status: "200 OK",
        content_type: "text/event-stream",
        headers: "",
        body: Body::Stream,
    };
    for (method, after) in [("GET", After::Stream), ("HEAD", After::KeepAlive)] {
        let mut conversation = Conversation::default();
        conversation.push(request(&format!("{method} /metrics"), "").as_bytes());
        assert_eq!(conversation.read(), Read::Complete);
        let mut out = Vec::new();
        let next = conversation.respond(&site("*"), ip("192.0.2.1"), WELL, &mut out);
        assert!(matches!(next, Next::Desk(_)) && out.is_empty());
        assert_eq!(conversation.answer(&stream, false, &mut out), after);
        let text = String::from_utf8_lossy(&out);
        assert!(!text.contains("content-length"), "{text}");
        assert_eq!(text.contains("connection: close"), method == "GET", "{text}");
        assert_eq!(
            conversation.answer(&stream, false, &mut out),
            After::KeepAlive,
            "nobody asks"
        );
    }
}
