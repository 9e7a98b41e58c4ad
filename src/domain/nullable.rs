//! Lists and maps whose empty form is `null`, so that "nothing there" has one spelling.

/// `#[serde(with = "nullable::list")]`
pub mod list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(
        items: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match items {
            [] => serializer.serialize_none(),
            items => serializer.serialize_some(items),
        }
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or_default())
    }
}

/// `#[serde(with = "nullable::map")]`
pub mod map {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(
        map: &BTreeMap<String, String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if map.is_empty() { serializer.serialize_none() } else { serializer.serialize_some(map) }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, String>, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or_default())
    }
}
