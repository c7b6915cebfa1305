//! Protects the rules of the PostgreSQL backend under faults: killed clients and servers, lost answers, stalls, poolers,
//! wrong clocks, several migrators, deadlocks. Real processes, real servers; each file is one kind of fault.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../postgres_kit/mod.rs"]
mod postgres_kit;

mod bursts;
mod child;
mod company;
mod frozen_holders;
mod killed_clients;
mod killed_servers;
mod lost_answers;
mod migrations;
mod poolers;
mod runtimes;
mod scene;
mod stalls;
mod undone;
mod wake_ups;
mod wrong_clocks;
