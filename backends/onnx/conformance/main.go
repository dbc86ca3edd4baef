// Command conformance measures which ONNX models Import reads, and how far the results of the
// executor are from those of ONNX Runtime. It writes a table to README.md and results.json.
//
//	python3 -m venv venv && venv/bin/pip install torch torchvision onnx onnxruntime onnxscript
//	go run ./backends/onnx/conformance -python venv/bin/python -work DIR
//
// The cases are made by the Python programs in this folder and kept in DIR. A case is imported
// and run in a child process, so that a crash or a hang is a result, too.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "-case" {
		child(os.Args[2])
		return
	}
	python := flag.String("python", "", "the Python with torch, torchvision, onnx and onnxruntime; without it, only cases in -work are measured")
	keras := flag.String("keras", "", "the Python with tensorflow and tf2onnx")
	work := flag.String("work", filepath.Join(os.TempDir(), "incc-conformance"), "the folder of the cases")
	out := flag.String("out", "backends/onnx/conformance", "the folder of README.md and results.json")
	only := flag.String("only", "", "measure and print only cases whose path contains this; the other results stay as they are")
	flag.Parse()
	if err := run(*python, *keras, *work, *out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// suites lists the folders of cases below the work folder and the programs that make them.
var suites = []struct{ name, program, title string }{
	{"torchvision", "torch_models.py", "torchvision"},
	{"tasks", "task_models.py", "Networks for other tasks"},
	{"keras", "keras_models.py", "Keras applications"},
	{"models", "onnx_models.py", "Classic networks of the package onnx"},
	{"nodes", "node_tests.py", "Node tests of onnx"},
}

func run(python, keras, work, out, only string) error {
	all := map[string][]result{}
	if b, err := os.ReadFile(filepath.Join(out, "results.json")); only != "" && err == nil {
		if err := json.Unmarshal(b, &all); err != nil {
			return fmt.Errorf("results.json: %w", err)
		}
	}
	for _, s := range suites {
		dir := filepath.Join(work, s.name)
		interpreter := python
		if s.name == "keras" {
			interpreter = keras
		}
		if interpreter != "" {
			cmd := exec.Command(interpreter, filepath.Join(out, s.program), dir)
			cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%s: %w", s.program, err)
			}
		}
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if !strings.Contains(path, only) {
				continue
			}
			r := measure(path)
			all[s.name] = slices.DeleteFunc(all[s.name], func(old result) bool { return old.Name == r.Name })
			all[s.name] = append(all[s.name], r)
			if only != "" {
				fmt.Println(r)
			}
		}
		slices.SortFunc(all[s.name], func(a, b result) int { return strings.Compare(a.Name, b.Name) })
	}
	if err := writeResults(filepath.Join(out, "results.json"), all); err != nil {
		return err
	}
	return writeReadme(filepath.Join(out, "README.md"), all)
}

// writeResults writes one line for each case.
func writeResults(path string, all map[string][]result) error {
	var parts []string
	for _, s := range suites {
		var lines []string
		for _, r := range all[s.name] {
			b, err := json.Marshal(r)
			if err != nil {
				return err
			}
			lines = append(lines, string(b))
		}
		parts = append(parts, fmt.Sprintf("%q: [\n%s\n]", s.name, strings.Join(lines, ",\n")))
	}
	return os.WriteFile(path, []byte("{\n"+strings.Join(parts, ",\n")+"\n}\n"), 0o666)
}

// measure imports and runs the case in a folder, in a child process.
func measure(dir string) result {
	name := filepath.Base(dir)
	if b, err := os.ReadFile(filepath.Join(dir, "error.txt")); err == nil {
		return result{Name: name, Status: noModel, Reason: strings.TrimSpace(string(b))}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return result{Name: name, Status: crash, Reason: err.Error()}
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, self, "-case", dir)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var r result
	if err == nil {
		err = json.Unmarshal(stdout.Bytes(), &r)
	}
	if err != nil {
		first, _, _ := strings.Cut(stderr.String(), "\n")
		return result{Name: name, Status: crash, Reason: strings.TrimSpace(err.Error() + " " + first)}
	}
	r.Name = name
	return r
}

// child measures one case and prints the result as JSON.
func child(dir string) {
	b, err := json.Marshal(compare(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(b)
}

// The results of a case.
const (
	pass       = "pass"         // the executor agrees
	passDirect = "pass, direct" // the executor agrees with direct convolutions
	refOnly    = "reference"    // imported; the reference interpreter agrees, the executor does not run it
	refused    = "refused"
	wrong      = "wrong"
	crash      = "crash"
	noModel    = "no model" // the exporter or ONNX Runtime fails
)

type result struct {
	Name   string  `json:"name"`
	Status string  `json:"status"`
	Diff   float64 `json:"diff,omitempty"` // max|a-b| / max|b|
	Reason string  `json:"reason,omitempty"`
}

func (r result) String() string {
	return strings.TrimSpace(fmt.Sprintf("%-55s %-9s %-8s %s", r.Name, r.Status, diffText(r), r.Reason))
}

func diffText(r result) string {
	if r.Status == pass || r.Status == passDirect || r.Status == refOnly || r.Status == wrong {
		return fmt.Sprintf("%.1g", r.Diff)
	}
	return ""
}

// count returns the number of results with a status.
func count(rs []result, status string) int {
	n := 0
	for _, r := range rs {
		if r.Status == status {
			n++
		}
	}
	return n
}

// reasons returns the reasons of refused cases, the most frequent first, with their numbers.
func reasons(rs []result) (texts []string, counts map[string]int) {
	counts = map[string]int{}
	for _, r := range rs {
		if r.Status == refused || r.Status == refOnly {
			if counts[r.Reason] == 0 {
				texts = append(texts, r.Reason)
			}
			counts[r.Reason]++
		}
	}
	slices.SortFunc(texts, func(a, b string) int {
		if d := counts[b] - counts[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return texts, counts
}
