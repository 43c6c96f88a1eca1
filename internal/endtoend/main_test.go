package endtoend

import (
	"testing"

	"github.com/roombus/roombus/internal/testkit/child"
)

// program is `roombus`, built once, with the race detector.
var program string

func TestMain(m *testing.M) { child.TestProgram(m, "github.com/roombus/roombus/cmd/roombus", &program) }
