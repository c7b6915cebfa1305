//! What a holder hears back from a heartbeat.

use crate::job::JobGate;

/// What a holder should do, told by each heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Advice {
    /// Go on and finish the chunk.
    Continue,
    /// Stop and release the chunk.
    Stop,
}

/// A heartbeat's advice and its reason: a paused job's chunks may finish, a cancelled job's are released.
pub const fn advice(gate: JobGate) -> (Advice, Option<&'static str>) {
    match gate {
        JobGate::Open => (Advice::Continue, None),
        JobGate::Paused => (Advice::Continue, Some("the job is paused")),
        JobGate::Cancelled => (Advice::Stop, Some("the job is cancelled")),
    }
}
