package admin_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/admin"
	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// secretHash is the bcrypt hash of "secret", of the least cost.
const secretHash = "$2a$04$3YGT5n0wyuoB55hmjg/7m.t2PNi6V4qS.VL0sAVxXK/OZDAj8Abxa"

var login = admin.Auth{Username: "root", PasswordHash: secretHash}

func credentials(name, password string) map[string]string {
	return map[string]string{"username": name, "password": password}
}

// socketObject is what the UI is told of a socket.
type socketObject struct {
	ID        string
	ClientID  string
	Transport string
	Nsp       string
	Data      map[string]any
	Rooms     []string
	Handshake struct {
		Address string
		Headers map[string]string
		Query   map[string]string
		Issued  int64
		Time    string
		URL     string
		Secure  bool
		XDomain bool
	}
}

var iso = regexp.MustCompile(`^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"$`)

// TestOrder is the order in which the 0.5.1 server answers a UI, but that the session comes after the CONNECT answer.
func TestOrder(t *testing.T) {
	n := startNodes(t, time.Minute, admin.Config{Auth: login, Mode: admin.Development})[0]
	user := join(t, n.url, "/", nil)
	ui := join(t, n.url, "/admin", credentials("root", "secret"))
	ui.event("all_sockets")
	var order []string
	for _, p := range ui.all() {
		if p.event != "server_stats" {
			order = append(order, p.event)
		}
	}
	if want := []string{"session", "socket_connected", "config", "all_sockets"}; !slices.Equal(order, want) {
		t.Errorf("the order is %v, want %v", order, want)
	}
	if session := ui.event("session").arg(0); !regexp.MustCompile(`^"[0-9a-f]{16}"$`).MatchString(session) {
		t.Errorf("the session is %s", session)
	}
	features := `{"supportedFeatures":["EMIT","JOIN","LEAVE","DISCONNECT","MJOIN","MLEAVE","MDISCONNECT","AGGREGATED_EVENTS","ALL_EVENTS"]}`
	if got := ui.event("config").arg(0); got != features {
		t.Errorf("config is %s", got)
	}
	self := ui.event("socket_connected")
	var me socketObject
	self.into(t, 0, &me)
	if me.ID != string(ui.ID()) || me.Nsp != "/admin" || len(me.ClientID) != 12 || me.Transport != "websocket" ||
		!slices.Equal(me.Rooms, []string{me.ID}) || !iso.MatchString(self.arg(1)) || len(self.args) != 2 {
		t.Errorf("the UI's own socket is %s", self.arg(0))
	}
	var sockets []socketObject
	ui.event("all_sockets").into(t, 0, &sockets)
	ids := []string{}
	for _, s := range sockets {
		ids = append(ids, s.Nsp+" "+s.ID)
	}
	slices.Sort(ids)
	if want := []string{"/ " + string(user.ID()), "/admin " + string(ui.ID())}; !slices.Equal(ids, want) {
		t.Errorf("all_sockets has %v, want %v", ids, want)
	}
	// Recovery is on in the cluster, and off for the UI.
	if p := ui.event("config"); len(p.args) != 1 {
		t.Errorf("config has %d arguments", len(p.args))
	}
}

func TestDevelopment(t *testing.T) {
	nodes := startNodes(t, time.Minute, admin.Config{Auth: login, Mode: admin.Development}, admin.Config{Auth: login, Mode: admin.Development})
	ui := join(t, nodes[0].url, "/admin", credentials("root", "secret"))
	ui.event("all_sockets")
	for i, n := range nodes {
		user := join(t, n.url, "/", map[string]string{"token": "hidden"})
		id := quote(user.ID())
		ui.event("room_joined", `"/"`, id, id)
		connected := ui.wait("socket_connected", func(p packet) bool {
			return p.event == "socket_connected" && strings.Contains(p.arg(0), id)
		})
		var s socketObject
		connected.into(t, 0, &s)
		if s.Nsp != "/" || !slices.Equal(s.Rooms, []string{string(user.ID())}) || s.Handshake.Issued == 0 || s.Handshake.Query["EIO"] != "4" ||
			s.Handshake.Address != "127.0.0.1" || !iso.MatchString(connected.arg(1)) {
			t.Errorf("node %d: socket_connected is %s %s", i, connected.arg(0), connected.arg(1))
		}
		if strings.Contains(connected.arg(0), "hidden") {
			t.Errorf("node %d: the UI is shown the auth", i)
		}
		local, ok := n.io.Socket(user.ID())
		if !ok {
			t.Fatal("the socket is not on its node")
		}
		if err := local.Join(t.Context(), "kitchen"); err != nil {
			t.Fatal(err)
		}
		if joined := ui.event("room_joined", `"/"`, `"kitchen"`, id); !iso.MatchString(joined.arg(3)) {
			t.Errorf("node %d: room_joined at %s", i, joined.arg(3))
		}
		user.emit("say", "hi", map[string]any{"picture": []byte{1, 2, 3}})
		received := ui.event("event_received", `"/"`, id)
		if picture := received.args[2].Attachments(); len(picture) != 1 || string(picture[0]) != "\x01\x02\x03" {
			t.Errorf("node %d: event_received has the attachments %v", i, picture)
		}
		if got := received.arg(2); got != `["say","hi",{"picture":{"_placeholder":true,"num":0}}]` || !iso.MatchString(received.arg(3)) {
			t.Errorf("node %d: event_received is %s at %s", i, got, received.arg(3))
		}
		if _, err := n.io.To("kitchen").Emit(t.Context(), "news", "bread"); err != nil {
			t.Fatal(err)
		}
		ui.event("event_sent", `"/"`, id, `["news","bread"]`)
		user.emit("rename", "Ann")
		ui.event("socket_updated", `{"id":`+id+`,"nsp":"/","data":{"name":"Ann"}}`)
		if err := local.Leave(t.Context(), "kitchen"); err != nil {
			t.Fatal(err)
		}
		ui.event("room_left", `"/"`, `"kitchen"`, id)
		user.Disconnect()
		ui.event("socket_disconnected", `"/"`, id, `"client namespace disconnect"`)
		ui.event("room_left", `"/"`, id, id)
	}
	for _, p := range ui.all() {
		if strings.HasPrefix(p.event, "event_") && strings.Contains(p.arg(0), "/admin") {
			t.Errorf("the UI is shown its own events: %s %s", p.event, p.arg(2))
		}
	}
}

// TestUpgradeIsTold: the official client begins with polling.
func TestUpgradeIsTold(t *testing.T) {
	n := startNodes(t, 0, admin.Config{NoAuth: true, Mode: admin.Development})[0]
	ui := join(t, n.url, "/admin", nil)
	ui.event("all_sockets")
	id := quote(nodejs.StartClients(t).Connect("user", n.url, nodejs.ConnectOptions{}).ID())
	connected := ui.wait("socket_connected", func(p packet) bool {
		return p.event == "socket_connected" && strings.Contains(p.arg(0), id)
	})
	if !strings.Contains(connected.arg(0), `"transport":"polling"`) {
		t.Errorf("it begins as %s", connected.arg(0))
	}
	ui.event("socket_updated", `{"id":`+id+`,"nsp":"/","transport":"websocket"}`)
}

func TestLargeEvents(t *testing.T) {
	n := startNodes(t, 0, admin.Config{NoAuth: true, Mode: admin.Development, MaxEventBytes: 100})[0]
	ui := join(t, n.url, "/admin", nil)
	ui.event("all_sockets")
	user := join(t, n.url, "/", nil)
	user.emit("say", strings.Repeat("x", 200))
	ui.event("event_received", `"/"`, quote(user.ID()), `["say","(210 bytes are not shown)"]`)
	user.emit("rename", strings.Repeat("y", 200))
	ui.event("socket_updated", `{"id":`+quote(user.ID())+`,"nsp":"/","data":{"(not shown)":"211 bytes"}}`)
}

func TestListIsBounded(t *testing.T) {
	n := startNodes(t, 0, admin.Config{NoAuth: true, Mode: admin.Development, MaxListed: 2})[0]
	for range 3 {
		join(t, n.url, "/chat", nil)
	}
	ui := join(t, n.url, "/admin", nil)
	var listed []socketObject
	ui.event("all_sockets").into(t, 0, &listed)
	if len(listed) != 2 || n.admin.Stats().Unlisted != 2 {
		t.Errorf("%d are listed, %+v", len(listed), n.admin.Stats())
	}
}

func TestProduction(t *testing.T) {
	config := admin.Config{Auth: login, StatsInterval: 50 * time.Millisecond}
	nodes := startNodes(t, 0, config, config)
	user := join(t, nodes[0].url, "/", nil)
	ui := join(t, nodes[0].url, "/admin", credentials("root", "secret"))
	if got := ui.event("config").arg(0); !strings.HasSuffix(got, `"AGGREGATED_EVENTS"]}`) {
		t.Errorf("config is %s", got)
	}
	for _, id := range []string{"one", "two"} {
		p := ui.wait("server_stats of "+id, func(p packet) bool {
			return p.event == "server_stats" && strings.Contains(p.arg(0), `"serverId":"`+id+`"`)
		})
		var stats struct {
			Hostname                          string
			PID                               int
			Uptime                            float64
			ClientsCount, PollingClientsCount int
			Namespaces                        []struct {
				Name         string
				SocketsCount int
			}
		}
		p.into(t, 0, &stats)
		if stats.Hostname == "" || stats.PID == 0 || stats.Uptime <= 0 || len(stats.Namespaces) != 3 || stats.Namespaces[0].Name != "/" {
			t.Errorf("server_stats is %s", p.arg(0))
		}
		if want := map[string]int{"one": 2, "two": 0}[id]; stats.ClientsCount != want || stats.PollingClientsCount != 0 {
			t.Errorf("%s has %d clients, %d of them polling; want %d and 0", id, stats.ClientsCount, stats.PollingClientsCount, want)
		}
	}
	user.emit("say", "hi")
	traffic := ui.wait("what was counted", func(p packet) bool { return strings.Contains(p.arg(0), `"packetsIn"`) })
	if !regexp.MustCompile(`\{"timestamp":\d{10}000,"type":"bytesIn","count":\d+\}`).MatchString(traffic.arg(0)) {
		t.Errorf("server_stats is %s", traffic.arg(0))
	}
	user.Disconnect()
	for _, p := range ui.all() {
		if !slices.Contains([]string{"session", "config", "server_stats"}, p.event) {
			t.Errorf("in production the UI got %s", p.event)
		}
	}
}

// TestSilence: while no UI is there nothing is said, and soon after the last has gone neither.
func TestSilence(t *testing.T) {
	config := admin.Config{NoAuth: true, StatsInterval: 10 * time.Millisecond}
	nodes := startNodes(t, 0, config, config)
	heard := make(chan struct{}, 1_000)
	nodes[1].io.Of("/admin").OnBroadcast(func(domain.Packet) { heard <- struct{}{} })
	for _, n := range nodes {
		if stats := n.admin.Stats(); stats.Active || stats.UIs != 0 {
			t.Errorf("without a UI: %+v", stats)
		}
	}
	if _, err := nodes[0].io.Of("/admin").Emit(t.Context(), "mark"); err != nil {
		t.Fatal(err)
	}
	<-heard
	select {
	case <-heard:
		t.Error("something else than the mark was said without a UI")
	default:
	}
	ui := join(t, nodes[0].url, "/admin", nil)
	until(t, "a UI is noted", func() bool { return nodes[0].admin.Stats().UIs == 1 })
	<-heard
	ui.Disconnect()
	until(t, "the node is silent again", func() bool { return !nodes[0].admin.Stats().Active })
}

func TestLogin(t *testing.T) {
	config := admin.Config{Auth: login}
	n := startNodes(t, 0, config)[0]
	refused := func(auth any, text string) {
		t.Helper()
		err := dial(t, n.url, "/admin", auth).Connect(patient(t))
		refusal, ok := errors.AsType[*client.ConnectError](err)
		if !ok || refusal.Message != text {
			t.Errorf("with %v: %v, want %q", auth, err, text)
		}
	}
	for range 10 { // pages that have no session guess nothing
		refused(map[string]any{"sessionId": nil}, "invalid credentials")
	}
	ui := join(t, n.url, "/admin", credentials("root", "secret"))
	session := ui.event("session").arg(0)
	again := join(t, n.url, "/admin", map[string]string{"sessionId": strings.Trim(session, `"`)})
	again.event("server_stats")
	for _, p := range again.all() {
		if p.event == "session" {
			t.Error("a session that goes on was told anew")
		}
	}
	for _, auth := range []any{
		credentials("root", "wrong"), credentials("toor", "secret"), map[string]any{"username": "root", "password": 1},
		map[string]any{"sessionId": "0123456789abcdef"}, map[string]any{"username": []string{"root"}, "password": "secret"},
	} {
		refused(auth, "invalid credentials")
	}
	refused(credentials("root", "secret"), "too many attempts, try again in a minute")
	if got := n.admin.Stats().Refused; got != 16 {
		t.Errorf("%d refused, want 16", got)
	}
}

// TestPasswordsStayHere: what a UI has said to come in is told to nobody, while it is connected neither: nodes ask each
// other for their sockets through the log, which keeps the answers.
func TestPasswordsStayHere(t *testing.T) {
	config := admin.Config{Auth: login}
	nodes := startNodes(t, 0, config, config)
	ui := join(t, nodes[0].url, "/admin", credentials("root", "secret"))
	ui.event("session")
	for i, n := range nodes {
		sockets, err := n.io.Of("/admin").FetchSockets(patient(t))
		if err != nil || len(sockets) != 1 {
			t.Fatalf("node %d: %d sockets, %v", i, len(sockets), err)
		}
		if auth := sockets[0].Handshake().Auth; !auth.IsZero() && string(auth.JSON()) != "{}" {
			t.Errorf("node %d is told that the UI has said %s", i, auth.JSON())
		}
	}
}

func TestReadOnly(t *testing.T) {
	n := startNodes(t, 0, admin.Config{NoAuth: true, ReadOnly: true, Mode: admin.Development})[0]
	user := join(t, n.url, "/", nil)
	ui := join(t, n.url, "/admin", nil)
	if got := ui.event("config").arg(0); got != `{"supportedFeatures":["AGGREGATED_EVENTS","ALL_EVENTS"]}` {
		t.Errorf("config is %s", got)
	}
	ui.emit("join", "/", "kitchen", user.ID())
	ui.emit("_disconnect", "/", true, user.ID())
	until(t, "both are ignored", func() bool { return n.admin.Stats().Ignored == 2 })
	if local, ok := n.io.Socket(user.ID()); !ok || len(local.Rooms()) != 1 {
		t.Error("a read-only UI has changed something")
	}
}

func TestCommands(t *testing.T) {
	config := admin.Config{NoAuth: true, Mode: admin.Development}
	nodes := startNodes(t, 0, config, config)
	ui := join(t, nodes[0].url, "/admin", nil)
	here, there := join(t, nodes[0].url, "/", nil), join(t, nodes[1].url, "/", nil)
	ui.emit("join", "/", "kitchen", there.ID())
	ui.event("room_joined", `"/"`, `"kitchen"`, quote(there.ID()))
	ui.emit("join", "/", []string{"cellar", "attic"}, nil)
	for _, user := range []*journal{here, there} {
		ui.event("room_joined", `"/"`, `"attic"`, quote(user.ID()))
	}
	ui.emit("emit", "/", "kitchen", "news", "bread", []byte{7})
	if got := there.event("news", `"bread"`).args[1].Attachments(); len(got) != 1 || got[0][0] != 7 {
		t.Errorf("the attachments are %v", got)
	}
	ui.emit("emit", "/", nil, "all")
	here.event("all")
	there.event("all")
	ui.emit("leave", "/", "kitchen")
	ui.event("room_left", `"/"`, `"kitchen"`, quote(there.ID()))
	ui.emit("_disconnect", "/", false, there.ID())
	ui.event("socket_disconnected", `"/"`, quote(there.ID()), `"server namespace disconnect"`)
	ui.emit("_disconnect", "/", true, here.ID())
	ui.event("socket_disconnected", `"/"`, quote(here.ID()))
	until(t, "all are counted", func() bool { return nodes[0].admin.Stats().Commands == 7 })
	for _, p := range here.all() {
		if p.event == "news" {
			t.Error("an event for a room came to who is not in it")
		}
	}
	for _, args := range [][]any{
		{"join"}, {"join", "/"}, {"join", "/", ""}, {"join", "/", 1}, {"join", 1, "x"}, {"join", "/", "x", 7}, {"join", "/nowhere", "x"},
		{"emit", "/", nil}, {"emit", "/", map[string]int{}, "x"}, {"_disconnect", "/", "yes"}, {"leave", "/", []int{1}},
	} {
		ui.emit(args[0].(string), args[1:]...)
	}
	until(t, "what has no shape is counted", func() bool { return nodes[0].admin.Stats().Ignored == 11 })
	ui.emit("emit", "/", nil, "disconnect") // a name that Socket.IO reserves
	until(t, "what has no shape is counted", func() bool { return nodes[0].admin.Stats().Ignored == 12 })
}

// TestForeignData: what servers note for each other's UIs is not shown to applications.
func TestForeignData(t *testing.T) {
	config := admin.Config{NoAuth: true, Mode: admin.Development}
	nodes := startNodes(t, 0, config, config)
	for _, n := range nodes {
		user := join(t, n.url, "/", nil)
		user.emit("rename", "Ann")
		until(t, "the data is set", func() bool {
			s, ok := n.io.Socket(user.ID())
			if !ok {
				return false
			}
			_, err := socketio.Data[map[string]string](s)
			return err == nil
		})
	}
	sockets, err := nodes[0].io.FetchSockets(t.Context())
	if err != nil || len(sockets) != 2 {
		t.Fatalf("fetched %d sockets, %v", len(sockets), err)
	}
	for _, s := range sockets {
		data, err := socketio.Data[map[string]any](s)
		if err != nil || len(data) != 1 || data["name"] != "Ann" {
			t.Errorf("the application sees %v, %v", data, err)
		}
		if !strings.Contains(string(s.Details().Data.JSON()), `"_admin":{"clientId":"`) {
			t.Errorf("other servers are told %s", s.Details().Data.JSON())
		}
	}
	ui := join(t, nodes[0].url, "/admin", nil)
	var listed []socketObject
	ui.event("all_sockets").into(t, 0, &listed)
	for _, s := range listed {
		if _, there := s.Data["_admin"]; there || len(s.ClientID) != 12 || s.Transport != "websocket" {
			t.Errorf("the UI is told %+v", s)
		}
	}
}

func TestConfig(t *testing.T) {
	n := startNodes(t, 0, admin.Config{NoAuth: true})[0]
	for want, config := range map[string]admin.Config{
		"nobody may use the UI":       {},
		"both Auth and NoAuth":        {NoAuth: true, Auth: login},
		"no Username":                 {Auth: admin.Auth{PasswordHash: secretHash}},
		"not a bcrypt hash":           {Auth: admin.Auth{Username: "root", PasswordHash: "secret"}},
		"must begin with a slash":     {NoAuth: true, Namespace: "admin"},
		`Mode is "loud"`:              {NoAuth: true, Mode: "loud"},
		"StatsInterval is 10s":        {NoAuth: true, StatsInterval: 10 * time.Second},
		"MaxListed -1":                {NoAuth: true, MaxListed: -1},
		"of that name already: /adm":  {NoAuth: true},
		"the default namespace":       {NoAuth: true, Namespace: "/"},
		"StatsInterval is -1ns; it m": {NoAuth: true, StatsInterval: -1},
	} {
		if _, err := admin.New(n.io, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", config, err, want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	if _, err := admin.New(nil, admin.Config{}); err == nil {
		t.Error("no server is no error")
	}
}

func TestHashPassword(t *testing.T) {
	hash, err := admin.HashPassword("secret")
	if err != nil || !strings.HasPrefix(hash, "$2a$10$") {
		t.Errorf("%s, %v", hash, err)
	}
	for _, password := range []string{"", strings.Repeat("x", 73)} {
		if _, err := admin.HashPassword(password); err == nil {
			t.Errorf("a password of %d bytes is no error", len(password))
		}
	}
}

// TestClosed: after Close nobody comes in, and nothing is said.
func TestClosed(t *testing.T) {
	n := startNodes(t, 0, admin.Config{NoAuth: true})[0]
	if err := n.admin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := dial(t, n.url, "/admin", nil).Connect(patient(t)); err == nil {
		t.Error("a UI came in after Close")
	}
}
