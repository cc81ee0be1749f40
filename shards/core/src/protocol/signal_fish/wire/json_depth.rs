//! Depth of nesting of a JSON text, which raw values do not count (D2).

use super::invalid::{DEPTH_MAX, Invalid};

/// Checks that `json` nests objects and arrays at most [`DEPTH_MAX`] deep. Of a text that is no JSON the answer means
/// nothing.
///
/// # Errors
/// [`Invalid`] if it nests deeper.
pub fn check(json: &str) -> Result<(), Invalid> {
    // A text with few brackets cannot nest deep, wherever they stand; counting them takes a fraction of the scan.
    if json.bytes().filter(|byte| byte | 0x20 == b'{').count() <= DEPTH_MAX {
        return Ok(());
    }
    let mut depth: usize = 0;
    let mut in_string = false;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Invalid);
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrays(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    fn objects(depth: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
    }

    #[test]
    fn the_deepest_that_is_allowed_passes_and_one_more_does_not() {
        for nested in [arrays, objects] {
            assert_eq!(check(&nested(DEPTH_MAX)), Ok(()));
            for deeper in [DEPTH_MAX + 1, 30_000, 100_000] {
                assert_eq!(check(&nested(deeper)), Err(Invalid), "{deeper}");
            }
        }
    }

    #[test]
    fn mixed_nesting_counts_both_kinds() {
        let mixed = |pairs| format!("{}0{}", r#"[{"a":"#.repeat(pairs), "}]".repeat(pairs));
        assert_eq!(check(&mixed(DEPTH_MAX / 2)), Ok(()));
        assert_eq!(check(&mixed(DEPTH_MAX / 2 + 1)), Err(Invalid));
    }

    #[test]
    fn values_side_by_side_are_not_deep() {
        assert_eq!(check(&format!("[{}0]", "[[]],".repeat(30_000))), Ok(()));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let brackets = "[{".repeat(30_000);
        for text in [
            format!(r#"["{brackets}"]"#),
            format!(r#"{{"{brackets}":1}}"#),
            format!(r#"["\"{brackets}"]"#),
            format!(r#"["\\\"{brackets}"]"#),
            format!(r#"["\u005b{brackets}"]"#),
            format!(r#"["é\\","{brackets}"]"#),
        ] {
            assert_eq!(check(&text), Ok(()), "{}", &text[..20]);
        }
    }

    #[test]
    fn a_string_ends_where_its_quote_is_not_escaped() {
        let deep = arrays(DEPTH_MAX);
        for text in [
            format!(r#"["\\",{deep}]"#),
            format!(r#"["\"",{deep}]"#),
            format!(r#"["]]]]",{deep}]"#),
            format!(r#"{{"}}\"}}":{deep}}}"#),
        ] {
            assert_eq!(check(&text), Err(Invalid), "{}", &text[..20]);
        }
    }

    #[test]
    fn text_that_is_no_json_does_not_panic() {
        for text in [
            "]".repeat(300),
            format!("{}]]]", "[]]".repeat(300)),
            format!("{}\"\\", "[]".repeat(300)),
        ] {
            let _ = check(&text);
        }
    }
}
