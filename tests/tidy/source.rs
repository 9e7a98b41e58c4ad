//! Rust text as the checks look at it: code without comments and literals, and where tests begin.

/// One file. All texts have the same lines and columns as the file.
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub text: String,
    /// Comments and the contents of literals are blank.
    pub code: String,
    /// Everything but comments is blank.
    pub comments: String,
    /// By line from 0: part of a test.
    in_test: Vec<bool>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let (code, comments) = split(text);
        let in_test = test_lines(path, &code);
        Source { path: path.to_owned(), text: text.to_owned(), code, comments, in_test }
    }

    /// Whether a line, counted from 1, is part of a test.
    pub fn is_test(&self, line: usize) -> bool {
        self.in_test.get(line - 1).copied().unwrap_or(false)
    }

    /// Top-level module: `kafka` for `src/kafka.rs` and `src/kafka/reader.rs`.
    pub fn module(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        path.split('/').next()
    }

    /// Lines of code, counted from 1, that are no tests.
    pub fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines()).filter(|(line, _)| !self.is_test(*line))
    }
}

/// Finds a word that is not part of a longer one; returns where it begins, in bytes.
pub fn find_word(text: &str, word: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let open = word.starts_with(|c| !is_part(c)) || !before.is_some_and(is_part);
        let end = word.ends_with(|c| !is_part(c)) || !after.is_some_and(is_part);
        open && end
    })
}

/// What the character at hand belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Code,
    LineComment,
    BlockComment(usize),
    Text,
    RawText(usize),
}

/// Code without comments and literals, and the comments alone.
fn split(text: &str) -> (String, String) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut place = Place::Code;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        let mut taken = 1;
        let (mut keep, mut comment) = (false, false);
        match place {
            Place::Code => match (c, next) {
                ('/', Some('/')) => (place, comment) = (Place::LineComment, true),
                ('/', Some('*')) => (place, comment, taken) = (Place::BlockComment(1), true, 2),
                ('"', _) => (place, keep) = (Place::Text, true),
                ('r', Some('"' | '#'))
                    if !is_name(&chars, at) && raw_hashes(&chars, at).is_some() =>
                {
                    let hashes = raw_hashes(&chars, at).unwrap_or(0);
                    (place, taken) = (Place::RawText(hashes), hashes + 2);
                }
                ('\'', _) => match char_literal(&chars, at) {
                    Some(length) => taken = length,
                    None => keep = true,
                },
                _ => keep = true,
            },
            Place::LineComment => {
                comment = true;
                if c == '\n' {
                    place = Place::Code;
                }
            }
            Place::BlockComment(depth) => {
                comment = true;
                match (c, next) {
                    ('*', Some('/')) => {
                        taken = 2;
                        place =
                            if depth == 1 { Place::Code } else { Place::BlockComment(depth - 1) };
                    }
                    ('/', Some('*')) => (place, taken) = (Place::BlockComment(depth + 1), 2),
                    _ => {}
                }
            }
            Place::Text => match c {
                '\\' => taken = 2,
                '"' => (place, keep) = (Place::Code, true),
                _ => {}
            },
            Place::RawText(hashes) => {
                let closes = c == '"' && (1..=hashes).all(|n| chars.get(at + n) == Some(&'#'));
                if closes {
                    (place, taken) = (Place::Code, hashes + 1);
                }
            }
        }
        for c in chars.iter().skip(at).take(taken) {
            let blank = if *c == '\n' { '\n' } else { ' ' };
            code.push(if keep { *c } else { blank });
            comments.push(if comment { *c } else { blank });
        }
        at += taken;
    }
    (code, comments)
}

/// Whether the character before `at` belongs to the same name.
fn is_name(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    // A byte text begins with `br`.
    before.is_some_and(|c| (c.is_alphanumeric() && *c != 'b') || *c == '_')
}

/// How many `#` a raw text that begins here has.
fn raw_hashes(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars.iter().skip(at + 1).take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

/// Length of the character literal that begins here; `None` for a lifetime.
fn char_literal(chars: &[char], at: usize) -> Option<usize> {
    if chars.get(at + 1) == Some(&'\\') {
        let end = chars.iter().skip(at + 3).position(|c| *c == '\'')?;
        return Some(end + 4);
    }
    (chars.get(at + 2) == Some(&'\'')).then_some(3)
}

fn test_lines(path: &str, code: &str) -> Vec<bool> {
    let lines = code.lines().count();
    let parts: Vec<&str> = path.split('/').collect();
    if parts.contains(&"tests") || parts.last() == Some(&"tests.rs") {
        return vec![true; lines];
    }
    let mut marked = vec![false; lines];
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let first = code[..start].matches('\n').count();
        let last = code[..item_end(code, start)].matches('\n').count();
        for line in marked.iter_mut().take(last + 1).skip(first) {
            *line = true;
        }
    }
    marked
}

/// End of the item that begins at `start`: its `;`, or the brace that closes its first one.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0usize;
    for (at, c) in code[start..].char_indices() {
        match c {
            ';' if depth == 0 => return start + at,
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return start + at;
                }
            }
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_blank_and_places_stay() {
        let text = "let a = \"x // \\\" y\"; // why\nlet b = r#\"q\"z\"#; /* a /* b */ c */ let c = '\"'; 'life: d";
        let source = Source::new("src/a.rs", text);
        assert!(source.code.contains("let a = \"") && source.code.contains("let b ="));
        assert!(source.code.contains("let c =") && source.code.contains("'life: d"));
        for hidden in ["x", "why", "q", "z", " b */"] {
            assert!(!source.code.contains(hidden), "{hidden}: {}", source.code);
        }
        assert!(source.comments.contains("why") && !source.comments.contains("let"));
        assert_eq!(source.code.chars().count(), text.chars().count());
    }

    #[test]
    fn tests_are_told_from_the_product() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { }\n}\nfn c() {}\n";
        let source = Source::new("src/a.rs", text);
        let product: Vec<usize> = source.product_lines().map(|(line, _)| line).collect();
        assert_eq!(product, [1, 6]);
        assert!(Source::new("src/a/tests.rs", text).is_test(1));
        assert!(Source::new("src/a/tests/b.rs", text).is_test(1));
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(find_word("a.sleep(1)", "sleep("), Some(2));
        assert_eq!(find_word("oversleep(1)", "sleep("), None);
        assert_eq!(find_word("todos todo", "todo"), Some(6));
    }
}
