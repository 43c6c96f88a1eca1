package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	group "github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// settings are what the flags say.
type settings struct {
	redis, stream, namespace, room, file, group string
	consumers                                   int
	takeOver                                    time.Duration
	// tell is told what was left out, and why.
	tell func(text string)
	// stored, if set, is called when a record is in the file.
	stored func(*record)
}

// audit stores what its consumers read.
type audit struct {
	settings
	journal *journal
}

// run reads until ctx ends.
func run(ctx context.Context, s settings) (err error) {
	if s.consumers < 1 {
		return errors.New("an audit needs at least one consumer")
	}
	file, err := openJournal(s.file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	a := &audit{settings: s, journal: file}
	if err := a.tellMissed(ctx); err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, nil)
	if err != nil {
		return err
	}
	// A panic becomes an error, an error a refusal, and what is refused comes again.
	router.AddMiddleware(middleware.Recoverer)
	for i := range s.consumers {
		name := s.group + "-" + strconv.Itoa(i+1)
		consumer, err := s.consumer(name)
		if err != nil {
			return errors.Join(err, router.Close())
		}
		router.AddConsumerHandler(name, s.stream, consumer, a.handle)
	}
	return router.Run(ctx)
}

// tellMissed tells how many entries were trimmed before the group has read them. Redis counts what a group has not read,
// trimmed or not: what is no longer there is lost. What was read and trimmed before it was stored (an entry or two a
// consumer, when it crashed) is not in that number.
func (s settings) tellMissed(ctx context.Context) (err error) {
	client, err := redisstream.ParseURL(s.redis)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var groups *redis.XInfoGroupsCmd
	var length *redis.IntCmd
	_, err = client.TxPipelined(ctx, func(both redis.Pipeliner) error {
		groups, length = both.XInfoGroups(ctx, s.stream), both.XLen(ctx, s.stream)
		return nil
	})
	if err != nil && strings.Contains(err.Error(), "no such key") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the stream %s: %w", s.stream, err)
	}
	for _, g := range groups.Val() {
		if lost := g.Lag - length.Val(); g.Name == s.group && lost > 0 {
			s.tell(fmt.Sprintf("at least %d entries were trimmed before they were read: the stream is too short", lost))
		}
	}
	return nil
}

// consumer makes a member of the group. Its client is its own, because its Close closes it; the hook adds the ids of
// the entries, which the unmarshaller would not see otherwise.
func (s settings) consumer(name string) (*group.Subscriber, error) {
	client, err := redisstream.ParseURL(s.redis)
	if err != nil {
		return nil, err
	}
	client.AddHook(redisstream.GroupHook{})
	return group.NewSubscriber(group.SubscriberConfig{
		Client: client, Unmarshaller: lenient{}, ConsumerGroup: s.group, Consumer: name,
		OldestId:        "0", // a new group begins with what the stream still holds
		NackResendSleep: time.Second,
		MaxIdleTime:     s.takeOver, ClaimInterval: s.takeOver / 3,
		DisableIndefiniteInitialBlock: true, // else a quiet stream delays the end
	}, nil)
}

// unreadable is the metadata of a message that could not be unmarshalled.
const unreadable = "audit_unreadable"

// lenient makes a message of everything: an unmarshaller's error would end watermill-redisstream's subscription.
type lenient struct{ redisstream.Marshaller }

// Unmarshal returns the message of an entry's fields, or one that says why there is none.
func (l lenient) Unmarshal(values map[string]any) (*message.Message, error) {
	m, err := l.Marshaller.Unmarshal(values)
	if err != nil {
		m = message.NewMessage("", nil)
		m.Metadata.Set(unreadable, err.Error())
		if id, ok := values[redisstream.MetadataOffset].(string); ok {
			m.Metadata.Set(redisstream.MetadataOffset, id)
		}
	}
	return m, nil
}

// handle stores a broadcast to the room. An entry that cannot be read is told and left out; when the file cannot be
// written the entry is refused, and comes again.
func (a *audit) handle(m *message.Message) error {
	offset := domain.Offset(m.Metadata.Get(redisstream.MetadataOffset))
	if offset == "" {
		return errors.New("an entry without an id: the client lacks the hook")
	}
	if why := m.Metadata.Get(unreadable); why != "" {
		a.tell(fmt.Sprintf("the entry %s cannot be read: %s", offset, why))
		return nil
	}
	decoded, err := watermill.Decode(m)
	if err != nil {
		a.tell(fmt.Sprintf("the entry %s cannot be read: %v", offset, err))
		return nil
	}
	b, ok := decoded.Body.(*domain.Broadcast)
	if !ok || decoded.Namespace != a.namespace || !slices.Contains(b.Target.Rooms, a.room) {
		return nil
	}
	r := &record{
		Offset: offset, Time: timeOf(offset), Node: decoded.Node, Namespace: decoded.Namespace, Rooms: b.Target.Rooms,
		Packet: json.RawMessage(b.Packet.JSON()), Attachments: b.Packet.Attachments(),
	}
	added, err := a.journal.add(r)
	if err != nil {
		a.tell(err.Error())
		return err
	}
	if added && a.stored != nil {
		a.stored(r)
	}
	return nil
}

// timeOf is when Redis stored the entry: the first part of its id, in milliseconds.
func timeOf(offset domain.Offset) time.Time {
	text, _, _ := strings.Cut(string(offset), "-")
	ms, _ := strconv.ParseInt(text, 10, 64) // a server's id has a number there
	return time.UnixMilli(ms).UTC()
}
