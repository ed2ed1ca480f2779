//! Whose network a PLMN is, as far as a modem's reader must tell: the SIM's own operator, or another one.
//!
//! In: two PLMNs. Out: whether they surely belong to two operators. Refuses to know: names, who is judged. Limits: the
//! PLMNs of Vietnam that share a network; elsewhere each PLMN is an operator of its own.

/// Of the same network as the second: a second number of its operator, or a virtual operator that it hosts.
const SHARED: [(&str, &str); 3] = [("452-06", "452-04"), ("452-08", "452-02"), ("452-09", "452-02")];

fn network(plmn: &str) -> &str {
    SHARED.iter().find(|(one, _)| *one == plmn).map_or(plmn, |(_, host)| host)
}

/// Whether both are known and of different networks.
pub fn is_other(serving: Option<&str>, home: Option<&str>) -> bool {
    serving.zip(home).is_some_and(|(serving, home)| network(serving) != network(home))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_somebody_elses_only_where_both_numbers_say_so() {
        let cases = [
            (Some("452-01"), Some("452-04"), true),
            (Some("452-04"), Some("452-04"), false),
            (Some("452-06"), Some("452-04"), false),
            (Some("452-02"), Some("452-08"), false),
            (None, Some("452-04"), false),
            (Some("452-01"), None, false),
        ];
        for (serving, home, other) in cases {
            assert_eq!(is_other(serving, home), other, "{serving:?} {home:?}");
        }
    }
}
