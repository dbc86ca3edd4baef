package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/chart"
)

// TestMessagesAboutFiles reads what is not there: no message names a system call, and each
// says what it wants.
func TestMessagesAboutFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"norun/notes": "", "started/run.json": "{}", "torn/spec.incc": "net torn\ninput image 1x4x4\nfc 10 -> softmax\n", "torn/last.safetensors": ""} {
		if err := os.MkdirAll(strings.Split(name, "/")[0], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := capture(t, "weights", "mnist/lenet", "-o", "w.safetensors"); code != 0 {
		t.Fatal(stderr)
	}
	for _, c := range []struct{ line, want string }{
		{"compare norun", "norun is not the folder of a run: it has no results.csv"},
		{"compare nothing", "there is no folder nothing"},
		{"compare started", "the run in started has not finished an epoch yet"},
		{"train --resume torn", "torn has no run.json, which incc train writes when a run begins"},
		{"eval torn", "torn has no run.json"},
		{"verify nothing.onnx", "nothing.onnx: no such file or directory"},
		{"vet nothing.incc", "nothing.incc: no such file or directory"},
		{"run mnist/lenet --input nothing.npy", "nothing.npy: no such file or directory"},
		{"predict mnist/lenet --weights nothing.safetensors x.png", "nothing.safetensors: no such file or directory"},
		{"predict mnist/lenet --weights w.safetensors x.png", "x.png: no such file or directory"},
	} {
		code, out, stderr := capture(t, strings.Fields(c.line)...)
		if code != exitError || !strings.Contains(stderr, c.want) {
			t.Errorf("incc %s exits with %d: %s, want %s", c.line, code, stderr, c.want)
		}
		if strings.Contains(out+stderr, "stat ") || strings.Contains(out+stderr, "open ") {
			t.Errorf("incc %s names a system call: %s", c.line, stderr)
		}
	}
	_, out, _ := capture(t, "predict", "mnist/lenet", "--weights", "w.safetensors", "x.png", "--json")
	if want := `{"picture":"x.png","error":"no such file or directory"}` + "\n"; out != want {
		t.Errorf("--json prints %s, want %s", out, want)
	}
	_, out, _ = capture(t, "predict", "mnist/lenet", "--weights", "w.safetensors", "x.png", "--csv")
	if want := "picture,rank,class,label,score,error\nx.png,,,,,no such file or directory\n"; out != want {
		t.Errorf("--csv prints %s, want %s", out, want)
	}
}

// TestNamesInCSV writes names that spreadsheets take for formulas, or that need quotes: a
// reader gets them back as they are.
func TestNamesInCSV(t *testing.T) {
	names := []string{"=1+1", "+x", "-x", "@x", "a,b", `say "hi"`, " space", "two\nlines", "猫", ""}
	var cells []chart.Cell
	var wrong mistakes
	for i := range names {
		cells = append(cells, chart.Cell{Label: i, Predicted: (i + 1) % len(names), Count: 1})
		wrong = append(wrong, mistake{i: i, image: i, file: names[i], label: i, predicted: (i + 1) % len(names), score: 1 - float64(i)/100})
	}
	check := func(what string, text []byte, columns ...int) {
		t.Helper()
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil || len(rows) != len(names)+1 {
			t.Fatalf("%s: %d rows, %v", what, len(rows), err)
		}
		for _, c := range columns {
			var got []string
			for _, r := range rows[1:] {
				got = append(got, r[c])
			}
			if want := slices.Clone(names); !slices.Equal(got, want) {
				t.Errorf("%s, column %s: %q, want %q", what, rows[0][c], got, want)
			}
		}
	}
	var b bytes.Buffer
	if err := writeConfusion(&b, cells, names); err != nil {
		t.Fatal(err)
	}
	check("the confusion matrix", b.Bytes(), 1)
	b.Reset()
	if err := wrong.write(&b, names); err != nil {
		t.Fatal(err)
	}
	check("the table of mistakes", b.Bytes(), 1, 3)
	b.Reset()
	p := &predictions{w: &b, csv: csv.NewWriter(&b)}
	for i, n := range names {
		if err := p.write(pictureFile{path: n}, []topLine{{Class: i, Label: n, Value: 0.5}}); err != nil {
			t.Fatal(err)
		}
	}
	check("predictions", b.Bytes(), 0, 3)
}
