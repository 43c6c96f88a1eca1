package redisstream_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(
		// watermill-redisstream's own subscriber sleeps for half a second after its Close.
		"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream.(*Subscriber).read",
	))
}
