package redisstream

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ParseURL makes a client from a URL:
//
//	redis://user:password@host:6379/0                     one server, database 0
//	rediss://…                                            the same over TLS
//	unix://user:password@/path/to/redis.sock?db=0         a Unix socket
//	redis+sentinel://user:password@host:26379,host:26379/mastername?db=0
//	redis+cluster://user:password@host:6379,host:6379
//	rediss+sentinel://…, rediss+cluster://…               the same over TLS
//
// User and password are those of the servers; those of the Sentinels themselves are the parameters sentinel_username
// and sentinel_password. Special characters are written as in every URL (%40 for @). Further parameters are those of
// go-redis, such as dial_timeout=3s. The client dials when it is used. No error contains the URL.
func ParseURL(raw string) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, errors.New("the Redis URL has no scheme: write redis://host:6379, or rediss:// for TLS")
	}
	switch scheme {
	case "redis", "rediss", "unix":
		options, err := redis.ParseURL(raw)
		if err != nil {
			return nil, badURL(scheme)
		}
		return redis.NewClient(options), nil
	case "redis+sentinel", "rediss+sentinel":
		return parseSentinel(scheme, rest)
	case "redis+cluster", "rediss+cluster":
		return parseCluster(scheme, rest)
	default:
		return nil, errors.New("the Redis URL has an unknown scheme: it must be redis, rediss, unix, " +
			"redis+sentinel, rediss+sentinel, redis+cluster or rediss+cluster")
	}
}

// badURL does not say what the parser said: that can quote the password.
func badURL(scheme string) error {
	form := "user:password@host:6379/0"
	switch {
	case scheme == "unix":
		form = "/path/to/redis.sock"
	case strings.HasSuffix(scheme, "+sentinel"):
		form = "user:password@host:26379,host:26379/mastername"
	case strings.HasSuffix(scheme, "+cluster"):
		form = "user:password@host:6379,host:6379"
	}
	return fmt.Errorf("the Redis URL cannot be read: its form is %s://%s, with special characters in the password "+
		"written as %%XX", scheme, form)
}

// severalHosts takes apart what net/url does not: an authority of several hosts. It returns the URL with the first
// host alone, and the addresses of all.
func severalHosts(rest, defaultPort string) (firstOnly string, addresses []string, ok bool) {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user := ""
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	for host := range strings.SplitSeq(authority, ",") {
		if host == "" {
			return "", nil, false
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), defaultPort)
		}
		addresses = append(addresses, host)
	}
	return user + addresses[0] + tail, addresses, true
}

func parseSentinel(scheme, rest string) (redis.UniversalClient, error) {
	one, addresses, ok := severalHosts(rest, "26379")
	if !ok {
		return nil, badURL(scheme)
	}
	u, err := url.Parse("redis://" + one)
	if err != nil {
		return nil, badURL(scheme)
	}
	name := strings.Trim(u.Path, "/")
	if name == "" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("the Redis URL names no master: write %s://host:26379/mastername", scheme)
	}
	query := u.Query()
	sentinelUser, sentinelPassword := query.Get("sentinel_username"), query.Get("sentinel_password")
	query.Del("sentinel_username")
	query.Del("sentinel_password")
	query.Set("master_name", name)
	user := u.User
	u.Path, u.RawQuery, u.User = "", query.Encode(), nil
	u.Scheme = "redis"
	if strings.HasPrefix(scheme, "rediss") {
		u.Scheme = "rediss"
	}
	options, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return nil, badURL(scheme)
	}
	options.SentinelAddrs = addresses
	options.SentinelUsername, options.SentinelPassword = sentinelUser, sentinelPassword
	options.Username = user.Username()
	options.Password, _ = user.Password()
	if options.TLSConfig != nil {
		options.TLSConfig.ServerName = "" // each server shows a certificate of its own name
	}
	return redis.NewFailoverClient(options), nil
}

func parseCluster(scheme, rest string) (redis.UniversalClient, error) {
	one, addresses, ok := severalHosts(rest, "6379")
	if !ok {
		return nil, badURL(scheme)
	}
	plain, _, _ := strings.Cut(scheme, "+")
	options, err := redis.ParseClusterURL(plain + "://" + one)
	if err != nil {
		return nil, badURL(scheme)
	}
	options.Addrs = addresses
	if options.TLSConfig != nil {
		options.TLSConfig.ServerName = "" // each server shows a certificate of its own name
	}
	return redis.NewClusterClient(options), nil
}
