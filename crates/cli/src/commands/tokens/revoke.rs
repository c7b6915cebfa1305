//! `ream tokens revoke`.

use crate::context::{Context, actor};
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::text;
use ream::TokenId;

pub(super) async fn run(token_id: TokenId, cx: &Context<'_>) -> Result<Exit> {
    let token = cx.open_store().await?.revoke_token(token_id, &actor()).await?;
    if cx.out.is_json() {
        cx.out.document(&token)?;
    } else {
        cx.out.line(format_args!("token {token_id} `{}` is revoked", text::printable(&token.name)))?;
    }
    Ok(Exit::Success)
}
