package socketio_test

import (
	"errors"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

func TestNewPacket(t *testing.T) {
	p, err := socketio.NewPacket("file", map[string]any{"data": []byte{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if p.Event() != "file" || len(p.Attachments()) != 1 {
		t.Errorf("the packet is %v with %d attachments", p, len(p.Attachments()))
	}
	if _, err := socketio.NewPacket("disconnect"); !errors.Is(err, domain.ErrInvalidPayload) {
		t.Errorf("a reserved name gives %v", err)
	}
	if _, err := socketio.NewServerPacket("disconnect"); err != nil {
		t.Errorf("servers may use that name among themselves: %v", err)
	}
}
