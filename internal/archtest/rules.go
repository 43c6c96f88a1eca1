package archtest

// module is the path of this repository's module.
const module = "github.com/roombus/roombus"

// Third-party families, by the prefix of their import paths.
const (
	goleak         = "go.uber.org/goleak"
	watermill      = "github.com/ThreeDotsLabs/watermill"
	watermillRedis = "github.com/ThreeDotsLabs/watermill-redisstream"
	redis          = "github.com/redis"
	wire           = "github.com/google/wire"
	otel           = "go.opentelemetry.io"
	websocket      = "github.com/gobwas"
	jsonExperiment = "github.com/go-json-experiment/json"
	rates          = "golang.org/x/time/rate"
	bcrypt         = "golang.org/x/crypto/bcrypt"
)

// anything as a family is all there is.
const anything = "*"

// rule says what the packages of a family may import. Families are paths inside
// the module; the rule with the longest family that a package belongs to binds it.
type rule struct {
	family string
	// ours are the families of this module that it may import, besides itself.
	ours []string
	// outside are the prefixes of other modules that it may import.
	outside []string
	// notStd are the prefixes in the standard library that it must not import.
	notStd []string
	// importers are the only families that may import it, if their own rules
	// allow it; nil means no such limit.
	importers []string
	// testsLike, if not nil, binds its tests too: they may import, on top of what
	// it may import itself, these families of ours, goleak, and the whole
	// standard library. Other tests may import what they like.
	testsLike []string
	reason    string
}

// ioPackages are those by which a package could reach out of its process.
func ioPackages() []string {
	return []string{"os", "net", "syscall", "database", "plugin", "io/fs", "io/ioutil", "log", "testing", "flag", "expvar", "embed"}
}

func rules() []rule {
	core := []string{"domain", "ports"}
	adapter := []string{"domain", "ports", "internal/payload"}
	nobody, all := []string{}, []string{anything}
	testkit := []string{"internal/testkit", "adapters/inmemory"}
	return []rule{
		{
			family: "domain",
			notStd: append(ioPackages(), "context", "sync", "encoding", "time/tzdata", "runtime", "unsafe",
				"reflect", "math/rand", "crypto", "html", "text/template", "bufio"),
			testsLike: append([]string{"ports"}, testkit...),
			reason:    "the domain is values and decisions: no I/O, clock, goroutine, context, lock, chance or codec",
		},
		{
			family: "ports", ours: []string{"domain"}, notStd: append(ioPackages(), "encoding", "sync", "runtime", "unsafe", "crypto"),
			testsLike: testkit,
			reason:    "the ports are contracts over the domain: implementations and doubles live elsewhere",
		},
		{
			family: "app", ours: core, notStd: []string{"net", "os", "database", "testing", "flag"},
			testsLike: append([]string{"internal/payload"}, testkit...),
			reason:    "the core reaches the world through the ports alone, so that users get only the transport they chose",
		},
		{
			family: "app/di", ours: all, outside: all,
			importers: []string{"app/di", "cmd", "examples", "bench"},
			reason:    "composition may know everything, so nothing that is composed may know it; wire stays in it",
		},
		{
			family: "adapters/inmemory", ours: adapter,
			reason: "memory is the transport without dependencies",
		},
		{
			family: "adapters/watermill", ours: adapter, outside: []string{watermill},
			reason: "ports over any Watermill publisher and subscriber: no broker, no core",
		},
		{
			family: "adapters/redisstream", ours: append([]string{"adapters/watermill"}, adapter...),
			outside: []string{redis, watermill, watermillRedis, "golang.org/x/sync"},
			reason:  "the Redis transport is a Watermill publisher and subscriber; it knows neither the core nor the edge",
		},
		{
			family: "adapters/socketio", ours: append([]string{"internal/handlers"}, adapter...), outside: []string{websocket, rates},
			reason: "the edge calls the node by an interface of its own, and knows no transport",
		},
		{
			family: "adapters/socketio/engineio", outside: []string{websocket},
			reason: "Engine.IO carries messages and knows nothing of what is in them",
		},
		{
			family: "adapters/socketio/parser", ours: []string{"domain"}, notStd: []string{"net", "os", "log"},
			reason: "packets and frames are text and bytes: no connection, no file",
		},
		{
			family: "adapters/socketio/admin", ours: []string{"domain", "internal/payload", "adapters/socketio"},
			outside: []string{bcrypt}, importers: []string{"cmd", "examples", "bench"},
			reason: "the Admin UI is a user of the server like any other: who does not want it gets nothing of it",
		},
		{
			family:  "adapters/socketio/client",
			ours:    []string{"domain", "internal/payload", "internal/handlers", "adapters/socketio/parser"},
			outside: []string{websocket}, importers: []string{"cmd", "examples", "bench", "internal/testkit"},
			reason: "a client shares packets and the calling of handlers with the server, and nothing else: who is only a client gets no server",
		},
		{
			family: "tracing", ours: core, outside: []string{otel},
			reason: "tracing decorates the ports, whatever stands behind them; OpenTelemetry stays in it",
		},
		{
			family: "diagnostics", ours: core, outside: []string{otel, rates}, notStd: []string{"os", "net", "database", "testing", "flag"},
			reason: "diagnostics remember what passes the ports, and are asked through the node: no core, no adapter, no network of their own",
		},
		{
			family: "diagnostics/console", ours: []string{"domain", "diagnostics"}, outside: []string{"golang.org/x/crypto/bcrypt"},
			reason: "the console shows what diagnostics say, to whoever mounts it: no core, no adapter",
		},
		{
			family: "metrics", ours: core, outside: []string{otel},
			reason: "metrics decorate the ports and take numbers, whoever has counted them; OpenTelemetry's are in it alone",
		},
		{
			family: "internal/payload", ours: []string{"domain"}, outside: []string{jsonExperiment},
			notStd: []string{"net", "os", "log", "database"},
			reason: "a codec turns values into bytes and back",
		},
		{
			family: "internal/handlers", ours: []string{"domain", "internal/payload"},
			notStd: []string{"net", "os", "log", "database"}, importers: []string{"adapters/socketio"},
			reason: "server and client call the application in one way; it knows neither of them",
		},
		{
			family: "internal/testkit", ours: all, outside: all,
			importers: []string{"internal/testkit"},
			reason:    "what tests need must never be part of a program",
		},
		{
			family: "internal/interop", ours: all, outside: all, importers: nobody,
			reason: "tests of the whole stand at the end: nothing is built on them",
		},
		{
			family: "internal/faulttest", ours: all, outside: all, importers: nobody,
			reason: "tests of the whole stand at the end: nothing is built on them",
		},
		{
			family: "internal/hostile", ours: all, outside: all, importers: nobody,
			reason: "the edge against hostile clients, with everything that a node has",
		},
		{
			family: "internal/endtoend", ours: all, outside: all, importers: nobody,
			reason: "the promises end to end, with everything that a cluster has",
		},
		{
			family: "internal/archtest", importers: nobody,
			reason: "the rules need nothing but the go command",
		},
		{
			family: "internal/testsummary", importers: nobody,
			reason: "the summary of the tests has to work when nothing else does",
		},
		{
			family: "cmd", ours: all, outside: all, importers: []string{"cmd"},
			reason: "programs stand at the end: nothing is built on them",
		},
		{
			family: "examples", ours: all, outside: all, importers: []string{"examples"},
			reason: "examples show what users write: nothing is built on them",
		},
		{
			family: "scripts", ours: all, outside: all, importers: nobody,
			reason: "scripts stand at the end: nothing is built on them",
		},
	}
}

// reservation is a third-party family that only some of ours may import, even
// where everything else is allowed.
type reservation struct {
	outside string
	only    []string
	reason  string
}

func reservations() []reservation {
	return []reservation{
		{wire, []string{"app/di", "examples"}, "wire only wires: it is archived, and may be taken out without touching anything else"},
	}
}

// expected are the packages that the architecture names: one that is missing
// would make its rule hold for nothing.
func expected() []string {
	return []string{
		"adapters/inmemory",
		"adapters/redisstream",
		"adapters/socketio",
		"adapters/socketio/admin",
		"adapters/socketio/client",
		"adapters/socketio/engineio",
		"adapters/socketio/parser",
		"adapters/watermill",
		"app",
		"app/di/memory",
		"app/di/redis",
		"cmd/roombus",
		"diagnostics",
		"diagnostics/console",
		"domain",
		"examples/audit",
		"examples/chat",
		"internal/endtoend",
		"internal/handlers",
		"internal/hostile",
		"internal/interop",
		"internal/payload",
		"internal/testkit/conformance",
		"metrics",
		"ports",
		"tracing",
	}
}
