package cpu

import "testing"

func BenchmarkCompile(b *testing.B) {
	for _, name := range []string{"googlenet", "inception_v3"} {
		g := load(b, name, 2)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Compile(g, Options{Threads: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
