//! A commune with known truth: 18 hamlets, two probes in each, a month of trouble drawn from a seed.
//!
//! In: a [`Plan`]. Out: a [`World`]: areas and registrations to set a collector up with, [`Delivery`]s in the order in
//! which a broker would receive them, and apart from them the [`TruthEvent`]s. Refuses to know: coverage, the collector,
//! the agent's code; what the probes send is written from `docs/wire.md` and decoded by `phusong-protocol`. Limits: memory
//! holds one day of deliveries; geometry, providers and events are invented, only the hamlets' names are real.

mod account;
mod carrier;
mod draw;
mod fleet;
mod fold;
mod follow;
mod geography;
mod network;
mod outbox;
mod plan;
mod probe;
mod publish;
mod scene;
mod script;
mod targets;
mod truth;
mod world;
mod write;

pub use account::{Account, AccountError, accounts};
pub use fleet::{Move, Registration};
pub use follow::{Said, follow};
pub use outbox::Delivery;
pub use plan::{DAY_MS, HAMLETS, Hamlet, Plan, PlanError, Rates};
pub use publish::{Login, PublishError, Published, publish, publish_as};
pub use scene::{SceneTruth, Shown};
pub use truth::{Cause, Evidence, TruthEvent, TruthKind};
pub use world::World;
pub use write::{Setup, TruthFile, WriteError, Written, read_deliveries, write, write_setup, write_truth};
