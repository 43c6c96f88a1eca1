package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the repository, seen from the directory in which this test runs.
const root = "../.."

func packages(t *testing.T) []pkg {
	t.Helper()
	found, err := list(root)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestImports(t *testing.T) {
	for _, violation := range check(packages(t)) {
		t.Error(violation)
	}
}

func TestExpectedPackagesAreThere(t *testing.T) {
	for _, local := range missing(packages(t)) {
		t.Errorf("package %s is missing: its rule holds for nothing; restore it, or change internal/archtest/rules.go and docs/architecture.md", local)
	}
}

func TestDomainHasNoClockAndNoGoroutine(t *testing.T) {
	for _, p := range packages(t) {
		local, _ := inModule(p.ImportPath)
		if !within(local, []string{"domain"}) {
			continue
		}
		for _, fault := range inspect(t, p.Dir, p.GoFiles, domainFaults) {
			t.Error(fault)
		}
	}
}

func TestNobodySleeps(t *testing.T) {
	for _, p := range packages(t) {
		for _, fault := range inspect(t, p.Dir, slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles), sleepFaults) {
			t.Error(fault)
		}
	}
}

// inspect returns the faults that a check finds in files.
func inspect(t *testing.T, dir string, names []string, check func(*token.FileSet, *ast.File) []string) []string {
	t.Helper()
	var faults []string
	files := token.NewFileSet()
	for _, name := range names {
		file, err := parser.ParseFile(files, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		faults = append(faults, check(files, file)...)
	}
	return faults
}

// TestViolationsAreFound gives each rule what it forbids, and what it allows.
func TestViolationsAreFound(t *testing.T) {
	for _, c := range []struct {
		from, imports string
		test, allowed bool
	}{
		{from: "domain", imports: "slices", allowed: true},
		{from: "domain", imports: "net/http"},
		{from: "domain", imports: "os"},
		{from: "domain", imports: "log/slog"},
		{from: "domain", imports: "context"},
		{from: "domain", imports: "sync/atomic"},
		{from: "domain", imports: "encoding/json"},
		{from: "domain", imports: "crypto/rand"},
		{from: "domain", imports: module + "/ports"},
		{from: "domain", imports: module + "/internal/payload"},
		{from: "domain", imports: "github.com/anybody/anything"},
		{from: "domain", imports: "encoding/json", test: true, allowed: true},
		{from: "domain", imports: module + "/adapters/inmemory", test: true, allowed: true},
		{from: "domain", imports: module + "/adapters/redisstream", test: true},
		{from: "ports", imports: "context", allowed: true},
		{from: "ports", imports: module + "/domain", allowed: true},
		{from: "ports", imports: module + "/internal/payload"},
		{from: "ports", imports: module + "/app"},
		{from: "ports", imports: "log/slog"},
		{from: "ports", imports: redis + "/go-redis/v9"},
		{from: "app", imports: module + "/ports", allowed: true},
		{from: "app", imports: module + "/adapters/inmemory"},
		{from: "app", imports: module + "/app/di/memory"},
		{from: "app", imports: module + "/tracing"},
		{from: "app", imports: module + "/internal/testkit"},
		{from: "app", imports: module + "/internal/payload"},
		{from: "app", imports: redis + "/go-redis/v9"},
		{from: "app", imports: watermill + "/message"},
		{from: "app", imports: otel + "/otel/trace"},
		{from: "app", imports: wire},
		{from: "app", imports: module + "/internal/testkit", test: true, allowed: true},
		{from: "app", imports: goleak, test: true, allowed: true},
		{from: "app", imports: module + "/adapters/socketio", test: true},
		{from: "app/di/redis", imports: wire, allowed: true},
		{from: "app/di/redis", imports: module + "/adapters/redisstream", allowed: true},
		{from: "app/di/redis", imports: module + "/internal/testkit"},
		{from: "adapters/inmemory", imports: module + "/internal/payload", allowed: true},
		{from: "adapters/inmemory", imports: module + "/app"},
		{from: "adapters/inmemory", imports: module + "/adapters/redisstream"},
		{from: "adapters/inmemory", imports: module + "/tracing"},
		{from: "adapters/watermill", imports: watermill + "/message", allowed: true},
		{from: "adapters/watermill", imports: watermillRedis + "/pkg/redisstream"},
		{from: "adapters/watermill", imports: module + "/adapters/redisstream"},
		{from: "adapters/watermill", imports: redis + "/go-redis/v9"},
		{from: "adapters/redisstream", imports: module + "/adapters/watermill", allowed: true},
		{from: "adapters/redisstream", imports: redis + "/go-redis/v9", allowed: true},
		{from: "adapters/redisstream", imports: watermillRedis + "/pkg/redisstream", allowed: true},
		{from: "adapters/redisstream", imports: otel + "/otel"},
		{from: "adapters/redisstream", imports: module + "/app"},
		{from: "adapters/redisstream", imports: module + "/app", test: true, allowed: true},
		{from: "adapters/socketio", imports: module + "/adapters/socketio/engineio", allowed: true},
		{from: "adapters/socketio", imports: module + "/app"},
		{from: "adapters/socketio", imports: module + "/adapters/inmemory"},
		{from: "adapters/socketio", imports: redis + "/go-redis/v9"},
		{from: "adapters/socketio/engineio", imports: websocket + "/ws", allowed: true},
		{from: "adapters/socketio/engineio", imports: module + "/adapters/socketio"},
		{from: "adapters/socketio/engineio", imports: module + "/adapters/socketio/parser"},
		{from: "adapters/socketio/engineio", imports: module + "/domain"},
		{from: "adapters/socketio/parser", imports: module + "/domain", allowed: true},
		{from: "adapters/socketio/parser", imports: "net/http"},
		{from: "tracing", imports: otel + "/otel/trace", allowed: true},
		{from: "tracing", imports: module + "/app"},
		{from: "tracing", imports: module + "/adapters/redisstream"},
		{from: "internal/payload", imports: module + "/domain", allowed: true},
		{from: "internal/payload", imports: module + "/ports"},
		{from: "internal/payload", imports: "net/http"},
		{from: "internal/testkit/realredis", imports: redis + "/go-redis/v9", allowed: true},
		{from: "internal/testkit", imports: module + "/app", allowed: true},
		{from: "internal/testkit", imports: module + "/cmd/roombus"},
		{from: "internal/testkit", imports: wire},
		{from: "internal/archtest", imports: module + "/domain"},
		{from: "internal/testsummary", imports: goleak},
		{from: "cmd/roombus", imports: module + "/app/di/redis", allowed: true},
		{from: "cmd/roombus", imports: module + "/internal/testkit/realredis"},
		{from: "cmd/roombus", imports: module + "/examples/chat"},
		{from: "cmd/roombus", imports: wire},
		{from: "examples/chat", imports: wire, allowed: true},
		{from: "examples/chat", imports: module + "/cmd/roombus"},
		{from: "somewhere/new", imports: "slices"},
	} {
		p := pkg{ImportPath: module + "/" + c.from}
		if c.test {
			p.TestImports = []string{c.imports}
		} else {
			p.Imports = []string{c.imports}
		}
		violations := check([]pkg{p})
		if allowed := len(violations) == 0; allowed != c.allowed {
			t.Errorf("%s imports %s (test: %t): violations %q, want that it is allowed: %t", c.from, c.imports, c.test, violations, c.allowed)
		}
	}
}

func TestEveryRuleHasAReason(t *testing.T) {
	for _, r := range rules() {
		if r.reason == "" {
			t.Errorf("the rule for %s has no reason", r.family)
		}
	}
	for _, r := range reservations() {
		if r.reason == "" {
			t.Errorf("the reservation of %s has no reason", r.outside)
		}
	}
}

func TestMissingPackagesAreFound(t *testing.T) {
	if got := missing([]pkg{{ImportPath: module + "/domain"}}); slices.Contains(got, "domain") || !slices.Contains(got, "ports") {
		t.Errorf("missing %q, want ports among them and not domain", got)
	}
}

func TestDomainFaultsAreFound(t *testing.T) {
	source := `package domain
import clock "time"
type T struct { c chan int; at clock.Time; d clock.Duration }
func f(t T) {
	_ = clock.Now()
	_ = clock.Since(t.at)
	go f(t)
	t.c <- 1
	select {}
	_ = clock.Unix(0, 0).Add(clock.Second)
}`
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "f.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	faults := strings.Join(domainFaults(files, file), "\n")
	for _, want := range []string{
		"f.go:3:19 has a channel", "f.go:5:6 calls time.Now", "f.go:6:6 calls time.Since",
		"f.go:7:2 starts a goroutine", "f.go:8:2 sends to a channel", "f.go:9:2 has a select",
	} {
		if !strings.Contains(faults, want) {
			t.Errorf("not found: %s; found:\n%s", want, faults)
		}
	}
	if got := strings.Count(faults, "\n") + 1; got != 6 {
		t.Errorf("%d faults, want 6:\n%s", got, faults)
	}
	if clean, err := parser.ParseFile(files, "g.go", "package domain\ntype time struct{ Now int }\nvar x time\nvar y = x.Now", 0); err != nil {
		t.Fatal(err)
	} else if faults := domainFaults(files, clean); len(faults) > 0 {
		t.Errorf("found in a clean file: %q", faults)
	}
}

func TestSleepsAreFound(t *testing.T) {
	for source, want := range map[string]int{
		`package p; import "time"; func f() { time.Sleep(1); time.Sleep(2) }`:                                      2,
		`package p; import t "time"; var sleep = t.Sleep`:                                                          1,
		`package p; import "time"; import "testing/synctest"; func f() { time.Sleep(1); synctest.Wait() }`:         0,
		`package p; import "time"; func f(x interface{ Sleep(int) }) time.Time { x.Sleep(1); return time.Time{} }`: 0,
	} {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "p.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if faults := sleepFaults(files, file); len(faults) != want {
			t.Errorf("found %q in %s, want %d", faults, source, want)
		}
	}
}

// light are the packages that a program with the transport in memory imports.
func light() []string { return []string{"app", "adapters/inmemory", "adapters/socketio"} }

// heavy are the families that must not come along with them.
func heavy() []string {
	return []string{
		redis, watermill, watermillRedis, wire, otel, "google.golang.org/grpc", "github.com/chromedp",
		module + "/adapters/redisstream", module + "/adapters/watermill", module + "/app/di",
		module + "/tracing", module + "/internal/testkit", module + "/adapters/socketio/admin", bcrypt,
	}
}

// TestLightProgramStaysLight builds a program of another module, with the core, the
// memory and the edge, and looks at all that came along.
func TestLightProgramStaysLight(t *testing.T) {
	dir := outsideModule(t)
	goTool(t, dir, "build", "-o", os.DevNull, ".")
	dependencies := strings.Fields(goTool(t, dir, "list", "-deps", "."))
	for _, local := range light() {
		if !slices.Contains(dependencies, module+"/"+local) {
			t.Errorf("the program does not import %s, so this test shows nothing", local)
		}
	}
	for _, dependency := range heaviness(dependencies) {
		t.Errorf("a program with the transport in memory drags %s along", dependency)
	}
}

func heaviness(dependencies []string) []string {
	return slices.DeleteFunc(slices.Clone(dependencies), func(path string) bool { return !within(path, heavy()) })
}

func TestHeavinessIsFound(t *testing.T) {
	got := heaviness([]string{"slices", redis + "/go-redis/v9", module + "/app", module + "/app/di/memory", otel + "/otel"})
	if want := []string{redis + "/go-redis/v9", module + "/app/di/memory", otel + "/otel"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// outsideModule writes a module that requires this one, with the same versions of
// everything, so that the module cache has all of it.
func outsideModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	versions, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var program strings.Builder
	program.WriteString("package main\n\nimport (\n")
	for _, local := range light() {
		program.WriteString("\t_ \"" + module + "/" + local + "\"\n")
	}
	program.WriteString(")\n\nfunc main() {}\n")
	mod := strings.Replace(string(versions), "module "+module, "module example.com/outside", 1) +
		"\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + here + "\n"
	for name, text := range map[string]string{"go.mod": mod, "go.sum": string(sums), "main.go": program.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func goTool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off", "PWD="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}
