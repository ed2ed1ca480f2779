//! Which session hears a message: subscriptions by filter, and one live member of each shared subscription in turn.
//!
//! In: subscriptions as sessions come and go, topics. Out: the sessions that are owed a copy. Refuses to know: who may
//! subscribe, payloads. Limits: the bounds on sessions and on filters of one session are the library's settings.
//!
//! It stands in for the library's own, which keeps its table locked while it waits to hear whether a member is there:
//! on few threads that can stand still for ever.

use super::acl;
use super::backlog::Backlog;
use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::router::Router;
use rmqtt::types::{
    AllRelationsMap, ClientId, HashMap as LibraryMap, Id, NodeId, Route, SharedGroup, SubRelations, SubRelationsMap,
    SubsSearchParams, SubsSearchResult, SubscriptioRelationsCollector, SubscriptionOptions, TopicFilter, TopicName,
};
use rmqtt::utils::Counter;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Members = HashMap<ClientId, (Id, SubscriptionOptions)>;
type Group = Vec<(ClientId, Id, SubscriptionOptions)>;

pub struct Subscriptions {
    context: ServerContext,
    table: Mutex<Table>,
    turn: AtomicUsize,
    backlog: Arc<Backlog>,
    /// The library may ask for its own kind of table; only a feature that is off would use it.
    none: AllRelationsMap,
}

/// Probes subscribe to topics, tens of thousands; only collectors and people use wildcards.
#[derive(Default)]
struct Table {
    exact: HashMap<TopicFilter, Members>,
    wild: HashMap<TopicFilter, Members>,
}

impl Table {
    fn shelf(&mut self, filter: &str) -> &mut HashMap<TopicFilter, Members> {
        if filter.contains(['+', '#']) { &mut self.wild } else { &mut self.exact }
    }

    fn matching<'a>(&'a self, topic: &'a TopicName) -> impl Iterator<Item = (&'a TopicFilter, &'a Members)> {
        let wild = self.wild.iter().filter(move |(filter, _)| acl::matches(filter, topic, ""));
        self.exact.get_key_value(topic).into_iter().chain(wild)
    }
}

impl Subscriptions {
    pub fn new(context: ServerContext, backlog: Arc<Backlog>) -> Self {
        let none = AllRelationsMap::default();
        Subscriptions { context, table: Mutex::default(), turn: AtomicUsize::new(0), backlog, none }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next member in turn that is there.
    async fn choose(&self, mut members: Group) -> Option<(ClientId, Id, SubscriptionOptions)> {
        // A stable order, so that turns go round.
        members.sort_by(|a, b| a.0.cmp(&b.0));
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        for step in 0..members.len() {
            let at = first.wrapping_add(step) % members.len();
            if self.is_here(&members[at].1).await {
                return Some(members.swap_remove(at));
            }
        }
        None
    }

    async fn is_here(&self, id: &Id) -> bool {
        let session = self.context.extends.shared().await.entry(id.clone()).session();
        match session {
            Some(session) => session.connected().await.unwrap_or(false),
            None => false,
        }
    }
}

#[async_trait]
impl Router for Subscriptions {
    async fn add(&self, filter: &str, id: Id, opts: SubscriptionOptions) -> rmqtt::Result<()> {
        let mut table = self.table();
        table.shelf(filter).entry(TopicFilter::from(filter)).or_default().insert(id.client_id.clone(), (id, opts));
        Ok(())
    }

    async fn remove(&self, filter: &str, id: Id) -> rmqtt::Result<bool> {
        let mut table = self.table();
        let shelf = table.shelf(filter);
        let Some(members) = shelf.get_mut(filter) else { return Ok(false) };
        // A session that took over keeps what it has.
        let own = members.get(&id.client_id).is_some_and(|(held_by, _)| *held_by == id);
        if own {
            members.remove(&id.client_id);
        }
        if members.is_empty() {
            shelf.remove(filter);
        }
        Ok(own)
    }

    async fn matches(&self, from: Id, topic: &TopicName) -> rmqtt::Result<SubRelationsMap> {
        let mut all = SubscriptioRelationsCollector::default();
        let mut groups: HashMap<(SharedGroup, TopicFilter), Group> = HashMap::new();
        {
            let table = self.table();
            for (filter, members) in table.matching(topic) {
                for (client, (id, opts)) in members {
                    if opts.no_local() == Some(true) && *id == from {
                        continue;
                    }
                    if let Some(group) = opts.shared_group() {
                        let member = (client.clone(), id.clone(), opts.clone());
                        groups.entry((group.clone(), filter.clone())).or_default().push(member);
                    } else {
                        all.add(filter, client.clone(), opts.clone(), None);
                    }
                }
            }
        }
        for ((group, filter), members) in groups {
            let clients = members.iter().map(|(client, ..)| client.clone()).collect();
            if let Some((client, _, opts)) = self.choose(members).await {
                all.add(&filter, client, opts, Some((group, true, clients)));
            }
        }
        let copies: SubRelations = all.into();
        copies.iter().for_each(|(_, client, ..)| self.backlog.routed(client));
        let mut relations = SubRelationsMap::default();
        if !copies.is_empty() {
            relations.insert(self.context.node.id(), copies);
        }
        Ok(relations)
    }

    async fn is_online(&self, node: NodeId, client: &str) -> bool {
        self.is_here(&Id::from(node, ClientId::from(client))).await
    }

    async fn gets(&self, _limit: usize) -> Vec<Route> {
        Vec::new()
    }

    async fn get(&self, _topic: &str) -> rmqtt::Result<Vec<Route>> {
        Ok(Vec::new())
    }

    async fn query_subscriptions(&self, _query: &SubsSearchParams) -> Vec<SubsSearchResult> {
        Vec::new()
    }

    async fn topics_tree(&self) -> usize {
        let table = self.table();
        table.exact.len() + table.wild.len()
    }

    fn topics(&self) -> Counter {
        Counter::new()
    }

    fn routes(&self) -> Counter {
        Counter::new()
    }

    fn merge_topics(&self, _others: &LibraryMap<NodeId, Counter>) -> Counter {
        Counter::new()
    }

    fn merge_routes(&self, _others: &LibraryMap<NodeId, Counter>) -> Counter {
        Counter::new()
    }

    async fn list_topics(&self, _most: usize) -> Vec<String> {
        Vec::new()
    }

    async fn list_relations(&self, _most: usize) -> Vec<serde_json::Value> {
        Vec::new()
    }

    fn relations(&self) -> &AllRelationsMap {
        &self.none
    }
}
