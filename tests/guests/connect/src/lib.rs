//! Reaches for the network, which it can't be uploaded with: what imports sockets is refused.

use std::net::TcpStream;

use triphammer_sdk::{Context, Event, Fault, Reply, function};

#[function(on = "connect")]
fn connect(_: Event<()>, _: &mut Context) -> Result<Reply, Fault> {
    Ok(Reply::text(match TcpStream::connect("127.0.0.1:80") {
        Ok(_) => "connected".to_owned(),
        Err(error) => format!("refused: {error}"),
    }))
}
