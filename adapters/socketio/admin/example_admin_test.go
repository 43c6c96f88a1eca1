package admin_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/admin"
	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// What the Admin UI does when somebody logs in. The UI itself is at https://admin.socket.io, or in the folder ui/dist of
// the npm package @socket.io/admin-ui.
func Example() {
	cluster := inmemory.New(inmemory.Config{})
	member := cluster.Member()
	node, err := app.NewNode(member.Log(), member.Channel(), nil, app.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	io, err := socketio.NewServer(node, socketio.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	hash, err := admin.HashPassword("open sesame") // keep the hash, not the password
	if err != nil {
		fmt.Println(err)
		return
	}
	ui, err := admin.New(io, admin.Config{Auth: admin.Auth{Username: "root", PasswordHash: hash}, ReadOnly: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := node.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	web := httptest.NewServer(io)

	page, err := client.New(web.URL, client.Config{Auth: map[string]string{"username": "root", "password": "open sesame"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	features := make(chan string, 1)
	client.On(page.Of("/admin"), "config", func(_ context.Context, config domain.Value) error {
		features <- string(config.JSON())
		return nil
	})
	if err := page.Of("/admin").Connect(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-features)

	page.Close()
	for _, closing := range []func() error{ui.Close, io.Close, node.Close, member.Close, cluster.Close} {
		if err := closing(); err != nil {
			fmt.Println(err)
		}
	}
	web.Close()
	// Output: {"supportedFeatures":["AGGREGATED_EVENTS"]}
}
