//! The known name that somebody most likely meant.

/// The candidate nearest to `word`; none when all are too far away to be helpful. Case, `_` and `-`
/// make no difference, so that `page_size` finds `pageSize`.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(word);
    let length = wanted.chars().count();
    // A short word is near to everything: at least one of its characters must be right.
    let limit = length.div_ceil(4).min(4).min(length.saturating_sub(1));
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric() || *c == '.').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far_fetched() {
        let check = |word: &str, found: Option<&str>| {
            assert_eq!(nearest(word, ["pageSize", "pollingPeriod", "auth"]), found, "{word}");
        };
        check("page_size", Some("pageSize"));
        check("pagesiez", Some("pageSize"));
        check("poll_period", Some("pollingPeriod"));
        check("outh", Some("auth"));
        check("zzz", None);
        check("a", None);
    }
}
