package socketio_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// TestCase12RoomsDuringTheCut has a client that is made to leave and join rooms while it is away: it gets each packet
// that was for it at that packet's place, and it is where it was put.
func TestCase12RoomsDuringTheCut(t *testing.T) {
	for _, back := range []int{0, 1} {
		t.Run([]string{"the same node", "another node"}[back], func(t *testing.T) {
			nodes := stations(t, 2, inmemory.Config{})
			a, b := nodes[0], nodes[1]
			v := &traveller{}
			v.arrive(t, a)
			v.ask("join", "red")
			v.ask("join", "blue")
			a.emit(t, a.To("red"), "seen")
			v.until("seen")
			a.emit(t, a.To("red"), "unseen")
			_ = v.conn.Close()
			receive(t, "the end of the connection", a.went)

			b.emit(t, b.To("red"), "red")
			b.emit(t, b.To("green"), "too early")
			if err := b.In("blue").SocketsLeave(t.Context(), "red"); err != nil {
				t.Fatal(err)
			}
			if err := b.In(v.sid).SocketsJoin(t.Context(), "green"); err != nil {
				t.Fatal(err)
			}
			b.emit(t, b.To("red"), "too late")
			b.emit(t, b.To("green", "blue"), "green")
			b.emit(t, b.Except("green"), "not for it")
			b.emit(t, b.To(v.sid), "direct")

			v.arrive(t, nodes[back])
			if !v.recovered {
				t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes...))
			}
			a.emit(t, a.To("green"), "last")
			v.until("last")
			v.want(t, "unseen", "red", "green", "direct")
			if rooms := v.ask("rooms"); rooms != `[["blue","green"]]` {
				t.Errorf("the rooms are %s", rooms)
			}
		})
	}
}

// TestCase13NothingReceived has a client that has received nothing before it loses its connection, and one that says the
// offset of an older session.
func TestCase13NothingReceived(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{})
	a, b := nodes[0], nodes[1]
	a.emit(t, a.To("red"), "before")
	for name, offset := range map[string]string{"nothing": "", "an older offset": "1-1"} {
		t.Run(name, func(t *testing.T) {
			v := &traveller{offset: offset}
			v.arrive(t, a)
			v.ask("save")
			_ = v.conn.Close()
			b.emit(t, b.To(v.sid), "missed")
			v.arrive(t, b)
			if !v.recovered {
				t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes...))
			}
			b.emit(t, b.To(v.sid), "last")
			v.until("last")
			v.want(t, "missed")
		})
	}
}

// TestKilledNode has the clients of a node that is gone without a word recover on another one, as of the last save.
func TestKilledNode(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{})
	a, b := nodes[0], nodes[1]
	v := &traveller{}
	v.arrive(t, a)
	v.ask("join", "red") // returns when it is saved
	b.emit(t, b.To("red"), "seen")
	v.until("seen")
	a.kill()
	_ = v.conn.Close()
	b.emit(t, b.To("red"), "missed")
	v.arrive(t, b)
	if !v.recovered {
		t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes...))
	}
	b.emit(t, b.To("red"), "last")
	v.until("last")
	v.want(t, "missed")
}

// TestCutInTheConnectHandler has a client that is cut while its connect handler looks something up: it gets a new session,
// for which the handler does what it could not do for the first.
func TestCutInTheConnectHandler(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{})
	lookingUp, found, left := make(chan struct{}, 2), make(chan struct{}), make(chan struct{}, 2)
	for _, n := range nodes {
		n.Use(func(ctx context.Context, s *socketio.Socket) error { return s.Join(ctx, "all") })
		n.OnConnect(func(ctx context.Context, s *socketio.Socket) error {
			if s.Recovered() {
				return nil
			}
			lookingUp <- struct{}{}
			<-found
			return s.Join(ctx, "lobby")
		})
		n.OnLeave(func(context.Context, *socketio.Socket, string) { left <- struct{}{} })
	}
	goOn := sync.OnceFunc(func() { close(found) })
	defer goOn()
	v := &traveller{}
	v.arrive(t, nodes[0])
	receive(t, "the look-up", lookingUp)
	_ = v.conn.Close()
	receive(t, "the loss", left)
	goOn()
	receive(t, "the end", nodes[0].went) // its session is deleted
	v.arrive(t, nodes[1])
	if v.recovered {
		t.Error("the client was recovered")
	}
	if rooms := v.ask("rooms"); rooms != `[["all","lobby"]]` {
		t.Errorf("the rooms are %s", rooms)
	}
}

// TestW10WhatIsNotReplayed shows that packets without a place are not replayed, and do not spoil the offset either when
// they end in a text.
func TestW10WhatIsNotReplayed(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{})
	a, b := nodes[0], nodes[1]
	v := &traveller{}
	v.arrive(t, a)
	v.ask("save")
	a.emit(t, a.To(v.sid), "logged", 1)
	a.emit(t, a.To(v.sid).Volatile(), "hello")
	a.emit(t, a.To(v.sid).Local(), "local", "hello")
	v.until("local hello")
	slices.Sort(v.heard) // a volatile packet waits for nothing
	v.want(t, "hello", "logged 1")
	_ = v.conn.Close()
	receive(t, "the end of the connection", a.went)

	b.emit(t, b.To(v.sid).Volatile(), "volatile")
	if answers, err := b.To(v.sid).EmitWithAck(t.Context(), "acked"); err != nil || len(answers) > 0 {
		t.Errorf("%d answers (%v), want none of who is away", len(answers), err)
	}
	b.emit(t, b.To(v.sid), "missed")
	v.arrive(t, b)
	if !v.recovered {
		t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes...))
	}
	b.emit(t, b.To(v.sid), "last")
	v.until("last")
	v.want(t, "missed")
}

// TestW6ExactlyOnceUnderLoad has clients go to and fro between the node that emits and the other one while it does:
// each gets every packet once and in order.
func TestW6ExactlyOnceUnderLoad(t *testing.T) {
	const clients, rounds, each = 10, 6, 40
	nodes := stations(t, 2, inmemory.Config{MaxLength: -1})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	travellers := make([]*traveller, clients)
	for i := range travellers {
		travellers[i] = &traveller{}
		travellers[i].arrive(t, nodes[i%2])
		travellers[i].ask("join", "red")
	}
	stop := make(chan struct{})
	var emitting sync.WaitGroup
	sent := 0
	emitting.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := nodes[0].To("red").Emit(t.Context(), "n", sent); err != nil {
				t.Errorf("emit %d: %v", sent, err)
				return
			}
			sent++
		}
	})
	var travelling sync.WaitGroup
	for i, v := range travellers {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		travelling.Go(func() {
			for round := range rounds {
				for range random.IntN(each) {
					v.heard = append(v.heard, v.hear())
				}
				_ = v.conn.Close()
				v.arrive(t, nodes[random.IntN(2)])
				if !v.recovered {
					t.Errorf("client %d was not recovered in round %d", i, round)
					return
				}
			}
		})
	}
	travelling.Wait()
	close(stop)
	emitting.Wait()
	nodes[0].emit(t, nodes[0].To("red"), "last")
	for i, v := range travellers {
		v.until("last")
		first := 0
		for k, heard := range v.heard {
			if k == 0 {
				if _, err := fmt.Sscanf(heard, "n %d", &first); err != nil {
					t.Fatalf("client %d heard %q", i, heard)
				}
			}
			if want := fmt.Sprint("n ", first+k); heard != want {
				t.Fatalf("client %d heard %q as number %d, want %q", i, heard, k, want)
			}
		}
		if first+len(v.heard) != sent {
			t.Errorf("client %d heard %d after %d, want all up to %d", i, len(v.heard), first, sent)
		}
	}
	t.Logf("%d packets to each of %d clients, %d recoveries", sent, clients, clients*rounds)
}

// TestCase17Gap has a client whose packets are no longer in the log: it gets a new session, and is told why.
func TestCase17Gap(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{MaxLength: 50})
	a, b := nodes[0], nodes[1]
	v := &traveller{}
	v.arrive(t, a)
	v.ask("join", "red")
	_ = v.conn.Close()
	receive(t, "the end of the connection", a.went)
	receive(t, "the first connection", a.came)
	for i := range 200 {
		b.emit(t, b.To("red"), "n", i)
	}
	late := startStation(t, a.cluster) // the others have seen all of it
	v.arrive(t, late)
	if v.recovered {
		t.Error("the client has its session again")
	}
	if r := receive(t, "the connection", late.came); r.Outcome != domain.RecoveryGap || r.Reason == "" {
		t.Errorf("the outcome is %q (%s), want %q with a reason", r.Outcome, r.Reason, domain.RecoveryGap)
	}
}
