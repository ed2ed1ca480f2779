//! An `http://` or `https://` URL, taken apart.
//!
//! In: the text of a target's `host`, or of a `Location`. Out: a [`Url`], or nothing where it is none. Refuses to know:
//! how it is fetched. Limits: ASCII only (names as `xn--..`), no user names, no fragments.

use rustls_pki_types::ServerName;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub tls: bool,
    /// A name or an address; IPv6 without its brackets.
    pub host: String,
    pub port: u16,
    /// Path and query, from the first slash.
    pub path: String,
}

impl Url {
    pub fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('?') => (&rest[..at], format!("/{}", &rest[at..])),
            Some(at) => (&rest[..at], rest[at..].to_owned()),
            None => (rest, "/".to_owned()),
        };
        let (host, port) = split(authority, if tls { 443 } else { 80 })?;
        let good_path = path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        let url = Url { tls, host: host.to_owned(), port, path };
        (good_path && url.has_good_host()).then_some(url)
    }

    fn has_good_host(&self) -> bool {
        let is_address = self.host.parse::<std::net::IpAddr>().is_ok();
        let named =
            !self.host.is_empty() && self.host.chars().all(is_host_char) && (is_address || !self.host.contains(':'));
        named && (!self.tls || self.server_name().is_some())
    }

    /// The name that the certificate must be for.
    pub fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.clone()).ok()
    }

    /// The value of the `Host` header (RFC 9110, 7.2): the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let own = if self.tls { 443 } else { 80 };
        if self.port == own { host } else { format!("{host}:{}", self.port) }
    }

    /// The host that a `Location` answered by this URL leads to (RFC 3986, 5.2); none where it leads to no web page.
    pub fn host_of_redirect(&self, location: &str) -> Option<String> {
        let rest = match (location.strip_prefix("//"), location.split_once("://")) {
            (Some(rest), _) => rest,
            (None, Some((scheme, rest))) if is_scheme(scheme) => {
                matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https").then_some(rest)?
            }
            _ => return Some(self.host.clone()),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, _) = split(authority.rsplit('@').next().unwrap_or_default(), 80)?;
        (!host.is_empty() && host.chars().all(is_host_char)).then(|| host.to_owned())
    }

    /// Whether a host is this one's: `www.` in front of a name makes no other.
    pub fn is_site_of(&self, host: &str) -> bool {
        let bare = |host: &str| {
            let host = host.to_ascii_lowercase();
            host.strip_prefix("www.").unwrap_or(&host).trim_end_matches('.').to_owned()
        };
        bare(&self.host) == bare(host)
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._:".contains(c)
}

/// Host and port of an authority.
fn split(authority: &str, default_port: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("")))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("")),
        },
    };
    match port? {
        "" if authority.ends_with(':') => None,
        "" => Some((host, default_port)),
        port if port.bytes().all(|b| b.is_ascii_digit()) => Some((host, port.parse().ok().filter(|p| *p != 0)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_or_is_none() {
        let cases = [
            ("http://example.vn", Some((false, "example.vn", 80, "/"))),
            ("https://example.vn/a?b=c", Some((true, "example.vn", 443, "/a?b=c"))),
            ("HTTPS://example.vn:8443?q", Some((true, "example.vn", 8443, "/?q"))),
            ("http://[2001:db8::1]:8080/", Some((false, "2001:db8::1", 8080, "/"))),
            ("https://[::1]", Some((true, "::1", 443, "/"))),
            ("http://gateway/", Some((false, "gateway", 80, "/"))),
            ("ftp://example.vn", None),
            ("example.vn", None),
            ("http://", None),
            ("http://:80/", None),
            ("http://a:0/", None),
            ("http://a:/", None),
            ("http://a:+80/", None),
            ("http://a:99999/", None),
            ("http://[::1/", None),
            ("http://::1/", None),
            ("http://user@a/", None),
            ("http://a/b c", None),
            ("http://a/\r\nX: y", None),
            ("http://a/#part", None),
            ("http://thử.vn/", None),
            ("https://-/", None),
        ];
        for (text, expected) in cases {
            let got = Url::parse(text);
            let expected =
                expected.map(|(tls, host, port, path)| Url { tls, host: host.into(), port, path: path.into() });
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn the_host_header_names_the_port_only_where_it_is_not_the_usual_one() {
        for (text, expected) in [
            ("http://a.vn/x", "a.vn"),
            ("https://a.vn:443/", "a.vn"),
            ("https://a.vn:80/", "a.vn:80"),
            ("http://[::1]:81/", "[::1]:81"),
        ] {
            assert_eq!(Url::parse(text).map(|u| u.authority()).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_redirect_leads_to_the_same_site_or_to_another() {
        let url = Url::parse("http://example.vn/a").expect("a good URL");
        for (location, same) in [
            ("/login", Some(true)),
            ("b?next=http://other.vn/", Some(true)),
            ("https://example.vn/", Some(true)),
            ("https://www.EXAMPLE.vn/đường#top", Some(true)),
            ("//example.vn:8080/x", Some(true)),
            ("http://login.hotel.vn/", Some(false)),
            ("//10.0.0.1", Some(false)),
            ("http://example.vn@10.0.0.1/?from=http://example.vn/", Some(false)),
            ("http://[2001:db8::1]:81/", Some(false)),
            ("app://open", None),
            ("http:///", None),
        ] {
            assert_eq!(url.host_of_redirect(location).map(|host| url.is_site_of(&host)), same, "{location}");
        }
    }
}
