package realredis

import "strings"

// Option is a choice for [Start].
type Option func(*options)

type options struct {
	lines    []string // of the configuration file
	password string
}

// WithConfig adds lines to the server's configuration file, such as
// "maxmemory 10mb" or "cluster-enabled yes". They stand last, so they win.
func WithConfig(lines ...string) Option {
	return func(o *options) { o.lines = append(o.lines, lines...) }
}

// WithPassword sets the password of the default user. [Server.URL] has it.
// It must not contain blanks or quotes.
func WithPassword(password string) Option {
	return func(o *options) {
		o.password = password
		o.lines = append(o.lines, "requirepass "+password)
	}
}

// WithUser adds an ACL user, with rules as in Redis' ACL SETUSER:
//
//	realredis.WithUser("reader", "on", ">secret", "~*", "&*", "+@read")
//
// A rule for the name "default" changes the default user.
func WithUser(name string, rules ...string) Option {
	return WithConfig("user " + name + " " + strings.Join(rules, " "))
}

// WithFsyncAlways writes the append-only file through to the disk at each
// write, before Redis answers it. Without it that happens once a second, which
// already keeps every answered write when the process is killed.
func WithFsyncAlways() Option {
	return WithConfig("appendfsync always")
}

// WithoutPersistence keeps nothing: after a restart the server is empty.
func WithoutPersistence() Option {
	return WithConfig("appendonly no")
}
