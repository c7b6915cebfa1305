//! Who asks, and whether they may. One table says which role each route wants; what is not in it is refused.

use crate::answer::Refusal;
use crate::app::App;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::uri::Authority;
use http::{HeaderMap, Method, header};
use ream::{Actor, Role, TokenId};
use std::net::IpAddr;
use std::sync::Arc;

mod guard;
mod table;
mod tokens;

pub(crate) use table::{ACCESS, Need};
pub(crate) use tokens::Tokens;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    name: Arc<str>,
    role: Role,
    token: Option<TokenId>,
}

impl Caller {
    /// Of a server without tokens: whoever reaches it may do everything.
    fn open() -> Self {
        Self { name: Actor::operator().as_str().into(), role: Role::Admin, token: None }
    }

    /// Of a request that wants no token.
    fn nobody() -> Self {
        Self { name: "-".into(), role: Role::Viewer, token: None }
    }

    /// For the activity log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// For the activity log.
    pub(crate) fn actor(&self) -> Actor {
        // A token's name is a good name of an actor.
        Actor::new(&self.name).unwrap_or_else(|_| Actor::operator())
    }

    /// The token, if it is a worker's: then it may touch only what it holds.
    pub(crate) fn worker_token(&self) -> Option<TokenId> {
        self.token.filter(|_| self.role == Role::Worker)
    }

    /// What counts requests: the token, where there is one.
    pub(crate) const fn token(&self) -> Option<TokenId> {
        self.token
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Refusal::new("internal", "nobody asked who asks"))
    }
}

/// The address that a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Lets a request through to its handler, with its [`Caller`].
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&app, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller.clone());
            let mut response = next.run(Request::from_parts(parts, body)).await;
            response.extensions_mut().insert(caller);
            response
        }
        // The body was not read.
        Err(refusal) if parts.headers.contains_key(header::TRANSFER_ENCODING) => refusal.closing(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn admit(app: &App, request: &Parts) -> Result<Caller, Refusal> {
    let peer = request.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0);
    let caller = match need(request) {
        Some(Need::Nothing) => {
            let caller = Caller::nobody();
            app.rates.check(&caller, peer)?;
            return Ok(caller);
        }
        Some(need) => {
            let caller = who(app, request, peer).await?;
            if !need.is_met_by(caller.role) {
                let detail =
                    format!("the token `{}` is a {}'s; this wants {}", caller.name, caller.role, need.told());
                return Err(Refusal::new("forbidden", detail));
            }
            caller
        }
        // No such route: told to those who may know what there is.
        None => who(app, request, peer).await?,
    };
    app.rates.check(&caller, peer)?;
    Ok(caller)
}

/// What the route wants; `None` where there is no such route.
fn need(request: &Parts) -> Option<Need> {
    let path = request.extensions.get::<MatchedPath>()?.as_str();
    let method = if request.method == Method::HEAD { &Method::GET } else { &request.method };
    let found = ACCESS.iter().find(|(m, p, _)| m == method && *p == path);
    // A path of the table by another method is refused later, by the router.
    found.map(|(.., need)| *need).or_else(|| table::is_open_prefix(path).then_some(Need::Nothing))
}

async fn who(app: &App, request: &Parts, peer: IpAddr) -> Result<Caller, Refusal> {
    let given = bearer(&request.headers);
    if app.tokens.is_open(peer).await? {
        guard::check_is_local(&request.headers, request.uri.authority().map(Authority::as_str))?;
        return Ok(Caller::open());
    }
    let found = match given {
        Some(given) => app.tokens.find(given, || app.rates.check_looks(peer)).await?,
        None => Err(
            "the request has no token: send it as `Authorization: Bearer TOKEN`, commands and workers take it from `REAM_TOKEN`; an admin makes one with \
             `ream tokens create`"
                .to_owned(),
        ),
    };
    match found {
        Ok(caller) => Ok(caller),
        Err(detail) => {
            app.rates.check_refusals(peer)?;
            Err(Refusal::new("unauthorized", detail))
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests;
