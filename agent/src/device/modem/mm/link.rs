//! The D-Bus side: a connection, ModemManager's signals in order, its methods with a patience each.
//!
//! In: an address, calls. Out: [`News`], answers as [`Props`]. Refuses to know: modems. Limits: [`WAITING`] signals
//! wait, then the socket is left unread; signals of anybody but the owner of ModemManager's name are not heard.

use super::value::{Props, Value};
use futures_util::StreamExt;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::time::Duration;
use zbus::names::UniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant};

/// Signals that wait for us.
const WAITING: usize = 256;
pub const NAME: &str = "org.freedesktop.ModemManager1";
const OBJECT: &str = "/org/freedesktop/ModemManager1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const MANAGER: &str = "org.freedesktop.DBus.ObjectManager";
/// Of the bus itself.
const DBUS: &str = "org.freedesktop.DBus";
/// Before every interface of ModemManager's.
const PREFIX: &str = "org.freedesktop.ModemManager1.";
/// For what ModemManager answers from memory.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Which bus ModemManager is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bus {
    /// The machine's, or the one that `DBUS_SYSTEM_BUS_ADDRESS` names.
    System,
    Address(String),
}

/// Interfaces of an object by their names after `org.freedesktop.ModemManager1.`: `Modem`, `Modem.Signal`.
pub type Interfaces = BTreeMap<String, Props>;

#[derive(Debug, PartialEq)]
pub enum News {
    Started,
    Stopped,
    Added {
        path: String,
        interfaces: Interfaces,
    },
    Removed {
        path: String,
        interfaces: Vec<String>,
    },
    Changed {
        path: String,
        interface: String,
        changed: Props,
        gone: Vec<String>,
    },
    /// A modem's state changed, for an `MMModemStateChangeReason`.
    State {
        path: String,
        reason: u32,
    },
}

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this modem, or this version of ModemManager, cannot do it")]
    Unsupported,
    #[error("polkit does not allow it")]
    Forbidden,
    #[error("no answer in time")]
    Late,
    #[error("{0}")]
    Failed(String),
}

impl From<zbus::Error> for Refusal {
    fn from(error: zbus::Error) -> Self {
        use zbus::fdo::Error as Fdo;
        match &error {
            zbus::Error::MethodError(name, text, _) => match name.as_str().rsplit('.').next() {
                Some("Unsupported") => Refusal::Unsupported,
                Some("Unauthorized") => Refusal::Forbidden,
                Some(last) => Refusal::Failed(format!("{last}: {}", text.as_deref().unwrap_or_default())),
                None => Refusal::Failed(error.to_string()),
            },
            zbus::Error::FDO(inner) => match &**inner {
                Fdo::UnknownMethod(_) | Fdo::UnknownInterface(_) | Fdo::NotSupported(_) => Refusal::Unsupported,
                Fdo::AccessDenied(_) | Fdo::AuthFailed(_) | Fdo::InteractiveAuthorizationRequired(_) => {
                    Refusal::Forbidden
                }
                Fdo::NoReply(_) | Fdo::Timeout(_) | Fdo::TimedOut(_) => Refusal::Late,
                _ => Refusal::Failed(error.to_string()),
            },
            _ => Refusal::Failed(error.to_string()),
        }
    }
}

/// Calls methods; as many as one likes.
#[derive(Debug, Clone)]
pub struct Caller(Connection);

pub struct Link {
    pub caller: Caller,
    signals: MessageStream,
    owners: MessageStream,
    owner: Option<UniqueName<'static>>,
}

impl Link {
    /// Connects and listens; whether ModemManager is there is said by [`Link::runs`].
    pub async fn open(bus: &Bus) -> zbus::Result<Self> {
        let builder = match bus {
            Bus::System => zbus::connection::Builder::system(),
            Bus::Address(address) => zbus::connection::Builder::address(address.as_str()),
        };
        let connection = builder.build().await?;
        let most = NonZeroUsize::new(WAITING);
        let signal = || MatchRule::builder().msg_type(zbus::message::Type::Signal);
        let owned = signal().sender(DBUS).interface(DBUS).member("NameOwnerChanged").add_arg(NAME).build()?;
        let owners = MessageStream::for_match_rule(owned, &connection, most).await?;
        let theirs = signal().sender(NAME).path_namespace(OBJECT).build()?;
        let signals = MessageStream::for_match_rule(theirs, &connection, most).await?;
        let mut link = Link { caller: Caller(connection), signals, owners, owner: None };
        link.owner = link.ask_owner().await;
        Ok(link)
    }

    pub fn runs(&self) -> bool {
        self.owner.is_some()
    }

    /// Asking for its owner does not start it; a call of a method might.
    async fn ask_owner(&self) -> Option<UniqueName<'static>> {
        let asked = self.caller.0.call_method(Some(DBUS), "/org/freedesktop/DBus", Some(DBUS), "GetNameOwner", &NAME);
        let reply = asked.await.ok()?;
        let name: String = reply.body().deserialize().ok()?;
        UniqueName::try_from(name).ok()
    }

    /// The next thing that happened; `None`: the connection is gone.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            tokio::select! {
                // What a daemon said before it went comes first.
                biased;
                message = self.signals.next() => {
                    let message = message?.ok()?;
                    let theirs = self.owner.is_some() && message.header().sender() == self.owner.as_ref();
                    if let Some(news) = Some(message).filter(|_| theirs).and_then(|message| read(&message)) {
                        return Some(news);
                    }
                }
                message = self.owners.next() => {
                    let message = message?.ok()?;
                    let (_, _, new): (String, String, String) = message.body().deserialize().ok()?;
                    let new = UniqueName::try_from(new).ok();
                    let before = std::mem::replace(&mut self.owner, new);
                    if before != self.owner {
                        return Some(if self.owner.is_some() { News::Started } else { News::Stopped });
                    }
                }
            }
        }
    }
}

fn read(message: &Message) -> Option<News> {
    let header = message.header();
    let body = message.body();
    let path = header.path()?.to_string();
    match header.member()?.as_str() {
        "PropertiesChanged" => {
            let (interface, changed, gone): (String, HashMap<String, OwnedVariant>, Vec<String>) =
                body.deserialize().ok()?;
            let interface = interface.strip_prefix(PREFIX)?.to_owned();
            Some(News::Changed { path, interface, changed: Props::new(changed), gone })
        }
        "InterfacesAdded" => {
            let (path, all): (OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>) =
                body.deserialize().ok()?;
            Some(News::Added { path: path.to_string(), interfaces: interfaces(all) })
        }
        "InterfacesRemoved" => {
            let (path, names): (OwnedObjectPath, Vec<String>) = body.deserialize().ok()?;
            let names = names.iter().filter_map(|name| name.strip_prefix(PREFIX)).map(str::to_owned);
            Some(News::Removed { path: path.to_string(), interfaces: names.collect() })
        }
        "StateChanged" => {
            let (_, _, reason): (i32, i32, u32) = body.deserialize().ok()?;
            Some(News::State { path, reason })
        }
        _ => None,
    }
}

fn interfaces(all: HashMap<String, HashMap<String, OwnedVariant>>) -> Interfaces {
    let ours = all.into_iter().filter_map(|(name, props)| {
        let name = name.strip_prefix(PREFIX)?.to_owned();
        Some((name, Props::new(props)))
    });
    ours.collect()
}

impl Caller {
    /// Every modem that ModemManager shows.
    pub async fn modems(&self) -> Result<Vec<(String, Interfaces)>, Refusal> {
        type Objects = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
        let objects: Objects = self.ask(OBJECT, MANAGER, "GetManagedObjects", &(), PATIENCE).await?;
        let mut all: Vec<_> = objects.into_iter().map(|(path, all)| (path.to_string(), interfaces(all))).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(all)
    }

    /// Every property of an interface, as `Sim`, of an object.
    pub async fn all(&self, path: &str, interface: &str) -> Result<Props, Refusal> {
        let name = format!("{PREFIX}{interface}");
        let props: HashMap<String, OwnedVariant> = self.ask(path, PROPERTIES, "GetAll", &name, PATIENCE).await?;
        Ok(Props::new(props))
    }

    /// What a method of a modem's interface does is all that is wanted.
    pub async fn tell<B>(&self, path: &str, method: (&str, &str), body: &B, patience: Duration) -> Result<(), Refusal>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        self.ask(path, &format!("{PREFIX}{}", method.0), method.1, body, patience).await
    }

    /// A method that returns a list of dictionaries.
    pub async fn list(&self, path: &str, method: (&str, &str), patience: Duration) -> Result<Vec<Props>, Refusal> {
        let interface = format!("{PREFIX}{}", method.0);
        let all: Vec<HashMap<String, OwnedVariant>> = self.ask(path, &interface, method.1, &(), patience).await?;
        Ok(all.into_iter().map(Props::new).collect())
    }

    /// `Modem.Location.GetLocation`, by source.
    pub async fn location(&self, path: &str) -> Result<BTreeMap<u32, Value>, Refusal> {
        let interface = format!("{PREFIX}Modem.Location");
        let all: HashMap<u32, OwnedVariant> = self.ask(path, &interface, "GetLocation", &(), PATIENCE).await?;
        Ok(all.into_iter().map(|(source, value)| (source, Value::from(&*value))).collect())
    }

    async fn ask<B, R>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
        patience: Duration,
    ) -> Result<R, Refusal>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
        R: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        let call = self.0.call_method(Some(NAME), path, Some(interface), method, body);
        let reply = tokio::time::timeout(patience, call).await.map_err(|_| Refusal::Late)??;
        Ok(reply.body().deserialize()?)
    }
}
