package main

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// jsonLines are command lines for every command that has --json, which the test adds.
// Their output is one or more JSON values and nothing else.
var jsonLines = []string{
	"summary mynet.incc",
	"summary mynet.incc --depth 1",
	"run mynet.incc --input noise:2",
	"predict mnist/nin --weights nin.safetensors digit.png",
	"bench mynet.incc --time 1ms",
	"bench mynet.incc --time 1ms --layers --tune tuning.json --trace trace.json",
	"plan mynet.incc --buffers",
	"plan mynet.incc --measure",
	"eval mnist/nin --weights nin.safetensors --data idx",
	"compare runs/lenet runs/nin",
	"experiment",
	"experiment maxout",
	"data inspect idx",
	"diff mnist/inception_v1 mnist/inception_v3",
	"specs",
	"vet mynet.incc",
	"vet bad.incc",
	"passes",
	"passes mynet.incc -O2",
	"passes mynet.incc --passes=factorize=retrain,mid=2,force",
	"doctor",
	"version",
}

// TestJSON: with --json a command prints JSON, to standard output or, for the problems of
// a spec, to standard error.
func TestJSON(t *testing.T) {
	exampleDir(t)
	if err := writeIDX("idx", 28, 20, 10); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("bad.incc", []byte("net bad\ninput image 1x28x28\nconvv 3x3 8\nfc\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, line := range jsonLines {
		args := strings.Fields(line)
		code, stdout, stderr := capture(t, append(args, "--json")...)
		if text, bad := stdout, strings.Contains(line, "bad.incc"); bad || code != exitOK {
			if text = stderr; !bad || code != exitError {
				t.Errorf("incc %s --json exits with %d: %s", line, code, stderr)
				continue
			}
			checkJSON(t, line, text, 1)
		} else if strings.HasPrefix(line, "vet") {
			checkJSON(t, line, stdout, 0)
		} else {
			checkJSON(t, line, stdout, 1)
		}
		name := args[0]
		if name == "data" {
			name += " " + args[1]
		}
		tried[name] = true
	}
	var each func(prefix string, c *cli.Command)
	each = func(prefix string, c *cli.Command) {
		name := strings.TrimSpace(prefix + " " + c.Name)
		if findFlag(c.Flags, "json") != nil && !tried[name] {
			t.Errorf("no line here tries incc %s --json", name)
		}
		for _, s := range c.Subcommands {
			each(name, s)
		}
	}
	for _, c := range commands() {
		each("", c)
	}
}

// checkJSON fails the test if a text is not a sequence of at least the given number of
// JSON values.
func checkJSON(t *testing.T, line, text string, least int) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	n := 0
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Errorf("incc %s --json prints what is not JSON behind %d values: %v\n%.400s", line, n, err, text)
			return
		}
		n++
	}
	if n < least {
		t.Errorf("incc %s --json prints %d values, want at least %d", line, n, least)
	}
}

// TestNumbersOfJSON: JSON has no NaN and no infinities.
func TestNumbersOfJSON(t *testing.T) {
	var b strings.Builder
	inf := math.Inf(1)
	if err := writeLineJSON(&b, []any{jsonNumbers([]float32{0.1, float32(math.NaN()), float32(-inf)}), topLine{Value: inf}, topLine{Class: 1, Label: "a", Value: 0.5}}); err != nil {
		t.Fatal(err)
	}
	if want := `[[0.1,"NaN","-Infinity"],{"class":0,"value":"Infinity"},{"class":1,"label":"a","value":0.5}]` + "\n"; b.String() != want {
		t.Errorf("%s, want %s", b.String(), want)
	}
}
