package domain

import (
	"strings"
	"testing"
)

func BenchmarkNewPacket(b *testing.B) {
	inputs := []struct{ name, json string }{
		{"100 bytes", `["message",{"room":"lobby","body":"good morning to all of you","from":"Zoë","at":1795338738822,"n":[1,2]}]`},
		{"10 kB", `["message",{"body":"` + strings.Repeat("good morning to all of you ", 380) + `"}]`},
	}
	for _, in := range inputs {
		b.Run(in.name, func(b *testing.B) {
			data := []byte(in.json)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NewPacket(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkArgs(b *testing.B) {
	p, err := NewPacket([]byte(`["upload",{"name":"a"},{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`), []byte("x"), []byte("y"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Args(); err != nil {
			b.Fatal(err)
		}
	}
}
