package faulttest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThePageNamesRealTests: docs/redis-failures.md is worth what its tests are.
func TestThePageNamesRealTests(t *testing.T) {
	const root = "../.."
	page, err := os.ReadFile(filepath.Join(root, "docs", "redis-failures.md"))
	no(t, "read the page", err)
	var tests strings.Builder
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || entry.Name() == ".bin"):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			tests.Write(text)
			return err
		default:
			return nil
		}
	})
	no(t, "read the tests", err)
	short := regexp.MustCompile(`^TestCase\d\d$`)
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(page), -1) {
		declared := "func " + name + "("
		if short.MatchString(name) { // stands for all tests of the case
			declared = "func " + name + "_"
		}
		if !strings.Contains(tests.String(), declared) {
			t.Errorf("the page names %s, which is no test", name)
		}
	}
}
