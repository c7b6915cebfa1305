//! Real processes, real faults: what only the whole system can show.
//!
//! The tests of this crate run the `ream` binary as its users do, against a stock web server and real images, kill
//! it in the middle of its work, and have what is left judged by a checker that shares no code with it.

pub mod checker;
pub mod hostile;
pub mod killer;
pub mod kind;
pub mod packages;
pub mod paths;
pub mod process;
pub mod real_list;
pub mod ream;
pub mod server;
pub mod shared_state;
pub mod site;
pub mod state;
pub mod stored;
