package gosrc

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"text/template"

	"github.com/incc-lang/incc/codegen/gosrc/snippet"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// ErrUnsupported is wrapped by errors about networks that gen go does not support.
var ErrUnsupported = errors.New("incc gen go does not support this")

// Options say what to generate.
type Options struct {
	Version string // of incc, such as "0.1.0"
	Command string // the command line, for the header, without absolute paths

	Package    string // name of the package, such as PackageName returns
	ImportPath string // import path of the package, for its command
	Runtime    string // import path of the run time
	Source     string // file or name of the spec

	// PackageFolder is the folder of the package, relative to that of go.mod, with slashes.
	PackageFolder string

	Embed   bool   // embed the weights in the program; otherwise the package has only Load
	Drawn   bool   // the weights are drawn at random; the documentation then says so
	Main    bool   // also generate a command that classifies pictures
	Deploy  bool   // with Main, also generate what it takes to run the command in containers
	Weights string // name of the file of weights in the package's folder
	// Golden is the output of the portable kernels for one image of snippet.Noise. If it
	// is not nil, a test is generated that compares with it. Of a network with several inputs,
	// each has the same noise, or snippet.Whole of it; of several outputs, each follows the one
	// before it, and the sizes of those whose sizes are known only at run time go before them.
	Golden []float32
	Train  *Training // nil for a package that only infers
}

// File is a file of the package.
type File struct {
	Path string // relative to the package's folder, with slashes
	Data []byte
}

// Package is the result of Generate.
type Package struct {
	Files []File
	// Stored lists the values that the file of weights must hold, in the order of the file.
	Stored []*ir.Value
	// Data holds the elements of those that the plan's Graph adds.
	Data map[string]*tensor.F32
}

// Generate returns the files of a package that runs a plan of the graph. The plan's weights
// must name params of the graph, or of the plan's Graph, or values that depend only on params. An error about a
// network that cannot be generated wraps ErrUnsupported.
func Generate(g *ir.Graph, p *plan.Plan, opt Options) (*Package, error) {
	d, err := describe(g, p, opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", comment(g.Name), err)
	}
	out := &Package{Stored: d.stored(), Data: d.weights.g.Data}
	add := func(path string, src []byte) {
		out.Files = append(out.Files, File{path, src})
	}
	type part struct{ path, name string }
	model, golden := "model", "golden"
	if d.Ports != nil {
		model, golden = "ports", "goldenports"
	}
	parts := []part{{"model_incc.go", model}, {"plan_incc.go", "plan"}, {"weights_incc.go", "weights"}}
	if d.Trainer != nil {
		parts = append(parts, part{"train_incc.go", "train"})
	}
	if opt.Golden != nil {
		parts = append(parts, part{"golden_incc_test.go", golden})
	}
	if opt.Main {
		if err := d.checkMain(); err != nil {
			return nil, fmt.Errorf("%s: %w", comment(g.Name), err)
		}
		parts = append(parts, part{"cmd/" + opt.Package + "/main_incc.go", "main"})
	}
	for _, f := range parts {
		src, err := execute(f.name, d)
		if err != nil {
			return nil, err
		}
		if err := verify(f.path, src, d.declared(f.name)); err != nil {
			return nil, err
		}
		add(f.path, src)
	}
	type copied struct{ path, pkg, text string }
	var copies []copied
	if d.Picture != nil {
		copies = append(copies, copied{"picture_incc.go", opt.Package, snippet.Picture}, copied{"scale_incc.go", opt.Package, snippet.Scale})
	}
	if opt.Main {
		dir := "cmd/" + opt.Package + "/"
		for _, f := range snippet.Program() {
			copies = append(copies, copied{dir + f.Name + "_incc.go", "main", f.Text})
		}
	}
	for _, c := range copies {
		src := []byte(d.Header() + "\n\n" + snippet.As(c.text, c.pkg))
		want, err := declaredIn(c.text, c.pkg)
		if err != nil {
			return nil, err
		}
		if err := verify(c.path, src, want); err != nil {
			return nil, err
		}
		add(c.path, src)
	}
	if opt.Main {
		texts, err := commandTexts(d)
		if err != nil {
			return nil, err
		}
		out.Files = append(out.Files, texts...)
	}
	return out, nil
}

var functions = template.FuncMap{
	"quote":   quote,
	"comment": comment,
	"wrap":    wrap,
	"tag":     func(s string) string { return "`json:" + quote(s) + "`" },
	"lastJob": func(j joined) job { return j.Jobs[len(j.Jobs)-1] },
	"float":   func(x float64) (string, error) { return number(x+0, 64) },
}

// templates holds NAME.tmpl for each generated file, program.tmpl with the definitions that
// session and trainer have in common, and common.tmpl with those of packages with one output
// and with several. Everything that a template inserts is a number, a
// Go expression, or a text that quote or comment returned.
//
//go:embed templates/*.tmpl
var templates embed.FS

// execute executes a template and formats the resulting Go code.
func execute(name string, d *description) ([]byte, error) {
	t, err := template.New("").Funcs(functions).ParseFS(templates, "templates/program.tmpl", "templates/common.tmpl", "templates/"+name+".tmpl")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name+".tmpl", d); err != nil {
		return nil, fmt.Errorf("generating %s: %w", name, err)
	}
	src, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("the generated code of %s is not valid Go (a bug of incc): %w", name, err)
	}
	return src, nil
}

// Header returns the first line of every file that a command generates.
func Header(version, command string) string {
	return "// Code generated by incc v" + comment(version) + " gen go " + comment(command) + "; DO NOT EDIT."
}

// IsGenerated reports whether a file was written by gen go.
func IsGenerated(src []byte) bool {
	line, _, _ := bytes.Cut(src, []byte("\n"))
	line = bytes.TrimSuffix(bytes.TrimRight(line, "\r"), []byte(" -->"))
	mark, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(mark) {
	case "//", "#", "<!--":
		return bytes.HasPrefix(rest, []byte("Code generated by incc v")) && bytes.HasSuffix(rest, []byte("DO NOT EDIT."))
	}
	return false
}
