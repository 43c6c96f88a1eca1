package main

import (
	"net"
	"strings"
	"testing"
)

const forwardSecret = "geheim-geheim-geheim-geheim-geheim-geheim"

func TestForwardSettings(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		env   []string
		words []string
	}{
		"no address":       {[]string{"--forward-secret", forwardSecret}, nil, []string{"--forward-secret", "without --advertise"}},
		"no secret":        {[]string{"--advertise", "10.0.0.1:3000"}, nil, []string{"--advertise", "without --forward-secret"}},
		"a short secret":   {[]string{"--advertise", "10.0.0.1:3000", "--forward-secret", "geheim"}, nil, []string{"6 characters", "32"}},
		"in the variable":  {[]string{"--advertise", "10.0.0.1:3000"}, []string{"ROOMBUS_FORWARD_SECRET=geheim"}, []string{"6 characters"}},
		"a short second":   {[]string{"--advertise", "10.0.0.1:3000", "--forward-secret", forwardSecret + ","}, nil, []string{"0 characters", "2 secrets"}},
		"no port":          {[]string{"--advertise", "10.0.0.1", "--forward-secret", forwardSecret}, nil, []string{"--advertise", "host:port"}},
		"no host":          {[]string{"--advertise", ":3000", "--forward-secret", forwardSecret}, nil, []string{"--advertise", "host:port"}},
		"a port by name":   {[]string{"--advertise", "host:http", "--forward-secret", forwardSecret}, nil, []string{"--advertise", "number"}},
		"any address":      {[]string{"--advertise", "[::]:80", "--forward-secret", forwardSecret}, nil, []string{"--advertise", "any address"}},
		"no possible host": {[]string{"--addr", "127.0.0.1:0", "--advertise", "a@b:80", "--forward-secret", forwardSecret}, nil, []string{"characters"}},
	} {
		t.Run(name, func(t *testing.T) {
			code := exitUsage
			if name == "no possible host" {
				code = exitFailed
			}
			o := call(t, test.env, append([]string{"serve"}, test.args...)...)
			o.wantSentence(t, code, test.words...)
			if strings.Contains(o.stderr, "geheim") {
				t.Errorf("the secret is shown: %s", o.stderr)
			}
		})
	}
}

func TestForwardSecrets(t *testing.T) {
	if got := (&settings{}).forward(); got != nil {
		t.Errorf("without a secret: %+v", got)
	}
	s := settings{forwardSecret: "new,old,older"}
	if got := s.forward(); got.Secret != "new" || len(got.OldSecrets) != 2 || got.OldSecrets[1] != "older" {
		t.Errorf("the secrets are %+v", got)
	}
}

func TestAdvertisedPort(t *testing.T) {
	listens := &net.TCPAddr{Port: 4711}
	for given, want := range map[string]string{
		"": "", "host:80": "host:80", "host:0": "host:4711", "[::1]:0": "[::1]:4711", "host:": "host:", "host": "host",
	} {
		if got := advertised(given, listens); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}
