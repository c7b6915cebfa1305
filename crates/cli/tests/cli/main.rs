//! The real binary in temporary folders: transcripts of whole sessions with both streams and the exit code.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests: a panic is their answer")]

mod harness;

mod activity;
mod chunks;
mod crawl;
mod database;
mod help;
mod jobs;
mod migrate;
mod plan;
mod process;
mod serve;
mod settings;
mod tokens;
mod verify;
mod watch;
