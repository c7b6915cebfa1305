//! Which role each route wants.

use http::Method;
use ream::Role;

/// What a route wants of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// No token: whether the server is alive, and how it is used.
    Nothing,
    /// Any role: it only looks.
    View,
    /// A worker, of its own leases; an operator.
    Work,
    /// An operator.
    Operate,
    /// An admin.
    Administer,
}

impl Need {
    /// Whether this role may.
    pub(crate) const fn is_met_by(self, role: Role) -> bool {
        match self {
            Self::Nothing | Self::View => true,
            Self::Work => matches!(role, Role::Worker | Role::Operator | Role::Admin),
            Self::Operate => matches!(role, Role::Operator | Role::Admin),
            Self::Administer => matches!(role, Role::Admin),
        }
    }

    /// In a message.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Nothing | Self::View => "any token",
            Self::Work => "a worker's, an operator's or an admin's",
            Self::Operate => "an operator's or an admin's",
            Self::Administer => "an admin's",
        }
    }
}

/// Pages that are read by people before they have a token.
pub(crate) fn is_open_prefix(path: &str) -> bool {
    path == "/docs" || path.starts_with("/docs/")
}

use Need::{Administer, Nothing, Operate, View, Work};

/// Every route.
pub(crate) const ACCESS: &[(Method, &str, Need)] = &[
    (Method::GET, "/", Nothing),
    (Method::GET, "/healthz", Nothing),
    (Method::GET, "/readyz", Nothing),
    (Method::GET, "/openapi.json", Nothing),
    (Method::GET, "/metrics", View),
    (Method::POST, "/v1/jobs", Operate),
    (Method::GET, "/v1/jobs", View),
    (Method::GET, "/v1/jobs/{job_id}", View),
    (Method::PATCH, "/v1/jobs/{job_id}", Operate),
    (Method::DELETE, "/v1/jobs/{job_id}", Operate),
    (Method::POST, "/v1/jobs/{job_id}/start", Operate),
    (Method::POST, "/v1/jobs/{job_id}/pause", Operate),
    (Method::POST, "/v1/jobs/{job_id}/resume", Operate),
    (Method::POST, "/v1/jobs/{job_id}/cancel", Operate),
    (Method::POST, "/v1/jobs/{job_id}/retry", Operate),
    (Method::POST, "/v1/jobs/{job_id}/verify", Operate),
    (Method::POST, "/v1/jobs/{job_id}/repair", Operate),
    (Method::POST, "/v1/jobs/{job_id}/tracking", Operate),
    (Method::POST, "/v1/jobs/{job_id}/images", Operate),
    (Method::POST, "/v1/jobs/{job_id}/chunks", Operate),
    (Method::GET, "/v1/jobs/{job_id}/chunks", View),
    (Method::GET, "/v1/jobs/{job_id}/chunks/next", View),
    (Method::GET, "/v1/jobs/{job_id}/statistics", View),
    (Method::GET, "/v1/jobs/{job_id}/progress", View),
    (Method::GET, "/v1/jobs/{job_id}/completion", View),
    (Method::GET, "/v1/jobs/{job_id}/activity", View),
    (Method::GET, "/v1/jobs/{job_id}/events", View),
    (Method::GET, "/v1/activity", View),
    (Method::GET, "/v1/schema", Operate),
    (Method::POST, "/v1/claims", Work),
    (Method::POST, "/v1/completions", Work),
    (Method::POST, "/v1/heartbeats", Work),
    (Method::GET, "/v1/chunks/{chunk_id}", View),
    (Method::PATCH, "/v1/chunks/{chunk_id}", Operate),
    (Method::GET, "/v1/chunks/{chunk_id}/explain", View),
    (Method::GET, "/v1/chunks/{chunk_id}/images", View),
    (Method::POST, "/v1/chunks/{chunk_id}/processing", Work),
    (Method::POST, "/v1/chunks/{chunk_id}/heartbeat", Work),
    (Method::POST, "/v1/chunks/{chunk_id}/completed", Work),
    (Method::POST, "/v1/chunks/{chunk_id}/failed", Work),
    (Method::POST, "/v1/chunks/{chunk_id}/release", Work),
    (Method::POST, "/v1/chunks/{chunk_id}/published", Work),
    (Method::POST, "/v1/chunks/{chunk_id}/retry", Operate),
    (Method::POST, "/v1/chunks/{chunk_id}/split", Operate),
    (Method::POST, "/v1/tokens", Administer),
    (Method::GET, "/v1/tokens", Administer),
    (Method::DELETE, "/v1/tokens/{token_id}", Administer),
];
