//! The configuration from outside: every fault with its place, precedence, names, no secret shown.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test they help"
)]

use atlar_ingestor::config::template;
use atlar_ingestor::config::{
    self, Auth, Config, Deployment, Environment, Needs, Override, Protocol, Resolution, Sources,
    Workspace,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FIXTURES: &str = "tests/fixtures/config";

fn sources(file: Option<&str>, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
    let named =
        |(path, text): &(&str, &str)| Override { path: (*path).into(), text: (*text).into() };
    Sources {
        file: file.map(|name| PathBuf::from(format!("{FIXTURES}/{name}"))),
        overrides: flags.iter().map(named).collect(),
        environment: Environment::from_iter(variables.iter().copied()),
    }
}

fn load(sources: &Sources) -> Config {
    config::load(sources, Needs::Credentials).unwrap_or_else(|failure| panic!("{failure}"))
}

fn faults(sources: &Sources) -> String {
    let failure = config::load(sources, Needs::Credentials).expect_err("faults");
    assert_eq!(failure.code.number(), 3);
    failure.to_string()
}

/// Compares with a file beside the test. Leaves what it got in the target folder.
fn compare(expected: &Path, got: &str, wrong: &mut Vec<String>) {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(expected.file_name().unwrap());
    std::fs::write(&kept, got).unwrap();
    if std::fs::read_to_string(expected).ok().as_deref() != Some(got) {
        wrong.push(format!("cp {} {}\n{got}", kept.display(), expected.display()));
    }
}

#[test]
fn faults_of_files_are_shown_as_in_the_texts_beside_them() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut files: Vec<PathBuf> = std::fs::read_dir(format!("{FIXTURES}/faults"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "txt"))
        .collect();
    files.sort();
    for file in files {
        let name = format!("faults/{}", file.file_name().unwrap().to_str().unwrap());
        let shown = faults(&sources(Some(&name), &[], &[])) + "\n";
        assert!(!shown.contains("hunter"), "{name} shows a secret:\n{shown}");
        compare(&PathBuf::from(format!("{}.txt", file.display())), &shown, &mut wrong);
        count += 1;
    }
    assert_eq!(count, 16);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn faults_of_variables_and_flags_name_them() {
    let check = |variables: &[(&str, &str)], flags: &[(&str, &str)], expected: &str| {
        let shown = faults(&sources(Some("valid/least.json"), variables, flags));
        let (found, summary) = shown.split_once("\n\nerror: the configuration has").unwrap();
        assert_eq!(found, expected);
        assert!(summary.contains("\nhint: "), "{summary}");
    };
    check(
        &[("ATLAR_INGESTOR_PAGE_SIZE", "many")],
        &[],
        "error: ATLAR_INGESTOR_PAGE_SIZE: expected a whole number from 1 to 500, got \"many\"",
    );
    check(
        &[("ATLAR_INGESTOR_KAFKA__BOOTSTRAP_SERVER", "hunter2")],
        &[],
        "error: ATLAR_INGESTOR_KAFKA__BOOTSTRAP_SERVER: no key has this name\n  did you mean \
         ATLAR_INGESTOR_KAFKA__BOOTSTRAP_SERVERS?",
    );
    check(
        &[("ATLAR_INGESTOR_KAFKA__PROPERTIES__GROUP_ID", "mine")],
        &[],
        "error: ATLAR_INGESTOR_KAFKA__PROPERTIES__GROUP_ID: this property has a key of its own\n  \
         use `kafka.groupId`",
    );
    check(
        &[("ATLAR_INGESTOR_WORKSPACES__NORTH_2__SECRET", "hunter2")],
        &[],
        "error: ATLAR_INGESTOR_WORKSPACES__NORTH_2__SECRET: `workspaces.north-2.accessKey` is \
         missing\n  set `workspaces.north-2.accessKey` or `workspaces.north-2.accessKeyFile` in the \
         file, or ATLAR_INGESTOR_WORKSPACES__NORTH_2__ACCESS_KEY or \
         ATLAR_INGESTOR_WORKSPACES__NORTH_2__ACCESS_KEY_FILE",
    );
    let credentials = [
        ("ATLAR_INGESTOR_WORKSPACES__B__ACCESS_KEY", "AK-hunter1"),
        ("ATLAR_INGESTOR_WORKSPACES__B__SECRET", "hunter2"),
    ];
    check(
        &[&credentials[..], &[("ATLAR_INGESTOR_WORKSPACES__B__PAGE_SIZ", "5")]].concat(),
        &[],
        "error: ATLAR_INGESTOR_WORKSPACES__B__PAGE_SIZ: no key has this name\n  did you mean \
         ATLAR_INGESTOR_WORKSPACES__B__PAGE_SIZE?",
    );
    check(
        &credentials,
        &[("workspaces.b.http.listen", "127.0.0.1:1")],
        "error: --set workspaces.b.http.listen: this key is for the whole process, not for one \
         workspace\n  set it at the top level",
    );
    check(
        &credentials,
        &[("workspaces.b.secret", "hunter2")],
        "error: --set workspaces.b.secret: a secret on the command line can be seen by everybody\n  \
         use ATLAR_INGESTOR_WORKSPACES__B__SECRET, or `workspaces.b.secretFile` with the path of a \
         file",
    );
    check(
        &credentials,
        &[("workspaces.b", "x")],
        "error: --set workspaces.b: this is a table\n  set one of the keys in it",
    );
    check(
        &[("ATLAR_INGESTOR_POLLING_PERIOD", "30")],
        &[],
        "error: ATLAR_INGESTOR_POLLING_PERIOD: expected a duration like \"30s\" or \"2h 15m\", \
         from 1s to 366 days, got \"30\"\n  write the unit: 30s or 30m",
    );
    check(
        &[],
        &[("secret", "hunter2")],
        "error: --set secret: a secret on the command line can be seen by everybody\n  use \
         ATLAR_INGESTOR_SECRET, or `secretFile` with the path of a file",
    );
    check(
        &[],
        &[("topic_prefix", "bank")],
        "error: --set topic_prefix: unknown key\n  did you mean `kafka.topicPrefix`?",
    );
    check(
        &[],
        &[("http.listen", "[::]:80")],
        "error: --set http.listen: an address that others \
        can reach needs a token\n  set `http.adminToken` or `http.adminTokenFile`, or listen on \
        127.0.0.1",
    );
}

#[test]
fn all_layers_are_reported_in_one_run() {
    let variables = [("ATLAR_INGESTOR_LOG__LEVEL", "loud")];
    let shown = faults(&sources(Some("faults/many.toml"), &variables, &[("auth", "none")]));
    let order = ["many.toml:2:1", "`secret` is missing", "LOG__LEVEL: ", "--set auth", "16 faults"];
    let places: Vec<Option<usize>> = order.iter().map(|part| shown.find(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{shown}");
}

#[test]
fn a_missing_file_is_a_fault_with_advice() {
    let shown = faults(&sources(Some("no-such.toml"), &[], &[]));
    assert!(shown.contains("No such file") && shown.contains("with --config"), "{shown}");
    assert!(!shown.contains("is missing"), "nobody knows what the file holds:\n{shown}");
    let shown = faults(&sources(Some("valid"), &[], &[]));
    assert!(shown.contains(".toml or .json"), "{shown}");
}

#[test]
fn without_credentials_only_what_needs_them_fails() {
    let none = sources(None, &[], &[]);
    let shown = faults(&none);
    assert!(shown.contains("`accessKey` is missing") && shown.contains("`secret` is missing"));
    let config = config::load(&none, Needs::Nothing).unwrap();
    assert_eq!(config.atlar.credentials().unwrap_err().code.number(), 3);
}

#[test]
fn the_connector_page_s_file_works_as_it_is() {
    let config = load(&sources(Some("valid/connector-page.json"), &[], &[]));
    let credentials = config.atlar.credentials().unwrap();
    assert_eq!(credentials.access_key.secret.expose_secret(), "AK-hunter1");
    assert_eq!(credentials.secret.secret.expose_secret(), "hunter2");
    assert_eq!(credentials.read().unwrap().access_key, "AK-hunter1");
    assert_eq!(config.atlar.base_url.as_str(), "https://api.sandbox.atlar.com/");
    assert_eq!(config.atlar.page_size, 100);
    assert_eq!(config.atlar.polling_period, Duration::from_secs(600));

    let least = load(&sources(Some("valid/least.json"), &[], &[]));
    assert_eq!(least.atlar.base_url.as_str(), "https://api.atlar.com/");
    assert_eq!(least.atlar.page_size, 25);
    assert_eq!(least.atlar.polling_period, Duration::from_secs(1800));
    assert_eq!(least.kafka.bootstrap_servers, "localhost:9092");
    assert_eq!(least.kafka.topic_prefix, "atlar");
    assert_eq!(least.kafka.replication, None);
    assert_eq!(least.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(least.store.path, Path::new("./data"));
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let config = load(&sources(Some("valid/full.toml"), &[], &[]));
    let credentials = config.atlar.credentials().unwrap();
    assert_eq!(credentials.access_key.secret.expose_secret(), "AK-hunter1", "without its line end");
    assert_eq!(credentials.secret.secret.expose_secret(), "pässwörd ✓");
    assert_eq!(config.atlar.auth, Auth::Hmac);
    assert_eq!(config.atlar.polling_period_of("accounts"), Duration::from_secs(8100));
    assert_eq!(config.atlar.polling_period_of("payments"), Duration::from_secs(60));
    assert_eq!(config.atlar.polling_period_of("external-payments"), Duration::from_secs(3600));
    assert_eq!(config.kafka.bootstrap_servers, "kafka-1:9092,kafka-2:9092");
    let properties: Vec<String> =
        config.kafka.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(properties, ["client.id=bank", "linger.ms=20", "socket.keepalive.enable=true"]);
    assert_eq!(config.kafka.security.protocol, Protocol::SaslSsl);
    assert_eq!(
        config.kafka.security.password.as_ref().unwrap().secret.expose_secret(),
        "AK-hunter1"
    );
    assert_eq!(config.registry.urls.len(), 2);
    assert_eq!(config.http.admin_token.as_ref().unwrap().secret.expose_secret(), "hunter6");
    compare_debug("valid/full.debug", &format!("{config:#?}\n"));
}

#[test]
fn workspaces_have_the_rest_from_the_top_level() {
    let found = Deployment::load(&sources(Some("valid/workspaces.toml"), &[], &[]), Needs::Nothing);
    let found = found.unwrap_or_else(|failure| panic!("{failure}"));
    let names: Vec<Option<&str>> = found.workspaces.iter().map(|w| w.name.as_deref()).collect();
    assert_eq!(names, [None, Some("north"), Some("south-2")]);
    let [top, north, south] = &found.workspaces[..] else { panic!("three") };
    let prefixes = [top, north, south].map(|w| w.config.kafka.topic_prefix.as_str());
    assert_eq!(prefixes, ["bank", "bank.north", "south"]);
    let folders = [top, north, south].map(|w| w.config.store.path.to_str().unwrap());
    assert_eq!(folders, ["./data", "./data/workspaces/north", "elsewhere"]);
    let secrets = [top, north, south]
        .map(|w| w.config.atlar.credentials().unwrap().secret.secret.expose_secret().to_owned());
    assert_eq!(secrets, ["hunter2", "AK-hunter1", "hunter7"]);
    let passwords = [top, north, south]
        .map(|w| w.config.registry.password.as_ref().unwrap().secret.expose_secret().to_owned());
    assert_eq!(passwords, ["hunter4", "hunter4", "AK-hunter1"]);
    assert_eq!([top, north, south].map(|w| w.config.kafka.partitions), [3, 6, 3]);
    assert_eq!([top, north, south].map(|w| w.config.atlar.page_size), [100, 100, 100]);
    let minutes = |w: &&Workspace| w.config.atlar.polling_period_of("payments").as_secs() / 60;
    assert_eq!([&top, &north, &south].map(minutes), [1, 1, 2]);
    assert_eq!(north.config.atlar.polling_period, Duration::from_secs(300));
    assert_eq!(north.config.atlar.base_url.as_str(), "https://api.atlar.com/");
    assert_eq!(south.config.kafka.properties.len(), 2);

    let shown = south.shown();
    assert_eq!(shown["secret"], "***");
    assert_eq!(shown["kafka"]["properties"]["linger.ms"], "20");
    assert_eq!((&shown["pageSize"], &shown["pollingPeriod"]), (&100.into(), &"30m".into()));
    assert!(!shown.to_string().contains("hunter"), "{shown}");
    let lines = found.resolution.lines();
    let line = |key: &str| lines.iter().find(|line| line.key == key).unwrap();
    let prefix = line("workspaces.north.kafka.topicPrefix");
    assert_eq!((prefix.value.as_deref(), prefix.origin.as_str()), (Some("bank.north"), "default"));
    assert!(line("workspaces.south-2.baseUrl").origin.ends_with("workspaces.toml:28"));
    assert_eq!(line("workspaces.south-2.secret").value.as_deref(), Some("***"));
}

#[test]
fn workspaces_alone_need_no_credentials_at_the_top() {
    let variables = [
        ("ATLAR_INGESTOR_WORKSPACES__B__ACCESS_KEY", "AK"),
        ("ATLAR_INGESTOR_WORKSPACES__B__SECRET", "hunter2"),
    ];
    let found = Deployment::load(&sources(None, &variables, &[]), Needs::Credentials).unwrap();
    let names: Vec<Option<&str>> = found.workspaces.iter().map(|w| w.name.as_deref()).collect();
    assert_eq!(names, [Some("b")]);
    let half = [&variables[..], &[("ATLAR_INGESTOR_ACCESS_KEY", "AK")]].concat();
    assert!(faults(&sources(None, &half, &[])).contains("error: `secret` is missing"));
}

#[test]
fn an_install_call_is_checked_like_a_file() {
    let base = Resolution::of(&sources(None, &[], &[]), Needs::Install);
    let page = std::fs::read_to_string(format!("{FIXTURES}/valid/connector-page.json")).unwrap();
    let installed = base.connector(&page).unwrap();
    assert_eq!((installed.name.as_deref(), installed.config.atlar.page_size), (None, 100));
    assert_eq!(installed.config.kafka.topic_prefix, "atlar");
    let named = r#"{"name":"north","accessKey":"a","secret":"b"}"#;
    let named = base.connector(named).unwrap();
    assert_eq!(named.name.as_deref(), Some("north"));
    assert_eq!(named.config.kafka.topic_prefix, "atlar.north");
    assert_eq!(named.config.store.path, Path::new("./data/workspaces/north"));

    let refused = |text: &str| base.connector(text).unwrap_err().join("\n");
    let all = refused(
        r#"{"name":"North","acessKey":"hunter1","secret":12345678,"pagesize":25,"pageSize":0,
        "pollingPeriod":30,"baseUrl":"http://atlar.example.com","secretFile":"hunter2",
        "kafka":{"bootstrapServers":"x:1"},"http":{"listen":"127.0.0.1:1"},
        "workspaces":{"a":{"pageSize":5}},"sweep":{"lookback":"1h"}}"#,
    );
    let expected = [
        "`accessKey` is missing",
        "`name`: got the text \"North\" (a name is 1 to 40 characters of",
        "unknown key `acessKey` (did you mean `accessKey`?)",
        "`secret`: expected a text, got a number",
        "unknown key `pagesize` (did you mean `pageSize`?)",
        "`pageSize`: expected a whole number from 1 to 500, got 0",
        "`pollingPeriod`: expected a duration like",
        "`secretFile`: an install call cannot set this key",
        "`kafka.bootstrapServers`: an install call cannot set this key",
        "`http.listen`: an install call cannot set this key",
        "`workspaces.a.pageSize`: an install call cannot set this key",
        "`sweep.lookback`: this version cannot stop a listing early yet",
        "`baseUrl`: plain http would show credentials",
    ];
    for text in expected {
        assert!(all.contains(text), "{text} is missing:\n{all}");
    }
    assert_eq!(all.lines().count(), expected.len(), "{all}");
    assert!(!all.contains("hunter") && !all.contains("12345678"), "{all}");
    let syntax = refused("{\"accessKey\": \"a\",\n \"secret\": hunter2}");
    assert!(syntax.starts_with("line 2, column ") && !syntax.contains("hunter"), "{syntax}");
    assert!(refused("[]").contains("expected an object"));
    assert!(refused("").contains("expected an object"));
}

fn compare_debug(name: &str, got: &str) {
    let mut wrong = Vec::new();
    compare(&PathBuf::from(format!("{FIXTURES}/{name}.txt")), got, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn flag_beats_variable_beats_file_beats_default() {
    let page_size = |file: Option<&str>, variables: &[(&str, &str)], flags: &[(&str, &str)]| {
        let sources = sources(file, variables, flags);
        let size = config::load(&sources, Needs::Nothing).unwrap().atlar.page_size;
        let lines = Resolution::of(&sources, Needs::Nothing).lines();
        let line = lines.iter().find(|line| line.key == "pageSize").unwrap();
        assert_eq!(line.value, Some(size.to_string()));
        (size, line.origin.clone())
    };
    let (file, variable, flag) = (
        Some("valid/connector-page.json"),
        [("ATLAR_INGESTOR_PAGE_SIZE", "200")],
        [("pageSize", "299"), ("pageSize", "300")],
    );
    assert_eq!(page_size(None, &[], &[]), (25, "default".to_owned()));
    let origin = format!("{FIXTURES}/valid/connector-page.json:4");
    assert_eq!(page_size(file, &[], &[]), (100, origin));
    assert_eq!(page_size(file, &variable, &[]), (200, "ATLAR_INGESTOR_PAGE_SIZE".to_owned()));
    assert_eq!(page_size(file, &variable, &flag), (300, "--set pageSize".to_owned()));
    assert_eq!(page_size(file, &[("ATLAR_INGESTOR_PAGE_SIZE", "")], &[]).0, 100, "empty = unset");
}

#[test]
fn a_secret_of_a_higher_layer_beats_a_secret_file_and_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "from the file\n").unwrap();
    let named = path.to_str().unwrap();
    let secret = |variables: &[(&str, &str)], flags: &[(&str, &str)]| {
        let config = load(&sources(Some("valid/least.json"), variables, flags));
        config.atlar.credentials.unwrap().secret
    };
    let by_variable = secret(&[("ATLAR_INGESTOR_SECRET_FILE", named)], &[]);
    assert_eq!(by_variable.secret.expose_secret(), "from the file");
    assert_eq!(by_variable.file.as_deref(), Some(path.as_path()));
    let by_flag = secret(&[("ATLAR_INGESTOR_SECRET", "x")], &[("secretFile", named)]);
    assert_eq!(by_flag.secret.expose_secret(), "from the file");
    let plain = secret(&[("ATLAR_INGESTOR_SECRET", "x")], &[]);
    assert_eq!((plain.secret.expose_secret(), plain.file), ("x", None));

    // It can be read again, and an empty or lost file is an error that says which.
    std::fs::write(&path, "changed").unwrap();
    assert_eq!(by_flag.read().unwrap().expose_secret(), "changed");
    std::fs::write(&path, " \n").unwrap();
    assert!(by_flag.read().unwrap_err().to_string().contains(named));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(by_flag.read().unwrap_err().code.number(), 3);
}

#[test]
fn plain_http_needs_loopback_or_leave() {
    let check = |url: &str, allowed: bool| {
        let flags = [("baseUrl", url)];
        let outcome = config::load(&sources(None, &[], &flags), Needs::Nothing);
        assert_eq!(outcome.is_ok(), allowed, "{url}");
        let flags = [("baseUrl", url), ("allowPlainHttp", "true")];
        assert!(config::load(&sources(None, &[], &flags), Needs::Nothing).is_ok(), "{url}");
    };
    check("http://localhost:8090", true);
    check("http://127.9.9.9", true);
    check("http://[::1]:8090", true);
    check("https://atlar.example.com/path", true);
    check("http://atlar.example.com", false);
    check("http://localhost.example.com", false);
    check("http://10.0.0.1", false);
    check("http://0.0.0.0", false);
}

#[test]
fn json_null_counts_as_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    let text = "\u{feff}{\"accessKey\":\"a\",\"secret\":\"b\",\"pageSize\":null,\"kafka\":null}";
    std::fs::write(&path, text).unwrap();
    let sources = Sources { file: Some(path), ..sources(None, &[], &[]) };
    assert_eq!(load(&sources).atlar.page_size, 25);
}

#[test]
fn the_template_is_the_table_of_keys() {
    let mut wrong = Vec::new();
    compare(Path::new("config.default.toml"), &template::render(), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(template::TEXT, template::render());
}

#[test]
fn the_template_works_when_it_is_uncommented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let live = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    let text: String = template::TEXT.lines().map(live).collect();
    std::fs::write(&path, &text).unwrap();
    let resolution = Resolution::of(
        &Sources { file: Some(path), ..sources(None, &[], &[]) },
        Needs::Credentials,
    );
    let shown = resolution.failure().expect("examples are not all valid together").to_string();
    for word in ["unknown key", "expected", "is missing"] {
        assert!(!shown.contains(word), "{word}:\n{shown}");
    }
    // Every default that the template shows is the default that is in force without it.
    let without = Resolution::of(&sources(None, &[], &[]), Needs::Nothing).lines();
    for default in without.iter().filter(|line| line.value.is_some()) {
        let line = resolution.lines().into_iter().find(|line| line.key == default.key).unwrap();
        assert_eq!(line.value, default.value, "{}", line.key);
        assert!(line.origin.contains("c.toml:"), "{} is not in the template", line.key);
    }
}

proptest::proptest! {
    /// Whatever a secret is and wherever it is given, right or wrong, nothing shows it.
    #[test]
    fn no_secret_is_ever_shown(noise in "[!-~]{6,30}", broken in 0..5) {
        let secret = format!("S3CR3T{noise}");
        let json = serde_json::to_string(&secret).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        let text = match broken {
            0 => format!("{{\"accessKey\":{json},\"secret\":{json},\"registry\":{{\"password\":{json}}}}}"),
            1 => format!("{{\"accesskey\":{json},\"secret\":[{json}],\"pageSize\":0}}"),
            2 => format!("{{\"accessKey\":{json},\"secret\":{json} \"pageSize\":0}}"),
            3 => format!("{{\"accessKey\":{{\"x\":{json}}},\"webhook\":{{\"signingKeys\":[{json}]}}}}"),
            _ => format!("{{\"workspaces\":{{\"a\":{{\"secret\":{json}}}}},\"x\":{json}"),
        };
        std::fs::write(&path, text).unwrap();
        let variables = [
            ("ATLAR_INGESTOR_HTTP__ADMIN_TOKEN", secret.as_str()),
            ("ATLAR_INGESTOR_HTTP__ADMIN_TOKENS", &secret),
            ("ATLAR_INGESTOR_KAFKA__PROPERTIES__SSL_KEY_PASSWORD", &secret),
        ];
        let flags = [("kafka.security.password", secret.as_str()), ("pasword", &secret)];
        for sources in [
            Sources { file: Some(path.clone()), ..sources(None, &[], &[]) },
            Sources { file: Some(path), ..sources(None, &variables, &flags) },
        ] {
            let resolution = Resolution::of(&sources, Needs::Credentials);
            let shown = [
                format!("{sources:?}"),
                format!("{:?}", resolution.lines()),
                resolution.failure().map(|failure| failure.to_string()).unwrap_or_default(),
                resolution.failure().map(|f| f.to_json().to_string()).unwrap_or_default(),
                format!("{:?}", config::typed(&resolution)),
            ];
            for text in shown {
                proptest::prop_assert!(!text.contains("S3CR3T"), "{}", text);
            }
        }
    }
}
