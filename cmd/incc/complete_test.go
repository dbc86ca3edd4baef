package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestCompletion completes words of command lines; the last word is that at the cursor.
func TestCompletion(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"mine.incc": "net mine\ninput image 1x8x8\nfirst: conv 3x3 4\nlast: fc 3 -> softmax\n", "runs/a/run.json": "{}", "runs/a/spec.incc": "", "b/run.json": "{}", "b/spec.incc": "",
		"$(touch x)/run.json": "{}", "$(touch x)/spec.incc": "", "norun/spec.incc": ""} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ line, has, hasNot string }{
		{"", "compile train explain", "googlenet --help"},
		{"-", "", "compile"},
		{"--v", "--version --help", "compile"},
		{"summary ", "googlenet mnist/nin runs/a b :specs", "norun :files"},
		{"summary googlenet ", "", "googlenet"},
		{"summary --j", "--json --define", "googlenet"},
		{"diff googlenet ", "googlenet_bn", ""},
		{"diff googlenet vgg16 ", "", "googlenet"},
		{"gen ", "go", "googlenet"},
		{"gen go ", "googlenet", "go"},
		{"gen go googlenet --store ", "embed file", "googlenet :files"},
		{"train mnist/nin --data ", "mnist fashion-mnist :files", "googlenet"},
		{"train mnist/nin --data=", "--data=mnist :files", "mnist"},
		{"train mnist/nin --data =", "mnist :files", "--data=mnist"},
		{"train mnist/nin --data = mn", "mnist :files", "--data=mnist"},
		{"train mnist/nin --data = mnist --isa ", "avx512 avx2 portable", "mnist"},
		{"compile googlenet --passes ", "fold-bn O2 factorize=svd", "googlenet"},
		{"compile googlenet --passes fold-bn,m", "fold-bn,merge-siblings", "merge-siblings"},
		{"compile googlenet --dump-after ", "fold-bn all", ""},
		{"compile googlenet -O ", "0 1 2", ""},
		{"compile googlenet -o ", ":files", "googlenet"},
		{"run mine.incc --part ", "first last", "googlenet"},
		{"run --part ", "", "first"},
		{"explain ", "conv inception E0301 train", ""},
		{"experiment ", "maxout lenet-nin", ""},
		{"completion ", "bash zsh fish", ""},
		{"compare ", "runs/a b :files", "googlenet"},
		{"predict ", "googlenet runs/a", ":files"},
		{"predict b ", ":files", "googlenet"},
		{"verify ", ":files", "googlenet"},
		{"import ", ":files", "googlenet"},
		{"vet ", ":specs", "googlenet"},
		{"version ", "", "googlenet"},
		{"nonsense ", "", "compile googlenet"},
	} {
		code, out, stderr := capture(t, append(strings.Split(c.line, " "), completing)...)
		got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if code != 0 || stderr != "" {
			t.Errorf("%q exits with %d: %s", c.line, code, stderr)
		}
		for _, w := range strings.Fields(c.has) {
			if !slices.Contains(got, w) {
				t.Errorf("%q does not complete to %s, but to %q", c.line, w, got)
			}
		}
		for _, w := range strings.Fields(c.hasNot) {
			if slices.Contains(got, w) {
				t.Errorf("%q completes to %s", c.line, w)
			}
		}
		if strings.Contains(out, "$") {
			t.Errorf("%q prints what a shell would run: %q", c.line, out)
		}
	}
}

// TestCompletionOfEveryFlag requires that a value is suggested for every flag that names
// one of a few things or a file.
func TestCompletionOfEveryFlag(t *testing.T) {
	free := []string{"define", "memory", "name", "package", "output", "image", "cache", "addr", "max-accuracy-drop", "min-speedup", "target-macs", "target-ms", "keep"} // what only the user knows
	var walk func(cmds []*cli.Command)
	walk = func(cmds []*cli.Command) {
		for _, c := range cmds {
			walk(c.Subcommands)
			for _, f := range c.Flags {
				if _, ok := f.(*cli.StringFlag); !ok || slices.Contains(free, f.Names()[0]) {
					continue
				}
				if len(flagValues(c, f, []string{"googlenet"}, "")) == 0 {
					t.Errorf("incc %s --%s completes to nothing: name its values in flagValues, or the flag here if only the user knows them", c.Name, f.Names()[0])
				}
			}
		}
	}
	walk(commands())
}

// shellCompletion runs a script of a shell that may be missing, in a folder with the files
// some.incc and weights.safetensors and with incc in its PATH, and compares what it prints.
func shellCompletion(t *testing.T, shell string, args []string, script, want string) {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skipf("there is no %s", shell)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, bin := t.TempDir(), t.TempDir()
	for _, name := range []string{"some.incc", "weights.safetensors", "my own net.incc"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, run := range []string{"of two words", "of $(touch made)"} {
		run = filepath.Join(dir, "run "+run)
		if err := os.Mkdir(run, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{runStart, runSpec} {
			if err := os.WriteFile(filepath.Join(run, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	defer func() {
		if exists(filepath.Join(dir, "made")) {
			t.Error("the name of a folder was executed")
		}
	}()
	if err := os.Symlink(exe, filepath.Join(bin, "incc")); err != nil {
		t.Skipf("there are no links: %v", err)
	}
	cmd := exec.Command(path, append(args, script)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
		t.Errorf("%v, %s\nwant %s", err, out, want)
	}
}

// TestBashCompletion asks bash itself.
func TestBashCompletion(t *testing.T) {
	shellCompletion(t, "bash", []string{"-c"}, bashCompletion+`
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); COMPREPLY=(); _incc_complete; echo "${COMPREPLY[*]}"; }
try incc summary mnist/inception_v
try incc summary some
try incc compile googlenet --weights we
try incc compile googlenet --passes fold-b
try incc train x --data = fash
lines() { COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); COMPREPLY=(); _incc_complete; printf '%s|' "${COMPREPLY[@]}"; echo; }
lines incc summary my
lines incc summary 'my\ o'
lines incc summary '"my o'
lines incc eval 'run\ '
`, "mnist/inception_v1 mnist/inception_v2 mnist/inception_v3\nsome.incc\nweights.safetensors\nfold-bn\nfashion-mnist\n"+
		"my own net.incc|\nmy own net.incc|\nmy own net.incc|\nrun of $(touch made)|run of two words|\n")
}

// TestFishCompletion asks fish itself.
func TestFishCompletion(t *testing.T) {
	script := fishCompletion
	for _, line := range []string{"summ", "summary mnist/inception_v", "summary some", "verify we", "compile googlenet --weights we", "compile googlenet --weights=we",
		"compile googlenet --passes fold-b", "train x --data=fash", "specs s"} {
		script += "complete -C 'incc " + line + "' | string replace -r '\\t.*' ''\necho .\n"
	}
	shellCompletion(t, "fish", []string{"--no-config", "-c"}, script, "summary\n.\nmnist/inception_v1\nmnist/inception_v2\nmnist/inception_v3\n.\nsome.incc\n.\nweights.safetensors\n.\nweights.safetensors\n.\n"+
		"--weights=weights.safetensors\n.\nfold-bn\n.\n--data=fashion-mnist\n.\n.\n")
}

// TestZshCompletion runs the function of zsh with the words of a line, and prints what it
// hands to the line editor: words, of which zsh takes those that fit, and files.
func TestZshCompletion(t *testing.T) {
	shellCompletion(t, "zsh", []string{"-f", "-c"}, `
compdef() { }
compadd() { shift; print -r -- ${(M)@:#${PREFIX}*} }
compset() { PREFIX=${PREFIX#*=} }
_files() { print -r -- files $* of $PREFIX }
`+zshCompletion+`
try() { words=("$@"); CURRENT=$#; PREFIX=${words[CURRENT]}; _incc }
try incc summ
try incc summary mnist/inception_v
try incc summary some
try incc compile googlenet --weights we
try incc compile googlenet --weights=we
try incc compile googlenet --passes fold-b
try incc train x --data=fash
`, "summary\nmnist/inception_v1 mnist/inception_v2 mnist/inception_v3\nfiles -g *.incc of mnist/inception_v\n\nfiles -g *.incc of some\n\nfiles of we\n\nfiles of we\nfold-bn\n--data=fashion-mnist\nfiles of fash\n")
}
