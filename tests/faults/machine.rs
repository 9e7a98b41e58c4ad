//! Faults of the machine: the store's folder, the port, the configuration.

use std::process::Command;

use super::child;
use super::place::{Place, SECRET, address};

/// A folder below a file, which nobody can create.
fn unwritable(place: &Place) -> String {
    std::fs::write(place.folder.path().join("file"), b"").unwrap();
    "file/store".to_owned()
}

pub async fn store_unwritable_start(place: Place) {
    place.set_up().await;
    let path = unwritable(&place);
    place.ends(place.command(&["run"], &[("store.path", &path)])).await;
    place.finish(place.run()).await;
}

/// Every write to a file fails from one moment on, as on a full disk.
pub async fn store_unwritable_later(mut place: Place) {
    place.set_up().await;
    // Without the trap the first such write would kill the process.
    let mut running = place.command_in(&["run"], &[], Some("trap '' XFSZ; exec \"$@\""));
    place.complete(&mut running).await;
    let pid = running.pid().to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, "--fsize=0:0"]).status();
    assert!(limited.expect("prlimit can be started").success());
    place.edit();
    place.tells(&mut running).await;
    place.finish(running).await;
    // What the store missed is in Kafka.
    place.run_once().await;
    place.check().await;
}

pub async fn store_unwritable_once(place: Place) {
    place.set_up().await;
    let path = unwritable(&place);
    place.ends(place.command(&["run", "--once"], &[("store.path", &path)])).await;
    place.run_once().await;
    place.check().await;
}

/// Somebody holds the folder, as another process of ours does.
fn hold(place: &Place) -> std::fs::File {
    let folder = place.folder.path().join("data");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    lock
}

pub async fn store_in_use_start(place: Place) {
    place.set_up().await;
    let held = hold(&place);
    place.ends(place.run()).await;
    drop(held);
    place.finish(place.run()).await;
}

/// The second one is refused before it takes anything from the first.
pub async fn store_in_use_later(place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    place.ends(place.run()).await;
    let status = place.state(&mut running, "there", |_| true).await;
    assert_eq!(status["acquisitions"], 1, "the first one was disturbed");
    place.finish(running).await;
}

pub async fn store_in_use_once(place: Place) {
    place.set_up().await;
    let held = hold(&place);
    place.ends(place.once()).await;
    drop(held);
    place.run_once().await;
    place.check().await;
}

fn remove_store(place: &Place) {
    std::fs::remove_dir_all(place.folder.path().join("data")).unwrap();
}

pub async fn store_gone_start(mut place: Place) {
    place.set_up().await;
    place.run_once().await;
    remove_store(&place);
    place.edit();
    let mut running = place.run();
    place.tells(&mut running).await;
    place.finish(running).await;
}

pub async fn store_gone_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    remove_store(&place);
    place.edit();
    place.finish(running).await;
    place.run_once().await;
    place.check().await;
}

pub async fn store_gone_once(mut place: Place) {
    place.set_up().await;
    place.run_once().await;
    remove_store(&place);
    place.edit();
    place.run_once().await;
    place.check().await;
}

/// Bytes in the middle of every file of the store are flipped.
fn damage(place: &Place) {
    let folder = place.folder.path().join("data/index");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.iter_mut().skip(16).step_by(11).for_each(|byte| *byte ^= 0x5a);
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

pub async fn store_damaged_start(mut place: Place) {
    place.set_up().await;
    place.run_once().await;
    damage(&place);
    place.edit();
    let mut running = place.run();
    place.tells(&mut running).await;
    place.finish(running).await;
}

pub async fn store_damaged_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    damage(&place);
    place.edit();
    place.finish(running).await;
    place.run_once().await;
    place.check().await;
}

pub async fn store_damaged_once(mut place: Place) {
    place.set_up().await;
    place.run_once().await;
    damage(&place);
    place.edit();
    place.ends(place.once()).await;
    place.check().await;
}

/// Somebody listens where the status page should be.
fn taken() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

pub async fn port_start(place: Place) {
    place.set_up().await;
    let (held, address) = taken();
    place.ends(place.command(&["run"], &[("http.listen", &address)])).await;
    drop(held);
    place.finish(place.run()).await;
}

/// A second process wants the port of the first.
pub async fn port_later(place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    let page = address(&mut running).await;
    let address = page.trim_start_matches("http://").trim_end_matches('/');
    let second = [("http.listen", address), ("store.path", "other")];
    place.ends(place.command(&["run"], &second)).await;
    place.finish(running).await;
}

pub async fn port_once(place: Place) {
    place.set_up().await;
    let (held, address) = taken();
    let ended = place.command(&["run", "--once"], &[("http.listen", &address)]).ended().await;
    assert_eq!(ended.code, Some(0), "it said\n{}", child::text(&ended.said));
    drop(held);
    place.check().await;
}

fn write_config(place: &Place, change: impl FnOnce(&str) -> String) {
    let path = place.folder.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, change(&text)).unwrap();
}

fn misspell(place: &Place) {
    write_config(place, |text| text.replace("pollingPeriod", "polingPeriod"));
}

pub async fn configuration_start(place: Place) {
    misspell(&place);
    place.ends(place.run()).await;
}

/// The file is read at start only.
pub async fn configuration_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    misspell(&place);
    place.edit();
    place.finish(running).await;
}

pub async fn configuration_once(place: Place) {
    misspell(&place);
    place.ends(place.once()).await;
}

/// The secret in a file of its own.
fn secret_file(place: &Place) {
    std::fs::write(place.folder.path().join("secret"), SECRET).unwrap();
    write_config(place, |text| {
        text.replace(&format!(r#""secret":"{SECRET}""#), r#""secretFile":"secret""#)
    });
}

fn remove_secret(place: &Place) {
    std::fs::remove_file(place.folder.path().join("secret")).unwrap();
}

pub async fn credentials_file_start(place: Place) {
    secret_file(&place);
    place.set_up().await;
    remove_secret(&place);
    place.ends(place.run()).await;
}

/// The credentials known stay in use.
pub async fn credentials_file_later(mut place: Place) {
    secret_file(&place);
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    remove_secret(&place);
    place.tells(&mut running).await;
    place.edit();
    place.finish(running).await;
}

pub async fn credentials_file_once(place: Place) {
    secret_file(&place);
    place.set_up().await;
    remove_secret(&place);
    place.ends(place.once()).await;
}

fn damage_connectors(place: &Place) {
    std::fs::write(place.folder.path().join("connector.json"), "{\"connectors\"").unwrap();
}

pub async fn connector_file_start(place: Place) {
    place.set_up().await;
    damage_connectors(&place);
    place.ends(place.run()).await;
}

/// The file is read at start only.
pub async fn connector_file_later(mut place: Place) {
    place.set_up().await;
    let mut running = place.run();
    place.complete(&mut running).await;
    damage_connectors(&place);
    place.edit();
    place.finish(running).await;
}

pub async fn connector_file_once(place: Place) {
    place.set_up().await;
    damage_connectors(&place);
    place.ends(place.once()).await;
}
