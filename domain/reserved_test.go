package domain_test

import (
	"testing"

	"github.com/roombus/roombus/domain"
)

func TestReservedNamespaces(t *testing.T) {
	for name, want := range map[string]bool{
		domain.NamespaceDiagnostics: true,
		"/roombus/":                 true,
		"/roombus/anything":         true,
		"/roombus":                  false,
		"/roombuster":               false,
		"/a/roombus/":               false,
		"/":                         false,
		"":                          false,
	} {
		if got := domain.IsReservedNamespace(name); got != want {
			t.Errorf("IsReservedNamespace(%q) is %t", name, got)
		}
	}
}
