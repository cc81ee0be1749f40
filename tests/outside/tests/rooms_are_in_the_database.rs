//! A room that a client opened is in the database when the server has ended.

use rooms_into_sqlite::Store;
use rusqlite::Connection;
use signal_fish_server::Server;
use tungstenite::Message;

#[test]
fn with_its_player_and_its_end() {
    let file = std::env::temp_dir().join(format!("rooms-into-sqlite-{}.db", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let store = Store::new(Connection::open(&file).expect("a database")).expect("tables");
    let config = serde_json::json!({"bind": "127.0.0.1", "port": 0, "shards": {"count": 1}});
    let server = Server::builder(config)
        .observer(store)
        .start()
        .expect("the server starts");
    let url = format!("ws://{}/v2/ws", server.address());
    let (mut client, _) = tungstenite::connect(url).expect("connected");
    for message in [
        r#"{"type":"JoinRoom","data":{"game_name":"chess","player_name":"Ada"}}"#,
        r#"{"type":"LeaveRoom"}"#,
    ] {
        client.send(Message::text(message)).expect("sent");
        client.read().expect("an answer");
    }
    server.shutdown().expect("everything ends well");

    let database = Connection::open(&file).expect("a database");
    let found = database.query_row(
        "SELECT game, name, is_in, ended IS NOT NULL FROM rooms JOIN players ON rooms.id = players.room",
        [],
        |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, bool>(2)?,
                row.get::<_, bool>(3)?,
            ))
        },
    );
    assert_eq!(
        found.expect("one row"),
        ("chess".to_owned(), "Ada".to_owned(), false, true)
    );
    let _ = std::fs::remove_file(&file);
}
