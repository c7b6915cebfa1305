//! Workers: each keeps what it believes, and believes what it last heard.

use crate::answer::Answer;
use crate::ops::{Op, Report, TOO_FAR};
use ream::Executor;

/// A chunk that a worker thinks it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    chunk: i64,
    attempt: i64,
}

#[derive(Debug)]
pub(crate) struct Worker {
    /// Name and incarnation: another number after each crash.
    pub(crate) name: u16,
    held: Vec<Held>,
    /// Does nothing until this step, whatever happens to its leases meanwhile.
    frozen_until: usize,
    /// Calls without an answer, to be made again just so.
    unanswered: Vec<Op>,
    only: Option<Executor>,
}

impl Worker {
    pub(crate) fn new(name: u16, only: Option<Executor>) -> Self {
        Self { name, held: Vec::new(), frozen_until: 0, unanswered: Vec::new(), only }
    }

    /// Forgets everything and comes back under another name.
    pub(crate) fn crash(&mut self, name: u16) {
        *self = Self::new(name, self.only);
    }

    pub(crate) fn freeze(&mut self, until: usize) {
        self.frozen_until = until;
    }

    pub(crate) const fn is_frozen(&self, step: usize) -> bool {
        step < self.frozen_until
    }

    /// It thinks that the call failed on its way; it may make it again.
    pub(crate) fn hears_nothing(&mut self, op: &Op) {
        if self.unanswered.len() < 4 {
            self.unanswered.push(op.clone());
        }
    }

    /// Learns from an answer.
    pub(crate) fn hears(&mut self, op: &Op, answer: &Answer) {
        match (op, answer) {
            (_, Answer::Refused("unavailable", _)) => self.hears_nothing(op),
            (Op::Claim { .. }, Answer::Claimed(claimed)) => {
                let new = claimed.iter();
                self.held
                    .extend(new.map(|c| Held { chunk: c.chunk.id.get(), attempt: c.chunk.attempt.get() }));
            }
            (Op::Start { .. }, Answer::Chunk(chunk)) => {
                self.held.push(Held { chunk: chunk.id.get(), attempt: chunk.attempt.get() });
            }
            (Op::HeartbeatMany(items), Answer::Many(answers)) => {
                for ((chunk, attempt), answer) in items.iter().zip(answers) {
                    if matches!(answer, Answer::Refused("lease_lost" | "not_found", _)) {
                        self.drop_chunk(*chunk, *attempt);
                    }
                }
            }
            (Op::CompleteMany(items), _) => {
                for (chunk, attempt) in items {
                    self.drop_chunk(*chunk, attempt.unwrap_or(0));
                }
            }
            (Op::Heartbeat { chunk, attempt, .. }, Answer::Refused("lease_lost" | "not_found", _))
            | (Op::Release { chunk, attempt }, _) => self.drop_chunk(*chunk, *attempt),
            (Op::Complete { chunk, attempt, .. } | Op::Fail { chunk, attempt, .. }, _) => {
                self.drop_chunk(*chunk, attempt.unwrap_or(0));
            }
            _ => {}
        }
    }

    fn drop_chunk(&mut self, chunk: i64, attempt: i64) {
        self.held.retain(|held| *held != Held { chunk, attempt });
    }

    /// What it does next.
    pub(crate) fn next(&mut self, random: &mut fastrand::Rng, jobs: &[i64]) -> Op {
        if !self.unanswered.is_empty() && random.u8(..2) == 0 {
            return self.unanswered.remove(0);
        }
        if self.held.is_empty() || (self.held.len() < 6 && random.u8(..4) == 0) {
            return self.claim(random, jobs);
        }
        let Held { chunk, attempt } = self.held[random.usize(..self.held.len())];
        match random.u8(..20) {
            0..5 => {
                let progress = match random.u8(..12) {
                    0 => Some(TOO_FAR),
                    1..5 => Some(random.u64(..500)),
                    _ => None,
                };
                Op::Heartbeat { chunk, attempt, progress }
            }
            5..7 => Op::HeartbeatMany(self.held.iter().map(|held| (held.chunk, held.attempt)).collect()),
            7..13 => {
                let outputs = match random.u8(..16) {
                    0 => Report::CLIMBS,
                    n => n % 3,
                };
                let report = (random.u8(..3) > 0).then(|| Report { ok: random.u64(..9), outputs });
                Op::Complete { chunk, attempt: Some(attempt), report }
            }
            13 => {
                let mut items: Vec<_> =
                    self.held.iter().map(|held| (held.chunk, Some(held.attempt))).collect();
                if random.bool() {
                    items.push((chunk, Some(attempt)));
                }
                Op::CompleteMany(items)
            }
            14..17 => {
                let why = (random.u8(..5) > 0).then(|| random.u8(..));
                Op::Fail { chunk, attempt: Some(attempt), why }
            }
            17..19 => Op::Release { chunk, attempt },
            _ => Op::Complete { chunk, attempt: None, report: None },
        }
    }

    fn claim(&self, random: &mut fastrand::Rng, jobs: &[i64]) -> Op {
        let job = (random.u8(..4) == 0).then(|| random.choice(jobs).copied()).flatten();
        let executor = if random.u8(..6) == 0 { random.choice(Executor::ALL).copied() } else { self.only };
        let limit = match random.u8(..20) {
            0 => random.choice([0, 1001]).unwrap_or(0),
            1 => 1000,
            _ => random.u32(1..4),
        };
        Op::Claim { worker: self.name, job, executor, limit }
    }
}
