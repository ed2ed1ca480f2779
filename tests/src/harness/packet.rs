//! MQTT packets as bytes: enough of the framing to count, drop and forge them, and to publish without a client.
//!
//! In: a byte stream of MQTT 3.1.1 (OASIS, section 2.2) or 5. Out: whole packets. Refuses to know: sessions, properties.
//! Limits: [`PACKET_BYTES`].

use std::io::{self, Read};

/// Above every bound of the broker's configuration.
pub const PACKET_BYTES: usize = 1024 * 1024;

pub const CONNACK: u8 = 2;
pub const PUBLISH: u8 = 3;
pub const PUBACK: u8 = 4;

/// One packet with its fixed header, byte for byte.
#[derive(Debug, Clone)]
pub struct Packet {
    pub bytes: Vec<u8>,
    body: usize,
}

impl Packet {
    /// The next packet, or nothing at a clean end of the stream.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Packet>> {
        let mut bytes = vec![0];
        if from.read(&mut bytes)? == 0 {
            return Ok(None);
        }
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let mut byte = [0];
            from.read_exact(&mut byte)?;
            bytes.push(byte[0]);
            length |= usize::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                break;
            }
        }
        if length > PACKET_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a packet of {length} bytes")));
        }
        let body = bytes.len();
        bytes.resize(body + length, 0);
        from.read_exact(&mut bytes[body..])?;
        Ok(Some(Packet { bytes, body }))
    }

    pub fn kind(&self) -> u8 {
        self.bytes[0] >> 4
    }

    pub fn qos(&self) -> u8 {
        (self.bytes[0] >> 1) & 3
    }

    /// The topic of a PUBLISH.
    pub fn topic(&self) -> &str {
        let body = &self.bytes[self.body..];
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        body.get(2..2 + length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    /// The packet id of a PUBACK, or of a PUBLISH with QoS 1.
    pub fn id(&self) -> u16 {
        let body = &self.bytes[self.body..];
        let at = if self.kind() == PUBLISH { 2 + usize::from(u16::from_be_bytes([body[0], body[1]])) } else { 0 };
        u16::from_be_bytes([body[at], body[at + 1]])
    }
}

/// A PUBACK without a reason: success in both versions.
pub fn puback(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [PUBACK << 4, 2, high, low]
}

/// A CONNECT of 3.1.1 with a clean session.
pub fn connect(client_id: &str, user: &str, password: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([4, 0b1100_0010, 0, 0]);
    text(&mut body, client_id);
    text(&mut body, user);
    text(&mut body, password);
    framed(1 << 4, &body)
}

/// A PUBLISH of 3.1.1 with QoS 1.
pub fn publish(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    text(&mut body, topic);
    body.extend(id.to_be_bytes());
    body.extend(payload);
    framed(PUBLISH << 4 | 1 << 1, &body)
}

pub fn disconnect() -> [u8; 2] {
    [14 << 4, 0]
}

fn text(to: &mut Vec<u8>, value: &str) {
    to.extend(u16::try_from(value.len()).expect("names here are short").to_be_bytes());
    to.extend(value.as_bytes());
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        out.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    out.extend(body);
    out
}
