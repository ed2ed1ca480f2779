//! One query to one server over UDP (RFC 1035), timed.
//!
//! In: the server's address, the uplink's interface, a name and a record type. Out: a [`DnsReading`] with whatever
//! RCODE the server answered: "no such name" and "server failure" come from a server that was reached. Refuses to know:
//! retries, TCP, caches, what the records say. Limits: one datagram out, one deadline; datagrams that do not answer the
//! query are passed over and counted (RFC 5452, 9.1).
//!
//! Without EDNS: the plainest query has the fewest reasons to fail that are not the link's.

use super::{BoxFuture, Probe, ProbeError, micros};
use crate::config::Record;
use hickory_proto::op::{Header, HeaderCounts, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder, DecodeError};
use phusong_protocol::{DnsReading, FailureKind, Reading};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// The longest answer without EDNS (RFC 1035, 4.2.1), and what servers send that do not care.
const ANSWER_BYTES: usize = 4_096;

/// Asks one server one question.
#[derive(Debug, Clone)]
pub struct DnsProbe {
    pub server: SocketAddr,
    pub interface: Option<String>,
    pub name: Name,
    pub record: Record,
    pub timeout: Duration,
}

/// A name as a query carries it; nothing where it is none.
pub fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok().filter(|_| !text.is_empty())?;
    name.set_fqdn(true);
    Some(name)
}

fn type_of(record: Record) -> RecordType {
    match record {
        Record::A => RecordType::A,
        Record::Aaaa => RecordType::AAAA,
        Record::Ns => RecordType::NS,
        Record::Soa => RecordType::SOA,
        Record::Txt => RecordType::TXT,
    }
}

/// Why a datagram is not the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Stray {
    #[error("an answer with another id")]
    Id,
    #[error("an answer to another question")]
    Question,
    #[error("a datagram that is no answer")]
    Broken,
}

impl DnsProbe {
    async fn ask(&self) -> Result<Reading, ProbeError> {
        let began = Instant::now();
        let mut stray = None;
        let result = match tokio::time::timeout(self.timeout, self.exchange(&mut stray)).await {
            Ok(result) => result,
            Err(_) => Err(match stray {
                None => ProbeError::new(FailureKind::Timeout, None),
                Some(stray) => ProbeError::new(FailureKind::Malformed, format!("only {stray}")),
            }),
        };
        result.map_err(|error| ProbeError { sent: Some(1), elapsed: Some(began.elapsed()), ..error })
    }

    async fn exchange(&self, stray: &mut Option<Stray>) -> Result<Reading, ProbeError> {
        let failed = |error: io::Error| ProbeError::from_io(&error);
        let socket = self.socket().map_err(failed)?;
        socket.connect(self.server).await.map_err(failed)?;
        let mut bits = [0; 2];
        getrandom::fill(&mut bits).map_err(|e| ProbeError::new(FailureKind::Busy, format!("no randomness: {e}")))?;
        let id = u16::from_ne_bytes(bits);
        let query = self.query(id).ok_or_else(|| ProbeError::new(FailureKind::Malformed, "the query".to_owned()))?;
        let asked = Instant::now();
        socket.send(&query).await.map_err(failed)?;
        let mut answer = [0; ANSWER_BYTES];
        loop {
            let length = socket.recv(&mut answer).await.map_err(failed)?;
            let elapsed = asked.elapsed();
            match self.read(id, &answer[..length]) {
                Ok(reading) => return Ok(Reading::Dns(DnsReading { query_us: micros(elapsed), ..reading })),
                Err(why) => *stray = Some(why),
            }
        }
    }

    /// Bound to the interface and to a port that the kernel draws at random; connected, so that only the server's
    /// datagrams come in, and with them what routers say.
    fn socket(&self) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(self.server), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        let any: SocketAddr = match self.server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        socket.bind(&any.into())?;
        UdpSocket::from_std(socket.into())
    }

    fn query(&self, id: u16) -> Option<Vec<u8>> {
        let mut metadata = Metadata::new(id, MessageType::Query, OpCode::Query);
        metadata.recursion_desired = true;
        let counts = HeaderCounts { queries: 1, answers: 0, authorities: 0, additionals: 0 };
        let mut bytes = Vec::with_capacity(64);
        let mut encoder = BinEncoder::new(&mut bytes);
        Header { metadata, counts }.emit(&mut encoder).ok()?;
        Query::query(self.name.clone(), type_of(self.record)).emit(&mut encoder).ok()?;
        Some(bytes)
    }

    /// The answer to our question, without its time.
    fn read(&self, id: u16, bytes: &[u8]) -> Result<DnsReading, Stray> {
        let mut decoder = BinDecoder::new(bytes);
        let header = Header::read(&mut decoder).map_err(|_| Stray::Broken)?;
        let metadata = header.metadata;
        if metadata.message_type != MessageType::Response || metadata.op_code != OpCode::Query {
            return Err(Stray::Broken);
        }
        if metadata.id != id {
            return Err(Stray::Id);
        }
        // A server that could not read the question sends none back (RFC 1035, 4.1.1: format error and the like).
        if header.counts.queries != 0 || metadata.response_code == ResponseCode::NoError {
            let asked = Query::read(&mut decoder).map_err(|_| Stray::Question)?;
            if header.counts.queries != 1 || *asked.name() != self.name || asked.query_type() != type_of(self.record) {
                return Err(Stray::Question);
            }
        }
        let answers = match records(&mut decoder, header.counts.answers) {
            (answers, Ok(())) => answers,
            // What was cut short ends anywhere.
            (answers, Err(_)) if metadata.truncation => answers,
            (_, Err(_)) => return Err(Stray::Broken),
        };
        let rcode = metadata.response_code.low().into();
        Ok(DnsReading { query_us: 0, rcode, answers, truncated: metadata.truncation.then_some(true) })
    }
}

/// Counts records without a look at what they say (RFC 1035, 4.1.3).
fn records(decoder: &mut BinDecoder<'_>, count: u16) -> (u16, Result<(), DecodeError>) {
    let mut one = || -> Result<(), DecodeError> {
        Name::read(decoder)?;
        // Type, class, time to live.
        decoder.read_slice(8)?;
        let length = decoder.read_u16()?.unverified(/* the slice is checked against what is there */);
        decoder.read_slice(length.into())?;
        Ok(())
    };
    for read in 0..count {
        if let Err(error) = one() {
            return (read, Err(error));
        }
    }
    (count, Ok(()))
}

impl Probe for DnsProbe {
    fn measure(&mut self) -> BoxFuture<'_, Result<Reading, ProbeError>> {
        Box::pin(self.ask())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn probe() -> DnsProbe {
        let (interface, timeout) = (None, Duration::from_secs(1));
        let name = name("example.vn").expect("a name");
        DnsProbe { server: (Ipv4Addr::LOCALHOST, 53).into(), interface, name, record: Record::A, timeout }
    }

    #[test]
    fn a_name_is_ascii_and_may_be_the_root() {
        for good in [".", "vn", "example.vn", "example.vn.", "_dmarc.example.vn", "xn--th-8ja.vn"] {
            assert!(name(good).is_some_and(|name| name.is_fqdn()), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "thử.vn", "a..vn", long.as_str()] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_datagram_is_an_answer_or_passed_over(id: u16, bytes: Vec<u8>, at in 0usize..45, other: u8) {
            let probe = probe();
            let _any = probe.read(id, &bytes);
            // A good answer with one byte changed: one record, its name a pointer to the question's.
            let mut answer = probe.query(id).expect("it encodes");
            (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4, 192, 0, 2, 1]);
            let expected = DnsReading { query_us: 0, rcode: 0, answers: 1, truncated: None };
            prop_assert_eq!(probe.read(id, &answer), Ok(expected));
            prop_assert_eq!(probe.read(id ^ 1, &answer), Err(Stray::Id));
            let last = answer.len() - 1;
            answer[at.min(last)] = other;
            let _any = probe.read(id, &answer);
        }
    }
}
