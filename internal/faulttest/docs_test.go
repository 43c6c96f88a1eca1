package faulttest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

var (
	testName   = regexp.MustCompile(`\bTest[A-Z]\w+`)
	quoted     = regexp.MustCompile("`([^`]+)`")
	declared   = regexp.MustCompile(`(?m)^func (Test[A-Z]\w+)\(`)
	caseNumber = regexp.MustCompile(`^\| (\d+) \|`)
	ofCase     = regexp.MustCompile(`^Test(Case|W)\d\d_?$`) // stands for all tests of the case
)

// testsByPackage are the names of all tests, by the folders of their packages.
func testsByPackage(t *testing.T) map[string][]string {
	t.Helper()
	tests := make(map[string][]string)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || entry.Name() == ".bin"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		folder, _ := filepath.Rel(root, filepath.Dir(path))
		for _, found := range declared.FindAllStringSubmatch(string(text), -1) {
			tests[filepath.ToSlash(folder)] = append(tests[filepath.ToSlash(folder)], found[1])
		}
		return err
	})
	no(t, "read the tests", err)
	return tests
}

// pages are the documents, by their names.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	no(t, "list the pages", err)
	pages := make(map[string]string)
	for _, name := range append(names, filepath.Join(root, "README.md"), filepath.Join(root, "CHANGELOG.md")) {
		text, err := os.ReadFile(name)
		no(t, "read a page", err)
		pages[filepath.Base(name)] = string(text)
	}
	return pages
}

func has(tests []string, name string) bool {
	if !ofCase.MatchString(name) {
		return slices.Contains(tests, name)
	}
	prefix := strings.TrimSuffix(name, "_") + "_"
	return slices.ContainsFunc(tests, func(test string) bool { return strings.HasPrefix(test, prefix) })
}

// TestThePagesNameRealTests: the documents are worth what the tests are that they name. A test belongs to one of the
// packages that stand before it, up to the next semicolon or the end of the cell; on docs/redis-failures.md, where none
// does, to this one.
func TestThePagesNameRealTests(t *testing.T) {
	tests := testsByPackage(t)
	found := 0
	for page, text := range pages(t) {
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '|' || r == '\n' }) {
			var packages []string
			for _, q := range quoted.FindAllStringSubmatch(part, -1) {
				if _, ok := tests[q[1]]; ok {
					packages = append(packages, q[1])
				}
			}
			if len(packages) == 0 && page == "redis-failures.md" {
				packages = []string{"internal/faulttest"}
			}
			for _, name := range testName.FindAllString(part, -1) {
				found++
				anywhere := len(packages) == 0
				among := packages
				if anywhere {
					among = slices.Collect(maps.Keys(tests))
				}
				switch {
				case slices.ContainsFunc(among, func(p string) bool { return has(tests[p], name) }):
				case anywhere:
					t.Errorf("%s names %s, which is no test", page, name)
				default:
					t.Errorf("%s names %s, which is no test of %s", page, name, strings.Join(packages, " or "))
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("the pages name %d tests; that cannot be all", found)
	}
}

// TestEachCaseHasATest: what docs/guarantees.md calls tested has a test that bears its number.
func TestEachCaseHasATest(t *testing.T) {
	var all []string
	for _, tests := range testsByPackage(t) {
		all = append(all, tests...)
	}
	rows := 0
	for line := range strings.Lines(pages(t)["guarantees.md"]) {
		row := caseNumber.FindStringSubmatch(line)
		if row == nil {
			continue
		}
		rows++
		number, err := strconv.Atoi(row[1])
		no(t, "read a number", err)
		name := fmt.Sprintf("TestCase%02d", number)
		cells := strings.Split(line, "|")
		if state := cells[len(cells)-2]; strings.Contains(state, "tested") && !has(all, name) {
			t.Errorf("case %d is said to be tested, and there is no %s_…", number, name)
		}
	}
	if rows != 28 {
		t.Errorf("the page has %d cases, want 28", rows)
	}
}
