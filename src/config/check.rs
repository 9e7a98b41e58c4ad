//! What keys say together, and what is missing.

use super::choice::{Mechanism, Protocol};
use super::environment::variable_of;
use super::fault::{Fault, Place};
use super::kind::Value;
use super::resolution::Resolution;
use reqwest::Url;

/// Access key and secret, each as a value or as a file; `above` is the table that they belong to,
/// with a dot at its end.
pub(super) fn missing_credentials(
    mentioned: impl Fn(&str) -> bool,
    above: &str,
    place: &Place,
) -> Vec<Fault> {
    ["accessKey", "secret"]
        .into_iter()
        .map(|key| format!("{above}{key}"))
        .filter(|path| !mentioned(path) && !mentioned(&format!("{path}File")))
        .map(|path| {
            let variable = variable_of(&path);
            Fault::new(place, format!("`{path}` is missing")).advise(format!(
                "set `{path}` or `{path}File` in the file, or {variable} or {variable}_FILE"
            ))
        })
        .collect()
}

/// Faults of keys that are each right by itself.
pub(super) fn together(resolution: &Resolution) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(plain_http(resolution));
    faults.extend(open_listener(resolution));
    faults.extend(sasl(resolution));
    faults.extend(mutual_tls(resolution));
    faults.extend(registry(resolution));
    faults
}

fn plain_http(resolution: &Resolution) -> Option<Fault> {
    let setting = resolution.setting("baseUrl")?;
    let Value::Url(url) = &setting.value else { return None };
    let allowed = matches!(resolution.value("allowPlainHttp"), Some(Value::Boolean(true)));
    if url.scheme() == "https" || allowed || is_loopback(url) {
        return None;
    }
    let message = "plain http would show credentials and bank data to everybody on the way";
    let fault = Fault::of_value(&setting.place, &setting.path, message);
    Some(fault.advise("write https, or set `allowPlainHttp` to true"))
}

fn open_listener(resolution: &Resolution) -> Option<Fault> {
    let setting = resolution.setting("http.listen")?;
    let Value::Address(address) = &setting.value else { return None };
    let token = resolution.setting("http.adminToken").is_some()
        || resolution.setting("http.adminTokenFile").is_some();
    if address.ip().is_loopback() || token {
        return None;
    }
    let message = "an address that others can reach needs a token";
    let fault = Fault::of_value(&setting.place, &setting.path, message);
    Some(fault.advise("set `http.adminToken` or `http.adminTokenFile`, or listen on 127.0.0.1"))
}

fn sasl(resolution: &Resolution) -> Vec<Fault> {
    let Some(setting) = resolution.setting("kafka.security.protocol") else { return Vec::new() };
    let protocol = Protocol::from_name(&setting.value.to_string());
    let uses_sasl = protocol.is_some_and(Protocol::uses_sasl);
    let is_set = |name: &str| resolution.setting(&format!("kafka.security.{name}")).is_some();
    let mechanism = resolution.value("kafka.security.mechanism").map(Value::to_string);
    let by_token = mechanism.is_some_and(|m| m == Mechanism::OAuthBearer.name());
    if !uses_sasl {
        let useless = ["mechanism", "username", "password", "passwordFile"];
        return useless
            .into_iter()
            .filter_map(|name| resolution.setting(&format!("kafka.security.{name}")))
            .map(|setting| {
                let message = "has no effect without SASL";
                Fault::of_value(&setting.place, &setting.path, message)
                    .advise("set `kafka.security.protocol` to sasl_ssl")
            })
            .collect();
    }
    let mut missing = Vec::new();
    if !is_set("mechanism") {
        missing.push("`kafka.security.mechanism`");
    }
    if !is_set("username") && !by_token {
        missing.push("`kafka.security.username`");
    }
    if !is_set("password") && !is_set("passwordFile") && !by_token {
        missing.push("`kafka.security.passwordFile`");
    }
    let fault =
        |name: &str| Fault::of_value(&setting.place, &setting.path, format!("needs {name}"));
    missing.into_iter().map(fault).collect()
}

fn mutual_tls(resolution: &Resolution) -> Option<Fault> {
    let certificate = resolution.setting("kafka.security.certificateFile");
    let private_key = resolution.setting("kafka.security.keyFile");
    let (setting, missing) = match (certificate, private_key) {
        (Some(setting), None) => (setting, "`kafka.security.keyFile`"),
        (None, Some(setting)) => (setting, "`kafka.security.certificateFile`"),
        _ => return None,
    };
    Some(Fault::of_value(&setting.place, &setting.path, format!("needs {missing}")))
}

fn registry(resolution: &Resolution) -> Option<Fault> {
    let password = resolution
        .setting("registry.password")
        .or_else(|| resolution.setting("registry.passwordFile"));
    let user = resolution.setting("registry.username");
    let (setting, missing) = match (user, password) {
        (Some(setting), None) => (setting, "`registry.passwordFile`"),
        (None, Some(setting)) => (setting, "`registry.username`"),
        _ => return None,
    };
    Some(Fault::of_value(&setting.place, &setting.path, format!("needs {missing}")))
}

/// True for `localhost` and the addresses that never leave the machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
