//! The library's questions and our answers: logins, access, deliveries, the exchange of a one-time secret.
//!
//! In: the library's hooks. Out: what [`Login`], [`acl`] and [`Backlog`] decide, in the library's words. Refuses to
//! know: how any of it is decided.
//!
//! The library asks nobody about a Last Will, and checks a subscription but not what is delivered by it. Wills are
//! therefore judged where they are published, and every message once more where it is delivered.

use super::acl::{self, User};
use super::backlog::Backlog;
use super::counters::Counters;
use super::login::{Entry, Knock, Login, now_ms};
use super::server::COLLECTORS_DOOR;
use async_trait::async_trait;
use phusong_protocol::{Command, CommandBody, ProbeId, Secret, Topic};
use rmqtt::acl::AuthInfo;
use rmqtt::codec::v5::{PublishAckReason, SubscribeAckReason};
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::session::Session;
use rmqtt::types::{
    AuthResult, ClientId, CodecPublish, ConnectInfo, From as Origin, FromType, Id, Publish, PublishAclResult,
    PublishResult, QoS, Reason, Subscribe, SubscribeAclResult, TopicName,
};
use std::sync::Arc;

/// Where a forbidden Last Will goes; nobody can subscribe to it.
const NOWHERE: &str = "$refused";
/// The new password waits in the connection that asked for it; a client that hears it later has lost the connection.
const EXCHANGE_MS: i64 = 10 * 60_000;

#[derive(Clone)]
pub struct Hooks {
    pub context: ServerContext,
    pub login: Arc<Login>,
    pub backlog: Arc<Backlog>,
    pub counters: Arc<Counters>,
}

impl Hooks {
    /// Answers all that the library asks from now on.
    pub async fn register(&self) {
        let register = self.context.extends.hook_mgr().register();
        let asked = [
            Type::ClientAuthenticate,
            Type::ClientConnected,
            Type::SessionTerminated,
            Type::ClientSubscribeCheckAcl,
            Type::SessionSubscribed,
            Type::MessagePublish,
            Type::MessagePublishCheckAcl,
            Type::MessageExpiryCheck,
            Type::MessageDelivered,
            Type::MessageDropped,
        ];
        for kind in asked {
            register.add(kind, Box::new(self.clone())).await;
        }
        register.start().await;
    }

    async fn authenticate(&self, connect: &ConnectInfo) -> AuthResult {
        let id = connect.id();
        let knock = Knock {
            client: &id.client_id,
            user: connect.username().map(|name| name.as_ref()),
            password: connect.password().map(|password| password.as_ref()).unwrap_or_default(),
            port: id.remote_addr.map(|address| address.port()),
            at_collectors_door: id.lid() == COLLECTORS_DOOR,
        };
        match self.login.judge(knock).await {
            Entry::Refused => AuthResult::BadUsernameOrPassword,
            Entry::Full => AuthResult::Allow(false, None),
            // The library keeps it with the session, and asks our hooks all the same: see `user`.
            Entry::Joining => {
                AuthResult::Allow(false, Some(AuthInfo { superuser: false, expire_at: None, rules: Vec::new() }))
            }
        }
    }

    async fn publish(&self, session: &Session, publish: &Publish) -> PublishAclResult {
        let user = user(session);
        if !user.may_write(&publish.topic) {
            self.counters.forbid();
            return PublishAclResult::rejected(false, None);
        }
        if user != User::Collector && !self.backlog.room().await {
            self.counters.hold_back();
            return PublishAclResult(PublishResult::reason_code(PublishAckReason::QuotaExceeded, None, false));
        }
        PublishAclResult::allow()
    }

    fn subscribe(&self, session: &Session, subscribe: &Subscribe) -> SubscribeAclResult {
        if user(session).may_subscribe(&subscribe.topic_filter, subscribe.opts.has_shared_group()) {
            return SubscribeAclResult::new_success(subscribe.opts.qos(), None);
        }
        self.counters.forbid();
        SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
    }

    fn subscribed(&self, session: &Session, subscribe: &Subscribe) {
        match user(session) {
            User::Collector => self.backlog.opened(&session.id.client_id),
            User::Joining(probe) => {
                if let Some(topic) = acl::own_command(&subscribe.topic_filter, probe) {
                    let (hooks, session) = (self.clone(), session.clone());
                    // Not awaited: the answer to the subscription goes out first.
                    tokio::spawn(async move { hooks.exchange(&session, topic).await });
                }
            }
            User::Probe(_) => {}
        }
    }

    /// Hands the lasting password over, to this client alone.
    async fn exchange(&self, session: &Session, topic: Topic) {
        let credentials = Arc::clone(&self.login.credentials);
        let probe = topic.probe.clone();
        let made = tokio::task::spawn_blocking(move || credentials.hand_over(&probe, now_ms())).await;
        let password = match made {
            Ok(Ok(password)) => password,
            Ok(Err(error)) => return tracing::warn!("probe {} cannot join: {error:#}", topic.probe),
            Err(error) => return tracing::warn!("probe {} cannot join: {error}", topic.probe),
        };
        let Ok(payload) = serde_json::to_vec(&command(&topic.probe, password)) else { return };
        let message = CodecPublish {
            dup: false,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic: TopicName::from(topic.to_string()),
            packet_id: None,
            payload: payload.into(),
            properties: Some(Default::default()),
        };
        let entry = self.context.extends.shared().await.entry(session.id.clone());
        let origin = Origin::from_system(Id::from(self.context.node.id(), ClientId::from("broker")));
        match entry.publish(origin, Publish::from(message)).await {
            Ok(()) => tracing::info!("probe {} joins: its lasting password is on its way", topic.probe),
            Err(_) => tracing::warn!("probe {} went away before its lasting password reached it", topic.probe),
        }
    }

    /// What becomes of a will that its owner may not publish: the library cannot be told to drop it.
    fn will(&self, session: Option<&Session>, origin: &Origin, publish: &Publish) -> Option<HookResult> {
        let forbidden = session.is_none_or(|session| !user(session).may_write(&publish.topic));
        if !matches!(origin.typ(), FromType::LastWill) || !forbidden {
            return None;
        }
        self.counters.forbid();
        let mut nowhere = publish.clone();
        nowhere.topic = TopicName::from_static(NOWHERE);
        nowhere.retain = false;
        Some(HookResult::Publish(nowhere))
    }

    fn dropped(&self, to: &Id, reason: &Reason) {
        self.backlog.settled(&to.client_id);
        // What the access list kept back was not lost.
        if !matches!(reason, Reason::MessageExpiration) {
            self.counters.drop_message();
        }
    }

    async fn terminated(&self, session: &Session) {
        let now = self.context.extends.shared().await.entry(session.id.clone()).session();
        // Another connection may have taken over meanwhile.
        if now.is_none_or(|now| now.id == session.id) {
            self.login.owners.remove(&session.id.client_id);
            self.backlog.ended(&session.id.client_id);
        }
    }
}

#[async_trait]
impl Handler for Hooks {
    async fn hook(&self, asked: &Parameter, before: Option<HookResult>) -> ReturnType {
        let answer = match asked {
            Parameter::ClientAuthenticate(connect) => Some(HookResult::AuthResult(self.authenticate(connect).await)),
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                Some(HookResult::SubscribeAclResult(self.subscribe(session, subscribe)))
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                Some(HookResult::PublishAclResult(self.publish(session, publish).await))
            }
            Parameter::MessagePublish(session, origin, publish) => self.will(*session, origin, publish),
            Parameter::MessageExpiryCheck(session, _, publish) => {
                (!user(session).may_read(&publish.topic)).then_some(HookResult::MessageExpiry)
            }
            Parameter::ClientConnected(session) => {
                self.login.owners.add(&session.id.client_id, session.id.username_ref());
                None
            }
            Parameter::SessionSubscribed(session, subscribe) => {
                self.subscribed(session, subscribe);
                None
            }
            Parameter::MessageDelivered(session, ..) => {
                self.backlog.settled(&session.id.client_id);
                None
            }
            Parameter::MessageDropped(Some(to), _, _, reason) => {
                self.dropped(to, reason);
                None
            }
            Parameter::SessionTerminated(session, _) => {
                self.terminated(session).await;
                None
            }
            _ => None,
        };
        (true, answer.or(before))
    }
}

fn user(session: &Session) -> User<'_> {
    if session.id.lid() == COLLECTORS_DOOR {
        User::Collector
    } else if session.auth_info.is_some() {
        User::Joining(session.id.username_ref())
    } else {
        User::Probe(session.id.username_ref())
    }
}

fn command(probe: &ProbeId, password: String) -> Command {
    let now_ms = now_ms();
    let body = CommandBody::Credentials { username: probe.to_string(), password: Secret::new(password) };
    Command { v: 1, id: format!("join-{now_ms}"), not_after_ms: now_ms + EXCHANGE_MS, body }
}
