//! `/backend/*.php`: what a LibreSpeed client measures bandwidth against. The names are LibreSpeed's; there is no PHP.
//!
//! In: GET and POST requests. Out: random bytes, or nothing for what was sent. Refuses to know: who measures and what
//! comes of it. Limits: [`Limits`]: transfers at once (else 503), bytes of a client address in an hour (else 429), bytes
//! a second of all of them together, [`LONGEST`] and [`SILENCE`] of one; constant memory.
//!
//! Probes have no token of the API, so none is asked for here; that is why it is off, unless somebody said otherwise,
//! where `http.listen` is not loopback.

mod limits;

pub use limits::{Limits, Speed};

use super::Bounded;
use super::problem::Problem;
use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, FromRequestParts, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::IncomingStream;
use futures_util::{StreamExt, stream};
use limits::{Refused, Seat};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::time::timeout;

/// Unit of `ckSize`.
const UNIT_BYTES: u64 = 1 << 20;
const UNITS: u64 = 4;
const UNITS_MAX: u64 = 1_024;
/// Sent at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Of one transfer. A client measures for seconds.
const LONGEST: Duration = Duration::from_secs(120);
/// A sender that says nothing for this long has gone.
const SILENCE: Duration = Duration::from_secs(10);

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Peer(*stream.remote_addr())
    }
}

/// A request's client and whether it asks for CORS headers.
struct Client {
    address: IpAddr,
    cors: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>();
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(Peer(peer))| peer.ip().to_canonical());
        let cors = parts.uri.query().is_some_and(|query| value(query, "cors").is_some_and(|given| !given.is_empty()));
        Ok(Client { address, cors })
    }
}

/// To be merged outside of what asks for a token.
pub fn routes(speed: Speed) -> Router {
    let not_this = || async { Problem::method_not_allowed() };
    Router::new()
        .route("/backend/garbage.php", get(garbage).fallback(not_this))
        .route("/backend/empty.php", get(nothing).post(empty).fallback(not_this))
        .route("/backend/getIP.php", get(ip).fallback(not_this))
        .with_state(speed)
}

async fn garbage(State(speed): State<Speed>, client: Client, RawQuery(query): RawQuery) -> Response {
    let units = query.as_deref().and_then(|query| value(query, "ckSize")).and_then(|units| units.parse::<u64>().ok());
    let bytes = units.filter(|units| *units > 0).unwrap_or(UNITS).min(UNITS_MAX) * UNIT_BYTES;
    let seat = match speed.seat(client.address) {
        Ok(seat) => seat,
        Err(refused) => return answer(refusal(refused), &client),
    };
    let block = speed.block();
    let body = stream::unfold((seat, 0u64), move |(seat, sent)| {
        let block = block.clone();
        async move {
            let length = (bytes - sent).min(PIECE_BYTES as u64) as usize;
            if length == 0 {
                return None;
            }
            // An error ends the connection, so that nobody takes a part for the whole.
            let piece = match seat.pass(length, LONGEST).await {
                Ok(()) => Ok(block.slice(sent as usize % block.len()..sent as usize % block.len() + length)),
                Err(refused) => Err(std::io::Error::other(refused.word())),
            };
            Some((piece, (seat, sent + length as u64)))
        }
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    answer(response, &client)
}

/// What a client measures the round trip with.
async fn nothing(client: Client) -> Response {
    answer(StatusCode::OK.into_response(), &client)
}

/// Takes a body of any size, and throws it away.
async fn empty(State(speed): State<Speed>, client: Client, body: Body) -> Response {
    let response = match speed.seat(client.address) {
        Ok(seat) => match swallow(seat, body.into_data_stream()).await {
            Ok(()) => StatusCode::OK.into_response(),
            Err(response) => response,
        },
        Err(refused) => refusal(refused),
    };
    answer(response, &client)
}

async fn swallow(seat: Seat, mut body: BodyDataStream) -> Result<(), Response> {
    loop {
        match timeout(SILENCE, body.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(piece))) => seat.pass(Bytes::len(&piece), LONGEST).await.map_err(refusal)?,
            // Nobody is there to read an answer.
            Ok(Some(Err(_))) | Err(_) => return Err(StatusCode::REQUEST_TIMEOUT.into_response()),
        }
    }
}

async fn ip(client: Client) -> Response {
    let body = serde_json::json!({"processedString": client.address.to_string(), "rawIspInfo": ""});
    answer(axum::Json(body).into_response(), &client)
}

fn refusal(refused: Refused) -> Response {
    let mut response = match refused {
        Refused::Busy => Problem::busy().into_response(),
        Refused::UsedUp { .. } | Refused::TooLong => Problem::used_up().into_response(),
    };
    let seconds = match refused {
        Refused::Busy | Refused::TooLong => 30,
        Refused::UsedUp { again_s } => again_s,
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn answer(mut response: Response, client: &Client) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    let mut say = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    say(header::CACHE_CONTROL, "no-store, no-cache, must-revalidate, max-age=0, s-maxage=0, no-transform");
    if client.cors {
        say(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        say(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
        say(header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Encoding, Content-Type");
    }
    response
}

/// The first value of a parameter; LibreSpeed's need no decoding.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}
