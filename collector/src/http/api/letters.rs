//! `dead-letters`: what could not be accepted, without its bytes.

use super::page::Page;
use super::question::{Asked, Given, Question};
use super::when::{utc, utc_of};
use super::{Answer, Api};
use crate::http::problem::{Problem, Problems};
use crate::store::{Letter, LetterQuery, Reason};
use axum::extract::State;
use phusong_protocol::ProbeId;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

const LIST: &str = "dead-letters";

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LetterQuestion {
    /// Of this probe only.
    #[param(value_type = Option<String>)]
    probe: Option<ProbeId>,
    /// Of this reason only, as `conflict`.
    reason: Option<String>,
    /// Replayed ones too; without it only those that wait.
    #[param(value_type = Option<bool>)]
    replayed: bool,
    /// 1 to 1000, 100 by default.
    #[param(value_type = Option<usize>)]
    limit: usize,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<i64>,
}

impl Question for LetterQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        let reasons: Vec<&'static str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        Ok(LetterQuestion {
            probe: given.parsed("probe", "write 1 to 32 of a-z, 0-9 and '-'", |name| name.parse().ok())?,
            reason: given.one_of("reason", &reasons)?.map(str::to_owned),
            replayed: given.flag("replayed")?.unwrap_or(false),
            limit: given.limit()?,
            cursor: given.cursor(LIST)?,
        })
    }
}

/// What could not be accepted, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetter {
    pub id: i64,
    #[schema(format = DateTime)]
    pub received: String,
    pub received_ms: i64,
    /// Of the topic that it came on.
    pub site: String,
    pub probe: String,
    pub reason: String,
    pub detail: String,
    pub bytes: u64,
    /// How often the same came.
    pub copies: u64,
    #[schema(format = DateTime)]
    pub replayed: Option<String>,
    pub replayed_ms: Option<i64>,
}

/// Dead letters
///
/// By id, oldest first. Their bytes are shown by `phusong-collector dead-letters show`.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "observations", params(LetterQuestion),
    responses((status = 200, body = Page<DeadLetter>), Problems))]
pub async fn dead_letters(
    State(api): State<Api>,
    Asked(asked): Asked<LetterQuestion>,
) -> Result<Answer<Page<DeadLetter>>, Problem> {
    api.read(move |views, _| {
        let query = LetterQuery {
            probe: asked.probe,
            reason: asked.reason,
            replayed: asked.replayed,
            after_id: asked.cursor.unwrap_or(0),
            limit: u32::try_from(asked.limit + 1).unwrap_or(u32::MAX),
        };
        let rows = views.reader().letters(&query)?;
        Ok(Page::of(LIST, rows, asked.limit, |letter| letter.id, item))
    })
    .await
}

fn item(letter: Letter) -> DeadLetter {
    DeadLetter {
        id: letter.id,
        received: utc(letter.received_ms),
        received_ms: letter.received_ms,
        site: letter.site,
        probe: letter.probe,
        reason: letter.reason,
        detail: letter.detail,
        bytes: letter.bytes,
        copies: letter.copies,
        replayed: utc_of(letter.replayed_ms),
        replayed_ms: letter.replayed_ms,
    }
}
