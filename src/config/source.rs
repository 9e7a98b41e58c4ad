//! A configuration file's text, and how a part of it is shown: never with a secret in it.

use std::fmt::Write as _;
use std::ops::Range;

/// Longest line that is shown whole, in characters.
const LINE_MAX: usize = 100;

/// Characters shown before the marked part of a longer line.
const LEAD: usize = 30;

/// What stands for text that is not shown.
const MASK: &str = "***";

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path as it was given.
    pub path: String,
    text: String,
    /// The parts that are not shown, in order, without overlap.
    masked: Vec<Range<usize>>,
}

impl Source {
    pub(crate) fn new(path: String, text: String, mut masked: Vec<Range<usize>>) -> Source {
        masked.sort_by_key(|span| span.start);
        Source { path, text, masked }
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub(crate) fn position(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// The line with carets below the part, and a remark beside them:
    ///
    /// ```text
    ///  --> config.toml:3:1
    ///   |
    /// 3 | pagesize = 25
    ///   | ^^^^^^^^ did you mean `pageSize`?
    /// ```
    pub(crate) fn excerpt(&self, span: &Range<usize>, remark: &str) -> String {
        let (line, column) = self.position(span.start);
        let shown = self.shown_line(span);
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        let space = " ".repeat(shown.caret.start);
        let carets = "^".repeat(shown.caret.len().max(1));
        let mut text = format!("{gutter}--> {}:{line}:{column}\n{gutter} |\n", self.path);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", format!("{number} | {}", shown.text).trim_end());
        let _ = write!(text, "{gutter} | {space}{carets} {remark}");
        text.trim_end().to_owned()
    }

    fn shown_line(&self, span: &Range<usize>) -> ShownLine {
        let start = self.text.get(..span.start).and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
        let rest = self.text.get(start..).unwrap_or_default();
        let end = start + rest.find('\n').unwrap_or(rest.len());
        let mut line = ShownLine { text: String::new(), caret: 0..0 };
        let mut width = 0;
        let mut at = start;
        while at < end {
            let mask = self.masked.iter().find(|mask| mask.contains(&at));
            let character = self.text.get(at..).and_then(|t| t.chars().next()).unwrap_or(' ');
            let next = mask.map_or(at + character.len_utf8(), |mask| mask.end.min(end)).max(at + 1);
            let (before, piece_start) = (width, at);
            match mask {
                Some(_) => line.text.push_str(MASK),
                None => line.text.push(if character.is_control() { ' ' } else { character }),
            }
            width += if mask.is_some() { MASK.len() } else { 1 };
            if piece_start <= span.start {
                line.caret = before..before;
            }
            if span.start < next && piece_start < span.end {
                line.caret.end = width;
            }
            at = next;
        }
        if span.start >= end {
            line.caret = width..width;
        }
        line.cut()
    }
}

/// A line as shown and the characters of it that are marked.
struct ShownLine {
    text: String,
    caret: Range<usize>,
}

impl ShownLine {
    /// Keeps the marked part of a very long line, such as a JSON document in one line.
    fn cut(self) -> ShownLine {
        let length = self.text.chars().count();
        if length <= LINE_MAX {
            return ShownLine { text: self.text.trim_end().to_owned(), caret: self.caret };
        }
        let from = self.caret.start.saturating_sub(LEAD);
        let mut text: String = self.text.chars().skip(from).take(LINE_MAX).collect();
        if from + LINE_MAX < length {
            text.push('…');
        }
        let shift = if from > 0 {
            text.insert(0, '…');
            1
        } else {
            0
        };
        let place = |at: usize| (at - from + shift).min(LINE_MAX);
        ShownLine { text, caret: place(self.caret.start)..place(self.caret.end) }
    }
}

/// The parts of a file with a syntax error that must not be shown. Nothing is known about which
/// part is a secret, so only words that cannot be one are left: names of keys, true and false,
/// short numbers, punctuation. After the name of a secret nothing of the line is left.
pub(crate) fn mask_unparsed(text: &str) -> Vec<Range<usize>> {
    let mut masked = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut guarded = false;
        for word in words(line) {
            let shown = line.get(word.clone()).unwrap_or_default();
            if guarded || !is_harmless(shown) {
                masked.push(start + word.start..start + word.end);
            }
            guarded |= names_secret(shown);
        }
        start += line.len();
    }
    masked
}

/// The runs of a line between white space and punctuation; what is in quotes is one run, to the
/// end of the line if the quote does not end.
fn words(line: &str) -> Vec<Range<usize>> {
    let line = line.trim_end();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(c) = line.get(at..).and_then(|rest| rest.chars().next()) {
        let quoted = matches!(c, '"' | '\'');
        let start = if quoted { at + 1 } else { at };
        let rest = line.get(start..).unwrap_or_default();
        let length = match c {
            _ if quoted => rest.find(c).unwrap_or(rest.len()),
            _ => rest.find(separates).unwrap_or(rest.len()),
        };
        if length > 0 {
            words.push(start..start + length);
        }
        at = if quoted { start + length + 1 } else { at + length.max(c.len_utf8()) };
    }
    words
}

fn separates(c: char) -> bool {
    c.is_whitespace() || "=:,{}[]\"'".contains(c)
}

fn is_harmless(word: &str) -> bool {
    let segment = |path: &str| path.split('.').any(|segment| segment == word);
    word.len() <= 6 && word.chars().all(|c| c.is_ascii_digit())
        || matches!(word, "true" | "false" | "null")
        || super::keys::is_table(word)
        || super::keys::concrete_paths().any(|path| path == word || segment(&path))
}

fn names_secret(word: &str) -> bool {
    super::keys::KEYS
        .iter()
        .filter(|key| key.is_secret())
        .any(|key| key.path.rsplit('.').next() == Some(word) || key.path == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_the_part_and_hides_secrets() {
        let text = "{\"secret\":\"hunter2\",\n \"a\":{\"secret\":\"hunter2\",\"pagesize\":7}}";
        let at = |word: &str| text.rfind(word).unwrap()..text.rfind(word).unwrap() + word.len();
        let first = text.find("\"hunter2\"").unwrap();
        let masked = vec![first..first + 9, at("\"hunter2\"")];
        let source = Source::new("c.json".into(), text.into(), masked);
        assert_eq!(
            source.excerpt(&at("\"pagesize\""), "what?"),
            " --> c.json:2:26\n  |\n2 |  \"a\":{\"secret\":***,\"pagesize\":7}}\n  \
             |                    ^^^^^^^^^^ what?"
        );
        let whole = source.excerpt(&at("\"hunter2\""), "");
        assert!(whole.ends_with("^^^") && !whole.contains("hunter2"), "{whole}");
    }

    #[test]
    fn cuts_long_lines_around_the_part() {
        let text = format!("{}MARK{}", "x".repeat(500), "y".repeat(500));
        let source = Source::new("c.json".into(), text, Vec::new());
        let excerpt = source.excerpt(&(500..504), "here");
        let lines: Vec<&str> = excerpt.lines().collect();
        let caret = lines[3].find('^').unwrap();
        assert_eq!(lines[2].chars().skip(caret).take(4).collect::<String>(), "MARK");
        assert!(lines[2].chars().count() < 120, "{excerpt}");
    }

    #[test]
    fn shows_the_end_of_a_file() {
        let source = Source::new("c.toml".into(), "a = [\n".into(), Vec::new());
        assert_eq!(source.excerpt(&(6..6), "x"), " --> c.toml:2:1\n  |\n2 |\n  | ^ x");
    }

    #[test]
    fn broken_files_show_no_values() {
        let check = |line: &str, shown: &str| {
            let masked = mask_unparsed(line);
            let source = Source::new("c".into(), line.into(), masked);
            assert_eq!(source.shown_line(&(0..0)).text, shown, "{line}");
        };
        check("pageSize 25", "pageSize 25");
        check("secret = \"hunter2", "secret = \"***");
        check("secret = \"hunter2\"", "secret = \"***\"");
        check("secret = 12345 6", "secret = *** ***");
        check("secert = hunter2", "*** = ***");
        check("{\"secret\": \"a,b\" \"pageSize\": 25}", "{\"secret\": \"***\" \"***\": ***}");
        check("[kafka.security", "[kafka.security");
        check("auth = 'it''s", "auth = '***''***");
        check("remains of a text\"\"\"", "*** *** *** ***\"\"\"");
    }
}
