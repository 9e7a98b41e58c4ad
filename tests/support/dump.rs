//! What a local store holds, as JSON lines, decoded from `docs/state-format.md` and not with the
//! program's own code. Read is a copy, because to open a store is to write to it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// Bytes of one entry.
const ENTRY: usize = 95;

/// `{"checkpoint":{…}}`, one document for each entry in the order of keys, then
/// `{"control":"<key>","value":"<value>"}`, both in hex, for each control record. Nothing may have
/// the store open. Empty: there is no checkpoint.
pub fn lines(store: &Path) -> Vec<Value> {
    let copy = tempfile::tempdir().unwrap();
    let index = store.join("index");
    for file in fs::read_dir(&index).unwrap_or_else(|error| panic!("{}: {error}", index.display()))
    {
        let file = file.unwrap();
        if file.path().is_file() {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    let db = sled::Config::new().path(copy.path()).open().unwrap();
    let Some(checkpoint) = db.get("checkpoint").unwrap() else { return Vec::new() };
    let checkpoint: Value = serde_json::from_slice(&checkpoint).unwrap();
    let (mut entries, mut controls) = (Vec::new(), Vec::new());
    for pair in db.iter() {
        let (key, value) = pair.unwrap();
        match key[0] {
            b'b' => {
                assert_eq!(value.len() % ENTRY, 0, "a bucket of {} bytes", value.len());
                entries.extend(value.chunks(ENTRY).map(|bytes| entry(bytes, &checkpoint)));
            }
            b'c' if key != b"checkpoint" => {
                let (key, value) = (hex::encode(&key[1..]), hex::encode(value));
                controls.push(json!({ "control": key, "value": value }));
            }
            _ => {}
        }
    }
    entries.sort_by_key(|entry| entry["key"].to_string());
    let first = json!({ "checkpoint": checkpoint });
    [first].into_iter().chain(entries).chain(controls).collect()
}

fn entry(bytes: &[u8], checkpoint: &Value) -> Value {
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let signed = |from: usize| number(from, from + 8).cast_signed();
    let flag = |bit: u8| bytes[94] & bit != 0;
    let partition = u32::try_from(number(88, 92)).unwrap().cast_signed();
    let stream = usize::try_from(number(84, 88)).unwrap();
    json!({
        "key": hex::encode(&bytes[..16]),
        "fingerprint": hex::encode(&bytes[16..32]),
        "version": flag(4).then(|| signed(48)),
        "partition": flag(8).then_some(partition),
        "offset": flag(8).then(|| signed(56)),
        "change_no": number(64, 72),
        "batch_no": number(72, 80),
        "resync": number(80, 84),
        "stream": checkpoint["streams"][stream],
        "algorithm": bytes[92],
        "generation": bytes[93],
        "deleted": flag(1),
        "quarantined": flag(2),
    })
}
