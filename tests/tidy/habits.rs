//! Sizes and words: what a review would say each time.

use super::source::{Source, find_word};

/// Lines of one file of `src`, its tests included.
pub const LINES_MAX: usize = 500;
/// Columns of one line of `src`.
pub const COLUMNS_MAX: usize = 100;

/// Files with lines that are too long, and how many. They wait to be wrapped; no more may be added.
pub const LONG_LINES: &[(&str, usize)] = &[];

/// Files of `src` that are too long, and lines that are too wide.
///
/// Literals may stick out, as rustfmt does not break them, and so may the rows of tables in
/// documentation.
pub fn check_size(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{}: {lines} lines, at most {LINES_MAX}", source.path));
    }
    let wide = wide_lines(source);
    let known =
        LONG_LINES.iter().find(|(path, _)| *path == source.path).map_or(0, |(_, count)| *count);
    if wide.len() > known {
        found.extend(wide);
    }
    found
}

fn wide_lines(source: &Source) -> Vec<String> {
    let rows = source.text.lines().zip(source.code.lines()).zip(source.comments.lines());
    let mut found = Vec::new();
    for (number, ((text, code), comment)) in (1..).zip(rows) {
        let comment = comment.trim();
        let is_row = comment.starts_with("//! |") || comment.starts_with("/// |");
        let columns = text.chars().count();
        let literal =
            columns - code.split_whitespace().collect::<Vec<_>>().join(" ").chars().count();
        // What is neither code nor comment is a literal.
        let excused =
            is_row || (comment.is_empty() && literal > columns - COLUMNS_MAX.min(columns));
        if columns > COLUMNS_MAX && !excused {
            found.push(format!(
                "{}:{number}: {columns} columns, at most {COLUMNS_MAX}",
                source.path
            ));
        }
    }
    found
}

/// Calls and macros that the product may not hold: it reports, it does not die.
const FATAL: &[&str] = &[".unwrap()", ".expect(", "todo!", "unimplemented!", "dbg!"];

/// Places where the product would panic. A constant is exempt: it fails when it is compiled.
pub fn check_fatal(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (line, code) in source.product_lines() {
        let words = code.trim_start().trim_start_matches("pub ").trim_start();
        if words.starts_with("const ") && !words.starts_with("const fn") {
            continue;
        }
        for fatal in FATAL.iter().filter(|fatal| find_word(code, fatal).is_some()) {
            found.push(format!("{}:{line}: {fatal}", source.path));
        }
    }
    found
}

/// Work that is left undone, in a text of any kind.
pub fn check_undone(path: &str, text: &str) -> Vec<String> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for mark in marks.iter().filter(|mark| find_word(line, mark).is_some()) {
            found.push(format!("{path}:{number}: {mark}"));
        }
    }
    found
}

/// The mark that is also a currency and the end of many a BIC: in comments of Rust alone. And
/// tests that are never run.
pub fn check_rust_marks(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let rows = source.comments.lines().zip(source.code.lines());
    for (line, (comment, code)) in (1..).zip(rows) {
        if find_word(comment, concat!("X", "XX")).is_some() {
            found.push(format!("{}:{line}: {}", source.path, concat!("X", "XX")));
        }
        if code.contains("#[ignore") {
            found.push(format!("{}:{line}: a test that is never run", source.path));
        }
    }
    found
}

/// Waits of a fixed time in tests. The tests of the one sleep, on a paused clock, are exempt.
pub fn check_sleeps(source: &Source) -> Vec<String> {
    if source.path == "src/retry.rs" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (line, code) in (1..).zip(source.code.lines()) {
        if source.is_test(line) && find_word(code, "sleep(").is_some() {
            found.push(format!("{}:{line}: a test waits for a state, not for a time", source.path));
        }
    }
    found
}

/// The same in Python.
pub fn check_python_sleeps(path: &str, text: &str) -> Vec<String> {
    let sleeping = (1..).zip(text.lines()).filter(|(_, line)| find_word(line, "sleep(").is_some());
    sleeping.map(|(line, _)| format!("{path}:{line}: a test waits for a state")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("src/a.rs", text)
    }

    #[test]
    fn long_files_and_wide_lines_are_found() {
        assert!(check_size(&source(&"\n".repeat(LINES_MAX))).is_empty());
        assert_eq!(check_size(&source(&"\n".repeat(LINES_MAX + 1))).len(), 1);
        let wide = "x".repeat(COLUMNS_MAX + 1);
        let exact = &wide[1..];
        assert!(check_size(&source(&format!("//{}", &exact[2..]))).is_empty());
        assert_eq!(check_size(&source(&format!("// {wide}"))).len(), 1);
        assert_eq!(check_size(&source(&format!("let {wide} = 1;"))).len(), 1);
        assert!(check_size(&source(&format!("let a = \"{wide}\";"))).is_empty());
        assert!(check_size(&source(&format!("//! | {wide} |"))).is_empty());
        assert_eq!(check_size(&source(&"ü".repeat(COLUMNS_MAX + 1))).len(), 1);
        assert!(check_size(&source(&"ü".repeat(COLUMNS_MAX))).is_empty());
    }

    #[test]
    fn panics_of_the_product_are_found() {
        let text = "fn a() {\n b.unwrap();\n c.expect(\"d\");\n todo!() }\n";
        assert_eq!(check_fatal(&source(text)).len(), 3);
        let fine =
            "#[expect(lint)]\nconst A: B = B::new(1).unwrap();\n// .unwrap()\nb.unwrap_or(1);\n";
        assert!(check_fatal(&source(fine)).is_empty());
        let test = format!("#[cfg(test)]\nmod tests {{\n{text}}}\n");
        assert!(check_fatal(&source(&test)).is_empty());
    }

    #[test]
    fn marks_are_found() {
        let todo = concat!("TO", "DO");
        assert_eq!(check_undone("a.md", &format!("x\n{todo}: y")), [format!("a.md:2: {todo}")]);
        assert!(check_undone("a.md", "Toledo todo").is_empty());
        let mark = concat!("X", "XX");
        assert_eq!(check_rust_marks(&source(&format!("// {mark} later"))).len(), 1);
        assert!(
            check_rust_marks(&source(&format!("let a = \"{mark}\"; // SESS{mark}"))).is_empty()
        );
        assert_eq!(check_rust_marks(&source("#[test]\n#[ignore]\nfn a() {}")).len(), 1);
    }

    #[test]
    fn sleeping_tests_are_found() {
        let text = "async fn a() { tokio::time::sleep(b).await }";
        assert_eq!(check_sleeps(&Source::new("tests/a.rs", text)).len(), 1);
        assert!(check_sleeps(&source(text)).is_empty());
        assert!(check_sleeps(&Source::new("tests/a.rs", "// sleep(1)\nsleep_until(b)")).is_empty());
        assert_eq!(check_python_sleeps("tests/a.py", "time.sleep(1)").len(), 1);
    }
}
