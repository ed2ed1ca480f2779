//! The library, set up: two listeners on loopback, one for what the front hands on, one for the collector.
//!
//! In: bounds, the parts that answer it. Out: its two addresses. Refuses to know: TLS, who is let in.
//! What it does by itself and we do not want is switched off here: anonymous logins, repeating messages on a live
//! connection, forgetting queued ones after minutes, refusing clients because the machine is busy.

use super::backlog::{self, Backlog};
use super::counters::Counters;
use super::hooks::Hooks;
use super::login::Login;
use super::retained::Retained;
use super::router::Subscriptions;
use crate::config;
use anyhow::Context;
use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use rmqtt::subscribe::SharedSubscription;
use rmqtt::types::QoS;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

/// The library's numbers of the listeners.
const PROBES_DOOR: u16 = 1;
pub const COLLECTORS_DOOR: u16 = 2;
/// A client that never comes back leaves nothing behind for longer than this; as `deploy/mosquitto`.
const SESSION: Duration = Duration::from_secs(14 * 86_400);
const CLIENT_ID_BYTES: usize = 128;
const TOPIC_LEVELS: usize = 16;
const SUBSCRIPTIONS: usize = 64;
/// Passwords that are being checked; the rest waits.
const LOGINS: usize = 64;
const LOGIN_TIME: Duration = Duration::from_secs(30);
/// A client that does not read is let go after this. The collector leaves its connection unread for 2 s at most.
const SEND_TIME: Duration = Duration::from_secs(20);

/// Where the library listens.
#[derive(Debug, Clone, Copy)]
pub struct Doors {
    pub probes: SocketAddr,
    pub collector: SocketAddr,
}

/// Starts it on the current runtime, with which it ends.
pub async fn start(settings: &config::Broker, login: Arc<Login>, counters: Arc<Counters>) -> anyhow::Result<Doors> {
    let backlog = Arc::new(Backlog::new(settings.queue_messages, backlog::HOLD));
    // Resting sessions count, too.
    let sessions = isize::try_from(settings.connections.saturating_mul(2)).unwrap_or(isize::MAX);
    let context = ServerContext::new().busy_check_enable(false).mqtt_max_sessions(sessions).build().await;
    *context.extends.router_mut().await = Box::new(Subscriptions::new(context.clone(), Arc::clone(&backlog)));
    *context.extends.retain_mut().await = Box::new(Retained::new(Arc::clone(&counters)));
    *context.extends.shared_subscription_mut().await = Box::new(Shared);
    Hooks { context: context.clone(), login, backlog, counters }.register().await;

    // Whatever probes send while they pass the backlog's bound together finds room for the collector.
    let collectors_queue = settings.queue_messages + settings.connections;
    let probes = listener("probes", settings, settings.inflight, settings.queue_messages)?;
    let collector = listener("collector", settings, u16::MAX / 2, collectors_queue)?;
    let doors = Doors { probes: probes.local_addr()?, collector: collector.local_addr()? };
    let server = MqttServer::new(context).listener_by_id(probes, PROBES_DOOR);
    let server = server.listener_by_id(collector, COLLECTORS_DOOR).build();
    tokio::spawn(async move {
        // It only ends with its runtime.
        if let Err(error) = server.run().await {
            tracing::error!("the embedded broker ended: {error:#}");
        }
    });
    Ok(doors)
}

fn listener(name: &str, settings: &config::Broker, inflight: u16, queue: usize) -> anyhow::Result<Listener> {
    let builder = Builder::new()
        .name(name)
        .laddr((Ipv4Addr::LOCALHOST, 0).into())
        .nodelay(true)
        .allow_anonymous(false)
        .max_connections(settings.connections)
        .max_handshaking_limit(LOGINS)
        .handshake_timeout(LOGIN_TIME)
        .send_timeout(SEND_TIME)
        .max_packet_size(settings.packet_bytes)
        .max_clientid_len(CLIENT_ID_BYTES)
        .max_topic_levels(TOPIC_LEVELS)
        .max_subscriptions(SUBSCRIPTIONS)
        .max_qos_allowed(QoS::AtLeastOnce)
        .max_inflight(NonZeroU16::new(inflight).unwrap_or(NonZeroU16::MIN))
        .max_mqueue_len(queue)
        .session_expiry_interval(SESSION)
        .max_session_expiry_interval(SESSION)
        .message_retry_interval(Duration::ZERO)
        .message_expiry_interval(Duration::ZERO);
    builder.bind().and_then(Listener::tcp).context("the embedded broker finds no free port on 127.0.0.1")
}

/// Only says that there are shared subscriptions; [`Subscriptions`] chooses their members.
struct Shared;

impl SharedSubscription for Shared {
    fn is_supported(&self) -> bool {
        true
    }
}
