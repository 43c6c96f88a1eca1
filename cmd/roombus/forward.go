package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/roombus/roombus/adapters/socketio"
)

// minForwardSecret is the least length of --forward-secret, as socketio.Forward has it.
const minForwardSecret = 32

// checkForward says what is missing, or wrong, for requests to be passed on. It shows no secret.
func (s *settings) checkForward() error {
	switch {
	case s.advertise == "" && s.forwardSecret == "":
		return nil
	case s.forwardSecret == "":
		return errors.New("--advertise is given without --forward-secret: other nodes need the address to pass on requests, and a " +
			"secret to do it; give both or neither")
	case s.advertise == "":
		return errors.New("--forward-secret is given without --advertise: other nodes cannot pass on requests to this one without " +
			"its address; give both or neither")
	}
	for _, secret := range s.forwardSecrets() {
		if len(secret) < minForwardSecret {
			several := ""
			if n := len(s.forwardSecrets()); n > 1 {
				several = fmt.Sprintf("; commas make it %d secrets, of which each must", n)
			}
			return fmt.Errorf("--forward-secret has %d characters; it must have at least %d (`openssl rand -hex 32` makes one)%s",
				len(secret), minForwardSecret, several)
		}
	}
	host, port, err := net.SplitHostPort(s.advertise)
	if err != nil || host == "" {
		return fmt.Errorf("--advertise is %q; it must be the host:port at which other nodes reach this one", s.advertise)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("--advertise is %q; its port must be a number up to 65535", s.advertise)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("--advertise is %q, which means any address of a machine; it must be the one at which other nodes reach "+
			"this one", s.advertise)
	}
	return nil
}

// forwardSecrets are the secrets of --forward-secret; the first signs.
func (s *settings) forwardSecrets() []string {
	if s.forwardSecret == "" {
		return nil
	}
	return strings.Split(s.forwardSecret, ",")
}

// advertised puts the port that the server listens on in place of port 0.
func advertised(advertise string, listens net.Addr) string {
	host, port, err := net.SplitHostPort(advertise)
	tcp, ok := listens.(*net.TCPAddr)
	if n, number := strconv.ParseUint(port, 10, 16); err != nil || !ok || number != nil || n != 0 {
		return advertise
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// forward is what the server is told of it; nil where it is off.
func (s *settings) forward() *socketio.Forward {
	secrets := s.forwardSecrets()
	if secrets == nil {
		return nil
	}
	return &socketio.Forward{Secret: secrets[0], OldSecrets: secrets[1:]}
}

// sayForwarded logs how much of the clients' traffic has come to the wrong node, if that is passed on.
func (run *server) sayForwarded() {
	if run.io == nil {
		return
	}
	if n := run.io.Stats().Forward; n != (socketio.ForwardStats{}) {
		run.log.Info("requests were passed on", "out", n.Out, "in", n.In, "refused", n.Refused, "failed", n.Failed)
	}
}
