// The rival on Go: a relay that speaks as much of the protocol as the load generator needs, and keeps no rule at all.
// It has no limits, no timeouts, no pings and no compression. A message is encoded once for all members of its room; each
// connection has a goroutine that writes, as in gorilla's own example. It has one core, so one lock does.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

var (
	relayed  = []byte(`{"type":"GameData","data":{`)
	lock     sync.Mutex
	rooms    = map[string]map[chan *websocket.PreparedMessage]bool{}
	upgrader websocket.Upgrader
)

func publish(code string, except chan *websocket.PreparedMessage, text []byte) {
	message, _ := websocket.NewPreparedMessage(websocket.TextMessage, text)
	lock.Lock()
	defer lock.Unlock()
	for member := range rooms[code] {
		if member != except {
			member <- message
		}
	}
}

func enter(code string, member chan *websocket.PreparedMessage) {
	lock.Lock()
	defer lock.Unlock()
	if rooms[code] == nil {
		rooms[code] = map[chan *websocket.PreparedMessage]bool{}
	}
	rooms[code][member] = true
}

func leave(code string, member chan *websocket.PreparedMessage) {
	lock.Lock()
	defer lock.Unlock()
	delete(rooms[code], member)
	if len(rooms[code]) == 0 {
		delete(rooms, code)
	}
}

func serve(w http.ResponseWriter, request *http.Request) {
	socket, err := upgrader.Upgrade(w, request, nil)
	if err != nil {
		return
	}
	// As much waits for a slow reader as it may take to say that it is one; then its room waits with it.
	out := make(chan *websocket.PreparedMessage, 65536)
	go func() {
		for message := range out {
			socket.WritePreparedMessage(message)
		}
		socket.Close()
	}()
	send := func(text string, values ...any) {
		message, _ := websocket.NewPreparedMessage(websocket.TextMessage, []byte(fmt.Sprintf(text, values...)))
		out <- message
	}
	var random [20]byte
	rand.Read(random[:])
	id := fmt.Sprintf("%x-%x-%x-%x-%x", random[:4], random[4:6], random[6:8], random[8:10], random[10:16])
	head, code := fmt.Sprintf(`%s"from_player":"%s",`, relayed, id), ""
	depart := func() {
		leave(code, out)
		publish(code, out, []byte(fmt.Sprintf(`{"type":"PlayerLeft","data":{"player_id":"%s"}}`, id)))
		code = ""
	}
	defer func() { depart(); close(out) }()
	for {
		_, text, err := socket.ReadMessage()
		if err != nil {
			return
		}
		if bytes.HasPrefix(text, relayed) {
			publish(code, out, append([]byte(head), text[len(relayed):]...))
			continue
		}
		var message struct {
			Type string
			Data struct {
				Room_code   string
				Player_name string
			}
		}
		json.Unmarshal(text, &message)
		switch message.Type {
		case "JoinRoom":
			if code = message.Data.Room_code; code == "" {
				code = fmt.Sprintf("%X", random[16:])
			}
			name, _ := json.Marshal(message.Data.Player_name)
			send(`{"type":"RoomJoined","data":{"room_id":"%s","room_code":"%s","player_id":"%s"}}`, id, code, id)
			publish(code, out, []byte(fmt.Sprintf(`{"type":"PlayerJoined","data":{"player":{"id":"%s","name":%s}}}`, id, name)))
			enter(code, out)
		case "LeaveRoom":
			depart()
			send(`{"type":"RoomLeft"}`)
		case "Ping":
			send(`{"type":"Pong"}`)
		}
	}
}

func main() {
	http.HandleFunc("/", serve)
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
