//! The real binary in temporary folders: transcripts of whole sessions with both streams and the exit code.

mod harness;

mod activity;
mod chunks;
mod database;
mod help;
mod jobs;
mod plan;
mod process;
mod settings;
mod verify;
mod watch;
