// Package need finds the programs that tests need besides Go: redis-server,
// Node.js, npm, a browser, Python and nginx.
//
// Each program is looked for in an environment variable first and on the PATH
// after that:
//
//	ROOMBUS_TEST_REDIS_SERVER   redis-server, 7.0 or later
//	ROOMBUS_TEST_NODE           node, 18 or later
//	ROOMBUS_TEST_NPM            npm
//	ROOMBUS_TEST_CHROMIUM       chromium (or Chrome)
//	ROOMBUS_TEST_PYTHON         python3 with the packages socketio, requests and websocket
//	ROOMBUS_TEST_NGINX          nginx
//
// A test whose program is not there fails when ROOMBUS_TEST_REQUIRE or CI is
// set (to 1 or true), as `make test` and CI do, and is skipped otherwise.
// Nothing else in this repository skips a test.
package need

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// RedisServer returns the path of redis-server, 7.0 or later.
func RedisServer(t testing.TB) string {
	t.Helper()
	return redisServer.path(t)
}

// Node returns the path of node, 18 or later.
func Node(t testing.TB) string {
	t.Helper()
	return node.path(t)
}

// NPM returns the path of npm.
func NPM(t testing.TB) string {
	t.Helper()
	return npm.path(t)
}

// Chromium returns the path of a browser that speaks the DevTools protocol.
func Chromium(t testing.TB) string {
	t.Helper()
	return chromium.path(t)
}

// Python returns the path of a python3 that has python-socketio, and what that
// needs for both transports.
func Python(t testing.TB) string {
	t.Helper()
	return python.path(t)
}

// Nginx returns the path of nginx.
func Nginx(t testing.TB) string {
	t.Helper()
	return nginx.path(t)
}

// Missing ends the test: as failed where everything is required, as skipped
// elsewhere. The sentence says what is missing and what to do about it.
func Missing(t testing.TB, sentence string) {
	t.Helper()
	if Required() {
		t.Fatalf("CANNOT RUN: %s", sentence)
	}
	t.Skipf("NOT RUN: %s (with ROOMBUS_TEST_REQUIRE=1 this is a failure)", sentence)
}

// Required tells whether a test that cannot run is a failure.
func Required() bool {
	return isSet("ROOMBUS_TEST_REQUIRE") || isSet("CI")
}

func isSet(variable string) bool {
	set, err := strconv.ParseBool(os.Getenv(variable))
	return err == nil && set
}

// program is something to be found once a process.
type program struct {
	title    string   // for people
	variable string   // the environment variable that overrides the PATH
	names    []string // on the PATH, the first that is there
	minimum  int      // the major version, 0 for any
	version  *regexp.Regexp
	imports  string // what Python must be able to import
	install  string

	once  sync.Once
	found string
	err   error
}

// A process looks for each program once.
var (
	redisServer = &program{
		title: "redis-server", variable: "ROOMBUS_TEST_REDIS_SERVER", names: []string{"redis-server"},
		minimum: 7, version: regexp.MustCompile(`v=(\d+)\.`), install: "apt-get install redis-server",
	}
	node = &program{
		title: "Node.js", variable: "ROOMBUS_TEST_NODE", names: []string{"node", "nodejs"},
		minimum: 18, version: regexp.MustCompile(`^v(\d+)\.`), install: "apt-get install nodejs npm",
	}
	npm = &program{
		title: "npm", variable: "ROOMBUS_TEST_NPM", names: []string{"npm"},
		install: "apt-get install npm",
	}
	chromium = &program{
		title: "Chromium", variable: "ROOMBUS_TEST_CHROMIUM",
		names:   []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"},
		install: "apt-get install chromium",
	}
	python = &program{
		title: "Python with python-socketio", variable: "ROOMBUS_TEST_PYTHON",
		// Debian's has what Debian's packages install; another one on the PATH may not.
		names:   []string{"python3", "/usr/bin/python3"},
		minimum: 3, version: regexp.MustCompile(`^Python (\d+)\.`), imports: "socketio, requests, websocket",
		install: "apt-get install python3-socketio python3-requests python3-websocket",
	}
	nginx = &program{
		title: "nginx", variable: "ROOMBUS_TEST_NGINX",
		names:   []string{"nginx", "/usr/sbin/nginx"}, // not on everybody's PATH
		install: "apt-get install nginx-light",
	}
)

func (p *program) path(t testing.TB) string {
	t.Helper()
	p.once.Do(func() { p.found, p.err = p.find() })
	if p.err != nil {
		Missing(t, p.err.Error())
	}
	return p.found
}

func (p *program) find() (string, error) {
	advice := fmt.Sprintf("install it (Debian: %s) or set %s to its path", p.install, p.variable)
	names := p.names
	var first error
	if override := os.Getenv(p.variable); override != "" {
		names = []string{override}
		advice = fmt.Sprintf("correct or unset %s", p.variable)
	}
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		err = p.check(path, advice)
		if err == nil {
			return path, nil
		}
		if first == nil {
			first = err
		}
	}
	if first != nil {
		return "", first
	}
	return "", fmt.Errorf("%s was not found as %q; %s", p.title, names, advice)
}

func (p *program) check(path, advice string) error {
	if p.minimum == 0 {
		return nil
	}
	output, err := exec.Command(path, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version failed: %w; %s", path, err, advice)
	}
	match := p.version.FindSubmatch(output)
	if match == nil {
		return fmt.Errorf("%s --version says %q, which names no version of %s; %s", path, output, p.title, advice)
	}
	if major, err := strconv.Atoi(string(match[1])); err != nil || major < p.minimum {
		return fmt.Errorf("%s is %s %s, but %d or later is needed; %s", path, p.title, match[1], p.minimum, advice)
	}
	if p.imports == "" {
		return nil
	}
	if output, err := exec.Command(path, "-c", "import "+p.imports).CombinedOutput(); err != nil {
		return fmt.Errorf("%s cannot import %s: %w, %s; %s", path, p.imports, err, output, advice)
	}
	return nil
}
