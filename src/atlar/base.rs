//! The base URL: checked once, then extended by paths and queries.

use std::net::IpAddr;

use reqwest::Url;

use super::error::Error;
use super::page::ListRequest;

/// Where the API is. May carry a path, which goes in front of every list's path.
#[derive(Debug, Clone)]
pub(super) struct Base {
    url: Url,
    path: String,
}

impl Base {
    /// Plain http is refused unless it stays on this machine or `allow_plain_http` is set.
    pub(super) fn parse(text: &str, allow_plain_http: bool) -> Result<Base, Error> {
        let url = Url::parse(text.trim()).map_err(|_| Error::BaseUrl("not an absolute URL"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Error::BaseUrl("the scheme is neither https nor http"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::BaseUrl("credentials belong into accessKey and secret"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::BaseUrl("it has a query or a fragment"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        let base = Base { url, path };
        if base.keeps_secrets() || allow_plain_http { Ok(base) } else { Err(Error::PlainHttp) }
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Nobody between us and the server can read along.
    pub(super) fn keeps_secrets(&self) -> bool {
        let Some(host) = self.url.host_str() else { return false };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        self.is_https() || host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
    }

    /// The URL of a path, which begins with `/`.
    pub(super) fn below(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.path));
        url
    }

    /// The URL of one page. Its `path()` and `query()` are the bytes of the request line.
    pub(super) fn page(&self, list: &ListRequest, limit: u32, token: Option<&str>) -> Url {
        let mut url = self.below(&list.path);
        let mut query = url.query_pairs_mut();
        query.extend_pairs(&list.query).append_pair("limit", &limit.to_string());
        if let Some(token) = token {
            query.append_pair("token", token);
        }
        drop(query);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine_unless_allowed() {
        for url in ["http://127.0.0.1:1", "http://localhost", "http://[::1]:9/x", "https://a.b"] {
            assert!(Base::parse(url, false).is_ok(), "{url}");
        }
        for url in ["http://api.atlar.com", "http://10.0.0.1", "http://localhost.evil.example"] {
            assert!(matches!(Base::parse(url, false), Err(Error::PlainHttp)), "{url}");
            let base = Base::parse(url, true).unwrap();
            assert!(!base.keeps_secrets(), "{url}");
        }
    }

    #[test]
    fn refuses_what_is_no_base() {
        for url in ["", "api.atlar.com", "ftp://a", "https://u:p@a", "https://a?x=1", "https://a#b"]
        {
            assert!(matches!(Base::parse(url, true), Err(Error::BaseUrl(_))), "{url}");
        }
    }

    #[test]
    fn puts_the_base_path_first_and_escapes_filters_and_token() {
        let list = ListRequest {
            path: "/v1/transactions".into(),
            query: vec![("accountId".into(), "a/1 &é".into())],
        };
        for base in ["https://a.b/atlar", "https://a.b/atlar/"] {
            let url = Base::parse(base, false).unwrap().page(&list, 25, Some("2022-03|e=="));
            assert_eq!(url.path(), "/atlar/v1/transactions");
            let query = "accountId=a%2F1+%26%C3%A9&limit=25&token=2022-03%7Ce%3D%3D";
            assert_eq!(url.query(), Some(query));
        }
        let url = Base::parse("https://a.b", false).unwrap().page(&list, 25, None);
        assert_eq!(url.path(), "/v1/transactions");
    }
}
