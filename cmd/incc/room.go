package main

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// use describes how a command uses a network. roomOf estimates the memory from it.
type use struct {
	batch     int  // images
	weights   int  // number of float32 copies of all weights
	inputs    bool // whether the command makes a batch of inputs
	executor  bool // whether the executor compiles and runs the network
	reference int  // number of runs of the reference interpreter in memory at once
}

// room is the memory that a network needs, in bytes.
type room struct{ weights, activations int64 }

// checkRoom returns an error if a network needs more memory than the limit. It is called
// before any of that memory is allocated. It counts only the inputs and outputs among
// the executor's activations; compileRoom, which knows the plan, counts all.
func checkRoom(c *cli.Context, g *ir.Graph, u use) error {
	l, err := roomLimit(c)
	if err != nil {
		return err
	}
	return roomError(c, g.Name, roomOf(g, u), u.batch, l)
}

// compileRoom calls cpu.Compile. It returns an error if the program needs more memory
// than the limit.
func compileRoom(c *cli.Context, g *ir.Graph, o cpu.Options) (*cpu.Program, error) {
	l, err := roomLimit(c)
	if err != nil {
		return nil, err
	}
	o.Memory = l.bytes
	p, err := cpu.Compile(g, o)
	var short *cpu.MemoryError
	if errors.As(err, &short) {
		return nil, roomError(c, g.Name, room{short.Weights, short.Activations}, max(1, o.Batch), l)
	}
	return p, err
}

// roomLimit returns the limit for everything that a command allocates. Where --memory
// limits only a step of training (memoryFlag), the limit here is the free memory.
func roomLimit(c *cli.Context) (limit, error) {
	l, err := memoryLimit(c)
	if n, ok := freeMemory(); ok && l.asked && l.bytes < n && findFlag(c.Command.Flags, "memory") == memoryFlag {
		l = limit{bytes: n}
	}
	return l, err
}

// roomError returns an error if need is larger than the limit. The error says which of
// the command's flags help.
func roomError(c *cli.Context, name string, need room, batch int, l limit) error {
	if plus(need.weights, need.activations) <= l.bytes {
		return nil
	}
	mend := ""
	if findFlag(c.Command.Flags, "batch") != nil && batch > 1 {
		mend = "take a smaller --batch"
	}
	if findFlag(c.Command.Flags, "memory") != nil && c.Command.Name != "go" {
		if mend != "" {
			mend += ", or "
		}
		mend += "allow more with --memory SIZE"
	}
	if mend != "" {
		mend = ": " + mend
	}
	activations := ""
	if need.activations > 0 {
		activations = fmt.Sprintf(" and %s for activations at batch %d", bytesText(need.activations), max(1, batch))
	}
	return fmt.Errorf("network %s needs %s for weights%s; %s%s", diag.Name(name), bytesText(need.weights), activations, l, mend)
}

// roomOf returns the memory that a command needs for a network.
func roomOf(g *ir.Graph, u use) room {
	var r room
	all, largest := int64(0), int64(0)
	for _, v := range g.Params {
		n := elements(v.Type.Shape, 1)
		all, largest = plus(all, n), max(largest, n)
	}
	r.weights = times(4*int64(u.weights), all)
	batch := int64(max(1, u.batch))
	inputs, outputs := int64(0), int64(0)
	for _, v := range g.Inputs {
		inputs = plus(inputs, elements(v.Type.Shape, batch))
	}
	for _, v := range g.Outputs {
		outputs = plus(outputs, elements(v.Type.Shape, batch))
	}
	if u.inputs { // 16 bytes an element: drawn as float32, widened to float64, rounded to float32
		r.activations = times(16, inputs)
	}
	if u.executor {
		// The weights of a dense layer are reordered in one piece, in float64, before
		// they are packed.
		r.weights = plus(r.weights, plus(times(4, all), times(20, largest)))
		r.activations = plus(r.activations, times(4, plus(inputs, outputs)))
	}
	if u.reference > 0 {
		x := referenceRoom(g, batch)
		// 10 bytes for a float64, since the garbage collector lets a heap grow by a
		// quarter (tuneCollector).
		r.weights = plus(r.weights, times(10, x.weights))
		r.activations = plus(r.activations, times(10*int64(u.reference), x.activations))
	}
	return r
}

// referenceRoom returns the largest number of elements that the reference interpreter
// holds at once, and not bytes, although it uses the type room.
func referenceRoom(g *ir.Graph, batch int64) room {
	last := map[*ir.Value]int{}
	for i, n := range g.Nodes {
		for _, v := range n.In {
			last[v] = i
		}
	}
	for _, v := range g.Roots() {
		last[v] = math.MaxInt
	}
	var now, most room
	held := map[*ir.Value]bool{}
	count := func(v *ir.Value, sign int64) {
		if v == nil || held[v] == (sign > 0) {
			return
		}
		held[v] = sign > 0
		n := elements(v.Type.Shape, batch)
		if v.Param != nil {
			now.weights = plus(now.weights, sign*n)
		} else {
			now.activations = plus(now.activations, sign*n)
		}
	}
	for _, v := range g.Inputs {
		count(v, 1)
	}
	for i, n := range g.Nodes {
		for _, v := range n.In {
			count(v, 1)
		}
		for _, v := range n.Out {
			count(v, 1)
		}
		if plus(now.weights, now.activations) >= plus(most.weights, most.activations) {
			most = now
		}
		for _, v := range n.In {
			if last[v] == i {
				count(v, -1)
			}
		}
	}
	return most
}

// elements returns the number of elements of a shape at a batch.
func elements(s ir.Shape, batch int64) int64 {
	n := int64(1)
	for _, d := range s {
		if d == ir.Batch {
			n = times(n, batch)
		} else {
			n = times(n, int64(d))
		}
	}
	return n
}

// plus and times return math.MaxInt64 if the result would be larger. The arguments of
// times must not be negative.

func plus(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func times(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}
