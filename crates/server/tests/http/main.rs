//! A server on a port of its own, asked as clients do, and as they should not.
#![allow(clippy::unwrap_used)]

mod claims;
mod creating;
mod events;
mod hostile;
mod kit;
mod limits;
mod lists;
mod pages;
mod stopping;
mod tls;
