//! What a running agent says about itself: its `status`, and whether a sample of now reaches the collector.
//!
//! In: the spool, the publisher. Out: JSON documents. Refuses to know: the socket (`control.rs`). Limits: `check` waits
//! at most [`ACK_WITHIN`].

use crate::control::socket_path;
use crate::device::clock;
use crate::health;
use crate::publish::{Applied, Hurry, PublishStatus};
use crate::record::{Stamper, append};
use crate::spool::{BatchRequest, Pick, Urgency};
use crate::spooler::SpoolHandle;
use phusong_protocol::{Epoch, Ranges, Reading, limits};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

/// How long a sample may take to the collector and back before `check` calls it a fault.
pub const ACK_WITHIN: Duration = Duration::from_secs(30);

/// What can be told.
#[derive(Clone)]
pub struct Facts {
    pub epoch: Epoch,
    pub start: u32,
    pub began_mono_ms: u64,
    pub data_dir: PathBuf,
    pub spool: SpoolHandle,
    pub stamper: Stamper,
    pub publish: watch::Receiver<PublishStatus>,
    pub hurry: Hurry,
    pub applied: watch::Receiver<Applied>,
}

impl Facts {
    pub async fn status(&self) -> Value {
        let publish = self.publish.borrow().clone();
        let applied = self.applied.borrow().clone();
        json!({
            "version": crate::start::VERSION,
            "epoch": self.epoch.to_string(),
            "start": self.start,
            "uptime_ms": clock::mono_ms().saturating_sub(self.began_mono_ms),
            "spool": self.spool.status().await,
            "publish": {
                "broker": publish.broker, "conn": publish.conn, "last_error": publish.last_error,
                "in_flight": publish.in_flight, "sent": publish.sent, "sent_bytes": publish.sent_bytes,
                "acks": publish.acks, "retries": publish.retries, "rejected": publish.rejected,
                "refused": publish.refused, "canary": publish.canary, "ignored": publish.ignored,
            },
            "config": {"revision": applied.revision, "note": applied.note},
        })
    }

    /// Writes a `health` sample and waits until the collector has it. An attempt at the brokers that is only due later
    /// is made now.
    pub async fn check(&self) -> Value {
        self.hurry.up();
        let began = clock::mono_ms();
        let Some(status) = self.spool.status().await else { return json!({"error": "the agent is stopping"}) };
        let reading = health::reading(&status, began.saturating_sub(self.began_mono_ms), &self.data_dir);
        let sample = self.stamper.reading(Reading::Health(reading));
        let Some(seq) = append(&self.spool, sample, Urgency::Urgent).await else {
            return json!({"error": "the spool took no sample"});
        };
        let acked = acknowledged(&self.spool, self.epoch, seq, self.publish.clone()).await;
        let mut answer = self.status().await;
        answer["acked"] = acked.into();
        answer["ack_ms"] = clock::mono_ms().saturating_sub(began).into();
        answer
    }
}

/// Waits until the collector has the sample; false after [`ACK_WITHIN`].
pub async fn acknowledged(
    spool: &SpoolHandle,
    epoch: Epoch,
    seq: u64,
    mut publish: watch::Receiver<PublishStatus>,
) -> bool {
    let wait = async {
        loop {
            let pick = Pick::Exact(epoch, Ranges::of(seq, seq));
            let request = BatchRequest { pick, max_bytes: limits::BATCH_BYTES, skip: Vec::new() };
            // What is settled is not given out any more.
            if spool.next_batch(request).await.is_none() {
                return;
            }
            // The acknowledgement may be settled a moment after it is counted.
            let _ = tokio::time::timeout(Duration::from_millis(500), publish.changed()).await;
        }
    };
    tokio::time::timeout(ACK_WITHIN, wait).await.is_ok()
}

/// Asks the agent that runs over `data_dir`.
pub async fn ask(data_dir: &Path, question: &str) -> std::io::Result<Value> {
    let talk = async {
        let mut stream = UnixStream::connect(socket_path(data_dir)).await?;
        stream.write_all(format!("{question}\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(1024 * 1024).read_to_end(&mut answer).await?;
        serde_json::from_slice(&answer).map_err(std::io::Error::other)
    };
    match tokio::time::timeout(ACK_WITHIN + Duration::from_secs(5), talk).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}
