//! The query of a request.

/// Names and values of a query that may hold each of these names once.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read<'n>(query: &str, names: &[&'n str]) -> Result<Vec<(&'n str, String)>, &'static str> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(known) = names.iter().find(|known| **known == name) else {
            return Err("The query has a name that is not known here.");
        };
        if found.iter().any(|(name, _)| name == known) {
            return Err("The query has a name twice.");
        }
        found.push((known, value.into_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_there_once() {
        assert_eq!(read("", &[]), Ok(Vec::new()));
        assert_eq!(
            read("b=%20x&a=", &["a", "b"]),
            Ok(vec![("b", " x".to_owned()), ("a", String::new())])
        );
        assert!(read("c=1", &["a"]).is_err() && read("a=1&a=1", &["a"]).is_err() && read("A=1", &["a"]).is_err());
    }
}
