//! Two players in one room, with the official client crate. docs/clients.md shows it.
#![allow(clippy::print_stdout, reason = "what the players hear is this program's output")]

use serde_json::json;
use signal_fish_client::SignalFishEvent::{self as Event, GameData, RoomJoined};
use signal_fish_client::{JoinRoomParams, SignalFishClient, SignalFishConfig, WebSocketTransport};
use std::error::Error;
use tokio::sync::mpsc::Receiver;

async fn connect(server: &str) -> Result<(SignalFishClient, Receiver<Event>), Box<dyn Error>> {
    let transport = WebSocketTransport::connect(server).await?;
    let (client, mut events) = SignalFishClient::start(transport, SignalFishConfig::new("my-game"));
    next(&mut events, |event| matches!(event, Event::Authenticated { .. })).await?;
    Ok((client, events))
}

async fn next(events: &mut Receiver<Event>, is_it: impl Fn(&Event) -> bool) -> Result<Event, Box<dyn Error>> {
    while let Some(event) = events.recv().await {
        match event {
            Event::Error { message, .. } => return Err(message.into()),
            Event::RoomJoinFailed { reason, .. } => return Err(reason.into()),
            event if is_it(&event) => return Ok(event),
            _ => {}
        }
    }
    Err("the connection ended".into())
}

pub(crate) async fn play(server: &str) -> Result<String, Box<dyn Error>> {
    let (mut ada, mut ada_hears) = connect(server).await?;
    let (mut bob, mut bob_hears) = connect(server).await?;
    ada.join_room(JoinRoomParams::new("chess", "Ada").with_max_players(2))?;
    let joined = next(&mut ada_hears, |event| matches!(event, RoomJoined { .. })).await?;
    let RoomJoined { room_code, .. } = joined else {
        unreachable!()
    };
    bob.join_room(JoinRoomParams::new("chess", "Bob").with_room_code(room_code))?;
    next(&mut bob_hears, |event| matches!(event, RoomJoined { .. })).await?;

    ada.send_game_data(json!({"move": "e2e4"}))?;
    let heard = next(&mut bob_hears, |event| matches!(event, GameData { .. })).await?;
    let GameData { from_player, data, .. } = heard else {
        unreachable!()
    };
    bob.leave_room()?;
    Ok(format!("Bob heard {data} from {from_player}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", play("ws://127.0.0.1:3536/v2/ws").await?);
    Ok(())
}
