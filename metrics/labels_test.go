package metrics_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/roombus/roombus/metrics"
)

// encoder writes labels as `a=b,c=d`.
type encoder struct{}

func (encoder) ID() attribute.EncoderID { return attribute.EncoderID{} }

func (encoder) Encode(all attribute.Iterator) string {
	var parts []string
	for all.Next() {
		a := all.Attribute()
		parts = append(parts, string(a.Key)+"="+a.Value.String())
	}
	return strings.Join(parts, ",")
}

// labels are encoded labels in braces.
type labels string

func (l labels) String() string { return "{" + string(l) + "}" }

// row is a line of the table in docs/metrics.md: name, name for Prometheus, kind, unit, labels.
var row = regexp.MustCompile("(?m)^\\| `([a-z._]+)` \\| `([a-z_]+)` \\| (counter|gauge|histogram) \\| (\\S+) \\| (.*?) \\| (.*) \\|$")

// TestTheDocumentedTableIsTheCodes: each metric is in docs/metrics.md as it is declared, and nothing else is.
func TestTheDocumentedTableIsTheCodes(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []metrics.Documented
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		d := metrics.Documented{Name: m[1], Prometheus: m[2], Kind: m[3], Unit: m[4], About: m[6]}
		for _, label := range regexp.MustCompile("`([a-z._]+)`").FindAllStringSubmatch(m[5], -1) {
			d.Labels = append(d.Labels, label[1])
		}
		documented = append(documented, d)
	}
	declared := metrics.Declared()
	if len(documented) != len(declared) {
		t.Errorf("%d metrics are documented and %d declared", len(documented), len(declared))
	}
	for i := range min(len(documented), len(declared)) {
		got, want := documented[i], declared[i]
		if got.Name != want.Name || got.Prometheus != want.Prometheus || got.Kind != want.Kind || got.Unit != want.Unit ||
			got.About != want.About || !slices.Equal(got.Labels, want.Labels) {
			t.Errorf("row %d is\n%+v, want\n%+v", i+1, got, want)
		}
	}
}
