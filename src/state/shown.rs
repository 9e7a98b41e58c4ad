//! Records of the state topic as JSON, for operators and their tools. The shape is part of
//! `docs/state-format.md`.

use serde_json::{Map, Value, json};

use super::Error;
use super::control::{self, Control, NAMES};
use super::format::{self, formats};
use super::record::StateRecord;
use super::view::Read;

/// One record. Members that a record has none of are left out, but for `version` and `event`.
pub fn document(read: &Read) -> Result<Value, Error> {
    let mut shown = Map::new();
    shown.insert("offset".to_owned(), json!(read.offset));
    if control::is_control(&read.key) {
        show_control(&mut shown, read)?;
    } else {
        show_entity(&mut shown, read)?;
    }
    Ok(Value::Object(shown))
}

fn show_control(shown: &mut Map<String, Value>, read: &Read) -> Result<(), Error> {
    let key = String::from_utf8_lossy(&read.key).into_owned();
    let known = NAMES.iter().find_map(|(name, prefix)| {
        let rest = key.strip_prefix(prefix)?;
        // What names one record is the whole key; what begins many ends in a slash.
        (rest.is_empty() != prefix.ends_with('/')).then_some((*name, rest))
    });
    let Some((name, rest)) = known else {
        // A kind that a later release of the same format added.
        shown.insert("record".to_owned(), json!("unknown"));
        shown.insert("key".to_owned(), json!(hex::encode(&read.key)));
        shown.insert("value".to_owned(), json!(read.value.as_deref().map(hex::encode)));
        return Ok(());
    };
    shown.insert("record".to_owned(), json!(name));
    match rest.split_once('\0') {
        Some((stream, id)) => {
            shown.insert("stream".to_owned(), json!(stream));
            shown.insert("id".to_owned(), json!(id));
        }
        None if rest.is_empty() => {}
        None => {
            shown.insert("name".to_owned(), json!(rest));
        }
    }
    let value = match &read.value {
        None => Value::Null,
        Some(value) => {
            // Read as what it must be first: what is damaged is not shown as if it were not.
            Control::decode(&read.key, value, read.offset)?;
            let json = format::control_json(formats(), value, read.offset)?;
            serde_json::from_slice(json).map_err(|_| Error::Damaged { offset: read.offset })?
        }
    };
    shown.insert("value".to_owned(), value);
    Ok(())
}

fn show_entity(shown: &mut Map<String, Value>, read: &Read) -> Result<(), Error> {
    let damaged = || Error::Damaged { offset: read.offset };
    let key = std::str::from_utf8(&read.key).map_err(|_| damaged())?;
    let (entity, id) = key.split_once('\0').ok_or_else(damaged)?;
    let value = read.value.as_deref().ok_or_else(damaged)?;
    let record = StateRecord::decode(value, read.offset)?;
    let event = record.event.map(|at| json!({ "partition": at.partition, "offset": at.offset }));
    let members = json!({
        "record": "entity",
        "entity": entity,
        "id": id,
        "stream": record.stream,
        "generation": record.generation,
        "change_no": record.change_no,
        "version": record.version,
        "fingerprint": format!("{}:{}", record.algorithm, record.fingerprint),
        "event": event,
        "deleted": record.deleted,
        "quarantined": record.quarantined,
        "batch_no": record.batch_no,
        "resync": record.resync,
    });
    if let Value::Object(members) = members {
        shown.extend(members);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Fingerprint;
    use crate::state::control::Letter;
    use crate::state::record::{self, EventLocation};

    fn shown(key: Vec<u8>, value: Option<Vec<u8>>) -> Result<String, Error> {
        document(&Read { offset: 7, key, value }).map(|document| document.to_string())
    }

    #[test]
    fn every_kind_of_record_is_shown_by_name() {
        let of = |control: Control| shown(control.key(), Some(control.value())).unwrap();
        assert_eq!(
            of(Control::Organization("o".into())),
            r#"{"offset":7,"record":"organization","value":"o"}"#
        );
        assert_eq!(
            of(Control::OwnIdentifier { hash: [1; 16], account_id: "a".into() }),
            r#"{"name":"01010101010101010101010101010101/a","offset":7,"record":"own-identifier","value":true}"#
        );
        let letter = Letter { content: "c".into(), change_no: 2, live: true };
        let (stream, id) = ("payments/a".into(), "p/1".into());
        assert_eq!(
            of(Control::DeadLetter { stream, id, letter: Some(letter) }),
            r#"{"id":"p/1","offset":7,"record":"dead-letter","stream":"payments/a","value":{"change_no":2,"content":"c","live":true}}"#
        );
        let unknown = shown(b"\0Z/x".to_vec(), Some(vec![1, b'2'])).unwrap();
        assert_eq!(unknown, r#"{"key":"005a2f78","offset":7,"record":"unknown","value":"0132"}"#);
    }

    #[test]
    fn an_entity_is_shown_with_the_place_of_its_event() {
        let state = StateRecord {
            deleted: false,
            quarantined: false,
            algorithm: 1,
            generation: 2,
            event: Some(EventLocation { partition: 3, offset: 258 }),
            change_no: 4,
            fingerprint: Fingerprint([0xab; 16]),
            version: None,
            batch_no: 5,
            resync: 0,
            stream: "accounts".into(),
        };
        assert_eq!(
            shown(record::key("account", "a"), Some(state.encode())).unwrap(),
            r#"{"batch_no":5,"change_no":4,"deleted":false,"entity":"account","event":{"offset":258,"partition":3},"fingerprint":"1:abababababababababababababababab","generation":2,"id":"a","offset":7,"quarantined":false,"record":"entity","resync":0,"stream":"accounts","version":null}"#
        );
    }

    #[test]
    fn what_is_not_ours_is_not_shown() {
        let damaged = Err(Error::Damaged { offset: 7 });
        assert_eq!(shown(record::key("account", "a"), None), damaged);
        assert_eq!(shown(b"foreign".to_vec(), Some(vec![1])), damaged);
        assert_eq!(shown(b"\0G".to_vec(), Some(vec![1, b'{'])), damaged);
        assert_eq!(shown(b"\0O".to_vec(), Some(vec![9])), Err(Error::NewerFormat { found: 9 }));
    }
}
