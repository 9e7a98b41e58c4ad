//! Who may import whom, and who may use which crate. `ARCHITECTURE.md` shows the first table.

/// A module, and the modules that it may import.
pub struct Layer {
    /// A file or folder of `src`, or one file of a folder where it has a rule of its own.
    pub module: &'static str,
    pub imports: &'static [&'static str],
    pub why: &'static str,
}

pub const fn layer(
    module: &'static str,
    imports: &'static [&'static str],
    why: &'static str,
) -> Layer {
    Layer { module, imports, why }
}

/// The table, from the ground up.
pub const LAYERS: &[Layer] = &[
    layer("clock", &[], "the wall clock as a value; the only reader of it"),
    layer("entropy", &[], "the only place where randomness enters"),
    layer("crash", &[], "places where a test lets the process die; nothing in a release"),
    layer("variant", &[], "what a test lets the process pretend to be; nothing in a release"),
    layer("retry", &[], "when to try again, and the pause before it"),
    layer("secret", &[], "what must not be printed cannot be printed by accident"),
    layer("failure", &[], "what ends a command: message, exit code, hint"),
    layer("json", &[], "pure: bytes to a tree"),
    layer("domain", &[], "pure: what is published; knows nothing of Atlar's JSON, Avro or Kafka"),
    layer("map", &["json", "domain"], "pure: Atlar's JSON to what is published"),
    layer("change", &["json", "variant"], "pure: fingerprints and verdicts"),
    layer("state", &["change", "variant"], "pure: records of the state topic and their fold"),
    layer("poll::tree", &["domain"], "pure: the lists that are read, as a table"),
    layer(
        "atlar",
        &["clock", "entropy", "json", "retry", "secret"],
        "adapter; knows nothing of Kafka",
    ),
    layer("avro", &["domain"], "adapter; knows nothing of Kafka"),
    layer("kafka", &["crash", "retry"], "adapter; knows nothing of what a record means"),
    layer("store", &["change", "crash", "entropy", "state"], "adapter; a cache of the fold"),
    layer("publish", &["change", "crash", "domain", "kafka", "state"], "the delivery promise"),
    layer(
        "recover",
        &["crash", "kafka", "publish", "state", "store"],
        "the only way to become the writer",
    ),
    layer(
        "ingest",
        &[
            "avro",
            "change",
            "clock",
            "crash",
            "domain",
            "entropy",
            "json",
            "kafka",
            "map",
            "poll::tree",
            "publish",
            "recover",
            "retry",
            "state",
            "status",
            "store",
        ],
        "the one writer: from observation to batch",
    ),
    layer(
        "poll",
        &[
            "atlar",
            "clock",
            "domain",
            "entropy",
            "failure",
            "ingest",
            "json",
            "poll::tree",
            "retry",
            "status",
            "supervise",
        ],
        "the tasks that walk the tree; they see the owner's handle, not Kafka",
    ),
    layer("supervise", &["failure"], "every task has an owner"),
    layer(
        "status",
        &["change", "clock", "domain", "publish", "recover"],
        "one value that says what the process does",
    ),
    layer(
        "http",
        &["change", "domain", "retry", "secret", "status"],
        "shows the status and the tallies in it; asks neither Kafka nor Atlar",
    ),
    layer("config", &["failure", "secret"], "read once, in one place, into checked types"),
    layer("telemetry", &["config", "failure"], "log lines; takes its options as they are"),
    layer("simulator", &["clock"], "shares no code with what it is used to test"),
    layer(
        "app",
        &[
            "atlar",
            "avro",
            "change",
            "clock",
            "config",
            "domain",
            "entropy",
            "failure",
            "ingest",
            "kafka",
            "poll",
            "poll::tree",
            "publish",
            "recover",
            "retry",
            "secret",
            "state",
            "status",
            "store",
            "supervise",
        ],
        "the only place where the parts are joined",
    ),
    layer(
        "cli",
        &[
            "app",
            "atlar",
            "avro",
            "clock",
            "config",
            "failure",
            "http",
            "kafka",
            "poll::tree",
            "publish",
            "recover",
            "secret",
            "simulator",
            "status",
            "supervise",
            "telemetry",
        ],
        "arguments to calls, and printing; `demo` joins a simulator, a broker and a registry",
    ),
    layer(
        "main",
        &["cli", "config", "crash", "failure", "variant"],
        "reads the command line, maps the outcome",
    ),
];

/// Modules that import each other, and why that may stay. There is none.
pub const KNOTS: &[(&str, &str, &str)] = &[];

/// Crates that only some modules may touch, so that a change of crate stays in one place.
pub const CRATES: &[(&str, &[&str], &str)] = &[
    ("rdkafka", &["kafka", "publish"], "headers are librdkafka's type"),
    ("sled", &["store"], "the store is replaceable"),
    ("apache_avro", &["avro"], "the encoding is replaceable"),
    ("schema_registry_converter", &["avro"], "the registry client is replaceable"),
    ("reqwest", &["atlar", "avro", "app", "config"], "config and app take its URL type"),
    ("axum", &["avro", "http", "simulator"], "the servers: registry of the demo, status, bank"),
    ("governor", &["atlar"], "the request budget"),
    ("iso_currency", &["map"], "decimals of currencies"),
    ("clap", &["cli", "main"], "the command line"),
    ("rand", &["simulator"], "elsewhere: entropy"),
    ("hmac", &["atlar", "simulator"], "each side signs by itself"),
];

/// Modules without input, output, time and chance: bytes and values in, values out.
pub const PURE: &[&str] = &["json", "domain", "map", "change", "state", "poll::tree"];

/// What a pure module never names.
pub const EFFECTS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "SystemTime",
    "tokio::",
    "tracing::",
    "rdkafka::",
    "reqwest::",
    "sled::",
    "axum::",
    "rand::",
];

/// Known exceptions: file, and the crate it should not touch.
pub const CRATE_DEBTS: &[(&str, &str)] = &[];

/// Every line of `ARCHITECTURE.md`'s table.
pub fn lines() -> Vec<String> {
    let mut lines =
        vec!["| module | may import | because |".to_owned(), "|---|---|---|".to_owned()];
    for layer in LAYERS {
        let imports: Vec<String> = layer.imports.iter().map(|name| format!("`{name}`")).collect();
        let imports = if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") };
        lines.push(format!("| `{}` | {imports} | {} |", layer.module, layer.why));
    }
    lines
}
