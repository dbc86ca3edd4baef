package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir/recipe"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir"
)

// A run goes on only from a checkpoint with its identity; the error names what
// changed, and AcceptChanged goes on all the same.
func TestChangedIdentity(t *testing.T) {
	fs := newMemFS()
	c := testConfig(t, fs)
	c.Every = 0
	c.stopHere = func(g int64) bool { return g == 7 }
	if _, err := Run(context.Background(), testEngine(t), c); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	c.Resume, c.stopHere = true, nil
	path := filepath.Join("run", checkpointName(7))
	file := fs.files[path].data
	for name, x := range map[string]struct {
		change func(Identity)
		want   string
	}{
		"other data": {func(id Identity) { id["data"] = "stripes" }, "data was bars, is stripes"},
		"new fact":   {func(id Identity) { id["init"] = "a file" }, "init is a file, was not set"},
		"less":       {func(id Identity) { delete(id, "engine") }, "engine was ref, is not set"},
	} {
		c := c
		c.Identity = maps.Clone(testIdentity)
		x.change(c.Identity)
		c.Start = func(*State) error { t.Errorf("%s: the run was begun", name); return nil }
		e := testEngine(t)
		before := fingerprint(t, e)
		_, err := Run(context.Background(), e, c)
		var changed *ChangedError
		if !errors.As(err, &changed) || changed.Unknown || !strings.Contains(err.Error(), x.want) || fingerprint(t, e) != before {
			t.Errorf("%s: %v", name, err)
		}
		c.AcceptChanged, c.Start = true, nil
		s, err := Run(context.Background(), e, c)
		if err != nil || len(s.Rows) != 3 || len(c.Identity.Changes(s.Run)) > 0 {
			t.Errorf("%s, accepted: %+v, %v", name, s, err)
		}
		// The runs that went on have removed it.
		clear(fs.files)
		fs.files[path] = &memFile{fs: fs, data: file}
	}
}

func TestChangeText(t *testing.T) {
	a, b := strings.Repeat("0123456789abcdef", 4), strings.Repeat("fedcba9876543210", 4)
	for _, x := range []struct {
		change Change
		want   string
	}{
		{Change{"data", "SHA-256 " + a, "SHA-256 " + b}, "the images changed: SHA-256 01234567 before, SHA-256 fedcba98 now"},
		{Change{"data", "SHA-256 " + a, "SHA-256 of images " + b}, "the images cannot be compared: the incc that began the run recorded them in another way"},
		{Change{"spec", "SHA-256 " + a, "SHA-256 " + b}, "the spec changed: SHA-256 01234567 before, SHA-256 fedcba98 now"},
		{Change{"init", "", "SHA-256 " + b}, "init is SHA-256 fedcba98, was not set"},
		{Change{"batch", "8", "16"}, "batch was 8, is 16"},
		{Change{"seed", "12345678901", "1"}, "seed was 12345678901, is 1"},
	} {
		if got := x.change.String(); got != x.want {
			t.Errorf("%q, want %q", got, x.want)
		}
	}
}

// TestExtendedRun trains a finished run further: the weights are those of a run of that
// many epochs from the beginning, where the schedule does not depend on their number.
// Another change is refused all the same.
func TestExtendedRun(t *testing.T) {
	of := func(fs FS, epochs float64) Config {
		c := testConfig(t, fs)
		c.Recipe.Schedule = recipe.Schedule{}
		c.Epochs, c.Identity = epochs, maps.Clone(testIdentity)
		c.Identity["epochs"], c.Identity["spec"] = fmt.Sprint(epochs), fmt.Sprint("text of ", epochs)
		return c
	}
	whole := testEngine(t)
	if _, err := Run(context.Background(), whole, of(newMemFS(), 4)); err != nil {
		t.Fatal(err)
	}
	fs := newMemFS()
	if _, err := Run(context.Background(), testEngine(t), of(fs, 2)); err != nil {
		t.Fatal(err)
	}
	c := of(fs, 4)
	c.Resume = true
	var changed *ChangedError
	for _, may := range []map[string]string{nil, {"epochs": ""}, {"epochs": "", "spec": "another text"}} {
		c.MayChange = may
		if _, err := Run(context.Background(), testEngine(t), c); !errors.As(err, &changed) {
			t.Fatalf("%v: %v", may, err)
		}
	}
	c.MayChange = map[string]string{"epochs": "", "spec": "text of 2"}
	other := c
	other.Identity = maps.Clone(c.Identity)
	other.Identity["data"] = "stripes"
	if _, err := Run(context.Background(), testEngine(t), other); !errors.As(err, &changed) {
		t.Fatal(err)
	}
	if err := error(changed); strings.Contains(err.Error(), "epochs") || strings.Contains(err.Error(), "spec") || !strings.Contains(err.Error(), "data was bars, is stripes") {
		t.Errorf("the error names changes that are allowed: %v", err)
	}
	fewer := of(fs, 1)
	fewer.Resume, fewer.MayChange = true, c.MayChange
	fewer.Start = func(*State) error { t.Error("a run of fewer epochs was begun"); return nil }
	var trained *TrainedError
	if _, err := Run(context.Background(), testEngine(t), fewer); !errors.As(err, &trained) || err.Error() != "2 epochs are trained already, so the run cannot end after 1" {
		t.Errorf("fewer epochs: %v", err)
	}
	e := testEngine(t)
	s, err := Run(context.Background(), e, c)
	if err != nil || len(s.Rows) != 4 || s.Run["epochs"] != "4" {
		t.Fatalf("%+v, %v", s, err)
	}
	if fingerprint(t, e) != fingerprint(t, whole) {
		t.Error("the extended run ends with other weights")
	}
	// A run that early_stop ended has its patience again.
	c.Recipe.EarlyStop, c.Report = recipe.EarlyStop{Patience: 2}, silent{}
	for _, before := range []int{1, 2} {
		s := &State{Stale: before}
		if c.extend(s, testSteps); s.Stale != []int{0, 1, 0}[before] {
			t.Errorf("%d epochs without gain became %d", before, s.Stale)
		}
	}
}

// TestUnrecorded: what an earlier incc did not record has not changed, but what is set now
// and was not is a change, and so are validation images that are drawn in another way.
func TestUnrecorded(t *testing.T) {
	now := Identity{"incc": "0.1", "spec": "a", "data": "b", "images": "9", "validation": "none", "batch": "8", "epochs": "2", "seed": "1", "engine": "ref", "overfit": "9"}
	for _, c := range []struct {
		was  Identity
		set  string // the value of validation now
		want string
	}{
		{Identity{"data": "b", "engine": "ref", "overfit": "9"}, "none", "[]"},
		{Identity{"data": "b", "engine": "ref", "overfit": "9"}, "SHA-256 12", "[]"},
		{Identity{"data": "b", "engine": "ref", "overfit": "9"}, "3 images drawn with seed 1", "[validation is 3 images drawn with seed 1, was not set]"},
		{Identity{"data": "c", "engine": "ref", "overfit": "9"}, "none", "[data was c, is b]"},
		{Identity{"data": "b", "engine": "ref"}, "none", "[overfit is 9, was not set]"},
		{Identity{"data": "b", "overfit": "9", "init": "x"}, "none", "[init was x, is not set]"},
	} {
		now["validation"] = c.set
		if got := fmt.Sprint(now.Changes(c.was)); got != c.want {
			t.Errorf("from %v: %s, want %s", c.was, got, c.want)
		}
	}
}

// incc 0.1 wrote a hash in place of the identity, and no number of steps.
func TestOldCheckpoint(t *testing.T) {
	fs := newMemFS()
	forge(t, fs, testEngine(t), `{"run":"0123456789abcdef","epoch":0,"step":2,"global":2,"loss_sum":2,"correct":1,"drops":0,"stale":0,"best":0,"best_at":-1,"rows":null}`)
	_, err := ReadCheckpoint(fs, "run", testIdentity, testSteps, testEngine(t))
	var changed *ChangedError
	if !errors.As(err, &changed) || !changed.Unknown || !strings.Contains(err.Error(), "older incc") {
		t.Errorf("error %v", err)
	}
	if s, err := ReadCheckpoint(fs, "run", nil, testSteps, testEngine(t)); err != nil || s.Global != 2 {
		t.Errorf("accepted: %+v, %v", s, err)
	}
}

// forge writes a checkpoint with a right checksum and any state.
func forge(t testing.TB, fs *memFS, e Engine, state string) {
	t.Helper()
	var b bytes.Buffer
	values, err := readAll(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := encodeCheckpoint(&b, e.Params(), values, state); err != nil {
		t.Fatal(err)
	}
	f := &memFile{fs: fs, data: b.Bytes()}
	fs.files["run/"+checkpointName(1)] = f
}

// A state that no run can have written is refused, and the engine stays as it was.
func TestForgedState(t *testing.T) {
	row := `{"epoch":1,"rate":0.1,"train_loss":1,"train_acc":0.5,"val_loss":"NaN","val_acc":"NaN","seconds":1,"images":48}`
	good := `{"run":{"data":"bars","engine":"ref"},"epoch":1,"step":2,"steps":6,"global":8,"loss_sum":2.5,"correct":3,"drops":0,"stale":0,"best":0.5,"best_at":1,"rows":[` + row + `]}`
	fs := newMemFS()
	forge(t, fs, testEngine(t), good)
	if s, err := ReadCheckpoint(fs, "run", testIdentity, testSteps, testEngine(t)); err != nil || s.Global != 8 {
		t.Fatalf("the state that the others are made of: %+v, %v", s, err)
	}
	for _, x := range [][2]string{
		{`"epoch":1,"step"`, `"epoch":-1,"step"`},
		{`"epoch":1,"step"`, `"epoch":2,"step"`},
		{`"epoch":1,"step"`, `"epoch":1e99,"step"`},
		{`"epoch":1,"step"`, `"epoch":9223372036854775807,"step"`},
		{`"step":2`, `"step":-2`},
		{`"step":2`, `"step":7`},
		{`"step":2`, `"step":9223372036854775807`},
		{`"steps":6`, `"steps":0`},
		{`"steps":6`, `"steps":7`},
		{`"global":8`, `"global":-8`},
		{`"global":8`, `"global":9`},
		{`"global":8`, `"global":2`},
		{`"global":8`, `"global":9223372036854775807`},
		{`"global":8`, `"global":8.5`},
		{`"loss_sum":2.5`, `"loss_sum":"NaN"`},
		{`"loss_sum":2.5`, `"loss_sum":1e999`},
		{`"correct":3`, `"correct":-3`},
		{`"correct":3`, `"correct":17`},
		{`"drops":0`, `"drops":-1`},
		{`"drops":0`, `"drops":2`},
		{`"stale":0`, `"stale":-1`},
		{`"stale":0`, `"stale":1000000`},
		{`"best":0.5`, `"best":"NaN"`},
		{`"best":0.5`, `"best":"a lot"`},
		{`"best_at":1`, `"best_at":-1`},
		{`"best_at":1`, `"best_at":0`},
		{`"best_at":1`, `"best_at":2`},
		{row, ``},
		{row, row + `,` + row},
		{row, strings.Replace(row, `"epoch":1`, `"epoch":0`, 1)},
		{row, strings.Replace(row, `"images":48`, `"images":-48`, 1)},
		{row, strings.Replace(row, `"seconds":1`, `"seconds":"NaN"`, 1)},
		{row, strings.Replace(row, `"seconds":1`, `"seconds":-1`, 1)},
		{`{"run"`, `["run"`},
		{`{"run":{`, `{"run":[{`},
		{good, ``},
		{good, `{}`},
		{good, `null`},
	} {
		bad := strings.Replace(good, x[0], x[1], 1)
		if bad == good {
			t.Fatalf("%s is not in the state", x[0])
		}
		fs := newMemFS()
		forge(t, fs, testEngine(t), bad)
		e := testEngine(t)
		before := fingerprint(t, e)
		if s, err := ReadCheckpoint(fs, "run", testIdentity, testSteps, e); err == nil {
			t.Errorf("%s -> %s: %+v", x[0], x[1], s)
		}
		if fingerprint(t, e) != before {
			t.Errorf("%s -> %s: the engine changed", x[0], x[1])
		}
	}
}

// A checkpoint of another network, or one that is larger than it can be, is refused.
func TestForeignCheckpoint(t *testing.T) {
	fs := newMemFS()
	e := testEngine(t)
	forge(t, fs, e, `{}`)
	name := "run/" + checkpointName(1)
	fs.files[name].data = append(fs.files[name].data, make([]byte, checkpointBytes(e.Params()))...)
	if _, err := ReadCheckpoint(fs, "run", nil, testSteps, e); err == nil || !strings.Contains(err.Error(), "a checkpoint of this run at most") {
		t.Errorf("too large: %v", err)
	}
	params := e.Params()
	values, err := readAll(e)
	if err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]int{"one param less": len(params) - 1, "no params": 0} {
		var b bytes.Buffer
		if err := encodeCheckpoint(&b, params[:n], values[:n], `{"run":"","steps":6,"best_at":-1}`); err != nil {
			t.Fatal(err)
		}
		fs.files[name] = &memFile{fs: fs, data: b.Bytes()}
		if _, err := ReadCheckpoint(fs, "run", nil, testSteps, e); err == nil || !strings.Contains(err.Error(), "is not in the file") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestDigestData: every pixel, label and size is in the digest, and where a set is
// split is not.
func TestDigestData(t *testing.T) {
	set := bars(12)
	want := DigestData(set)
	if got := DigestData(bars(12)); got != want {
		t.Error("the same data have another digest")
	}
	seen := map[string]bool{want: true}
	differs := func(what string, s *data.Set) {
		t.Helper()
		if d := DigestData(s); seen[d] {
			t.Errorf("%s: the digest is the same", what)
		} else {
			seen[d] = true
		}
	}
	for _, at := range []int{0, 17, len(set.Pixels) - 1} {
		s := bars(12)
		s.Pixels[at] ^= 1
		differs("a pixel", s)
	}
	s := bars(12)
	s.Labels[11] = 0
	differs("a label", s)
	s = bars(12)
	s.H, s.W = 4, 9
	differs("a shape", s)
	s = bars(12)
	s.Classes = 4
	differs("the number of classes", s)
	differs("an image less", bars(11))
}

// still is an engine that holds params and computes nothing.
type still struct{ values map[string][]float32 }

var stillParams = []Param{{Name: "w", Shape: ir.Shape{2, 3}, Average: "w.average"}, {Name: "w.velocity", Shape: ir.Shape{2, 3}, Slot: true},
	{Name: "w.average", Shape: ir.Shape{2, 3}, Slot: true}, {Name: "mean", Shape: ir.Shape{4}}}

func newStill() *still {
	e := &still{map[string][]float32{}}
	for i, p := range stillParams {
		e.values[p.Name] = make([]float32, p.Shape.Size())
		e.values[p.Name][0] = float32(i) + 0.5
	}
	return e
}

func (e *still) Batch() int                                { return 8 }
func (e *still) Classes() int                              { return 3 }
func (e *still) Logits(dst, images []float32, n int) error { clear(dst); return nil }
func (e *still) Step([]float32, []int32, float32, int64) (Stats, error) {
	return Stats{Loss: 1, Norm: 1}, nil
}
func (e *still) StepMixed([]float32, []int32, []int32, float32, float32, int64) (Stats, error) {
	return Stats{Loss: 1, Norm: 1}, nil
}
func (e *still) Params() []Param                      { return stillParams }
func (e *still) Get(name string, dst []float32) error { copy(dst, e.values[name]); return nil }
func (e *still) Set(name string, src []float32) error { copy(e.values[name], src); return nil }

// FuzzCheckpoint: any file is a checkpoint from which a run goes on, or an error
// that leaves the engine as it was. The second argument is a state in a file that is
// otherwise right.
func FuzzCheckpoint(f *testing.F) {
	fs := newMemFS()
	for _, state := range []string{
		`{"run":{"data":"bars","engine":"ref"},"epoch":0,"step":2,"steps":6,"global":2,"loss_sum":2.5,"correct":3,"best_at":-1}`,
		`{"run":{"data":"bars","engine":"ref"},"epoch":1,"step":0,"steps":6,"global":6,"best":"-Inf","best_at":1,"rows":[{"epoch":1,"rate":0.1,"val_loss":"NaN","seconds":1}]}`,
		`{"run":"0123456789abcdef","step":2,"global":2,"best_at":-1,"rows":null}`,
	} {
		forge(f, fs, newStill(), state)
		f.Add(fs.files["run/"+checkpointName(1)].data, state)
	}
	c := testConfig(f, fs)
	c.Epochs, c.Every = 2.5, 0
	before := fingerprint(f, newStill())
	f.Fuzz(func(t *testing.T, file []byte, state string) {
		fs := newMemFS()
		fs.files["run/"+checkpointName(1)] = &memFile{fs: fs, data: file}
		forged := newMemFS()
		forge(t, forged, newStill(), strings.ToValidUTF8(state, ""))
		for _, fs := range []*memFS{fs, forged} {
			for _, accept := range []Identity{testIdentity, nil} {
				e := newStill()
				s, err := ReadCheckpoint(fs, "run", accept, testSteps, e)
				if err != nil {
					if fingerprint(t, e) != before {
						t.Fatal("the engine changed")
					}
					continue
				}
				c := c
				c.FS, c.Resume, c.AcceptChanged = fs, true, accept == nil
				if _, err := Run(context.Background(), e, c); err != nil {
					t.Fatalf("going on from %+v: %v", s, err)
				}
			}
		}
	})
}
