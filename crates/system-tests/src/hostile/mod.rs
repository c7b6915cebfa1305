//! A web site that misbehaves in every way that a crawler meets, in a network of its own.
//!
//! Each misbehaviour is a [`Case`]: a host with a name and an address of its own, the rows that a list has for it, and
//! what must become of them. All cases are in one table, [`cases`]; a family of them is a file. The network is a
//! namespace in which every address is the test's own machine, so that no packet can leave it: a case's host has an
//! address of the public internet, and whatever is dialled beside the cases is seen and noted ([`Log`]).

mod addresses;
mod bodies;
mod breaks;
mod case;
mod certificates;
mod dns;
mod drips;
mod exchange;
mod headers;
mod images;
mod judge;
mod log;
mod names;
pub mod namespace;
mod politeness;
mod redirects;
mod server;
mod tls;

pub use case::{Case, Row, Run};
pub use judge::judge;
pub use log::{Event, Log};
pub use server::HostileSite;

/// The table: every misbehaviour, and what must become of the images behind it.
pub fn cases() -> Vec<Case> {
    let families = [
        drips::cases,
        bodies::cases,
        images::cases,
        headers::cases,
        breaks::cases,
        redirects::cases,
        addresses::cases,
        politeness::cases,
        tls::cases,
        names::cases,
    ];
    families.into_iter().flat_map(|family| family()).collect()
}

/// A real photo, small; the good answer of every case.
pub const JPEG: &[u8] = include_bytes!("../../fixtures/small.jpg");
/// A real graphic, small.
pub const PNG: &[u8] = include_bytes!("../../fixtures/small.png");
