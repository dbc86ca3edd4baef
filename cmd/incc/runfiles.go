package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir/diag"
)

// Names of the files in the folder of a run. The names of checkpoints are in package
// train.
const (
	runSpec    = "spec.incc"
	runStart   = "run.json"
	runResults = "results.csv"
	runSummary = "summary.json"
	runLabels  = "labels.txt" // a copy of the file of class names
	runLock    = "run.lock"
	modelOfRun = "model.onnx"

	bestWeights = "best.safetensors"
	lastWeights = "last.safetensors"
)

// runOutputs are files that only incc train writes. It does not start a run in a folder
// that has one of them but no run.json.
var runOutputs = []string{runLabels, runResults, runSummary, bestWeights, lastWeights}

// runBegin is the contents of run.json: the settings that a run was started with,
// besides its spec. --resume reads it.
type runBegin struct {
	Version      string         `json:"incc"`
	Name         string         `json:"name"`
	Data         string         `json:"data"`
	Val          validationText `json:"val"`
	LimitBatches int            `json:"limit_batches,omitempty"`
	Overfit      int            `json:"overfit,omitempty"`
	Init         string         `json:"init,omitempty"`
	Features     bool           `json:"cache_features,omitempty"`
	Quantize     bool           `json:"quantize,omitempty"`
	Compressed   bool           `json:"compressed,omitempty"` // incc compress wrote it, without training
	Engine       string         `json:"engine"`
	Classes      []string       `json:"classes,omitempty"` // names of the outputs
	Resumed      []int          `json:"resumed,omitempty"` // the finished epochs at each --resume
	// Identity is here for people and for incc eval: --resume compares the identity in
	// the checkpoint.
	Identity train.Identity `json:"identity,omitempty"`
}

// torchEngine is the engine of runs of train.py, which incc gen torch --train writes.
const torchEngine = "torch"

// validationText is what --val takes, "" for the default. Earlier versions of
// incc wrote a number, -1 for the default.
type validationText string

// UnmarshalJSON reads a string or a number.
func (v *validationText) UnmarshalJSON(b []byte) error {
	var n int
	if json.Unmarshal(b, &n) == nil {
		if *v = ""; n >= 0 {
			*v = validationText(strconv.Itoa(n))
		}
		return nil
	}
	return json.Unmarshal(b, (*string)(v))
}

// flags returns the flags of incc train that start a run with these settings.
func (b runBegin) flags() map[string]string {
	return map[string]string{"data": b.Data, "val": string(b.Val), "limit-batches": strconv.Itoa(b.LimitBatches),
		"overfit": strconv.Itoa(b.Overfit), "init": b.Init, "engine": b.Engine, "cache-features": strconv.FormatBool(b.Features), "quantize": strconv.FormatBool(b.Quantize)}
}

// flagsOfRun sets --weights and --data to the best weights and the data of the run in
// dir. It leaves a flag unchanged that was given or that the command does not have.
func flagsOfRun(c *cli.Context, dir string) error {
	has := func(name string) bool { return findFlag(c.Command.Flags, name) != nil && !c.IsSet(name) }
	if has("weights") {
		file := weightsOfRun(dir)
		if file == "" {
			return fmt.Errorf("the run in %s has no weights yet: continue it with incc train --resume %s", dir, dir)
		}
		if err := c.Set("weights", file); err != nil {
			return err
		}
	}
	if !has("data") {
		return nil
	}
	b, err := readBegin(dir)
	if err != nil {
		return err
	}
	return c.Set("data", b.Data)
}

// weightsOfRun returns the file of a run's best weights, or of the last ones if it has no
// best ones, or "" if it has none yet.
func weightsOfRun(dir string) string {
	for _, name := range []string{bestWeights, lastWeights} {
		if f := filepath.Join(dir, name); exists(f) {
			return f
		}
	}
	return ""
}

// maxRunFile is the largest size, in bytes, of run.json, summary.json and results.csv
// that incc reads. An epoch adds about 80 bytes to results.csv.
const maxRunFile = 16 << 20

// readBegin reads run.json.
func readBegin(dir string) (b runBegin, err error) {
	path := filepath.Join(dir, runStart)
	text, err := files.Read(path, maxRunFile)
	if errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("%s has no %s, which incc train writes when a run begins: its settings and data are not known, so it cannot be continued; %s there can begin a new run", dir, runStart, runSpec)
	}
	if err != nil {
		return b, err
	}
	if b, err = parseBegin(text); err != nil {
		return b, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// parseBegin parses run.json. Its values become the values of flags, so the same bounds
// apply.
func parseBegin(text []byte) (b runBegin, err error) {
	if err := json.Unmarshal(text, &b); err != nil {
		return b, err
	}
	if _, err := parseValidation(string(b.Val)); err != nil {
		return b, err
	}
	switch {
	case !plainName(b.Name):
		return b, fmt.Errorf("name %s is not a plain name", diag.Quote(b.Name))
	case b.Data == "" || strings.ContainsRune(b.Data, 0):
		return b, fmt.Errorf("data %s is neither a data set nor a folder", diag.Quote(b.Data))
	case strings.ContainsRune(b.Init, 0):
		return b, fmt.Errorf("init %s is not a file", diag.Quote(b.Init))
	case b.Engine != "cpu" && b.Engine != "ref" && b.Engine != torchEngine:
		return b, fmt.Errorf("unknown engine %s (want cpu, ref or %s)", diag.Quote(b.Engine), torchEngine)
	case b.LimitBatches < 0 || b.LimitBatches > math.MaxInt32:
		return b, fmt.Errorf("limit_batches %d (want 0 for no limit, or a number of steps)", b.LimitBatches)
	case b.Overfit < 0 || b.Overfit > math.MaxInt32:
		return b, fmt.Errorf("overfit %d (want 0 for all, or a number of images)", b.Overfit)
	}
	for _, n := range b.Resumed {
		if n < 0 {
			return b, fmt.Errorf("resumed after %d epochs (want 0 or more)", n)
		}
	}
	return b, nil
}

// plainName reports whether a name is one path element that can be printed unquoted.
func plainName(s string) bool {
	return s != "" && len(s) <= 255 && s != "." && s != ".." && !strings.ContainsAny(s, `/\:`) && diag.Printable(s) == s
}

// runInfo is the contents of summary.json: the results of a finished run.
type runInfo struct {
	Name         string   `json:"name"`
	Net          string   `json:"net"`
	Spec         string   `json:"spec_sha256"`
	Data         string   `json:"data"`
	Version      string   `json:"incc"`
	Engine       string   `json:"engine"`
	Batch        int      `json:"batch"`
	Seed         int64    `json:"seed"`
	Params       int64    `json:"params"`
	Epochs       int      `json:"epochs"`
	BestEpoch    int      `json:"best_epoch"`
	TrainImages  int      `json:"train_images"`
	LimitBatches int      `json:"limit_batches,omitempty"`
	ValImages    int      `json:"val_images"`
	TrainSeconds float64  `json:"train_seconds"`
	WaitSeconds  float64  `json:"wait_seconds"` // of TrainSeconds: for images that were not ready
	TrainLoss    float64  `json:"train_loss"`
	TrainAcc     float64  `json:"train_accuracy"`
	ValAcc       *float64 `json:"val_accuracy,omitempty"`
	ValMacroF1   *float64 `json:"val_macro_f1,omitempty"`
	ValBalanced  *float64 `json:"val_balanced_accuracy,omitempty"`
	TestAcc      *float64 `json:"test_accuracy,omitempty"`
	TestMacroF1  *float64 `json:"test_macro_f1,omitempty"`
	TestBalanced *float64 `json:"test_balanced_accuracy,omitempty"`
	TestLoss     *float64 `json:"test_loss,omitempty"`
	TestImages   int      `json:"test_images,omitempty"`
	WeightsHash  string   `json:"weights_sha256"`
}

func cell(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return strconv.FormatFloat(x, 'g', 8, 64)
}

// resultColumns are the columns of results.csv. Earlier versions of incc did not write the
// last one.
var resultColumns = []string{"epoch", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds", "wait_seconds"}

// writeResults writes the rows of a run to results.csv, completely or not at all.
func writeResults(dir string, rows []train.Row) error {
	return writeOwn(filepath.Join(dir, runResults), func(w io.Writer) error {
		c := csv.NewWriter(w)
		records := [][]string{resultColumns}
		for _, r := range rows {
			records = append(records, []string{strconv.Itoa(r.Epoch), cell(r.Rate), cell(r.TrainLoss), cell(r.TrainAcc), cell(r.ValLoss), cell(r.ValAcc), strconv.FormatFloat(r.Seconds, 'f', 3, 64), strconv.FormatFloat(r.Waited, 'f', 3, 64)})
		}
		return c.WriteAll(records)
	})
}

// readResults reads the results.csv of a run.
func readResults(dir string) ([]train.Row, error) {
	path := filepath.Join(dir, runResults)
	text, err := files.Read(path, maxRunFile)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
	case !exists(dir):
		return nil, fmt.Errorf("there is no folder %s", dir)
	case exists(filepath.Join(dir, runStart)):
		if b, err := readBegin(dir); err == nil && b.Compressed {
			return nil, fmt.Errorf("%s has no curves: incc compress wrote it without training. incc eval measures it; compress --finetune EPOCHS trains it, too", dir)
		}
		return nil, fmt.Errorf("the run in %s has not finished an epoch yet: it has no %s", dir, runResults)
	default:
		return nil, fmt.Errorf("%s is not the folder of a run: it has no %s", dir, runResults)
	}
	if err != nil {
		return nil, err
	}
	rows, err := parseResults(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}

// parseResults parses results.csv. An empty cell becomes NaN.
func parseResults(text []byte) ([]train.Row, error) {
	r := csv.NewReader(bytes.NewReader(text))
	records, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	var rows []train.Row
	for i, rec := range records {
		if i == 0 {
			if !slices.Equal(rec, resultColumns) && !slices.Equal(rec, resultColumns[:len(resultColumns)-1]) {
				return nil, fmt.Errorf("line 1: want the columns %s", strings.Join(resultColumns, ","))
			}
			continue
		}
		epoch, err := strconv.Atoi(rec[0])
		if err != nil || epoch != i {
			return nil, fmt.Errorf("line %d: epoch %s, want %d", i+1, diag.Quote(rec[0]), i)
		}
		num := [8]float64{}
		for k := 1; k < len(rec); k++ {
			if num[k] = math.NaN(); rec[k] == "" {
				continue
			}
			if num[k], err = strconv.ParseFloat(rec[k], 64); err != nil {
				return nil, fmt.Errorf("line %d: %s %s is not a number", i+1, resultColumns[k], diag.Quote(rec[k]))
			}
		}
		rows = append(rows, train.Row{Epoch: epoch, Rate: num[1], TrainLoss: num[2], TrainAcc: num[3], ValLoss: num[4], ValAcc: num[5], Seconds: num[6], Waited: num[7]})
	}
	return rows, nil
}

// runFile matches the names of the files of a run, except its confusion matrix.
var runFile = regexp.MustCompile(`^(spec\.incc|labels\.txt|run\.json|run\.lock|results\.(csv|png|svg)|model\.onnx|summary\.json|.*\.safetensors|events\.out\.tfevents\..*)$`)

// isRunFile reports whether a path, after symbolic links, names a file of a run that is
// not its confusion matrix. The file need not exist.
func isRunFile(path string) bool {
	if to, err := files.Resolve(path); err == nil {
		path = to
	}
	return runFile.MatchString(filepath.Base(path)) && exists(filepath.Join(filepath.Dir(path), runStart))
}

// leftover matches the temporary names that writeOwn and safetensors.WriteFile use for
// the files of a run.
var leftover = regexp.MustCompile(`^\.(spec\.incc|labels\.txt|run\.json|results\.(csv|png|svg)|confusion\.(csv|png)|model\.onnx|summary\.json)\.\d+$|\.safetensors\.tmp$`)

// removeLeftovers deletes the temporary files that a killed process left in the folder
// of a run.
func removeLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type().IsRegular() && leftover.MatchString(e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeSummaryFile(dir string, info runInfo) error {
	return writeOwn(filepath.Join(dir, runSummary), func(w io.Writer) error { return writeJSON(w, info) })
}

func readSummaryFile(dir string) (info runInfo, err error) {
	path := filepath.Join(dir, runSummary)
	b, err := files.Read(path, maxRunFile)
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	return info, nil
}
