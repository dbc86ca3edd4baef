package main

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// listing is a function with an outer loop, an inner loop of eight instructions that has four
// multiply-adds and a branch to a rare case, and a longer loop of additions.
const listing = `
kernel.test:	file format elf64-littleaarch64

0000000000001000 <kernel.f.abi0>:
    1000:      	ldr	x0, [sp, #0x8]
    1004:      	cbnz	x12, 0x1050 <kernel.f.abi0+0x50>
    1008:      	ldr	q30, [x2, x8]
    100c:      	fmla	v0.4s, v30.4s, v24.s[0]
    1010:      	fmla	v1.4s, v30.4s, v24.s[1]
    1014:      	fmla	v2.4s, v30.4s, v24.s[2]
    1018:      	fmla	v3.4s, v30.4s, v24.s[3]
    101c:      	subs	x4, x4, #0x1
    1020:      	b.ne	0x1004 <kernel.f.abi0+0x4>
    1024:      	fadd	v0.4s, v0.4s, v1.4s
    1028:      	fadd	v0.4s, v0.4s, v1.4s
    102c:      	fadd	v0.4s, v0.4s, v1.4s
    1030:      	fadd	v0.4s, v0.4s, v1.4s
    1034:      	fadd	v0.4s, v0.4s, v1.4s
    1038:      	cbnz	x5, 0x1024 <kernel.f.abi0+0x24>
    103c:      	cbnz	x6, 0x1000 <kernel.f.abi0>
    1040:      	ret
`

func TestInnermostLoop(t *testing.T) {
	got := innermost(parse(listing))
	want := []string{"cbnz x12, .Lout", "ldr q30, [x2, x8]", "fmla v0.4s, v30.4s, v24.s[0]", "fmla v1.4s, v30.4s, v24.s[1]",
		"fmla v2.4s, v30.4s, v24.s[2]", "fmla v3.4s, v30.4s, v24.s[3]", "subs x4, x4, #0x1", "b.ne .Lout"}
	if !slices.Equal(got, want) {
		t.Errorf("innermost loop %q, want %q", got, want)
	}
	if n := count(got, arithmetic); n != 4 {
		t.Errorf("%d vector operations, want 4", n)
	}
}

// TestCycles compares with what is known of the Neoverse N1: two vector pipes, so 24
// multiply-adds that do not depend on each other take 12 cycles, and one that depends on
// itself by way of its sum takes 2 (forwarding of the accumulator) to 4.
func TestCycles(t *testing.T) {
	tool, err := tools("")
	if err != nil {
		t.Skip(err)
	}
	if p, err := tool.pipes("neoverse-n1"); err != nil || p != 2 {
		t.Errorf("neoverse-n1 has %v vector pipes (%v), want 2", p, err)
	}
	c, err := tool.cycles("neoverse-n1", []string{"fmla v0.4s, v30.4s, v31.s[0]"})
	if err != nil || math.Abs(c-3) > 1.1 {
		t.Errorf("a chain of multiply-adds takes %v cycles each (%v), want 2 to 4", c, err)
	}
}

// The README has a row for each microkernel and a column for each model. Its numbers are
// not compared: they belong to the version of LLVM that the table names.
func TestTableInReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), tableBegin)
	table, _, ok := strings.Cut(rest, tableEnd)
	if !ok {
		t.Fatalf("README.md has no table between %q and %q", tableBegin, tableEnd)
	}
	for _, k := range microkernels {
		if !strings.Contains(table, "(`"+k.symbol+"`)") {
			t.Errorf("the table has no row for %s; run %s", k.symbol, strings.Trim(tableBegin, "<!-> \n"))
		}
	}
	if head, _, _ := strings.Cut(table, "\n"); strings.Count(head, "|") != len(models)+3 {
		t.Errorf("the head of the table is %q, want a column for each of %q", head, models)
	}
}
