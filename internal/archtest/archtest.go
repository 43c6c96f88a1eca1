// Package archtest keeps the architecture: which package may import which, and
// what the domain must not do. Its rules, each with a reason, are in rules.go; its
// tests hold the repository against them, and the rules against violations that
// they must find.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// pkg is a package as `go list -json` describes it.
type pkg struct {
	ImportPath   string   `json:"ImportPath"`
	Dir          string   `json:"Dir"`
	GoFiles      []string `json:"GoFiles"`
	TestGoFiles  []string `json:"TestGoFiles"`
	XTestGoFiles []string `json:"XTestGoFiles"`
	Imports      []string `json:"Imports"`
	TestImports  []string `json:"TestImports"`
	XTestImports []string `json:"XTestImports"`
}

// list asks the go command for the packages of the module in dir.
func list(dir string) ([]pkg, error) {
	// -e: a package that does not compile is the compiler's business.
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, &stderr)
	}
	var packages []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("read go list's answer: %w", err)
		}
		packages = append(packages, p)
	}
}

// check returns a sentence for each violation in the packages.
func check(packages []pkg) []string {
	var violations []string
	for _, p := range packages {
		local, ok := inModule(p.ImportPath)
		if !ok {
			continue
		}
		r, found := ruleFor(local)
		if !found {
			violations = append(violations, fmt.Sprintf(
				"%s: no rule says what it may import; add one to internal/archtest/rules.go", local))
			continue
		}
		for _, imported := range p.Imports {
			if why := r.forbids(local, imported); why != "" {
				violations = append(violations, fmt.Sprintf("%s imports %s: %s", local, imported, why))
			}
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if why := r.forbidsTest(local, imported); why != "" {
				violations = append(violations, fmt.Sprintf("a test of %s imports %s: %s", local, imported, why))
			}
		}
	}
	slices.Sort(violations)
	return slices.Compact(violations)
}

// missing returns the expected packages that are not there.
func missing(packages []pkg) []string {
	return slices.DeleteFunc(expected(), func(local string) bool {
		return slices.ContainsFunc(packages, func(p pkg) bool { return p.ImportPath == module+"/"+local })
	})
}

// forbids returns why the package must not import that, or nothing if it may.
func (r rule) forbids(local, imported string) string {
	if target, ok := inModule(imported); ok {
		return r.forbidsOurs(local, target)
	}
	if isStandard(imported) {
		if within(imported, r.notStd) {
			return r.reason
		}
		return ""
	}
	for _, kept := range reservations() {
		if within(imported, []string{kept.outside}) && !within(local, kept.only) {
			return kept.reason
		}
	}
	if within(imported, r.outside) {
		return ""
	}
	return r.reason
}

func (r rule) forbidsOurs(local, target string) string {
	if t, found := ruleFor(target); found && t.importers != nil && !within(local, t.importers) {
		return t.reason
	}
	if within(target, r.ours) || within(target, []string{r.family}) {
		return ""
	}
	return r.reason
}

// forbidsTest is forbids for the imports of a package's tests, which bind only
// where the rule says so.
func (r rule) forbidsTest(local, imported string) string {
	if r.testsLike == nil || isStandard(imported) || imported == goleak {
		return ""
	}
	if target, ours := inModule(imported); ours && within(target, r.testsLike) {
		return ""
	}
	return r.forbids(local, imported)
}

// domainFaults returns a sentence for each clock, goroutine and channel in a file
// of the domain.
func domainFaults(files *token.FileSet, file *ast.File) []string {
	var faults []string
	clock := importName(file, "time")
	ast.Inspect(file, func(n ast.Node) bool {
		what := ""
		switch n := n.(type) {
		case *ast.GoStmt:
			what = "starts a goroutine"
		case *ast.ChanType:
			what = "has a channel"
		case *ast.SelectStmt:
			what = "has a select"
		case *ast.SendStmt:
			what = "sends to a channel"
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && clock != "" && x.Name == clock && slices.Contains(clocks(), n.Sel.Name) {
				what = "calls time." + n.Sel.Name
			}
		}
		if what != "" {
			faults = append(faults, fmt.Sprintf("%s %s; the domain takes the time as an argument and waits for nothing",
				files.Position(n.Pos()), what))
		}
		return true
	})
	return faults
}

// sleepFaults returns a sentence for each time.Sleep in a file. Under the clock of
// testing/synctest a sleep costs nothing and ends exactly when it should.
func sleepFaults(files *token.FileSet, file *ast.File) []string {
	clock := importName(file, "time")
	if clock == "" || importName(file, "testing/synctest") != "" {
		return nil
	}
	var faults []string
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == clock {
				faults = append(faults, fmt.Sprintf(
					"%s calls time.Sleep; wait for what should happen, or use testing/synctest", files.Position(n.Pos())))
			}
		}
		return true
	})
	return faults
}

// clocks are the functions and variables of package time that know what time, or
// where, it is.
func clocks() []string {
	return []string{
		"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker",
		"Timer", "Ticker", "Local", "LoadLocation",
	}
}

// importName is the name by which a file has a package, if it has.
func importName(file *ast.File, path string) string {
	for _, spec := range file.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err != nil || imported != path {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path[strings.LastIndex(path, "/")+1:]
	}
	return ""
}

func ruleFor(local string) (rule, bool) {
	var best rule
	found := false
	for _, r := range rules() {
		if within(local, []string{r.family}) && len(r.family) >= len(best.family) {
			best, found = r, true
		}
	}
	return best, found
}

// inModule is the path inside the module.
func inModule(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// within tells whether the path is one of the families, or inside one. Families
// of other modules are prefixes of import paths.
func within(path string, families []string) bool {
	return slices.ContainsFunc(families, func(family string) bool {
		return family == anything || path == family || strings.HasPrefix(path, family+"/")
	})
}

// isStandard tells whether a path is one of the standard library, whose first
// element has no dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
