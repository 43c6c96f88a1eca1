package realredis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/port"
)

// TLS is a server's second address, over TLS. Its certificate is signed by an authority that only this test knows.
type TLS struct {
	port  int
	roots *x509.CertPool
}

// WithTLS makes a server listen to TLS too. Clients need no certificate.
//
//	secure, option := realredis.WithTLS(t)
//	server := realredis.Start(t, option)
//	options := &redis.Options{Addr: secure.Addr(), TLSConfig: secure.Config()}
func WithTLS(t testing.TB) (*TLS, Option) {
	t.Helper()
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "redis.crt"), filepath.Join(dir, "redis.key")
	roots := writeCertificate(t, certificate, key)
	s := &TLS{port: freePort(t), roots: roots}
	return s, WithConfig(
		"tls-port "+strconv.Itoa(s.port), "tls-cert-file "+strconv.Quote(certificate),
		"tls-key-file "+strconv.Quote(key), "tls-ca-cert-file "+strconv.Quote(certificate), "tls-auth-clients no",
	)
}

// freePort is a port that is free now; the server that it is for takes it at once.
func freePort(t testing.TB) int {
	t.Helper()
	for range port.Tries {
		candidate := port.Candidate()
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: candidate})
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatalf("find a port: %v", err)
		}
		return candidate
	}
	t.Fatalf("find a port: %d from %d to %d were all taken", port.Tries, port.First, port.Last)
	return 0
}

// Addr is the host and port for TLS.
func (s *TLS) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Config is what a client needs that trusts the server.
func (s *TLS) Config() *tls.Config {
	return &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}
}

// writeCertificate makes a certificate for 127.0.0.1 that is its own authority.
func writeCertificate(t testing.TB, certificate, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatalf("make a certificate: %v", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatalf("write a key: %v", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	for file, content := range map[string][]byte{
		certificate: text, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatalf("write a certificate: %v", err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return roots
}
