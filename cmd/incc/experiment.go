package main

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/specs"
)

// experiment compares the runs of several networks.
type experiment struct {
	name, doc string
	data      string
	epochs    float64
	limit     int // steps of an epoch, 0 for all; if set, curves are drawn over steps
	variants  []variant
	// heads: the training loss includes auxiliary heads, so the validation loss is
	// drawn instead.
	heads bool
	// transfer is set if the runs train on few images, some of them from trained weights.
	transfer *transfer
}

// variant is one run of an experiment.
type variant struct {
	label string
	spec  string  // a built-in network
	lr    float64 // learning rate; 0 for that of the spec
	from  bool    // begins with the weights of the experiment's first network (transfer)
	// freeze names the parts that are not trained.
	freeze []string
}

// dir returns the name of the folder of the run.
func (v variant) dir() string {
	d := runName("specs/" + v.spec + ".incc")
	if v.lr != 0 {
		d += "_lr" + trimNumber(v.lr)
	}
	if v.from {
		d += "_from"
	}
	if len(v.freeze) > 0 {
		d += "_without_" + strings.Join(v.freeze, "_")
	}
	return d
}

func trimNumber(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// experiments repeat the experiments of the article behind specs/mnist, and test
// claims of the papers about batch normalization and auxiliary classifiers.
var experiments = []experiment{
	{name: "lenet-nin", doc: "LeNet against LeNet with a 1x1 convolution behind each convolution (Lin 2013)", data: "mnist", epochs: 10,
		variants: []variant{{label: "LeNet", spec: "mnist/lenet"}, {label: "NIN", spec: "mnist/nin"}}},
	{name: "inception", doc: "plain convolutions against narrow Inception modules in their place (Szegedy 2015, 2016)", data: "mnist", epochs: 10,
		variants: []variant{{label: "convolution", spec: "mnist/conv"}, {label: "Inception naive", spec: "mnist/inception_naive"}, {label: "Inception v1", spec: "mnist/inception_v1"},
			{label: "Inception v2", spec: "mnist/inception_v2"}, {label: "Inception v3", spec: "mnist/inception_v3"}}},
	{name: "batchnorm", doc: "one Inception network with and without batch normalization (Ioffe and Szegedy 2015, section 4.2)", data: "fashion-mnist", epochs: 12, limit: 50,
		variants: []variant{{label: "without, rate 0.01", spec: "fashion/inception", lr: 0.01}, {label: "with, rate 0.01", spec: "fashion/inception_bn", lr: 0.01}, {label: "with, rate 0.1", spec: "fashion/inception_bn", lr: 0.1}}},
	{name: "heads", doc: "nine Inception modules on top of each other, with and without auxiliary classifiers (Szegedy 2015, section 5)", data: "mnist", epochs: 12, limit: 100, heads: true,
		variants: []variant{{label: "without heads", spec: "mnist/deep"}, {label: "with two heads", spec: "mnist/deep_heads"}}},
	transferExperiment,
}

// maxoutExperiment needs no data and no run.
const (
	maxoutExperiment = "maxout"
	maxoutDoc        = "how close maxout units of k pieces come to convex functions (Goodfellow 2013, figure 1)"
)

// listExperimentsJSON prints the list of experiments for programs.
func listExperimentsJSON(w io.Writer) error {
	type run struct {
		Label string  `json:"label"`
		Spec  string  `json:"spec"`
		LR    float64 `json:"lr,omitempty"`
	}
	type entry struct {
		Name string `json:"name"`
		Doc  string `json:"doc"`
		Data string `json:"data,omitempty"`
		Runs []run  `json:"runs"`
	}
	var list []entry
	for _, e := range experiments {
		x := entry{Name: e.name, Doc: e.doc, Data: e.data}
		for _, v := range e.variants {
			x.Runs = append(x.Runs, run{v.label, v.spec, v.lr})
		}
		list = append(list, x)
	}
	return writeJSON(w, append(list, entry{Name: maxoutExperiment, Doc: maxoutDoc, Runs: []run{}}))
}

func experimentCommand() *cli.Command {
	doc := "Examples:\n\n   incc experiment maxout\n   incc experiment\n\nWithout a NAME, it lists the experiments. With a NAME, it trains the networks that have\nno finished run in DIR/NAME yet, and resumes interrupted runs. Then it draws all curves\ninto DIR/NAME/curves.png and .svg, and prints the results next to the published ones."
	return &cli.Command{
		Name:        "experiment",
		Usage:       "train the networks of an experiment, and draw and compare them",
		UsageText:   "incc experiment [NAME] [--out DIR] [--epochs N]",
		Description: doc,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "write everything into folders in `DIR`"},
			&cli.StringFlag{Name: "data", Usage: "use `DATA` instead of the experiment's data set; see incc train"},
			&cli.StringFlag{Name: "source", Usage: "train the first network of the experiment transfer on `DATA` instead of Fashion-MNIST"},
			&cli.Float64Flag{Name: "epochs", Usage: "train for `N` epochs"},
			&cli.IntFlag{Name: "limit-batches", Usage: "train for at most `N` steps in each epoch"},
			&cli.IntFlag{Name: "threads", Usage: "run on `N` threads; GOMAXPROCS by default"},
			&cli.StringFlag{Name: "isa", Usage: "use the kernels for `ISA`: avx512, avx2, neon or portable"},
			memoryFlag, jsonFlag,
		},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() && c.Bool("json") {
				return listExperimentsJSON(c.App.Writer)
			}
			if !c.Args().Present() {
				t := newTable("name", "what it compares", "data", ">runs")
				for _, e := range experiments {
					t.Add(e.name, e.doc, e.data, len(e.variants))
				}
				t.Add(maxoutExperiment, maxoutDoc, "", "")
				t.write(c.App.Writer)
				return nil
			}
			name, err := oneArg(c, "NAME")
			if err != nil {
				return err
			}
			if err := notStdout("out", c.String("out"), "the folders of runs"); err != nil {
				return err
			}
			if name == maxoutExperiment {
				if err := worksOnly(c, "for experiments that train networks", "data", "source", "epochs", "limit-batches", "threads", "isa", "memory"); err != nil {
					return err
				}
				return maxoutFigure(c, filepath.Join(c.String("out"), name))
			}
			i := slices.IndexFunc(experiments, func(e experiment) bool { return e.name == name })
			if i < 0 {
				return fmt.Errorf("unknown experiment %s%s\nincc experiment lists them", diag.Quote(name), didYouMean(name, experimentNames()))
			}
			return experiments[i].run(c)
		},
	}
}

// outcome holds the results of a variant's run and those that the article published.
type outcome struct {
	variant
	rows     []train.Row
	info     runInfo
	original []originalRow
}

func (e experiment) run(c *cli.Context) error {
	if s := c.String("data"); s != "" {
		e.data = s
	}
	if c.IsSet("epochs") {
		e.epochs = c.Float64("epochs")
	}
	if c.IsSet("limit-batches") {
		e.limit = c.Int("limit-batches")
	}
	dir := filepath.Join(c.String("out"), e.name)
	if e.transfer != nil {
		var err error
		if e.data, err = e.transfer.prepare(c, e, dir); err != nil {
			return err
		}
	} else if err := worksOnly(c, "for the experiment transfer", "source"); err != nil {
		return err
	}
	var all []outcome
	for _, v := range e.variants {
		o, err := e.train(c, v, filepath.Join(dir, v.dir()))
		if err != nil {
			return err
		}
		all = append(all, o)
	}
	curves := filepath.Join(dir, "curves")
	if err := e.draw(curves, all); err != nil {
		return err
	}
	if c.Bool("json") {
		out := map[string]any{}
		for _, o := range all {
			out[o.label] = map[string]any{"spec": o.spec, "summary": o.info, "epochs": o.rows, "original": o.original}
		}
		return writeJSON(c.App.Writer, out)
	}
	e.print(c, all)
	return sayf(c.App.Writer, "\nwrote %s and %s", diag.Name(curves+".png"), diag.Name(curves+".svg"))
}

// train trains a variant, unless its folder holds the finished run already.
func (e experiment) train(c *cli.Context, v variant, dir string) (o outcome, err error) {
	o.variant = v
	if e.transfer == nil { // the article trained on all images
		if o.original, err = originalsOf(v.spec); err != nil {
			return o, err
		}
	}
	if o.info, err = readSummaryFile(dir); err != nil {
		args := []string{"incc", "train", v.spec, "--data", e.data, "--out", dir, "--epochs", trimNumber(e.epochs), "--limit-batches", strconv.Itoa(e.limit)}
		if names, _ := train.Checkpoints(train.Disk{}, dir); len(names) > 0 {
			args = append(args, "--resume")
		}
		if v.lr != 0 {
			args = append(args, "--lr", trimNumber(v.lr))
		}
		if e.transfer != nil {
			args = append(args, e.transfer.flags(v, filepath.Dir(dir))...)
		}
		for _, flag := range []string{"threads", "isa", "memory"} {
			if c.IsSet(flag) {
				args = append(args, "--"+flag, fmt.Sprint(c.Value(flag)))
			}
		}
		w := c.App.Writer
		if c.Bool("json") {
			w = c.App.ErrWriter
		}
		app := newApp(c.App.Reader, w, c.App.ErrWriter)
		if args, err = reorder(app, args); err != nil {
			return o, err
		}
		if err := app.RunContext(c.Context, args); err != nil {
			return o, err
		}
		if o.info, err = readSummaryFile(dir); err != nil {
			return o, err
		}
	}
	if o.rows, err = readResults(dir); err != nil {
		return o, err
	}
	hash, err := e.specHash(v)
	if err != nil {
		return o, err
	}
	if o.info.Epochs != int(math.Ceil(e.epochs)) || o.info.Data != e.data || o.info.LimitBatches != e.limit || o.info.Spec != hash {
		return o, fmt.Errorf("%s holds another run (%d epochs with %s, or an older spec): delete it, or choose another folder with --out", dir, o.info.Epochs, o.info.Data)
	}
	return o, nil
}

// specHash returns the hash of the spec that incc train writes into the folder of a
// variant's run.
func (e experiment) specHash(v variant) (string, error) {
	src, file, _ := specs.Source(v.spec)
	g, problems := dsl.Load(file, src, dsl.Options{})
	if problems.HasErrors() {
		return "", problems.Err()
	}
	r := *g.Recipe.Train
	r.Run.Epochs = e.epochs
	if v.lr != 0 {
		r.Optimizer.LR = v.lr
	}
	if e.transfer != nil {
		r.Run.Batch = transferBatch
	}
	if len(v.freeze) > 0 {
		r.Freeze = []recipe.Freeze{{Parts: v.freeze}}
	}
	text, err := dsl.Resolve(file, src, dsl.Options{}, r)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

// print prints a table of the runs. If the article published results, print adds a
// second table that compares the runs with them.
func (e experiment) print(c *cli.Context, all []outcome) {
	loss, what := func(r train.Row) float64 { return r.TrainLoss }, ">loss"
	if e.heads {
		loss, what = func(r train.Row) float64 { return r.ValLoss }, ">validation loss"
	}
	t := newTable("network", "spec", ">params", ">s an epoch", what+", first", ">accuracy", what+", last", ">accuracy", ">validation, best", ">test")
	for _, o := range all {
		first, last := o.rows[0], o.rows[len(o.rows)-1]
		best, test := math.NaN(), math.NaN()
		if o.info.ValAcc != nil {
			best = *o.info.ValAcc
		}
		if o.info.TestAcc != nil {
			test = *o.info.TestAcc
		}
		t.Add(o.label, o.spec, diag.Thousands(o.info.Params), fmt.Sprintf("%.1f", secondsAnEpoch(o.rows)), fmt.Sprintf("%.4f", loss(first)), percent(first.TrainAcc),
			fmt.Sprintf("%.4f", loss(last)), percent(last.TrainAcc), percent(best), percent(test))
	}
	fmt.Fprintln(c.App.Writer)
	t.write(c.App.Writer)
	t = newTable("network", ">epoch", ">loss", ">original", ">accuracy", ">original", ">s an epoch", ">original")
	for _, o := range all {
		for _, w := range o.original {
			if e.limit == 0 && w.Epoch <= len(o.rows) {
				r := o.rows[w.Epoch-1]
				t.Add(o.label, w.Epoch, fmt.Sprintf("%.4f", r.TrainLoss), fmt.Sprintf("%.4f", w.Loss), percent(r.TrainAcc), percent(w.Accuracy),
					fmt.Sprintf("%.1f", secondsAnEpoch(o.rows)), trimNumber(w.Seconds))
			}
		}
	}
	if t.Rows() > 0 {
		fmt.Fprintln(c.App.Writer)
		t.write(c.App.Writer)
	}
}

func secondsAnEpoch(rows []train.Row) float64 {
	s := 0.0
	for _, r := range rows {
		s += r.Seconds / float64(len(rows))
	}
	return s
}

// originalRow holds the results that the article published for an epoch of a run.
type originalRow struct {
	Epoch    int     `json:"epoch"`
	Loss     float64 `json:"loss"`
	Accuracy float64 `json:"accuracy"`
	Seconds  float64 `json:"seconds"` // an epoch
}

// originalsOf reads specs/mnist/original.csv: training loss and accuracy of the
// Keras runs of the article (batch 128, SGD with rate 0.01, Glorot's initialization,
// pixels of 0..255), with the seconds on its author's machine.
func originalsOf(spec string) ([]originalRow, error) {
	text, err := specs.FS.ReadFile("mnist/original.csv")
	if err != nil {
		return nil, err
	}
	records, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows []originalRow
	for i, rec := range records {
		if i == 0 || rec[0] != spec {
			continue
		}
		var num [4]float64
		for k := range num {
			if num[k], err = strconv.ParseFloat(rec[k+1], 64); err != nil {
				return nil, fmt.Errorf("original.csv, line %d: %w", i+1, err)
			}
		}
		rows = append(rows, originalRow{int(num[0]), num[1], num[2], num[3]})
	}
	return rows, nil
}
