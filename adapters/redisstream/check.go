package redisstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Check asks Redis whether it can serve the transport: that it answers, that it is version 7.0 or later, that the user
// has the rights (of a Spectator, those to read). The error is one sentence that says what to do. The warnings are for the operator: settings that
// can lose messages later.
func (t *Transport) Check(ctx context.Context) (warnings []string, err error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.config.PublishTimeout)
		defer cancel()
	}
	client := t.servers.shared
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, explain(err, "check Redis")
	}
	if err := t.checkRights(ctx); err != nil {
		return nil, err
	}
	if !t.config.Spectator { // who looks on may use the lane, and learns then whether that is allowed
		if err := t.checkLane(ctx); err != nil {
			return nil, err
		}
	}
	info, err := client.Info(ctx, "server", "memory").Result()
	switch {
	case err != nil && isReply(err):
		warnings = append(warnings, "the Redis user may not run INFO: the version and maxmemory-policy were not checked")
	case err != nil:
		return nil, explain(err, "check Redis")
	default:
		policy, err := checkInfo(info)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, policy...)
	}
	if t.config.Spectator {
		return warnings, nil
	}
	return slices.Concat(warnings, t.checkKill(ctx), t.checkPacing(ctx)), nil
}

// checkInfo looks at what a server says of itself.
func checkInfo(info string) (warnings []string, err error) {
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	version := fields["redis_version"]
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < 7 {
		return nil, fmt.Errorf("redis %s is too old: lost messages can only be noticed with version 7.0 or later; "+
			"upgrade it", version)
	}
	if policy := fields["maxmemory_policy"]; strings.HasPrefix(policy, "allkeys-") && fields["maxmemory"] != "0" {
		warnings = append(warnings, fmt.Sprintf("maxmemory-policy is %s: Redis may evict the stream and lose every "+
			"message in it; set it to noeviction or volatile-ttl", policy))
	}
	return warnings, nil
}

// probe is a command that changes nothing, to see whether the user may run it.
type probe struct {
	name string
	key  string // of a stream; or empty
	args []any
}

// checkRights runs every command that is needed in a form that changes nothing. Redis looks at the user's rights
// before anything else, so whatever else it answers, the right is there.
func (t *Transport) checkRights(ctx context.Context) error {
	var probes []probe
	for _, stream := range t.config.streams() {
		probes = append(probes,
			probe{"XREAD", stream, []any{"xread", "count", 1, "streams", stream, "$"}},
			probe{"XRANGE", stream, []any{"xrange", stream, "0-1", "0-1", "count", 1}},
			probe{"XINFO STREAM", stream, []any{"xinfo", "stream", stream}})
	}
	if t.config.Spectator {
		missing, err := t.tryAll(ctx, probes)
		if err == nil && len(missing) > 0 {
			err = fmt.Errorf("the Redis user lacks rights to %s: give it (ACL SETUSER) the keys ~%s and these commands",
				strings.Join(missing, ", "), strings.Join(t.config.streams(), " ~"))
		}
		return err
	}
	allowed := t.config.streams()
	keys := newSessionKeys(t.config.SessionKeyPrefix + "rights")
	for _, stream := range t.config.streams() {
		allowed = append(allowed, epochKey(stream))
		probes = append(probes,
			probe{"XADD", stream, []any{"xadd", stream, "0-0", "a", "b"}}, // an id that no entry can have
			probe{"MULTI", stream, nil},
			probe{"the key " + epochKey(stream), stream, []any{"eval", epochLua, 1, epochKey(stream), 0, 0}}) // agrees on nothing
	}
	probes = append(probes, []probe{
		{"EVAL and EXISTS", "", []any{
			"eval", "return redis.call('EXISTS', unpack(KEYS))", 4, keys.session, keys.claimed, keys.claim, keys.ended,
		}},
		{"EVALSHA", "", []any{"evalsha", strings.Repeat("0", 40), 1, keys.session}}, // no script has this sum
		{"GET", "", []any{"get", keys.session}},
		{"SET", "", []any{"set", keys.session, "", "xx"}}, // only where there is one
		{"DEL", "", []any{"del", keys.session}},
		{"RENAME", "", []any{"rename", keys.session, keys.claimed}},
		{"RENAMENX", "", []any{"renamenx", keys.session, keys.claimed}},
	}...)
	if t.servers.cluster != nil {
		probes = append(probes, probe{"ASKING", "", []any{"asking"}})
	}
	missing, err := t.tryAll(ctx, probes)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("the Redis user lacks rights to %s: give it (ACL SETUSER) the keys ~%s ~%s* ~{%s* and "+
			"these commands", strings.Join(missing, ", "), strings.Join(allowed, " ~"), t.config.SessionKeyPrefix, t.config.SessionKeyPrefix)
	}
	return err
}

// tryAll runs the probes and returns the names of those that the user may not run.
func (t *Transport) tryAll(ctx context.Context, probes []probe) (missing []string, err error) {
	for _, p := range probes {
		var err error
		if p.args == nil {
			_, err = t.servers.shared.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				return pipe.XRangeN(ctx, p.key, "0-1", "0-1", 1).Err()
			})
		} else {
			err = t.servers.shared.Do(ctx, p.args...).Err()
		}
		switch {
		case err == nil, errors.Is(err, redis.Nil):
		case isRefusal(err):
			if !slices.Contains(missing, p.name) {
				missing = append(missing, p.name)
			}
		case !isReply(err):
			return nil, explain(err, "check Redis")
		case strings.Contains(err.Error(), "WRONGTYPE"):
			return nil, fmt.Errorf("the key %s in Redis is no stream: choose another stream name, or remove it", p.key)
		}
	}
	return missing, nil
}

// isRefusal reports whether a server said that the user may not do this, or not in a script.
func isRefusal(err error) bool {
	return isReply(err) &&
		(strings.Contains(err.Error(), "NOPERM") || strings.Contains(err.Error(), "The user executing the script can't"))
}

// checkKill warns when publishers cannot end an old connection.
func (t *Transport) checkKill(ctx context.Context) []string {
	err := t.servers.shared.Do(ctx, "client", "kill", "id", "0", "addr", "none:0").Err()
	if err == nil || !isRefusal(err) {
		err = t.servers.shared.Do(ctx, "client", "info").Err()
	}
	if err != nil && isRefusal(err) {
		return []string{"the Redis user may not run CLIENT KILL and CLIENT INFO: a publish whose answer is lost " +
			"cannot be tried again, and ends with an error"}
	}
	return nil
}

// checkPacing warns when publishers cannot know where the readers of other processes are.
func (t *Transport) checkPacing(ctx context.Context) []string {
	if !t.config.paced() {
		return nil
	}
	var keys, missing []string
	for _, stream := range t.config.streams() {
		key := readersKey(stream)
		keys = append(keys, "~"+key)
		for _, p := range []probe{
			{"HSET", key, []any{"hset", key, "rights", ""}}, // no publisher takes that for a reader
			{"HGETALL", key, []any{"hgetall", key}},
			{"PEXPIRE", key, []any{"pexpire", key, reportsExpire.Milliseconds()}},
			{"HDEL", key, []any{"hdel", key, "rights"}},
		} {
			err := t.servers.shared.Do(ctx, p.args...).Err()
			if isRefusal(err) && !slices.Contains(missing, p.name) {
				missing = append(missing, p.name)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the Redis user lacks rights to %s: publishers do not wait for slow readers of other "+
		"nodes, which can lose messages then; give it the keys %s and these commands", strings.Join(missing, ", "),
		strings.Join(keys, " "))}
}

// explain makes a sentence that says what to do of what went wrong.
func explain(err error, doing string) error {
	var failed *net.OpError
	switch {
	case err == nil:
		return nil
	case redis.HasErrorPrefix(err, "WRONGPASS"), redis.HasErrorPrefix(err, "NOAUTH"),
		strings.Contains(err.Error(), "invalid username-password"), strings.Contains(err.Error(), "AUTH failed"):
		return fmt.Errorf("%s: Redis does not accept the user and password: check those in the URL: %w", doing, err)
	case isRefusal(err):
		return fmt.Errorf("%s: the Redis user lacks a right: give it (ACL SETUSER): %w", doing, err)
	case isReply(err):
		return fmt.Errorf("%s: Redis refused: %w", doing, err)
	case errors.As(err, &failed) && failed.Op == "dial":
		return fmt.Errorf("%s: Redis cannot be reached; check that it runs and that the address is right: %w", doing, err)
	default:
		return fmt.Errorf("%s: Redis does not answer: %w", doing, err)
	}
}
