package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// symbolPrefix begins the linker's names of the microkernels.
const symbolPrefix = "github.com/incc-lang/incc/backends/cpu/kernel."

// instruction is a line of a disassembly.
type instruction struct {
	address uint64
	text    string // mnemonic and operands
	target  uint64 // of a branch, else 0
}

// loop returns the instructions of the innermost loop of the function that has most
// vector operations, or the whole function where it has no loop.
func (t toolset) loop(binary, symbol string) ([]string, error) {
	name := symbolPrefix + symbol + ".abi0"
	out, err := exec.Command(t.objdump, "-d", "--no-show-raw-insn", "--disassemble-symbols="+name, binary).Output()
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", t.objdump, symbol, err)
	}
	code := parse(string(out))
	if len(code) == 0 {
		return nil, fmt.Errorf("the kernel package for arm64 has no microkernel %s", symbol)
	}
	return innermost(code), nil
}

// parse reads the lines of a disassembly: "  233f00:   ldr x0, [sp, #8]".
func parse(text string) []instruction {
	var code []instruction
	for l := range strings.Lines(text) {
		addr, rest, ok := strings.Cut(strings.TrimSpace(l), ":")
		if !ok {
			continue
		}
		a, err := strconv.ParseUint(addr, 16, 64)
		fields := strings.Fields(rest)
		if err != nil || len(fields) == 0 {
			continue
		}
		in := instruction{address: a}
		if i := strings.Index(rest, "<"); i >= 0 {
			rest = rest[:i]
			f := strings.Fields(rest)
			in.target, _ = strconv.ParseUint(strings.TrimPrefix(f[len(f)-1], "0x"), 16, 64)
		}
		in.text = strings.Join(strings.Fields(rest), " ")
		code = append(code, in)
	}
	return code
}

// innermost finds the loops: a branch back to an address of the function. Of those
// that hold no other loop it takes the one with most multiply-adds of vectors, of equal ones
// the shortest. Branches in it count as not taken: they lead to rare cases.
func innermost(code []instruction) []string {
	index := map[uint64]int{}
	for i, in := range code {
		index[in.address] = i
	}
	type span struct{ from, to int }
	var loops []span
	for i, in := range code {
		if j, ok := index[in.target]; ok && in.target != 0 && j <= i {
			loops = append(loops, span{j, i})
		}
	}
	best, most := span{0, len(code) - 1}, -1 // without a loop: the function
	for _, l := range loops {
		inner := true
		for _, o := range loops {
			if o != l && o.from >= l.from && o.to <= l.to {
				inner = false
			}
		}
		n := count(texts(code[l.from:l.to+1]), multiplyAdds)
		if inner && (n > most || n == most && l.to-l.from < best.to-best.from) {
			best, most = l, n
		}
	}
	return texts(code[best.from : best.to+1])
}

// texts returns the instructions as text. The targets of branches become one label, since
// llvm-mca reads no addresses.
func texts(code []instruction) []string {
	var l []string
	for _, in := range code {
		s := in.text
		if in.target != 0 {
			s = s[:strings.LastIndex(s, " ")] + " .Lout"
		}
		if s != "ret" {
			l = append(l, s)
		}
	}
	return l
}

// arithmetic are the vector instructions that compute. Moves and loads are not work.
var arithmetic = map[string]bool{"fmla": true, "fmls": true, "fadd": true, "fsub": true, "fmul": true,
	"fdiv": true, "fsqrt": true, "fcmgt": true, "fcmge": true, "fcmeq": true, "fcmle": true, "fcmlt": true,
	"bic": true, "bit": true, "bif": true, "bsl": true,
	"sdot": true, "sudot": true, "smull": true, "smull2": true, "sadalp": true}

var multiplyAdds = map[string]bool{"fmla": true, "fmls": true, "sdot": true, "sudot": true, "smull": true, "smull2": true}

// count returns how many instructions of the block are of these and work on vectors.
func count(block []string, these map[string]bool) int {
	n := 0
	for _, s := range block {
		mnemonic, operands, _ := strings.Cut(s, " ")
		if these[mnemonic] && strings.HasPrefix(operands, "v") {
			n++
		}
	}
	return n
}

// errLacking says that a processor lacks an instruction of a block.
var errLacking = errors.New("the processor lacks an instruction")

// cycles returns the clock cycles that one run of the block takes in a long series.
func (t toolset) cycles(model string, block []string) (float64, error) {
	const rounds = 500
	cmd := exec.Command(t.mca, "-march=aarch64", "-mcpu="+model, "-json", "-iterations="+strconv.Itoa(rounds))
	cmd.Stdin = strings.NewReader(strings.Join(block, "\n") + "\n.Lout:\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && strings.Contains(stderr.String(), "instruction requires") {
		return 0, errLacking
	}
	if err != nil {
		return 0, fmt.Errorf("%s -mcpu=%s: %w\n%s", t.mca, model, err, stderr.Bytes())
	}
	var report struct {
		CodeRegions []struct {
			SummaryView struct{ TotalCycles, Iterations float64 }
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return 0, fmt.Errorf("%s -json: %w", t.mca, err)
	}
	if len(report.CodeRegions) == 0 || report.CodeRegions[0].SummaryView.Iterations == 0 {
		return 0, errors.New(t.mca + " -json: no summary")
	}
	s := report.CodeRegions[0].SummaryView
	return s.TotalCycles / s.Iterations, nil
}
