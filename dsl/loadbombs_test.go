package dsl

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/ir/irtest/cputime"
)

// TestLoadBombs loads texts that reach or exceed a limit. Each takes less than a second on
// an idle machine and allocates less than 256 MB plus eight times its size.
func TestLoadBombs(t *testing.T) {
	many := func(s string, n int) string { return strings.Repeat(s, n) }
	numbered := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.NewReplacer("%d", fmt.Sprint(i), "%p", fmt.Sprint(i-1)).Replace(format))
		}
		return b.String()
	}
	part := 8 // use 1/part of the allowed size
	if long() > 1 {
		part = 1
	}
	const head = "net a\ninput x 3x8x8\n"
	const bnrelu = head + "default conv bn=1e-3 act=relu\n"
	doubling := func(stmt string) string {
		return "block b0 = conv 1x1 3\n" + numbered(stmt, 61)[len(strings.NewReplacer("%d", "0", "%p", "-1").Replace(stmt)):]
	}
	const tooMany = "E0505"
	for _, b := range []struct{ name, text, code string }{
		{"repeat", bnrelu + "block b = conv 1x1 3 -> conv 1x1 4 -> conv 1x1 5 -> conv 1x1 3\nrepeat 999999 { b }\n", tooMany},
		{"repeats nested", head + many("repeat 999999 { ", 200) + "relu" + many(" }", 200), tooMany},
		{"repeat of 2^31", head + "repeat 2147483647 { relu }", tooMany},
		{"repeat of nothing much", head + "repeat 99990 { identity }\nrelu", ""},
		{"repeat by let", head + "let n = 999999\nrepeat n { relu }", tooMany},
		{"repeat by parameter", head + "block b n = repeat n { relu }\nb 500000\n", tooMany},
		{"repeat by default of a parameter", head + "block b n=500000 = repeat n { relu }\nb\n", tooMany},
		{"repeat by key", head + "block b n = repeat times=n { relu }\nb n=500000\n", tooMany},
		{"repeat in a block in a repeat", head + "block b n = repeat n { relu }\nblock c n = repeat n { b n }\nc 5000\n", tooMany},
		{"blocks doubling", head + doubling("block b%d = b%p -> b%p\n") + "b60\n", tooMany},
		{"blocks doubling unused", head + doubling("block b%d = b%p -> b%p\n") + "relu\n", ""},
		{"concat doubling", head + doubling("block b%d = concat { b%p; b%p }\n") + "b60\n", tooMany},
		{"add doubling", head + doubling("block b%d = add { b%p; b%p }\n") + "b60\n", tooMany},
		{"max doubling", head + doubling("block b%d = max { b%p; b%p }\n") + "b60\n", tooMany},
		{"residual doubling", head + doubling("block b%d = residual { b%p -> b%p }\n") + "b60\n", tooMany},
		{"proj doubling", head + doubling("block b%d = residual proj={ b%p } { b%p }\n") + "b60\n", tooMany},
		{"heads", head + "repeat 60000 { head { gap } }\nrelu", tooMany},
		{"heads doubling", head + doubling("block b%d = head { b%p } -> b%p\n") + "b60\n", tooMany},
		{"nodes at the limit", bnrelu + "repeat 33333 { conv 1x1 3 }\n", ""},
		{"nodes over the limit", bnrelu + "repeat 90000 { conv 1x1 3 }\n", tooMany},
		{"identities", head + "repeat 99998 { identity }\n", "E0502"},
		{"inceptions", "net a\ninput x 3x8x8\nrepeat 99999 { inception 1 1 1 1 1 1 }\n", tooMany},
		{"chain of lets", head + "let a0 = 3\n" + numbered("let a%d = a%p\n", 40000/part)[len("let a0 = a-1\n"):] + "conv 1x1 a" + fmt.Sprint(40000/part-1) + "\n", ""},
		{"chain of blocks", head + "block b0 = relu\n" + numbered("block b%d = b%p\n", 30000/part)[len("block b0 = b-1\n"):] + "b" + fmt.Sprint(30000/part-1) + "\n", "E0506"},
		{"branches", head + "add {" + many("relu;", 90000/part) + "}", ""},
		{"branches that differ", head + "add {" + numbered("conv 1x1 %d1;", 30000/part) + "}", "E0302"},
		{"concat of many", head + "concat {" + many("relu;", 90000/part) + "}", ""},
		{"unknown ops", head + many("a;", 100000/part), "E0401"},
		{"unknown ops in a repeat", head + "repeat 90000 { a }", "E0401"},
		{"unknown keys", head + many("relu a=1\n", 60000/part), "E0404"},
		{"unknown values", head + many("conv 3x3 abc\n", 60000/part), "E0405"},
		{"unknown strides", head + many("conv k/2 3\n", 60000/part), "E0406"},
		{"defaults", head + many("default conv act=relu\n", 30000/part) + "repeat 5000 { conv 1x1 3 }", ""},
		{"defaults between", head + many("default conv act=relu\nconv 1x1 3\n", 20000/part), ""},
		{"default of many keys", head + "default" + numbered(" k%d=1", 60000/part) + "\nconv 1x1 3\n", "E0404"},
		{"many blocks", head + numbered("block b%d = relu\n", 40000/part) + many("b0\n", 20000/part), ""},
		{"many parameters", head + "block b" + numbered(" p%d", 60000/part) + " = relu\nb" + many(" 1", 60000/part) + "\n", "E0228"},
		{"many keys of a block", head + "block b" + numbered(" p%d", 5000) + " = relu\nb" + numbered(" p%d=1", 5000) + "\n", "E0228"},
		{"wide block many times", head + "block b" + numbered(" p%d=1", 5000) + " = relu\nrepeat 40000 { b }\n", "E0228"},
		{"block of 64 parameters many times", head + "block b" + numbered(" p%d=1", 64) + " = relu\nrepeat 40000 { b }\n", ""},
		{"many arguments", head + "conv" + many(" 1", 100000/part), "E0403"},
		{"dropouts and branches", head + many("dropout 0.5\n", 20000/part) + "concat {" + many("conv 1x1 1;", 20000/part) + "}\n", ""},
		{"labels in repeats", head + "repeat 90000 { a: relu }", ""},
		{"names that collide", head + many("relu\n", 90000/part), ""},
		{"labels that collide", head + many("a: relu\n", 40000/part), ""},
		{"train statements", head + "relu\ntrain {" + many("augment flip=1\n", 30000/part) + "}", ""},
		{"wrong train statements", head + "relu\ntrain {" + many("abc x=1\n", 30000/part) + "}", "E0606"},
		{"values that nobody defines", "graph a\nx = input 3\n" + numbered("v%d = relu b\n", 100000), "E0702"},
		{"values that others define", "graph a\nx = input 3\n" + numbered("v%d = relu w%d\nw%d = relu x\n", 40000/part) + "output x\n", "E0702"},
		{"ops that do not exist", "graph a\nx = input 3\n" + numbered("v%d = abc x\n", 100000) + "output x\n", "E0701"},
		{"attributes that do not exist", "graph a\nx = input 3\n" + numbered("v%d = relu x q=1\n", 80000/part) + "output x\n", "E0704"},
		{"a graph at the limit", "graph a\nx = input 3\n" + numbered("v%d = relu x\n", 100000) + "output x\n", ""},
		{"a graph over the limit", "graph a\nx = input 3\n" + numbered("v%d = relu x\n", 150000) + "output x\n", tooMany},
		{"parts", "graph a\nx = input 3\ny = relu x\noutput y\n" + numbered("part p%d = y\n", 100000), ""},
		{"outputs", "graph a\nx = input 3\ny = relu x\noutput" + many(" y", 300000/part), ""},
		{"operands", "graph a\nx = input 3\ny = add" + many(" x", 300000/part) + "\noutput y", ""},
		{"elements of a constant", "graph a\nx = input 3\nc = const " + fmt.Sprint(300000/part) + " 0" + many(",0", 300000/part-1) + "\noutput x\n", ""},
		{"a large constant without elements", "graph a\nx = input 3\nc = const 16777216x64 1,2\noutput x\n", "E0706"},
	} {
		t.Run(b.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			since := cputime.Start()
			l := Lint("x.incc", []byte(b.text), Options{})
			took := since()
			runtime.ReadMemStats(&after)
			switch {
			case b.code == "" && l.HasErrors():
				t.Errorf("it is allowed: %v", l[0])
			case b.code != "" && !has(l, b.code):
				t.Errorf("no %s in %d problems", b.code, len(l))
			}
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 1024 {
				t.Errorf("it allocates %d MB in all", mb)
			}
			if took > 20*time.Second {
				t.Errorf("%v", took)
			}
			t.Logf("%8d bytes: %v, %d MB in all", len(b.text), took, (after.TotalAlloc-before.TotalAlloc)>>20)
		})
	}
}
