package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/specs"
)

// TestFoldSums folds every built-in network at several depths. The rows together have the
// parameters and multiply-accumulates that the comment of the spec tells.
func TestFoldSums(t *testing.T) {
	count := func(text, name string) string {
		if m := regexp.MustCompile(name + ` ([0-9,]+)`).FindStringSubmatch(text); m != nil {
			return strings.TrimRight(m[1], ",")
		}
		return ""
	}
	for _, name := range specs.Names() {
		text, file, _ := specs.Source(name)
		g, problems := dsl.Load(file, text, dsl.Options{})
		if problems.HasErrors() {
			t.Fatal(name)
		}
		comment, _, _ := strings.Cut(string(text), "\nnet ")
		comment = strings.Join(strings.Fields(strings.ReplaceAll(comment, "\n#", " ")), " ")
		_, comment, _ = strings.Cut(comment, "Counts:")
		if comment == "" {
			t.Errorf("%s has no counts", name)
		}
		s := ir.Summarize(g)
		before := 0
		for depth := range 4 {
			var params, macs, all int64
			layers := 0
			rows := foldSummary(g, s, depth)
			for _, r := range rows {
				layers += r.Layers
				all += r.Params
				if !r.Head {
					params += r.Params
					macs += r.MACs
				}
			}
			if layers != len(g.Nodes) || len(rows) < before {
				t.Errorf("%s, depth %d: %d rows of %d layers; the network has %d", name, depth, len(rows), layers, len(g.Nodes))
			}
			before = len(rows)
			for _, c := range []struct {
				what string
				got  int64
			}{{"params", params}, {"MACs", macs}, {"with heads", all}} {
				if want := count(comment, c.what); want != "" && diag.Thousands(c.got) != want {
					t.Errorf("%s, depth %d: %s %s, the comment says %s", name, depth, c.what, diag.Thousands(c.got), want)
				}
			}
		}
	}
}

// TestFoldGoogLeNet compares the rows with table 1 of Szegedy 2015: output size, depth, and
// parameters in thousands where the table is right (its numbers have no bias).
func TestFoldGoogLeNet(t *testing.T) {
	code, out, stderr := capture(t, "summary", "googlenet", "--depth", "1", "--json")
	if code != 0 {
		t.Fatal(stderr)
	}
	var j foldedJSON
	if err := json.Unmarshal([]byte(out), &j); err != nil {
		t.Fatal(err)
	}
	rows := map[string]rowJSON{}
	for _, r := range j.Rows {
		rows[r.Name] = r
	}
	for _, c := range []struct {
		name, output string
		depth        int
		thousands    int64 // without bias; 0 for not told
	}{
		{"stem/conv_7x7", "64x112x112", 1, 0}, {"stem/maxpool_3x3", "64x56x56", 0, 0}, {"stem/conv_3x3", "192x56x56", 1, 0}, {"stem/maxpool_3x3_2", "192x28x28", 0, 0},
		{"3a/inception", "256x28x28", 2, 159}, {"3b/inception", "480x28x28", 2, 380}, {"3b/maxpool_3x3", "480x14x14", 0, 0}, {"4a/inception", "512x14x14", 2, 364},
		{"4b/inception", "512x14x14", 2, 437}, {"4c/inception", "512x14x14", 2, 463}, {"4d/inception", "528x14x14", 2, 580}, {"4e/inception", "832x14x14", 2, 840},
		{"4e/maxpool_3x3", "832x7x7", 0, 0}, {"5a/inception", "832x7x7", 2, 1072}, {"5b/inception", "1024x7x7", 2, 1388}, {"top/gap", "1024x1x1", 0, 0}, {"top/fc", "1000", 1, 1000},
	} {
		r, ok := rows[c.name]
		if !ok || fmt.Sprint(r.Output) != c.output || r.Depth != c.depth {
			t.Errorf("%s: %v, depth %d; want %s, %d", c.name, r.Output, r.Depth, c.output, c.depth)
		}
		// The table divides some counts by 1024 and has some slips of up to a tenth.
		if c.thousands > 0 && (r.Params < c.thousands*900 || r.Params > c.thousands*1120) {
			t.Errorf("%s: %d parameters; the table has %d thousand", c.name, r.Params, c.thousands)
		}
	}
	if j.Depth != 22 { // "22 layers deep when counting only layers with parameters"
		t.Errorf("the network is %d layers deep, want 22", j.Depth)
	}
	if r := rows["3a/inception"]; r.OwnField != [2]int{5, 5} || r.ReceptiveField != [2]int{59, 59} || r.Params != 163696 {
		t.Errorf("3a: %+v", r)
	}
	if r := rows["4a/head"]; !r.Head || r.Depth != 3 {
		t.Errorf("the head: %+v", r)
	}
}
