package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/bcrypt"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// What a UI is told that may not come in. The UI has a translation of the first, and shows others as they are.
const (
	invalidCredentials = "invalid credentials" //nolint:gosec // it is what the UI is told, and no credential
	tooManyAttempts    = "too many attempts, try again in a minute"
	noStore            = "the session store cannot be reached, log in with the password"
	closed             = "the admin namespace is closed"
)

const (
	// maxUsername and maxPassword are more than either has, in bytes. bcrypt looks at 72 bytes of a password.
	maxUsername = 256
	maxPassword = 256
	// hashing is how many passwords are compared at the same time, and waiting how many more may wait for that: each takes
	// a core for about a tenth of a second.
	hashing = 1
	waiting = 8
)

// credentials are what a UI says to come in.
type credentials struct {
	username, password, session string
}

// readCredentials reads the auth payload of a client, which may be anything.
func readCredentials(auth domain.Value) (c credentials) {
	var fields map[string]domain.Value
	if auth.IsZero() || auth.Size() > 4<<10 || payload.Unmarshal(auth, &fields) != nil {
		return c
	}
	text := func(name string, limit int) string {
		value, _ := fields[name].Text()
		if len(value) > limit {
			return ""
		}
		return value
	}
	return credentials{text("username", maxUsername), text("password", maxPassword), text("sessionId", 16)}
}

// visit is the data of a UI's socket: what it is still to be told. It has no part that is encoded, so others see {}.
type visit struct{ session string }

// admit is the middleware of the namespace.
func (a *Admin) admit(ctx context.Context, s *socketio.Socket) error {
	if a.ctx.Err() != nil {
		return &socketio.ConnectError{Message: closed}
	}
	handshake := s.Handshake()
	s.ForgetAuth() // the nodes ask each other for their sockets, and the log keeps what they answer
	var v visit
	if !a.config.NoAuth {
		text, session := a.login(ctx, handshake.Address, readCredentials(handshake.Auth))
		if text != "" {
			a.counters.refused.Add(1)
			return &socketio.ConnectError{Message: text}
		}
		v.session = session
	}
	return s.SetData(v)
}

// login says why somebody may not come in, or which session begins; neither for who has one.
func (a *Admin) login(ctx context.Context, address string, c credentials) (refusal, session string) {
	if !isSessionID(c.session) && c.username == "" && c.password == "" {
		return invalidCredentials, "" // a page that has no session yet: nobody is guessing
	}
	allowed := a.attempts.take(address)
	// Who has a session gets in however often others are wrong at the same address. To guess one is hopeless.
	known, err := a.known(ctx, c.session)
	switch {
	case known:
	case !allowed:
		return tooManyAttempts, ""
	case err != nil && c.username == "":
		refusal = noStore
	default:
		right, busy := a.matches(ctx, c)
		switch {
		case busy:
			refusal = tooManyAttempts
		case !right:
			return invalidCredentials, ""
		default:
			session = newSessionID()
		}
	}
	if allowed {
		a.attempts.back(address) // nothing wrong was said
	}
	return refusal, session
}

func (a *Admin) known(ctx context.Context, session string) (bool, error) {
	if !isSessionID(session) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	known, err := a.config.Sessions.Known(ctx, session)
	if err != nil {
		a.config.OnError(fmt.Errorf("look up a login: %w", err))
	}
	return known, err
}

// matches compares name and password, unless too many do so already. It takes as long for a wrong name as for a wrong
// password.
func (a *Admin) matches(ctx context.Context, c credentials) (right, busy bool) {
	if c.username == "" && c.password == "" {
		return false, false
	}
	select {
	case a.inLine <- struct{}{}:
		defer func() { <-a.inLine }()
	default:
		return false, true
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return false, true
	}
	given, wanted := sha256.Sum256([]byte(c.username)), sha256.Sum256([]byte(a.config.Auth.Username))
	sameName := subtle.ConstantTimeCompare(given[:], wanted[:]) == 1
	samePassword := bcrypt.CompareHashAndPassword([]byte(a.config.Auth.PasswordHash), []byte(c.password)) == nil
	return sameName && samePassword, false
}

// begin remembers a login and tells the UI, which keeps it over reloads. It comes after the CONNECT answer: the UI does
// not listen before.
func (a *Admin) begin(ctx context.Context, s *socketio.Socket) {
	v, err := socketio.Data[visit](s)
	if err != nil || v.session == "" {
		return
	}
	session := v.session
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := a.config.Sessions.Save(ctx, session); err != nil {
		a.config.OnError(fmt.Errorf("remember a login: %w", err))
		return
	}
	a.tell(ctx, s, "session", session)
}
