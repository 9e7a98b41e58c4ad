//! Log lines: to stderr, text on a terminal, else one JSON object per line.
//!
//! The level counts for this program alone. Libraries stay at warnings whatever it is, because at
//! lower levels some of them log requests, and with them credentials. Lines about a workspace that
//! has a name carry its topic prefix, as the span `workspace`.

use crate::config::{LogFormat, LogLevel, LogOptions};
use crate::failure::Failure;
use std::io::IsTerminal as _;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging for the rest of the process. Call once, after the configuration is read.
pub fn start(options: &LogOptions) -> Result<(), Failure> {
    let stderr = std::io::stderr();
    let json = match options.format {
        LogFormat::Auto => !stderr.is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let color = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
    if json {
        install(json_lines(options.level, std::io::stderr))
    } else {
        install(text_lines(options.level, color, std::io::stderr))
    }
}

fn install(subscriber: impl Subscriber + Send + Sync + 'static) -> Result<(), Failure> {
    use tracing_subscriber::util::SubscriberInitExt as _;
    let init = subscriber.try_init();
    init.map_err(|error| Failure::unexpected("logging was started twice").because(error))
}

fn json_lines<W>(level: LogLevel, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter(level))
        .with_writer(writer)
        .finish()
}

fn text_lines<W>(level: LogLevel, color: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_target(false)
        .with_ansi(color)
        .with_env_filter(filter(level))
        .with_writer(writer)
        .finish()
}

fn filter(level: LogLevel) -> EnvFilter {
    let others = if level == LogLevel::Error { "error" } else { "warn" };
    EnvFilter::new(format!("{others},{}={}", env!("CARGO_CRATE_NAME"), level.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Buffer {
        fn lines(&self) -> Vec<String> {
            let bytes = self.0.lock().unwrap().clone();
            String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
        }
    }

    fn log() {
        tracing::debug!("unseen");
        tracing::info!(stream = "accounts", "listing complete");
        tracing::info!(target: "hyper", "from a library");
        tracing::warn!(target: "rdkafka", "broker down");
    }

    #[test]
    fn json_lines_hold_fields_and_no_library_chatter() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = json_lines(LogLevel::Info, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let lines = buffer.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["message"], "listing complete");
        assert_eq!(line["stream"], "accounts");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn lines_of_a_workspace_name_it() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = json_lines(LogLevel::Error, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::error_span!("workspace", prefix = "bank.east");
            span.in_scope(|| tracing::error!("lost"));
            tracing::error!("alone");
        });
        let lines: Vec<serde_json::Value> =
            buffer.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["span"]["prefix"], "bank.east");
        assert_eq!(lines[1].get("span"), None);
    }

    #[test]
    fn the_level_counts_for_this_program_alone() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = text_lines(LogLevel::Trace, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let lines = buffer.lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].contains("unseen") && !lines.concat().contains("from a library"));
    }
}
