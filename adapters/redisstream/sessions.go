package redisstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Sessions is a ports.Sessions in Redis, under the keys and in the form of the Node.js adapter, with more fields. A
// Node.js server can claim a session (it reads and deletes the key), and a claim here is exclusive against it. Every
// operation is one script on keys of one slot.
type Sessions struct {
	servers *servers
	config  Config
}

var _ ports.Sessions = (*Sessions)(nil)

func newSessions(s *servers, config Config) *Sessions { return &Sessions{servers: s, config: config} }

// sessionKeys are the keys of one session: where Node.js looks for it, where it is while somebody has claimed it, and
// who that is, for as long as the claim holds.
type sessionKeys struct{ session, claimed, claim string }

// newSessionKeys puts all three into one slot of a Redis Cluster: a key without a hash tag lies where a tag of its
// whole name lies.
func newSessionKeys(session string) sessionKeys {
	tag := "{" + session + "}"
	if open := strings.IndexByte(session, '{'); open >= 0 && strings.IndexByte(session[open:], '}') > 1 {
		tag = session // it has a tag already
	}
	return sessionKeys{session: session, claimed: tag + ":claimed", claim: tag + ":claim"}
}

// Save stores a session; see ports.Sessions.
func (s *Sessions) Save(ctx context.Context, session *domain.Session) error {
	if session.KeepFor < time.Millisecond {
		return errors.New("save a session: it must be kept for a millisecond at least")
	}
	value, err := encodeSession(session)
	if err != nil {
		return fmt.Errorf("save a session: %w", err)
	}
	answer, err := s.run(ctx, saveScript, session.ID, string(session.Owner), session.Revision,
		value, session.KeepFor.Milliseconds())
	return s.outcome("save a session", answer, err)
}

// Claim takes a session away from its owner; see ports.Sessions. A claim holds for Config.ClaimTimeout.
func (s *Sessions) Claim(
	ctx context.Context, id domain.SessionID, claimer domain.NodeID,
) (*domain.Session, error) {
	// The script may run twice, when an answer is lost; two claims of one node are two claims all the same.
	once := rand.Text()
	answer, err := s.run(ctx, claimScript, id, string(claimer), once, s.config.ClaimTimeout.Milliseconds())
	switch {
	case err != nil:
		return nil, explain(err, "claim a session")
	case answer == "":
		return nil, fmt.Errorf("claim a session: %w", domain.ErrNoSession)
	}
	session, err := decodeSession(id, answer)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claim a session: its value: %w", err), s.GiveBack(ctx, id, claimer))
	}
	return session, nil
}

// GiveBack ends a claim without a recovery; see ports.Sessions.
func (s *Sessions) GiveBack(ctx context.Context, id domain.SessionID, claimer domain.NodeID) error {
	answer, err := s.run(ctx, giveBackScript, id, string(claimer))
	return s.outcome("give a session back", answer, err)
}

// Delete removes a session; see ports.Sessions.
func (s *Sessions) Delete(ctx context.Context, id domain.SessionID, owner domain.NodeID) error {
	answer, err := s.run(ctx, deleteScript, id, string(owner))
	return s.outcome("delete a session", answer, err)
}

func (s *Sessions) run(ctx context.Context, script *redis.Script, id domain.SessionID, args ...any) (string, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.config.PublishTimeout)
		defer cancel()
	}
	keys := newSessionKeys(s.config.SessionKeyPrefix + string(id))
	answer, err := script.Run(ctx, s.servers.shared, []string{keys.session, keys.claimed, keys.claim}, args...).Text()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return answer, err
}

// outcome is the error of a script's answer: "ok" or "lost".
func (*Sessions) outcome(doing, answer string, err error) error {
	switch {
	case err != nil:
		return explain(err, doing)
	case answer == "lost":
		return fmt.Errorf("%s: %w", doing, domain.ErrSessionLost)
	default:
		return nil
	}
}
