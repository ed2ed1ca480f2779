//! An HTTP/1.1 answer as it comes in (RFC 9112): head, framing of the body, the body up to a bound.
//!
//! In: bytes in any pieces. Out: status, `Location`, how much of the body there is, and whether it is all. Refuses to
//! know: sockets, time, what the answer means. Limits: [`HEAD_BYTES`], [`HEADERS`]; the body's bound is an argument.

/// Longer heads are no honest answer.
pub const HEAD_BYTES: usize = 16 * 1024;
/// More headers than any page needs.
pub const HEADERS: usize = 96;
/// The line that says how long a chunk is, extensions included.
const CHUNK_LINE_BYTES: usize = 256;

/// Why bytes are no HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("no HTTP answer: {0}")]
    Head(httparse::Error),
    #[error("a head of more than {HEAD_BYTES} bytes")]
    HeadTooLong,
    #[error("a body in chunks that are none")]
    Chunk,
    #[error("a length that is no number")]
    Length,
}

/// How the end of the body is told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunks(Chunk),
    /// The connection's end is the body's.
    ToEnd,
}

/// Where in a chunked body the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Size,
    /// So many bytes of data, then the line's end.
    Data(u64),
    Last,
}

/// What is known of an answer so far.
#[derive(Debug)]
pub struct Answer {
    /// The most that is read of the body.
    bound: usize,
    keep: bool,
    /// Bytes that were not understood yet.
    pending: Vec<u8>,
    head: Option<Head>,
    /// Bytes of the body so far.
    pub body_bytes: usize,
    body: Vec<u8>,
}

#[derive(Debug)]
struct Head {
    status: u16,
    location: Option<String>,
    framing: Framing,
}

impl Answer {
    /// `keep` the body's bytes, or only count them.
    pub fn new(bound: usize, keep: bool) -> Self {
        Answer { bound, keep, pending: Vec::new(), head: None, body_bytes: 0, body: Vec::new() }
    }

    /// Of the final answer, once its head is there.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    pub fn location(&self) -> Option<&str> {
        self.head.as_ref()?.location.as_deref()
    }

    /// Whether what was kept of the body holds this text.
    pub fn holds(&self, text: &str) -> bool {
        text.is_empty() || self.body.windows(text.len()).any(|part| part == text.as_bytes())
    }

    /// Takes what came; true when nothing more is needed.
    pub fn take(&mut self, bytes: &[u8]) -> Result<bool, Broken> {
        self.pending.extend_from_slice(bytes);
        while self.head.is_none() {
            if !self.take_head()? {
                return Ok(false);
            }
        }
        while !self.pending.is_empty() && !self.is_whole() {
            if !self.take_body()? {
                break;
            }
        }
        Ok(self.is_whole())
    }

    /// Whether the end of the connection is the end of the answer.
    pub fn ends_here(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.framing == Framing::ToEnd)
    }

    fn is_whole(&self) -> bool {
        let Some(head) = &self.head else { return false };
        self.body_bytes >= self.bound || matches!(head.framing, Framing::Length(0) | Framing::Chunks(Chunk::Last))
    }

    /// False when more bytes are needed. Heads of interim answers (1xx) are passed over.
    fn take_head(&mut self) -> Result<bool, Broken> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        // A router's own page is found by what it says, not lost to a header that is badly written.
        let mut parser = httparse::ParserConfig::default();
        parser.ignore_invalid_headers_in_responses(true).allow_spaces_after_header_name_in_responses(true);
        let length = match parser.parse_response(&mut response, &self.pending).map_err(Broken::Head)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial if self.pending.len() > HEAD_BYTES => return Err(Broken::HeadTooLong),
            httparse::Status::Partial => return Ok(false),
        };
        let status = response.code.unwrap_or(0);
        if !(100..200).contains(&status) {
            let location = value(response.headers, "location").map(|v| String::from_utf8_lossy(v).into_owned());
            self.head = Some(Head { status, location, framing: framing(status, response.headers)? });
        }
        self.pending.drain(..length);
        Ok(true)
    }

    /// False when more bytes are needed.
    fn take_body(&mut self) -> Result<bool, Broken> {
        let Some(head) = &mut self.head else { return Ok(false) };
        let room = self.bound - self.body_bytes;
        let here = match &mut head.framing {
            Framing::ToEnd => self.pending.len().min(room),
            Framing::Length(left) => {
                let here = self.pending.len().min(room).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= here as u64;
                here
            }
            Framing::Chunks(Chunk::Last) => 0,
            Framing::Chunks(chunk @ Chunk::Size) => {
                // The end of the chunk before, if there was one, stands in front of the size.
                let skip = if self.body_bytes > 0 { 2 } else { 0 };
                if self.pending.len() < skip {
                    return Ok(false);
                }
                if !self.pending[..skip].iter().all(|b| b"\r\n".contains(b)) {
                    return Err(Broken::Chunk);
                }
                match httparse::parse_chunk_size(&self.pending[skip..]).map_err(|_| Broken::Chunk)? {
                    httparse::Status::Complete((length, size)) if length <= CHUNK_LINE_BYTES => {
                        *chunk = if size == 0 { Chunk::Last } else { Chunk::Data(size) };
                        self.pending.drain(..skip + length);
                        return Ok(true);
                    }
                    httparse::Status::Partial if self.pending.len() <= CHUNK_LINE_BYTES => return Ok(false),
                    _ => return Err(Broken::Chunk),
                }
            }
            Framing::Chunks(chunk @ Chunk::Data(_)) => {
                let Chunk::Data(left) = *chunk else { return Ok(false) };
                let here = self.pending.len().min(room).min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - here as u64;
                *chunk = if left == 0 { Chunk::Size } else { Chunk::Data(left) };
                here
            }
        };
        if self.keep {
            self.body.extend_from_slice(&self.pending[..here]);
        }
        self.body_bytes += here;
        self.pending.drain(..here);
        Ok(true)
    }
}

fn value<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// RFC 9112, 6.3.
fn framing(status: u16, headers: &[httparse::Header<'_>]) -> Result<Framing, Broken> {
    if matches!(status, 204 | 304) {
        return Ok(Framing::Length(0));
    }
    if let Some(coding) = value(headers, "transfer-encoding") {
        let chunked = coding.to_ascii_lowercase().ends_with(b"chunked");
        return Ok(if chunked { Framing::Chunks(Chunk::Size) } else { Framing::ToEnd });
    }
    match value(headers, "content-length") {
        None => Ok(Framing::ToEnd),
        Some(length) => {
            let length = std::str::from_utf8(length).ok().and_then(|text| text.trim().parse().ok());
            length.map(Framing::Length).ok_or(Broken::Length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_taken_alike_in_one_piece_and_in_many(
            chunked: bool, tail in prop::collection::vec(prop::sample::select(b"\r\n 0123afg;x".to_vec()), 0..200), bound in 1usize..60,
        ) {
            let coding = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 50" };
            let bytes = [format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n").as_bytes(), &tail].concat();
            let mut whole = Answer::new(bound, true);
            let at_once = whole.take(&bytes);
            let mut pieces = Answer::new(bound, true);
            let mut at_last = Ok(false);
            for byte in &bytes {
                at_last = pieces.take(&[*byte]);
                if at_last != Ok(false) {
                    break;
                }
            }
            prop_assert_eq!(at_once, at_last);
            prop_assert_eq!((whole.status(), whole.body_bytes, whole.body), (pieces.status(), pieces.body_bytes, pieces.body));
            prop_assert!(pieces.body_bytes <= bound);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut taken = Answer::new(10, true);
            let _any = taken.take(&bytes).and_then(|_| taken.take(&bytes));
        }
    }

    /// The same in one piece and byte by byte: status, body, whether it is whole.
    fn check(answer: &[u8], bound: usize, expected: Result<(u16, &str, bool), Broken>) {
        for step in [answer.len(), 1] {
            let mut taken = Answer::new(bound, true);
            let mut result = Ok(false);
            for piece in answer.chunks(step) {
                result = taken.take(piece);
                if result != Ok(false) {
                    break;
                }
            }
            let shown = String::from_utf8_lossy(answer);
            let got = result
                .map(|whole| (taken.status().unwrap_or(0), String::from_utf8_lossy(&taken.body).into_owned(), whole));
            assert_eq!(got, expected.clone().map(|(s, b, w)| (s, b.to_owned(), w)), "{step}: {shown}");
        }
    }

    #[test]
    fn the_end_of_a_body_is_told_by_length_chunks_or_the_connection() {
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", 100, Ok((200, "abc", true)));
        check(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", 100, Ok((200, "ab", false)));
        check(b"HTTP/1.0 200 OK\r\n\r\nabc", 100, Ok((200, "abc", false)));
        check(b"HTTP/1.1 204 No Content\r\n\r\n", 100, Ok((204, "", true)));
        let chunked: &[u8] =
            b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        check(chunked, 100, Ok((200, "abc0123456789", true)));
        check(chunked, 5, Ok((200, "abc01", true)));
        check(b"HTTP/1.1 200 OK\r\n\r\nabcdef", 4, Ok((200, "abcd", true)));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let answer =
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        check(answer, 100, Ok((404, "", true)));
    }

    #[test]
    fn what_is_no_answer_is_broken() {
        check(b"SSH-2.0-OpenSSH_9\r\n", 100, Err(Broken::Head(httparse::Error::Version)));
        check(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 100, Err(Broken::Length));
        check(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 100, Err(Broken::Chunk));
        check(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 100, Err(Broken::Chunk));
        let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'y'; HEAD_BYTES + 1]].concat();
        let mut taken = Answer::new(100, false);
        assert_eq!(taken.take(&endless), Err(Broken::HeadTooLong));
    }
}
