//! What a modem says unasked.
//!
//! In: a line. Out: what is to be asked now, and what is known already. Refuses to know: ports. Limits: news that are
//! not named here are left out.

use super::mind::DOMAINS;
use super::reply::names;
use super::session::{Session, Stop};
use crate::device::clock::mono_ms;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Registration,
    /// Service came or went, in the vendor's words.
    Service,
    Sim,
    Bearer,
    /// It started anew and has forgotten what it was told.
    Restarted,
    Other,
}

const NAMES: [(&str, News); 12] = [
    ("+CPIN", News::Sim),
    ("+QSIMSTAT", News::Sim),
    ("+QUSIM", News::Sim),
    ("+SIMCARD", News::Sim),
    ("^SIMST", News::Sim),
    ("+CGEV", News::Bearer),
    ("^NDISSTAT", News::Bearer),
    ("+QNETDEVSTATUS", News::Bearer),
    ("^SRVST", News::Service),
    ("^MODE", News::Service),
    ("+CFUN", News::Restarted),
    ("^BOOT", News::Other),
];

fn sort(line: &str) -> News {
    if DOMAINS.iter().any(|domain| names(line, domain)) {
        return News::Registration;
    }
    if matches!(line, "RDY" | "APP RDY" | "*ATREADY: 1" | "^SYSSTART") {
        return News::Restarted;
    }
    NAMES.iter().find(|(name, _)| names(line, name)).map_or(News::Other, |(_, news)| *news)
}

impl Session<'_> {
    /// A line that nobody asked for.
    pub(super) async fn news(&mut self, line: &str) -> Result<(), Stop> {
        match sort(line) {
            News::Registration => self.registration(line).await?,
            News::Service => (self.done.registration, self.done.serving) = (None, None),
            News::Sim => (self.done.sim, self.done.busy_since) = (None, None),
            News::Bearer => (self.done.bearer, self.done.registration) = (None, None),
            News::Restarted => return Err(Stop::Lost),
            News::Other => {}
        }
        Ok(())
    }

    /// A line of registration, asked for or not: a change makes everything due that depends on it.
    pub(super) async fn registration(&mut self, line: &str) -> Result<(), Stop> {
        if !DOMAINS.iter().any(|domain| names(line, domain)) {
            return Ok(());
        }
        let was = self.mind.unsettled_since();
        for one in self.decode(line) {
            self.mind.domain(&one, mono_ms());
        }
        if was.is_none() && self.mind.unsettled_since().is_some() {
            (self.done.registration, self.done.serving, self.done.bearer) = (None, None, None);
        }
        self.settle(false).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_say_what_is_to_be_asked() {
        let cases = [
            ("+CEREG: 2", News::Registration),
            ("+C5GREG: 1,\"1F00\",\"79D903\",11", News::Registration),
            ("+CPIN: NOT READY", News::Sim),
            ("^SIMST: 255", News::Sim),
            ("+QSIMSTAT: 1,0", News::Sim),
            ("+CGEV: NW DETACH", News::Bearer),
            ("^SRVST:0", News::Service),
            ("RDY", News::Restarted),
            ("+CMTI: \"SM\",1", News::Other),
            ("^RSSI:20", News::Other),
            ("", News::Other),
        ];
        cases.iter().for_each(|(line, news)| assert_eq!(sort(line), *news, "{line}"));
    }
}
