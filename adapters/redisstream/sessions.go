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

// sessionKeys are the keys of one session: where Node.js looks for it, where it is while somebody has claimed it, who
// that is, for as long as the claim holds, and that it has ended, for as long as this must be known.
type sessionKeys struct{ session, claimed, claim, ended string }

// newSessionKeys puts all four into one slot of a Redis Cluster: a key without a hash tag lies where a tag of its
// whole name lies.
func newSessionKeys(session string) sessionKeys {
	tag := "{" + session + "}"
	if open := strings.IndexByte(session, '{'); open >= 0 && strings.IndexByte(session[open:], '}') > 1 {
		tag = session // it has a tag already
	}
	return sessionKeys{session: session, claimed: tag + ":claimed", claim: tag + ":claim", ended: tag + ":ended"}
}

// Save stores sessions, in pipelines of up to maxPipelined; see ports.Sessions.
func (s *Sessions) Save(ctx context.Context, sessions []*domain.Session) []error {
	ctx, cancel := s.withDeadline(ctx)
	defer cancel()
	errs := make([]error, len(sessions))
	failed := false
	for first := 0; first < len(sessions); first += maxPipelined {
		last := min(first+maxPipelined, len(sessions))
		s.saveSome(ctx, sessions[first:last], errs[first:last])
	}
	for i, err := range errs {
		if err != nil {
			errs[i], failed = fmt.Errorf("save a session: %w", err), true
		}
	}
	if !failed {
		return nil
	}
	return errs
}

// maxPipelined is how many sessions go to a server in one go, so that others get their turn in between.
const maxPipelined = 500

// saveSome saves sessions in one pipeline. A server that does not have the script gets it with one of them.
func (s *Sessions) saveSome(ctx context.Context, sessions []*domain.Session, errs []error) {
	args := make([][]any, len(sessions))
	waiting := make([]int, 0, len(sessions))
	for i, session := range sessions {
		if args[i], errs[i] = saveArgs(session); errs[i] == nil {
			waiting = append(waiting, i)
		}
	}
	for len(waiting) > 0 {
		answers := make([]*redis.Cmd, len(waiting))
		_, _ = s.servers.shared.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for j, i := range waiting {
				answers[j] = saveScript.EvalSha(ctx, pipe, s.keys(sessions[i].ID).all(), args[i]...)
			}
			return nil
		})
		var unscripted []int
		for j, i := range waiting {
			answer, err := answers[j].Text()
			if redis.HasErrorPrefix(err, "NOSCRIPT") {
				unscripted = append(unscripted, i)
				continue
			}
			errs[i] = s.result(answer, err)
		}
		if len(unscripted) > 0 {
			i := unscripted[0]
			errs[i] = s.result(s.run(ctx, saveScript, sessions[i].ID, args[i]...))
			unscripted = unscripted[1:]
		}
		waiting = unscripted
	}
}

func saveArgs(session *domain.Session) ([]any, error) {
	if session.KeepFor < time.Millisecond {
		return nil, errors.New("it must be kept for a millisecond at least")
	}
	value, err := encodeSession(session)
	if err != nil {
		return nil, err
	}
	taking := 0
	if session.Returning && session.Revision == 1 {
		taking = 1
	}
	return []any{
		string(session.Owner), session.Revision, value, session.KeepFor.Milliseconds(), session.Claim, taking,
	}, nil
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
	case answer == "claimed":
		return nil, fmt.Errorf("claim a session: %w", domain.ErrSessionClaimed)
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

// Delete ends a session; see ports.Sessions.
func (s *Sessions) Delete(
	ctx context.Context, id domain.SessionID, owner domain.NodeID, remember time.Duration,
) error {
	answer, err := s.run(ctx, deleteScript, id, string(owner), remember.Milliseconds())
	return s.outcome("delete a session", answer, err)
}

func (s *Sessions) run(ctx context.Context, script *redis.Script, id domain.SessionID, args ...any) (string, error) {
	ctx, cancel := s.withDeadline(ctx)
	defer cancel()
	answer, err := script.Run(ctx, s.servers.shared, s.keys(id).all(), args...).Text()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return answer, err
}

func (s *Sessions) keys(id domain.SessionID) sessionKeys {
	return newSessionKeys(s.config.SessionKeyPrefix + string(id))
}

func (k sessionKeys) all() []string { return []string{k.session, k.claimed, k.claim, k.ended} }

func (s *Sessions) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.config.PublishTimeout)
}

// result is the error of a script's answer: "ok" or "lost".
func (*Sessions) result(answer string, err error) error {
	if err == nil && answer == "lost" {
		return domain.ErrSessionLost
	}
	return err
}

// outcome is the same in words.
func (s *Sessions) outcome(doing, answer string, err error) error {
	switch err := s.result(answer, err); {
	case err == nil:
		return nil
	case errors.Is(err, domain.ErrSessionLost):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return explain(err, doing)
	}
}
