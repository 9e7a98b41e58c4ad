//! Placeholder until the web branch lands.
use crate::{secret::Secret, status::Status};
use tokio_util::sync::CancellationToken;
pub struct Options {
    pub admin_token: Option<Secret>,
    pub status: Status,
}
pub async fn serve(
    _l: tokio::net::TcpListener,
    _o: Options,
    stop: CancellationToken,
) -> std::io::Result<()> {
    stop.cancelled().await;
    Ok(())
}
