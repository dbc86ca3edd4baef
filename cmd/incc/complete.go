package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/passes/quantize"
	"github.com/incc-lang/incc/specs"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script of a shell",
		UsageText: "incc completion bash|zsh|fish",
		Description: `Example, for the shell that is running now:

   source <(incc completion bash)`,
		Action: func(c *cli.Context) error {
			scripts := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
			s, ok := scripts[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return usagef("incc completion needs a shell (bash, zsh or fish)")
			}
			_, err := fmt.Fprint(c.App.Writer, s)
			return err
		},
	}
}

// completing is the last argument of the calls that the scripts make. Before it are the
// words of the command line up to the cursor, of which the last, at the cursor, may be
// empty.
const completing = "--generate-bash-completion"

// These lines tell a script to complete file names too.
const (
	completeFiles = ":files" // all files
	completeSpecs = ":specs" // folders, and files named *.incc
)

// complete prints what the word at the cursor may be.
func complete(app *cli.App, words []string) {
	cur := ""
	if n := len(words); n > 0 {
		words, cur = words[:n-1], words[n-1]
	}
	for _, s := range completions(app, words, cur) {
		if safeWord(s) {
			fmt.Fprintln(app.Writer, s)
		}
	}
}

// safeWord reports whether a shell takes a word as it is. Names of folders and of parts
// come from files, and bash expands what it completes: $(command) would run.
func safeWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-/,=+@%:", r)
	})
}

func completions(app *cli.App, words []string, cur string) []string {
	var (
		c     *cli.Command
		name  string // such as "gen go"
		cmds  = app.Commands
		flags = app.Flags
	)
	for len(words) > 0 && len(cmds) > 0 {
		if c = find(cmds, words[0]); c == nil {
			return nil
		}
		name = strings.TrimSpace(name + " " + c.Name)
		words, cmds, flags = words[1:], c.Subcommands, c.Flags
	}
	var before []string // positional arguments before the cursor
	for i := 0; i < len(words); i++ {
		w := words[i]
		f := findFlag(flags, strings.TrimLeft(w, "-"))
		switch {
		case !strings.HasPrefix(w, "-") || w == "-":
			before = append(before, w)
		case f == nil || !takesValue(f):
		case i+1 < len(words) && words[i+1] == "=": // bash makes three words of --flag=value
			if i++; i+1 == len(words) {
				return flagValues(c, f, before, cur)
			}
			i++
		case i+1 == len(words):
			if cur == "=" {
				cur = ""
			}
			return flagValues(c, f, before, cur)
		default:
			i++
		}
	}
	if flag, value, ok := strings.Cut(cur, "="); ok && strings.HasPrefix(cur, "-") {
		var list []string
		if f := findFlag(flags, strings.TrimLeft(flag, "-")); f != nil && takesValue(f) {
			for _, v := range flagValues(c, f, before, value) {
				if !strings.HasPrefix(v, ":") {
					v = flag + "=" + v
				}
				list = append(list, v)
			}
		}
		return list
	}
	if strings.HasPrefix(cur, "-") {
		list := []string{"--help"}
		for _, f := range flags {
			if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
				continue
			}
			for _, n := range f.Names() {
				if len(n) > 1 && n != "help" {
					list = append(list, "--"+n)
				}
			}
		}
		return list
	}
	if len(cmds) > 0 {
		var list []string
		for _, c := range cmds {
			if !c.Hidden {
				list = append(list, c.Name)
			}
		}
		return list
	}
	return argumentValues(name, len(before))
}

// specsAndRuns lists what may be named as a network.
func specsAndRuns() []string {
	return append(append(specs.Names(), runFolders()...), completeSpecs)
}

// argumentValues lists what the positional argument number n of a command may be.
func argumentValues(command string, n int) []string {
	last := 1 // arguments that a command takes
	var values []string
	switch command {
	case "explain":
		values = explainNames()
	case "experiment":
		values = experimentNames()
	case "completion":
		values = []string{"bash", "zsh", "fish"}
	case "new":
		values = specs.Names()
	case "compare":
		values, last = append(runFolders(), completeFiles), n+1
	case "view":
		values, last = specsAndRuns(), n+1
	case "data inspect":
		values = append(dataNames(), completeFiles)
	case "verify", "import":
		values = []string{completeFiles}
	case "fmt", "vet":
		values, last = []string{completeSpecs}, n+1
	case "version", "doctor", "specs", "lsp":
		last = 0
	case "diff":
		values, last = specsAndRuns(), 2
	case "predict":
		if values, last = specsAndRuns(), n+1; n > 0 {
			values = []string{completeFiles}
		}
	default:
		values = specsAndRuns()
	}
	if n >= last {
		return nil
	}
	return values
}

// flagValues lists what the value of a flag may be. Values of lists begin with what is
// there already.
func flagValues(c *cli.Command, f cli.Flag, before []string, cur string) []string {
	listed := func(names []string) []string {
		head := cur[:strings.LastIndex(cur, ",")+1]
		for i := range names {
			names[i] = head + names[i]
		}
		return names
	}
	switch name := f.Names()[0]; name {
	case "data", "source":
		return append(dataNames(), completeFiles)
	case "spec":
		return specsAndRuns()
	case "runtime":
		return []string{"copy", "module"}
	case "names":
		return []string{"torchvision"}
	case "labels":
		return []string{"imagenet1k", "mnist", "cifar10", completeFiles}
	case "passes":
		return listed(append([]string{"O0", "O1", "O2"}, passNames(true)...))
	case "dump-after":
		return append(passNames(false), "all")
	case "optimize":
		return []string{"0", "1", "2"}
	case "isa":
		return []string{kernel.AVX512.String(), kernel.AVX2.String(), kernel.NEON.String(), kernel.Portable.String()}
	case "engine":
		return []string{"cpu", "ref"}
	case "direction":
		return []string{"down", "right"}
	case "colour":
		return drawColours
	case "store":
		return []string{"embed", "file"}
	case "calibrate":
		return append([]string{"best"}, quantize.Methods...)
	case "correct":
		return append([]string{"best", "none"}, corrections...)
	case "cost":
		return []string{"ms", "macs"}
	case "compare":
		if c.Name == "compress" {
			return append(runFolders(), completeFiles)
		}
	case "weights-as":
		return []string{"fp32", "fp16", "bf16", "int8"}
	case "target":
		return []string{"cpu", "onnx"}
	case "split":
		return []string{"train", "val", "test"}
	case "part", "freeze":
		return listed(partNames(before))
	case "input":
		return []string{"noise", completeFiles}
	case "resume", "init":
		return append(runFolders(), completeFiles)
	case "val":
		return []string{completeFiles}
	}
	if d, ok := f.(cli.DocGenerationFlag); ok {
		for _, kind := range []string{"`FILE", "`DIR", "`WEIGHTS"} {
			if strings.Contains(d.GetUsage(), kind) {
				return []string{completeFiles}
			}
		}
	}
	return nil
}

func dataNames() []string { return []string{"mnist", "fashion-mnist"} }

func passNames(variants bool) []string {
	var names []string
	for _, p := range passes.All() {
		names = append(names, p.Name)
		if variants {
			for _, v := range p.Variants {
				names = append(names, p.Name+"="+v.Name)
			}
		}
	}
	return names
}

func experimentNames() []string {
	names := []string{maxoutExperiment}
	for _, e := range experiments {
		names = append(names, e.name)
	}
	return names
}

// partNames lists the parts of the network that a command line names.
func partNames(args []string) []string {
	if len(args) == 0 || args[0] == "-" {
		return nil
	}
	src, err := findSource(nil, args[0])
	if err != nil || notText(src.file, src.text) != nil {
		return nil
	}
	g, problems := dsl.Load(src.file, src.text, dsl.Options{ReadFile: src.open})
	if problems.HasErrors() {
		return nil
	}
	var names []string
	for _, p := range g.Parts {
		names = append(names, p.Name)
	}
	return names
}

// runFolders lists the folders of runs and imports in this folder and in runs/.
func runFolders() []string {
	const most = 1000 // entries of a folder that are looked at
	var found []string
	for _, dir := range []string{".", "runs"} {
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		entries, _ := f.ReadDir(most) // what was read before an error counts
		f.Close()
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if !e.IsDir() {
				continue
			}
			run := exists(filepath.Join(path, runStart)) && exists(filepath.Join(path, runSpec))
			if run || exists(filepath.Join(path, importedSpec)) && exists(filepath.Join(path, importedWeights)) {
				found = append(found, filepath.ToSlash(path))
			}
		}
	}
	slices.Sort(found)
	return found
}

// bashCompletion compares whole lines: compgen -W would split names at spaces, and expand
// what looks like a command in them.
const bashCompletion = `_incc_complete() {
  local cur="${COMP_WORDS[COMP_CWORD]}" line
  local words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  local out="$("${words[@]}" "$cur" --generate-bash-completion 2>/dev/null)"
  if [[ "$cur" == "=" ]]; then cur=""; fi
  cur="${cur#[\"\']}"
  cur="${cur//\\/}"
  case "$out" in
    *:files*) out="$out"$'\n'"$(compgen -f -- "$cur")" ;;
    *:specs*) out="$out"$'\n'"$(compgen -d -- "$cur")"$'\n'"$(compgen -f -X '!*.incc' -- "$cur")" ;;
  esac
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ -n "$line" && "$line" != :* && "$line" == "$cur"* ]]; then COMPREPLY+=("$line"); fi
  done <<< "$out"
}
complete -o filenames -F _incc_complete incc
`

// zshCompletion works sourced after compinit, and as the file _incc in a folder of fpath.
const zshCompletion = `#compdef incc
_incc() {
  local -a opts
  opts=("${(@f)$(${words[1,CURRENT-1]} "${words[CURRENT]}" --generate-bash-completion 2>/dev/null)}")
  compadd -- ${opts:#:*}
  if (( ${opts[(I):files]} )); then
    [[ $PREFIX == -*=* ]] && compset -P 1 '*='
    _files
  elif (( ${opts[(I):specs]} )); then
    _files -g '*.incc'
  fi
}
if [[ "${funcstack[1]}" == "_incc" ]]; then
  _incc "$@"
else
  compdef _incc incc
fi
`

const fishCompletion = `function __incc_complete
  set -l words (commandline -opc)
  set -l word (commandline -ct)
  set -l found ($words $word --generate-bash-completion 2>/dev/null)
  string match -v -- ':*' $found
  if contains -- :files $found
    set -l flag (string match -r -- '^--?[^=]*=' $word)
    for path in (__fish_complete_path (string replace -r -- '^--?[^=]*=' '' $word))
      echo "$flag$path"
    end
  else if contains -- :specs $found
    __fish_complete_suffix .incc
  end
end
complete -c incc -f -a '(__incc_complete)'
`
