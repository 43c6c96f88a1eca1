package redisstream

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// The scripts that run in Redis. Each says in its head what it takes.
var (
	// retryScript makes a second attempt that makes no second entry (cases 2 to 4 of docs/guarantees.md).
	//
	//go:embed lua/retry.lua
	retryScript string

	//go:embed lua/epoch.lua
	epochLua string

	//go:embed lua/session.lua
	sessionLua string
	//go:embed lua/save.lua
	saveLua string
	//go:embed lua/claim.lua
	claimLua string
	//go:embed lua/giveback.lua
	giveBackLua string
	//go:embed lua/delete.lua
	deleteLua string
)

var (
	epochScript    = redis.NewScript(epochLua)
	saveScript     = redis.NewScript(sessionLua + saveLua)
	claimScript    = redis.NewScript(sessionLua + claimLua)
	giveBackScript = redis.NewScript(sessionLua + giveBackLua)
	deleteScript   = redis.NewScript(sessionLua + deleteLua)
)
