package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGenFlags: every flag of gen go changes the generated files or the output. A new flag
// needs a line here.
func TestGenFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	const spec = `
net small
let width = 16
input image 3x12x12
conv 3x3 $width pad=same act=relu -> conv 3x3 $width pad=same act=relu -> bn -> gap -> fc 3 -> softmax
train {
  sgd lr=0.1 momentum=0.9
  run batch=4 epochs=2
}
`
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/user\n\ngo 1.26\n")
	write("small.incc", strings.ReplaceAll(spec, "$width", "width"))
	incc := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := run(append([]string{"incc"}, args...), strings.NewReader(""), &out, &errs)
		return code, out.String() + errs.String()
	}
	must := func(args ...string) string {
		t.Helper()
		code, out := incc(args...)
		if code != exitOK {
			t.Fatalf("%q: %d, %s", args, code, out)
		}
		return out
	}
	must("weights", "small.incc", "--seed", "9", "-o", "small.safetensors")
	write("tuning.json", `{"algorithm": {"b1 12x12 16->16 k3x3 s1x1 d1x1 g1": "direct"}}`)
	// generate returns the generated files, without the first line of Go files, which has
	// the command, and the output as "printed".
	generate := func(args ...string) map[string]string {
		t.Helper()
		for _, dir := range []string{"out", "other", "shared"} {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		files := map[string]string{"printed": must(append([]string{"gen", "go"}, args...)...)}
		for _, dir := range []string{"out", "other", "shared"} {
			err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
				if os.IsNotExist(err) {
					return nil
				}
				if err != nil || d.IsDir() {
					return err
				}
				b, err := os.ReadFile(p)
				if filepath.Ext(p) == ".go" {
					_, b, _ = bytes.Cut(b, []byte("\n"))
				}
				files[filepath.ToSlash(p)] = string(b)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	rows := map[string]struct{ before, with []string }{
		"output":     {[]string{"-o", "out"}, []string{"-o", "other"}},
		"package":    {nil, []string{"--package", "nets"}},
		"kernel":     {nil, []string{"--kernel", "shared"}},
		"runtime":    {nil, []string{"--runtime", "module"}},
		"batch":      {nil, []string{"--batch", "3"}},
		"store":      {nil, []string{"--store", "file"}},
		"weights-as": {nil, []string{"--weights-as", "int8"}},
		"train":      {nil, []string{"--train"}},
		"main":       {nil, []string{"--main"}},
		"deploy":     {[]string{"--main"}, []string{"--main", "--deploy"}},
		"test":       {nil, []string{"--test"}},
		"direct":     {nil, []string{"--direct"}},
		"tuning":     {nil, []string{"--tuning", "tuning.json"}},
		"define":     {nil, []string{"-D", "width=24"}},
		"seed":       {nil, []string{"--seed", "2"}},
		"weights":    {nil, []string{"--weights", "small.safetensors"}},
		"optimize":   {nil, []string{"-O0"}},
		"passes":     {nil, []string{"--passes", "fuse-act"}},
		"dump-after": {nil, []string{"--dump-after", "all"}},
	}
	for _, f := range genGoCommand().Flags {
		name := f.Names()[0]
		if name == "check" || name == "memory" {
			continue // below
		}
		if wrong, ok := map[string][]string{"image": {"--image", "3x12x12"}, "labels": {"--labels", "names.txt"}, "root": {"--root", "."}, "map": {"--weights", "small.safetensors", "--map", "no.csv"}, "heads": {"--heads"}}[name]; ok {
			if code, out := incc(append([]string{"gen", "go", "small.incc", "-o", "out"}, wrong...)...); code == exitOK {
				t.Errorf("%q exits with 0: %s", wrong, out)
			}
			continue
		}
		row, ok := rows[name]
		if !ok {
			t.Errorf("no line here shows what --%s does", name)
			continue
		}
		args := func(more []string) []string {
			l := []string{"small.incc"}
			if name != "output" {
				l = append(l, "-o", "out")
			}
			if name != "kernel" && name != "runtime" { // the runtime need not be written each time
				l = append(l, "--runtime", "module")
			}
			return append(l, more...)
		}
		if maps.Equal(generate(args(row.before)...), generate(args(row.with)...)) {
			t.Errorf("%q changes nothing", row.with)
		}
	}
	generate("small.incc", "-o", "out", "--runtime", "module")
	must("gen", "go", "small.incc", "-o", "out", "--runtime", "module", "--check")
	if code, out := incc("gen", "go", "small.incc", "-o", "out", "--runtime", "module", "--seed", "2", "--check"); code != exitError || !strings.Contains(out, "stale") {
		t.Errorf("--check of other weights: %d, %s", code, out)
	}
	if code, out := incc("gen", "go", "small.incc", "-o", "out", "--train", "--memory", "100KB"); code != exitError || !strings.Contains(out, "too little") {
		t.Errorf("--memory less than any step takes: %d, %s", code, out)
	}
	// Flags that exclude each other, and bad values.
	for _, args := range [][]string{{"--memory", "1MB"}, {"--deploy"}, {"--store", "none"}, {"--runtime", "linked"}, {"--runtime", "module", "--kernel", "runtime"}, {"--batch", "0"}, {"--weights-as", "int4"}, {"--weights-as", "bf16", "--train"}, {"--train", "--passes", "factorize=svd,mid=4,force"}} {
		if code, out := incc(append([]string{"gen", "go", "small.incc", "-o", "out"}, args...)...); code != exitUsage {
			t.Errorf("%q: %d, %s", args, code, out)
		}
	}
}
