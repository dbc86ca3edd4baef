package vasm

import (
	"strings"
	"testing"
)

// text describes a function for a tier and returns its lines without the head.
func text(t *Tier, build func(k *Func)) string {
	f := &File{Arch: t.Arch}
	f.Func(t, "f", "t *byte, x float32, n int", build)
	_, body, _ := strings.Cut(string(f.Assembly("test")), "TEXT ·f(SB), NOSPLIT, $0-24\n")
	return body
}

// TestPrinters compares a few operations with what each tier should print.
func TestPrinters(t *testing.T) {
	for _, c := range []struct {
		tier *Tier
		want string
	}{
		{AVX512, `	MOVQ n+16(FP), AX
	VMOVUPS 64(AX), Z0
	VBROADCASTSS x+8(FP), Z1
	VFMADD231PS Z0, Z0, Z1
	VCMPPS $9, (AX), Z0, K1; VMOVAPS.Z Z1, K1, Z1
	SUBQ $2, AX
	JNZ again
	VZEROUPPER
	RET
`},
		{AVX2, `	MOVQ n+16(FP), AX
	VMOVUPS 64(AX), Y0
	VBROADCASTSS x+8(FP), Y1
	VFMADD231PS Y0, Y0, Y1
	VCMPPS $9, (AX), Y0, Y2; VANDPS Y2, Y1, Y1
	SUBQ $2, AX
	JNZ again
	VZEROUPPER
	RET
`},
		{NEON, `	MOVD n+16(FP), R0
	WORD $0x3dc01000 // ldr q0, [x0, #64]
	FMOVS x+8(FP), F1; WORD $0x4e040421 // dup v1.4s, v1.s[0]
	WORD $0x4e20cc01 // fmla v1.4s, v0.4s, v0.4s
	WORD $0x3dc00002; WORD $0x6ea0d842; WORD $0x4e621c21 // ldr q2, [x0]; fcmle v2.4s, v2.4s, #0.0; bic v1.16b, v1.16b, v2.16b
	SUBS $2, R0
	BNE again
	RET
`},
	} {
		got := text(c.tier, func(k *Func) {
			n, v, s := k.Arg("n"), k.V(), k.V()
			k.Temps(1)
			k.Load([]V{v}, At(n, 64))
			k.BroadcastArg(s, "x")
			k.FMA(s, v, v)
			k.KeepPositive([]V{s}, At(n, 0), v, 0, 0)
			k.Repeat(n, 2, "again")
			k.Return()
		})
		if got != c.want {
			t.Errorf("%s:\n%swant\n%s", c.tier.Suffix, got, c.want)
		}
	}
}

// TestLines checks where the places of two halves are, for three, five and six steps.
func TestLines(t *testing.T) {
	got := text(AVX512, func(k *Func) {
		l := k.Lines(14)
		v := k.V()
		for q := range 14 {
			k.Load([]V{v}, l.At(q, 4))
		}
	})
	want := []string{"4(DX)", "4(DX)(AX*1)", "4(DX)(AX*2)", "4(DX)(DI*1)", "4(DX)(AX*4)", "4(DX)(R8*1)", "4(DX)(DI*2)",
		"4(SI)", "4(SI)(AX*1)", "4(SI)(AX*2)", "4(SI)(DI*1)", "4(SI)(AX*4)", "4(SI)(R8*1)", "4(SI)(DI*2)"}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	for i, w := range want {
		if i >= len(lines) || strings.TrimSpace(lines[i]) != "VMOVUPS "+w+", Z0" {
			t.Fatalf("place %d is in\n%swant %s", i, got, w)
		}
	}
}

// TestSpread checks how a channel of each group of 4 and of 8 gets to all lanes of its group.
func TestSpread(t *testing.T) {
	for _, c := range []struct {
		tier  *Tier
		width int
		want  string
	}{
		{AVX512, 8, "VMOVUPS (BX), Z3; VPERMPS 64(AX), Z3, Z2; VFMADD231PS Z2, Z1, Z0"},
		{AVX2, 4, "VMOVUPS (BX), Y3; VPERMPS 64(AX), Y3, Y2; VFMADD231PS Y2, Y1, Y0"},
		{AVX2, 8, "VBROADCASTSS 64(AX), Y2; VFMADD231PS Y2, Y1, Y0"},
		{NEON, 4, "ldr s4, [x0, #64]; ldr s5, [x0, #80]; fmla v0.4s, v2.4s, v4.s[0]; fmla v1.4s, v3.4s, v5.s[0]"},
		{NEON, 8, "ldr s4, [x0, #64]; fmla v0.4s, v2.4s, v4.s[0]; fmla v1.4s, v3.4s, v4.s[0]"},
	} {
		got := text(c.tier, func(k *Func) {
			x, per := k.Reg(), c.tier.PartBytes()*c.tier.Per/64
			acc, weights := k.Vs(per), k.Vs(per)
			end := k.line()
			s := k.Spread(c.width)
			s.Channel()
			s.MultiplyAdd(At(x, 64), [][]V{acc}, [][]V{weights})
			end()
		})
		if got = strings.ReplaceAll(got, "; ADDQ $64, BX", ""); !strings.Contains(got, c.want) {
			t.Errorf("%s, groups of %d: %swant %s", c.tier.Suffix, c.width, got, c.want)
		}
	}
}

// TestOutOfRegisters: a kernel that wants more than a tier has is an error of the generator.
func TestOutOfRegisters(t *testing.T) {
	for _, tier := range []*Tier{AVX512, AVX2, NEON} {
		fails := func(what string, n int, take func(k *Func)) {
			defer func() {
				if s, _ := recover().(string); !strings.Contains(s, "out of "+what+" registers on "+tier.Suffix) {
					t.Errorf("%s: %q", tier.Suffix, s)
				}
			}()
			text(tier, func(k *Func) {
				for range n {
					take(k)
				}
			})
		}
		fails("vector", tier.Regs+1, func(k *Func) { k.V() })
		fails("general", 32, func(k *Func) { k.Reg() })
	}
}
