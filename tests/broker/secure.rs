//! TLS and SCRAM, once, and what is said when they do not fit.

use std::fs;

use super::program::Done;
use super::services;
use super::workspace::Workspace;

/// What the configuration needs for the secure listener, a password file of its own included.
fn security(password_file: &str, ca: &str) -> Vec<String> {
    let secure = services::secure();
    [
        ("kafka.bootstrapServers", secure.bootstrap.as_str()),
        ("kafka.security.protocol", "sasl_ssl"),
        ("kafka.security.mechanism", "SCRAM-SHA-512"),
        ("kafka.security.username", &secure.username),
        ("kafka.security.passwordFile", password_file),
        ("kafka.security.caFile", ca),
    ]
    .iter()
    .flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")])
    .collect()
}

fn refused(done: &Done, password: &str) {
    assert_eq!(done.code, 4, "{done}");
    assert!(done.stderr.contains("the Kafka brokers refused access"), "{done}");
    assert!(done.stderr.lines().last().unwrap().starts_with("hint: "), "{done}");
    assert!(done.stderr.contains("kafka.security"), "{done}");
    assert!(!done.stderr.contains(password), "the password is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_over_tls_with_a_password() {
    let workspace = Workspace::bare("secure").await;
    let secure = services::secure();
    let (ca, file) = (secure.ca.to_str().unwrap(), secure.password_file.to_str().unwrap());
    let good = security(file, ca);
    let good: Vec<&str> = good.iter().map(String::as_str).collect();
    workspace.setup(&good).await.ended_with(0);
    let run = workspace.once(&good).await.ended_with(0);
    assert_eq!(run.published(), workspace.bank.truth().len() as u64, "{run}");
    let tail = workspace.start(&["tail", "--exit"], &good).ended().await.ended_with(0);
    assert_eq!(tail.stdout.lines().count(), workspace.bank.truth().len(), "{tail}");
    workspace.every_record_once();

    let wrong = workspace.folder().join("wrong-password");
    fs::write(&wrong, "not-the-password").unwrap();
    let bad = security(wrong.to_str().unwrap(), ca);
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    refused(&workspace.setup(&bad).await, "not-the-password");

    // A broker that our authority has not signed.
    let other = workspace.folder().join("other-ca.pem");
    fs::write(&other, OTHER_AUTHORITY).unwrap();
    let bad = security(file, other.to_str().unwrap());
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    refused(&workspace.once(&bad).await, fs::read_to_string(file).unwrap().trim());
}

const OTHER_AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUDw9oZfykfVxyR7bX/GzMUcdc8pEwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRYW5vdGhlciBhdXRob3JpdHkwIBcNMjYxMTIyMTE1OTU3WhgP
MjEyNjEwMjkxMTU5NTdaMBwxGjAYBgNVBAMMEWFub3RoZXIgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEgF3UvLc6XQgsayd8+j0fZUsqdx/jJMb3
p+l9kYP/iiHLE/Y6R69w8R6XsN+LerTLHpAaZw7SWO9pd6+BwSgUxqNTMFEwHQYD
VR0OBBYEFFpqM15PXEuRWWLBNZ2fRXoWILflMB8GA1UdIwQYMBaAFFpqM15PXEuR
WWLBNZ2fRXoWILflMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
fa9mZD3HKATgVSeavYhpYDVme5IhuEtTQ5GHHscTPfkCIQDfkUipg/Ml4C3AqBfM
9WzfA+wdqu+29TsCQCzKasSkkQ==
-----END CERTIFICATE-----
";
