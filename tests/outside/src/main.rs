//! A server whose rooms are in `rooms.sqlite`.

use rooms_into_sqlite::Store;
use rusqlite::Connection;
use signal_fish_server::Server;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::new(Connection::open("rooms.sqlite")?)?;
    let config = serde_json::json!({"bind": "127.0.0.1", "port": 3536});
    let server = Server::builder(config).observer(store).start()?;
    println!("listening on {}", server.address());
    server.wait()?;
    Ok(())
}
