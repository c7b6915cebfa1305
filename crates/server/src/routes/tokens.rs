//! Tokens: for admins.

use super::paging::{page, shown};
use super::problems::Problems;
use crate::access::Caller;
use crate::answer::Answer;
use crate::app::App;
use crate::extract::{Id, Json, Query, fields};
use axum::extract::State;
use http::StatusCode;
use ream::{Role, Token, TokenId, Validation};
use ream_wire::Page;
use ream_wire::tokens::{CreatedToken, NewToken};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(revoke))
}

/// Make a token
///
/// It is shown in this answer, and never again.
#[utoipa::path(post, operation_id = "create_token", path = "/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "The token with its secret", body = CreatedToken<Token>), Problems))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(asked): Json<NewToken>,
) -> Answer<(StatusCode, axum::Json<CreatedToken<Token>>)> {
    let mut v = Validation::default();
    let role = v.take(asked.role.parse::<Role>());
    let expires_in_s = asked.expires_in_s.map(|seconds| fields::positive(&mut v, "expires_in_s", seconds));
    v.finish()?;
    let role = role.unwrap_or(Role::Viewer);
    let tokens = app.tokens.repository();
    let (stored, token) =
        ream::create_token(&**tokens, asked.name, role, expires_in_s, &caller.actor()).await?;
    app.tokens.forget();
    Ok((StatusCode::CREATED, axum::Json(CreatedToken { stored, token })))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Items of a page, 1 to 1,000; 100 where nothing is said.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// List tokens
///
/// Newest first, revoked ones too; without their secrets, which nobody knows.
#[utoipa::path(get, operation_id = "list_tokens", path = "/v1/tokens", tag = "tokens", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<Token>), Problems))]
async fn list(State(app): State<App>, Query(query): Query<ListQuery>) -> Answer<axum::Json<Page<Token>>> {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    Ok(shown(app.tokens.repository().list_tokens(page).await?))
}

/// Revoke a token
///
/// Other servers notice within a second. Revoked already: no change.
#[utoipa::path(delete, operation_id = "revoke_token", path = "/v1/tokens/{token_id}", tag = "tokens", params(("token_id" = i64, Path)),
    responses((status = 200, description = "The token as it stands now", body = Token), Problems))]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Id(token_id): Id<TokenId>,
) -> Answer<axum::Json<Token>> {
    let token = app.tokens.repository().revoke_token(token_id, &caller.actor()).await?;
    app.tokens.forget();
    Ok(axum::Json(token))
}
