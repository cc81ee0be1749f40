//! Protocol 3.2, steps 2, 3 and 6, with lengths in Unicode scalar values (D7).

use signal_fish_core::protocol::signal_fish::wire::{GameName, NameRules, PlayerName, RoomCode};

/// `Ok(())` or the reason that the client gets.
type Expected = Result<(), &'static str>;

fn assert_reason<T, E: ToString>(text: &str, parsed: Result<T, E>, expected: Expected) {
    let reason = parsed.map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(reason, expected.map_err(str::to_owned), "{text:?}");
}

#[test]
fn game_names() {
    let (long, too_long) = ("a".repeat(64), "a".repeat(65));
    let (long_cjk, too_long_cjk) = ("日".repeat(64), "日".repeat(65));
    const TOO_LONG: Expected = Err("Game name too long (max 64 characters)");
    const CHARACTERS: Expected = Err("Game name contains invalid characters");
    for (text, expected) in [
        ("chess", Ok(())),
        ("Tic-Tac_Toe 2", Ok(())),
        ("日本", Ok(())),
        ("   ", Ok(())),
        (" a ", Ok(())),
        ("٣½", Ok(())),
        (&long, Ok(())),
        (&long_cjk, Ok(())),
        ("", Err("Game name cannot be empty")),
        (&too_long, TOO_LONG),
        (&too_long_cjk, TOO_LONG),
        ("a/b", CHARACTERS),
        ("a\tb", CHARACTERS),
        ("a\u{a0}b", CHARACTERS),
        ("a\0b", CHARACTERS),
        ("a.b", CHARACTERS),
        ("😀", CHARACTERS),
        ("e\u{301}", CHARACTERS),
    ] {
        assert_reason(text, GameName::parse(text, 64), expected);
    }
    assert_reason("é", GameName::parse("é", 1), Ok(()));
    assert_reason(
        "ab",
        GameName::parse("ab", 1),
        Err("Game name too long (max 1 characters)"),
    );
}

#[test]
fn game_names_keep_their_case_and_their_spaces() {
    let name = GameName::parse(" Chess ", 64).expect("valid");
    assert_eq!(name.as_str(), " Chess ");
    assert_ne!(name, GameName::parse(" chess ", 64).expect("valid"));
}

#[test]
fn player_names() {
    let (long, too_long) = ("日".repeat(32), "a".repeat(33));
    let blank_and_too_long = " ".repeat(33);
    const TOO_LONG: Expected = Err("Player name too long (max 32 characters)");
    const EDGES: Expected = Err("Player name cannot have leading or trailing whitespace");
    const WHITESPACE: Expected = Err("Player name cannot contain whitespace characters");
    const CHARACTERS: Expected = Err("Player name contains invalid characters");
    for (text, expected) in [
        ("Alice", Ok(())),
        ("日本", Ok(())),
        ("a-b_c d", Ok(())),
        (&long, Ok(())),
        ("", Err("Player name cannot be empty")),
        (&too_long, TOO_LONG),
        // The length is looked at before anything else that is wrong.
        (&blank_and_too_long, TOO_LONG),
        (" ", Err("Player name cannot be blank")),
        (" \t\u{3000}", Err("Player name cannot be blank")),
        (" a", EDGES),
        ("a ", EDGES),
        ("a\t", EDGES),
        ("\u{a0}a", EDGES),
        ("a\tb", WHITESPACE),
        ("a\u{3000}b", WHITESPACE),
        ("a\t!", WHITESPACE),
        ("p!", CHARACTERS),
        ("a\0", CHARACTERS),
        ("a\u{200b}b", CHARACTERS),
        ("😀", CHARACTERS),
    ] {
        assert_reason(text, PlayerName::parse(text, &NameRules::default()), expected);
    }
}

#[test]
fn player_names_under_other_rules() {
    let ascii = NameRules {
        allow_unicode_alphanumeric: false,
        ..NameRules::default()
    };
    let no_spaces = NameRules {
        allow_spaces: false,
        ..NameRules::default()
    };
    let edges = NameRules {
        allow_leading_trailing_whitespace: true,
        ..NameRules::default()
    };
    let symbols = NameRules {
        length_max: 3,
        allowed_symbols: vec!['!'],
        additional_allowed_characters: Some("😀\t".to_owned()),
        ..NameRules::default()
    };
    const CHARACTERS: Expected = Err("Player name contains invalid characters");
    for (rules, text, expected) in [
        (&ascii, "Bob 2", Ok(())),
        (&ascii, "日本", CHARACTERS),
        (&no_spaces, "ab", Ok(())),
        (&no_spaces, "a b", Err("Player name cannot contain spaces")),
        (
            &no_spaces,
            " ab",
            Err("Player name cannot have leading or trailing whitespace"),
        ),
        (
            &no_spaces,
            "a\tb",
            Err("Player name cannot contain whitespace characters"),
        ),
        (&edges, " a ", Ok(())),
        (&edges, "  ", Err("Player name cannot be blank")),
        (&edges, "\ta", Err("Player name cannot contain whitespace characters")),
        (&symbols, "a!😀", Ok(())),
        (&symbols, "a-b", CHARACTERS),
        (
            &symbols,
            "a\tb",
            Err("Player name cannot contain whitespace characters"),
        ),
        (&symbols, "abcd", Err("Player name too long (max 3 characters)")),
    ] {
        assert_reason(text, PlayerName::parse(text, rules), expected);
    }
}

#[test]
fn player_names_clash_whatever_their_case() {
    let name = |text| PlayerName::parse(text, &NameRules::default()).expect("valid");
    for (a, b, clash) in [
        ("Alice", "aLICE", true),
        ("ÄÖÜ", "äöü", true),
        ("ΑΣ", "ασ", true),
        ("Alice", "Alicе", false),
        ("Alice", "Alice2", false),
        ("a b", "ab", false),
    ] {
        assert_eq!(name(a).clashes_with(&name(b)), clash, "{a} {b}");
        assert_eq!(name(b).clashes_with(&name(a)), clash, "{b} {a}");
    }
}

#[test]
fn room_codes() {
    const LENGTH: Expected = Err("Room code must be exactly 6 characters");
    const ALPHANUMERIC: Expected = Err("Room code must be alphanumeric");
    for (text, expected) in [
        ("ABC123", Ok(())),
        ("abc0O1", Ok(())),
        ("", Err("Room code cannot be empty")),
        ("ABC12", LENGTH),
        ("ABC1234", LENGTH),
        // Six bytes, but two characters.
        ("日本", LENGTH),
        ("ABC12!", ALPHANUMERIC),
        ("ABC 12", ALPHANUMERIC),
        ("ÄBC123", ALPHANUMERIC),
        ("日本日本日本", ALPHANUMERIC),
    ] {
        assert_reason(text, RoomCode::parse(text, 6), expected);
    }
    let code = RoomCode::parse("abC12z", 6).expect("valid");
    assert_eq!(code.as_str(), "ABC12Z");
}
