package socketio

import (
	"errors"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
)

// Whatever way an ack goes, nothing of it stays.
func TestAcksLeaveNothing(t *testing.T) {
	for name, settle := range map[string]func(a *ack, sockets []*Socket){
		"answered": func(a *ack, sockets []*Socket) {
			for _, s := range sockets {
				s.acks.answered(a.id, []domain.Value{domain.TextValue("yes")})
			}
		},
		"expired": func(a *ack, _ []*Socket) { a.expire() },
		"gone": func(_ *ack, sockets []*Socket) {
			for _, s := range sockets {
				s.acks.close()
			}
		},
		"each in another way, and twice": func(a *ack, sockets []*Socket) {
			sockets[0].acks.answered(a.id, nil)
			sockets[1].acks.close()
			sockets[0].acks.answered(a.id, nil)
			a.expire()
			a.expire()
		},
	} {
		t.Run(name, func(t *testing.T) {
			sockets := []*Socket{{}, {}, {}}
			answers, gone := 0, 0
			a := newAck(7, func(_ []domain.Value, err error) {
				if errors.Is(err, ErrNotConnected) {
					gone++
				} else {
					answers++
				}
			})
			for _, s := range sockets {
				if !s.acks.expect(a) {
					t.Fatal("a socket that is there owes nothing")
				}
			}
			a.expireAfter(time.Hour, sockets)
			settle(a, sockets)
			for i, s := range sockets {
				if s.acks.waiting != nil {
					t.Errorf("socket %d still owes %v", i, s.acks.waiting)
				}
			}
			if left := a.left.Load(); left != 0 {
				t.Errorf("%d still count as owed", left)
			}
			if a.timer.Stop() {
				t.Error("the timer still ran")
			}
			if answers > 3 || gone > 3 {
				t.Errorf("%d answers, %d gone, of three sockets", answers, gone)
			}
		})
	}
}

func TestAcksOfSocketThatIsGone(t *testing.T) {
	var k acks
	k.close()
	if k.expect(newAck(1, nil)) {
		t.Error("a socket that is gone owes an ack")
	}
	k.answered(1, nil)
	k.close()
}
