package conformance

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/roombus/roombus/domain"
)

// Difference compares two messages, envelope and body, and describes what differs; it is empty when they mean the same.
// Empty lists are like none, times count to the millisecond, values are compared by what they mean and not by how their
// JSON is written, binaries by their bytes. The publisher's numbers are not compared: the log fills them in.
func Difference(want, got *domain.Message) string {
	strip := func(m *domain.Message) domain.Message {
		c := *m
		c.Publisher, c.Sequence, c.Skipped = "", 0, 0
		return c
	}
	return differ(strip(want), strip(got))
}

// differ lists the lines of the two descriptions that are not in both.
func differ(want, got any) string {
	w, g := describe(want), describe(got)
	var out []string
	for _, line := range w {
		if !slices.Contains(g, line) {
			out = append(out, "missing: "+line)
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			out = append(out, "not expected: "+line)
		}
	}
	return strings.Join(out, "\n")
}

// describe writes a value as lines `path = content`, without what is zero.
func describe(v any) []string {
	var lines []string
	walk(reflect.ValueOf(v), "", func(path, content string) { lines = append(lines, path+" = "+content) })
	return lines
}

func walk(v reflect.Value, path string, line func(path, content string)) {
	switch special := v.Interface().(type) {
	case domain.Value:
		if !special.IsZero() {
			line(path, describeValue(special))
		}
		return
	case domain.Packet:
		if !special.IsZero() {
			line(path+".Event", special.Event())
			line(path, describeValue(special.Value()))
		}
		return
	case time.Time:
		if !special.IsZero() {
			line(path, special.UTC().Format("2006-01-02T15:04:05.000"))
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			line(path, v.Elem().Type().String()) // so that a pointer to zero is not like none
			walk(v.Elem(), path, line)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, line)
		}
	case reflect.Slice:
		for i := range v.Len() {
			line(fmt.Sprintf("%s[%d]", path, i), "present")
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), line)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			line(fmt.Sprintf("%s[%v]", path, key), "present")
			walk(v.MapIndex(key), fmt.Sprintf("%s[%v]", path, key), line)
		}
	default:
		if !v.IsZero() {
			line(path, fmt.Sprintf("%#v", v.Interface()))
		}
	}
}

// describeValue is JSON with sorted keys and the binaries in their places.
func describeValue(v domain.Value) string {
	var tree any
	if err := json.Unmarshal(v.JSON(), &tree); err != nil {
		return fmt.Sprintf("broken JSON (%v)", err)
	}
	text, err := json.Marshal(withBinaries(tree, v.Attachments()))
	if err != nil {
		return fmt.Sprintf("broken value (%v)", err)
	}
	return string(text)
}

func withBinaries(tree any, attachments [][]byte) any {
	switch node := tree.(type) {
	case []any:
		for i := range node {
			node[i] = withBinaries(node[i], attachments)
		}
	case map[string]any:
		if isPlaceholder, ok := node["_placeholder"].(bool); ok && isPlaceholder {
			num, ok := node["num"].(float64)
			if !ok || num < 0 || int(num) >= len(attachments) {
				return "placeholder of no attachment"
			}
			return "binary " + hex.EncodeToString(attachments[int(num)])
		}
		for key := range node {
			node[key] = withBinaries(node[key], attachments)
		}
	}
	return tree
}
